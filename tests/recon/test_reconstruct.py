"""From an acquisition to an image: activity comes back in its place, in Bq/ml, and what is missing is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import ndimage

from photopeak.cli import root
from photopeak.core import Axis, EnergyWindow, Image, PhotopeakError, Study
from photopeak.core.step import run, run_chain
from photopeak.dicom import read, write
from photopeak.dicom.validate import errors_of
from photopeak.recon.projections import in_order, projections
from photopeak.recon.reconstruct import MuFromCt, Reconstruct
from photopeak.recon.running import gathered, run_recon

FAST = {"iterations": 6, "subsets": 5}


def volume(study: Study) -> np.ndarray:
    image = study["reconstruction"]
    assert isinstance(image, Image)
    return np.asarray(image.values)


def with_ct(phantom, **changed) -> Study:
    return gathered([phantom.tomo(**changed), phantom.ct()], True)


def test_activity_comes_back_in_bq_per_ml(phantom):
    per_mbq = phantom.camera.counts_per_bq_ml(8.0) / (20.0 * 8.0**3 * 1e-9)  # what the camera counts for 1 MBq
    step = Reconstruct(attenuation=True, cps_per_mbq=per_mbq, **FAST)
    done = run_chain([MuFromCt(), step], with_ct(phantom))
    image = done["reconstruction"]
    assert image.unit == "Bq/ml"
    assert image.grid.frame == phantom.grid.frame
    assert image.grid.matrix_mm == pytest.approx(phantom.grid.matrix_mm)
    inside = phantom.body[2:10][1:-1]
    middle = volume(done)[3:9]
    assert middle[inside & ~phantom.rod[3:9]].mean() == pytest.approx(40e3, rel=0.05)
    assert middle.sum() == pytest.approx(phantom.activity[3:9].sum(), rel=0.02)
    assert middle[phantom.rod[3:9]].mean() == pytest.approx(160e3, rel=0.12)


def test_counts_are_what_all_projections_would_count_in_air(phantom):
    done = run_chain([MuFromCt(), Reconstruct(attenuation=True, **FAST)], with_ct(phantom))
    in_air = phantom.activity.sum() * phantom.camera.counts_per_bq_ml(8.0) * 40
    assert done["reconstruction"].unit == "{counts}"
    assert volume(done).sum() == pytest.approx(in_air, rel=0.02)


@pytest.mark.parametrize("algorithm", ["mlem", "sart", "osl", "bsrem", "svrg", "fbp"])
def test_every_method_finds_the_rod(phantom, algorithm):
    settings = {**FAST, "iterations": 20 if algorithm == "mlem" else 6}
    step = Reconstruct(algorithm=algorithm, attenuation=True, psf=algorithm != "fbp", **settings)
    image = volume(run_chain([MuFromCt(), step], with_ct(phantom)))[4:8]
    rod, rest = phantom.rod[4:8], phantom.body[4:8] & ~phantom.rod[4:8]
    assert 2.4 < image[rod].mean() / image[rest].mean() < 4.5
    assert abs(image[~phantom.body[4:8]].mean()) < 0.15 * image[rest].mean()


def test_attenuation_correction_is_what_fills_the_middle(phantom):
    study = with_ct(phantom)
    bare = volume(run(Reconstruct(**FAST), study))[4:8]
    full = volume(run_chain([MuFromCt(), Reconstruct(attenuation=True, **FAST)], study))[4:8]
    middle, rim = (slice(None), slice(17, 23), slice(17, 23)), (slice(None), slice(17, 23), slice(8, 10))
    assert bare[middle].mean() / bare[rim].mean() < 0.7
    assert full[middle].mean() / full[rim].mean() == pytest.approx(1.0, abs=0.12)


def test_decay_between_projections_is_in_the_model(phantom):
    made = projections(phantom.tomo())
    assert made.weights[0] == pytest.approx(1 - 20 / 2 * np.log(2) / (6.0072 * 3600), rel=1e-5)
    assert made.weights[19] / made.weights[0] == pytest.approx(0.5 ** (19 * 20 / (6.0072 * 3600)), rel=1e-6)
    assert made.weights[20] == made.weights[0]  # the other head, at the same time
    assert made.frame_s == 20.0


def test_angles_are_taken_in_their_order_whatever_head_saw_them():
    angles, order = in_order(tuple(np.arange(0, 180, 45.0)) + tuple(np.arange(180, 360, 45.0)))
    assert order == list(range(8))
    angles, order = in_order((90.0, 45.0, 0.0, -45.0))  # clockwise, over the patient's back
    assert angles == (315.0, 360.0, 405.0, 450.0)
    assert order == [3, 2, 1, 0]


def test_scatter_windows_are_found_and_used(phantom):
    tomo = phantom.tomo()
    peak = np.asarray(tomo["counts"].values)
    extra = 0.3 * np.full_like(peak, peak.mean())  # as flat as scatter could be
    counts = np.stack([peak + extra, extra * 6.0 / 28.1 * 2.0])
    grid = tomo["counts"].grid
    axes = (dataclasses.replace(grid.axes[0], name="energy", size=2, labels=("peak", "low"), values=(), unit=""),)
    image = Image(counts, dataclasses.replace(grid, axes=(*axes, *grid.axes)), "{counts}")
    windows = (EnergyWindow("peak", ((126.45, 154.55),)), EnergyWindow("low", ((120.45, 126.45),)))
    acquisition = dataclasses.replace(tomo.acquisition, energy_windows=windows)
    both = Study({"counts": image, "ct": phantom.ct()["ct"]}, tomo.patient, acquisition)
    clean, dirty, mended = (
        volume(run_chain([MuFromCt(), Reconstruct(attenuation=True, scatter=how, **FAST)], study))[4:8]
        for study, how in ((with_ct(phantom), "none"), (both, "none"), (both, "tew"))
    )
    assert dirty.sum() > 1.1 * clean.sum()
    assert mended.sum() == pytest.approx(clean.sum(), rel=0.05)


@pytest.mark.parametrize(
    ("changed", "step", "match"),
    [
        ({"kind": "STATIC"}, Reconstruct(), r"ImageType \(0008,0008\)"),
        ({"radiopharmaceuticals": ()}, Reconstruct(), r"\(0054,0016\).*--energy-kev"),
        ({"energy_windows": (EnergyWindow("scatter", ((92.0, 125.0),)),)}, Reconstruct(), r"\(0054,0013\)"),
        ({"detectors": ()}, Reconstruct(), r"CollimatorGridName \(0018,1180\).*--no-psf"),
        ({"facts": {"RadialPosition": None}}, Reconstruct(), r"RadialPosition \(0018,1142\)"),
        ({}, Reconstruct(scatter="tew"), "no lower window"),
        ({}, Reconstruct(scatter="photons"), "--attenuation ct"),
        ({"energy_windows": ()}, Reconstruct(scatter="photons", attenuation=True), r"\(0054,0013\)"),
        ({"facts": {"ActualFrameDuration": None}}, Reconstruct(cps_per_mbq=90.0), r"\(0018,1242\)"),
        ({"facts": {"ImageOrientationPatient": [1.0, 0, 0, 0, 0.7, -0.7]}}, Reconstruct(), "tilted"),
        ({}, Reconstruct(attenuation=True), "mu-from-ct"),
        ({}, Reconstruct(algorithm="bsrem", prior="bowsher"), "Bowsher"),
    ],
)
def test_what_is_missing_is_refused_by_name(phantom, changed, step, match):
    with pytest.raises(PhotopeakError, match=match):
        run(step, phantom.tomo(**changed))


def test_a_ct_of_somebody_else_or_of_another_frame_is_refused(phantom):
    other = Study({"ct": phantom.ct()["ct"]}, dataclasses.replace(phantom.ct().patient, patient_id="P2"))
    with pytest.raises(PhotopeakError, match=r"PatientID \(0010,0020\)"):
        gathered([phantom.tomo(), other], True)
    ct = phantom.ct()["ct"]
    stray = Image(ct.values, dataclasses.replace(ct.grid, frame="9.9"), ct.unit)
    with pytest.raises(PhotopeakError, match=r"FrameOfReferenceUID \(0020,0052\)"):
        run(MuFromCt(), phantom.tomo().add({"ct": stray}))
    with pytest.raises(PhotopeakError, match="0 CT series"):
        gathered([phantom.tomo()], True)


def test_the_command_reads_dicom_and_writes_a_volume_the_right_way_up(phantom, tmp_path: Path, dciodvfy):
    write(phantom.tomo(seed=3), tmp_path / "in" / "tomo.dcm")
    out = tmp_path / "out"
    done = CliRunner().invoke(
        root, ["recon", str(tmp_path / "in"), "--out", str(out), "--iterations", "3", "--subsets", "5"]
    )
    assert done.exit_code == 0, done.output
    assert "iteration 3: objective" in done.output
    assert errors_of(dciodvfy, str(out / "reconstruction.dcm")) == []
    (study,) = read(out / "reconstruction.dcm")
    assert study.acquisition.kind == "RECON TOMO"
    assert study.acquisition.facts["SeriesDescription"] == "OSEM 3i5s PSF"
    assert [r.step for r in study.history] == ["reconstruct"]
    image = study["counts"]
    assert image.grid.matrix_mm == pytest.approx(phantom.grid.matrix_mm, abs=1e-4)
    assert image.grid.frame == phantom.grid.frame
    z, y, x = np.unravel_index(int(np.argmax(image.values)), image.grid.shape)
    place = image.grid.matrix_mm @ [x, y, z, 1]
    assert np.hypot(place[0] - 50, place[1] + 20) < 35
    told = json.loads((out / "reconstruction.json").read_text())
    assert told["objective"]["0"] == sorted(told["objective"]["0"], reverse=True)
    assert (out / "reconstruction.png").stat().st_size > 5000
    assert not (out / "unfinished.npz").exists()


def test_a_cut_run_goes_on_to_the_same_image(phantom, tmp_path: Path):
    study, step = phantom.tomo(seed=5), Reconstruct(algorithm="bsrem", iterations=4, subsets=5)
    list(run_recon(step, study, tmp_path / "whole", lambda _: None))

    class Cut(Exception):
        pass

    def tell(text: str) -> None:
        said.append(text)
        if "iteration 3" in text and len(said) < 4:
            raise Cut

    said: list[str] = []
    with pytest.raises(Cut):
        list(run_recon(step, study, tmp_path / "cut", tell))
    list(run_recon(step, study, tmp_path / "cut", tell))
    assert "going on after iteration 2" in said
    one, other = ((tmp_path / n / "reconstruction.dcm").read_bytes() for n in ("whole", "cut"))
    assert one == other


def test_gates_are_reconstructed_one_by_one_and_written_as_gates(phantom, tmp_path: Path, dciodvfy):
    tomo = phantom.tomo()
    counts = np.asarray(tomo["counts"].values)
    gates = Axis("gate", 3, values=(0.0, 300.0, 600.0), unit="ms")
    grid = dataclasses.replace(tomo["counts"].grid, axes=(gates, *tomo["counts"].grid.axes))
    values = np.random.default_rng(2).poisson(np.stack([counts, 0.5 * counts, 0.25 * counts])).astype(np.uint16)
    acquisition = dataclasses.replace(tomo.acquisition, kind="GATED TOMO")
    study = Study({"counts": Image(values, grid, "{counts}")}, tomo.patient, acquisition)
    write(study, tmp_path / "in" / "gated.dcm")
    out = tmp_path / "out"
    done = CliRunner().invoke(
        root, ["recon", str(tmp_path / "in"), "--out", str(out), "--iterations", "2", "--subsets", "5"]
    )
    assert done.exit_code == 0, done.output
    assert "gate 3, iteration 2" in done.output
    assert errors_of(dciodvfy, str(out / "reconstruction.dcm")) == []
    (read_back,) = read(out / "reconstruction.dcm")
    assert read_back.acquisition.kind == "RECON GATED TOMO"
    image = read_back["counts"]
    assert image.grid.names == ("gate", "z", "y", "x")
    totals = image.values.sum((1, 2, 3))
    assert totals[1:] / totals[0] == pytest.approx([0.5, 0.25], rel=0.02)


def test_half_a_turn_from_right_to_left_and_clockwise_rotation(phantom):
    """A cardiac orbit: 45° right anterior to 45° left posterior, over the front, whichever way the head goes."""
    whole = phantom.tomo()
    axis = whole["counts"].grid.axis("angle")
    chosen = [k for k, a in enumerate(axis.values) if 45.0 <= a < 225.0]
    places = []
    for order in (chosen, chosen[::-1]):
        half = dataclasses.replace(
            axis, size=len(order), labels=("detector 1",) * len(order), values=tuple(axis.values[k] for k in order)
        )
        grid = dataclasses.replace(whole["counts"].grid, axes=(half, *whole["counts"].grid.axes[1:]))
        counts = np.asarray(whole["counts"].values)[order]
        study = Study({"counts": Image(counts, grid, "{counts}")}, whole.patient, whole.acquisition)
        image = volume(run(Reconstruct("fbp", psf=False), study))[5]
        y, x = np.unravel_index(int(np.argmax(image)), image.shape)
        places.append((x, y))
        osem = volume(run(Reconstruct(**FAST), study))[5]
        assert np.corrcoef(osem.ravel(), phantom.activity[5].ravel())[0, 1] > 0.8
    assert places[0] == places[1]
    assert np.hypot((places[0][0] - 19.5) * 8.0 - 50, (places[0][1] - 19.5) * 8.0 + 20) < 30


def test_a_prior_that_is_not_used_asks_for_nothing(phantom):
    plain, named = (volume(run(Reconstruct(prior=p, **FAST), phantom.tomo())) for p in ("relative", "bowsher"))
    assert np.array_equal(plain, named)


def test_what_would_not_fit_into_memory_is_said_before_the_work(phantom, monkeypatch):
    monkeypatch.setattr("photopeak.recon.reconstruct.available_bytes", lambda: 1e5)
    with pytest.raises(PhotopeakError, match="GB are free"):
        run(Reconstruct(), phantom.tomo())


def test_a_ct_of_the_covered_rows_is_enough(phantom):
    """A matrix may be far longer than the crystal: what it leaves empty need not be in the CT."""
    tomo = phantom.tomo()
    counts = np.zeros((40, 36, 40), np.float32)
    counts[:, 12:24] = np.asarray(tomo["counts"].values)
    grid = tomo["counts"].grid
    long = dataclasses.replace(grid, axes=(grid.axes[0], Axis("y", 36), grid.axes[2]))
    position = [0.0, 0.0, phantom.z0 + 23 * 8.0]
    facts = {**tomo.acquisition.facts, "ImagePositionPatient": position}
    study = Study(
        {"counts": Image(counts, long, "{counts}"), "ct": phantom.ct()["ct"]},
        tomo.patient,
        dataclasses.replace(tomo.acquisition, facts=facts),
    )
    done = run_chain([MuFromCt(), Reconstruct(attenuation=True, **FAST)], study)
    whole = run_chain([MuFromCt(), Reconstruct(attenuation=True, **FAST)], with_ct(phantom))
    assert volume(done)[12:24] == pytest.approx(volume(whole), rel=1e-3, abs=1e-2 * float(volume(whole).max()))
    assert volume(done)[:12].max() == 0.0


def jumped(phantom, rows: int, columns_at_front: float) -> tuple[Study, np.ndarray]:
    """The phantom, which lies still for the first two thirds of both heads' views and then moves."""
    tomo = phantom.tomo(seed=7)
    image = tomo["counts"]
    angles = np.array(image.grid.axis("angle").values)
    late = np.arange(len(angles)) % (len(angles) // 2) >= len(angles) // 3
    shifts = np.stack(
        [np.where(late, rows, 0.0), np.where(late, -columns_at_front * np.cos(np.deg2rad(angles)), 0.0)], 1
    )
    counts = np.stack([ndimage.shift(v.astype(float), s, order=1) for v, s in zip(image.values, shifts, strict=True)])
    moved = Image(np.round(counts).astype(np.uint16), image.grid, image.unit)
    return Study({"counts": moved, "ct": phantom.ct()["ct"]}, tomo.patient, tomo.acquisition), shifts


def test_motion_between_views_is_found_and_corrected(phantom, tmp_path: Path):
    study, shifts = jumped(phantom, 2, 2.0)
    step = Reconstruct(attenuation=True, motion="estimate", **FAST)
    with_mu = run(MuFromCt(), study)
    found = step.projections(with_mu).shifts
    assert found is not None
    assert np.abs(found - shifts).mean() < 0.4
    still, moved, mended = (
        volume(run(s, w))
        for s, w in (
            (dataclasses.replace(step, motion="none"), run(MuFromCt(), with_ct(phantom, seed=7))),
            (dataclasses.replace(step, motion="none"), with_mu),
            (step, with_mu),
        )
    )
    distance = [float(np.linalg.norm(v[3:9] - still[3:9])) for v in (moved, mended)]
    assert distance[1] < 0.6 * distance[0]
    list(run_recon(step, study, tmp_path, lambda _: None))
    told = json.loads((tmp_path / "reconstruction.json").read_text())["motion_mm"]
    assert np.ptp(told["down"]) == pytest.approx(16.0, abs=5.0)
    assert (tmp_path / "motion.png").stat().st_size > 5000


def test_a_patient_who_lies_still_is_left_where_he_is(phantom):
    study = run(MuFromCt(), with_ct(phantom, seed=7))
    found = Reconstruct(attenuation=True, motion="estimate", **FAST).projections(study).shifts
    assert np.abs(found).max() < 0.5  # pixels
