"""What the user states fills gaps, never overrules the file, and leaves a trace."""

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from dicom.dicom_cases import PT, heads, item, nm_file, slice_file

from photopeak.core import DicomError, PhotopeakError
from photopeak.dicom import parse_assumptions, read
from photopeak.dicom.assumptions import KEYS


def test_pairs_become_a_mapping() -> None:
    assert parse_assumptions(("view=anterior,posterior", " weight_kg = 71 ")) == {
        "view": "anterior,posterior",
        "weight_kg": "71",
    }


def test_every_key_says_what_it_states() -> None:
    assert all(meaning for _, meaning in KEYS.values())
    with pytest.raises(PhotopeakError, match=r"no 'wieght_kg'(.|\n)*weight_kg: the patient's weight"):
        parse_assumptions(("wieght_kg=70",))


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("weight_kg", "key=value"),
        ("weight_kg=heavy", "weight_kg=heavy"),
        ("weight_kg=-3", "above 0"),
        ("weight_kg=inf", "above 0"),
        ("view=front", "one of anterior"),
        ("nuclide=MDP", "Tc-99m"),
        ("pixel_mm=1,2,3", "row and column"),
        ("started_at=noon", "date and time"),
        ("started_at=2024-05-06T10:30+02:00", "without zone"),
        ("units=SUV", "one of CNTS"),
    ],
)
def test_impossible_values_are_refused(pair: str, message: str) -> None:
    with pytest.raises(PhotopeakError, match=message):
        parse_assumptions((pair,))


def test_one_key_twice_is_refused() -> None:
    with pytest.raises(PhotopeakError, match="twice"):
        parse_assumptions(("sex=F", "sex=M"))


def test_a_gap_is_filled_and_recorded(tmp_path: Path) -> None:
    path = nm_file(tmp_path / "a.dcm", DetectorInformationSequence=heads("anterior"))
    stated = parse_assumptions(
        ("weight_kg=71", "nuclide=99mTc", "activity_mbq=740", "administered_at=2024-05-06T07:30", "sex=F")
    )
    study = read(path, stated)[0]
    tracer = study.acquisition.radiopharmaceuticals[0]
    assert (study.patient.weight_kg, study.patient.sex) == (71.0, "F")
    assert (tracer.nuclide, tracer.activity_mbq) == ("Tc-99m", 740.0)
    assert tracer.administered_at == dt.datetime(2024, 5, 6, 7, 30)
    assert dict(study.acquisition.assumed) == stated
    assert study.history[-1].step == "dicom.read"
    assert study.history[-1].parameters == {"assumed": stated}


def test_what_the_file_says_itself_is_not_assumed(tmp_path: Path) -> None:
    path = nm_file(tmp_path / "a.dcm", PatientWeight="71.0", DetectorInformationSequence=heads("anterior"))
    study = read(path, {"weight_kg": "71", "view": "anterior"})[0]
    assert not study.acquisition.assumed
    assert not study.history


@pytest.mark.parametrize(
    ("elements", "stated", "tag"),
    [
        ({"PatientWeight": "80"}, "weight_kg=71", r"\(0010,1030\)"),
        ({"PatientSex": "M"}, "sex=F", r"\(0010,0040\)"),
        ({}, "pixel_mm=2.4", r"\(0028,0030\)"),  # the file's pixels are 2.4 by 2.0
        ({"Units": "BQML"}, "units=CNTS", r"\(0054,1001\)"),
        ({"AcquisitionDate": "20240506", "AcquisitionTime": "10"}, "started_at=2024-05-06T11:00", r"\(0008,0022\)"),
        (
            {"RadiopharmaceuticalInformationSequence": [item(RadionuclideTotalDose="500")]},
            "activity_mbq=740",
            r"\(0018,1074\)",
        ),
        ({"DetectorInformationSequence": heads("posterior")}, "view=anterior", r"\(0054,0220\)"),
    ],
)
def test_a_contradiction_is_refused_with_the_tag(tmp_path: Path, elements: dict, stated: str, tag: str) -> None:
    path = nm_file(tmp_path / "a.dcm", **elements)
    with pytest.raises(DicomError, match=tag) as caught:
        read(path, parse_assumptions((stated,)))
    assert "contradicts" in caught.value.meaning


def test_each_volume_of_a_folder_has_assumptions_of_its_own(tmp_path: Path) -> None:
    pixels = np.ones((2, 2), np.int16)
    slice_file(tmp_path / "a.dcm", PT, 0.0, pixels, PatientWeight="60")
    slice_file(tmp_path / "b.dcm", PT, 0.0, pixels, SeriesInstanceUID="1.2.3.77")
    studies = read(tmp_path, {"weight_kg": "60"})
    assert sorted(len(s.acquisition.assumed) for s in studies) == [0, 1]
