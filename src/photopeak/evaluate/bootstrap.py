"""Intervals by resampling patients: all images of a patient are drawn together, as they are not independent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

Statistic = Callable[[Int[np.ndarray, " m"]], Float[np.ndarray, " s"] | float]
"""Any figures of the cases with these indices (some more than once)."""


def resampled(
    statistic: Statistic, patients: Sequence[str], resamples: int = 2000, seed: int = 0
) -> Float[np.ndarray, "resample s"]:
    """The statistic of ``resamples`` cohorts, each of as many patients drawn with replacement :cite:`efron1993`."""
    _, number = np.unique(np.asarray(patients), return_inverse=True)
    order = np.argsort(number, kind="stable")
    starts = np.searchsorted(number[order], np.arange(number.max() + 2))
    groups = [order[a:b] for a, b in pairwise(starts)]
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(resamples):
        drawn = rng.integers(0, len(groups), len(groups))
        rows.append(np.atleast_1d(statistic(np.concatenate([groups[g] for g in drawn]))))
    return np.array(rows, dtype=float)


def interval(values: Float[np.ndarray, "resample s"], level: float = 0.95) -> Float[np.ndarray, "s 2"]:
    """The percentile interval of each figure; resamples without one (a class is absent) are left out."""
    tail = 50 * (1 - level)
    low_high: Float[np.ndarray, "s 2"] = np.nanpercentile(values, (tail, 100 - tail), axis=0).T
    return low_high
