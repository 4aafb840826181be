"""Scores of explanations, on maps whose score is known; the committed figures follow from the committed rows."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from photopeak.cli import root
from photopeak.learning.bundles import load_bundle
from photopeak.recipes import explained as e

pytestmark = pytest.mark.untraced

RESULTS = Path(__file__).resolve().parents[2] / "results" / "R1-explain"


def lesion() -> np.ndarray:
    truth = np.zeros((64, 32), bool)
    truth[20:24, 10:14] = True
    return truth


def peak(row: int, column: int) -> np.ndarray:
    values = np.zeros((64, 32))
    values[row, column] = 1.0
    return values


def test_a_map_points_where_it_is_highest() -> None:
    truth = lesion()
    assert e.points(peak(21, 11), truth, 0.0)
    assert e.points(peak(26, 11), truth, 3.0)
    assert not e.points(peak(27, 11), truth, 3.0)
    assert not e.points(np.zeros((64, 32)), truth, 99.0)
    assert not e.points(-peak(21, 11), truth, 99.0)


def test_a_covered_spot_points_at_its_middle_and_the_larger_of_two_wins() -> None:
    spot = np.zeros((64, 32))
    spot[18:27, 8:17] = 2.0  # its corner is far from a lesion, its middle is not
    spot[60, 30] = 2.0
    assert e.points(spot, lesion(), 0.0)


def test_what_lies_inside_is_a_share_of_what_is_positive() -> None:
    assert e.inside(lesion() - 0.5, lesion()) == 1.0
    assert e.inside(np.ones((64, 32)), lesion()) == pytest.approx(16 / (64 * 32))
    assert e.inside(-np.ones((64, 32)), lesion()) == 0.0


def test_likeness_is_a_rank_correlation_and_0_where_a_map_is_flat() -> None:
    a = np.random.default_rng(0).normal(size=(64, 32))
    same = e.likeness({"x": a, "y": a, "z": a}, {"x": np.exp(a), "y": -a, "z": np.zeros_like(a)})
    assert same == pytest.approx({"x": 1.0, "y": -1.0, "z": 0.0})


def test_patches_lie_in_the_body_and_the_most_important_comes_first() -> None:
    body = np.zeros((64, 32), bool)
    body[16:, :] = True
    patches = e.in_body(body)
    assert len(patches) == 6
    order = e.orders({"way": peak(40, 20)}, patches)
    assert order["way"][0][40, 20]
    assert sorted(order) == [*(str(i) for i in range(e.ORDERS)), "way"]


def test_figures_are_means_over_the_patients_who_were_asked() -> None:
    nan = float("nan")
    rows = [e.Row(f"P{i}", "M", "metastasis", "occlusion", p, 0.5, 1.0, nan, nan) for i, p in enumerate((1, 1, 0))]
    rows.append(e.Row("P3", "N", "metastasis", "occlusion", nan, nan, nan, nan, 0.25))
    found = e.figures(rows)
    assert found["metastasis, points: occlusion"]["value"] == pytest.approx(2 / 3)
    assert found["metastasis, points: occlusion"]["n"] == 3
    assert found["metastasis, highest without: occlusion"]["value"] == 0.25
    assert found["metastasis, deletion: occlusion"]["unit"] == "{log-odds}"
    assert "metastasis, random: occlusion" not in found


@pytest.mark.timeout(400)
def test_the_smallest_study_runs_and_its_rows_come_back(tmp_path: Path) -> None:
    options = ["--preset", "smoke", "--work", str(tmp_path / "work"), "--results", str(tmp_path)]
    done = CliRunner().invoke(root, ["reproduce", "R1-explain", *options])
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "R1-explain" / "smoke.json").read_text())
    rows = e.read_rows(tmp_path / "R1-explain" / "smoke.patients.csv")
    assert len(rows) == e.PRESETS["smoke"].patients * 2 * len(e.WAYS)
    assert record["cohort"]["seed"] == e.cohort_seed(load_bundle("bone-scan").sha256)
    assert set(record["figures"]) == set(e.figures(rows))
    said: list[str] = []
    assert len(e.study(e.PRESETS["smoke"], tmp_path / "work", 1, said.append)) == len(rows)
    assert said == []  # everything is there already


def test_the_committed_figures_follow_from_the_committed_rows() -> None:
    record = json.loads((RESULTS / "quick.json").read_text())
    assert record["weights_sha256"] == load_bundle("bone-scan").sha256
    assert record["cohort"]["patients"] == e.PRESETS["quick"].patients
    again = e.figures(e.read_rows(RESULTS / "quick.patients.csv"))
    assert list(again) == list(record["figures"])
    for name, figure in again.items():
        for part in ("value", "low", "high"):
            assert record["figures"][name][part] == pytest.approx(figure[part], abs=1e-5), name
