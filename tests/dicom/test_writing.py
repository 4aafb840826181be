"""Files that are written: valid for dciodvfy, the same each time, whole or not there."""

import datetime as dt
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom.dicom_cases import PATIENT, acquisition, pet, volume, whole_body

from photopeak.core import (
    Axis,
    Detector,
    DicomError,
    EnergyWindow,
    Grid,
    Image,
    Measurement,
    Patient,
    PhotopeakError,
    Radiopharmaceutical,
    Record,
    Study,
    scaling,
)
from photopeak.dicom import read, write
from photopeak.dicom.encoding import TRANSFER_SYNTAXES

RNG = np.random.default_rng(5)


def counts(kind: str, axes: tuple[Axis, ...], **changes: object) -> Study:
    """A Study of this kind, 6 by 8 pixels."""
    grid = Grid((*axes, Axis("y", 6), Axis("x", 8)), scaling((4.8, 4.8, 1.0)))
    values = RNG.poisson(5, grid.shape).astype(np.uint16)
    return Study({"counts": Image(values, grid, "{counts}")}, PATIENT, acquisition(kind, **changes))


VIEWS = Axis("view", 2, ("anterior", "posterior"))
GATES = Axis("gate", 4, (), (0.0, 200.0, 400.0, 600.0), "ms")
ANGLES = Axis("angle", 3, ("detector 1",) * 3, (0.0, 60.0, 120.0), "deg")
TOMO = {"facts": {"ActualFrameDuration": 20000.0, "RadialPosition": [250.0]}, "duration_s": 60.0}
TWO_WINDOWS = (EnergyWindow("peak", ((126.0, 154.0),)), EnergyWindow("", ((90.0, 110.0), (160.0, 170.0))))

CASES = {
    "whole body": whole_body(),
    "static": counts(
        "STATIC", (Axis("energy", 2, ("peak", "window 2")), VIEWS), energy_windows=TWO_WINDOWS, duration_s=300.0
    ),
    "dynamic": counts(
        "DYNAMIC",
        (VIEWS, Axis("time", 4, ("FLOW", "FLOW", "UPTAKE", "UPTAKE"), (0.0, 1.0, 5.0, 35.0), "s")),
        facts={"ActualFrameDuration": [1000.0, 1000.0, 30000.0, 30000.0]},
        duration_s=65.0,
    ),
    "gated": counts("GATED", (Axis("view", 1, ("left anterior oblique",)), GATES), duration_s=600.0),
    "tomo": counts(
        "TOMO",
        (Axis("angle", 4, ("detector 1",) * 2 + ("detector 2",) * 2, (0.0, -90.0, 180.0, 90.0), "deg"),),
        detectors=(Detector("LEHR", "PARA", 0.0), Detector("LEHR", "PARA", 180.0)),
        **TOMO,
    ),
    "gated tomo": counts("GATED TOMO", (GATES, ANGLES), detectors=(Detector("LEHR", "PARA"),), **TOMO),
    "recon": volume("counts", "{counts}", RNG.poisson(9, (3, 6, 8)).astype(np.uint16)),
    "recon of activity": volume("activity", "Bq/ml", RNG.gamma(2, 1e3, (3, 6, 8)).astype(np.float32)),
}
PETS = {
    "activity": pet("activity", "Bq/ml", RNG.gamma(2, 1e3, (3, 6, 8)).astype(np.float32)),
    "SUV": pet("suv/bw", "g/ml{SUVbw}", RNG.gamma(2, 1, (3, 6, 8)).astype(np.float32)),
    "SUL": pet("suv/lbm", "g/ml{SUVlbm}", RNG.gamma(2, 1, (3, 6, 8)).astype(np.float32)),
    "frames": pet(
        "counts", "{counts}", RNG.poisson(9, (2, 3, 6, 8)).astype(np.float32), Axis("time", 2, (), (0.0, 60.0), "s")
    ),
    "gates": pet(
        "activity",
        "Bq/ml",
        RNG.gamma(2, 1e3, (2, 3, 6, 8)).astype(np.float32),
        Axis("gate", 2, (), (0.0, 400.0), "ms"),
    ),
}


def errors(dciodvfy: str, path: Path) -> list[str]:
    result = subprocess.run([dciodvfy, "-new", str(path)], capture_output=True, text=True, check=False)
    return [line for line in (result.stdout + result.stderr).splitlines() if line.startswith("Error")]


@pytest.mark.parametrize("case", CASES)
def test_nm_objects_are_valid(dciodvfy: str, tmp_path: Path, case: str) -> None:
    assert errors(dciodvfy, write(CASES[case], tmp_path / "a.dcm")) == []


def test_a_gated_volume_is_valid(dciodvfy: str, tmp_path: Path) -> None:
    flat = CASES["recon"]["counts"]
    grid = replace(flat.grid, axes=(Axis("rr", 2), Axis("gate", 2, (), (0.0, 300.0), "ms"), *flat.grid.axes))
    values = RNG.poisson(9, grid.shape).astype(np.uint16)
    study = Study({"counts": Image(values, grid, "{counts}")}, PATIENT, acquisition("RECON GATED TOMO"))
    path = write(study, tmp_path / "a.dcm")
    assert errors(dciodvfy, path) == []
    back = read(path)[0]["counts"]
    assert back.grid == grid
    np.testing.assert_array_equal(back.values, values)


@pytest.mark.parametrize("case", PETS)
def test_pet_slices_are_valid(dciodvfy: str, tmp_path: Path, case: str) -> None:
    folder = write(PETS[case], tmp_path / "series")
    files = sorted(folder.iterdir())
    assert len(files) == int(np.prod(next(iter(PETS[case].values())).grid.shape[:-2]))
    assert [e for f in (files[0], files[-1]) for e in errors(dciodvfy, f)] == []


@pytest.mark.parametrize("syntax", TRANSFER_SYNTAXES)
def test_every_transfer_syntax_is_valid_and_lossless(dciodvfy: str, tmp_path: Path, syntax: str) -> None:
    values = RNG.poisson(4, (2, 64, 32)).astype(np.uint16)
    path = write(whole_body(values), tmp_path / "a.dcm", syntax)
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == TRANSFER_SYNTAXES[syntax]
    assert errors(dciodvfy, path) == []
    np.testing.assert_array_equal(read(path)[0]["counts"].values, values)


def test_an_image_too_small_for_jpeg_2000_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PhotopeakError, match="from 32 pixels a side"):
        write(whole_body(), tmp_path / "a.dcm", "jpeg2000")


def test_a_patient_of_whom_little_is_known_is_written_all_the_same(dciodvfy: str, tmp_path: Path) -> None:
    bare = Study({"counts": whole_body()["counts"]}, Patient(), replace(acquisition("WHOLE BODY"), **BARE))
    path = write(bare, tmp_path / "a.dcm")
    assert errors(dciodvfy, path) == []
    back = read(path)[0]
    assert back.patient == Patient()
    assert back.acquisition.started_at is None
    assert back.acquisition.radiopharmaceuticals == ()


BARE = {
    "manufacturer": "",
    "model": "",
    "institution": "",
    "description": "",
    "started_at": None,
    "radiopharmaceuticals": (),
    "energy_windows": (),
    "position": "",
    "study_uid": "",
    "series_uid": "",
    "duration_s": 1.0,
}


def test_the_same_study_makes_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    first, second = (write(whole_body(study_uid="", series_uid=""), tmp_path / n) for n in ("a.dcm", "b.dcm"))
    assert first.read_bytes() == second.read_bytes()
    other = pydicom.dcmread(write(whole_body(description="Another"), tmp_path / "c.dcm"))
    assert other.SOPInstanceUID != pydicom.dcmread(write(whole_body(), tmp_path / "d.dcm")).SOPInstanceUID


def test_a_series_is_the_same_each_time_and_may_be_written_over(tmp_path: Path) -> None:
    folder = write(PETS["activity"], tmp_path / "series")
    before = [f.read_bytes() for f in sorted(folder.iterdir())]
    assert [f.read_bytes() for f in sorted(write(PETS["activity"], folder).iterdir())] == before
    (folder / "mine.txt").write_text("keep")
    with pytest.raises(PhotopeakError, match="holds other files"):
        write(PETS["activity"], folder)
    assert (folder / "mine.txt").read_text() == "keep"


def test_nothing_is_left_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = write(whole_body(), tmp_path / "a.dcm").read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(pydicom.Dataset, "save_as", full)
    with pytest.raises(OSError, match="no space"):
        write(whole_body(description="new"), tmp_path / "a.dcm")
    with pytest.raises(OSError, match="no space"):
        write(PETS["activity"], tmp_path / "series")
    assert [p.name for p in tmp_path.iterdir()] == ["a.dcm"]
    assert (tmp_path / "a.dcm").read_bytes() == old


def test_other_programs_see_who_had_a_hand_in_it(tmp_path: Path) -> None:
    study = whole_body()
    done = Record("simulate", "0.1", {"seed": 7}, ("counts",), ("lin2021dspic",))
    made = Study(dict(study), study.patient, study.acquisition, (done,))
    ds = pydicom.dcmread(write(made, tmp_path / "a.dcm"))
    [equipment] = ds.ContributingEquipmentSequence
    assert (equipment.Manufacturer, equipment.ContributionDescription) == ("Photopeak", "simulate")
    assert "ContributionDateTime" not in equipment  # the clock is not asked


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": ""}, "acquisition.kind is ''"),
        ({"kind": "TOMO"}, "a TOMO image has axes"),
        ({"modality": "MR"}, "writes NM, PT and CT, not MR"),
        ({"detectors": (Detector(),)}, "2 detectors in the grid and 1"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, changes: dict, message: str) -> None:
    study = whole_body()
    changed = Study(dict(study), study.patient, replace(study.acquisition, **changes))
    with pytest.raises(PhotopeakError, match=message):
        write(changed, tmp_path / "a.dcm")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "tag"),
    [
        ({"manufacturer": "x" * 65}, "(0008,0070)"),
        ({"manufacturer": "a\\b"}, "(0008,0070)"),
        ({"description": "line\nline"}, "(0008,1030)"),
        ({"position": "lying about"}, "(0018,5100)"),
        ({"study_uid": "1.2.x"}, "(0020,000D)"),
    ],
)
def test_text_that_dicom_cannot_hold_is_refused_with_its_tag(tmp_path: Path, change: dict, tag: str) -> None:
    with pytest.raises(DicomError) as caught:
        write(whole_body(**change), tmp_path / "a.dcm")
    assert caught.value.tag == tag


def test_values_that_are_not_finite_and_views_without_code_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PhotopeakError, match="not finite"):
        write(volume("activity", "Bq/ml", np.full((2, 4, 4), np.nan, np.float32)), tmp_path / "a.dcm")
    sideways = counts("STATIC", (Axis("view", 1, ("sideways",)),))
    with pytest.raises(PhotopeakError, match="no code for the view 'sideways'"):
        write(sideways, tmp_path / "a.dcm")
    with pytest.raises(PhotopeakError, match="unknown transfer syntax 'jpeg'"):
        write(whole_body(), tmp_path / "a.dcm", "jpeg")
    with pytest.raises(PhotopeakError, match="none of counts"):
        write(Study({"reader/bsi": Measurement(1.0, "%")}), tmp_path / "a.dcm")


def bad_windows() -> Study:
    return counts("STATIC", (Axis("energy", 2), VIEWS), energy_windows=TWO_WINDOWS[:1])


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (bad_windows(), "2 energy windows in the grid and 1"),
        (
            counts("STATIC", (Axis("energy", 2, ("a", "b")), VIEWS), energy_windows=TWO_WINDOWS),
            "energy axis .* and windows .* differ",
        ),
        (counts("TOMO", (Axis("angle", 3),), duration_s=1.0), "has no angles"),
        (counts("TOMO", (ANGLES,)), "how long a projection took"),
        (counts("TOMO", (replace(ANGLES, labels=("head",) * 3),), duration_s=1.0), "label it 'detector 1'"),
        (counts("TOMO", (replace(ANGLES, values=(0.0, 1.0, 3.0)),), duration_s=1.0), "same equal steps"),
        (counts("TOMO", (ANGLES,), duration_s=1.0, detectors=(Detector(start_angle_deg=5.0),)), "make them agree"),
        (
            counts("DYNAMIC", (VIEWS, Axis("time", 2, (), (1.0, 0.0), "s"))),
            "overlap or are not in order",
        ),
        (counts("DYNAMIC", (VIEWS, Axis("time", 1, (), (0.0,), "s"))), "how long the only frame is"),
        (
            counts("DYNAMIC", (VIEWS, Axis("time", 2, ("wash in", "wash out"), (0.0, 1.0), "s"))),
            "at most 16 capitals",
        ),
        (counts("GATED", (VIEWS, replace(GATES, values=(0.0, 1.0, 5.0, 6.0)))), "do not start at equal steps"),
    ],
)
def test_axes_that_dicom_cannot_hold_are_refused(tmp_path: Path, study: Study, message: str) -> None:
    with pytest.raises(PhotopeakError, match=message):
        write(study, tmp_path / "a.dcm")


def test_a_sheared_volume_has_no_place_in_nm(tmp_path: Path) -> None:
    sheared = ((4.0, 0.0, 0.0, 0.0), (0.0, 4.0, 1.0, 0.0), (0.0, 0.0, 4.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    image = Image(np.ones((2, 4, 4), np.uint16), Grid.volume((2, 4, 4), sheared), "{counts}")
    with pytest.raises(PhotopeakError, match="not perpendicular"):
        write(Study({"counts": image}, PATIENT, acquisition("RECON TOMO")), tmp_path / "a.dcm")


GONE = Radiopharmaceutical("FDG", half_life_s=1.0)
AN_HOUR_BEFORE = dt.datetime(2024, 5, 6, 9, 30)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decay_correction": ""}, "needs acquisition.decay_correction"),
        ({"started_at": None}, "needs acquisition.started_at"),
        ({"duration_s": None}, "needs ActualFrameDuration"),
        ({"decay_reference": None}, "needs DecayFactor"),
        ({"radiopharmaceuticals": (Radiopharmaceutical("FDG"),)}, "needs DecayFactor"),
        ({"radiopharmaceuticals": (GONE,), "decay_reference": AN_HOUR_BEFORE}, "needs DecayFactor"),
    ],
)
def test_what_pet_must_state(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(PhotopeakError, match=message):
        write(pet("activity", "Bq/ml", np.ones((2, 4, 4), np.float32), **changes), tmp_path / "s")
    assert not list(tmp_path.iterdir())


def test_the_decay_factor_is_that_of_the_frame(tmp_path: Path) -> None:
    # A frame as long as the half-life that starts one half-life after the reference: ×2 for the delay, and
    # λΔ / (1 − e^−λΔ) = 2 ln 2 for the decay during it.
    study = pet(
        "activity",
        "Bq/ml",
        np.ones((1, 4, 4), np.float32),
        duration_s=6586.2,
        decay_reference=dt.datetime(2024, 5, 6, 10, 30, 0, 250000) - dt.timedelta(seconds=6586.2),
    )
    [file] = write(study, tmp_path / "s").iterdir()
    assert float(pydicom.dcmread(file).DecayFactor) == pytest.approx(4.0 * np.log(2.0))


def test_a_stated_decay_factor_stands_where_nothing_is_left_to_reckon_one_from(tmp_path: Path) -> None:
    values = np.ones((1, 4, 4), np.float32)
    gone = {"radiopharmaceuticals": (GONE,), "decay_reference": AN_HOUR_BEFORE}
    [file] = write(pet("activity", "Bq/ml", values, **gone, facts={"DecayFactor": 1.25}), tmp_path / "s").iterdir()
    assert float(pydicom.dcmread(file).DecayFactor) == 1.25


def test_counts_that_are_not_whole_keep_their_size_within_half_a_step(tmp_path: Path) -> None:
    values = RNG.gamma(2.0, 30.0, (2, 6, 8))
    study = counts("STATIC", (VIEWS,))
    study = Study({"counts": Image(values, study["counts"].grid, "{counts}")}, study.patient, study.acquisition)
    back = read(write(study, tmp_path / "a.dcm"))[0]["counts"]
    assert back.unit == "{counts}"
    assert np.abs(back.values - values).max() <= 0.5001 * values.max() / 65535


def test_negative_numbers_get_a_sign(tmp_path: Path) -> None:
    values = np.array([[[-3, 0], [2, 5]]], dtype=np.int32)
    grid = Grid((Axis("view", 1, ("anterior",)), Axis("y", 2), Axis("x", 2)), scaling((1.0, 1.0, 1.0)))
    study = Study({"counts": Image(values, grid, "{counts}")}, PATIENT, acquisition("STATIC"))
    back = read(write(study, tmp_path / "a.dcm"))[0]["counts"].values
    assert back.dtype == np.int16
    np.testing.assert_array_equal(back, values)
