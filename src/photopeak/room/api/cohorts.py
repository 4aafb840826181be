"""Cohorts: who reads what, how far they are, where they differ, and what comes of it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import Field
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session as Transaction

from photopeak.room.access import Caller, needs, room_of, study_of, visible
from photopeak.room.accounts import ROLES
from photopeak.room.api.forms import Form, Key, Mark, Word, Words
from photopeak.room.audit import Event, record
from photopeak.room.cohort_export import export_cohort, zipped
from photopeak.room.schema import Assignment, Cohort, Consensus, Read, Study, User, now
from photopeak.room.several_readers import agreement, review, start_cohort
from photopeak.room.shown import rows_for

router = APIRouter(prefix="/api", tags=["cohorts"])


@router.get("/cohorts")
def cohorts(request: Request, caller: Caller = needs("view")) -> dict[str, Any]:
    """Cohorts that the caller leads or reads in, and who could read."""
    with room_of(request).database.reading() as t:
        query = select(Cohort).order_by(Cohort.id.desc())
        if not caller.may("cohorts"):
            mine = select(Assignment.cohort_key).where(Assignment.reader_key == caller.key)
            query = query.where(Cohort.id.in_(mine))
        rows = [_progress(t, c, caller) for c in t.scalars(query)]
        readers = t.scalars(_readers()).all()
        people = [{"key": u.id, "display": u.display, "role": u.role} for u in readers]
    return {"cohorts": rows, "readers": people if caller.may("cohorts") else []}


def _readers() -> Select[User]:
    """Who can be given studies to read."""
    return select(User).where(User.active, User.role.in_([r for r, may in ROLES.items() if "read" in may]))


def _progress(t: Transaction, cohort: Cohort, caller: Caller) -> dict[str, Any]:
    assigned = select(func.count()).select_from(Assignment).where(Assignment.cohort_key == cohort.id)
    done = (
        select(func.count(func.distinct(Read.study_key)))
        .select_from(Read)
        .where(Read.cohort_key == cohort.id, Read.state == "finished")
    )
    readers = t.execute(
        select(User.id, User.display)
        .where(User.id.in_(select(Assignment.reader_key).where(Assignment.cohort_key == cohort.id)))
        .order_by(User.id)
    ).all()
    return {
        "key": cohort.id,
        "name": cohort.name,
        "blind": cohort.blind,
        "created": cohort.created_at.isoformat() + "Z",
        "studies": t.scalar(
            select(func.count(func.distinct(Assignment.study_key))).where(Assignment.cohort_key == cohort.id)
        ),
        "readers": [
            {
                "display": display,
                "done": t.scalar(done.where(Read.reader_key == key)) or 0,
                "of": t.scalar(assigned.where(Assignment.reader_key == key)) or 0,
            }
            for key, display in readers
        ],
        "mine": t.scalar(assigned.where(Assignment.reader_key == caller.key)) or 0,
        "decided": t.scalar(select(func.count()).select_from(Consensus).where(Consensus.cohort_key == cohort.id)),
    }


Number = Annotated[int, Field(ge=1, le=2**31 - 1)]


class NewCohort(Form):
    """Which studies who is to read."""

    name: Annotated[Word, Field(min_length=1, max_length=128)]
    blind: bool = True
    studies: list[Number] = Field(min_length=1, max_length=5000)
    readers: list[Number] = Field(min_length=1, max_length=20)


@router.post("/cohorts")
def begin(form: NewCohort, request: Request, caller: Caller = needs("cohorts")) -> dict[str, Any]:
    """Assign studies to readers."""
    with room_of(request).database.writing() as t:
        known = set(t.scalars(select(Study.id).where(Study.id.in_(form.studies))))
        people = set(t.scalars(_readers().where(User.id.in_(form.readers)).with_only_columns(User.id)))
        if known != set(form.studies) or people != set(form.readers):
            raise HTTPException(422, "There is no such study or reader.")
        cohort = start_cohort(t, form.name, form.blind, caller.key, form.studies, form.readers)
        record(t, Event("administer", caller.name, form.name, address=caller.address, details={"cohort": cohort.id}))
        return {"key": cohort.id}


def _cohort(t: Transaction, key: int, caller: Caller) -> Cohort:
    cohort = t.get(Cohort, key)
    mine = select(Assignment.id).where(Assignment.cohort_key == key, Assignment.reader_key == caller.key).limit(1)
    if cohort is None or not (caller.may("cohorts") or t.scalar(mine)):
        raise HTTPException(404, "There is no such cohort.")
    return cohort


@router.get("/cohorts/{key}")
def one(key: Key, request: Request, caller: Caller = needs("view")) -> dict[str, Any]:
    """A cohort's studies: which I have read, which all have, where they differ. The most informative come first."""
    with room_of(request).database.reading() as t:
        cohort = _cohort(t, key, caller)
        studies = t.scalars(
            visible(select(Study.id), caller)
            .where(Study.id.in_(select(Assignment.study_key).where(Assignment.cohort_key == key)))
            .order_by(Study.uncertainty.is_(None), Study.uncertainty.desc(), Study.id)
        ).all()
        reads = t.execute(select(Read.study_key, Read.reader_key, Read.state).where(Read.cohort_key == key)).all()
        decided = set(t.scalars(select(Consensus.study_key).where(Consensus.cohort_key == key)))
        rows = []
        for shown in rows_for(t, studies, caller):
            key_of = shown["key"]
            mine = [state for study, reader, state in reads if study == key_of and reader == caller.key]
            done = len({reader for study, reader, state in reads if study == key_of and state == "finished"})
            rows.append({**shown, "mine": mine[-1] if mine else "", "done": done, "decided": key_of in decided})
        return {**_progress(t, cohort, caller), "rows": rows}


@router.get("/cohorts/{key}/agreement")
def how_far(key: Key, request: Request, caller: Caller = needs("cohorts")) -> dict[str, Any]:
    """Kappa with intervals, agreement about lesions, time per reader."""
    with room_of(request).database.reading() as t:
        _cohort(t, key, caller)
        return agreement(t, key)


@router.get("/cohorts/{key}/studies/{study}/review")
def to_decide(key: Key, study: Key, request: Request, caller: Caller = needs("adjudicate")) -> dict[str, Any]:
    """Votes and lesions of a study; readers are numbers until it is decided."""
    with room_of(request).database.reading() as t:
        _cohort(t, key, caller)
        row = study_of(t, study, caller)
        return {**review(t, key, study), "study": rows_for(t, [row.id], caller)[0]}


class Decision(Form):
    """What an adjudicator decides, and why."""

    metastasis: Literal["yes", "no"]
    arthritis: Literal["yes", "no"]
    marks: list[Mark] = Field(default_factory=list, max_length=500)
    reason: Annotated[Words, Field(min_length=3)]


@router.put("/cohorts/{key}/studies/{study}/consensus")
def decide(
    key: Key, study: Key, form: Decision, request: Request, caller: Caller = needs("adjudicate")
) -> dict[str, Any]:
    """Decide what the readers left open; their reads stay as they are."""
    with room_of(request).database.writing() as t:
        _cohort(t, key, caller)
        row = study_of(t, study, caller)
        waiting = {
            *t.scalars(select(Assignment.reader_key).where(Assignment.cohort_key == key, Assignment.study_key == study))
        } - {
            *t.scalars(
                select(Read.reader_key).where(Read.cohort_key == key, Read.study_key == study, Read.state == "finished")
            )
        }
        if waiting:
            raise HTTPException(409, f"{len(waiting)} readers have not finished this study yet.")
        found = t.scalar(select(Consensus).where(Consensus.cohort_key == key, Consensus.study_key == study))
        if found is None:
            found = Consensus(cohort_key=key, study_key=study)
            t.add(found)
        found.adjudicator_key, found.decided_at = caller.key, now()
        found.document = form.model_dump(mode="json")
        record(t, Event("read", caller.name, row.study_uid, address=caller.address, details={"consensus": key}))
    return {"decided": form.model_dump(mode="json")}


@router.get("/cohorts/{key}/export")
def export(key: Key, request: Request, caller: Caller = needs("cohorts")) -> Response:
    """The cohort with its consensus as a zip that ``photopeak train`` takes once unpacked."""
    room = room_of(request)
    with room.database.writing() as t:
        _cohort(t, key, caller)
        record(t, Event("export", caller.name, f"cohort {key}", address=caller.address))
    with tempfile.TemporaryDirectory() as folder:
        export_cohort(room, key, Path(folder) / "cohort")
        data = zipped(Path(folder))
    return Response(
        data, media_type="application/zip", headers={"Content-Disposition": f'attachment; filename="cohort-{key}.zip"'}
    )
