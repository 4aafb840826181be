"""C-STORE to other machines: the bytes as they are kept, in their own transfer syntax where the other takes it.

Where it does not, an uncompressed dataset is written in another uncompressed syntax with the same values. A compressed
one is not decompressed: its decoder would run on a stranger's bytes in the process that serves everybody, and a lossy
image would look like an original. It counts as failed, and the error says which syntax was not accepted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.presentation import PresentationContext
from sqlalchemy import select
from sqlalchemy.orm import Session as Transaction

from photopeak.core import PhotopeakError
from photopeak.dicom.parse import DEFLATED, parse
from photopeak.room.node import tls
from photopeak.room.node.contexts import INTERCHANGEABLE
from photopeak.room.node.listening import LARGEST_PDU, Entity
from photopeak.room.room import Room
from photopeak.room.schema import Destination, Instance

SECONDS_TO_CONNECT: Final = 10.0
SECONDS_TO_ANSWER: Final = 60.0


@dataclass(frozen=True)
class Kept:
    """An object that is to be sent."""

    sop_uid: str
    sop_class: str
    syntax: str
    sha256: str


@dataclass(frozen=True)
class Mover:
    """The request that a C-STORE is a sub-operation of (PS3.7 section 9.1.1.1)."""

    ae_title: str
    message: int


def kept(t: Transaction, sop_uids: Sequence[str]) -> list[Kept]:
    """The objects of these UIDs that are in the catalogue."""
    rows: list[Kept] = []
    for start in range(0, len(sop_uids), 1000):
        asked = select(Instance).where(Instance.sop_uid.in_(sop_uids[start : start + 1000]))
        rows += [Kept(i.sop_uid, i.sop_class, i.syntax, i.sha256) for i in t.scalars(asked)]
    return rows


def entity(room: Room) -> Entity:
    """The room as a caller, with its limits of time."""
    ae = Entity(room.settings.ae_title)
    ae.maximum_pdu_size = LARGEST_PDU
    ae.connection_timeout, ae.acse_timeout = SECONDS_TO_CONNECT, SECONDS_TO_CONNECT
    ae.dimse_timeout = ae.network_timeout = SECONDS_TO_ANSWER
    return ae


def options(room: Room, to: Destination) -> dict[str, Any]:
    """What an association with this destination needs beside its contexts."""
    found: dict[str, Any] = {"ae_title": to.ae_title, "max_pdu": LARGEST_PDU}
    if to.tls:
        found["tls_args"] = (tls.calling(room.settings), to.host)
    return found


@contextmanager
def association(
    room: Room, to: Destination, contexts: list[PresentationContext], roles: Sequence[Any] = ()
) -> Iterator[Association]:
    """An association with a destination, released in the end; refused with the reason where there is none."""
    try:
        found = options(room, to)
        assoc = entity(room).associate(to.host, to.port, contexts=contexts, ext_neg=list(roles), **found)
    except (OSError, ValueError, RuntimeError) as error:
        raise PhotopeakError(f"{to.ae_title} at {to.host}:{to.port} cannot be called: {error}. {_REMEDY}") from error
    if not assoc.is_established:
        why = "does not answer" if assoc.acceptor.primitive is None else "accepts no context for what is sent"
        why = "refuses the association" if assoc.is_rejected else why
        raise PhotopeakError(f"{to.ae_title} at {to.host}:{to.port} {why}. {_REMEDY}")
    try:
        yield assoc
    finally:
        if assoc.is_established:
            assoc.release()


_REMEDY: Final = "Remedy: check its address, port and TLS, and that it knows this AE title."


def send(room: Room, assoc: Association, one: Kept, message: int, mover: Mover | None = None) -> Dataset:
    """One C-STORE request on an open association; its status, empty where no answer came."""
    request = C_STORE()
    request.MessageID, request.Priority = message % 65535 + 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = UID(one.sop_class), UID(one.sop_uid)
    if mover is not None:
        request.MoveOriginatorApplicationEntityTitle = mover.ae_title
        request.MoveOriginatorMessageID = mover.message
    data = room.objects.get(one.sha256)
    syntax, start = body(data)
    context = _context(assoc, one.sop_class, syntax)
    accepted = context.transfer_syntax[0]
    request.DataSet = BytesIO(data[start:] if accepted == syntax else rewritten(data, accepted))
    return _answered(assoc, request, int(context.context_id or 0))


def _answered(assoc: Association, request: C_STORE, context: int) -> Dataset:
    """What Association.send_c_store does with the bytes as they are, which it has no way to be given."""
    if not assoc.is_established:
        raise PhotopeakError("the association has ended. Remedy: send again.")
    assoc._reactor_checkpoint.clear()
    try:
        while not assoc._is_paused:
            time.sleep(0.0001)
        assoc.dimse.send_msg(request, context)
        _, answer = assoc.dimse.get_msg(block=True)
    finally:
        assoc._reactor_checkpoint.set()
    if answer is None:
        assoc._handle_no_response()
        return Dataset()
    return assoc._check_received_status(answer)


def _context(assoc: Association, sop_class: str, syntax: str) -> PresentationContext:
    """The accepted context for an object: of its own syntax, or of one that it can be written in."""
    fit = [c for c in assoc.accepted_contexts if c.abstract_syntax == sop_class and c.as_scu]
    for context in fit:
        if context.transfer_syntax[0] == syntax:
            return context
    for context in fit:
        if context.transfer_syntax[0] in INTERCHANGEABLE and (syntax in INTERCHANGEABLE or not syntax):
            return context
    raise PhotopeakError(
        f"no context is accepted for {UID(sop_class).name} in {UID(syntax).name or 'any syntax'}. "
        "Remedy: let the receiver accept this class and transfer syntax."
    )


def body(data: bytes) -> tuple[str, int]:
    """(transfer syntax, where the dataset begins) of a file's bytes; the syntax is ``""`` where it is not said.

    The file meta information is explicit VR little endian, whatever follows (PS3.10 section 7.1).
    """
    at, syntax = (132 if data[128:132] == b"DICM" else 0), ""
    while data[at : at + 2] == b"\x02\x00" and len(data) >= at + 12:
        long = data[at + 4 : at + 6] in (b"OB", b"UN", b"OW", b"UT", b"SQ", b"UR")
        size = int.from_bytes(data[at + 8 : at + 12] if long else data[at + 6 : at + 8], "little")
        value = at + (12 if long else 8)
        if data[at + 2 : at + 4] == b"\x10\x00":
            syntax = data[value : value + size].decode("ascii", "replace").strip(" \0")
        at = value + size
    return syntax, at


def rewritten(data: bytes, syntax: UID) -> bytes:
    """The dataset of a file in another uncompressed little endian syntax."""
    ds = parse(data, "object")
    stream = encode(ds, syntax.is_implicit_VR, True, syntax == DEFLATED)
    if stream is None:
        raise PhotopeakError("the object cannot be written in the accepted syntax. Remedy: accept the one it has.")
    return stream
