"""Segmentations and structured reports of a study that came from elsewhere: which there are, and one as marks."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Request
from pydicom.dataset import Dataset
from sqlalchemy import Select, select

from photopeak.core import DicomError
from photopeak.dicom.parse import parse
from photopeak.dicom.seg_reading import SEGMENTATION, Segment, read_segments
from photopeak.dicom.sr_reading import REPORTS, Outline, by_a_device, read_outlines
from photopeak.room.access import Caller, needs, room_of, study_of
from photopeak.room.api.forms import Key
from photopeak.room.api.studies import pictures_of
from photopeak.room.display import planar
from photopeak.room.outlined import marks_of
from photopeak.room.schema import Instance, Series
from photopeak.room.shown import blinded, reveal

router = APIRouter(prefix="/api", tags=["files"])
Uid = Annotated[str, Path(max_length=64, pattern=r"^[0-9.]+$")]


@router.get("/studies/{key}/outlines")
def outlines(key: Key, request: Request, caller: Caller = needs("read")) -> list[dict[str, Any]]:
    """What came with a study and holds outlines; nothing for who is to read it blind."""
    room = room_of(request)
    with room.database.reading() as t:
        study_of(t, key, caller)
        if blinded(t, caller.key, [key]):
            return []
        rows = t.execute(_kept(key).order_by(Series.number, Instance.sop_uid)).all()
    return [
        {"sop": sop, "title": words or ("segmentation" if kind in SEGMENTATION else "structured report")}
        for sop, kind, sha256, words in rows
        if kind in SEGMENTATION or _holds_outlines(parse(room.objects.get(sha256), sop), sop)
    ]


@router.get("/studies/{key}/outlines/{sop}")
def as_marks(key: Key, sop: Uid, request: Request, caller: Caller = needs("read")) -> dict[str, Any]:
    """One as marks; a draft that takes what a network drew is no blind read any more."""
    room = room_of(request)
    with room.database.writing() as t:
        study_of(t, key, caller)
        row = t.execute(_kept(key).where(Instance.sop_uid == sop)).first()
        if row is None:
            raise HTTPException(404, "The study has no such segmentation or report.")
        dataset = parse(room.objects.get(row.sha256), sop)
        if _by_a_network(dataset):
            reveal(t, key, caller)
        elif blinded(t, caller.key, [key]):
            raise HTTPException(403, "You are to read this study blind: finish your read first.")
    found: tuple[Segment, ...] | tuple[Outline, ...]
    found = read_segments(dataset, sop) if row.sop_class in SEGMENTATION else read_outlines(dataset, sop)
    taken = marks_of(found, planar(pictures_of(request).of(key)[1]), sop)
    return {"marks": list(taken.marks), "left_out": list(taken.left_out)}


def _kept(key: int) -> Select[str, str, str, str]:
    return (
        select(Instance.sop_uid, Instance.sop_class, Instance.sha256, Series.description)
        .join(Series)
        .where(Series.study_key == key, Instance.sop_class.in_((*SEGMENTATION, *REPORTS)))
    )


def _holds_outlines(dataset: Dataset, sop: str) -> bool:
    """Whether a report has any; one that cannot be understood is asked for by nobody."""
    try:
        return bool(read_outlines(dataset, sop))
    except DicomError:
        return False


def _by_a_network(dataset: Dataset) -> bool:
    if str(dataset.SOPClassUID) in REPORTS:
        return by_a_device(dataset)
    return any(s.get("SegmentAlgorithmType") != "MANUAL" for s in dataset.get("SegmentSequence") or [])
