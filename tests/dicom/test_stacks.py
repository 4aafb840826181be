"""Slices to volumes: order, gaps, duplicates, tilt, time, and where the volume lies."""

from pathlib import Path

import numpy as np
import pytest
from dicom.dicom_cases import CT, PT, nm_file, slice_file
from hypothesis import given, settings
from hypothesis import strategies as st

from photopeak.core import DicomError
from photopeak.dicom import read


def plane(value: int) -> np.ndarray:
    return np.full((2, 3), value, np.int16)


def world(grid: object, x: float, y: float, z: float) -> list[float]:
    return (grid.matrix_mm @ [x, y, z, 1.0])[:3].tolist()  # type: ignore[attr-defined]


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(6)), st.sampled_from([PT, CT]))
def test_slices_are_sorted_by_position(tmp_path_factory: pytest.TempPathFactory, order: list[int], kind: str) -> None:
    folder = tmp_path_factory.mktemp("series")
    for name, k in enumerate(order):
        slice_file(folder / f"{name}.dcm", kind, -50.0 + 3.27 * k, plane(k))
    [study] = read(folder)
    [image] = study.values()
    assert image.values[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert image.grid.spacing_mm == pytest.approx({"z": 3.27, "y": 4.0, "x": 4.0})
    assert world(image.grid, 0, 0, 5) == pytest.approx([-8.0, -12.0, -50.0 + 5 * 3.27])
    assert image.grid.frame == "1.2.3.9"


def test_a_missing_slice_is_refused_and_located(tmp_path: Path) -> None:
    for k in (0, 1, 2, 4, 5):
        slice_file(tmp_path / f"{k}.dcm", PT, 3.0 * k, plane(k))
    with pytest.raises(DicomError, match=r"6\.00 mm between 6\.00 and 12\.00 mm") as caught:
        read(tmp_path)
    assert caught.value.tag == "(0020,0032)"


def test_decimal_noise_in_positions_is_no_gap(tmp_path: Path) -> None:
    for k, z in enumerate((-11.479994, -14.749994, -18.019995, -21.289995)):
        slice_file(tmp_path / f"{k}.dcm", PT, z, plane(k))
    assert read(tmp_path)[0]["activity"].values[:, 0, 0].tolist() == [3, 2, 1, 0]


def test_a_file_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    for k in range(3):
        path = slice_file(tmp_path / f"{k}.dcm", PT, 3.0 * k, plane(k))
    (tmp_path / "copy.dcm").write_bytes(path.read_bytes())
    assert read(tmp_path)[0]["activity"].grid.shape == (3, 2, 3)


def test_two_slices_at_one_place_that_nothing_tells_apart_are_refused(tmp_path: Path) -> None:
    for k in range(2):
        for copy in range(2):
            slice_file(tmp_path / f"{k}{copy}.dcm", PT, 3.0 * k, plane(k), FrameReferenceTime="0")
    with pytest.raises(DicomError, match="tell the 2 slices at one position apart"):
        read(tmp_path)


def test_unequal_numbers_of_slices_at_a_place_are_refused(tmp_path: Path) -> None:
    for name, k in enumerate((0, 0, 1, 2)):
        slice_file(tmp_path / f"{name}.dcm", PT, 3.0 * k, plane(k))
    with pytest.raises(DicomError, match="two series are mixed"):
        read(tmp_path)


def test_time_frames_by_acquisition_time(tmp_path: Path) -> None:
    for k in range(2):
        for frame, time in enumerate(("103000", "103100", "103300")):
            stated = {"AcquisitionDate": "20240506", "AcquisitionTime": time}
            slice_file(tmp_path / f"{2 - frame}{k}.dcm", PT, 3.0 * k, plane(10 * frame + k), **stated)
    image = read(tmp_path)[0]["activity"]
    assert image.grid.names == ("time", "z", "y", "x")
    assert image.grid.axis("time").values == (0.0, 60.0, 180.0)
    assert image.values[..., 0, 0].tolist() == [[0, 1], [10, 11], [20, 21]]


def test_gates_by_trigger_time(tmp_path: Path) -> None:
    for k in range(2):
        for gate in range(2):
            stated = {"SeriesType": ["GATED", "IMAGE"], "TriggerTime": str(400 * gate)}
            slice_file(tmp_path / f"{gate}{k}.dcm", PT, 3.0 * k, plane(10 * gate + k), **stated)
    image = read(tmp_path)[0]["activity"]
    assert (image.grid.axis("gate").values, image.grid.axis("gate").unit) == ((0.0, 400.0), "ms")
    assert image.values[..., 0, 0].tolist() == [[0, 1], [10, 11]]


def test_facts_that_differ_from_slice_to_slice_are_lists(tmp_path: Path) -> None:
    for k, time in enumerate(("103000", "103000", "103400")):
        stated = {"AcquisitionDate": "20240506", "AcquisitionTime": time, "FrameReferenceTime": str(1000 * k)}
        slice_file(tmp_path / f"{k}.dcm", PT, 3.0 * k, plane(k), DecayFactor="1.1", **stated)
    acquisition = read(tmp_path)[0].acquisition
    assert acquisition.facts["FrameReferenceTime"] == [0.0, 1000.0, 2000.0]
    assert acquisition.facts["DecayFactor"] == 1.1
    assert acquisition.facts["AcquisitionDateTime"][2] == "2024-05-06T10:34:00"  # type: ignore[index]
    assert acquisition.started_at is not None
    assert acquisition.started_at.isoformat() == "2024-05-06T10:30:00"


def test_a_tilted_gantry_shears_the_affine(tmp_path: Path) -> None:
    for k in range(3):
        slice_file(tmp_path / f"{k}.dcm", CT, 0.0, plane(k), ImagePositionPatient=[0.0, 0.5 * k, 3.0 * k])
    grid = read(tmp_path)[0]["ct"].grid
    assert world(grid, 0, 0, 2) == [0.0, 1.0, 6.0]


def test_sagittal_slices(tmp_path: Path) -> None:
    # Rows run to the back, columns to the feet: the normal points to the right of the patient.
    for k in range(3):
        stated = {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1], "ImagePositionPatient": [3.0 * k, 0.0, 100.0]}
        slice_file(tmp_path / f"{k}.dcm", CT, 0.0, plane(k), **stated)
    image = read(tmp_path)[0]["ct"]
    assert image.values[:, 0, 0].tolist() == [2, 1, 0]
    assert world(image.grid, 1, 0, 0) == [6.0, 4.0, 100.0]
    assert np.linalg.det(image.grid.matrix_mm) > 0


def test_scouts_in_a_series_are_a_volume_of_their_own(tmp_path: Path) -> None:
    for k in range(3):
        slice_file(tmp_path / f"{k}.dcm", CT, 3.0 * k, plane(k))
    slice_file(tmp_path / "scout.dcm", CT, 0.0, plane(9), ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    assert sorted(s["ct"].grid.shape[0] for s in read(tmp_path)) == [1, 3]


@pytest.mark.parametrize(
    ("elements", "tag"),
    [
        ({"ImagePositionPatient": None}, "(0020,0032)"),
        ({"ImageOrientationPatient": None}, "(0020,0037)"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "(0020,0037)"),
        ({"ImageOrientationPatient": [5, 0, 0, 0, 1, 0]}, "(0020,0037)"),
        ({"PixelSpacing": None}, "(0028,0030)"),
        ({"PixelSpacing": [0, 0]}, "(0028,0030)"),
        ({"SliceThickness": None}, "(0018,0050)"),
    ],
)
def test_what_a_volume_needs(tmp_path: Path, elements: dict, tag: str) -> None:
    slice_file(tmp_path / "a.dcm", CT, 0.0, plane(1), **elements)
    with pytest.raises(DicomError) as caught:
        read(tmp_path / "a.dcm")
    assert caught.value.tag == tag


def test_a_single_slice_is_as_thick_as_it_says_or_as_the_user_does(tmp_path: Path) -> None:
    path = slice_file(tmp_path / "a.dcm", CT, 0.0, plane(1))
    assert read(path)[0]["ct"].grid.spacing_mm["z"] == 3.0
    bare = slice_file(tmp_path / "b.dcm", CT, 0.0, plane(1), SliceThickness=None)
    assert read(bare, {"slice_mm": "5"})[0]["ct"].grid.spacing_mm["z"] == 5.0


# Reconstructed NM volumes: one object, a position in the detector's item, a spacing with a sign.


def recon(path: Path, **elements: object) -> Path:
    from dicom.dicom_cases import item

    place = item(ImagePositionPatient=[-10.0, -20.0, 30.0], ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    stated = {
        "SliceVector": [1, 2, 3],
        "NumberOfSlices": 3,
        "SpacingBetweenSlices": "4.5",
        "DetectorInformationSequence": [place],
        "FrameOfReferenceUID": "1.2.3.9",
    }
    pixels = np.stack([plane(k).astype(np.uint16) for k in range(3)])
    return nm_file(path, "RECON TOMO", pixels, **{**stated, **elements})


def test_slices_of_nm_follow_the_normal(tmp_path: Path) -> None:
    image = read(recon(tmp_path / "a.dcm"))[0]["counts"]
    assert image.values[:, 0, 0].tolist() == [0, 1, 2]
    assert world(image.grid, 1, 1, 2) == [-8.0, -17.6, 39.0]  # pixels of 2.0 by 2.4 mm
    assert image.grid.frame == "1.2.3.9"


def test_a_negative_spacing_is_turned_round(tmp_path: Path) -> None:
    image = read(recon(tmp_path / "a.dcm", SpacingBetweenSlices="-4.5"))[0]["counts"]
    assert image.values[:, 0, 0].tolist() == [2, 1, 0]
    assert world(image.grid, 0, 0, 0) == [-10.0, -20.0, 21.0]  # the last slice
    assert world(image.grid, 0, 0, 2) == [-10.0, -20.0, 30.0]  # the first, where the file puts it
    assert np.linalg.det(image.grid.matrix_mm) > 0


def test_a_volume_nobody_placed_says_so(tmp_path: Path) -> None:
    study = read(recon(tmp_path / "a.dcm", DetectorInformationSequence=[]))[0]
    assert study.acquisition.facts["ImageOrientationPatient"] is None
    assert study["counts"].grid.frame == ""
    assert study["counts"].grid.spacing_mm == {"z": 4.5, "y": 2.4, "x": 2.0}


def test_a_volume_without_slice_spacing_needs_the_user(tmp_path: Path) -> None:
    path = recon(tmp_path / "a.dcm", SpacingBetweenSlices=None)
    with pytest.raises(DicomError, match=r"\(0018,0088\).*--assume slice_mm"):
        read(path)
    assert read(path, {"slice_mm": "4.8"})[0]["counts"].grid.spacing_mm["z"] == 4.8


def test_a_planar_image_without_pixel_size_needs_the_user(tmp_path: Path) -> None:
    path = nm_file(tmp_path / "a.dcm", PixelSpacing=None)
    with pytest.raises(DicomError, match=r"\(0028,0030\).*--assume pixel_mm"):
        read(path)
    assert read(path, {"pixel_mm": "2.4"})[0]["counts"].grid.spacing_mm == {"y": 2.4, "x": 2.4}
