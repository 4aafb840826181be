"""DeLong's test: do two readings of the same independent cases have different areas under the curve?

The covariance of the two areas from the placements of each case, computed with midranks
:cite:`delong1988` :cite:`sun2014`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from photopeak.core import PhotopeakError


@dataclass(frozen=True)
class Compared:
    """Two areas, the standard error of each and of their difference a − b, and the two-sided p-value."""

    a: float
    b: float
    se_a: float
    se_b: float
    se_difference: float
    p: float


def delong(
    positive: Bool[np.ndarray, " n"],
    a: Float[np.ndarray, " n"],
    b: Float[np.ndarray, " n"],
    patients: Sequence[str],
) -> Compared:
    """Compare the scores ``a`` and ``b`` of the same cases, one case a patient."""
    from scipy.stats import norm

    _independent(patients)
    if min(positive.sum(), (~positive).sum()) < 2:
        raise PhotopeakError(
            f"DeLong's test needs two positive and two negative cases, and {positive.sum()} of {len(positive)} are "
            "positive. Remedy: choose another class, or more cases."
        )
    areas, covariance = _areas(positive, np.stack((a, b)))
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    difference = float(areas[0] - areas[1])
    se = float(np.sqrt(max(variance, 0.0)))
    p = 1.0 if difference == 0 else 2 * float(norm.sf(abs(difference) / se)) if se else 0.0
    se_a, se_b = (float(x) for x in np.sqrt(np.diag(covariance)))
    return Compared(float(areas[0]), float(areas[1]), se_a, se_b, se, p)


def _independent(patients: Sequence[str]) -> None:
    seen: set[str] = set()
    for patient in patients:
        if patient in seen:
            raise PhotopeakError(
                f"DeLong's test takes independent cases, and patient {patient} stands twice. "
                "Remedy: compare at the level of patients, or use the bootstrap."
            )
        seen.add(patient)


def _areas(
    positive: Bool[np.ndarray, " n"], scores: Float[np.ndarray, "2 n"]
) -> tuple[Float[np.ndarray, " 2"], Float[np.ndarray, "2 2"]]:
    from scipy.stats import rankdata

    m, n = int(positive.sum()), int((~positive).sum())
    all_ranks = rankdata(scores, axis=1)
    among_positive, among_negative = rankdata(scores[:, positive], axis=1), rankdata(scores[:, ~positive], axis=1)
    v10 = (all_ranks[:, positive] - among_positive) / n
    v01 = 1 - (all_ranks[:, ~positive] - among_negative) / m
    covariance = _covariance(v10) / m + _covariance(v01) / n
    return v10.mean(1), covariance


def _covariance(v: Float[np.ndarray, "2 n"]) -> Float[np.ndarray, "2 2"]:
    centred = v - v.mean(1, keepdims=True)
    out: Float[np.ndarray, "2 2"] = centred @ centred.T / (v.shape[1] - 1)
    return out
