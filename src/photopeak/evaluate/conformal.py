"""Sets instead of guesses: a set of answers that holds the right one as often as promised; and whom to refer.

Split conformal prediction :cite:`angelopoulos2023` with the score 1 − p(true), which gives the smallest sets
:cite:`sadinle2019`, class by class (Mondrian): of the cases of each class, at least 1 − α keep it in their set, so that
well-read normals do not pay for missed metastases, and a patient with two diseases counts for both. It serves classes
(``class_thresholds``) and one yes–no question (``thresholds``). A set of more than one answer means "I do not know".
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


def class_thresholds(
    truth: Bool[np.ndarray, "n k"], scores: Float[np.ndarray, "n k"], alpha: float
) -> Float[np.ndarray, " k"]:
    """The same for k classes: a class is in the set where its score is at least its threshold."""
    return np.array([_lowest(scores[truth[:, k], k], alpha) for k in range(truth.shape[1])])


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


def class_coverage(truth: Bool[np.ndarray, "n k"], in_set: Bool[np.ndarray, "n k"]) -> Float[np.ndarray, " k"]:
    """Of the cases of each class, the share that has it in its set."""
    return np.asarray((truth & in_set).sum(0) / truth.sum(0))


def coverage(positive: Yes, in_set: Bool[np.ndarray, "n 2"]) -> tuple[float, float]:
    """Share of the negatives and of the positives whose answer is in their set."""
    no, yes = class_coverage(np.stack((~positive, positive), 1), in_set).tolist()
    return no, yes


def risk_coverage(right: Yes, confidence: P) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Share of the cases read, the surest first, and the share of errors among them."""
    order = np.argsort(-confidence, kind="stable")
    read = np.arange(1, len(order) + 1)
    return read / len(order), np.cumsum(~right[order]) / read


def area_under_risk_coverage(right: Yes, confidence: P) -> float:
    """The mean of that share of errors over all shares read; 0 is perfect."""
    return float(risk_coverage(right, confidence)[1].mean())


def refer_below(right: Yes, confidence: P, risk: float, doubt: float = 0.05) -> float:
    """The confidence below which a human should read, so that of the rest at most a share ``risk`` is wrong.

    Holds for new cases of the same kind with probability 1 − ``doubt``: each of the ⌈log₂ n⌉ thresholds that bisection
    tries is held to the upper binomial limit at its part of the doubt :cite:`geifman2017`.
    """
    sure = np.sort(confidence)
    steps = max(1, int(np.ceil(np.log2(len(sure)))))
    low, high, found = 0, len(sure) - 1, float("nan")
    for _ in range(steps):
        middle = (low + high + 1) // 2
        if _upper_limit(~right[confidence >= sure[middle]], doubt / steps) <= risk:
            high, found = middle, float(sure[middle])
        else:
            low = middle
    if np.isnan(found):
        raise PhotopeakError(
            f"no part of these {len(sure)} cases can be promised to have at most {risk:.1%} errors. "
            "Remedy: allow more risk, or calibrate on more cases."
        )
    return found


def _upper_limit(wrong: Yes, doubt: float) -> float:
    """The largest share of errors that leaves so few of them with probability ``doubt`` (Clopper–Pearson)."""
    from scipy.stats import beta

    n, errors = len(wrong), int(wrong.sum())
    return 1.0 if errors == n else float(beta.ppf(1 - doubt, errors + 1, n - errors))
