"""C-STORE: success is said only of what is durable (PS3.4 annex B; the status codes are those of table B.2-1)."""

from __future__ import annotations

import logging
import struct
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from pydicom.dataset import Dataset
from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION, evt
from pynetdicom.association import Association
from sqlalchemy.exc import SQLAlchemyError

from photopeak.core import DicomError, PhotopeakError
from photopeak.room import audit
from photopeak.room.arriving import Arrival, header_of
from photopeak.room.node.listening import Beyond
from photopeak.room.room import Room

log = logging.getLogger(__name__)

OUT_OF_RESOURCES: Final = 0xA700
ANOTHER_CLASS: Final = 0xA900
NOT_UNDERSTOOD: Final = 0xC000
FAILED: Final = 0x0110
LONGEST_COMMENT: Final = 64


class Tally:
    """What came over each association that is open."""

    def __init__(self) -> None:
        self._counts: dict[Association, Counter[str]] = {}
        self._studies: dict[Association, set[str]] = {}

    def add(self, assoc: Association, outcome: str, study: str = "") -> None:
        self._counts.setdefault(assoc, Counter())[outcome] += 1
        if study:
            self._studies.setdefault(assoc, set()).add(study)

    def take(self, assoc: Association) -> tuple[Counter[str], list[str]]:
        """(how often each outcome, the studies), which are then forgotten."""
        return self._counts.pop(assoc, Counter()), sorted(self._studies.pop(assoc, set()))


def status(code: int, comment: str = "") -> Dataset:
    """A status with its comment, which is at most 64 characters of ASCII."""
    answer = Dataset()
    answer.Status = code
    if comment:
        answer.ErrorComment = "".join(c if " " <= c <= "~" and c != "\\" else " " for c in comment)[:LONGEST_COMMENT]
    return answer


def store(event: evt.Event, room: Room, tally: Tally, on_arrival: Callable[[Arrival], None] | None) -> Dataset:
    """Answer one C-STORE request."""
    try:
        arrival = _take(event, room)
    except _Refused as refused:
        tally.add(event.assoc, "refused")
        return refused.answer
    tally.add(event.assoc, arrival.outcome, arrival.header.study_uid)
    if on_arrival is not None:
        try:
            on_arrival(arrival)
        except Exception:  # the object is safe, and its sender must hear so whatever comes of it here
            log.exception("what follows the arrival of %s failed", arrival.header.sop_uid)
    return status(0x0000)


class _Refused(Exception):
    def __init__(self, code: int, comment: str) -> None:
        self.answer = status(code, comment)


def _take(event: evt.Event, room: Room) -> Arrival:
    request: Any = event.request
    if isinstance(request.DataSet, Beyond):
        raise _Refused(OUT_OF_RESOURCES, f"larger than {room.settings.max_upload_mb} MB")
    sender = str(event.assoc.requestor.ae_title).strip()
    name = str(request.AffectedSOPInstanceUID)
    try:
        data = file_head(str(request.AffectedSOPClassUID), name, event.context.transfer_syntax)
        data += event.encoded_dataset(include_meta=False)
        header, ds = header_of(data, name)
        if header.sop_class != request.AffectedSOPClassUID or header.sop_uid != name:
            raise _Refused(ANOTHER_CLASS, "the dataset is of another class or instance than the request")
        return room.receive(data, sender, name, (header, ds))
    except DicomError as error:
        raise _Refused(NOT_UNDERSTOOD, f"{error.tag} {error.meaning}".strip()) from error
    except (OSError, MemoryError, SQLAlchemyError, PhotopeakError) as error:
        log.error("an object of %s cannot be kept: %s", sender, error)
        raise _Refused(OUT_OF_RESOURCES, f"cannot be kept now: {type(error).__name__}") from error
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        log.exception("an object of %s cannot be understood", sender)
        raise _Refused(NOT_UNDERSTOOD, f"cannot be understood: {type(error).__name__}") from error


def file_head(sop_class: str, sop_instance: str, syntax: str) -> bytes:
    """Preamble, prefix and file meta information (PS3.10 section 7.1) to be put before a dataset.

    Byte by byte as ``event.encoded_dataset`` of pynetdicom has them, or what is sent again would be another file.
    """
    rest = struct.pack("<HH2sHI2s", 2, 1, b"OB", 0, 2, b"\0\1") + b"".join(
        _element(number, vr, value)
        for number, vr, value in (
            (0x0002, b"UI", sop_class),
            (0x0003, b"UI", sop_instance),
            (0x0010, b"UI", syntax),
            (0x0012, b"UI", PYNETDICOM_IMPLEMENTATION_UID),
            (0x0013, b"SH", PYNETDICOM_IMPLEMENTATION_VERSION),
        )
    )
    return bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(rest)) + rest


def _element(number: int, vr: bytes, text: str) -> bytes:
    """An element of group 2, padded to an even length (PS3.5 section 6.2)."""
    value = text.encode("ascii")
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    return struct.pack("<HH2sH", 2, number, vr, len(value)) + value


def record_association(room: Room, assoc: Association, tally: Tally) -> None:
    """One line of the audit trail for an association that stored."""
    counts, studies = tally.take(assoc)
    if not counts:
        return
    details: dict[str, Any] = {**counts, "studies": studies}
    kept = sum(counts.values()) - counts["refused"]
    write_audit(room, assoc, "receive", studies[0] if len(studies) == 1 else "", details, kept > 0)


def write_audit(
    room: Room, assoc: Association, action: str, what: str, details: dict[str, Any], well: bool = True
) -> None:
    """A line about an association; a full disk must not end the association that it tells of."""
    event = audit.Event(
        action,
        who=str(assoc.requestor.ae_title).strip(),
        what=what,
        outcome="success" if well else "failure",
        address=str(assoc.requestor.address),
        details=details,
    )
    try:
        with room.database.writing() as t:
            audit.record(t, event)
    except SQLAlchemyError:
        log.exception("the audit trail cannot be written")
