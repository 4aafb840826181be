"""WADO-RS, the retrieval of frames, and of pictures made from them (PS3.18 sections 10.4.1.1.2 to 10.4.1.1.4)."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response

from photopeak.room.access import Caller, needs, room_of
from photopeak.room.dicomweb.frames import RECENT, numbers_of
from photopeak.room.dicomweb.negotiation import MULTIPART, OCTETS, Offer, choose
from photopeak.room.dicomweb.rendered import FORMS, THUMBNAIL, drawn, manner_of
from photopeak.room.dicomweb.resources import Item, digest_of, headers_of, items_of, told, unchanged
from photopeak.room.dicomweb.wado import INSTANCE, SERIES, STUDY, octets, parts_answer

router = APIRouter()


@router.get(INSTANCE + "/frames/{numbers}")
def frames(
    study: str, series: str, sop: str, numbers: str, request: Request, caller: Caller = needs("view")
) -> Response:
    """Frames as uncompressed little-endian numbers; one alone also without a multipart."""
    (item,) = items_of(request, caller, study, series, sop)
    offer = choose(request, octets(alone="," not in numbers))
    headers = headers_of(digest_of([item], f"frames {numbers} {offer}"))
    with told():
        picture = RECENT.of(room_of(request), item)
        wanted = numbers_of(numbers, picture)
        kind = f"{OCTETS}; transfer-syntax={offer.syntax}"
        parts = ((kind, picture.frame_bytes(n)) for n in wanted)
        return unchanged(request, headers) or parts_answer(request, offer, headers, parts)


@router.get(INSTANCE + "/rendered")
def rendered(study: str, series: str, sop: str, request: Request, caller: Caller = needs("view")) -> Response:
    """The first frame as a picture."""
    (item,) = items_of(request, caller, study, series, sop)
    return _drawn(request, item, "1")


@router.get(INSTANCE + "/frames/{numbers}/rendered")
def rendered_frames(
    study: str, series: str, sop: str, numbers: str, request: Request, caller: Caller = needs("view")
) -> Response:
    """Frames as pictures; several only as a multipart."""
    (item,) = items_of(request, caller, study, series, sop)
    return _drawn(request, item, numbers)


@router.get(STUDY + "/thumbnail")
def study_thumbnail(study: str, request: Request, caller: Caller = needs("view")) -> Response:
    """A small picture of a study."""
    return _thumbnail(request, items_of(request, caller, study))


@router.get(SERIES + "/thumbnail")
def series_thumbnail(study: str, series: str, request: Request, caller: Caller = needs("view")) -> Response:
    """A small picture of a series."""
    return _thumbnail(request, items_of(request, caller, study, series))


@router.get(INSTANCE + "/thumbnail")
def thumbnail(study: str, series: str, sop: str, request: Request, caller: Caller = needs("view")) -> Response:
    """A small picture of an object."""
    return _thumbnail(request, items_of(request, caller, study, series, sop))


@router.get(INSTANCE + "/frames/{numbers}/thumbnail")
def frame_thumbnail(
    study: str, series: str, sop: str, numbers: str, request: Request, caller: Caller = needs("view")
) -> Response:
    """A small picture of a frame."""
    (item,) = items_of(request, caller, study, series, sop)
    return _drawn(request, item, numbers, THUMBNAIL)


def _thumbnail(request: Request, items: list[Item]) -> Response:
    shown = next((item for item in items if item.frames > 0), None)
    if shown is None:
        raise HTTPException(404, "There is no image to show.")
    return _drawn(request, shown, "1", THUMBNAIL)


def _drawn(request: Request, item: Item, numbers: str, viewport: tuple[int, int] | None = None) -> Response:
    """Frames of an object as pictures; JPEG unless another form is wanted more (section 8.7.4)."""
    manner = manner_of(request.query_params, viewport)
    alone = [] if "," in numbers else [Offer(kind) for kind in FORMS]
    offer = choose(request, [*alone, *(Offer(MULTIPART, kind) for kind in FORMS)])
    headers = headers_of(digest_of([item], f"drawn {numbers} {manner} {offer}"))
    with told():
        picture = RECENT.of(room_of(request), item)
        wanted = numbers_of(numbers, picture)
        kind = offer.inner or offer.kind
        parts = ((kind, drawn(picture, n, manner, kind)) for n in wanted)
        return unchanged(request, headers) or parts_answer(request, offer, headers, parts)
