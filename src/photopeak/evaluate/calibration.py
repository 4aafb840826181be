"""Is a probability of 0.8 right eight times in ten? Errors of calibration, temperature scaling, net benefit."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

Yes = Bool[np.ndarray, " n"]
P = Float[np.ndarray, " n"]
NEARLY_0 = 1e-7


def reliability(positive: Yes, p: P, bins: int = 10) -> Float[np.ndarray, "bin 3"]:
    """In bins of equal width: mean probability, share of positives, number of cases. Empty bins are left out."""
    number = np.clip((p * bins).astype(int), 0, bins - 1)
    rows = [(p[number == b].mean(), positive[number == b].mean(), (number == b).sum()) for b in np.unique(number)]
    return np.array(rows, dtype=float)


def expected_calibration_error(positive: Yes, p: P, bins: int = 10) -> float:
    """ECE = Σ_b n_b/n |mean probability − share of positives| :cite:`guo2017`.

    >>> expected_calibration_error(np.array([True, False]), np.array([1.0, 0.0]))
    0.0
    """
    table = reliability(positive, p, bins)
    return float((table[:, 2] * np.abs(table[:, 0] - table[:, 1])).sum() / len(p))


def brier(positive: Yes, p: P) -> float:
    """Mean squared difference between probability and outcome."""
    return float(np.mean((p - positive) ** 2))


def temperature(positive: Yes, logits: P) -> float:
    """The T that makes σ(logit / T) most likely; one number, so the order of the cases stays :cite:`guo2017`."""
    from scipy.optimize import minimize_scalar

    def loss(log_t: float) -> float:
        z = logits / np.exp(log_t)
        return float(np.mean(np.logaddexp(0, z) - positive * z))

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def sigmoid(logits: P, t: float = 1.0) -> P:
    """σ(logit / T)."""
    z = np.clip(logits / t, -50, 50)
    return np.asarray(1 / (1 + np.exp(-z)))


def logit(p: P) -> P:
    """The logit of a probability, held away from 0 and 1."""
    p = np.clip(p, NEARLY_0, 1 - NEARLY_0)
    return np.asarray(np.log(p / (1 - p)))


def net_benefit(positive: Yes, p: P, thresholds: Float[np.ndarray, " t"]) -> Float[np.ndarray, "t 2"]:
    """Net benefit of acting from probability t on, and of acting on everybody :cite:`vickers2006`.

    TP/n − FP/n · t/(1 − t)
    """
    n, share = len(p), positive.mean()
    odds = thresholds / (1 - thresholds)
    acted = p[None] >= thresholds[:, None]
    benefit = (acted & positive).sum(1) / n - (acted & ~positive).sum(1) / n * odds
    return np.stack((benefit, share - (1 - share) * odds), 1)
