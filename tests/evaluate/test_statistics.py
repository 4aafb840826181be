import numpy as np
import pytest

from photopeak.core import PhotopeakError
from photopeak.evaluate import calibration, conformal, metrics
from photopeak.evaluate.bootstrap import basic_interval, interval, resampled
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


def test_bootstrap_covers_the_true_share_as_often_as_it_says() -> None:
    rng = np.random.default_rng(8)
    people, inside = [str(i) for i in range(80)], []
    for k in range(200):
        yes = rng.random(80) < 0.3
        low, high = interval(resampled(lambda i, yes=yes: float(yes[i].mean()), people, 300, seed=k), 0.9)[0]
        inside.append(low <= 0.3 <= high)
    assert np.mean(inside) == pytest.approx(0.9, abs=0.06)


def test_the_same_seed_draws_the_same_patients() -> None:
    score = np.random.default_rng(0).random(50)
    people = [str(i // 2) for i in range(50)]
    one, same, other = (resampled(lambda i: float(score[i].sum()), people, 20, seed) for seed in (1, 1, 2))
    assert one.tolist() == same.tolist() != other.tolist()


def test_each_draw_holds_whole_patients() -> None:
    people = ["b", "a", "b", "c", "b", "a"]
    counts = resampled(lambda i: np.bincount(i, minlength=6).astype(float), people, 50)
    assert (counts[:, [0]] == counts[:, [2, 4]]).all()
    assert (counts[:, 1] == counts[:, 5]).all()
    assert (counts[:, 0] + counts[:, 1] + counts[:, 3] == 3).all()


def test_basic_interval_takes_the_resamples_shift_back() -> None:
    rng = np.random.default_rng(14)
    p, inside = rng.random(200), []
    for k in range(60):
        yes = rng.random(200) < p
        value = np.array([calibration.expected_calibration_error(yes, p)])
        drawn = resampled(
            lambda i, y=yes: calibration.expected_calibration_error(y[i], p[i]), list(map(str, p)), 100, k
        )
        (low, high), (low_plain, _) = basic_interval(value, drawn)[0], interval(drawn)[0]
        assert high - low == pytest.approx(np.diff(interval(drawn)[0])[0])
        inside.append((low <= 0.01, low_plain <= 0.01))
    basic, plain = np.mean(inside, axis=0)
    assert basic > 0.5 > 0.05 > plain  # better, not perfect: an error has no place below 0


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


def test_delong_needs_two_of_each_kind() -> None:
    with pytest.raises(PhotopeakError, match="1 of 3 are positive"):
        delong(np.array([True, False, False]), np.arange(3.0), np.arange(3.0), ["P1", "P2", "P3"])


def test_delong_of_equal_readings_sees_no_difference() -> None:
    positive, score = np.arange(10) < 5, np.arange(10.0)
    assert delong(positive, score, score, [str(i) for i in range(10)]).p == 1


@pytest.mark.parametrize("equal", ["width", "mass"])
def test_calibrated_scores_have_no_calibration_error(equal: calibration.Equal) -> None:
    rng = np.random.default_rng(5)
    p = rng.random(200_000)
    yes = rng.random(200_000) < p
    assert calibration.expected_calibration_error(yes, p, equal=equal) < 0.005
    assert calibration.expected_calibration_error(yes, p**2, equal=equal) > 0.1
    assert calibration.brier(yes, p) == pytest.approx(1 / 6, abs=0.003)  # ∫ p (1 − p)


def test_bins_of_equal_mass_hold_as_many_cases() -> None:
    p = np.random.default_rng(9).random(1000) ** 4
    yes = p > 0.5
    assert calibration.reliability(yes, p, equal="mass")[:, 2].tolist() == [100] * 10
    assert calibration.reliability(yes, np.full(1000, 0.3), equal="mass")[:, 2].tolist() == [1000]


def test_reliability_as_worked_by_hand() -> None:
    table = calibration.reliability(np.array([True, False, True, True]), np.array([0.12, 0.18, 0.91, 1.0]))
    assert table == pytest.approx(np.array([[0.15, 0.5, 2], [0.955, 1, 2]]))


def test_temperature_finds_the_one_that_spoilt_the_logits() -> None:
    rng = np.random.default_rng(6)
    logits = rng.normal(size=50_000) * 2
    yes = rng.random(50_000) < calibration.sigmoid(logits)
    assert calibration.temperature(yes, 2.5 * logits) == pytest.approx(2.5, rel=0.03)


def test_the_logit_undoes_the_sigmoid_and_ends() -> None:
    z = np.array([-3.0, 0.0, 2.5])
    assert calibration.logit(calibration.sigmoid(z)) == pytest.approx(z)
    assert np.isfinite(calibration.logit(np.array([0.0, 1.0]))).all()


def test_softmax_temperature_finds_the_one_that_spoilt_the_logits() -> None:
    rng = np.random.default_rng(10)
    logits = rng.normal(size=(30_000, 3)) * 2
    labels = (logits + rng.gumbel(size=logits.shape)).argmax(1)  # draws from softmax(logits)
    assert calibration.softmax_temperature(labels, 0.4 * logits) == pytest.approx(0.4, rel=0.03)


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


def test_class_sets_hold_each_class_as_often_as_promised() -> None:
    rng = np.random.default_rng(11)
    truth = rng.random((40_000, 3)) < (0.5, 0.2, 0.4)  # some show several, some none
    scores = 1 / (1 + np.exp(1 - 2 * truth - rng.normal(size=truth.shape)))
    at = conformal.class_thresholds(truth[:20_000], scores[:20_000], 0.1)
    covered = conformal.class_coverage(truth[20_000:], scores[20_000:] >= at)
    assert covered == pytest.approx([0.9] * 3, abs=0.015)


def test_coverage_of_few_calibration_cases_is_kept_on_average() -> None:
    rng = np.random.default_rng(12)
    covered = []
    for _ in range(300):
        p = rng.random(60)
        at = conformal.thresholds(np.ones(60, bool) & (np.arange(60) % 2 == 0), p, 0.2)
        covered.append((rng.random(200) >= at.yes).mean())
    assert np.mean(covered) == pytest.approx(1 - 6 / 31, abs=0.015)  # rank 6 of 30: at least 0.8


def test_conformal_refuses_a_promise_it_cannot_keep() -> None:
    with pytest.raises(PhotopeakError, match="at least 19"):
        conformal.thresholds(np.array([True, False]), np.array([0.9, 0.1]), 0.05)


def test_risk_falls_when_the_unsure_are_referred() -> None:
    right = np.array([True, True, False, True, False])
    covered, risk = conformal.risk_coverage(right, np.array([0.9, 0.8, 0.2, 0.7, 0.1]))
    assert risk.tolist() == [0, 0, 0, 0.25, 0.4]
    assert covered[-1] == 1
    assert conformal.area_under_risk_coverage(right, right.astype(float)) < np.mean(risk) + 1e-9


def test_referral_keeps_the_risk_it_states_nearly_always() -> None:
    rng = np.random.default_rng(13)
    kept, read = [], []
    for _ in range(100):
        sure = rng.uniform(0.5, 1, 2000)
        at = conformal.refer_below(rng.random(2000) < sure, sure, risk=0.15)
        kept.append((1 - at) / 2 <= 0.15)  # the true risk from ``at`` on is 1 − (1 + at) / 2
        read.append(2 * (1 - at))
    assert np.mean(kept) >= 0.95
    assert np.mean(read) > 0.3  # 0.6 would be possible with infinitely many cases


def test_a_risk_that_cannot_be_promised_is_refused() -> None:
    with pytest.raises(PhotopeakError, match="Remedy: allow more risk"):
        conformal.refer_below(np.array([True, False] * 10), np.linspace(0, 1, 20), risk=0.01)
