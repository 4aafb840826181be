"""What goes on to other archives: a list in the database that loses nothing, and is sent until it was taken."""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pynetdicom.association import Association
from sqlalchemy import select
from sqlalchemy.orm import Session as Transaction

from photopeak.core import PhotopeakError
from photopeak.room import audit
from photopeak.room.node.commitment import wait_s
from photopeak.room.node.contexts import proposed
from photopeak.room.node.retrieving import outcome
from photopeak.room.node.sending import Kept, association, body, send
from photopeak.room.room import Room
from photopeak.room.schema import Destination, Instance, Outgoing, now

log = logging.getLogger(__name__)

MOST_AT_ONCE: Final = 500
"""Objects of one association, so that none of them holds another destination up for long."""
LEASE_S: Final = 600.0
"""How long objects belong to who began to send them; if it ends before, they are sent again."""


@dataclass(frozen=True)
class _Due:
    number: int
    kept: Kept


def queue(t: Transaction, sop_uids: Sequence[str], *, made_here: bool) -> int:
    """Put objects on their way to every destination that wants them by itself; how many are new on it.

    An object does not go back to where it came from: two archives that pass everything on would do so for ever.
    """
    wanted = ("all", "results") if made_here else ("all",)
    destinations = t.scalars(select(Destination).where(Destination.forward.in_(wanted))).all()
    return sum(_queue(t, d, sop_uids, back=False) for d in destinations)


def queue_to(t: Transaction, destination: Destination, sop_uids: Sequence[str]) -> int:
    """Put objects on their way to one destination, whatever it wants by itself; how many are new on it."""
    return _queue(t, destination, sop_uids, back=True)


def _queue(t: Transaction, destination: Destination, sop_uids: Sequence[str], back: bool) -> int:
    new = 0
    for uid in sop_uids:
        instance = t.scalar(select(Instance).where(Instance.sop_uid == uid))
        if instance is None or (not back and instance.sender == destination.ae_title):
            continue
        same = (
            Outgoing.destination_key == destination.id,
            Outgoing.sop_uid == uid,
            Outgoing.sha256 == instance.sha256,
        )
        row = t.scalar(select(Outgoing).where(*same))
        if row is not None and not (back and row.state == "sent"):
            continue
        if row is None:
            row = Outgoing(destination_key=destination.id, sop_uid=uid, sha256=instance.sha256)
            t.add(row)
        row.state, row.attempts, row.next_at, row.error = "waiting", 0, now(), ""
        new += 1
    t.flush()
    return new


def send_due(room: Room) -> int:
    """Send what is due, over one association for each destination; how many objects were taken."""
    with room.database.reading() as t:
        due = select(Outgoing.destination_key).where(Outgoing.state == "waiting", Outgoing.next_at <= now())
        destinations = sorted(set(t.scalars(due.distinct())))
    return sum(_send_to(room, number) for number in destinations)


def _send_to(room: Room, destination: int) -> int:
    to, due = _claim(room, destination)
    if to is None or not due:
        return 0
    counts: Counter[str] = Counter()
    left = {d.number: d for d in due}
    try:
        contexts = proposed((d.kept.sop_class, d.kept.syntax) for d in due)
        with association(room, to, contexts) as assoc:
            for position, one in enumerate(due):
                if not assoc.is_established:
                    break
                error = _send_one(room, assoc, one, position)
                del left[one.number]
                counts["failed" if error else "sent"] += 1
                _settle(room, [one.number], error)
        ended = "the association ended before its turn"
    except PhotopeakError as error:
        ended = str(error)
    if left:
        counts["failed"] += len(left)
        _settle(room, list(left), ended)
    if counts["sent"]:
        _record(room, to, counts)
    return counts["sent"]


def _claim(room: Room, destination: int) -> tuple[Destination | None, list[_Due]]:
    """Take the due objects of a destination, so that no other worker sends them too."""
    with room.database.writing() as t:
        to = t.get(Destination, destination)
        due = (
            select(Outgoing)
            .where(Outgoing.destination_key == destination, Outgoing.state == "waiting", Outgoing.next_at <= now())
            .order_by(Outgoing.next_at, Outgoing.id)
            .limit(MOST_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        rows = t.scalars(due).all()
        for row in rows:
            row.next_at = now() + dt.timedelta(seconds=LEASE_S)
        asked = select(Instance).where(Instance.sop_uid.in_([r.sop_uid for r in rows]))
        known = {i.sop_uid: i for i in t.scalars(asked)}
    found = []
    for row in rows:
        instance = known.get(row.sop_uid)
        if instance is None:
            _settle(room, [row.id], "it is no longer in the catalogue")
            continue
        # Since it was queued it may have been corrected: what was queued is sent, in the syntax that it has.
        syntax = instance.syntax if instance.sha256 == row.sha256 else _syntax(room, row.sha256)
        found.append(_Due(row.id, Kept(row.sop_uid, instance.sop_class, syntax, row.sha256)))
    return to, found


def _syntax(room: Room, sha256: str) -> str:
    try:
        return body(room.objects.get(sha256))[0]
    except PhotopeakError:
        return ""  # its sending will say that the bytes are gone


def _send_one(room: Room, assoc: Association, one: _Due, position: int) -> str:
    """Send one object; why it was not taken, or nothing."""
    try:
        answer = send(room, assoc, one.kept, position)
    except PhotopeakError as error:
        return str(error)
    if "Status" not in answer:
        return "no answer came"
    code = int(answer.Status)
    comment = str(answer.get("ErrorComment", ""))
    return "" if outcome(code) != "failed" else f"refused with status 0x{code:04X} {comment}".strip()


def _settle(room: Room, numbers: list[int], error: str) -> None:
    with room.database.writing() as t:
        for number in numbers:
            row = t.get(Outgoing, number)
            if row is None:
                continue
            row.attempts += 1
            row.error = error
            if error:
                row.next_at = now() + dt.timedelta(seconds=wait_s(row.attempts))
            else:
                row.state = "sent"


def _record(room: Room, to: Destination, counts: Counter[str]) -> None:
    event = audit.Event("send", who=room.settings.ae_title, address=to.host, details={"to": to.ae_title, **counts})
    with room.database.writing() as t:
        audit.record(t, event)
