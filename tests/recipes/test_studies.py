"""The smallest preset of each study runs from end to end; every committed figure follows from committed predictions."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from photopeak.cli import root
from photopeak.evaluate import metrics
from photopeak.evaluate.predictions import Predictions, read_predictions
from photopeak.learning.bundles import load_bundle
from photopeak.patients.difficulty import Difficulty
from photopeak.recipes import leak, reader_study
from photopeak.recipes.difficulty import CANDIDATES
from photopeak.recipes.reader import PRESETS

pytestmark = pytest.mark.untraced

RESULTS = Path(__file__).resolve().parents[2] / "results"


def test_the_published_network_trains_and_is_tested(begun: Path, tmp_path: Path) -> None:
    options = ["--preset", "smoke", "--device", "cpu", "--work", str(begun), "--results", str(tmp_path / "r")]
    done = CliRunner().invoke(root, ["reproduce", "A4", *options])
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "r" / "A4" / "smoke.json").read_text())
    assert record["leaky"] is True
    assert record["figures"]["accuracy as-published"]["leaky"] is True
    for split, leaks in (("as-published", True), ("clean", False)):
        these = read_predictions(tmp_path / "r" / "A4" / f"smoke.{split}-0.predictions.csv")
        c = metrics.confusion(these.truth, these.scores)
        assert record["figures"][f"accuracy {split}"]["value"] == pytest.approx(metrics.accuracy(c))
        assert record["figures"][f"accuracy {split}"].get("leaky", False) is leaks


def test_a_leak_shows_where_siblings_are_alike() -> None:
    told = np.array([[[0.9, 0.95], [0.8, 0.9], [0.8, 0.91]], [[0.7, 0.85], [0.62, 0.79], [0.6, 0.8]]])
    these = leak.figures(told)
    gap = these["accuracy, leak: as-published minus apart"]
    assert gap["value"] == pytest.approx(0.09)
    assert gap["high"] - gap["value"] == pytest.approx(12.706 * 0.01, rel=1e-3)  # Student's t of one degree of freedom
    assert these["auc, copies: apart minus clean"]["value"] == pytest.approx(-0.01)


def test_the_leak_is_measured_on_several_splits(begun: Path, tmp_path: Path) -> None:
    options = ["--preset", "smoke", "--device", "cpu", "--work", str(begun), "--results", str(tmp_path / "r")]
    for _ in range(2):  # the second time nothing is taught
        done = CliRunner().invoke(root, ["reproduce", "A4-leak", *options])
        assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "r" / "A4-leak" / "smoke.json").read_text())
    these = read_predictions(tmp_path / "r" / "A4-leak" / "smoke.predictions.csv")
    assert set(these.folds) == {f"{way}-{seed}" for way in leak.WAYS for seed in (0, 1)}
    accuracies = [np.array([f == f"apart-{s}" for f in these.folds]) for s in (0, 1)]
    values = [metrics.accuracy(metrics.confusion(these.truth[i], these.scores[i])) for i in accuracies]
    assert record["figures"]["accuracy apart"]["value"] == pytest.approx(np.mean(values))


def test_the_reader_is_taught_and_measured(begun: Path, tmp_path: Path) -> None:
    options = ["--preset", "smoke", "--device", "cpu", "--work", str(begun), "--results", str(tmp_path / "r")]
    done = CliRunner().invoke(root, ["reproduce", "R1", *options])
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "r" / "R1" / "smoke.json").read_text())
    assert "region dice" in record["figures"]
    assert record["cohort"]["seed"] == int(record["weights_sha256"][:8], 16)
    assert load_bundle(begun / "bundle").sha256 == record["weights_sha256"]
    said: list[str] = []
    reader_study.run(PRESETS["smoke"], begun, "cpu", 1, said.append)
    assert said == ["teaching"]  # everything is there already


def test_the_frozen_difficulty_is_the_chosen_one() -> None:
    assert CANDIDATES["frozen"] == Difficulty.frozen()
    figures = json.loads((RESULTS / "difficulty" / "quick.json").read_text())["figures"]
    assert abs(figures["accuracy frozen"]["value"] - 0.77) <= 0.03
    assert abs(figures["auc frozen"]["value"] - 0.93) <= 0.02


def committed() -> dict[str, list[Predictions]]:
    """The predictions of each way, one file a seed."""
    ways: dict[str, list[Predictions]] = {}
    for path in sorted((RESULTS / "R1").glob("full.*.predictions.csv")):
        ways.setdefault(path.name.split(".")[1].rsplit("-", 1)[0], []).append(read_predictions(path))
    return ways


def test_the_readers_figures_follow_from_its_predictions() -> None:
    record = json.loads((RESULTS / "R1" / "full.json").read_text())
    ways = committed()
    areas = {w: float(np.mean([metrics.macro_auc(p.truth, p.scores) for p in each])) for w, each in ways.items()}
    for way, area in areas.items():
        assert record["figures"][f"macro_auc {way}"]["value"] == pytest.approx(area, abs=1e-4)
        if way != "reader":
            gain = record["figures"][f"gain over {way}"]
            assert gain["value"] == pytest.approx(areas["reader"] - area, abs=1e-4)
            assert gain["level"] == 0.99
    first = ways["reader"][0]
    assert all(p.patients == first.patients and p.labels == first.labels for each in ways.values() for p in each)
    assert first.labels.count("M&A") >= 200


def test_the_shipped_weights_are_the_measured_ones_and_name_the_fresh_cohort() -> None:
    record = json.loads((RESULTS / "R1" / "full.json").read_text())
    bundle = load_bundle("bone-scan")
    assert bundle.sha256 == record["weights_sha256"]
    assert record["cohort"]["seed"] == int(bundle.sha256[:8], 16)
    assert bundle.model["calibration"] == record["calibration"]
    assert sum(w.numel() * w.element_size() for w in bundle.weights.values()) < 10e6


def test_ways_of_reconstruction_are_compared_with_the_truth(tmp_path: Path) -> None:
    done = CliRunner().invoke(root, ["reproduce", "S1", "--preset", "smoke", "--results", str(tmp_path)])
    assert done.exit_code == 0, done.output
    figures = json.loads((tmp_path / "S1" / "smoke.json").read_text())["figures"]
    bare, whole = "OSEM, nothing corrected", "OSEM, attenuation, blur, TEW"
    assert figures[f"field: {bare}"]["value"] < 0.75
    assert 0.85 < figures[f"field: {whole}"]["value"] < 1.25
    assert figures[f"distance: {whole}"]["value"] < figures[f"distance: {bare}"]["value"]
