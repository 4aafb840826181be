"""WADO-RS, the retrieval of objects, their metadata and their binary values (PS3.18 section 10.4)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, Final

import structlog
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from pydicom.dataset import Dataset

from photopeak.core import DicomError
from photopeak.dicom.checked import CONVERSION_ERRORS
from photopeak.dicom.parse import EXPLICIT_LITTLE, parse
from photopeak.room.access import Caller, needs, room_of
from photopeak.room.dicomweb.converting import converted, syntaxes_of
from photopeak.room.dicomweb.frames import RECENT
from photopeak.room.dicomweb.jsonmodel import BINARY, PIXELS, Model, binary, dump, model_of
from photopeak.room.dicomweb.multipart import head, tail
from photopeak.room.dicomweb.negotiation import (
    DICOM,
    JSON,
    MULTIPART,
    OCTETS,
    Offer,
    accepted,
    choose,
    not_acceptable,
    ranked,
)
from photopeak.room.dicomweb.resources import Item, base_of, digest_of, headers_of, items_of, told, unchanged
from photopeak.room.room import Room

LOG: Final = structlog.get_logger()
router = APIRouter()
STUDY: Final = "/studies/{study}"
SERIES: Final = STUDY + "/series/{series}"
INSTANCE: Final = SERIES + "/instances/{sop}"
IN_MEMORY: Final = 64 * 2**20
"""An answer larger than this waits on disk while it is sent."""
_PIECE: Final = 2**20


@router.get(STUDY)
def study(study: str, request: Request, caller: Caller = needs("view")) -> Response:
    """The objects of a study."""
    return objects(request, items_of(request, caller, study), alone=False)


@router.get(SERIES)
def one_series(study: str, series: str, request: Request, caller: Caller = needs("view")) -> Response:
    """The objects of a series."""
    return objects(request, items_of(request, caller, study, series), alone=False)


@router.get(INSTANCE)
def instance(study: str, series: str, sop: str, request: Request, caller: Caller = needs("view")) -> Response:
    """One object; alone, without a multipart, where the caller prefers that."""
    return objects(request, items_of(request, caller, study, series, sop), alone=True)


@router.get(STUDY + "/metadata")
def study_metadata(study: str, request: Request, caller: Caller = needs("view")) -> Response:
    """What the objects of a study say."""
    return metadata(request, items_of(request, caller, study))


@router.get(SERIES + "/metadata")
def series_metadata(study: str, series: str, request: Request, caller: Caller = needs("view")) -> Response:
    """What the objects of a series say."""
    return metadata(request, items_of(request, caller, study, series))


@router.get(INSTANCE + "/metadata")
def instance_metadata(study: str, series: str, sop: str, request: Request, caller: Caller = needs("view")) -> Response:
    """What one object says."""
    return metadata(request, items_of(request, caller, study, series, sop))


@router.get(INSTANCE + "/bulkdata/{path:path}")
def bulkdata(
    study: str, series: str, sop: str, path: str, request: Request, caller: Caller = needs("view")
) -> Response:
    """A binary value that the metadata name by a URI; pixels come decompressed."""
    (item,) = items_of(request, caller, study, series, sop)
    offer = choose(request, octets(True))
    headers = headers_of(digest_of([item], f"bulkdata {path} {offer}"))
    with told():
        data = _value_at(room_of(request), item, path)
    return unchanged(request, headers) or parts_answer(request, offer, headers, iter([(OCTETS, data)]))


def objects(request: Request, items: list[Item], alone: bool) -> Response:
    """Objects as files, in the transfer syntax that is wanted most; 206 where only some can be given in any."""
    ranges = accepted(request)
    kinds = [(MULTIPART, DICOM), *([(DICOM, "")] if alone else [])]
    plans, offers = [], list[Offer]()
    for item in items:
        these = [Offer(kind, inner, s) for s in syntaxes_of(item.syntax) for kind, inner in kinds]
        offers += these
        plans.append((item, ranked(ranges, these)))
    if not any(plan for _, plan in plans):
        raise not_acceptable(offers)
    first = next(plan[0] for _, plan in plans if plan)
    headers = headers_of(digest_of(items, "" if all(_stored(i, p) for i, p in plans) else f"{first} {plans}"))
    kept = unchanged(request, headers)
    if kept is not None:
        return kept
    missing: list[str] = []
    room = room_of(request)
    parts = ((f"{DICOM}; transfer-syntax={s}", data) for s, data in _files(room, plans, offers, missing))
    answer = parts_answer(request, first, headers, parts)
    if missing:
        del answer.headers["etag"]  # it names the whole
        answer.status_code = 206
        answer.headers["Warning"] = f'299 {base_of(request)} "{len(missing)} objects cannot be given in this form."'
    return answer


def _stored(item: Item, plan: list[Offer]) -> bool:
    return bool(plan) and plan[0].syntax == item.syntax


def _files(
    room: Room, plans: list[tuple[Item, list[Offer]]], offers: list[Offer], missing: list[str]
) -> Iterator[tuple[str, bytes]]:
    """(transfer syntax, file) of every object; why not of the others goes to ``missing``, and 406 where all do."""
    for item, plan in plans:
        data, why = room.objects.get(item.sha256), "None of the accepted transfer syntaxes can be given."
        for offer in plan:
            try:
                yield offer.syntax, data if offer.syntax == item.syntax else converted(data, offer.syntax, item.sop_uid)
                break
            except DicomError as error:
                why = str(error)
            except CONVERSION_ERRORS as error:
                LOG.exception("an object cannot be converted", sop=item.sop_uid)
                why = f"{item.sop_uid} cannot be converted ({type(error).__name__})."
        else:
            missing.append(why)
    if len(missing) == len(plans):
        raise not_acceptable(offers, missing[0])


def metadata(request: Request, items: list[Item]) -> Response:
    """The datasets as JSON, large binary values named by their URIs."""
    offer = choose(request, [Offer(JSON), Offer("application/json")])
    base, room = base_of(request), room_of(request)
    headers = headers_of(digest_of(items, f"metadata {base} {offer}"))
    kept = unchanged(request, headers)
    if kept is not None:
        return kept
    with told():
        models = [_described(room, item, base) for item in items]
        return Response(dump(models), media_type=offer.kind, headers=headers)


def _described(room: Room, item: Item, base: str) -> Model:
    ds = parse(room.objects.get(item.sha256), item.sop_uid)
    model = model_of(ds, lambda path: f"{base}{item.path}/bulkdata/{path}")
    model["00083002"] = {"vr": "UI", "Value": [item.syntax or EXPLICIT_LITTLE]}  # AvailableTransferSyntaxUID
    return dict(sorted(model.items()))


def _value_at(room: Room, item: Item, path: str) -> bytes:
    """The binary value at a path of tags and numbers of items; 404 where there is none."""
    gone = HTTPException(404, f"The object has no binary value at {path[:80]!r}.")
    words = path.split("/")
    if len(words) % 2 == 0 or len(words) > 40 or not all(w.isascii() and w.isalnum() and len(w) <= 8 for w in words):
        raise gone
    ds: Dataset = parse(room.objects.get(item.sha256), item.sop_uid)
    root = ds
    try:
        for tag, number in zip(words[:-1:2], words[1::2], strict=True):
            ds = ds[int(tag, 16)].value[int(number)]
            if not isinstance(ds, Dataset):
                raise gone
        element = ds[int(words[-1], 16)]
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise gone from error
    if int(element.tag) in PIXELS and ds is root:
        picture = RECENT.of(room, item)
        return b"".join(picture.frame_bytes(n + 1) for n in range(len(picture.frames)))
    if element.VR not in BINARY and not isinstance(element.value, bytes):
        raise gone
    return binary(element, root)


def octets(alone: bool) -> list[Offer]:
    """Uncompressed numbers, as a multipart or, where it is one value alone, without."""
    return [Offer(MULTIPART, OCTETS, EXPLICIT_LITTLE), *([Offer(OCTETS, "", EXPLICIT_LITTLE)] if alone else [])]


def parts_answer(
    request: Request, offer: Offer, headers: dict[str, str], parts: Iterable[tuple[str, bytes]]
) -> Response:
    """The parts in the form of an offer; they are all made before the first is sent, so that a fault can be told."""
    if offer.kind != MULTIPART:
        ((kind, data),) = parts
        return Response(data, media_type=kind, headers=headers)
    boundary = headers["ETag"].strip('"')[:60]  # a hash of what is sent, which it cannot hold itself
    file: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  (closed when it has been sent)
    try:
        for number, (kind, data) in enumerate(parts):
            more = {"Content-Location": str(request.url)} if offer.inner == OCTETS else {}
            file.write(head({"Content-Type": kind} | more, boundary, number == 0))
            file.write(data)
        file.write(tail(boundary))
    except BaseException:
        file.close()
        raise
    length = file.tell()
    file.seek(0)
    kind = f'{MULTIPART}; type="{offer.inner}"; boundary={boundary}'
    return StreamingResponse(_pieces(file), headers=headers | {"Content-Type": kind, "Content-Length": str(length)})


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece
