"""Storage commitment, push model (PS3.4 annex J): the promise to keep an object is made only of what is really here."""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from io import BytesIO
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.dsutils import encode
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session as Transaction

from photopeak.core import DicomError, PhotopeakError
from photopeak.dicom.elements import Elements
from photopeak.dicom.parse import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from photopeak.room.node.contexts import COMMITMENT
from photopeak.room.node.finding import BadIdentifier, identifier
from photopeak.room.node.listening import Messages
from photopeak.room.node.sending import association
from photopeak.room.node.storing import status
from photopeak.room.room import Room
from photopeak.room.schema import Commitment, Destination, Instance, now

log = logging.getLogger(__name__)

WELL_KNOWN: Final = UID("1.2.840.10008.1.20.1.1")
NO_SUCH_INSTANCE: Final = 0x0112
CLASS_CONFLICT: Final = 0x0119
NO_SUCH_ACTION: Final = 0x0123
INVALID_ARGUMENT: Final = 0x0115
PROCESSING_FAILURE: Final = 0x0110
LONGEST_WAIT_S: Final = 600.0
SECONDS_ON_THE_SAME: Final = 10.0
MOST_ASKED: Final = 100_000


def wait_s(attempts: int) -> float:
    """Seconds until the next attempt: 2, doubled with each, and at most ten minutes.

    >>> [wait_s(n) for n in (1, 2, 3, 20)]
    [2.0, 4.0, 8.0, 600.0]
    """
    return min(2.0 ** min(attempts, 16), LONGEST_WAIT_S)


def action(event: evt.Event, room: Room) -> tuple[Dataset, None]:
    """Answer an N-ACTION request: what was asked is in the database before it is answered."""
    if event.action_type != 1:
        return status(NO_SUCH_ACTION, f"no action {event.action_type}"), None
    peer = str(event.assoc.requestor.ae_title).strip()
    try:
        transaction, asked = _asked(identifier(event, "ActionInformation"))
        with room.database.writing() as t:
            row = t.scalar(select(Commitment).where(Commitment.transaction_uid == transaction, Commitment.peer == peer))
            if row is None:
                row = Commitment(transaction_uid=transaction, peer=peer)
                t.add(row)
            row.asked, row.state, row.attempts, row.next_at = asked, "waiting", 0, now()
            known = t.scalar(select(Destination.id).where(Destination.ae_title == peer)) is not None
            t.flush()
            number = row.id
    except (BadIdentifier, DicomError) as error:
        return status(INVALID_ARGUMENT, str(error)), None
    except (SQLAlchemyError, OSError) as error:
        return status(PROCESSING_FAILURE, f"cannot be kept now: {type(error).__name__}"), None
    if not known:
        _answer_here(event.assoc, room, number)
    return status(0x0000), None


def _asked(information: Elements) -> tuple[str, list[list[str]]]:
    """(transaction UID, [class, instance] of each object) of the action information (PS3.4 table J.3-1)."""
    transaction = information.text("TransactionUID")
    items = information.data["ReferencedSOPSequence"].value if "ReferencedSOPSequence" in information.data else []
    asked = []
    for item in items:
        one = Elements(item, information.path, information)
        asked.append([one.text("ReferencedSOPClassUID"), one.text("ReferencedSOPInstanceUID")])
    if not 0 < len(transaction) <= 64 or not 0 < len(asked) <= MOST_ASKED or not all(u for a in asked for u in a):
        raise BadIdentifier(INVALID_ARGUMENT, "a transaction UID and references are needed")
    return transaction, asked


def _answer_here(assoc: Association, room: Room, number: int) -> None:
    """Report on the same association, once the N-ACTION itself has been answered."""

    def report() -> None:
        threading.Thread(target=_report_here, args=(room, assoc, number), name="commitment", daemon=True).start()

    assert isinstance(assoc.dimse, Messages)
    assoc.dimse.after_action = report


def _report_here(room: Room, assoc: Association, number: int) -> None:
    try:
        with room.database.reading() as t:
            row = t.get(Commitment, number)
            if row is None or row.state != "waiting":
                return
            event_type, report = answer(t, room, row)
        if send_report(assoc, event_type, report):
            _settle(room, number)
    except (SQLAlchemyError, PhotopeakError, OSError):
        log.exception("the storage commitment %d was not reported on its own association", number)


def answer(t: Transaction, room: Room, asked: Commitment) -> tuple[int, Dataset]:
    """(event type 1 where all is safe, else 2; the event information) of PS3.4 table J.3-2."""
    safe: list[Dataset] = []
    failed: list[Dataset] = []
    for sop_class, sop_uid in asked.asked:
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = sop_class, sop_uid
        reason = _reason(t, room, sop_class, sop_uid)
        if reason:
            reference.FailureReason = reason
        (failed if reason else safe).append(reference)
    report = Dataset()
    report.TransactionUID = asked.transaction_uid
    report.RetrieveAETitle = room.settings.ae_title
    if safe:
        report.ReferencedSOPSequence = safe
    if failed:
        report.FailedSOPSequence = failed
    return (2 if failed else 1), report


def _reason(t: Transaction, room: Room, sop_class: str, sop_uid: str) -> int:
    """Why an object is not safe; 0 where it is, which its bytes' hash has just shown."""
    row = t.execute(select(Instance.sop_class, Instance.sha256).where(Instance.sop_uid == sop_uid)).first()
    if row is None:
        return NO_SUCH_INSTANCE
    if row.sop_class != sop_class:
        return CLASS_CONFLICT
    try:
        room.objects.get(row.sha256)
    except PhotopeakError:
        log.error("the object %s is in the catalogue, and its bytes are not", sop_uid)
        return NO_SUCH_INSTANCE
    return 0


def send_report(assoc: Association, event_type: int, report: Dataset) -> bool:
    """An N-EVENT-REPORT; whether it was taken. It gives up as soon as the peer wants to leave, which
    pynetdicom's own would only notice after its whole time has passed."""
    context = next((c for c in assoc.accepted_contexts if c.abstract_syntax == COMMITMENT), None)
    if context is None or not assoc.is_established:
        return False
    syntax = context.transfer_syntax[0]
    request = N_EVENT_REPORT()
    request.MessageID, request.EventTypeID = 1, event_type
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = UID(COMMITMENT), WELL_KNOWN
    stream = encode(report, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
    if stream is None:
        return False
    request.EventInformation = BytesIO(stream)
    assoc._reactor_checkpoint.clear()
    end = time.monotonic() + SECONDS_ON_THE_SAME
    try:
        while not assoc._is_paused:
            time.sleep(0.001)
        assoc.dimse.send_msg(request, int(context.context_id or 0))
        while time.monotonic() < end and assoc.dul.is_alive():
            if not assoc.dimse.msg_queue.empty():
                _, reply = assoc.dimse.get_msg(block=False)
                return isinstance(reply, N_EVENT_REPORT) and reply.Status == 0
            if assoc.dul.peek_next_pdu() is not None:
                return False
            time.sleep(0.002)
    finally:
        assoc._reactor_checkpoint.set()
    return False


def deliver_commitments(room: Room) -> int:
    """Report every commitment that is due to its peer, on an association of its own; how many were taken.

    A peer that is no destination is asked for again and again, with growing waits: somebody may make it one.
    """
    with room.database.reading() as t:
        due = select(Commitment.id).where(Commitment.state == "waiting", Commitment.next_at <= now())
        numbers = list(t.scalars(due.order_by(Commitment.next_at).limit(1000)))
    return sum(_deliver(room, number) for number in numbers)


def _deliver(room: Room, number: int) -> bool:
    with room.database.writing() as t:
        row = t.get(Commitment, number)
        if row is None or row.state != "waiting" or row.next_at > now():
            return False  # another worker has it
        row.attempts += 1
        row.next_at = now() + dt.timedelta(seconds=wait_s(row.attempts))
        to = t.scalar(select(Destination).where(Destination.ae_title == row.peer))
    if to is None:
        return False
    with room.database.reading() as t:
        event_type, report = answer(t, room, row)
    contexts = [build_context(COMMITMENT, [EXPLICIT_LITTLE, IMPLICIT_LITTLE])]
    try:
        # Who reports is the provider of the service although it calls (PS3.4 J.3.3, PS3.7 D.3.3.4).
        with association(room, to, contexts, [build_role(COMMITMENT, scu_role=False, scp_role=True)]) as assoc:
            taken = send_report(assoc, event_type, report)
    except PhotopeakError as error:
        log.warning("the storage commitment %s was not delivered: %s", row.transaction_uid, error)
        return False
    if taken:
        _settle(room, number)
    return taken


def _settle(room: Room, number: int) -> None:
    with room.database.writing() as t:
        row = t.get(Commitment, number)
        if row is not None:
            row.state = "delivered"
