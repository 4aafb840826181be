"""STOW-RS, the storage of objects (PS3.18 section 10.5): each object is kept, or refused with its reason."""

from __future__ import annotations

import mmap
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Annotated, Any, Final

import structlog
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect

from photopeak.core import DicomError, PhotopeakError
from photopeak.dicom.checked import CONVERSION_ERRORS
from photopeak.room.access import Caller, needs, room_of
from photopeak.room.arriving import Header, header_of
from photopeak.room.audit import Event, record
from photopeak.room.dicomweb.jsonmodel import Model, attribute, dump
from photopeak.room.dicomweb.multipart import Body, MultipartError, Part, decode
from photopeak.room.dicomweb.negotiation import DICOM, JSON, MULTIPART, Offer, choose, split_parameters
from photopeak.room.dicomweb.resources import base_of
from photopeak.room.room import Room

LOG: Final = structlog.get_logger()
router = APIRouter()
STORE: Final = needs("store")
#: Failure reasons (table I.2-2)
OUT_OF_RESOURCES: Final = 0xA700
OTHER_STUDY: Final = 0xA900
NOT_UNDERSTOOD: Final = 0xC000
LONGEST_COMMENT: Final = 1024


@dataclass
class Outcome:
    """What became of the objects of a request."""

    base: str
    kept: list[Model] = field(default_factory=list)
    failed: list[Model] = field(default_factory=list)
    unnamed: list[Model] = field(default_factory=list)
    """Those that do not even say which object they are."""
    counts: Counter[str] = field(default_factory=Counter)
    studies: set[str] = field(default_factory=set)

    def keep(self, header: Header, outcome: str) -> None:
        url = f"{self.base}/studies/{header.study_uid}/series/{header.series_uid}/instances/{header.sop_uid}"
        self.kept.append(dict([*_named(header), attribute("RetrieveURL", [url])]))
        self.counts[outcome] += 1
        self.studies.add(header.study_uid)

    def fail(self, header: Header | None, code: int, why: str) -> None:
        reason = [attribute("FailureReason", [code]), attribute("ErrorComment", [why[:LONGEST_COMMENT]])]
        (self.unnamed if header is None else self.failed).append(dict([*_named(header), *reason]))
        self.counts["refused"] += 1

    def model(self) -> Model:
        """The response (section 10.5.3.2 and table I.1-1)."""
        found = []
        if len(self.studies) == 1:
            found.append(attribute("RetrieveURL", [f"{self.base}/studies/{next(iter(self.studies))}"]))
        for tag, items in (("00081198", self.failed), ("00081199", self.kept), ("0008119A", self.unnamed)):
            if items:
                found.append((tag, {"vr": "SQ", "Value": items}))
        return dict(sorted(found))

    @property
    def status(self) -> int:
        """200 where all were kept, 202 where some, 409 where none."""
        return 409 if not self.kept else 202 if self.failed or self.unnamed else 200


def _named(header: Header | None) -> list[tuple[str, Model]]:
    if header is None:
        return []
    named = {"ReferencedSOPClassUID": header.sop_class, "ReferencedSOPInstanceUID": header.sop_uid}
    return [attribute(keyword, [uid]) for keyword, uid in named.items()]


async def received(request: Request, caller: Caller = STORE) -> IO[bytes]:
    """The body in a file, once it is known that its sender may store; 413 where it is longer than allowed."""
    assert caller.key
    limit = room_of(request).settings.max_upload_mb * 2**20
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed by the route)
    try:
        size = 0
        async for piece in request.stream():
            size += len(piece)
            if size > limit:
                raise HTTPException(413, f"A request holds at most {limit} bytes. Remedy: send the objects in several.")
            file.write(piece)
        file.flush()
    except ClientDisconnect as error:
        file.close()
        raise HTTPException(400, "The request was broken off.") from error
    except BaseException:
        file.close()
        raise
    return file


Sent = Annotated[IO[bytes], Depends(received)]


@router.post("/studies")
def store(request: Request, body: Sent, caller: Caller = STORE) -> Response:
    """Store objects."""
    return stored(request, caller, body, "")


@router.post("/studies/{study}")
def store_in(study: str, request: Request, body: Sent, caller: Caller = STORE) -> Response:
    """Store objects of one study; those of another are refused."""
    return stored(request, caller, body, study)


def stored(request: Request, caller: Caller, body: IO[bytes], study: str) -> Response:
    """Keep every object of a body, and answer what became of each."""
    room, outcome = room_of(request), Outcome(base_of(request))
    with body:
        offer = choose(request, [Offer(JSON), Offer("application/json")])
        boundary = _boundary(request)
        try:
            with _mapped(body) as data:
                for _ in decode(data, boundary):
                    pass  # the whole body is looked at before the first object of it is kept
                for part in decode(data, boundary):
                    _keep(room, caller, part, study, outcome)
        except MultipartError as error:
            raise HTTPException(400, str(error)) from error
    _write_audit(room, caller, outcome)
    parts: Any = getattr(request.app.state, "parts", None)
    if outcome.kept and parts is not None:
        parts.wake()
    return Response(dump(outcome.model()), outcome.status, {"Cache-Control": "no-store"}, offer.kind)


def _boundary(request: Request) -> str:
    """The boundary of the body; 415 where it is of another kind."""
    kind, parameters = split_parameters(request.headers.get("content-type", ""))
    if kind != MULTIPART or parameters.get("type", DICOM).lower() != DICOM:
        raise HTTPException(415, f'Objects are sent as {MULTIPART}; type="{DICOM}"; boundary=…, not as {kind[:80]!r}.')
    return parameters.get("boundary", "")


@contextmanager
def _mapped(file: IO[bytes]) -> Iterator[Body]:
    """The bytes of a file, without holding all of them in memory."""
    if file.seek(0, 2) == 0:
        yield b""
        return
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


def _keep(room: Room, caller: Caller, part: Part, study: str, outcome: Outcome) -> None:
    """Keep one object, or say why not; nothing of it ends the others."""
    kind = split_parameters(part.headers.get("content-type", DICOM))[0]
    header: Header | None = None
    if kind != DICOM:
        outcome.fail(None, NOT_UNDERSTOOD, f"A part is {kind[:80]}; {DICOM} is kept. Remedy: send DICOM files.")
        return
    try:
        header, _ = header_of(part.content, "object")
        if study and header.study_uid != study:
            outcome.fail(
                header, OTHER_STUDY, f"The object belongs to the study {header.study_uid}. Remedy: POST there."
            )
            return
        arrival = room.receive(part.content, caller.name, header.sop_uid)
        outcome.keep(arrival.header, arrival.outcome)
    except DicomError as error:
        outcome.fail(header, NOT_UNDERSTOOD, str(error))
    except (OSError, SQLAlchemyError, PhotopeakError) as error:
        LOG.error("an object cannot be kept", error=str(error))
        outcome.fail(header, OUT_OF_RESOURCES, f"It cannot be kept now ({type(error).__name__}). Remedy: try again.")
    except CONVERSION_ERRORS as error:
        LOG.exception("an object cannot be understood")
        outcome.fail(header, NOT_UNDERSTOOD, f"It cannot be understood ({type(error).__name__}).")


def _write_audit(room: Room, caller: Caller, outcome: Outcome) -> None:
    studies = sorted(outcome.studies)
    details = {**outcome.counts, "studies": studies, "through": "DICOMweb"}
    what, how = studies[0] if len(studies) == 1 else "", "success" if outcome.kept else "failure"
    with room.database.writing() as t:
        record(t, Event("receive", caller.name, what, how, caller.address, details))
