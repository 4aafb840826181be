"""Every figure of a set of cases, by name; those of a class end in ``_<class>``."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from photopeak.evaluate import metrics
from photopeak.evaluate.calibration import brier, expected_calibration_error, net_benefit
from photopeak.evaluate.conformal import area_under_risk_coverage

Truth = Bool[np.ndarray, "n k"]
Scores = Float[np.ndarray, "n k"]
Named = dict[str, tuple[float, int]]
"""name -> value (NaN: not defined for these cases), number of cases it is computed from"""

ACT_FROM: Final = (0.1, 0.25, 0.5)
"""Probabilities from which one acts, at which the net benefit is told."""


def figures_of(classes: tuple[str, ...], truth: Truth, scores: Scores, several: bool) -> Named:
    """All figures. ``several``: whether the cohort holds cases of more than one class, in this draw or not.

    Areas, calibration and ranks are of all cases. What comes from the confusion matrix (accuracy, precision …) is of
    the cases of exactly one class.
    """
    single = truth.sum(1) == 1
    figures = _of_areas(classes, truth, scores)
    figures |= _of_confusion(classes, truth[single], scores[single])
    if several:
        figures |= _of_ranks(truth, scores)
    right = metrics.right_at(truth, scores, 1)
    figures["aurc"] = (area_under_risk_coverage(right, scores.max(1)), len(right))
    for k, c in enumerate(classes):
        figures |= _of_probability(c, truth[:, k], scores[:, k])
    return figures


def _of_areas(classes: tuple[str, ...], truth: Truth, scores: Scores) -> Named:
    areas, n = metrics.aucs(truth, scores), len(truth)
    return {"auc": (float(areas.mean()), n)} | {f"auc_{c}": (float(a), n) for c, a in zip(classes, areas, strict=True)}


def _of_confusion(classes: tuple[str, ...], truth: Truth, scores: Scores) -> Named:
    matrix, n = metrics.confusion(truth, scores), len(truth)
    figures = {name: (value, n) for name, value in metrics.averages(matrix).items()}
    for name, values in metrics.per_class(matrix).items():
        figures |= {f"{name}_{c}": (float(v), n) for c, v in zip(classes, values, strict=True)}
    return figures


def _of_ranks(truth: Truth, scores: Scores) -> Named:
    """Right at the first class named, and at the first two: of all cases, and of those with several classes."""
    several, figures = truth.sum(1) > 1, Named()
    for top in (1, 2):
        right = metrics.right_at(truth, scores, top)
        figures[f"top{top}"] = (float(right.mean()), len(right))
        share = float(right[several].mean()) if several.any() else float("nan")  # a resample may hold none
        figures[f"top{top}_of_several"] = (share, int(several.sum()))
    return figures


def _of_probability(c: str, positive: Bool[np.ndarray, " n"], p: Float[np.ndarray, " n"]) -> Named:
    n = len(p)
    figures: Named = {
        f"ece_{c}": (expected_calibration_error(positive, p), n),
        f"ece_equal_mass_{c}": (expected_calibration_error(positive, p, equal="mass"), n),
        f"brier_{c}": (brier(positive, p), n),
    }
    for t, (own, everybody) in zip(ACT_FROM, net_benefit(positive, p, np.array(ACT_FROM)).tolist(), strict=True):
        figures[f"net_benefit_from_{t:g}_{c}"] = (own, n)
        figures[f"net_benefit_of_all_from_{t:g}_{c}"] = (everybody, n)
    return figures
