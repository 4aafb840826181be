"""One file a view becomes one Study; views decide, the order of files does not."""

import itertools
import zipfile
from pathlib import Path

import numpy as np
import pytest
from dicom.dicom_cases import heads, nm_file

from photopeak.core import PhotopeakError
from photopeak.dicom import read
from photopeak.dicom.merging import merge_views


def view_file(path: Path, view: str, value: int, **elements: object) -> Path:
    stated = {"SOPInstanceUID": f"1.2.3.4.{value}", "DetectorInformationSequence": heads(view)}
    return nm_file(path, "WHOLE BODY", np.full((1, 4, 2), value, np.uint16), **{**stated, **elements})


@pytest.mark.parametrize("names", list(itertools.permutations(("a.dcm", "b.dcm"))))
def test_two_views_in_any_order_of_files(tmp_path: Path, names: tuple[str, str]) -> None:
    view_file(tmp_path / names[0], "posterior", 2)
    view_file(tmp_path / names[1], "anterior", 1)
    [study] = read(tmp_path)
    assert study["counts"].grid.labels("view") == ("anterior", "posterior")
    assert study["counts"].values[:, 0, 0].tolist() == [1, 2]
    assert len(study.acquisition.detectors) == 2


def test_in_a_zip_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "views.zip", "w") as archive:
        for value, view in enumerate(("posterior", "anterior")):
            archive.write(view_file(tmp_path / f"{view}.dcm", view, value), f"{view}.dcm")
    [study] = read(tmp_path / "views.zip")
    assert study["counts"].grid.labels("view") == ("anterior", "posterior")


def test_two_scans_of_one_study_are_told_apart_by_series_and_by_time(tmp_path: Path) -> None:
    for scan, hour in enumerate(("09", "12")):
        for value, view in enumerate(("anterior", "posterior")):
            stated = {"SeriesInstanceUID": f"1.2.3.1.{scan}", "AcquisitionDate": "20240506", "AcquisitionTime": hour}
            view_file(tmp_path / f"{scan}{view}.dcm", view, 10 * scan + value, **stated)
    studies = read(tmp_path)
    assert sorted(s["counts"].values[:, 0, 0].tolist() for s in studies) == [[0, 1], [10, 11]]
    for path in tmp_path.iterdir():
        path.unlink()
    for scan, hour in enumerate(("09", "12")):  # one series: starting times tell them apart
        for value, view in enumerate(("anterior", "posterior")):
            stated = {"AcquisitionDate": "20240506", "AcquisitionTime": hour}
            view_file(tmp_path / f"{scan}{view}.dcm", view, 10 * scan + value, **stated)
    assert len(read(tmp_path)) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"StudyInstanceUID": "1.2.3.99"},
        {"PatientID": "P2"},
        {"PixelSpacing": [3.0, 3.0]},
        {"DetectorInformationSequence": heads("anterior")},  # two anterior views
        {"ImageType": ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"]},
    ],
)
def test_what_is_not_one_acquisition_stays_apart(tmp_path: Path, other: dict) -> None:
    view_file(tmp_path / "a.dcm", "anterior", 1)
    view_file(tmp_path / "b.dcm", "posterior", 2, **other)
    assert len(read(tmp_path)) == 2


def test_unknown_views_are_not_paired_by_elimination(tmp_path: Path) -> None:
    view_file(tmp_path / "a.dcm", "anterior", 1)
    view_file(tmp_path / "b.dcm", "anterior", 2, DetectorInformationSequence=heads())
    with pytest.raises(PhotopeakError, match="--assume view"):
        read(tmp_path)


def test_merging_by_hand_refuses_what_does_not_fit(tmp_path: Path) -> None:
    one = read(view_file(tmp_path / "a.dcm", "anterior", 1))[0]
    two = read(view_file(tmp_path / "b.dcm", "posterior", 2, PixelSpacing=[3.0, 3.0]))[0]
    assert merge_views([one]) is one
    with pytest.raises(PhotopeakError, match="matrix or pixel size"):
        merge_views([one, two])
    with pytest.raises(PhotopeakError, match="told apart"):
        merge_views([one, one])
