"""The older ways on the smallest cohort; every committed figure follows from what is committed beside it."""

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from photopeak.cli import root
from photopeak.evaluate.audit import audit, read_shown
from photopeak.evaluate.predictions import Predictions, read_predictions
from photopeak.learning.variations import ITSELF
from photopeak.recipes import error_audit, learning_curve, lesion_boxes, older, older_table, simple_cnn
from photopeak.recipes.commands import OLDER
from photopeak.recipes.dspic_data import Entered

RESULTS = Path(__file__).resolve().parents[2] / "results"
STUDIES = [s for s in OLDER if (RESULTS / s / "quick.json").exists()]


@pytest.fixture(scope="module")
def work(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The studies share their scans and hot spots."""
    folder = tmp_path_factory.mktemp("older")
    shutil.copy(published, folder)
    return folder


def reproduced(study: str, work: Path, results: Path) -> dict[str, dict[str, float]]:
    options = ["--preset", "smoke", "--device", "cpu", "--work", str(work), "--results", str(results)]
    done = CliRunner().invoke(root, ["reproduce", study, *options])
    assert done.exit_code == 0, done.output
    figures: dict[str, dict[str, float]] = json.loads((results / study / "smoke.json").read_text())["figures"]
    return figures


@pytest.mark.parametrize("study", ["A10", "A12", "A13", "A14", "A15", "A16", "A18"])
def test_the_smallest_study_runs_and_its_figures_are_those_of_its_predictions(
    study: str, work: Path, tmp_path: Path
) -> None:
    figures = reproduced(study, work, tmp_path)
    files = list((tmp_path / study).glob("smoke.*.predictions.csv"))
    accuracies = sorted(older.values(read_predictions(f))["accuracy"] for f in files)
    told = sorted(f["value"] for n, f in figures.items() if n.startswith("accuracy: ") and "minus" not in n)
    assert told == pytest.approx(accuracies)
    patients = set(read_predictions(files[0]).patients)
    assert all(set(read_predictions(f).patients) == patients for f in files)  # the same tests for every way


def test_boxes_are_found_in_the_smallest_study_and_its_figures_are_those_of_the_boxes(
    work: Path, tmp_path: Path
) -> None:
    figures = reproduced("A11", work, tmp_path)
    for way in lesion_boxes.WAYS:
        cases = lesion_boxes.read_cases(tmp_path / "A11" / f"smoke.{older.file_name(way)}.boxes.csv")
        assert {c.part for c in cases} == set(lesion_boxes.PARTS)
        again = {n: f["value"] for n, f in lesion_boxes.figures(way, cases, 2).items() if np.isfinite(f["value"])}
        assert again == pytest.approx({n: f["value"] for n, f in figures.items() if n.endswith(way)})


def test_the_smallest_audit_runs_and_says_what_it_lacks(work: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(root, ["reproduce", "A17", "--preset", "smoke", "--results", str(tmp_path)])
    assert "photopeak reproduce A4-d1" in str(done.exception)
    for file in error_audit.SOURCES.values():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        shutil.copy(RESULTS / f"{file}.predictions.csv", tmp_path / f"{file}.predictions.csv")
    figures = reproduced("A17", work, tmp_path)
    shown = read_shown(tmp_path / "A17" / "smoke.shown.csv")
    assert len(shown) == 2 * len({p for p, _ in shown})
    assert {n.split(": ")[1] for n in figures} == set(error_audit.SOURCES)


def test_every_way_is_set_beside_dspic_on_the_same_images(work: Path, tmp_path: Path) -> None:
    for file in (*older_table.FILES.values(), *older_table.OF_PATIENTS.values()):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        shutil.copy(RESULTS / f"{file}.predictions.csv", tmp_path / f"{file}.predictions.csv")
    figures = reproduced("older", work, tmp_path)
    ways = {*older_table.FILES, older_table.READER, *older_table.OF_PATIENTS}
    assert {n.split(": ")[1] for n in figures if "minus" not in n} == ways
    read = read_predictions(tmp_path / "older" / "smoke.reader.predictions.csv")
    assert figures["accuracy: Photopeak reader, one view"]["value"] == pytest.approx(older.values(read)["accuracy"])


def test_what_is_said_of_a_patient_is_said_of_both_views() -> None:
    classes, asked = ("N", "M", "A"), np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])
    first = Predictions(("P", "P", "Q"), ("a", "b", "a"), ("f",) * 3, ("M", "M", "A"), classes, asked)
    told = Predictions(
        ("Q", "P"), ("both",) * 2, ("f",) * 2, ("N", "M"), ("N", "M"), np.array([[0.9, 0.1], [0.2, 0.8]])
    )
    these = older_table.of_images(told, first)
    assert these.labels == ("M", "M", "N")
    assert these.scores[:, 1].tolist() == [0.8, 0.8, 0.1]
    found = older_table.about_metastases("w", these, first, 5)
    assert found["auc_M: w"]["value"] == 1.0
    assert found["auc_M: w minus dSPIC-AM"]["value"] == pytest.approx(0.0)  # .7 and .3 are above .2


def test_a_simulated_cohort_on_disk_is_audited(tmp_path: Path) -> None:
    runner = CliRunner()
    made = runner.invoke(
        root, ["simulate", "bone-scan", "--out", str(tmp_path / "c"), "--patients", "1", "--seed", "3"]
    )
    assert made.exit_code == 0, made.output
    shown = error_audit.shown_of_cohort(tmp_path / "c")
    assert {v for _, v in shown} == {"anterior", "posterior", ""}
    patients = sorted({p for p, _ in shown})
    lines = "".join(f"{p},,,N,0.1,0.8,0.1\n" for p in patients)
    (tmp_path / "p.csv").write_text(f"patient,view,fold,label,score_N,score_M,score_A\n{lines}")
    done = runner.invoke(root, ["audit", str(tmp_path / "p.csv"), "--cohort", str(tmp_path / "c")])
    assert done.exit_code == 0, done.output
    assert "N, read as M" in done.output
    read = runner.invoke(root, ["audit", "bone-scan", "--cohort", str(tmp_path / "c")])
    assert read.exit_code == 0, read.output
    assert read.output.count("read as") == done.output.count("read as")
    (tmp_path / "c" / patients[0] / "truth.json").unlink()
    refused = runner.invoke(root, ["audit", str(tmp_path / "p.csv"), "--cohort", str(tmp_path / "c")])
    assert "truth.json is not there" in str(refused.exception)


def of(fold: str, *rows: tuple[str, str, int]) -> Predictions:
    """Cases named with certainty: patient, label, class said."""
    patients, labels, said = zip(*rows, strict=True)
    n = len(rows)
    return Predictions(patients, ("",) * n, (fold,) * n, labels, ("N", "M", "A"), np.eye(3)[list(said)])


def test_a_figure_is_the_mean_of_the_splits() -> None:
    from photopeak.recipes.leak import joined

    one = of("clean-0", ("P1", "N", 0), ("P2", "M", 1), ("P3", "A", 2))
    other = of("clean-1", ("P1", "N", 1), ("P2", "M", 0), ("P4", "A", 0), ("P5", "A", 2))
    assert older.values(joined([one, other]))["accuracy"] == pytest.approx((1.0 + 0.25) / 2)
    assert older.values(joined([one, other]))["sensitivity_A"] == pytest.approx((1.0 + 0.5) / 2)
    same = older.differences("a minus a", other, other, 20)
    assert {f["value"] for f in same.values()} == {0.0}


def test_a_smaller_part_lies_within_a_larger_one_and_has_every_class() -> None:
    training = [
        Entered(p, v, ITSELF, label, label) for p in range(60) for v in (0, 1) for label in ("N", "M", "A")[p % 3]
    ]
    parts = [{e.patient for e in learning_curve.part(training, s, 0)} for s in learning_curve.SHARES]
    assert [len(p) for p in parts] == [3, 6, 21, 60]
    assert all(small <= large for small, large in itertools.pairwise(parts))
    assert {p % 3 for p in parts[0]} == {0, 1, 2}
    assert len(learning_curve.part(training, 1 / 27, 0)) == 6  # both views


def test_a_mirrored_batch_keeps_its_two_channels_together() -> None:
    from photopeak.classify.symmetry import asymmetry

    image = np.zeros((16, 16), np.float32)
    image[4, 3:13] = 1.0
    image[8, 4] = 2.0
    both = torch.from_numpy(np.stack((image, asymmetry(image))))[None]
    plan = simple_cnn.Varied(1)
    for seed in range(6):
        x = plan.augment({"images": both}, torch.Generator().manual_seed(seed))["images"][0].numpy()
        np.testing.assert_allclose(asymmetry(x[0]), x[1])


@pytest.mark.parametrize("study", [s for s in STUDIES if s not in ("A11", "A17", "older")])
def test_the_committed_figures_follow_from_the_committed_predictions(study: str) -> None:
    figures = json.loads((RESULTS / study / "quick.json").read_text())["figures"]
    checked = 0
    for path in (RESULTS / study).glob("quick.*.predictions.csv"):
        found = older.values(read_predictions(path))
        same = [
            n for n, f in figures.items()
            if n.startswith("accuracy: ") and f["value"] == pytest.approx(found["accuracy"], abs=1e-9)
        ]  # fmt: skip
        assert any(
            figures[n.replace("accuracy", "auc")]["value"] == pytest.approx(found["auc"], abs=1e-4) for n in same
        ), path
        checked += 1
    assert checked == sum(n.startswith("accuracy: ") and "minus" not in n for n in figures)


def test_the_committed_audit_follows_from_predictions_and_truth() -> None:
    figures = json.loads((RESULTS / "A17" / "quick.json").read_text())["figures"]
    shown = read_shown(RESULTS / "A17" / "quick.shown.csv")
    again = {
        f"{k}: {source}": r.value
        for source, file in error_audit.SOURCES.items()
        for k, r in audit(error_audit.predictions_of(RESULTS, file), shown, error_audit.FEWEST["quick"]).items()
    }
    assert {n: f["value"] for n, f in figures.items()} == pytest.approx(again)


def test_the_same_images_are_tested_as_dspic_was() -> None:
    dspic = read_predictions(RESULTS / "A4-d1" / "quick.clean-0.predictions.csv")
    ours = read_predictions(RESULTS / "A13" / "quick.simple-CNN.predictions.csv")
    first = [i for i, f in enumerate(ours.folds) if f == "clean-0"]
    mine = {(ours.patients[i], ours.views[i], ours.labels[i]) for i in first}
    assert mine == set(zip(dspic.patients, dspic.views, dspic.labels, strict=True))
