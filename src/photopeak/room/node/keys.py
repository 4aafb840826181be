"""The attributes that can be asked for at each level (PS3.4 C.6.1.1, C.6.2.1 and K.6.1.2), and where they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, Subquery, func, select
from sqlalchemy.orm import aliased

from photopeak.room.schema import Instance, Patient, Scheduled, Series, Study

LEVELS: Final = ("PATIENT", "STUDY", "SERIES", "IMAGE")
UNIQUE: Final = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}
PERSON: Final = aliased(Patient)
"""The patient that an answer names: the survivor where patients were merged."""


@dataclass(frozen=True, eq=False)
class Key:
    """An attribute: how it is matched, and its column."""

    keyword: str
    kind: str
    column: Any
    """Of the statement that is built; a column, or a count in a statement of its own."""


def keys(level: str) -> dict[str, Key]:
    """What may be asked at a level: its own attributes and those of the levels above."""
    found: dict[str, Key] = {}
    for one in LEVELS[: LEVELS.index(level) + 1]:
        found |= {keyword: Key(keyword, kind, column) for keyword, kind, column in _KEYS[one]()}
    return found


def statement(level: str, columns: list[Any]) -> Select[Any]:
    """These columns of everything at a level."""
    if level == "PATIENT":
        return select(*columns).select_from(PERSON).where(PERSON.merged_into_id.is_(None)).order_by(PERSON.id)
    asked = select(*columns)
    if level == "IMAGE":
        asked = asked.select_from(Instance).join(Series, Series.id == Instance.series_key).join(Study)
    else:
        asked = asked.select_from(Series).join(Study) if level == "SERIES" else asked.select_from(Study)
    merged = _survivors()
    asked = asked.outerjoin(merged, merged.c.id == Study.patient_key)
    asked = asked.join(PERSON, PERSON.id == func.coalesce(merged.c.target, Study.patient_key))
    order = {"STUDY": Study.id, "SERIES": Series.id, "IMAGE": Instance.id}
    return asked.order_by(order[level])


def _survivors() -> Subquery:
    """(a patient that was merged, who is left of it in the end)."""
    chain = select(Patient.id, Patient.merged_into_id.label("target")).where(Patient.merged_into_id.is_not(None))
    steps = chain.cte("merged", recursive=True)
    after = select(steps.c.id, Patient.merged_into_id).join(Patient, Patient.id == steps.c.target)
    steps = steps.union(after.where(Patient.merged_into_id.is_not(None)))
    last = aliased(Patient)
    ends = select(steps.c.id, steps.c.target).join(last, last.id == steps.c.target)
    return ends.where(last.merged_into_id.is_(None)).subquery()


def _patient() -> list[tuple[str, str, Any]]:
    return [
        ("PatientID", "text", PERSON.patient_id),
        ("IssuerOfPatientID", "text", PERSON.issuer),
        ("PatientName", "name", PERSON.name),
        ("PatientBirthDate", "date", PERSON.birth_date),
        ("PatientSex", "text", PERSON.sex),
        ("NumberOfPatientRelatedStudies", "number", _of_patient(Study.id)),
        ("NumberOfPatientRelatedSeries", "number", _of_patient(Series.id)),
        ("NumberOfPatientRelatedInstances", "number", _of_patient(Instance.id)),
    ]


def _of_patient(what: Any) -> Any:
    merged, study, series, instance = _survivors(), aliased(Study), aliased(Series), aliased(Instance)
    counted = {Study.id: study.id, Series.id: series.id, Instance.id: instance.id}[what]
    return (
        select(func.count(counted.distinct()))
        .select_from(study)
        .outerjoin(series, series.study_key == study.id)
        .outerjoin(instance, instance.series_key == series.id)
        .outerjoin(merged, merged.c.id == study.patient_key)
        .where(func.coalesce(merged.c.target, study.patient_key) == PERSON.id)
        .scalar_subquery()
    )


def _study() -> list[tuple[str, str, Any]]:
    series = aliased(Series)
    count = select(func.count(series.id)).where(series.study_key == Study.id).correlate(Study).scalar_subquery()
    return [
        ("StudyInstanceUID", "uid", Study.study_uid),
        ("StudyDate", "date", Study.study_date),
        ("StudyTime", "time", Study.study_time),
        ("AccessionNumber", "text", Study.accession),
        ("StudyDescription", "text", Study.description),
        ("ReferringPhysicianName", "name", Study.referrer),
        ("ModalitiesInStudy", "words", Study.modalities),
        ("NumberOfStudyRelatedSeries", "number", count),
        ("NumberOfStudyRelatedInstances", "number", Study.instances),
    ]


def _series() -> list[tuple[str, str, Any]]:
    instance = aliased(Instance)
    count = select(func.count(instance.id)).where(instance.series_key == Series.id).correlate(Series)
    return [
        ("SeriesInstanceUID", "uid", Series.series_uid),
        ("Modality", "text", Series.modality),
        ("SeriesNumber", "number", Series.number),
        ("SeriesDescription", "text", Series.description),
        ("NumberOfSeriesRelatedInstances", "number", count.scalar_subquery()),
    ]


def _image() -> list[tuple[str, str, Any]]:
    return [
        ("SOPInstanceUID", "uid", Instance.sop_uid),
        ("SOPClassUID", "uid", Instance.sop_class),
        ("InstanceNumber", "number", Instance.number),
        ("NumberOfFrames", "number", Instance.frames),
        ("Rows", "number", Instance.rows),
        ("Columns", "number", Instance.columns),
        ("ImageType", "words", Instance.image_type),
        ("AvailableTransferSyntaxUID", "uid", Instance.syntax),
    ]


_KEYS: Final = {"PATIENT": _patient, "STUDY": _study, "SERIES": _series, "IMAGE": _image}

#: The modality worklist: attributes of the examination, and those of the step in it
PLANNED: Final = {
    keyword: Key(keyword, kind, column)
    for keyword, kind, column in (
        ("PatientID", "text", Scheduled.patient_id),
        ("IssuerOfPatientID", "text", Scheduled.issuer),
        ("PatientName", "name", Scheduled.name),
        ("PatientBirthDate", "date", Scheduled.birth_date),
        ("PatientSex", "text", Scheduled.sex),
        ("AccessionNumber", "text", Scheduled.accession),
        ("StudyInstanceUID", "uid", Scheduled.study_uid),
        ("RequestedProcedureID", "number", Scheduled.id),
        ("RequestedProcedureDescription", "text", Scheduled.description),
    )
}
STEP: Final = {
    keyword: Key(keyword, kind, column)
    for keyword, kind, column in (
        ("Modality", "text", Scheduled.modality),
        ("ScheduledStationAETitle", "station", Scheduled.station),
        ("ScheduledProcedureStepStartDate", "date", Scheduled.start_date),
        ("ScheduledProcedureStepStartTime", "time", Scheduled.start_time),
        ("ScheduledProcedureStepDescription", "text", Scheduled.description),
        ("ScheduledProcedureStepID", "number", Scheduled.id),
    )
}
