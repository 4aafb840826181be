"""Two entries of the catalogue that are one person: who they might be, what a merge moves, and the way back.

A merge changes nothing that was sent: one entry of a patient points to the other (``Patient.merged_into_id``), and
their studies are shown together. Nothing is merged by itself; an ID means nothing without who issued it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Transaction

from photopeak.core import PhotopeakError
from photopeak.room.arriving import family, holds_two, survivor, two_patients
from photopeak.room.schema import Audit, Patient, Study, now

MOST_GROUPS: Final = 100
SAME_ID: Final = "same ID, another issuer"
SAME_PERSON: Final = "same name and date of birth"
Pair = tuple[Patient, Patient]


def candidates(t: Transaction) -> Iterator[tuple[str, Patient, Patient]]:
    """Pairs of patients who may be one, and why; those who were merged already are none."""
    told = set[frozenset[int]]()
    for why, people in itertools.chain(_same_id(t), _same_person(t)):
        alive = {survivor(t, p).id: survivor(t, p) for p in people}
        for a, b in itertools.combinations(sorted(alive.values(), key=lambda p: p.id), 2):
            if frozenset((a.id, b.id)) not in told:
                told.add(frozenset((a.id, b.id)))
                yield why, a, b


def _same_id(t: Transaction) -> Iterator[tuple[str, Sequence[Patient]]]:
    several = (
        select(Patient.patient_id)
        .where(Patient.patient_id != "")
        .group_by(Patient.patient_id)
        .having(func.count() > 1)
        .order_by(Patient.patient_id)
        .limit(MOST_GROUPS)
    )
    for patient_id in t.scalars(several).all():
        yield SAME_ID, t.scalars(select(Patient).where(Patient.patient_id == patient_id)).all()


def _same_person(t: Transaction) -> Iterator[tuple[str, Sequence[Patient]]]:
    """Alike but for capitals, and for a name's empty ends: ``DOE^JANE^^`` is ``Doe^Jane``."""
    name = func.lower(func.rtrim(Patient.name, "^ "))
    several = (
        select(name, Patient.birth_date)
        .where(Patient.name != "", Patient.birth_date != "")
        .group_by(name, Patient.birth_date)
        .having(func.count() > 1)
        .order_by(name)
        .limit(MOST_GROUPS)
    )
    for called, born in t.execute(several).all():
        yield SAME_PERSON, t.scalars(select(Patient).where(name == called, Patient.birth_date == born)).all()


def doubts(a: Patient, b: Patient) -> list[str]:
    """What speaks against two patients being one, in words."""
    said = []
    if a.patient_id and a.patient_id == b.patient_id and a.issuer != b.issuer:
        said.append(
            f"The ID {a.patient_id} was issued by {_issuer(a)} and by {_issuer(b)}: two hospitals may well have given "
            "one number to two people."
        )
    elif a.issuer == b.issuer and a.patient_id and b.patient_id:
        said.append(f"{_issuer(a)} gave them two IDs, {a.patient_id} and {b.patient_id}.")
    for what, one, other in (
        ("name", _plain(a.name), _plain(b.name)),
        ("date of birth", a.birth_date, b.birth_date),
        ("sex", a.sex, b.sex),
    ):
        if one and other and one != other:
            said.append(f"Their {what} differs.")
        elif not (one and other):
            said.append(f"The {what} of one of them is not known." if one or other else f"Their {what} is not known.")
    return said


def _issuer(p: Patient) -> str:
    return p.issuer if p.patient_id and p.issuer else "an issuer who is not named"


def _plain(name: str) -> str:
    return name.rstrip("^ ").casefold()


def merge(t: Transaction, one: Patient, other: Patient) -> dict[str, Any]:
    """Let one patient be another; what there is to tell of it, and what the way back needs."""
    gone, stays = survivor(t, one), survivor(t, other)
    if gone.id == stays.id:
        raise PhotopeakError("they are one patient already. Remedy: choose another one.")
    moved = studies_of(t, gone)
    gone.merged_into_id = stays.id
    t.flush()
    settled = _read_again(t, stays)
    return {
        "from": gone.patient_id,
        "from_issuer": gone.issuer,
        "into": stays.patient_id,
        "into_issuer": stays.issuer,
        "patient": gone.id,
        "into_patient": stays.id,
        "studies": [s.study_uid for s in moved],
        "settled": settled,
    }


def studies_of(t: Transaction, patient: Patient) -> list[Study]:
    """The studies of a patient under every ID that was merged into this one, the latest first."""
    people = [p.id for p in family(t, patient)]
    query = select(Study).where(Study.patient_key.in_(people))
    return list(t.scalars(query.order_by(Study.study_date.desc(), Study.id.desc())))


def _read_again(t: Transaction, patient: Patient) -> dict[str, list[str]]:
    """Studies that held two patients, who are one now, are read after all; which, and what they warned of."""
    people, told = family(t, patient), dict[str, list[str]]()
    settled = {two_patients(a.patient_id, b.patient_id) for a in people for b in people}
    for study in studies_of(t, patient):
        study.change += 1
        if over := [w for w in study.warnings if w in settled]:
            told[study.study_uid] = over
            study.warnings = [w for w in study.warnings if w not in settled]
            if study.digest and not holds_two(study):
                study.due_at, study.attempt = now(), 0
    return told


def merged_line(t: Transaction, patient: Patient) -> Audit | None:
    """The line of the audit trail that tells how a patient was merged; none of a merge from before it told enough."""
    query = select(Audit).where(Audit.action == "administer", Audit.what == line_of(patient.id))
    line = t.scalar(query.order_by(Audit.id.desc()).limit(1))
    if line is None or line.details.get("into_patient") != patient.merged_into_id:
        return None
    return line


def line_of(patient_key: int) -> str:
    """What the audit trail calls a patient's merging and parting."""
    return f"patient {patient_key}"


def hindrance(t: Transaction, patient: Patient) -> str:
    """Why a patient's merging cannot be taken back; "" where it can.

    The last one first: what a later merge settled among these patients stands in its own line of the trail.
    """
    line = merged_line(t, patient) if patient.merged_into_id is not None else None
    if line is None:
        return "the audit trail does not tell how this patient was merged. Remedy: choose one whose merging it tells."
    later = [merged_line(t, p) for p in family(t, patient) if p.merged_into_id is not None]
    if any(one is not None and one.id > line.id for one in later):
        return "another patient was merged with these two afterwards. Remedy: take that back first."
    return ""


def part(t: Transaction, patient: Patient) -> dict[str, Any]:
    """Take a merge back: the patient is one of their own again, and what held two patients says so again."""
    if why := hindrance(t, patient):
        raise PhotopeakError(why)
    line, stayed = merged_line(t, patient), t.get(Patient, patient.merged_into_id)
    assert line is not None
    assert stayed is not None
    everybody = studies_of(t, stayed)
    patient.merged_into_id = None
    t.flush()
    for study in everybody:
        study.change += 1
        for warning in line.details["settled"].get(study.study_uid, ()):
            if warning not in study.warnings:
                study.warnings = [*study.warnings, warning]
            study.due_at = None
    return {"from": patient.patient_id, "into": stayed.patient_id, "patient": patient.id, "parted": True}
