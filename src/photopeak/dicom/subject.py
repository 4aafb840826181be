"""The patient: DICOM's Patient and Patient Study modules, in and out."""

from __future__ import annotations

import re

from pydicom.dataset import Dataset

from photopeak.core import Patient
from photopeak.dicom.assumptions import Assumptions
from photopeak.dicom.elements import Elements
from photopeak.dicom.times import date_text

_PER_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}


def read_patient(e: Elements, assume: Assumptions) -> Patient:
    """Who was imaged; a size or weight of 0 is one that nobody entered."""
    return Patient(
        patient_id=e.text("PatientID"),
        issuer=e.text("IssuerOfPatientID"),
        name=e.text("PatientName"),
        sex=assume.settle("sex", e.text("PatientSex"), e, "PatientSex"),
        birth_date=e.date("PatientBirthDate"),
        age_years=assume.settle("age_years", read_age(e), e, "PatientAge"),
        height_m=assume.settle("height_m", e.positive("PatientSize"), e, "PatientSize"),
        weight_kg=assume.settle("weight_kg", e.positive("PatientWeight"), e, "PatientWeight"),
    )


def read_age(e: Elements) -> float | None:
    """An age string (days, weeks, months or years) in years."""
    text = e.text("PatientAge")
    if not text:
        return None
    found = re.match(r"(\d{1,3})([DWMY])$", text)
    if found is None:
        raise e.refuse("PatientAge", f"is {text[:20]!r}, not an age such as 059Y.")
    return int(found[1]) / _PER_YEAR[found[2]] or None


def age_text(years: float | None) -> str:
    """The age string closest to an age, in the coarsest unit that says it exactly.

    >>> age_text(59.0), age_text(0.5), age_text(None)
    ('059Y', '006M', '')
    """
    if years is None:
        return ""
    for unit in "YMWD":
        number = years * _PER_YEAR[unit]
        if round(number) <= 999 and abs(number - round(number)) < 1e-9 * max(number, 1.0):
            return f"{round(number):03d}{unit}"
    finest = next(unit for unit in "DWMY" if round(years * _PER_YEAR[unit]) <= 999)
    return f"{round(years * _PER_YEAR[finest]):03d}{finest}"


def put_patient(ds: Dataset, patient: Patient) -> None:
    """Patient and Patient Study modules."""
    ds.PatientName = patient.name
    ds.PatientID = patient.patient_id
    ds.PatientBirthDate = date_text(patient.birth_date)
    ds.PatientSex = patient.sex
    if patient.issuer:
        ds.IssuerOfPatientID = patient.issuer
    if patient.age_years is not None:
        ds.PatientAge = age_text(patient.age_years)
    if patient.height_m is not None:
        ds.PatientSize = decimal(patient.height_m)
    if patient.weight_kg is not None:
        ds.PatientWeight = decimal(patient.weight_kg)


def decimal(value: float) -> str:
    """A number in the 16 characters of a decimal string, as exactly as these allow.

    >>> decimal(2.4), decimal(-0.1234567890123456)
    ('2.4', '-0.1234567890123')
    """
    from pydicom.valuerep import format_number_as_ds

    text = repr(float(value))
    if len(text) <= 16:
        return text.removesuffix(".0")
    return str(format_number_as_ds(float(value)))
