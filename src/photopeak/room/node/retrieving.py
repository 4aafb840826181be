"""C-MOVE and C-GET at every level (PS3.4 C.4.2 and C.4.3): the objects go out as they are kept."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.association import Association
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session as Transaction

from photopeak.core import DicomError, PhotopeakError
from photopeak.dicom.elements import Elements
from photopeak.room.node.contexts import PATIENT_ROOT, proposed
from photopeak.room.node.finding import NO_SUCH_IDENTIFIER, BadIdentifier, identifier, level_of
from photopeak.room.node.keys import LEVELS, UNIQUE, keys, statement
from photopeak.room.node.matching import narrowed
from photopeak.room.node.sending import Kept, Mover, options, send
from photopeak.room.node.storing import status, write_audit
from photopeak.room.room import Room
from photopeak.room.schema import Destination, Instance

log = logging.getLogger(__name__)

PENDING: Final = 0xFF00
CANCELLED: Final = 0xFE00
UNKNOWN_DESTINATION: Final = 0xA801
NOT_COUNTED: Final = 0xA701


class Envelope(Dataset):
    """What pynetdicom passes from the one who retrieves to the association that sends."""

    kept: Kept


def move(event: evt.Event, room: Room) -> Iterator[Any]:
    """Answer a C-MOVE request: the destination, the number of sub-operations, then each object."""
    title = str(event.move_destination or "").strip()
    with room.database.reading() as t:
        to = t.scalar(select(Destination).where(Destination.ae_title == title))
    if to is None:
        write_audit(room, event.assoc, "send", "", {"to": title, "why": "unknown destination"}, well=False)
        yield None, None  # answered as 0xA801
        return
    found, bad = _found(event, room)
    counts: Counter[str] = Counter()
    mover = Mover(str(event.assoc.requestor.ae_title).strip(), int(event.message_id))
    how = options(room, to)
    how["contexts"] = proposed((k.sop_class, k.syntax) for k in found) or proposed([_NOTHING])
    how["evt_handlers"] = [(evt.EVT_CONN_OPEN, _carry, [room, counts, mover])]
    yield to.host, to.port, how
    yield from _each(event, room, found, bad, counts, title)


def get(event: evt.Event, room: Room) -> Iterator[Any]:
    """Answer a C-GET request: the number of sub-operations, then each object on the association itself."""
    found, bad = _found(event, room)
    counts: Counter[str] = Counter()
    carry(event.assoc, room, counts, None)
    yield from _each(event, room, found, bad, counts, str(event.assoc.requestor.ae_title).strip())


#: Something to propose where nothing was found: an association needs a context
_NOTHING: Final = ("1.2.840.10008.5.1.4.1.1.20", "1.2.840.10008.1.2")


def _each(
    event: evt.Event, room: Room, found: list[Kept], bad: BadIdentifier | None, counts: Counter[str], to: str
) -> Iterator[Any]:
    if bad is not None:
        write_audit(room, event.assoc, "send", "", {"to": to, "why": str(bad)}, well=False)
        yield 1
        yield bad.answer, None
        return
    try:
        yield len(found)
        for one in found:
            if event.is_cancelled:
                yield CANCELLED, None
                return
            envelope = Envelope()
            envelope.SOPInstanceUID = one.sop_uid
            envelope.kept = one
            yield PENDING, envelope
    finally:
        details = {"to": to, "found": len(found), **counts}
        write_audit(room, event.assoc, "send", "", details, counts["failed"] == 0)


def _found(event: evt.Event, room: Room) -> tuple[list[Kept], BadIdentifier | None]:
    try:
        asked = identifier(event)
        level = level_of(asked, str(event.context.abstract_syntax))
        with room.database.reading() as t:
            return named(t, asked, level, str(event.context.abstract_syntax) in PATIENT_ROOT), None
    except BadIdentifier as bad:
        return [], bad
    except DicomError as error:
        return [], BadIdentifier(NO_SUCH_IDENTIFIER, f"{error.tag} {error.meaning}")
    except SQLAlchemyError as error:
        return [], BadIdentifier(NOT_COUNTED, f"the catalogue cannot be read: {type(error).__name__}")


def named(t: Transaction, asked: Elements, level: str, patient_root: bool) -> list[Kept]:
    """The objects that the unique keys of an identifier name, and nothing where its own level's is left out."""
    known = keys("IMAGE")
    columns: list[Any] = [Instance.sop_uid, Instance.sop_class, Instance.syntax, Instance.sha256]
    asking = statement("IMAGE", columns)
    for above in LEVELS[: LEVELS.index(level) + 1]:
        key = known[UNIQUE[above]]
        values = list(asked.words(key.keyword))
        if above == "PATIENT" and not patient_root:
            continue
        if any(set(v) & set("*?") for v in values) or (above == level and not values):
            raise BadIdentifier(NO_SUCH_IDENTIFIER, f"{key.keyword} must name what is retrieved")
        condition = key.column.in_(values) if above == "PATIENT" else narrowed("uid", values, key.column)
        if values and condition is None:
            raise BadIdentifier(NO_SUCH_IDENTIFIER, f"{key.keyword} has too many values")
        if values and condition is not None:
            asking = asking.where(condition)
    return [Kept(*row) for row in t.execute(asking)]


def _carry(event: evt.Event, room: Room, counts: Counter[str], mover: Mover) -> None:
    carry(event.assoc, room, counts, mover)


def carry(assoc: Association, room: Room, counts: Counter[str], mover: Mover | None) -> None:
    """Let an association send envelopes: pynetdicom would decode each object and write it anew."""

    def send_c_store(envelope: Envelope, msg_id: int = 1, **_ignored: Any) -> Dataset:
        answer = Dataset()
        try:
            answer = send(room, assoc, envelope.kept, msg_id, mover)
        except PhotopeakError as error:
            log.warning("%s was not sent: %s", envelope.kept.sop_uid, error)
        code = int(answer.get("Status", FAILED))
        counts[outcome(code)] += 1
        return answer if "Status" in answer else status(FAILED)

    assoc.send_c_store = send_c_store  # type: ignore[method-assign, assignment]


FAILED: Final = 0x0110


def outcome(code: int) -> str:
    """What a C-STORE status means for the object (PS3.4 B.2.3): the warnings 0xBxxx have stored it.

    >>> outcome(0), outcome(0xB007), outcome(0xA700)
    ('completed', 'warning', 'failed')
    """
    return "completed" if code == 0 else "warning" if code >> 12 == 0xB or code in (1, 0x107, 0x116) else "failed"
