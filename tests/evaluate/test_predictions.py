from pathlib import Path

import numpy as np
import pytest
from evaluate.made_up import some
from hypothesis import given
from hypothesis import strategies as st

from photopeak.core import PhotopeakError
from photopeak.evaluate.predictions import Predictions, by_patient, read_predictions, write_predictions

HEAD = "patient,view,fold,label,score_N,score_M,score_A\n"


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
    np.testing.assert_allclose(back.scores, these.scores, rtol=1e-8)


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
        ("patient,view,label,score_N,score_M\n", "line 1: lacks fold"),
        ("patient,view,fold,label,score_M\n", "line 1: lacks scores"),
        ("patient,view,fold,label,score_M,score_M\n", "line 1: names score_M twice"),
        (HEAD + "P1,anterior,0,M,0.1,0.2,0.7,0.1\n", "line 2: more values than columns"),
        (HEAD + "\n\n,anterior,0,M,0.1,0.2,0.7\n", "line 4: no patient"),
        (HEAD + "P1,anterior,0,N&M,0.1,0.2,0.7\n", "line 2: the label 'N&M'"),
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


def test_single_precision_comes_back_as_it_was(tmp_path: Path) -> None:
    score = np.random.default_rng(0).random((50, 3)).astype(np.float32)
    n = len(score)
    these = Predictions(tuple(map(str, range(n))), ("",) * n, ("",) * n, ("M",) * n, ("N", "M", "A"), score)
    write_predictions(these, tmp_path / "p.csv")
    assert (read_predictions(tmp_path / "p.csv").scores.astype(np.float32) == score).all()


def test_a_spreadsheets_mark_in_front_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("\ufeff" + HEAD + "P1,anterior,0,M,0.1,0.2,0.7\n", encoding="utf-8")
    assert read_predictions(tmp_path / "p.csv").patients == ("P1",)


def test_a_patient_of_two_labels_is_no_case(tmp_path: Path) -> None:
    text = HEAD + "P1,anterior,0,M,0.1,0.2,0.7\nP1,posterior,0,A,0.1,0.2,0.7\n"
    (tmp_path / "p.csv").write_text(text, encoding="utf-8")
    with pytest.raises(PhotopeakError, match="patient P1 is labelled M and A"):
        by_patient(read_predictions(tmp_path / "p.csv"))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(PhotopeakError, match=r"none\.csv cannot be read"):
        read_predictions(tmp_path / "none.csv")


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    these = some(4)
    broken = Predictions(these.patients, these.views[:1], these.folds, these.labels, these.classes, these.scores)
    with pytest.raises(ValueError, match="zip"):
        write_predictions(broken, tmp_path / "p.csv")
    assert not list(tmp_path.iterdir())
