"""What a person is told of studies: nothing that would colour a blind read, no name where they may see none."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from fastapi import HTTPException
from sqlalchemy import BindParameter, Select, bindparam, select
from sqlalchemy.orm import Session as Transaction
from sqlalchemy.orm import aliased

from photopeak.room.access import Caller
from photopeak.room.schema import Assignment, Cohort, Patient, Read, Study, now


def blinded(t: Transaction, reader: int, studies: Collection[int]) -> set[int]:
    """Those of the studies that this person is still to read blind: what the network says of them stays hidden.

    Everywhere, not only in the cohort: a reader who could look it up in the worklist would not be blind.
    """
    return {int(key) for key in t.scalars(to_be_read_blind(reader).where(Assignment.study_key.in_(studies)))}


def to_be_read_blind(reader: int | BindParameter[int]) -> Select[int]:
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


_OTHER: Final = aliased(Study)
_S, _P = Study.__table__.c, Patient.__table__.c
_ROWS: Final = (
    # Made once, and of columns, not of objects: a page of the worklist asks for little else.
    select(
        _S.id, _S.study_uid, _P.patient_id, _P.issuer, _P.name, _P.sex, _P.birth_date, _S.study_date, _S.study_time,
        _S.accession, _S.description, _S.modalities, _S.instances, _S.last_at, _S.state, _S.due_at, _S.suspicion,
        _S.uncertainty, _S.warnings, _S.deidentified,
        _S.id.in_(to_be_read_blind(bindparam("reader"))).label("hidden"),
        # An identified study of the same patient: what stands of the patient may name somebody.
        select(_OTHER.id).where(_OTHER.patient_key == _S.patient_key, ~_OTHER.deidentified).exists().label("named"),
    )
    .join_from(Study.__table__, Patient.__table__, _S.patient_key == _P.id)
    .where(_S.id.in_(bindparam("keys", expanding=True)))
)  # fmt: skip


def rows_for(t: Transaction, keys: Sequence[int], caller: Caller) -> list[dict[str, Any]]:
    """Studies as the worklist shows them to this caller, in the order of their keys."""
    found = {row.id: row for row in t.execute(_ROWS, {"keys": keys, "reader": caller.key})}
    rows = []
    for row in (found[k] for k in keys if k in found):
        shown = _row(row)
        if row.hidden:
            shown |= {"suspicion": None, "uncertainty": None}
        if caller.role == "researcher" and row.named:
            shown |= {"name": "", "patient_id": "", "issuer": "", "birth_date": "", "sex": ""}
        rows.append(shown)
    return rows


def _row(row: Any) -> dict[str, Any]:
    return {
        "key": row.id,
        "study_uid": row.study_uid,
        "patient_id": row.patient_id,
        "issuer": row.issuer if row.patient_id else "",
        "name": row.name,
        "sex": row.sex,
        "birth_date": row.birth_date,
        "date": row.study_date,
        "time": row.study_time,
        "accession": row.accession,
        "description": row.description,
        "modalities": row.modalities,
        "instances": row.instances,
        "arrived": row.last_at.isoformat() + "Z",
        "state": row.state,
        "waiting": row.due_at is not None,
        "suspicion": row.suspicion,
        "uncertainty": row.uncertainty,
        "warnings": row.warnings,
        "deidentified": row.deidentified,
    }
