"""Units: which entry values make, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from dicom.dicom_cases import CT, PT, code, heads, item, nm_file, slice_file

from photopeak.core import DicomError, Image, Study
from photopeak.dicom import read

PIXELS = np.array([[0, 1], [2, 1000]], dtype=np.int16)


def pet(path: Path, **elements: object) -> Study:
    slice_file(path / "p.dcm", PT, 0.0, PIXELS, **elements)
    return read(path / "p.dcm")[0]


def only(study: Study) -> tuple[str, Image]:
    [(name, entry)] = study.items()
    assert isinstance(entry, Image)
    return name, entry


@pytest.mark.parametrize(
    ("units", "suv_type", "name", "unit"),
    [
        ("CNTS", None, "counts", "{counts}"),
        ("BQML", None, "activity", "Bq/ml"),
        ("GML", "BW", "suv/bw", "g/ml{SUVbw}"),
        ("GML", None, "suv/bw", "g/ml{SUVbw}"),
        ("GML", "LBMJANMA", "suv/lbm", "g/ml{SUVlbm}"),
        ("GML", "LBMJAMES128", "uptake", "g/ml{SUVlbm}"),
        ("CM2ML", "BSA", "suv/bsa", "cm2/ml{SUVbsa}"),
        ("PCNT", None, "uptake", "%"),
    ],
)
def test_units_choose_the_entry(tmp_path: Path, units: str, suv_type: str | None, name: str, unit: str) -> None:
    found, image = only(pet(tmp_path, Units=units, SUVType=suv_type, RescaleSlope="0.5"))
    assert (found, image.unit) == (name, unit)
    np.testing.assert_allclose(image.values[0], PIXELS * 0.5)


def test_every_slice_has_a_slope_of_its_own(tmp_path: Path) -> None:
    for k, slope in enumerate(("1.5", "2.25", "1")):
        slice_file(tmp_path / f"{k}.dcm", PT, 3.0 * k, PIXELS, RescaleSlope=slope)
    _, image = only(read(tmp_path)[0])
    np.testing.assert_allclose(image.values, PIXELS * np.array([1.5, 2.25, 1.0])[:, None, None])
    assert image.values.dtype == np.float32


@pytest.mark.parametrize("units", [None, "FOO", "MGY_MBQS"])
def test_missing_and_strange_units_are_refused(tmp_path: Path, units: str | None) -> None:
    with pytest.raises(DicomError) as caught:
        pet(tmp_path, Units=units)
    assert caught.value.tag == "(0054,1001)"
    if units is None:
        assert "--assume units=BQML" in caught.value.remedy
        assert "activity" in read(tmp_path / "p.dcm", {"units": "BQML"})[0]


def test_a_slope_of_zero_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match=r"\(0028,1053\)"):
        pet(tmp_path, RescaleSlope="0")


def test_two_units_in_one_series_are_refused(tmp_path: Path) -> None:
    slice_file(tmp_path / "a.dcm", PT, 0.0, PIXELS)
    slice_file(tmp_path / "b.dcm", PT, 3.0, PIXELS, Units="GML")
    with pytest.raises(DicomError, match=r"\(0054,1001\)"):
        read(tmp_path)


def test_nm_without_units_counts_and_keeps_its_whole_numbers(tmp_path: Path) -> None:
    name, image = only(read(nm_file(tmp_path / "a.dcm", DetectorInformationSequence=heads("anterior")))[0])
    assert (name, image.unit, image.values.dtype) == ("counts", "{counts}", np.uint16)


def mapping(unit: str, slope: float = 0.25, intercept: float = 1.0) -> object:
    first, last = ("RealWorldValueFirstValueMapped", "RealWorldValueLastValueMapped")
    made = item(
        RealWorldValueSlope=slope,
        RealWorldValueIntercept=intercept,
        MeasurementUnitsCodeSequence=[code(unit, "UCUM", unit)],
        **{first: 0, last: 65535},
    )
    made[first].VR = made[last].VR = "US"
    return made


def test_a_real_world_value_map_gives_unit_and_scale(tmp_path: Path) -> None:
    maps = [mapping("furlong"), mapping("1"), mapping("Bq/ml")]
    path = nm_file(
        tmp_path / "a.dcm", DetectorInformationSequence=heads("anterior"), RealWorldValueMappingSequence=maps
    )
    name, image = only(read(path)[0])
    assert (name, image.unit) == ("activity", "Bq/ml")
    np.testing.assert_allclose(image.values.ravel(), np.arange(24) * 0.25 + 1.0)


def test_a_mapped_unit_that_no_entry_has_is_uptake(tmp_path: Path) -> None:
    path = nm_file(
        tmp_path / "a.dcm", DetectorInformationSequence=heads("anterior"), RealWorldValueMappingSequence=[mapping("%")]
    )
    assert only(read(path)[0])[0] == "uptake"


def test_a_map_does_not_hide_units_that_nobody_knows(tmp_path: Path) -> None:
    path = nm_file(
        tmp_path / "a.dcm",
        DetectorInformationSequence=heads("anterior"),
        Units="MGY_MBQS",
        RealWorldValueMappingSequence=[mapping("1")],
    )
    with pytest.raises(DicomError, match=r"\(0054,1001\)"):
        read(path)


def test_ct_numbers_stay_whole(tmp_path: Path) -> None:
    slice_file(tmp_path / "c.dcm", CT, 0.0, PIXELS, RescaleIntercept="-1024")
    name, image = only(read(tmp_path / "c.dcm")[0])
    assert (name, image.unit, image.values.dtype) == ("ct", "[hnsf'U]", np.int32)
    np.testing.assert_array_equal(image.values[0], PIXELS.astype(int) - 1024)


@pytest.mark.parametrize(
    ("elements", "tag"),
    [({"RescaleIntercept": None}, "(0028,1052)"), ({"RescaleType": "US"}, "(0028,1054)")],
)
def test_ct_values_that_are_no_ct_numbers_are_refused(tmp_path: Path, elements: dict, tag: str) -> None:
    slice_file(tmp_path / "c.dcm", CT, 0.0, PIXELS, **elements)
    with pytest.raises(DicomError) as caught:
        read(tmp_path / "c.dcm")
    assert caught.value.tag == tag


def test_values_altered_by_compression_are_refused_until_accepted(tmp_path: Path) -> None:
    path = nm_file(
        tmp_path / "a.dcm",
        DetectorInformationSequence=heads("anterior"),
        LossyImageCompression="01",
        LossyImageCompressionRatio="17",
    )
    with pytest.raises(DicomError, match=r"\(0028,2110\).*17:1"):
        read(path)
    assert read(path, {"lossy": "accepted"})[0].acquisition.assumed == {"lossy": "accepted"}
