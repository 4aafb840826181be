"""An object arrives, by C-STORE, by STOW-RS or by upload: first its bytes are durable, then its place in the catalogue.

What comes twice is stored once. What comes under an instance UID that is known, with other bytes, is a correction: it
takes the place of what was there, which stays in the store and is listed beside it. Every new image puts off the
reading of its study, until nothing came for a while.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pydicom.dataset import Dataset
from sqlalchemy import bindparam, select, text
from sqlalchemy.orm import Session as Transaction

from photopeak.core import DicomError
from photopeak.dicom.elements import Elements
from photopeak.dicom.parse import parse
from photopeak.dicom.reading import is_nm
from photopeak.room.database import Database
from photopeak.room.objects import Objects
from photopeak.room.schema import Instance, Patient, Series, Study, Version, now

NM_IMAGE: Final = "1.2.840.10008.5.1.4.1.1.20"
SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"
LOCK: Final = 7_305_002
"""PostgreSQL's advisory lock under which objects take their places one by one: two that come at once would each begin
the study, and neither would count the other."""
_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)*\Z")


@dataclass(frozen=True)
class Header:
    """What the catalogue keeps of an object."""

    sop_uid: str
    sop_class: str
    series_uid: str
    study_uid: str
    patient_id: str
    issuer: str
    name: str
    birth_date: str
    sex: str
    study_date: str
    study_time: str
    accession: str
    description: str
    referrer: str
    modality: str
    series_number: int | None
    series_description: str
    number: int | None
    syntax: str
    image_type: str
    frames: int
    rows: int
    columns: int
    deidentified: bool


@dataclass(frozen=True)
class Arrival:
    """What became of an object: ``new``, ``duplicate`` or ``correction``."""

    outcome: str
    header: Header
    sha256: str
    study_key: int


def header_of(data: bytes, source: str) -> tuple[Header, Dataset]:
    """The header of a DICOM file's bytes; refused where they do not say what they are."""
    ds = parse(data, source)
    e = Elements(ds, source)
    uids = {k: e.text(k) for k in ("SOPInstanceUID", "SOPClassUID", "SeriesInstanceUID", "StudyInstanceUID")}
    for keyword, uid in uids.items():
        if not _UID.match(uid) or len(uid) > 64:
            raise DicomError(
                source, keyword, f"is {uid[:80]!r}, which is no UID.", "send the object as the modality made it."
            )
    meta = getattr(ds, "file_meta", {})
    image_type = e.text("ImageType") if "ImageType" in ds else ""
    header = Header(
        uids["SOPInstanceUID"],
        uids["SOPClassUID"],
        uids["SeriesInstanceUID"],
        uids["StudyInstanceUID"],
        _text(ds, "PatientID", 256),
        _text(ds, "IssuerOfPatientID", 256),
        _text(ds, "PatientName", 20_000),
        _text(ds, "PatientBirthDate", 16),
        _text(ds, "PatientSex", 16),
        _text(ds, "StudyDate", 16),
        _text(ds, "StudyTime", 32),
        _text(ds, "AccessionNumber", 64),
        _text(ds, "StudyDescription", 20_000),
        _text(ds, "ReferringPhysicianName", 20_000),
        _text(ds, "Modality", 16),
        _number(ds, "SeriesNumber"),
        _text(ds, "SeriesDescription", 20_000),
        _number(ds, "InstanceNumber"),
        str(meta.get("TransferSyntaxUID", "") or ""),
        image_type[:256] or _text(ds, "ImageType", 256),
        _number(ds, "NumberOfFrames") or (1 if "Rows" in ds else 0),
        _number(ds, "Rows") or 0,
        _number(ds, "Columns") or 0,
        _text(ds, "PatientIdentityRemoved", 16) == "YES",
    )
    return header, ds


def _text(ds: Dataset, keyword: str, longest: int) -> str:
    """A text as it is, shortened where the database would not take it; ``""`` where it is broken or absent."""
    try:
        value = ds.get(keyword)
    except (DicomError, ValueError, TypeError, LookupError, AttributeError):
        return ""
    if value is None:
        return ""
    several = not isinstance(value, str) and hasattr(value, "__iter__")
    words = "\\".join(map(str, value)) if several and keyword == "ImageType" else str(value)
    return words.replace("\0", "").encode("utf-8", "replace").decode("utf-8")[:longest]


def _number(ds: Dataset, keyword: str) -> int | None:
    digits = _text(ds, keyword, 16).strip()
    return int(digits) if re.fullmatch(r"[+-]?\d{1,9}", digits) else None


def receive(
    database: Database,
    objects: Objects,
    data: bytes,
    sender: str,
    quiet_seconds: float,
    source: str = "object",
    parsed: tuple[Header, Dataset] | None = None,
) -> Arrival:
    """Store one object; when this returns, a power cut loses nothing of it. ``parsed`` is its header, where known."""
    header, ds = parsed or header_of(data, source)
    sha256 = objects.put(data)
    readable = is_nm(Elements(ds, source))
    with database.writing() as t:
        if not database.sqlite:  # where writers take turns anyway
            t.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        return _register(t, header, sha256, len(data), sender, quiet_seconds if readable else None)


def _register(
    t: Transaction, header: Header, sha256: str, size: int, sender: str, quiet_seconds: float | None
) -> Arrival:
    at = now()
    with t.no_autoflush:  # what is new goes to the database all at once
        known = _known(t, header)
        study = _study(t, header, at, known)
        series = _series(t, header, study, known.series)
        instance = known.instance
        if instance is not None and instance.sha256 == sha256:
            return Arrival("duplicate", header, sha256, study.id)
        left = study if instance is None else instance.series.study
        if instance is None:
            instance = Instance(sop_uid=header.sop_uid)
            t.add(instance)
            study.instances += 1
        else:
            t.add(_version(instance, at))
        _fill(instance, header)
        instance.sha256, instance.size, instance.series = sha256, size, series
        instance.received_at, instance.sender = at, sender[:64]
        _changed(study, header.modality, at)
    if left is not study:  # the correction took it to another study
        study.instances, left.instances = study.instances + 1, left.instances - 1
        _changed(left, "", at)
        left.digest = digest_of(t, left.id)
    if quiet_seconds is not None:
        # Of a study that begins this is the only image, and nothing was stated of it yet.
        images = [(header.sop_uid, sha256)] if header.modality == "NM" else []
        study.digest = _digest(images, {}) if known.study is None else digest_of(t, study.id)
        if not holds_two(study):
            study.due_at, study.attempt = at + dt.timedelta(seconds=quiet_seconds), 0
    t.flush()
    return Arrival("new" if known.instance is None else "correction", header, sha256, study.id)


class _Known(NamedTuple):
    patient: Patient | None
    study: Study | None
    series: Series | None
    instance: Instance | None


def _known(t: Transaction, h: Header) -> _Known:
    """What is here already of an object's patient, study and series, and of itself: of most that comes, nothing."""
    wanted = {"patient": h.patient_id, "issuer": _issuer(h), "study": h.study_uid}
    wanted |= {"series": h.series_uid, "instance": h.sop_uid}
    patient, study, series, instance = t.execute(_KEYS, wanted).one()
    return _Known(
        None if patient is None else t.get(Patient, patient),
        None if study is None else t.get(Study, study),
        None if series is None else t.get(Series, series),
        None if instance is None else t.get(Instance, instance),
    )


_KEYS: Final = select(
    select(Patient.id)
    .where(Patient.patient_id == bindparam("patient"), Patient.issuer == bindparam("issuer"))
    .scalar_subquery(),
    select(Study.id).where(Study.study_uid == bindparam("study")).scalar_subquery(),
    select(Series.id).where(Series.series_uid == bindparam("series")).scalar_subquery(),
    select(Instance.id).where(Instance.sop_uid == bindparam("instance")).scalar_subquery(),
)


def _fill(instance: Instance, h: Header) -> None:
    instance.sop_class, instance.number, instance.syntax = h.sop_class, h.number, h.syntax
    instance.image_type, instance.frames, instance.rows, instance.columns = h.image_type, h.frames, h.rows, h.columns


def _version(instance: Instance, at: dt.datetime) -> Version:
    """What was there before a correction."""
    return Version(
        sop_uid=instance.sop_uid,
        sha256=instance.sha256,
        received_at=instance.received_at,
        replaced_at=at,
        sender=instance.sender,
    )


def _study(t: Transaction, h: Header, at: dt.datetime, known: _Known) -> Study:
    patient, study = _patient(t, h, known.patient), known.study
    if study is None:
        study = Study(study_uid=h.study_uid, patient=patient, first_at=at, last_at=at, change=0, warnings=[])
        study.instances, study.attempt, study.state, study.digest, study.modalities = 0, 0, "new", "", ""
        study.deidentified, study.assumed = True, {}
        t.add(study)
    elif survivor(t, patient) is not survivor(t, study.patient):
        _warn(study, two_patients(study.patient.patient_id, h.patient_id))
        study.due_at = None
    study.deidentified = study.deidentified and h.deidentified
    study.study_date, study.study_time = h.study_date or study.study_date or "", h.study_time or study.study_time or ""
    study.accession, study.referrer = h.accession or study.accession or "", h.referrer or study.referrer or ""
    study.description = h.description or study.description or ""
    return study


def two_patients(one: str, other: str) -> str:
    """The warning of a study whose objects name two patients."""
    here = f"{one or 'nobody'} and {other or 'nobody'}"
    return f"holds objects of two patients, {here}: merge them, or have the study sent anew; it is not read"


def holds_two(study: Study) -> bool:
    """Whether a study waits for somebody to say who its patient is."""
    return any("objects of two patients" in w for w in study.warnings)


def _warn(study: Study, text: str) -> None:
    if text not in study.warnings:
        study.warnings = [*study.warnings, text]


def _issuer(h: Header) -> str:
    # Two studies without an ID are two people as far as anybody knows: each study vouches for its own.
    return h.issuer if h.patient_id else h.study_uid


def _patient(t: Transaction, h: Header, found: Patient | None) -> Patient:
    if found is None:
        found = Patient(patient_id=h.patient_id, issuer=_issuer(h), name="", birth_date="", sex="")
        t.add(found)
    # A later object corrects the words, and a field left empty takes nothing away.
    found.name, found.sex = h.name or found.name, h.sex or found.sex
    found.birth_date = h.birth_date or found.birth_date
    return found


def survivor(t: Transaction, patient: Patient) -> Patient:
    """Who a patient was merged into; the patient where into nobody."""
    while patient.merged_into_id is not None:
        after = t.get(Patient, patient.merged_into_id)
        assert after is not None
        patient = after
    return patient


def _series(t: Transaction, h: Header, study: Study, series: Series | None) -> Series:
    if series is None:
        series = Series(series_uid=h.series_uid, study=study)
        t.add(series)
    elif series.study is not study:
        raise DicomError(
            h.sop_uid,
            "(0020,000e)",
            f"the series {h.series_uid} belongs to another study here.",
            "have the sender give every series a UID of its own.",
        )
    series.modality, series.number, series.description = h.modality, h.series_number, h.series_description
    return series


def family(t: Transaction, patient: Patient) -> list[Patient]:
    """Every entry that is the same patient, the one that the others were merged into first."""
    found = [survivor(t, patient)]
    for one in found:  # which grows meanwhile
        found += t.scalars(select(Patient).where(Patient.merged_into_id == one.id)).all()
    return found


def _changed(study: Study, modality: str, at: dt.datetime) -> None:
    words = set(filter(None, study.modalities.split("\\"))) | ({modality} if modality else set())
    study.modalities = "\\".join(sorted(words))[:128]
    study.last_at = at
    study.change += 1


def digest_of(t: Transaction, study_key: int) -> str:
    """One hash for what a reading is made from: the images of a study, and what was stated of them."""
    rows = t.execute(
        select(Instance.sop_uid, Instance.sha256)
        .join(Series)
        .where(Series.study_key == study_key, Series.modality == "NM")
        .order_by(Instance.sop_uid)
    ).all()
    study = t.get(Study, study_key)
    return _digest([(str(u), str(s)) for u, s in rows], study.assumed if study is not None else {})


def _digest(images: Sequence[tuple[str, str]], assumed: Mapping[str, Any]) -> str:
    stated = sorted(assumed.items())
    return hashlib.sha256("\n".join([*(f"{u} {s}" for u, s in images), *map(str, stated)]).encode()).hexdigest()
