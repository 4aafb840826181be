import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photopeak.core import PhotopeakError
from photopeak.evaluate import metrics

FIG_9A = np.array([[81, 0, 0], [0, 146, 0], [0, 0, 132]])
"""The right cases of the published figure; the errors below are placed so that its three specificities come out."""


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
    c[1, 0], c[0, 1], c[0, 2] = false  # whatever the rows: only the columns' errors count
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


def test_confusion_refuses_a_case_of_two_classes() -> None:
    with pytest.raises(PhotopeakError, match="exactly one class"):
        metrics.confusion(np.array([[True, True]]), np.array([[0.5, 0.5]]))
