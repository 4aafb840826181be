"""Resolution, noise and bias: what theory says of the phantom, the measures and their order."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from photopeak.cli import root
from photopeak.recipes import recon_curves as c

pytestmark = pytest.mark.untraced
RESULTS = Path(__file__).resolve().parents[2] / "results" / "S3" / "quick.json"


@pytest.fixture(scope="module")
def bench() -> c.Bench:
    return c.Bench.of(c.PRESETS["smoke"])


def test_the_phantom_holds_what_its_spheres_and_its_water_hold(bench: c.Bench) -> None:
    truth, ml = bench.truth, bench.preset.edge_mm**3 / 1000.0
    for name, diameter in c.SPHERES:
        assert truth.spheres[name].sum() * ml == pytest.approx(np.pi / 6000.0 * diameter**3, rel=0.2)
    cylinder = np.pi * c.CYLINDER_MM**2 * bench.preset.slices * bench.preset.edge_mm / 1000.0
    more = sum((c._ratio(n) - 1.0) * np.pi / 6000.0 * d**3 for n, d in c.SPHERES)
    assert truth.activity.sum() * ml == pytest.approx(c.BQ_ML * (cylinder + more), rel=0.01)


def test_counts_of_half_the_voxels_are_those_of_the_whole(bench: c.Bench) -> None:
    coarse = bench.model()[0](torch.from_numpy(bench.truth.activity.astype(np.float32)))
    assert float(coarse.sum()) == pytest.approx(float(bench.expected.sum()), rel=0.03)  # voxels of 9.6 mm


def test_figures_at_a_noise_lie_between_settings() -> None:
    curves = {"noise": np.array([0.05, 0.1, 0.2]), "bias": np.array([0.3, 0.2, 0.0])}
    assert c.at_noise(curves, 0.15)["bias"] == pytest.approx(0.1)
    assert np.isnan(c.at_noise(curves, 0.3)["bias"])
    assert np.isnan(c.at_noise(curves, 0.01)["bias"])


def test_corrections_do_what_they_are_for(bench: c.Bench) -> None:
    many = replace(bench.preset, passes=8)
    bench = c.Bench(many, bench.truth, bench.expected)
    bare, attenuated, blurred = (c.by_osem(*how)(bench, bench.expected)[-1].numpy() for how in OSEM)
    levels = [x[bench.truth.background].mean() / c.BQ_ML for x in (bare, attenuated, blurred)]
    assert levels[0] < 0.4
    assert levels[1:] == pytest.approx([1.0, 1.0], abs=0.08)
    share = bench.truth.spheres["28 mm"]
    assert np.average(blurred, weights=share) > np.average(attenuated, weights=share)


OSEM = ((False, False), (False, True), (True, True))


def test_the_smallest_study_runs(tmp_path: Path) -> None:
    done = CliRunner().invoke(root, ["reproduce", "S3", "--preset", "smoke", "--results", str(tmp_path)])
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "S3" / "smoke.json").read_text())
    curve = record["curves"]["OSEM, attenuation, blur"]
    assert curve["noise"] == sorted(curve["noise"])  # every pass makes it noisier
    assert len(curve["noise"]) == c.PRESETS["smoke"].passes


def test_committed_figures_follow_from_the_committed_curves() -> None:
    record = json.loads(RESULTS.read_text())
    for way, curve in record["curves"].items():
        held = {k: np.array(v, float) for k, v in curve.items() if k not in ("knob", "settings")}
        for what, value in c.at_noise(held, record["noise"]).items():
            if f"{what}: {way}" in record["figures"]:
                assert record["figures"][f"{what}: {way}"]["value"] == pytest.approx(value, rel=1e-3, abs=1e-4)
