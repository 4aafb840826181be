"""Reading a study: what the network says, what the reader says, kept as it is typed, and finished once."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session as Transaction

from photopeak.room.access import Caller, needs, room_of, study_of
from photopeak.room.api.forms import Form, Key, Mark, Pixel, Point, ReadDocument
from photopeak.room.api.studies import pictures_of
from photopeak.room.audit import Event, record
from photopeak.room.explaining import Question
from photopeak.room.marks import brushed, mirrored_ratio, outline_of, statistics
from photopeak.room.results import image_of, images_of, latest_reading
from photopeak.room.schema import Assignment, Read, Study, User, now
from photopeak.room.shown import reveal

router = APIRouter(prefix="/api", tags=["reads"])
CohortKey = Annotated[int, Query(ge=0, le=2**31 - 1)]
ImageName = Annotated[str, Query(max_length=64)]
LONGEST_PAUSE_SECONDS = 120.0
"""Between two savings more is not counted as reading time: the reader was away."""


@router.get("/studies/{key}/network")
def network(key: Key, request: Request, caller: Caller = needs("view")) -> dict[str, Any]:
    """What the network says of a study as it is now. A draft that sees it is no blind read any more, and says so."""
    room = room_of(request)
    with room.database.writing() as t:
        study = study_of(t, key, caller)
        reveal(t, key, caller)
        reading = latest_reading(t, study)
    if reading is None:
        return {"made": None, "documents": [], "waiting": study.due_at is not None}
    return {
        "made": reading.made_at.isoformat() + "Z",
        "bundle": reading.bundle,
        "bundle_sha256": reading.bundle_sha256,
        "documents": [{**d, "image": image_of(d)} for d in reading.documents],
        "waiting": study.due_at is not None,
    }


@router.get("/studies/{key}/explanation")
def explanation(
    key: Key,
    request: Request,
    question: Question = "metastasis",
    image: ImageName = "",
    caller: Caller = needs("view"),
) -> dict[str, Any]:
    """What the network's answer to a question rests on, spot by spot; computed now, which takes some seconds.

    ``image`` may be left out where the network has read one only.
    """
    room = room_of(request)
    with room.database.writing() as t:
        study = study_of(t, key, caller)
        reveal(t, key, caller)
        reading, assumed = latest_reading(t, study), {str(k): str(v) for k, v in study.assumed.items()}
    said = [] if reading is None else [image_of(d) for d in reading.documents if not d["reading"].get("refused")]
    chosen = image if image or len(said) != 1 else said[0]
    if reading is None or chosen not in said:
        raise HTTPException(404, f"The network has not read this image as it is now. It has read {len(said)}.")
    found = request.app.state.explaining.explain(images_of(room, key), reading.bundle, assumed, chosen, question)
    if found is None:
        raise HTTPException(503, "Others are waiting for explanations. Try again in a minute.")
    return dict(found)


def _read(t: Transaction, study: int, reader: int, cohort: int) -> Read | None:
    return t.scalar(
        select(Read)
        .where(Read.study_key == study, Read.reader_key == reader, Read.cohort_key == cohort)
        .order_by(Read.round.desc())
        .limit(1)
    )


@router.get("/studies/{key}/read")
def my_read(key: Key, request: Request, cohort: CohortKey = 0, caller: Caller = needs("read")) -> dict[str, Any]:
    """The caller's read, and in clinical work who else has read."""
    with room_of(request).database.reading() as t:
        study_of(t, key, caller)
        mine = _read(t, key, caller.key, cohort)
        others = [] if cohort else _finished(t, key, caller.key)
    return {"read": None if mine is None else read_json(mine), "others": others}


def _finished(t: Transaction, key: int, me: int) -> list[dict[str, Any]]:
    rows = t.execute(
        select(Read, User.display)
        .join(User, Read.reader_key == User.id)
        .where(Read.study_key == key, Read.cohort_key == 0, Read.state == "finished", Read.reader_key != me)
        .order_by(Read.id)
    ).all()
    return [{**read_json(r), "reader": display} for r, display in rows]


def read_json(read: Read) -> dict[str, Any]:
    """A read as the pages know it."""
    return {
        "key": read.id,
        "schema": "read/1",
        "state": read.state,
        "version": read.version,
        "seconds": round(read.seconds, 1),
        "round": read.round,
        "blind": read.revealed_at is None,
        "document": read.document,
        "started": read.started_at.isoformat() + "Z",
        "finished": None if read.finished_at is None else read.finished_at.isoformat() + "Z",
    }


class Save(Form):
    """A draft as it is now."""

    version: int = Field(ge=0, le=2**31 - 1)
    """The one it was made from; 0 begins a read."""
    document: ReadDocument
    active_seconds: float = Field(0.0, ge=0, le=86_400)
    """How long the reader was at work since the last saving."""


@router.put("/studies/{key}/read")
def save(
    key: Key, form: Save, request: Request, cohort: CohortKey = 0, caller: Caller = needs("read")
) -> dict[str, Any]:
    """Keep a draft; 409 where another window saved a newer one."""
    room = room_of(request)
    try:
        with room.database.writing() as t:
            study = study_of(t, key, caller)
            check_assigned(t, key, cohort, caller)
            read = _read(t, key, caller.key, cohort) or _begin(t, study, caller.key, cohort)
            if read.state == "finished":
                raise HTTPException(409, "This read is finished. Begin another one to say more.")
            if read.version != form.version:
                raise HTTPException(409, "Another window saved this read meanwhile. Load it again.")
            read.document, read.version = form.document.model_dump(mode="json"), read.version + 1
            read.seconds += min(form.active_seconds, LONGEST_PAUSE_SECONDS)
            return {"read": read_json(read)}
    except IntegrityError as error:  # two windows began at once
        raise HTTPException(409, "Another window saved this read meanwhile. Load it again.") from error


def _begin(t: Transaction, study: Study, reader: int, cohort: int, number: int = 1) -> Read:
    read = Read(study_key=study.id, reader_key=reader, cohort_key=cohort, round=number, state="draft", version=0)
    read.seconds, read.started_at, read.finished_at, read.document = 0.0, now(), None, {}
    read.revealed_at = seen_by(t, study.id, reader)
    t.add(read)
    if not cohort and study.state in ("new", "read"):
        study.state, study.change = "reading", study.change + 1
    t.flush()
    return read


def drafted_read(t: Transaction, study: Study, reader: int, cohort: int, document: dict[str, Any]) -> Read:
    """A read that was begun elsewhere, as the reader's draft; 409 where a draft of theirs is there."""
    last = _read(t, study.id, reader, cohort)
    if last is not None and last.state == "draft":
        raise HTTPException(409, "You have a draft of this study: finish it, or import it as a finished read.")
    read = _begin(t, study, reader, cohort, 1 if last is None else last.round + 1)
    read.document, read.version = document, 1
    return read


def seen_by(t: Transaction, study: int, reader: int) -> dt.datetime | None:
    """When a person first saw what the network says of a study, in whatever read."""
    return t.scalar(select(func.min(Read.revealed_at)).where(Read.study_key == study, Read.reader_key == reader))


def check_assigned(t: Transaction, key: int, cohort: int, caller: Caller) -> None:
    """Refuse somebody who is not asked to read this study in this cohort."""
    if not cohort:
        return
    assigned = t.scalar(
        select(Assignment.id).where(
            Assignment.cohort_key == cohort, Assignment.study_key == key, Assignment.reader_key == caller.key
        )
    )
    if assigned is None:
        raise HTTPException(403, "You are not a reader of this study in this cohort.")


class Finish(Form):
    """That a read is done."""

    version: int = Field(ge=1, le=2**31 - 1)
    second_reader: bool = False
    """Whether another one should look."""


@router.post("/studies/{key}/read/finish")
def finish(
    key: Key, form: Finish, request: Request, cohort: CohortKey = 0, caller: Caller = needs("read")
) -> dict[str, Any]:
    """Finish a read, which then never changes."""
    with room_of(request).database.writing() as t:
        study = study_of(t, key, caller)
        read = _read(t, key, caller.key, cohort)
        if read is None or read.state == "finished" or read.version != form.version:
            raise HTTPException(409, "There is no such draft. Load the study again.")
        missing = [q for q in ("metastasis", "arthritis") if not read.document.get(q)]
        if missing:
            raise HTTPException(422, f"Say first whether there is {' and '.join(missing)}: yes, no or unsure.")
        read.state, read.finished_at = "finished", now()
        if not cohort and study.state != "signed":
            study.state, study.change = ("second" if form.second_reader else "reading"), study.change + 1
        record(
            t,
            Event(
                "read",
                caller.name,
                study.study_uid,
                address=caller.address,
                details={"read": read.id, "cohort": cohort, "blind": read.revealed_at is None},
            ),
        )
        return {"read": read_json(read)}


@router.post("/studies/{key}/read/again")
def again(key: Key, request: Request, caller: Caller = needs("read")) -> dict[str, Any]:
    """Begin another read from the last one, which stays as it is."""
    with room_of(request).database.writing() as t:
        study = study_of(t, key, caller)
        last = _read(t, key, caller.key, 0)
        if last is None or last.state != "finished":
            raise HTTPException(409, "There is no finished read to go on from.")
        read = _begin(t, study, caller.key, 0, last.round + 1)
        read.document = last.document
        return {"read": read_json(read)}


class Region(Form):
    """A region on one plane of a picture."""

    picture: int = Field(ge=0, le=10_000)
    plane: int = Field(ge=0, le=10**6)
    shape: str = Field(pattern="^(polygon|rectangle|ellipse|brush)$")
    points_px: list[Point] = Field(min_length=2, max_length=1000)


@router.post("/studies/{key}/statistics")
def region_statistics(key: Key, region: Region, request: Request, caller: Caller = needs("view")) -> dict[str, Any]:
    """What the pixels inside a region hold, in the picture's unit."""
    with room_of(request).database.reading() as t:
        study_of(t, key, caller)
    _, pictures = pictures_of(request).of(key)
    if region.picture >= len(pictures) or region.plane >= len(pictures[region.picture].planes):
        raise HTTPException(404, "The study has no such picture.")
    picture = pictures[region.picture]
    if picture.manner == "refused":
        raise HTTPException(404, "The study has no such picture.")
    plane, spacing = picture.planes[region.plane], picture.image.grid.spacing_mm
    area = spacing.get("x", 1.0) * spacing.get("y", 1.0)
    outline = outline_of(region.shape, region.points_px)
    middle = plane.shape[1] / 2
    return {
        **statistics(plane, region.shape, region.points_px, area),
        "unit": picture.image.unit,
        "to_other_side": mirrored_ratio(plane, outline, middle) if picture.manner == "planar" else None,
    }


class Stroke(Form):
    """A brush's way over an image, and the outline that it adds to or takes from."""

    stroke: list[Point] = Field(min_length=1, max_length=500)
    radius_px: Pixel = Field(gt=0, le=200)
    base: list[Point] = Field(default_factory=list, max_length=1000)
    rows: int = Field(ge=1, le=4096)
    columns: int = Field(ge=1, le=4096)
    erase: bool = False


@router.post("/outline")
def outline(stroke: Stroke, caller: Caller = needs("read")) -> dict[str, Any]:
    """The outline after a stroke of the brush."""
    assert caller.key
    shape = (stroke.rows, stroke.columns)
    made = brushed(stroke.stroke, stroke.radius_px, stroke.base, shape, stroke.erase)
    while len(made) > 400:
        made = made[::2]
    return {"points_px": made}


def marks_of(document: dict[str, Any]) -> list[Mark]:
    """The marks of a read that its reader stands by."""
    marks = [Mark.model_validate_json(_json(m)) for m in document.get("marks", [])]
    return [m for m in marks if m.state in ("accepted", "edited")]


def _json(value: Any) -> str:
    import json

    return json.dumps(value)
