"""What a person is told of studies: nothing that would colour a blind read, no name where they may see none."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from fastapi import HTTPException
from sqlalchemy import Select, select
from sqlalchemy.orm import Session as Transaction
from sqlalchemy.orm import aliased

from photopeak.room.access import Caller
from photopeak.room.schema import Assignment, Cohort, Read, Study, now


def blinded(t: Transaction, reader: int, studies: Collection[int]) -> set[int]:
    """Those of the studies that this person is still to read blind: what the network says of them stays hidden.

    Everywhere, not only in the cohort: a reader who could look it up in the worklist would not be blind.
    """
    return {int(key) for key in t.scalars(to_be_read_blind(reader).where(Assignment.study_key.in_(studies)))}


def to_be_read_blind(reader: int) -> Select[int]:
    """The keys of all studies that this person is still to read blind."""
    done = aliased(Read)
    finished = (
        select(done.id)
        .where(
            done.cohort_key == Assignment.cohort_key,
            done.study_key == Assignment.study_key,
            done.reader_key == reader,
            done.state == "finished",
        )
        .exists()
    )
    return (
        select(Assignment.study_key)
        .join(Cohort, Cohort.id == Assignment.cohort_key)
        .where(Assignment.reader_key == reader, Cohort.blind, ~finished)
    )


def reveal(t: Transaction, key: int, caller: Caller) -> None:
    """Note that a person sees what the network says, or refuse it to a blind reader.

    Whatever was asked for: a reader who has seen it has seen it in every read that is not finished yet.
    """
    if blinded(t, caller.key, [key]):
        raise HTTPException(403, "You are to read this study blind: finish your read first.")
    mine = select(Read).where(Read.study_key == key, Read.reader_key == caller.key, Read.state == "draft")
    for draft in t.scalars(mine.where(Read.revealed_at.is_(None))):
        draft.revealed_at = now()


def rows_for(t: Transaction, studies: Sequence[Study], caller: Caller) -> list[dict[str, Any]]:
    """Studies as the worklist shows them to this caller."""
    hidden = blinded(t, caller.key, [s.id for s in studies])
    named = _named(t, studies) if caller.role == "researcher" else set()
    rows = []
    for study in studies:
        row = row_of(study)
        if study.id in hidden:
            row |= {"suspicion": None, "uncertainty": None}
        if study.patient_key in named:
            row |= {"name": "", "patient_id": "", "issuer": "", "birth_date": "", "sex": ""}
        rows.append(row)
    return rows


def _named(t: Transaction, studies: Sequence[Study]) -> set[int]:
    """Patients who have an identified study too, so that what stands of them may name somebody."""
    people = {s.patient_key for s in studies}
    query = select(Study.patient_key).where(Study.patient_key.in_(people), ~Study.deidentified)
    return {int(key) for key in t.scalars(query)}


def row_of(study: Study) -> dict[str, Any]:
    """A study as the worklist has it."""
    p = study.patient
    return {
        "key": study.id,
        "study_uid": study.study_uid,
        "patient_id": p.patient_id,
        "issuer": p.issuer if p.patient_id else "",
        "name": p.name,
        "sex": p.sex,
        "birth_date": p.birth_date,
        "date": study.study_date,
        "time": study.study_time,
        "accession": study.accession,
        "description": study.description,
        "modalities": study.modalities,
        "instances": study.instances,
        "arrived": study.last_at.isoformat() + "Z",
        "state": study.state,
        "waiting": study.due_at is not None,
        "suspicion": study.suspicion,
        "uncertainty": study.uncertainty,
        "warnings": list(study.warnings),
        "deidentified": study.deidentified,
    }
