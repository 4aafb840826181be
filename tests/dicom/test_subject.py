"""Patients: identity, character sets, ages, and what zero means."""

import datetime as dt
from pathlib import Path

import pytest
from dicom.dicom_cases import heads, nm_file
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from photopeak.core import DicomError, Patient
from photopeak.dicom import read
from photopeak.dicom.assumptions import Assumptions
from photopeak.dicom.elements import Elements
from photopeak.dicom.subject import age_text, decimal, read_age, read_patient


def patient_of(path: Path, **elements: object) -> Patient:
    return read(nm_file(path / "p.dcm", DetectorInformationSequence=heads("anterior"), **elements))[0].patient


def test_everything_stated(tmp_path: Path) -> None:
    patient = patient_of(
        tmp_path,
        IssuerOfPatientID="CLINIC",
        PatientSex="F",
        PatientBirthDate="19600203",
        PatientAge="064Y",
        PatientSize="1.65",
        PatientWeight="70.5",
    )
    assert patient == Patient("P1", "CLINIC", "Doe^Jane", "F", dt.date(1960, 2, 3), 64.0, 1.65, 70.5)


def test_zeros_and_blanks_state_nothing(tmp_path: Path) -> None:
    patient = patient_of(tmp_path, PatientSex="", PatientAge="", PatientSize="0", PatientWeight="0.000000")
    assert (patient.sex, patient.age_years, patient.height_m, patient.weight_kg) == ("", None, None, None)


def test_a_birth_date_of_zeros_is_unknown() -> None:
    ds = Dataset()
    ds.add_new("PatientBirthDate", "DA", "")
    ds["PatientBirthDate"]._value = "00000000"  # as Mediso writes it
    assert read_patient(Elements(ds, "f"), Assumptions()).birth_date is None


def test_a_negative_weight_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match=r"\(0010,1030\)"):
        patient_of(tmp_path, PatientWeight="-70")


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("GB18030", "Wang^XiaoDong=王^小东"),
        ("GBK", "Wang^XiaoDong=王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        ("ISO_IR 192", "Müller^Jürgen=王^小东"),
        ("ISO_IR 100", "Müller^Jürgen"),
        ("ISO_IR 144", "Люкceмбypг"),
    ],
)
def test_names_in_their_character_sets(tmp_path: Path, charset: object, name: str) -> None:
    assert patient_of(tmp_path, SpecificCharacterSet=charset, PatientName=name).name == name


def test_a_name_that_its_character_set_cannot_hold_is_refused(tmp_path: Path) -> None:
    path = nm_file(tmp_path / "a.dcm", SpecificCharacterSet="ISO_IR 192", PatientName="Muller^X")
    path.write_bytes(path.read_bytes().replace(b"Muller^X", b"M\xfcller^X"))
    with pytest.raises(DicomError, match=r"\(0010,0010\)"):
        read(path, {"view": "anterior"})


@pytest.mark.parametrize(
    ("text", "years"), [("059Y", 59.0), ("006M", 0.5), ("026W", 26 * 7 / 365.25), ("010D", 10 / 365.25)]
)
def test_ages_in_every_unit(text: str, years: float) -> None:
    ds = Dataset()
    ds.PatientAge = text
    assert read_age(Elements(ds, "f")) == pytest.approx(years)


def test_what_is_no_age_is_refused(tmp_path: Path) -> None:
    path = nm_file(tmp_path / "a.dcm", PatientAge="059Y")
    path.write_bytes(path.read_bytes().replace(b"059Y", b"59Y "))
    assert read(path, {"view": "anterior"})[0].patient.age_years == 59.0
    path.write_bytes(path.read_bytes().replace(b"59Y ", b"old "))
    with pytest.raises(DicomError, match=r"\(0010,1010\)"):
        read(path, {"view": "anterior"})


@given(st.integers(1, 999), st.sampled_from("DWMY"))
def test_every_age_string_survives(number: int, unit: str) -> None:
    ds = Dataset()
    ds.PatientAge = f"{number:03d}{unit}"
    years = read_age(Elements(ds, "f"))
    ds.PatientAge = age_text(years)
    assert read_age(Elements(ds, "f")) == pytest.approx(years)


def test_an_age_between_units_is_rounded_to_the_finest_that_holds_it() -> None:
    assert age_text(1.2345) == "451D"
    assert age_text(64.23) == "771M"


@given(st.floats(-1e12, 1e12))
def test_decimal_strings_are_short_and_close(value: float) -> None:
    text = decimal(value)
    assert len(text) <= 16
    assert float(text) == pytest.approx(value, rel=1e-8, abs=1e-300)
