"""SUV against the formula by hand, QIBA's rules and what is refused; and against real scans where they are at hand."""

import dataclasses
import datetime as dt
import lzma
import tarfile

import numpy as np
import pydicom
import pytest

from photopeak.core import Acquisition, Grid, Image, MissingEntry, Patient, Radiopharmaceutical, Study, run, scaling
from photopeak.core.contracts import check_step
from photopeak.quantify.philips import ACTIVITY_FACTOR, SUV_FACTOR, PhilipsActivity, PhilipsSuv
from photopeak.quantify.suv import (
    SuvBsa,
    SuvBw,
    SuvLbm,
    activity_at_reference_bq,
    body_surface_cm2,
    decayed_activity_bq,
    lean_body_mass_kg,
)

HALF_LIFE_S = 6586.2
GIVEN = dt.datetime(2024, 5, 31, 9, 0)
GRID = Grid.volume((1, 2, 2), scaling((4.0, 4.0, 3.0)))


def study(patient=None, tracer=None, entries=None, **acquisition):
    who = {"patient_id": "P1", "sex": "F", "height_m": 1.65, "weight_kg": 62.0, **(patient or {})}
    what = {"nuclide": "F-18", "activity_mbq": 350.0, "administered_at": GIVEN, "half_life_s": HALF_LIFE_S}
    how = {
        "modality": "PT",
        "decay_correction": "START",
        "decay_reference": GIVEN + dt.timedelta(hours=1),
        "corrections": ("DECY", "ATTN", "SCAT"),
        "radiopharmaceuticals": (Radiopharmaceutical(**{**what, **(tracer or {})}),),
        **acquisition,
    }
    values = np.array([[[0.0, 1000.0], [5000.0, 40000.0]]], np.float32)
    return Study(entries or {"activity": Image(values, GRID, "Bq/ml")}, Patient(**who), Acquisition(**how))


def test_by_hand():
    left = 350e6 * 2 ** (-3600 / HALF_LIFE_S)
    image = run(SuvBw(), study())["suv/bw"]
    np.testing.assert_allclose(image.values[0, 1], [5000 * 62000 / left, 40000 * 62000 / left], rtol=1e-6)
    assert (image.unit, image.values.dtype, image.grid) == ("g/ml{SUVbw}", np.float32, GRID)
    lean = 9270 * 62 / (8780 + 244 * 62 / 1.65**2)
    np.testing.assert_allclose(run(SuvLbm(), study())["suv/lbm"].values[0, 1, 0], 5000 * 1000 * lean / left, rtol=1e-6)
    surface = 71.84 * 62**0.425 * 165**0.725
    np.testing.assert_allclose(run(SuvBsa(), study())["suv/bsa"].values[0, 1, 0], 5000 * surface / left, rtol=1e-6)


def test_uniform_body_has_suv_one():
    """All activity spread evenly over the body's mass, at the moment of reference: SUV is 1 everywhere."""
    left = decayed_activity_bq(350e6, 3600, HALF_LIFE_S)
    even = Image(np.full(GRID.shape, left / 62000.0, np.float32), GRID, "Bq/ml")
    np.testing.assert_allclose(run(SuvBw(), study(entries={"activity": even}))["suv/bw"].values, 1.0, rtol=1e-6)


def test_sizes():
    assert lean_body_mass_kg(80, 1.8, "M") == pytest.approx(61.7, abs=0.3)
    assert lean_body_mass_kg(80, 1.6, "F") < lean_body_mass_kg(80, 1.6, "M")
    assert body_surface_cm2(70, 1.75) == pytest.approx(18480, rel=0.01)


def test_other_units_of_activity_convert():
    kilo = Image(np.full(GRID.shape, 5.0, np.float32), GRID, "kBq/ml")
    whole = Image(np.full(GRID.shape, 5000.0, np.float32), GRID, "Bq/ml")
    suv = [run(SuvBw(), study(entries={"activity": i}))["suv/bw"].values for i in (kilo, whole)]
    np.testing.assert_allclose(*suv, rtol=1e-6)


def test_corrected_to_administration_needs_no_decay():
    assert activity_at_reference_bq(study(decay_correction="ADMIN", decay_reference=None)) == 350e6


def test_across_midnight():
    late = study(
        tracer={"administered_at": dt.datetime(2024, 5, 31, 23, 40)}, decay_reference=dt.datetime(2024, 6, 1, 0, 40)
    )
    assert activity_at_reference_bq(late) == pytest.approx(350e6 * 2 ** (-3600 / HALF_LIFE_S))


@pytest.mark.parametrize(
    ("change", "tag", "remedy"),
    [
        ({"patient": {"weight_kg": None}}, "(0010,1030)", "--assume weight_kg"),
        ({"tracer": {"activity_mbq": None}}, "(0018,1074)", "--assume activity_mbq"),
        ({"tracer": {"activity_mbq": 0.0}}, "(0018,1074)", "--assume activity_mbq"),
        ({"tracer": {"half_life_s": None}}, "(0018,1075)", "--assume half_life_s"),
        ({"tracer": {"administered_at": None}}, "(0018,1078)", "--assume administered_at"),
        ({"tracer": {"administered_at": GIVEN + dt.timedelta(hours=2)}}, "(0018,1078)", "correct the time"),
        ({"tracer": {"administered_at": GIVEN - dt.timedelta(days=3)}}, "(0018,1078)", "correct the time"),
        ({"decay_correction": "NONE"}, "(0054,1102)", "reconstruct with decay correction"),
        ({"decay_correction": ""}, "(0054,1102)", "--assume decay_correction"),
        ({"decay_reference": None}, "(0008,0031)", "--assume decay_reference"),
        ({"corrections": ("DECY",)}, "(0028,0051)", "reconstruct"),
        ({"corrections": ()}, "(0028,0051)", "reconstruct"),
        ({"radiopharmaceuticals": ()}, "(0018,1074)", "--assume activity_mbq"),
        ({"radiopharmaceuticals": (Radiopharmaceutical(), Radiopharmaceutical(name="b"))}, "(0054,0016)", "separate"),
    ],
)
def test_what_is_missing_is_named_with_tag_and_remedy(change, tag, remedy):
    with pytest.raises(MissingEntry) as caught:
        run(SuvBw(), study(**change))
    assert tag in str(caught.value)
    assert remedy in str(caught.value)
    assert "P1" in str(caught.value)


@pytest.mark.parametrize(
    ("step", "patient", "tag"),
    [
        (SuvLbm(), {"height_m": None}, "(0010,1020)"),
        (SuvLbm(), {"sex": ""}, "(0010,0040)"),
        (SuvLbm(), {"sex": "O"}, "(0010,0040)"),
        (SuvBsa(), {"height_m": None}, "(0010,1020)"),
        (SuvBsa(), {"weight_kg": None}, "(0010,1030)"),
    ],
)
def test_each_kind_needs_its_own_facts(step, patient, tag):
    with pytest.raises(MissingEntry, match=tag.replace("(", r"\(").replace(")", r"\)")):
        run(step, study(patient=patient))
    if tag == "(0010,1020)":
        run(SuvBw(), study(patient=patient))


def counts(**facts):
    image = Image(np.full(GRID.shape, 100.0, np.float32), GRID, "{counts}")
    return study(entries={"counts": image}, facts=facts)


def test_philips_counts():
    assert run(PhilipsSuv(), counts(**{SUV_FACTOR: 0.02}))["suv/bw"].values.max() == pytest.approx(2.0)
    scaled = run(PhilipsActivity(), counts(**{ACTIVITY_FACTOR: "50.0"}))
    assert scaled["activity"].values.max() == pytest.approx(5000.0)
    assert run(SuvBw(), scaled)["suv/bw"].values.max() > 0
    for value in ({}, {SUV_FACTOR: 0.0}, {SUV_FACTOR: "none"}, {SUV_FACTOR: -1.0}, {SUV_FACTOR: "inf"}):
        with pytest.raises(MissingEntry, match=r"\(7053,1000\)"):
            run(PhilipsSuv(), counts(**value))


@pytest.mark.parametrize("step", [SuvBw(), SuvLbm(), SuvBsa()])
def test_contract(step):
    result = check_step(step, study())
    assert result.history[-1].references
    assert "kinahan2010" in result.history[-1].references


def test_contract_of_philips():
    check_step(PhilipsSuv(), counts(**{SUV_FACTOR: 0.02}))
    check_step(PhilipsActivity(), counts(**{ACTIVITY_FACTOR: 2.0}))


def unpacked(archive, folder):
    with lzma.open(archive) as packed, tarfile.open(fileobj=packed) as tar:
        tar.extractall(folder, filter="data")
    return folder


def test_real_ge_series(shared_data, tmp_path):
    """The scan of a patient, against the formula from pydicom's own reading of one slice."""
    from photopeak.dicom import read

    folder = unpacked(shared_data / "pet_fdg_ge_sts001" / "FDG_PET_267slices.tar.xz", tmp_path)
    (one,) = read(folder)
    image = run(SuvBw(), one)["suv/bw"]
    by_place = sorted((pydicom.dcmread(p) for p in folder.rglob("*.dcm")), key=lambda d: d.ImagePositionPatient[2])
    ds = by_place[100]
    info = ds.RadiopharmaceuticalInformationSequence[0]
    clock = [int(str(t)[:2]) * 3600 + int(str(t)[2:4]) * 60 + float(str(t)[4:]) for t in (
        ds.SeriesTime, info.RadiopharmaceuticalStartTime)]  # fmt: skip
    left = info.RadionuclideTotalDose * 2 ** (-(clock[0] - clock[1]) / info.RadionuclideHalfLife)
    expected = (ds.pixel_array * ds.RescaleSlope + ds.RescaleIntercept) * ds.PatientWeight * 1000 / left
    plane = image.values[100] if image.grid.matrix_mm[2, 2] > 0 else image.values[-101]
    np.testing.assert_allclose(plane, expected, rtol=1e-5)
    assert 0.5 < np.median(image.values[image.values > 0.3]) < 1.5


def test_real_series_in_suv_units_is_taken_as_it_is(shared_data, tmp_path):
    from photopeak.dicom import read

    (one,) = read(unpacked(shared_data / "petct_pair_sts003_cropped" / "PET.tar.xz", tmp_path))
    assert list(one) == ["suv/bw"]
    assert one.acquisition.decay_correction == "ADMIN"
    with pytest.raises(MissingEntry, match="activity"):
        run(SuvBw(), one)


def test_study_is_not_changed():
    before = study()
    run(SuvBw(), before)
    assert list(before) == ["activity"]
    assert dataclasses.is_dataclass(SuvBw)
