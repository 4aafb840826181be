"""What ``photopeak evaluate`` computes: every figure of one file of predictions, and of two against each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from photopeak.core import PhotopeakError
from photopeak.evaluate import metrics
from photopeak.evaluate.bootstrap import interval, resampled
from photopeak.evaluate.calibration import brier, expected_calibration_error
from photopeak.evaluate.delong import delong
from photopeak.evaluate.predictions import Predictions, by_patient

Level = Literal["patient", "image"]
Figures = dict[str, dict[str, Any]]
Truth = Bool[np.ndarray, "n k"]
Scores = Float[np.ndarray, "n k"]


@dataclass(frozen=True)
class Resampling:
    """How intervals are made."""

    resamples: int = 2000
    level: float = 0.95
    seed: int = 0


def at_level(these: Predictions, level: Level) -> Predictions:
    """The cases that are counted: images as they stand, or the means of each patient's."""
    return by_patient(these) if level == "patient" else these


def evaluate(these: Predictions, level: Level = "patient", how: Resampling | None = None) -> Figures:
    """Every figure with its interval, by name; those of a class end in its name."""
    cases = at_level(these, level)
    several = _several(cases.truth)
    names, values = _named(cases.classes, cases.truth, cases.scores, several)

    def statistic(chosen: Int[np.ndarray, " m"]) -> Float[np.ndarray, " s"]:
        return _named(cases.classes, cases.truth[chosen], cases.scores[chosen], several)[1]

    return _with_intervals(names, values, statistic, cases, how or Resampling())


def compare(a: Predictions, b: Predictions, level: Level = "patient", how: Resampling | None = None) -> Figures:
    """a − b of every figure, with intervals from resampling the same patients in both; DeLong's p for each area."""
    how = how or Resampling()
    one, other = _paired(at_level(a, level), at_level(b, level))
    several = _several(one.truth)
    names, first = _named(one.classes, one.truth, one.scores, several)
    _, second = _named(other.classes, other.truth, other.scores, several)

    def statistic(chosen: Int[np.ndarray, " m"]) -> Float[np.ndarray, " s"]:
        truth = one.truth[chosen]
        here = _named(one.classes, truth, one.scores[chosen], several)[1]
        there = _named(one.classes, truth, other.scores[chosen], several)[1]
        difference: Float[np.ndarray, " s"] = here - there
        return difference

    figures = _with_intervals(names, first - second, statistic, one, how)
    if level == "patient":
        for k, c in enumerate(one.classes):
            if 0 < one.truth[:, k].sum() < len(one):
                test = delong(one.truth[:, k], one.scores[:, k], other.scores[:, k], one.patients)
                figures[f"auc_{c}"]["p_delong"] = test.p
    return figures


def _with_intervals(
    names: list[str],
    values: Float[np.ndarray, " s"],
    statistic: Callable[[Int[np.ndarray, " m"]], Float[np.ndarray, " s"]],
    cases: Predictions,
    how: Resampling,
) -> Figures:
    defined = np.isfinite(values)  # a class without a case has no figures

    def some(chosen: Int[np.ndarray, " m"]) -> Float[np.ndarray, " s"]:
        kept: Float[np.ndarray, " s"] = statistic(chosen)[defined]
        return kept

    ends = interval(resampled(some, cases.patients, how.resamples, how.seed), how.level)
    kept = [name for name, is_defined in zip(names, defined, strict=True) if is_defined]
    return {
        name: {"value": float(v), "low": float(low), "high": float(high), "unit": "1", "n": len(cases)}
        for name, v, (low, high) in zip(kept, values[defined], ends, strict=True)
    }


def _paired(a: Predictions, b: Predictions) -> tuple[Predictions, Predictions]:
    """The same cases in the same order."""
    if a.classes != b.classes:
        raise PhotopeakError(
            f"one file has the classes {', '.join(a.classes)}, the other {', '.join(b.classes)}. "
            "Remedy: compare readings of the same question."
        )
    key_a, key_b = (list(zip(x.patients, x.views, x.folds, x.labels, strict=True)) for x in (a, b))
    where = {key: i for i, key in enumerate(key_b)}
    missing = [key for key in key_a if key not in where]
    if missing or len(key_a) != len(key_b):
        raise PhotopeakError(
            f"the two files do not hold the same cases with the same labels: {len(key_a)} and {len(key_b)}, and "
            f"{len(missing)} of the first are not in the second"
            f"{f', such as patient {missing[0][0]}' if missing else ''}. Remedy: predict one cohort with both."
        )
    order = [where[key] for key in key_a]
    return a, Predictions(a.patients, a.views, a.folds, a.labels, a.classes, b.scores[order])


def _several(truth: Truth) -> bool:
    """Whether some cases show more than one class."""
    return not bool((truth.sum(1) == 1).all())


def _named(
    classes: tuple[str, ...], truth: Truth, scores: Scores, several: bool
) -> tuple[list[str], Float[np.ndarray, " s"]]:
    """Names and values: areas always; what needs one class a case where every case has one.

    A case of two classes is right at the first, or at the first two, where the truth has those.
    """
    areas = metrics.aucs(truth, scores)
    figures: dict[str, float] = {"auc": float(areas.mean())}
    figures |= {f"auc_{c}": float(a) for c, a in zip(classes, areas, strict=True)}
    single = truth.sum(1) == 1
    matrix = metrics.confusion(truth[single], scores[single])
    figures |= metrics.averages(matrix)
    for name, values in metrics.per_class(matrix).items():
        figures |= {f"{name}_{c}": float(v) for c, v in zip(classes, values, strict=True)}
    if several:
        figures["top1_of_several"], figures["top2_of_several"] = _ranked(truth[~single], scores[~single])
    for k, c in enumerate(classes):
        figures[f"ece_{c}"] = expected_calibration_error(truth[:, k], np.clip(scores[:, k], 0, 1))
        figures[f"brier_{c}"] = brier(truth[:, k], scores[:, k])
    return list(figures), np.array(list(figures.values()))


def _ranked(truth: Truth, scores: Scores) -> tuple[float, float]:
    """Of cases with two classes: the shares with one of them first, and with both as the first two."""
    if not len(truth):  # a resample may hold none
        return float("nan"), float("nan")
    order = np.argsort(-scores, axis=1)
    first, both = np.take_along_axis(truth, order[:, :1], 1), np.take_along_axis(truth, order[:, :2], 1)
    return float(first.mean()), float(both.all(1).mean())
