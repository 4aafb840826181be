"""DaTscan: what is laid is what the truth says, what is counted is a department's, what is reconstructed is ordered."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from photopeak.cli import root
from photopeak.core import Grid, Mask, PhotopeakError, Study, Text, scaling
from photopeak.dicom import read
from photopeak.dicom.validate import errors_of
from photopeak.patients.brain import NAMES, NUMBER, STRIATUM, Head, Variation, make_head
from photopeak.patients.brain.structures import BRAIN, SIDES
from photopeak.patients.datscan import ENERGY_KEV, WINDOWS, DatScan, bq_per_ml, concentrations, report
from photopeak.patients.dopamine import DopaminePlan, draw_sbr
from photopeak.patients.head_spect import PIXEL_MM, HeadSpect
from photopeak.recon.em import osem
from tests.patients.spect_cohorts import image, only, simulated

pytestmark = [pytest.mark.untraced, pytest.mark.timeout(400)]  # a simulated SPECT/CT and its reconstruction
VIEWS, SECONDS = 8, 300.0  # as many counts as 60 views of 40 s
MBQ = 5.0
SLICES = slice(69, 101)  # of the coarse head: the striata, and 20 mm above and below


@pytest.fixture(scope="module")
def head() -> Head:
    """One upright head on the camera's voxels."""
    return make_head(Variation(), PIXEL_MM)


def sbr_of(label: str, stage: int = 0) -> dict[str, float]:
    return draw_sbr(DopaminePlan(label, stage, "left", "M", 62.0), np.random.default_rng(8))


def measured(values: np.ndarray, label: np.ndarray, where: np.ndarray | bool = True) -> dict[str, float]:
    """SBR of each region of an image, by the true outlines."""
    reference = np.isin(label, [NUMBER[f"{side} occipital cortex"] for side in SIDES]) & where
    level = float(values[reference].mean())
    names = [f"{side} {region}" for side in SIDES for region in STRIATUM]
    return {n: float(values[(label == NUMBER[n]) & where].mean()) / level - 1.0 for n in names}


def test_the_ratio_that_was_drawn_is_the_ratio_that_is_laid(head):
    sbr = sbr_of("parkinson", 2)
    activity = bq_per_ml(head, concentrations(sbr), MBQ)
    assert measured(activity, head.label, head.share == 1.0) == pytest.approx(sbr, rel=1e-4)
    brain_alone = np.where(np.isin(np.arange(len(NAMES)), BRAIN), concentrations(sbr), 0.0)
    laid = bq_per_ml(head, brain_alone, MBQ)
    assert laid.sum(dtype=np.float64) * head.edge_mm**3 / 1000.0 / 1e6 == pytest.approx(MBQ, rel=1e-4)


def reconstructed(head: Head, sbr: dict[str, float]) -> dict[str, float]:
    """SBR of an image of 24 noisy views of the striata's slices without scatter, attenuation and blur corrected."""
    camera = HeadSpect("I-123", ENERGY_KEV, WINDOWS, 200.0, 12, 141.0)
    scene = bq_per_ml(head, concentrations(sbr), MBQ), head.mu_per_cm(ENERGY_KEV)
    x, m = (torch.from_numpy(v[SLICES].copy()) for v in scene)
    grid = Grid.volume((x.shape[0], x.shape[1], x.shape[2]), scaling((PIXEL_MM,) * 3))
    physics = camera.camera.physics(grid, camera.orbit, m)
    y = physics.sample(x, np.random.default_rng(6))
    return measured(osem(physics, y, 4, 4).numpy(), head.label[SLICES])


def mean(sbr: dict[str, float], *regions: str) -> float:
    return float(np.mean([v for k, v in sbr.items() if not regions or k.split(" ", 1)[1] in regions]))


def test_images_order_the_stages(head):
    laid = {"normal": sbr_of("normal"), "early": sbr_of("parkinson", 1), "late": sbr_of("parkinson", 3)}
    seen = {name: reconstructed(head, sbr) for name, sbr in laid.items()}
    for region in STRIATUM:
        assert mean(seen["normal"], region) > mean(seen["early"], region) > mean(seen["late"], region)
    for name in laid:
        assert 0.3 < mean(seen[name]) / mean(laid[name]) < 0.95  # partial volume
    assert seen["early"]["left posterior putamen"] < 0.85 * seen["early"]["right posterior putamen"]
    shape = {name: mean(s, "posterior putamen") / mean(s, "caudate") for name, s in seen.items()}
    assert shape["normal"] > 1.3 * shape["early"]  # a comma, and a period


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return simulated(
        tmp_path_factory.mktemp("datscan") / "clinic",
        "datscan",
        "--mix",
        "parkinson=1",
        "--stage",
        "2",
        "--views",
        str(VIEWS),
        "--seconds",
        str(SECONDS),
    )


@pytest.fixture(scope="module")
def study(folder) -> Study:
    return only(folder)


def test_the_files_are_what_the_standard_says(folder, dciodvfy):
    patient = folder / "datscan-3-00000"
    assert errors_of(dciodvfy, str(patient / "tomo.dcm")) == []
    assert errors_of(dciodvfy, str(patient / "ct" / "00064.dcm")) == []
    tomo, ct = (read(patient / name)[0] for name in ("tomo.dcm", "ct"))
    assert tomo.acquisition.kind == "TOMO"
    assert tomo.acquisition.radiopharmaceuticals[0].nuclide == "I-123"
    assert tomo["counts"].grid.frame == ct["ct"].grid.frame
    assert "Impression" in (patient / "report.txt").read_text()
    truth = json.loads((patient / "truth.json").read_text())
    assert truth["class"] == "parkinson"
    assert truth["stage"] == 2
    assert len(truth["sbr"]) == 6


def test_counts_are_a_departments(study):
    peak, scatter = image(study, "counts").values.sum((1, 2, 3), dtype=np.int64)
    assert 1.5e6 < peak < 4.0e6
    assert 0.1 < scatter / peak < 0.4


def test_truth_lies_on_the_frame_of_the_counts(study):
    frame = image(study, "counts").grid.frame
    mr, regions = image(study, "mr"), study["truth/regions"]
    assert isinstance(regions, Mask)
    assert mr.grid == regions.grid
    assert {image(study, n).grid.frame for n in ("truth/activity", "truth/mu", "mr")} == {frame}
    activity = image(study, "truth/activity")
    place = [
        (g.matrix_mm @ [*np.argwhere(hot)[:, ::-1].mean(0), 1.0])[:3]
        for g, hot in (
            (regions.grid, regions.of("left caudate") | regions.of("right caudate")),
            (activity.grid, activity.values > 0.75 * activity.values.max()),
        )
    ]
    assert np.linalg.norm(place[0] - place[1]) < 12.0
    assert mr.values[regions.of("left white matter")].mean() > mr.values[regions.of("left frontal cortex")].mean()


def test_what_was_written_is_reconstructed(folder, study, tmp_path):
    patient = folder / "datscan-3-00000"
    options = ["--attenuation", "ct", "--scatter", "tew", "--subsets", "4", "--out", str(tmp_path)]
    done = CliRunner().invoke(root, ["recon", str(patient), *options])
    assert done.exit_code == 0, done.output
    made = image(read(tmp_path / "reconstruction.dcm")[0], "counts")
    truth = image(study, "truth/activity")
    assert np.asarray(made.grid.affine_mm) == pytest.approx(np.asarray(truth.grid.affine_mm), abs=0.02)
    brain = truth.values > 0
    assert np.corrcoef(made.values[brain], truth.values[brain])[0, 1] > 0.6  # 16 views
    regions = study["truth/regions"]
    assert isinstance(regions, Mask)
    label = np.asarray(regions.values)[::2, ::2, ::2]
    z, y, x = ((n - m) // 2 for n, m in zip(made.grid.shape, label.shape, strict=True))
    part = made.values[z : z + label.shape[0], y : y + label.shape[1], x : x + label.shape[2]]
    numbers = np.zeros(256, np.uint8)
    for k, name in regions.names.items():
        numbers[k] = NUMBER[name]
    seen = measured(np.asarray(part, np.float64), numbers[label])
    laid = {m.region: m.value for m in study["truth/sbr"]}  # type: ignore[union-attr]
    assert 0.3 < mean(seen) / mean(laid) < 1.0
    assert mean(seen, "caudate") > mean(seen, "posterior putamen")


def test_a_camera_that_would_touch_the_head_is_refused(head):
    camera = HeadSpect("I-123", ENERGY_KEV, WINDOWS, 40.0, 2, 100.0)
    mu = head.mu_per_cm(ENERGY_KEV)
    with pytest.raises(PhotopeakError, match="touch a head"):
        camera.expected(mu, mu, 1)


def test_no_activity_and_no_time_are_refused():
    with pytest.raises(PhotopeakError, match="injected_mbq"):
        DatScan(injected_mbq=0.0)
    with pytest.raises(PhotopeakError, match="take no picture"):
        HeadSpect("I-123", ENERGY_KEV, WINDOWS, 0.0, 60, 141.0)


@pytest.mark.parametrize(
    ("label", "stage", "word"),
    [
        ("normal", 0, "No evidence"),
        ("swedd", 0, "SWEDD"),
        ("parkinson", 1, "posterior putamen"),
        ("parkinson", 3, "Hoehn and Yahr 3"),
    ],
)
def test_reports_say_what_is_there(label, stage, word):
    assert word in Text(report(DopaminePlan(label, stage, "left", "F", 60.0))).value
