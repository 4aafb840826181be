"""R2's figures, from its rows alone: what the reader does under each shift and in each group of patients.

An interval draws patients. Where the same patients were also scanned as usual, "loss" is what the macro area lost, both
drawn together. Of a prevalence, patients scanned as usual are taken until it is met.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float

from photopeak.evaluate import metrics
from photopeak.evaluate.bootstrap import interval, resampled
from photopeak.recipes.outcome import Figure, figure
from photopeak.recipes.reader_report import CLASSES
from photopeak.recipes.shifts import MIMICS, USUAL, Row

FIGURES: Final = (
    "macro_auc",
    "loss",
    "forest",
    "forest loss",
    "coverage metastasis",
    "coverage arthritis",
    "not sure",
    "wrong",
    "lesion sensitivity",
    "false lesions",
    "refused",
    "index bias",
)
UNITS: Final = {"index bias": "%"}
PREVALENCES: Final = (0.05, 0.2, 0.6)
AGES: Final = (("under 50 years", 0, 50), ("50 to 64 years", 50, 65), ("65 years and older", 65, 200))
FEWEST: Final = 10
"""Patients of a kind that a group must have to be a line of its own."""
Group = tuple[str, list[Row], list[Row]]
"""Its name, its rows, and the same patients' rows as usual, if there are."""


def figures(rows: Sequence[Row], resamples: int) -> dict[str, Figure]:
    """Every figure of every group, named ``figure: group``."""
    out: dict[str, Figure] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a figure that a small group has not is left out
        for name, these, usual in groups(rows):
            statistic = _statistic(these, usual)
            value = statistic(np.arange(len(these)))
            ends = interval(resampled(statistic, [r.patient for r in these], resamples))
            for what, v, (low, high) in zip(FIGURES, value, ends, strict=True):
                unit = UNITS.get(what, "1")
                out[f"{what}: {name}"] = figure(float(v), float(low), float(high), unit, n=len(these))
    return out


def groups(rows: Sequence[Row]) -> Iterator[Group]:
    """Every shift, then mimics, sexes, ages and prevalences."""
    usual = {r.patient: r for r in rows if r.shift == USUAL}
    for shift in dict.fromkeys(r.shift for r in rows):
        these = [r for r in rows if r.shift == shift]
        yield shift, these, [] if shift == USUAL else [usual[r.patient] for r in these]
    mimicked = [r for r in rows if r.shift == MIMICS]
    for kind in sorted({k for r in mimicked for k in r.mimics.split("; ") if k}):
        these = [r for r in mimicked if kind in r.mimics.split("; ")]
        if len(these) >= FEWEST:
            yield f"with {kind}", these, [usual[r.patient] for r in these]
    everybody = list(usual.values())
    for word, belongs in _kinds():
        these = [r for r in everybody if belongs(r)]
        if len(these) >= FEWEST:
            yield word, these, []
    for share in PREVALENCES:
        these = _prevalent(everybody, share)
        if len(these) >= FEWEST:
            yield f"metastases in {share:.0%}", these, []


def _kinds() -> list[tuple[str, Callable[[Row], bool]]]:
    def aged(low: int, high: int) -> Callable[[Row], bool]:
        return lambda r: low <= r.age < high

    ages = [(word, aged(low, high)) for word, low, high in AGES]
    return [("women", lambda r: r.sex == "F"), ("men", lambda r: r.sex == "M"), *ages]


def _prevalent(rows: Sequence[Row], share: float) -> list[Row]:
    """The first patients with and without metastases, as many as there are for this share."""
    ill, well = ([r for r in rows if ("M" in r.label) == is_ill] for is_ill in (True, False))
    n = int(min(len(ill) / share, len(well) / (1 - share)))
    return [*ill[: round(n * share)], *well[: round(n * (1 - share))]]


def _statistic(these: Sequence[Row], usual: Sequence[Row]) -> Callable[[Any], Float[np.ndarray, " figure"]]:
    here, there = _Arrays(these), _Arrays(usual) if usual else None
    nothing = float("nan")

    def all_of(i: Any) -> Float[np.ndarray, " figure"]:
        area, forest = here.area(i, here.reader), here.area(i, here.forest)
        before = [there.area(i, s) for s in (there.reader, there.forest)] if there else [nothing, nothing]
        means = here.each[i].mean(0)
        lesions, hit = here.lesions[i].sum(), here.hit[i].sum()
        found = hit / lesions if lesions else nothing
        return np.array([area, before[0] - area, forest, before[1] - forest, *means[:4], found, *means[4:]])

    return all_of


class _Arrays:
    """Rows as arrays."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.truth: Bool[np.ndarray, "n 3"] = np.array([[c in r.label.split("&") for c in CLASSES] for r in rows])
        p = np.array([[r.p_metastasis, r.p_arthritis] for r in rows])
        self.reader = np.stack(((1 - p[:, 0]) * (1 - p[:, 1]), p[:, 0], p[:, 1]), 1)
        self.forest = np.array([[r.forest_N, r.forest_M, r.forest_A] for r in rows])
        self.lesions, self.hit = (np.array([getattr(r, k) for r in rows]) for k in ("lesions", "hit"))
        yes = self.truth[:, 1:]
        said = [[("no", "yes")[y] in s.split() for y, s in zip(*one, strict=True)]
                for one in zip(yes.astype(int).tolist(), map(_said, rows), strict=True)]  # fmt: skip
        unsure = [any(" " in s for s in _said(r)) for r in rows]
        wrong = ((p >= 0.5) != yes).any(1)
        rest = [[r.false / 2, float(r.refused), r.bsi_found - r.bsi] for r in rows]
        self.each = np.column_stack((said, unsure, wrong, rest)).astype(float)

    def area(self, i: Any, scores: Float[np.ndarray, "n 3"]) -> float:
        return metrics.macro_auc(self.truth[i], scores[i])


def _said(row: Row) -> tuple[str, str]:
    return row.said_metastasis, row.said_arthritis
