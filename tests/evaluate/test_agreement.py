"""Kappas against published examples and other implementations; matching against what can be counted by hand."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from photopeak.core import PhotopeakError
from photopeak.evaluate.agreement import (
    among_readers,
    between_two,
    cohens_kappa,
    fleiss_kappa,
    lesion_agreement,
    percent_agreement,
    specific_agreement,
)
from photopeak.evaluate.outlines import Outline
from photopeak.evaluate.summary import Resampling

pytestmark = pytest.mark.untraced

SHAPE = (60, 60)
FEW = Resampling(resamples=200)
# The well-known example of ten subjects, fourteen raters and five categories.
FLEISS = np.array(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
)


def people(n: int) -> list[str]:
    return [f"P{i}" for i in range(n)]


def box(x0: float, y0: float, x1: float, y1: float, finding: str = "metastasis", site: str = "skull") -> Outline:
    return Outline(finding, site, ((x0, y0), (x1, y0), (x1, y1), (x0, y1)))


def test_fleiss_kappa_of_the_published_example() -> None:
    assert fleiss_kappa(FLEISS) == pytest.approx(0.210, abs=5e-4)
    assert percent_agreement(FLEISS) == pytest.approx(37.8, abs=0.05)
    ratings = [[j for j, n in enumerate(row) for _ in range(n)] for row in FLEISS.tolist()]
    figures = among_readers(ratings, people(10), FEW)
    assert figures["fleiss_kappa"].value == pytest.approx(fleiss_kappa(FLEISS))
    assert figures["fleiss_kappa"].low < figures["fleiss_kappa"].value < figures["fleiss_kappa"].high
    assert (figures["percent_agreement"].unit, figures["percent_agreement"].n) == ("%", 10)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=40))
@pytest.mark.filterwarnings("ignore:invalid value", "ignore:.*single label")
def test_cohens_kappa_is_that_of_sklearn(pairs: list[tuple[int, int]]) -> None:
    a, b = (list(x) for x in zip(*pairs, strict=True))
    ours = between_two(a, b, people(len(a)), Resampling(resamples=5))["cohens_kappa"].value
    if len({*a, *b}) == 1:
        assert math.isnan(ours)
    else:
        assert ours == pytest.approx(cohen_kappa_score(a, b))


def test_agreement_runs_from_none_beyond_chance_to_whole() -> None:
    a = ["N", "M", "A", "M"] * 5
    whole = between_two(a, a, people(20), FEW)
    assert (whole["cohens_kappa"].value, whole["percent_agreement"].value) == (1.0, 100.0)
    assert whole["cohens_kappa"].low == whole["cohens_kappa"].high == 1.0
    assert among_readers([(x, x, x) for x in a], people(20), FEW)["fleiss_kappa"].value == 1.0
    opposed = between_two([True, False] * 5, [False, True] * 5, people(10), FEW)
    assert opposed["cohens_kappa"].value == -1.0
    assert cohens_kappa(np.outer([3, 7], [4, 6])) == 0.0  # independent readers
    rng = np.random.default_rng(1)
    guessed = np.stack([np.bincount(row, minlength=2) for row in rng.integers(0, 2, (20000, 3))])
    assert fleiss_kappa(guessed) == pytest.approx(0, abs=0.02)


def test_of_one_category_alone_kappa_is_not_defined() -> None:
    figures = between_two(["N"] * 6, ["N"] * 6, people(6), FEW)
    assert all(math.isnan(x) for x in (figures["cohens_kappa"].value, figures["cohens_kappa"].low))
    assert (figures["percent_agreement"].value, figures["percent_agreement"].low) == (100.0, 100.0)
    many = among_readers([["N"] * 3] * 6, people(6), FEW)
    assert all(math.isnan(x) for x in (many["fleiss_kappa"].value, many["fleiss_kappa"].high))
    # One reader who always says the same is defined: no better than chance.
    assert between_two(["N"] * 4, ["N", "M", "N", "M"], people(4), FEW)["cohens_kappa"].value == 0.0


def test_without_cases_or_with_one_patient_there_is_no_interval() -> None:
    none = between_two([], [], [], FEW)
    assert all(math.isnan(f.value) and math.isnan(f.low) and f.n == 0 for f in none.values())
    assert math.isnan(among_readers([], [], FEW)["fleiss_kappa"].value)
    one = between_two([True, False], [True, True], ["P", "P"], FEW)
    assert one["percent_agreement"].value == 50.0
    assert math.isnan(one["percent_agreement"].low)


def test_fleiss_kappa_of_two_readers_pools_their_answers() -> None:
    """Scott's pi: κ with p_e from the shares of both together."""
    a, b = np.random.default_rng(2).integers(0, 3, (2, 50))
    shares = np.bincount(np.concatenate((a, b))) / 100
    wanted = ((a == b).mean() - (shares**2).sum()) / (1 - (shares**2).sum())
    figures = among_readers(list(zip(a.tolist(), b.tolist(), strict=True)), people(50), FEW)
    assert figures["fleiss_kappa"].value == pytest.approx(wanted)
    two = between_two(a.tolist(), b.tolist(), people(50), FEW)
    assert two["percent_agreement"] == figures["percent_agreement"]


def test_intervals_draw_patients_and_not_images() -> None:
    rng = np.random.default_rng(3)
    a = rng.random(60) < 0.5
    b = np.where(rng.random(60) < 0.8, a, ~a)
    alone = between_two(np.repeat(a, 4).tolist(), np.repeat(b, 4).tolist(), people(240))["cohens_kappa"]
    together = between_two(np.repeat(a, 4).tolist(), np.repeat(b, 4).tolist(), np.repeat(people(60), 4).tolist())[
        "cohens_kappa"
    ]
    assert alone.value == together.value
    assert together.high - together.low == pytest.approx(2 * (alone.high - alone.low), rel=0.2)


def test_the_interval_holds_the_true_kappa_as_often_as_it_says() -> None:
    inside, rng = [], np.random.default_rng(4)
    for _ in range(150):
        a = rng.random(80) < 0.5
        b = np.where(rng.random(80) < 0.8, a, ~a)  # κ = (0.8 − 0.5) / 0.5
        f = between_two(a.tolist(), b.tolist(), people(80), Resampling(resamples=200))["cohens_kappa"]
        inside.append(f.low <= 0.6 <= f.high)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.05)


@pytest.mark.parametrize(
    ("ratings", "message"),
    [([(1, 2, 3), (1, 2)], "case 2 has 2 answers where 3"), ([(1,), (1,)], "case 1 has 1 answers where 2")],
)
def test_fleiss_kappa_needs_as_many_answers_for_each_case(ratings: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(PhotopeakError, match=f"{message}.*Remedy"):
        among_readers(ratings, people(2))


def test_readers_answer_the_same_cases_of_named_patients() -> None:
    with pytest.raises(PhotopeakError, match="one reader answered 2 cases, the other 1"):
        between_two([True, False], [True], people(2))
    with pytest.raises(PhotopeakError, match="2 cases have 1 patients"):
        between_two([True, False], [True, False], people(1))


def test_specific_agreement_is_kappa_where_nearly_all_is_negative() -> None:
    assert math.isnan(specific_agreement(0, 0, 0))
    assert (specific_agreement(0, 2, 1), specific_agreement(4, 0, 0)) == (0.0, 1.0)
    table = np.array([[10**7, 6], [3, 40]])
    assert cohens_kappa(table) == pytest.approx(specific_agreement(40, 6, 3), abs=1e-5)


def test_lesions_are_matched_by_overlap_and_finding() -> None:
    a = [box(0, 0, 10, 10), box(20, 20, 30, 30), box(40, 40, 50, 50), box(0, 50, 5, 55)]
    b = [box(20, 25, 30, 35), box(0, 0, 10, 8), box(40, 40, 50, 50, finding="arthritis")]
    found = lesion_agreement(a, b, SHAPE, 0.3)
    assert found.pairs == ((0, 1), (1, 0))
    assert (found.only_a, found.only_b) == ((2, 3), (2,))
    assert found.dice == pytest.approx((160 / 180, 0.5))
    assert found.mean_dice == pytest.approx((160 / 180 + 0.5) / 2)
    assert found.specific_agreement == pytest.approx(4 / 7)
    assert lesion_agreement(a, b, SHAPE, 0.34).pairs == ((0, 1),)  # the other pair shares exactly a third
    assert lesion_agreement(a, b, SHAPE, 1 / 3).pairs == ((0, 1), (1, 0))
    assert lesion_agreement(a[:1], [box(0, 0, 10, 10, site="face")], SHAPE, 1.0).pairs == ((0, 0),)


def test_each_outline_is_matched_once_and_the_overlap_is_the_greatest() -> None:
    a = [box(0, 0, 10, 10), box(2, 0, 12, 10)]
    both = lesion_agreement(a, [box(1, 0, 11, 10), box(3, 0, 13, 10)], SHAPE, 0.1)
    assert both.pairs == ((0, 0), (1, 1))
    one = lesion_agreement(a, [box(2, 0, 12, 10)], SHAPE, 0.1)
    assert (one.pairs, one.only_a, one.dice) == (((1, 0),), (0,), (1.0,))


def test_readers_without_outlines() -> None:
    none = lesion_agreement([], [], SHAPE, 0.5)
    assert none.pairs == none.only_a == none.only_b == ()
    assert math.isnan(none.mean_dice)
    assert math.isnan(none.specific_agreement)
    one = lesion_agreement([], [box(0, 0, 5, 5)], SHAPE, 0.5)
    assert (one.only_b, one.specific_agreement) == ((0,), 0.0)
    beside = [box(100, 100, 110, 110)]  # holds no pixel, and so agrees with nothing
    assert lesion_agreement(beside, beside, SHAPE, 0.5).pairs == ()
    with pytest.raises(PhotopeakError, match="Remedy: state an intersection"):
        lesion_agreement([], [], SHAPE, 0.0)


corners = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 15), st.integers(1, 15))
drawing = st.lists(st.tuples(corners, st.sampled_from(["metastasis", "arthritis"])), max_size=5)


@given(drawing, drawing, st.sampled_from([0.1, 0.5, 0.9]))
def test_agreement_does_not_depend_on_who_is_first(first: list[Any], second: list[Any], threshold: float) -> None:
    a, b = ([box(x, y, x + w, y + h, f) for (x, y, w, h), f in drawn] for drawn in (first, second))
    one, other = lesion_agreement(a, b, SHAPE, threshold), lesion_agreement(b, a, SHAPE, threshold)
    assert len(one.pairs) + len(one.only_a) == len(a)
    assert len(one.pairs) + len(one.only_b) == len(b)
    assert all(a[i].finding == b[j].finding for i, j in one.pairs)
    assert all(2 * threshold / (1 + threshold) - 1e-9 <= d <= 1 for d in one.dice)  # the Dice of that overlap
    # Equal sums may be matched either way, but they are equal: IoU = D / (2 − D).
    assert sum(d / (2 - d) for d in one.dice) == pytest.approx(sum(d / (2 - d) for d in other.dice))
    same = lesion_agreement(a, a, SHAPE, threshold)
    assert len(same.pairs) == len(a)
    assert set(same.dice) <= {1.0}
