from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from photopeak.cli import root
from photopeak.core import PhotopeakError
from photopeak.evaluate.predictions import Predictions, by_patient, read_predictions, write_predictions

HEAD = "patient,view,fold,label,score_N,score_M,score_A\n"


def some(n: int = 200, seed: int = 0, skill: float = 2.0) -> Predictions:
    """Two views a patient; scores that know the label as well as ``skill`` says."""
    labels = np.random.default_rng(99).choice(["N", "M", "A", "M&A"], n // 2, p=[0.4, 0.25, 0.25, 0.1])
    truth = np.array([[c in str(x).split("&") for c in "NMA"] for x in np.repeat(labels, 2)])
    logits = np.random.default_rng(seed).normal(size=(n, 3)) + skill * truth
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    patients = tuple(f"P{i // 2}" for i in range(n))
    views = tuple(("anterior", "posterior")[i % 2] for i in range(n))
    words = tuple(str(x) for x in np.repeat(labels, 2))
    return Predictions(patients, views, ("0",) * n, words, ("N", "M", "A"), scores)


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), max_size=8)
CASES = st.tuples(NAMES, st.sampled_from(["N", "M", "A", "M&A"]), st.floats(0, 1))


@given(st.lists(CASES, min_size=1, max_size=6))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, float]]
) -> None:
    n = len(rows)
    these = Predictions(
        tuple(f"{p}{i}" for i, (p, _, _) in enumerate(rows)),
        ("both",) * n,
        ("0",) * n,
        tuple(label for _, label, _ in rows),
        ("N", "M", "A"),
        np.array([[p, 1 - p, p / 2] for _, _, p in rows]),
    )
    path = tmp_path_factory.mktemp("p") / "p.csv"
    write_predictions(these, path)
    back = read_predictions(path)
    assert (back.patients, back.views, back.labels, back.classes) == (
        these.patients,
        these.views,
        these.labels,
        these.classes,
    )
    np.testing.assert_allclose(back.scores, these.scores, rtol=1e-5, atol=1e-6)


def test_two_scores_make_the_third(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("patient,view,fold,label,score_M,score_A\nP1,both,0,M&A,0.9,0.5\n", encoding="utf-8")
    these = read_predictions(path)
    assert these.classes == ("N", "M", "A")
    assert these.scores[0] == pytest.approx([0.05, 0.9, 0.5])
    assert these.truth.tolist() == [[False, True, True]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("patient,view,label,score_N,score_M\n", "lacks fold"),
        (HEAD, "no case"),
        (HEAD + "P1,anterior,0,X,0.1,0.2,0.7\n", "line 2: the label 'X'"),
        (HEAD + "P1,anterior,0,M,0.1,nan,0.7\n", "line 2: score_M is 'nan'"),
        (HEAD + "P1,anterior,0,M,0.1,2,0.7\n", "line 2: score_M is '2'"),
        (HEAD + "P1,anterior,0,M,0.1,0.2\n", "line 2: score_A is None"),
        (HEAD + 2 * "P1,anterior,0,M,0.1,0.2,0.7\n", "line 3: patient P1, view 'anterior', fold '0' stands in line 2"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "p.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PhotopeakError, match=said) as caught:
        read_predictions(path)
    assert str(path) in str(caught.value)
    assert "Remedy" in str(caught.value)


def test_patients_are_means_of_their_views() -> None:
    these = some()
    one = by_patient(these)
    assert len(one) == 100
    assert one.scores[7] == pytest.approx(these.scores[14:16].mean(0))


def test_the_command_prints_figures_and_their_difference(tmp_path: Path) -> None:
    write_predictions(some(seed=1, skill=3.0), tmp_path / "a.csv")
    write_predictions(some(seed=2, skill=1.0), tmp_path / "b.csv")
    files = [str(tmp_path / f) for f in ("a.csv", "b.csv")]
    options = ["--resamples", "200", "--json", str(tmp_path / "f.json"), "--plot", str(tmp_path / "f.png")]
    done = CliRunner().invoke(root, ["evaluate", *files, *options])
    assert done.exit_code == 0, done.output
    assert "100 patients" in done.output
    line = next(x for x in done.output.split("−")[1].splitlines() if x.strip().startswith("auc "))
    assert float(line.split()[2]) > 0  # the better reading is better beyond its interval
    assert "DeLong p" in done.output
    assert (tmp_path / "f.png").stat().st_size > 10_000
    assert "top2_of_several" in (tmp_path / "f.json").read_text()


def test_files_of_other_cases_are_refused(tmp_path: Path) -> None:
    write_predictions(some(20), tmp_path / "a.csv")
    write_predictions(some(40), tmp_path / "b.csv")
    done = CliRunner().invoke(root, ["evaluate", str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), "--resamples", "20"])
    assert isinstance(done.exception, PhotopeakError)
    assert "same cases" in str(done.exception)
