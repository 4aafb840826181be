"""Files in and out: DICOM from this computer, LabelMe annotations both ways."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import Field
from sqlalchemy import select

from photopeak.core import DicomError
from photopeak.dicom.labelme import read_labelme
from photopeak.dicom.parse import looks_like_dicom
from photopeak.room.access import Caller, needs, room_of, study_of
from photopeak.room.api.forms import Form, Key, Word
from photopeak.room.api.reads import check_assigned, drafted_read, seen_by
from photopeak.room.api.studies import pictures_of
from photopeak.room.audit import Event, record
from photopeak.room.cohort_export import labelme_of, on_image
from photopeak.room.display import Picture, planar
from photopeak.room.schema import Read
from photopeak.room.several_readers import QUESTIONS, finished_read, import_marks, matrix_of, reads_of

router = APIRouter(prefix="/api", tags=["files"])
CohortKey = Annotated[int, Query(ge=0, le=2**31 - 1)]
ImageName = Annotated[str, Query(max_length=64)]


class File(Form):
    """A file and its bytes."""

    name: Word
    base64: str = Field(max_length=400 * 2**20)


def _bytes(file: File) -> bytes:
    try:
        return base64.b64decode(file.base64, validate=True)
    except (binascii.Error, ValueError) as error:
        raise HTTPException(422, f"{file.name}: the bytes are not base64.") from error


@router.post("/objects")
def upload(file: File, request: Request, caller: Caller = needs("store")) -> dict[str, Any]:
    """Take one DICOM file into the archive."""
    room = room_of(request)
    data = _bytes(file)
    if not looks_like_dicom(data[:132]):
        raise DicomError(file.name, "", "this is no DICOM file.", "choose files that the camera or a PACS wrote.")
    arrival = room.receive(data, "UPLOAD", file.name)
    with room.database.writing() as t:
        record(t, Event("receive", caller.name, arrival.header.study_uid, address=caller.address))
    if (parts := getattr(request.app.state, "parts", None)) is not None:
        parts.wake()
    return {"outcome": arrival.outcome, "study": arrival.study_key, "sop": arrival.header.sop_uid}


@router.get("/studies/{key}/labelme")
def labelme_out(
    key: Key, request: Request, cohort: CohortKey = 0, image: ImageName = "", caller: Caller = needs("read")
) -> Response:
    """My marks as a LabelMe file, which knows one image: of several, the one that is named."""
    pictures = _planar(key, request, caller)
    with room_of(request).database.reading() as t:
        read = t.scalar(
            select(Read)
            .where(Read.study_key == key, Read.reader_key == caller.key, Read.cohort_key == cohort)
            .order_by(Read.round.desc())
            .limit(1)
        )
        if read is None:
            raise HTTPException(404, "You have marked nothing in this study.")
        document, shape = dict(read.document), matrix_of(t, key)
    if pictures:
        marked = {m.get("image") or pictures[0].name for m in document.get("marks", [])}
        picture = _chosen(pictures, image or (marked.pop() if len(marked) == 1 else ""))
        document, shape = on_image(document, picture.name, pictures[0].name), picture.planes.shape[1:]
    data = labelme_of(document, (int(shape[0]), int(shape[1])))
    return Response(
        data,
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="study-{key}.json"'},
    )


def _planar(key: int, request: Request, caller: Caller) -> list[Picture]:
    """The pictures of a study that marks lie on."""
    with room_of(request).database.reading() as t:
        study_of(t, key, caller)
    return planar(pictures_of(request).of(key)[1])


def _chosen(pictures: list[Picture], image: str) -> Picture:
    """The picture of this name, or the only one; refused where it is not known which is meant."""
    for picture in pictures:
        if picture.name == image or (not image and len(pictures) == 1):
            return picture
    raise HTTPException(
        422,
        f"The study has {len(pictures)} images that could be marked, and a LabelMe file knows one. "
        f"Remedy: name it: {', '.join(p.name for p in pictures)}.",
    )


class Marked(File):
    """A LabelMe file, and what it does not say itself."""

    unmarked: Literal["no", "not asked"] | None = None
    """What it means that a file marks nothing of a kind: the reader looked and found none, or did not look for it."""
    image: Annotated[Word, Field(max_length=64)] = ""
    """The name of the image that it was drawn on, where the study has several."""


@router.post("/studies/{key}/labelme")
def labelme_in(
    key: Key, file: Marked, request: Request, cohort: CohortKey = 0, caller: Caller = needs("read")
) -> dict[str, Any]:
    """A read of mine that was made in LabelMe: finished where it answers both questions, else a draft."""
    data, pictures = _bytes(file), _planar(key, request, caller)
    picture = _chosen(pictures, file.image) if pictures else None
    with room_of(request).database.writing() as t:
        row = study_of(t, key, caller)
        check_assigned(t, key, cohort, caller)
        if cohort and any(r.id == caller.key for _, r in reads_of(t, cohort, key)):
            raise HTTPException(409, "Your read of this study is finished, and a cohort is read once.")
        shape = matrix_of(t, key) if picture is None else (picture.planes.shape[1], picture.planes.shape[2])
        marks = import_marks(read_labelme(data, file.name, shape), "" if picture is None else picture.name)
        document = _answered(marks, file)
        if "" in (document["metastasis"], document["arthritis"]):
            drafted_read(t, row, caller.key, cohort, document)
        else:
            finished_read(t, key, caller.key, cohort, document).revealed_at = seen_by(t, key, caller.key)
        if not cohort and row.state in ("new", "read"):
            row.state, row.change = "reading", row.change + 1
        told = {"file": file.name, "unmarked": file.unmarked}
        record(t, Event("import", caller.name, row.study_uid, address=caller.address, details=told))
    answers = {q: document[q] for q in QUESTIONS}
    return {"marks": len(marks), "state": "draft" if "" in answers.values() else "finished", **answers}


def _answered(marks: list[dict[str, Any]], file: Marked) -> dict[str, Any]:
    """A read with these marks. What is marked is there; of what is not, the file alone does not tell."""
    kinds = {m["finding"] for m in marks}
    silent = [q for q in QUESTIONS if q not in kinds]
    if silent and file.unmarked is None:
        raise HTTPException(
            422,
            f"{file.name} marks no {' and no '.join(silent)}, which may mean that there is none or that nobody looked "
            'for it. Remedy: say so, with unmarked as "no" or as "not asked".',
        )
    rest = "no" if file.unmarked == "no" else ""
    return {**{q: "yes" if q in kinds else rest for q in QUESTIONS}, "marks": marks, "comment": f"from {file.name}"}
