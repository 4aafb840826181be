"""Is a probability of 0.8 right eight times in ten? Errors of calibration, temperature scaling, net benefit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

Yes = Bool[np.ndarray, " n"]
P = Float[np.ndarray, " n"]
Equal = Literal["width", "mass"]
NEARLY_0 = 1e-7


def reliability(positive: Yes, p: P, bins: int = 10, equal: Equal = "width") -> Float[np.ndarray, "bin 3"]:
    """Mean probability, share of positives and number of cases of each bin; empty bins are left out.

    Bins are of equal width, or of equal mass: as many cases in each, except that equal probabilities stay together.
    """
    if equal == "width":
        number = np.clip((p * bins).astype(int), 0, bins - 1)
    else:
        number = np.searchsorted(np.quantile(p, np.arange(1, bins) / bins), p, side="right")
    n = np.bincount(number, minlength=bins)
    sums = (np.bincount(number, weights, minlength=bins) for weights in (p, positive))
    mean, share = (s[n > 0] / n[n > 0] for s in sums)
    return np.stack((mean, share, n[n > 0].astype(float)), 1)


def expected_calibration_error(positive: Yes, p: P, bins: int = 10, equal: Equal = "width") -> float:
    """ECE = Σ_b n_b/n |mean probability − share of positives| :cite:`guo2017`.

    >>> expected_calibration_error(np.array([True, False]), np.array([1.0, 0.0]))
    0.0
    """
    table = reliability(positive, p, bins, equal)
    return float((table[:, 2] * np.abs(table[:, 0] - table[:, 1])).sum() / len(p))


def brier(positive: Yes, p: P) -> float:
    """Mean squared difference between probability and outcome."""
    return float(np.mean((p - positive) ** 2))


def temperature(positive: Yes, logits: P) -> float:
    """The T that makes σ(logit / T) most likely; one number, so the order of the cases stays :cite:`guo2017`."""

    def loss(t: float) -> float:
        z = logits / t
        return float(np.mean(np.logaddexp(0, z) - positive * z))

    return _best(loss)


def softmax_temperature(labels: Int[np.ndarray, " n"], logits: Float[np.ndarray, "n k"]) -> float:
    """The T that makes softmax(logits / T) most likely, for classes that exclude each other :cite:`guo2017`."""
    from scipy.special import logsumexp

    own = np.take_along_axis(logits, labels[:, None], 1)[:, 0]

    def loss(t: float) -> float:
        return float(np.mean(logsumexp(logits / t, axis=1) - own / t))

    return _best(loss)


def _best(loss: Callable[[float], float]) -> float:
    """The temperature of least loss between 1/20 and 20, searched on a logarithmic scale."""
    from scipy.optimize import minimize_scalar

    def of_log(log_t: float) -> float:
        return loss(float(np.exp(log_t)))

    return float(np.exp(minimize_scalar(of_log, bounds=(-3, 3), method="bounded").x))


def sigmoid(logits: P, t: float = 1.0) -> P:
    """σ(logit / T)."""
    from scipy.special import expit

    return np.asarray(expit(logits / t))


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
