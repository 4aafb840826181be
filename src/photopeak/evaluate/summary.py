"""What ``photopeak evaluate`` computes: every figure of one file of predictions, and of two against each other."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from photopeak.core import PhotopeakError
from photopeak.evaluate.bootstrap import basic_interval, interval, resampled
from photopeak.evaluate.delong import delong
from photopeak.evaluate.figures import Named, figures_of
from photopeak.evaluate.predictions import Predictions, by_patient

Level = Literal["patient", "image"]
Chosen = Int[np.ndarray, " m"]
Values = Float[np.ndarray, " s"]


@dataclass(frozen=True)
class Figure:
    """A value with its interval, the number of cases it comes from, and DeLong's p where two areas are compared."""

    value: float
    low: float
    high: float
    n: int
    unit: str = "1"
    p_delong: float | None = None


Figures = dict[str, Figure]


@dataclass(frozen=True)
class Comparison:
    """The figures of a, of b, and of a − b."""

    a: Figures
    b: Figures
    difference: Figures


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
    cases, how = at_level(these, level), how or Resampling()
    named = _figures(cases)
    drawn = resampled(lambda chosen: _values(_figures(cases, chosen)), cases.patients, how.resamples, how.seed)
    return _with_intervals(named, _values(named), drawn, how)


def compare(a: Predictions, b: Predictions, level: Level = "patient", how: Resampling | None = None) -> Comparison:
    """Both files' figures and a − b, from one set of resamples: each draws the same patients in both.

    Areas also have DeLong's p where it is defined: one case a patient, and two positives and negatives or more.
    """
    how = how or Resampling()
    one, other = at_level(a, level), at_level(b, level)
    other = paired(one, other)

    def both(chosen: Chosen) -> Values:
        return np.concatenate([_values(_figures(cases, chosen)) for cases in (one, other)])

    named, named_b = _figures(one), _figures(other)
    first, second = _values(named), _values(named_b)
    drawn, drawn_b = np.split(resampled(both, one.patients, how.resamples, how.seed), 2, axis=1)
    difference = _with_intervals(named, first - second, drawn - drawn_b, how)
    # Acting on all asks no reading, so there is nothing to compare.
    difference = {name: f for name, f in difference.items() if not name.startswith("net_benefit_of_all")}
    return Comparison(
        _with_intervals(named, first, drawn, how),
        _with_intervals(named_b, second, drawn_b, how),
        _with_delong(difference, one, other),
    )


def _with_delong(figures: Figures, a: Predictions, b: Predictions) -> Figures:
    if len(set(a.patients)) < len(a):
        return figures
    tested = {
        f"auc_{c}": delong(a.truth[:, k], a.scores[:, k], b.scores[:, k], a.patients).p
        for k, c in enumerate(a.classes)
        if 2 <= a.truth[:, k].sum() <= len(a) - 2
    }
    return figures | {name: dataclasses.replace(figures[name], p_delong=p) for name, p in tested.items()}


def _figures(cases: Predictions, chosen: Chosen | None = None) -> Named:
    truth, scores = cases.truth, cases.scores
    several = bool((truth.sum(1) > 1).any())
    if chosen is not None:
        truth, scores = truth[chosen], scores[chosen]
    return figures_of(cases.classes, truth, scores, several)


def _values(named: Named) -> Values:
    return np.array([value for value, _ in named.values()])


def _with_intervals(named: Named, values: Values, drawn: Float[np.ndarray, "resample s"], how: Resampling) -> Figures:
    defined = np.isfinite(values)  # a class without a case has no figures
    shifted = np.array([name.startswith("ece") for name in named])
    ends = np.full((len(values), 2), np.nan)
    ends[defined] = interval(drawn[:, defined], how.level)
    ends[defined & shifted] = basic_interval(values[defined & shifted], drawn[:, defined & shifted], how.level)
    return {
        name: Figure(float(value), float(low), float(high), n)
        for (name, (_, n)), value, (low, high), kept in zip(named.items(), values, ends, defined, strict=True)
        if kept
    }


def paired(a: Predictions, b: Predictions) -> Predictions:
    """The cases of b in the order of a, which has to hold the same."""
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
    return Predictions(a.patients, a.views, a.folds, a.labels, a.classes, b.scores[order])
