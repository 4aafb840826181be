"""Files in and out: DICOM from this computer, LabelMe annotations both ways."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import Field
from sqlalchemy import select

from photopeak.core import DicomError
from photopeak.dicom.labelme import read_labelme
from photopeak.dicom.parse import looks_like_dicom
from photopeak.room.access import Caller, needs, room_of, study_of
from photopeak.room.api.forms import Form, Key, Word
from photopeak.room.api.reads import check_assigned, seen_by
from photopeak.room.audit import Event, record
from photopeak.room.cohort_export import labelme_of
from photopeak.room.schema import Read
from photopeak.room.several_readers import finished_read, import_marks, matrix_of, reads_of

router = APIRouter(prefix="/api", tags=["files"])
CohortKey = Annotated[int, Query(ge=0, le=2**31 - 1)]


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
def labelme_out(key: Key, request: Request, cohort: CohortKey = 0, caller: Caller = needs("read")) -> Response:
    """My marks as a LabelMe file."""
    with room_of(request).database.reading() as t:
        study_of(t, key, caller)
        read = t.scalar(
            select(Read)
            .where(Read.study_key == key, Read.reader_key == caller.key, Read.cohort_key == cohort)
            .order_by(Read.round.desc())
            .limit(1)
        )
        if read is None:
            raise HTTPException(404, "You have marked nothing in this study.")
        data = labelme_of(read.document, matrix_of(t, key))
    return Response(
        data,
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="study-{key}.json"'},
    )


@router.post("/studies/{key}/labelme")
def labelme_in(
    key: Key, file: File, request: Request, cohort: CohortKey = 0, caller: Caller = needs("read")
) -> dict[str, Any]:
    """A read of mine that was made in LabelMe, as a finished one."""
    data = _bytes(file)
    with room_of(request).database.writing() as t:
        row = study_of(t, key, caller)
        check_assigned(t, key, cohort, caller)
        if cohort and any(r.id == caller.key for _, r in reads_of(t, cohort, key)):
            raise HTTPException(409, "Your read of this study is finished, and a cohort is read once.")
        marks = import_marks(read_labelme(data, file.name, matrix_of(t, key)))
        kinds = {m["finding"] for m in marks}
        document = {
            **{q: "yes" if q in kinds else "no" for q in ("metastasis", "arthritis")},
            "marks": marks,
            "comment": f"from {file.name}",
        }
        finished_read(t, key, caller.key, cohort, document).revealed_at = seen_by(t, key, caller.key)
        if not cohort and row.state in ("new", "read"):
            row.state, row.change = "reading", row.change + 1
        record(t, Event("import", caller.name, row.study_uid, address=caller.address, details={"file": file.name}))
    return {"marks": len(marks)}
