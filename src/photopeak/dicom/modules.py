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
from photopeak.dicom.facts import put_facts
from photopeak.dicom.history import put_history
from photopeak.dicom.subject import put_patient
from photopeak.dicom.times import date_text, time_text

UTF8: Final = "ISO_IR 192"


def common(study: Study, identity: str, sop_class: str) -> Dataset:
    """The modules all objects share; ``identity`` is the study's ``digest``."""
    a = study.acquisition
    ds = Dataset()
    ds.SpecificCharacterSet = UTF8
    ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = new_uid("instance", identity)
    ds.StudyInstanceUID = a.study_uid or new_uid("study", study.patient.patient_id, str(a.started_at), identity)
    ds.SeriesInstanceUID = a.series_uid or new_uid("series", ds.StudyInstanceUID, identity)
    put_patient(ds, study.patient)
    _put_equipment(ds, a)
    put_facts(ds, dict(a.facts))
    _put_required(ds, a)
    put_history(ds, study)
    return ds


def digest(study: Study, image: Image) -> str:
    """A hash of everything that is written, so that equal Studies have equal instances and others have not."""
    a = study.acquisition
    parts = [
        study.patient,
        image.grid,
        image.unit,
        [r.to_json() for r in study.history],
        dict(a.facts),
        dict(a.assumed),
    ]
    parts += [getattr(a, f) for f in a.__dataclass_fields__ if f not in ("facts", "assumed")]
    content = hashlib.sha256(repr(parts).encode())
    content.update(image.values.tobytes())
    return content.hexdigest()


def new_uid(*entropy: str) -> str:
    """A UID made from its content: the same for the same, and another for another."""
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
    if "InstanceNumber" not in ds:
        ds.InstanceNumber = "1"
