"""What was injected, how much, when; and to which moment values are decay-corrected."""

import datetime as dt
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom.dicom_cases import PT, code, heads, item, nm_file, save, slice_file
from pydicom.dataset import Dataset

from photopeak.core import Acquisition, DicomError, Radiopharmaceutical
from photopeak.dicom import read
from photopeak.dicom.tracer import tracer_items


def nm(path: Path, *tracers: Dataset, **elements: object) -> Acquisition:
    stated = {"AcquisitionDate": "20240506", "AcquisitionTime": "103000"}
    file = nm_file(
        path / "n.dcm",
        RadiopharmaceuticalInformationSequence=list(tracers),
        DetectorInformationSequence=heads("anterior"),
        **{**stated, **elements},
    )
    return read(file)[0].acquisition


def pet(path: Path, *tracers: Dataset, **elements: object) -> Acquisition:
    stated = {"AcquisitionDate": "20240506", "AcquisitionTime": "103000"}
    pixels = np.ones((2, 2), np.int16)
    slice_file(
        path / "p.dcm", PT, 0.0, pixels, RadiopharmaceuticalInformationSequence=list(tracers), **{**stated, **elements}
    )
    return read(path / "p.dcm")[0].acquisition


def test_the_dose_is_in_mbq_in_nm_and_in_bq_in_pt(tmp_path: Path) -> None:
    assert nm(tmp_path, item(RadionuclideTotalDose="740")).radiopharmaceuticals[0].activity_mbq == 740.0
    assert pet(tmp_path, item(RadionuclideTotalDose="3.7e8")).radiopharmaceuticals[0].activity_mbq == 370.0


@pytest.mark.parametrize("dose", ["7.4e8", "1e-6", "0"])
def test_an_impossible_nm_dose_is_none(tmp_path: Path, dose: str) -> None:
    acquisition = nm(tmp_path, item(Radiopharmaceutical="MDP", RadionuclideTotalDose=dose))
    assert acquisition.radiopharmaceuticals[0].activity_mbq is None


def test_a_pt_dose_in_mbq_is_none_and_not_converted(tmp_path: Path) -> None:
    acquisition = pet(tmp_path, item(Radiopharmaceutical="FDG", RadionuclideTotalDose="370"))
    assert acquisition.radiopharmaceuticals[0].activity_mbq is None


@pytest.mark.parametrize(
    "nuclide",
    [
        code("72454006"),
        code("C-163A8", "SNM3", "^99m^Technetium"),
        code("C-163A8", "SCT", "?"),  # a legacy value under the new scheme's name
        code("1", "99LOCAL", "99mTc"),
        code("Tc-99m", "99LOCAL", "Isotope"),
    ],
)
def test_a_nuclide_by_code_or_by_text(tmp_path: Path, nuclide: Dataset) -> None:
    assert nm(tmp_path, item(RadionuclideCodeSequence=[nuclide])).radiopharmaceuticals[0].nuclide == "Tc-99m"


def test_a_missing_nuclide_is_not_technetium(tmp_path: Path) -> None:
    assert nm(tmp_path, item(Radiopharmaceutical="MDP")).radiopharmaceuticals[0].nuclide == ""
    assert nm(tmp_path).radiopharmaceuticals == ()
    assert nm(tmp_path, item()).radiopharmaceuticals == ()


def test_a_name_from_its_code(tmp_path: Path) -> None:
    named = item(RadiopharmaceuticalCodeSequence=[code("35321007", meaning="Fluorodeoxyglucose F^18^")])
    assert nm(tmp_path, named).radiopharmaceuticals[0].name == "Fluorodeoxyglucose F^18^"


def test_two_tracers_stay_two_and_take_no_assumption(tmp_path: Path) -> None:
    acquisition = nm(tmp_path, item(Radiopharmaceutical="A"), item(Radiopharmaceutical="B"))
    assert [t.name for t in acquisition.radiopharmaceuticals] == ["A", "B"]


def given_at(path: Path, **elements: str) -> dt.datetime | None:
    tracers = pet(path, item(Radiopharmaceutical="FDG", **elements)).radiopharmaceuticals
    return tracers[0].administered_at


def test_the_moment_of_injection(tmp_path: Path) -> None:
    both = {"RadiopharmaceuticalStartTime": "0800", "RadiopharmaceuticalStartDateTime": "20240506093000.50"}
    assert given_at(tmp_path, **both) == dt.datetime(2024, 5, 6, 9, 30, 0, 500000)
    assert given_at(tmp_path, RadiopharmaceuticalStartTime="093000") == dt.datetime(2024, 5, 6, 9, 30)
    assert given_at(tmp_path) is None


def test_a_time_of_day_later_than_the_scan_is_of_the_day_before(tmp_path: Path) -> None:
    assert given_at(tmp_path, RadiopharmaceuticalStartTime="233000") == dt.datetime(2024, 5, 5, 23, 30)


def test_a_time_zone_of_another_clock_is_brought_to_the_files(tmp_path: Path) -> None:
    tracer = item(Radiopharmaceutical="FDG", RadiopharmaceuticalStartDateTime="20240506073000+0000")
    item_zone = pet(tmp_path, tracer, TimezoneOffsetFromUTC="+0200").radiopharmaceuticals[0]
    assert item_zone.administered_at == dt.datetime(2024, 5, 6, 9, 30)


def test_what_is_no_time_is_refused(tmp_path: Path) -> None:
    file = nm_file(tmp_path / "a.dcm", AcquisitionDate="20240506", AcquisitionTime="103000")
    file.write_bytes(file.read_bytes().replace(b"103000", b"9h30am"))
    with pytest.raises(DicomError, match=r"\(0008,0032\)"):
        read(file, {"view": "anterior"})


def reference(path: Path, correction: str, **elements: str) -> dt.datetime | None:
    tracer = item(RadiopharmaceuticalStartDateTime="20240506093000")
    series = {"SeriesDate": "20240506", "SeriesTime": "102500"}
    return pet(path, tracer, DecayCorrection=correction, **{**series, **elements}).decay_reference


def test_values_are_corrected_to_the_series_start_the_injection_or_not(tmp_path: Path) -> None:
    assert reference(tmp_path, "START") == dt.datetime(2024, 5, 6, 10, 25)
    assert reference(tmp_path, "ADMIN") == dt.datetime(2024, 5, 6, 9, 30)
    assert reference(tmp_path, "NONE") is None


def test_a_series_time_after_the_scan_is_that_of_processing(tmp_path: Path) -> None:
    assert reference(tmp_path, "START", SeriesTime="160000") is None


def test_ge_says_when_the_scan_started_in_a_private_element(tmp_path: Path) -> None:
    acquired = {"AcquisitionDate": "20240506", "AcquisitionTime": "103000", "SeriesDate": "20240506"}
    path = slice_file(tmp_path / "g.dcm", PT, 0.0, np.ones((2, 2), np.int16), SeriesTime="160000", **acquired)
    ds = pydicom.dcmread(path)
    ds.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", "20240506102800.00")
    save(ds, path)
    acquisition = read(path)[0].acquisition
    assert acquisition.decay_reference == dt.datetime(2024, 5, 6, 10, 28)
    assert acquisition.facts["GEMS_PETD_01 (0009,0D)"] == "20240506102800.00"


def test_a_nuclide_outside_the_standards_list_is_written_in_full() -> None:
    coded = tracer_items((Radiopharmaceutical(nuclide="Ac-225"),), "NM")[0].RadionuclideCodeSequence[0]
    assert (coded.CodeValue, coded.CodingSchemeDesignator) == ("Ac-225", "99PHOTOPEAK")
    assert tracer_items((Radiopharmaceutical(name="MDP"),), "NM")[0].RadionuclideCodeSequence == []
