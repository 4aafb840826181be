"""Which study a file from elsewhere belongs to, by what its name says: found where that is plain, else asked.

A file's name is taken apart where letters and digits end; an accession number, a study's or an object's UID, or a
patient's ID together with a study's date names a study if it stands there whole. What names two studies names none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Select, select
from sqlalchemy.orm import Session as Transaction

from photopeak.room.access import Caller, visible
from photopeak.room.schema import Instance, Patient, Series, Study

SHORTEST: Final = 4
"""Characters that a number has at least: ``report 12.txt`` names no accession 12."""
LONGEST_RUN: Final = 12
"""Parts that a number may have: as in ``bone-scan-7-00000``."""
MOST_CANDIDATES: Final = 10
ENDINGS: Final = (".txt", ".json", ".dcm")


@dataclass(frozen=True)
class Filed:
    """What a file's name says: the study where that is plain, else those that it may mean; and by what."""

    study: int | None
    why: str
    candidates: tuple[int, ...] = ()


def words_of(name: str) -> set[str]:
    """Everything in a file's name that may be a number of something.

    >>> sorted(words_of("A12345_report.txt"))
    ['A12345', 'A12345_report', 'report']
    """
    stem = name.replace("\\", "/").rsplit("/", 1)[-1]
    while stem.lower().endswith(ENDINGS):
        stem = stem[: stem.rindex(".")]
    edges = [(m.start(), m.end()) for m in re.finditer(r"[^\W_]+", stem)]
    runs = {stem[a:b] for i, (a, _) in enumerate(edges) for _, b in edges[i : i + LONGEST_RUN]}
    return {r for r in runs if len(r) >= SHORTEST}


def dates_of(words: Iterable[str]) -> set[str]:
    """The days among them, as DICOM writes one.

    >>> sorted(dates_of({"20260302", "2026-03-02", "2026"}))
    ['20260302']
    """
    return {w.replace("-", "").replace(".", "") for w in words if re.fullmatch(r"\d{4}([-.]?)\d\d\1\d\d", w)}


def filed(t: Transaction, caller: Caller, names: Iterable[str]) -> Filed:
    """The study that the names of a file say, among those that the caller may see."""
    words = set[str]().union(*(words_of(n) for n in names))
    if not words:
        return Filed(None, "the name says nothing")
    means = {"accession number": _keys(t, caller, select(Study.id).where(Study.accession.in_(words)))}
    objects = select(Series.study_key).join(Instance).where(Instance.sop_uid.in_(words))
    uids = Study.study_uid.in_(words) | Study.id.in_(objects)
    means["UID"] = _keys(t, caller, select(Study.id).where(uids))
    person = select(Study.id).join(Patient, Study.patient_key == Patient.id).where(Patient.patient_id.in_(words))
    means["patient ID and date"] = _keys(t, caller, person.where(Study.study_date.in_(dates_of(words))))
    said = {what: keys for what, keys in means.items() if keys}
    every = set[int]().union(*said.values())
    if len(every) == 1:
        return Filed(every.pop(), " and ".join(said))
    if every:
        return Filed(None, f"several studies have this {' or '.join(said)}", tuple(sorted(every)[:MOST_CANDIDATES]))
    patients = _keys(t, caller, person)
    why = "the patient ID alone says no study" if patients else "the name says no study"
    return Filed(None, why, tuple(sorted(patients, reverse=True)[:MOST_CANDIDATES]))


def _keys(t: Transaction, caller: Caller, query: Select[int]) -> set[int]:
    return {int(k) for k in t.scalars(visible(query, caller).limit(MOST_CANDIDATES + 1))}
