import numpy as np
import pytest

from photopeak.core import PhotopeakError
from photopeak.evaluate import calibration, conformal, metrics
from photopeak.evaluate.bootstrap import interval, resampled
from photopeak.evaluate.delong import delong


def test_bootstrap_interval_of_a_share_has_the_binomial_width() -> None:
    yes = np.arange(400) % 4 == 0
    values = resampled(lambda i: float(yes[i].mean()), [str(i) for i in range(400)], 2000)
    low, high = interval(values)[0]
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.25 * 0.75 / 400), rel=0.1)


def test_images_of_a_patient_are_drawn_together() -> None:
    yes = np.arange(400) % 4 == 0
    alone = resampled(lambda i: float(yes[i].mean()), [str(i) for i in range(400)], 1000)
    # Four copies of each of 100 patients carry the information of 100, not of 400.
    repeated = np.repeat(np.arange(100) % 4 == 0, 4)
    together = resampled(lambda i: float(repeated[i].mean()), [str(i // 4) for i in range(400)], 1000)
    assert together.std() == pytest.approx(2 * alone.std(), rel=0.15)


def test_delong_variance_is_that_of_the_pairwise_definition() -> None:
    rng = np.random.default_rng(3)
    positive = rng.random(60) < 0.4
    a, b = np.round(rng.normal(size=(2, 60)) + positive, 1)
    kernel = [(s[positive][:, None] > s[~positive]) + 0.5 * (s[positive][:, None] == s[~positive]) for s in (a, b)]
    m, n = positive.sum(), (~positive).sum()
    by_positive, by_negative = np.cov([k.mean(1) for k in kernel]), np.cov([k.mean(0) for k in kernel])
    covariance = by_positive / m + by_negative / n
    test = delong(positive, a, b, [str(i) for i in range(60)])
    assert test.a == pytest.approx(metrics.auc(positive, a))
    assert test.se_a**2 == pytest.approx(covariance[0, 0])
    assert test.se_difference**2 == pytest.approx(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])


def test_delong_keeps_its_level_where_nothing_differs() -> None:
    rng = np.random.default_rng(4)
    people = [str(i) for i in range(120)]
    p = []
    for _ in range(300):
        positive = rng.random(120) < 0.5
        a, b = rng.normal(size=(2, 120)) + positive
        p.append(delong(positive, a, b, people).p)
    assert np.mean(np.array(p) < 0.1) == pytest.approx(0.1, abs=0.05)


def test_delong_refuses_a_patient_twice() -> None:
    with pytest.raises(PhotopeakError, match="P1 stands twice"):
        delong(np.array([True, False]), np.array([1.0, 0.0]), np.array([1.0, 0.0]), ["P1", "P1"])


def test_calibrated_scores_have_no_calibration_error() -> None:
    rng = np.random.default_rng(5)
    p = rng.random(200_000)
    yes = rng.random(200_000) < p
    assert calibration.expected_calibration_error(yes, p) < 0.005
    assert calibration.expected_calibration_error(yes, p**2) > 0.1
    assert calibration.brier(yes, p) == pytest.approx(1 / 6, abs=0.003)  # ∫ p (1 − p)


def test_temperature_finds_the_one_that_spoilt_the_logits() -> None:
    rng = np.random.default_rng(6)
    logits = rng.normal(size=50_000) * 2
    yes = rng.random(50_000) < calibration.sigmoid(logits)
    assert calibration.temperature(yes, 2.5 * logits) == pytest.approx(2.5, rel=0.03)


def test_net_benefit_of_acting_on_everybody_is_the_known_line() -> None:
    yes = np.array([True] * 3 + [False] * 7)
    t = np.array([0.1, 0.3])
    benefit = calibration.net_benefit(yes, np.ones(10), t)
    assert benefit[:, 0] == pytest.approx(0.3 - 0.7 * t / (1 - t))
    assert benefit[:, 0] == pytest.approx(benefit[:, 1])


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_conformal_sets_hold_the_truth_as_often_as_promised(alpha: float) -> None:
    rng = np.random.default_rng(7)
    yes = rng.random(60_000) < 0.3
    p = calibration.sigmoid(rng.normal(size=60_000) + 3 * yes - 1.5)
    at = conformal.thresholds(yes[:30_000], p[:30_000], alpha)
    no_covered, yes_covered = conformal.coverage(yes[30_000:], conformal.sets(p[30_000:], at))
    assert no_covered == pytest.approx(1 - alpha, abs=0.01)
    assert yes_covered == pytest.approx(1 - alpha, abs=0.01)


def test_conformal_refuses_a_promise_it_cannot_keep() -> None:
    with pytest.raises(PhotopeakError, match="at least 19"):
        conformal.thresholds(np.array([True, False]), np.array([0.9, 0.1]), 0.05)


def test_risk_falls_when_the_unsure_are_referred() -> None:
    right = np.array([True, True, False, True, False])
    covered, risk = conformal.risk_coverage(right, np.array([0.9, 0.8, 0.2, 0.7, 0.1]))
    assert risk.tolist() == [0, 0, 0, 0.25, 0.4]
    assert covered[-1] == 1
    assert conformal.area_under_risk_coverage(right, right.astype(float)) < np.mean(risk) + 1e-9
