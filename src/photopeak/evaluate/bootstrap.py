"""Intervals by resampling patients: all images of a patient are drawn together, as they are not independent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

Statistic = Callable[[Int[np.ndarray, " m"]], Float[np.ndarray, " s"] | float]
"""Any figures of the cases with these indices (some more than once)."""


def resampled(
    statistic: Statistic, patients: Sequence[str], resamples: int = 2000, seed: int = 0
) -> Float[np.ndarray, "resample s"]:
    """The statistic of ``resamples`` cohorts, each of as many patients drawn with replacement :cite:`efron1993`."""
    _, number, images = np.unique(np.asarray(patients), return_inverse=True, return_counts=True)
    order = np.argsort(number, kind="stable")
    starts = np.cumsum(images) - images
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(resamples):
        drawn = rng.integers(0, len(images), len(images))
        ends = np.cumsum(images[drawn])
        # The images of the drawn patients, patient after patient: each run of ``order`` from its start.
        first = np.repeat(starts[drawn] - ends + images[drawn], images[drawn])
        rows.append(np.atleast_1d(statistic(order[first + np.arange(ends[-1])])))
    return np.array(rows, dtype=float)


def interval(values: Float[np.ndarray, "resample s"], level: float = 0.95) -> Float[np.ndarray, "s 2"]:
    """The percentile interval of each figure; resamples without one (a class is absent) are left out."""
    tail = 50 * (1 - level)
    low_high: Float[np.ndarray, "s 2"] = np.nanpercentile(values, (tail, 100 - tail), axis=0).T
    return low_high


def basic_interval(
    figures: Float[np.ndarray, " s"], values: Float[np.ndarray, "resample s"], level: float = 0.95
) -> Float[np.ndarray, "s 2"]:
    """Twice the figure minus the percentiles: for figures that a resample shifts as the sample did :cite:`efron1993`.

    A calibration error is such a one: scatter can only add to it, in the sample and again in each resample. The
    percentile interval of well-calibrated scores may then not even hold the sample's own value.
    """
    out: Float[np.ndarray, "s 2"] = 2 * figures[:, None] - interval(values, level)[:, ::-1]
    return out
