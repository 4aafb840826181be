"""Figures of a file and of two against each other, by the functions and by the command."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from evaluate.made_up import some

from photopeak.cli import root
from photopeak.core import PhotopeakError
from photopeak.evaluate.figures import figures_of
from photopeak.evaluate.predictions import Predictions, by_patient, write_predictions
from photopeak.evaluate.summary import Figure, Resampling, compare, evaluate
from photopeak.evaluate.table import table

FEW = Resampling(100)


def test_figures_are_of_the_cases_they_say() -> None:
    these = some()
    figures = evaluate(these, how=FEW)
    double = sum(label == "M&A" for label in by_patient(these).labels)
    assert double > 0
    assert (figures["auc"].n, figures["accuracy"].n, figures["top2_of_several"].n) == (100, 100 - double, double)
    assert evaluate(these, "image", FEW)["auc_M"].n == 200
    assert all(f.low <= f.high for f in figures.values())
    assert figures["auc"].low < figures["auc"].value < figures["auc"].high


def test_without_cases_of_two_classes_the_first_named_is_the_accuracy_and_stands_once() -> None:
    truth, scores = np.eye(3, dtype=bool)[[0, 1, 2, 0]], np.random.default_rng(0).random((4, 3))
    assert not any(name.startswith("top") for name in figures_of(("N", "M", "A"), truth, scores, several=False))
    named = figures_of(("N", "M", "A"), truth, scores, several=True)
    assert named["top1"] == named["accuracy"]
    assert np.isnan(named["top2_of_several"][0])


def test_a_class_without_cases_has_no_figures_of_its_own() -> None:
    these = some(40)
    labels = tuple("N" if "M" in x else x for x in these.labels)
    figures = evaluate(
        Predictions(these.patients, these.views, these.folds, labels, these.classes, these.scores), how=FEW
    )
    assert "auc_A" in figures
    assert not {"auc", "auc_M", "sensitivity_M"} & set(figures)


def test_a_comparison_holds_the_figures_of_both_and_their_difference() -> None:
    a, b = some(seed=1, skill=3.0), some(seed=2, skill=1.0)
    both = compare(a, b, how=FEW)
    assert both.a == evaluate(a, how=FEW)
    assert both.b == evaluate(b, how=FEW)
    for name, f in both.difference.items():
        assert f.value == pytest.approx(both.a[name].value - both.b[name].value)
    assert both.difference["auc"].low > 0
    p = both.difference["auc_M"].p_delong
    assert p is not None
    assert p < 0.01


def test_order_of_the_second_file_does_not_matter() -> None:
    a, b = some(60, seed=1), some(60, seed=2)
    back = range(59, -1, -1)
    columns = (tuple(x[i] for i in back) for x in (b.patients, b.views, b.folds, b.labels))
    turned = Predictions(*columns, b.classes, b.scores[::-1])
    # By image, because a patient's mean is summed in the order of the views.
    assert compare(a, turned, "image", FEW) == compare(a, b, "image", FEW)


def test_images_have_no_delong() -> None:
    difference = compare(some(60, seed=1), some(60, seed=2), "image", FEW).difference
    assert all(f.p_delong is None for f in difference.values())


def test_readings_of_other_classes_are_not_compared() -> None:
    a = some(20)
    b = Predictions(a.patients, a.views, a.folds, a.labels, ("N", "M", "X"), a.scores)
    with pytest.raises(PhotopeakError, match="same question"):
        compare(a, b, how=FEW)


def test_a_table_leaves_a_gap_where_a_class_has_no_figure() -> None:
    figures = {"auc": Figure(0.9, 0.8, 0.95, 10), "auc_M": Figure(0.9, 0.8, 0.95, 10, p_delong=0.034)}
    assert table("t", figures, ("N", "M")).split("\n")[-4:-1] == [
        f"{'':31s}{'N':27s}M",
        f"  {'auc':29s}{'–':27s}0.900 (0.800 to 0.950)",
        f"  {'auc, DeLong p':29s}{'–':27s}0.034",
    ]


def test_the_command_prints_figures_and_their_difference(tmp_path: Path) -> None:
    write_predictions(some(seed=1, skill=3.0), tmp_path / "a.csv")
    write_predictions(some(seed=2, skill=1.0), tmp_path / "b.csv")
    files = [str(tmp_path / f) for f in ("a.csv", "b.csv")]
    options = ["--resamples", "50", "--json", str(tmp_path / "new" / "f.json"), "--plot", str(tmp_path / "f.png")]
    done = CliRunner().invoke(root, ["evaluate", *files, *options])
    assert done.exit_code == 0, done.output
    assert done.output.count("100 patients") == 3
    line = next(x for x in done.output.split("−")[1].splitlines() if x.strip().startswith("auc "))
    assert float(line.split()[1]) > 0.05
    assert "auc, DeLong p" in done.output
    assert (tmp_path / "f.png").stat().st_size > 10_000
    record = json.loads((tmp_path / "new" / "f.json").read_text())
    assert list(record) == ["figures", "b", "difference"]
    assert set(record["figures"]["auc"]) == {"value", "low", "high", "unit", "n"}
    assert record["difference"]["auc_M"]["p_delong"] < 0.01


def test_one_file_alone(tmp_path: Path) -> None:
    write_predictions(some(40), tmp_path / "a.csv")
    command = ["evaluate", str(tmp_path / "a.csv"), "--level", "image", "--resamples", "20"]
    done = CliRunner().invoke(root, [*command, "--json", str(tmp_path / "f.json")])
    assert done.exit_code == 0, done.output
    assert "40 images" in done.output
    assert list(json.loads((tmp_path / "f.json").read_text())) == ["figures"]


def test_files_of_other_cases_are_refused(tmp_path: Path) -> None:
    write_predictions(some(20), tmp_path / "a.csv")
    write_predictions(some(40), tmp_path / "b.csv")
    done = CliRunner().invoke(root, ["evaluate", str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), "--resamples", "20"])
    assert isinstance(done.exception, PhotopeakError)
    assert "same cases" in str(done.exception)
