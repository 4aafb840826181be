"""Segmentations of a study that came from elsewhere: which there are, and one as marks."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Request
from sqlalchemy import select

from photopeak.dicom.parse import parse
from photopeak.dicom.seg_reading import SEGMENTATION, read_segments
from photopeak.room.access import Caller, needs, room_of, study_of
from photopeak.room.api.forms import Key
from photopeak.room.api.studies import pictures_of
from photopeak.room.display import planar
from photopeak.room.schema import Instance, Series
from photopeak.room.segmented import marks_of
from photopeak.room.shown import blinded, reveal

router = APIRouter(prefix="/api", tags=["files"])
Uid = Annotated[str, Path(max_length=64, pattern=r"^[0-9.]+$")]


@router.get("/studies/{key}/segmentations")
def segmentations(key: Key, request: Request, caller: Caller = needs("read")) -> list[dict[str, Any]]:
    """The segmentations that came with a study; none for who is to read it blind."""
    with room_of(request).database.reading() as t:
        study_of(t, key, caller)
        if blinded(t, caller.key, [key]):
            return []
        rows = t.execute(
            select(Instance.sop_uid, Series.description)
            .join(Series)
            .where(Series.study_key == key, Instance.sop_class.in_(SEGMENTATION))
            .order_by(Series.number, Instance.sop_uid)
        ).all()
    return [{"sop": sop, "title": words or "segmentation"} for sop, words in rows]


@router.get("/studies/{key}/segmentations/{sop}")
def segmentation(key: Key, sop: Uid, request: Request, caller: Caller = needs("read")) -> dict[str, Any]:
    """One as marks; a draft that takes what a network drew is no blind read any more."""
    room = room_of(request)
    with room.database.writing() as t:
        study_of(t, key, caller)
        sha256 = t.scalar(
            select(Instance.sha256)
            .join(Series)
            .where(Series.study_key == key, Instance.sop_uid == sop, Instance.sop_class.in_(SEGMENTATION))
        )
        if sha256 is None:
            raise HTTPException(404, "The study has no such segmentation.")
        dataset = parse(room.objects.get(sha256), sop)
        if any(s.get("SegmentAlgorithmType") != "MANUAL" for s in dataset.get("SegmentSequence") or []):
            reveal(t, key, caller)
        elif blinded(t, caller.key, [key]):
            raise HTTPException(403, "You are to read this study blind: finish your read first.")
    taken = marks_of(read_segments(dataset, sop), planar(pictures_of(request).of(key)[1]), sop)
    return {"marks": list(taken.marks), "left_out": list(taken.left_out)}
