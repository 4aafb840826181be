"""What every image object has: patient, study, series, equipment, the SOP common module, and identity.

Dates and times come from the Study, never from the clock; UIDs that the Study lacks are made from its
content. So writing twice gives equal bytes.
"""

from __future__ import annotations

import hashlib
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from photopeak.core import Acquisition, Image, Study
from photopeak.core.study import Json
from photopeak.dicom.facts import put_facts
from photopeak.dicom.history import put_history
from photopeak.dicom.subject import put_patient
from photopeak.dicom.times import date_text, time_text

UTF8: Final = "ISO_IR 192"


def common(study: Study, image: Image, sop_class: str, part: int = 0) -> Dataset:
    """The modules all objects share; ``part`` tells the files of one series apart."""
    a = study.acquisition
    ds = Dataset()
    ds.SpecificCharacterSet = UTF8
    ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = _uid("instance", digest(study, image), str(part))
    ds.StudyInstanceUID = a.study_uid or _uid("study", study.patient.patient_id, str(a.started_at), digest(study, image))
    ds.SeriesInstanceUID = a.series_uid or _uid("series", ds.StudyInstanceUID, digest(study, image))
    ds.InstanceNumber = str(_fact_number(a.facts.get("InstanceNumber"), 1) + part)
    put_patient(ds, study.patient)
    _put_equipment(ds, a)
    put_facts(ds, dict(a.facts))
    _put_required(ds, a)
    put_history(ds, study)
    return ds


def digest(study: Study, image: Image) -> str:
    """A hash of everything that is written, so that equal Studies have equal instances and others have not."""
    a = study.acquisition
    parts = [study.patient, image.grid, image.unit, [r.to_json() for r in study.history], dict(a.facts), dict(a.assumed)]
    parts += [getattr(a, f) for f in a.__dataclass_fields__ if f not in ("facts", "assumed")]
    content = hashlib.sha256(repr(parts).encode())
    content.update(image.values.tobytes())
    return content.hexdigest()


def _uid(*entropy: str) -> str:
    return str(generate_uid(entropy_srcs=["photopeak", *entropy]))


def _put_equipment(ds: Dataset, a: Acquisition) -> None:
    ds.Manufacturer = a.manufacturer
    if a.model:
        ds.ManufacturerModelName = a.model
    if a.institution:
        ds.InstitutionName = a.institution
    if a.description:
        ds.StudyDescription = a.description
    if a.corrections:
        ds.CorrectedImage = list(a.corrections)
    if a.started_at is not None:
        ds.AcquisitionDate, ds.AcquisitionTime = date_text(a.started_at), time_text(a.started_at)


def _put_required(ds: Dataset, a: Acquisition) -> None:
    """Elements that must be there, filled from the acquisition's time or left empty (type 2)."""
    for name in ("Study", "Series", "Content"):
        if f"{name}Date" not in ds:
            setattr(ds, f"{name}Date", date_text(a.started_at))
            setattr(ds, f"{name}Time", time_text(a.started_at))
    for keyword in ("ReferringPhysicianName", "StudyID", "AccessionNumber", "Laterality"):
        if keyword not in ds:
            setattr(ds, keyword, "")
    if "SeriesNumber" not in ds:
        ds.SeriesNumber = "1"


def _fact_number(value: Json, default: int) -> int:
    return round(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else default
