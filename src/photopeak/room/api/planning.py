"""Planned examinations: what the modality worklist tells the camera, day by day; planned here, cancelled here."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import AfterValidator, Field, model_validator
from sqlalchemy import func, select
from sqlalchemy.orm import Session as Transaction

from photopeak.room.access import Caller, needs, room_of
from photopeak.room.api.forms import Form, Key, Word
from photopeak.room.audit import Event, record
from photopeak.room.schema import Audit, Patient, Scheduled, Study, now

router = APIRouter(prefix="/api/admin/scheduled", tags=["administration"])
LATEST_QUERIES = 200
"""How many of the last queries are looked through for those of the modality worklist."""


def _day(text: str) -> str:
    """A day that the calendar has, as DICOM writes one: 20260302."""
    try:
        dt.datetime.strptime(text, "%Y%m%d")
    except ValueError:
        shown = f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 else repr(text[:20])
        raise ValueError(f"{shown} is no day of the calendar. Remedy: write year, month and day, 20260302") from None
    return text


def _clock(text: str) -> str:
    """A time of the day, with or without seconds: 0830."""
    try:
        dt.datetime.strptime(text, "%H%M%S" if len(text) == 6 else "%H%M")
    except ValueError:
        raise ValueError(f"{text[:20]!r} is no time of the day. Remedy: write hours and minutes, 0830") from None
    return text


Day = Annotated[str, Field(pattern=r"^\d{8}$"), AfterValidator(_day)]
Clock = Annotated[str, Field(pattern=r"^\d{4}(\d{2})?$"), AfterValidator(_clock)]


class Planned(Form):
    """An examination that is planned: what the modality worklist tells the camera."""

    patient_id: Annotated[Word, Field(min_length=1)]
    issuer: Word = ""
    name: Annotated[Word, Field(min_length=1)]
    birth_date: Day | Literal[""] = ""
    sex: Literal["M", "F", "O", ""] = ""
    accession: Annotated[Word, Field(max_length=16)] = ""
    description: Word = ""
    station: Annotated[Word, Field(max_length=16)] = ""
    start_date: Day
    start_time: Clock

    @model_validator(mode="after")
    def _born_before(self) -> Planned:
        if self.birth_date > self.start_date:
            raise ValueError("the patient would be born after the examination. Remedy: correct one of the two dates")
        return self


@router.post("")
def plan(form: Planned, request: Request, caller: Caller = needs("administer")) -> dict[str, Any]:
    """Put an examination on the modality worklist."""
    from photopeak.dicom.modules import new_uid

    with room_of(request).database.writing() as t:
        uid = new_uid("scheduled", form.patient_id, form.accession, form.start_date, form.start_time, str(now()))
        row = Scheduled(study_uid=uid, modality="NM", **form.model_dump())
        t.add(row)
        t.flush()
        record(t, Event("administer", caller.name, uid, address=caller.address, details={"scheduled": form.accession}))
        return {"key": row.id, "study_uid": uid}


@router.get("")
def planned(
    request: Request,
    day: Annotated[Day | None, Query()] = None,
    caller: Caller = needs("administer"),
) -> dict[str, Any]:
    """The examinations of a day with what has arrived of each, the days that have any, and who asked last."""
    assert caller.key
    with room_of(request).database.reading() as t:
        days = t.execute(
            select(Scheduled.start_date, func.count()).group_by(Scheduled.start_date).order_by(Scheduled.start_date)
        ).all()
        query = select(Scheduled).order_by(Scheduled.start_date, Scheduled.start_time, Scheduled.id)
        rows = t.scalars(query if day is None else query.where(Scheduled.start_date == day)).all()
        return {
            "days": [{"day": d, "examinations": n} for d, n in days],
            "examinations": [_shown(r) | {"arrived": _arrived(t, r)} for r in rows],
            "asked": _asked(t),
        }


def _shown(row: Scheduled) -> dict[str, Any]:
    names = ("patient_id", "issuer", "name", "birth_date", "sex", "accession", "study_uid", "description", "station")
    return {"key": row.id, **{n: getattr(row, n) for n in (*names, "start_date", "start_time")}}


def _arrived(t: Transaction, row: Scheduled) -> int | None:
    """The study that came of it: by its study UID, or from a camera that made its own by accession and patient."""
    same = Study.study_uid == row.study_uid
    if row.accession and row.patient_id:
        known = select(Patient.id).where(Patient.patient_id == row.patient_id, Patient.issuer == row.issuer)
        same = same | ((Study.accession == row.accession) & Study.patient_key.in_(known))
    return t.scalar(select(Study.id).where(same).order_by(Study.id).limit(1))


def _asked(t: Transaction) -> list[dict[str, Any]]:
    """Who asked for the modality worklist last, when, and how many examinations they were told of.

    A camera does not say which of them it took over; that shows when its images come.
    """
    last: dict[str, dict[str, Any]] = {}
    query = select(Audit).where(Audit.action == "query").order_by(Audit.id.desc()).limit(LATEST_QUERIES)
    for line in t.scalars(query):
        if line.details.get("level") == "WORKLIST" and line.who not in last:
            told = line.details.get("found", 0)
            last[line.who] = {"who": line.who, "at": line.at.isoformat() + "Z", "told": told}
    return list(last.values())


@router.delete("/{key}")
def cancel(key: Key, request: Request, caller: Caller = needs("administer")) -> dict[str, Any]:
    """Take an examination off the modality worklist; the audit trail keeps who planned it for whom and when."""
    with room_of(request).database.writing() as t:
        row = t.get(Scheduled, key)
        if row is None:
            raise HTTPException(404, "There is no such planned examination.")
        if _arrived(t, row) is not None:
            raise HTTPException(409, "Its images are here already, so it was not cancelled but done.")
        told = _shown(row)
        t.delete(row)
        record(t, Event("administer", caller.name, row.study_uid, address=caller.address, details={"cancelled": told}))
    return {"cancelled": told["study_uid"]}
