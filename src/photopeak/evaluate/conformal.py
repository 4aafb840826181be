"""Sets instead of guesses: a set of answers that holds the right one as often as promised; and whom to refer.

Split conformal prediction :cite:`angelopoulos2023`, for one yes–no question at a time, class by class (Mondrian): of
the positives, and of the negatives, at least 1 − α keep their answer in the set. A set of both answers means "I do not
know".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from photopeak.core import PhotopeakError

Yes = Bool[np.ndarray, " n"]
P = Float[np.ndarray, " n"]


@dataclass(frozen=True)
class Thresholds:
    """ "Yes" is in the set where p ≥ ``yes``; "no" where p ≤ ``no``."""

    yes: float
    no: float


def thresholds(positive: Yes, p: P, alpha: float) -> Thresholds:
    """From cases that the network was not taught with: the ⌊α (n + 1)⌋-th lowest p of the positives, and likewise."""
    return Thresholds(_lowest(p[positive], alpha), 1 - _lowest(1 - p[~positive], alpha))


def _lowest(p: P, alpha: float) -> float:
    rank = int(np.floor(alpha * (len(p) + 1)))
    if rank < 1:
        raise PhotopeakError(
            f"{len(p)} cases are too few to promise {1 - alpha:.0%}. "
            f"Remedy: calibrate on at least {int(np.ceil(1 / alpha)) - 1} positives and as many negatives."
        )
    return float(np.sort(p)[rank - 1])


def sets(p: P, at: Thresholds) -> Bool[np.ndarray, "n 2"]:
    """For each case whether "no" and whether "yes" is in its set."""
    return np.stack((p <= at.no, p >= at.yes), 1)


def coverage(positive: Yes, in_set: Bool[np.ndarray, "n 2"]) -> tuple[float, float]:
    """Share of the negatives and of the positives whose answer is in their set."""
    return float(in_set[~positive, 0].mean()), float(in_set[positive, 1].mean())


def risk_coverage(right: Yes, confidence: P) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Share of the cases read, the surest first, and the share of errors among them."""
    order = np.argsort(-confidence, kind="stable")
    read = np.arange(1, len(order) + 1)
    return read / len(order), np.cumsum(~right[order]) / read


def area_under_risk_coverage(right: Yes, confidence: P) -> float:
    """The mean of that share of errors over all shares read; 0 is perfect."""
    return float(risk_coverage(right, confidence)[1].mean())
