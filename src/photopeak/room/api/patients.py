"""Patients who may be one person: candidates, what a merge moves, the merge and the way back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import Field
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session as Transaction

from photopeak.room import merging
from photopeak.room.access import Caller, needs, room_of
from photopeak.room.api.forms import Form, Key
from photopeak.room.arriving import family, survivor
from photopeak.room.audit import Event, record
from photopeak.room.schema import Patient, Study

router = APIRouter(prefix="/api/admin", tags=["administration"])
Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
QueryKey = Annotated[int, Query(ge=1, le=2**31 - 1)]
MOST_FOUND = 20


@router.get("/patients")
def people(
    request: Request, search: Annotated[str, Query(max_length=200)] = "", caller: Caller = needs("administer")
) -> dict[str, Any]:
    """Patients that a search finds, pairs that may be one person, and merges that can be taken back."""
    assert caller.key
    with room_of(request).database.reading() as t:
        merged = t.scalars(select(Patient).where(Patient.merged_into_id.is_not(None)).order_by(Patient.id.desc()))
        return {
            "found": [_person(t, p) for p in _found(t, search)] if search.strip() else [],
            "candidates": [
                {"why": why, "one": _person(t, a), "other": _person(t, b)} for why, a, b in merging.candidates(t)
            ],
            "merged": [_merged(t, p) for p in merged.all()],
        }


def _found(t: Transaction, search: str) -> list[Patient]:
    query = select(Patient).where(Patient.merged_into_id.is_(None))
    for word in search.replace("\0", "").split():
        like = "%" + word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        columns = (Patient.name, Patient.patient_id, Patient.birth_date)
        query = query.where(or_(*(c.ilike(like, escape="\\") for c in columns)))
    return list(t.scalars(query.order_by(Patient.name, Patient.id).limit(MOST_FOUND)))


def _person(t: Transaction, p: Patient) -> dict[str, Any]:
    keys = [one.id for one in family(t, p)]
    n, last = t.execute(
        select(func.count(Study.id), func.max(Study.study_date)).where(Study.patient_key.in_(keys))
    ).one()
    return {
        "key": p.id,
        "patient_id": p.patient_id,
        "issuer": p.issuer if p.patient_id else "",
        "name": p.name,
        "birth_date": p.birth_date,
        "sex": p.sex,
        "studies": n,
        "last": last or "",
    }


def _merged(t: Transaction, p: Patient) -> dict[str, Any]:
    into, line = t.get(Patient, p.merged_into_id), merging.merged_line(t, p)
    assert into is not None
    told = {} if line is None else {"who": line.who, "at": line.at.isoformat() + "Z"}
    return {"one": _person(t, p), "other": _person(t, into), "hindrance": merging.hindrance(t, p), **told}


@router.get("/merge")
def preview(request: Request, one: QueryKey, into: QueryKey, caller: Caller = needs("administer")) -> dict[str, Any]:
    """What a merge would move, and what speaks against it."""
    assert caller.key
    with room_of(request).database.reading() as t:
        a, b = survivor(t, _patient(t, one)), survivor(t, _patient(t, into))
        if a.id == b.id:
            raise HTTPException(409, "They are one patient already.")
        return {
            "one": _person(t, a),
            "other": _person(t, b),
            "doubts": merging.doubts(a, b),
            "moves": [_moved(s) for s in merging.studies_of(t, a)],
            "stays": [_moved(s) for s in merging.studies_of(t, b)],
        }


def _patient(t: Transaction, key: int) -> Patient:
    found = t.get(Patient, key)
    if found is None:
        raise HTTPException(404, "There is no such patient.")
    return found


def _moved(s: Study) -> dict[str, Any]:
    shown = {"key": s.id, "date": s.study_date, "description": s.description, "state": s.state}
    return {**shown, "accession": s.accession, "warnings": list(s.warnings)}


class Merge(Form):
    """Two patients that are one, by their own numbers or by a study of each."""

    from_patient: Number | None = None
    into_patient: Number | None = None
    from_study: Number | None = None
    into_study: Number | None = None


@router.post("/merge")
def merge(form: Merge, request: Request, caller: Caller = needs("administer")) -> dict[str, Any]:
    """One patient is another; what was sent stays as it was sent."""
    with room_of(request).database.writing() as t:
        gone = survivor(t, _meant(t, form.from_patient, form.from_study))
        stays = survivor(t, _meant(t, form.into_patient, form.into_study))
        if gone.id == stays.id:
            raise HTTPException(409, "They are one patient already.")
        told = merging.merge(t, gone, stays)
        what = merging.line_of(told["patient"])
        record(t, Event("administer", caller.name, what, address=caller.address, details=told))
    return told


def _meant(t: Transaction, patient: int | None, study: int | None) -> Patient:
    if (patient is None) == (study is None):
        raise HTTPException(422, "Name two patients by from_patient and into_patient, or a study of each.")
    if patient is not None:
        return _patient(t, patient)
    row = t.get(Study, study)
    if row is None:
        raise HTTPException(404, "There is no such study.")
    return row.patient


@router.delete("/merge/{key}")
def part(key: Key, request: Request, caller: Caller = needs("administer")) -> dict[str, Any]:
    """Take the merging of a patient back."""
    with room_of(request).database.writing() as t:
        told = merging.part(t, _patient(t, key))
        record(t, Event("administer", caller.name, merging.line_of(key), address=caller.address, details=told))
    return told
