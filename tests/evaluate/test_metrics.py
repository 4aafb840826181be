import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photopeak.core import PhotopeakError
from photopeak.evaluate import metrics


def by_hand() -> tuple[np.ndarray, np.ndarray]:
    labels = np.array([0, 0, 0, 1, 1, 2])
    scores = np.array(
        [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.5, 0.2, 0.3], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5], [0.1, 0.2, 0.7]]
    )
    return np.eye(3, dtype=bool)[labels], scores


def test_confusion_and_class_figures_as_worked_by_hand() -> None:
    truth, scores = by_hand()
    c = metrics.confusion(truth, scores)
    assert c.tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    one = metrics.per_class(c)
    assert one["precision"].tolist() == [1, 1 / 2, 1 / 2]
    assert one["sensitivity"].tolist() == [2 / 3, 1 / 2, 1]
    assert one["specificity"].tolist() == [1, 3 / 4, 4 / 5]
    assert one["f1"] == pytest.approx([4 / 5, 1 / 2, 2 / 3])
    assert metrics.averages(c)["f1_harmonic"] == pytest.approx(2 * (2 / 3) * (13 / 18) / (2 / 3 + 13 / 18))


def test_published_specificity_counts_only_right_cases_of_other_classes() -> None:
    # The paper's three values are 278/319, 213/238 and 227/274: TN is the other classes' right cases alone.
    right = np.array([81, 146, 132])
    false = np.array([319 - 278, 238 - 213, 274 - 227])
    assert (right.sum() - right).tolist() == [278, 213, 227]
    c = np.diag(right)
    c[1, 0], c[0, 1], c[0, 2] = false  # the paper does not say which rows; only the columns' sums count
    published = metrics.per_class(c)["specificity_published"]
    assert published == pytest.approx([278 / 319, 213 / 238, 227 / 274])
    assert (metrics.per_class(c)["specificity"] >= published).all()


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40))
def test_auc_is_the_share_of_pairs_in_order(cases: list[tuple[bool, int]]) -> None:
    positive = np.array([p for p, _ in cases])
    score = np.array([s for _, s in cases], float)
    pairs = [(a > b) + 0.5 * (a == b) for a in score[positive] for b in score[~positive]]
    if pairs:
        assert metrics.auc(positive, score) == pytest.approx(np.mean(pairs))
    else:
        assert np.isnan(metrics.auc(positive, score))


def test_roc_encloses_the_area() -> None:
    rng = np.random.default_rng(0)
    positive = rng.random(400) < 0.3
    score = np.round(rng.normal(size=400) + positive, 1)
    x, y = metrics.roc(positive, score)
    assert np.trapezoid(y, x) == pytest.approx(metrics.auc(positive, score))
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)


def test_sensitivity_at_a_specificity_keeps_that_specificity() -> None:
    rng = np.random.default_rng(1)
    positive = rng.random(1000) < 0.5
    score = rng.normal(size=1000) + 2 * positive
    sensitivity = metrics.sensitivity_at(positive, score, 0.9)
    threshold = np.quantile(score[positive], 1 - sensitivity)
    assert (score[~positive] <= threshold).mean() >= 0.895
    assert 0.7 < sensitivity < 0.85  # Φ(2 − 1.28) = 0.76


def test_nothing_is_accurate_without_cases() -> None:
    assert np.isnan(metrics.accuracy(np.zeros((3, 3), int)))


def test_sensitivity_at_ten_negatives_may_spend_one_of_them() -> None:
    positive = np.arange(20) < 10
    score = np.where(positive, 0.5, np.linspace(0.05, 0.4, 20))
    score[-1] = 0.9  # one negative above all positives: just what a specificity of 0.9 allows
    assert metrics.sensitivity_at(positive, score, 0.9) == 1
    assert metrics.sensitivity_at(positive, score, 0.95) == 0
    assert metrics.sensitivity_at(positive, score, 0.0) == 1


@pytest.mark.parametrize(
    ("shows", "top", "right"),
    [
        ("M", 1, False),
        ("M", 2, True),
        ("N", 2, False),
        ("A", 1, True),
        ("MA", 1, True),
        ("MA", 2, True),
        ("NA", 2, False),
    ],
)
def test_a_case_of_two_classes_needs_both_named(shows: str, top: int, right: bool) -> None:
    truth = np.array([[c in shows for c in "NMA"]])
    assert metrics.right_at(truth, np.array([[0.1, 0.3, 0.6]]), top).tolist() == [right]


def test_confusion_refuses_a_case_of_two_classes() -> None:
    with pytest.raises(PhotopeakError, match="exactly one class"):
        metrics.confusion(np.array([[True, True]]), np.array([[0.5, 0.5]]))


def test_macro_area_is_the_mean_over_classes() -> None:
    truth, scores = by_hand()
    areas = [metrics.auc(truth[:, k], scores[:, k]) for k in range(3)]
    assert metrics.macro_auc(truth, scores) == pytest.approx(np.mean(areas))
