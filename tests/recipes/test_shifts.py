"""The shift study: the same people under each change, and figures whose answer is known."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from photopeak.cli import root
from photopeak.core import Image
from photopeak.learning.bundles import load_bundle
from photopeak.recipes import shift_figures as sf
from photopeak.recipes import shifts as s

pytestmark = pytest.mark.untraced

RESULTS = Path(__file__).resolve().parents[2] / "results" / "R2"
LABELS = ("N", "M", "A", "M&A")


def row(i: int, **changed: object) -> s.Row:
    """A patient whom the reader reads right and surely, and whom the forest knows nothing about."""
    label = LABELS[i % 4]
    m, a = "M" in label, "A" in label
    said = [("no", "yes")[x] for x in (m, a)]
    usual = s.Row(
        s.USUAL, f"P{i}", label, "FM"[i % 2], 40.0 + i, "", 0, 0.2 + 0.6 * m, 0.2 + 0.6 * a, said[0], said[1],
        4, 3, 1, 2.0, 2.5, 1 / 3, 1 / 3, 1 / 3,
    )  # fmt: skip
    return dataclasses.replace(usual, **changed)  # type: ignore[arg-type]


def test_a_shift_changes_what_it_names_and_nobody_else() -> None:
    usual, wide = (s.clinic(x, 3, 5) for x in (s.SHIFTS[0], next(x for x in s.SHIFTS if x.scan)))
    assert usual.protocol.plans(3, 5) == wide.protocol.plans(3, 5)
    quarter = next(x for x in s.SHIFTS if list(x.knobs) == ["counts_scale"])
    frozen = s.SHIFTS[0].difficulty
    assert dataclasses.replace(quarter.difficulty, counts_scale=frozen.counts_scale) == frozen
    assert quarter.difficulty.counts_scale == 0.25 * frozen.counts_scale


def test_the_same_person_is_scanned_with_another_pixel() -> None:
    wide = next(x for x in s.SHIFTS if x.scan.get("pixel_mm", 0) > 2.5)
    one, other = (s.clinic(x, 1, 5).case(0) for x in (s.SHIFTS[0], wide))
    assert one.study.patient == other.study.patient
    assert one.documents["truth.json"]["skeleton_ml"] == other.documents["truth.json"]["skeleton_ml"]  # type: ignore
    counts = other.study["counts"]
    assert isinstance(counts, Image)
    assert np.linalg.norm(np.array(counts.grid.affine_mm)[:3, 0]) == pytest.approx(2.8)


def test_figures_of_a_reader_that_is_always_right() -> None:
    found = sf.figures([row(i) for i in range(40)], 20)
    value = {k: f["value"] for k, f in found.items()}
    assert value["macro_auc: as taught"] == 1.0
    assert value["forest: as taught"] == 0.5
    assert value["coverage metastasis: as taught"] == 1.0
    assert value["wrong: as taught"] == value["not sure: as taught"] == 0.0
    assert value["lesion sensitivity: as taught"] == 0.75
    assert value["false lesions: as taught"] == 0.5  # an image, of which there are two
    assert value["index bias: as taught"] == pytest.approx(0.5)
    assert found["macro_auc: women"]["n"] == 20


def test_loss_is_between_the_same_patients() -> None:
    usual = [row(i) for i in range(40)]
    blind = [row(i, shift="dark", p_metastasis=0.5, p_arthritis=0.5, said_metastasis="yes no") for i in range(20)]
    found = sf.figures([*usual, *blind], 20)
    assert found["loss: dark"]["value"] == 0.5
    assert found["loss: dark"]["n"] == 20
    assert found["forest loss: dark"]["value"] == 0.0
    assert found["not sure: dark"]["value"] == 1.0
    assert found["coverage metastasis: dark"]["value"] == 1.0  # both answers hold the truth


def test_prevalence_is_met_and_mimics_are_their_own_groups() -> None:
    usual = [row(i) for i in range(400)]
    mimicked = [row(i, shift=s.MIMICS, mimics="port; urine contamination" if i < 12 else "") for i in range(40)]
    groups = {name: these for name, these, _ in sf.groups([*usual, *mimicked])}
    for share in sf.PREVALENCES:
        these = groups[f"metastases in {share:.0%}"]
        assert np.mean(["M" in r.label for r in these]) == pytest.approx(share, abs=0.01)
    assert len(groups["with port"]) == len(groups["with urine contamination"]) == 12


@pytest.mark.timeout(400)
def test_the_smallest_study_runs_and_its_rows_come_back(begun: Path, tmp_path: Path) -> None:
    options = ["--preset", "smoke", "--work", str(begun), "--results", str(tmp_path)]
    done = CliRunner().invoke(root, ["reproduce", "R2", *options])
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "R2" / "smoke.json").read_text())
    rows = s.read_rows(tmp_path / "R2" / "smoke.patients.csv")
    preset = s.PRESETS["smoke"]
    assert len(rows) == preset.usual + preset.shifted
    assert record["cohort"]["seed"] == s.cohort_seed(load_bundle("bone-scan").sha256)
    assert {k.split(": ")[1] for k in record["figures"]} == {x.name for x in preset.shifts}
    s.write_rows(rows, tmp_path / "again.csv")
    assert s.read_rows(tmp_path / "again.csv") == rows


def test_the_committed_figures_follow_from_the_committed_rows() -> None:
    record = json.loads((RESULTS / "quick.json").read_text())
    assert record["weights_sha256"] == load_bundle("bone-scan").sha256
    again = sf.figures(s.read_rows(RESULTS / "quick.patients.csv"), 2)  # intervals need more, and half a minute
    assert set(record["figures"]) == {name for name, f in again.items() if np.isfinite(f["value"])}
    for name, figure in record["figures"].items():
        assert again[name]["value"] == pytest.approx(figure["value"], abs=1e-9), name
        assert figure["low"] <= figure["high"]
