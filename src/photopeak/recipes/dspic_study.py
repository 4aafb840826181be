"""A4 to A7: the published networks on D_2 of the virtual cohort, split as published (which leaks) and by patient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Int

from photopeak.classify.scans import Scans
from photopeak.evaluate import metrics
from photopeak.evaluate.bootstrap import interval, resampled
from photopeak.evaluate.predictions import Predictions, write_predictions
from photopeak.learning.plan import Plan
from photopeak.patients.difficulty import Difficulty
from photopeak.recipes.difficulty import COHORT_SEED, published_scans
from photopeak.recipes.dspic import Outcome, Run, SplitName, top_two, train
from photopeak.recipes.dspic_data import CLASSES
from photopeak.recipes.outcome import Figure, figure

STUDIES: Final = {
    "A4": (Run("dspic-am"), {"accuracy": 0.7747, "precision": 0.7883, "sensitivity": 0.7863,
                             "specificity_published": 0.8820, "f1": 0.7860, "auc": 0.9272}),
    "A4-d1": (Run("dspic-am", "D_1"), {"accuracy": 0.6910}),
    "A5": (Run("dspic-rm"), {"accuracy": 0.7558}),
    "A5-d1": (Run("dspic-rm", "D_1"), {"accuracy": 0.6955}),
    "A6": (Run("dspic-am", pooling=False), {"accuracy": 0.7558, "auc": 0.9060}),
    "A7": (Run("si-clf"), {"accuracy": 0.7389, "auc": 0.8904}),
    "A7-am": (Run("si-clf-am"), {"accuracy": 0.7705, "auc": 0.9105}),
    "A7-rm": (Run("si-clf-rm"), {"accuracy": 0.7558, "auc": 0.9088}),
    "A7-am-rm": (Run("si-clf-am-rm"), {"accuracy": 0.7284, "auc": 0.8859}),
    "A7-alexnet": (Run("alexnet"), {"accuracy": 0.7368, "auc": 0.8756}),
}  # fmt: skip
"""The network and data set of each row, and the published figures."""


Tested = tuple[Predictions, tuple[float, float]]


@dataclass(frozen=True)
class Preset:
    """How many of the 384 patients, how many epochs, which seeds."""

    patients: int
    epochs: int
    seeds: tuple[int, ...]


PRESETS: Final = {"smoke": Preset(8, 1, (0,)), "quick": Preset(384, 11, (0,)), "full": Preset(384, 300, (0, 1, 2))}


def study(
    key: str, preset: Preset, work: Path, device: torch.device, out: Path, say: Callable[[str], None]
) -> dict[str, Figure]:
    """Train and test one network, split both ways, with every seed; predictions go to ``out``."""
    base, published = STUDIES[key]
    scans = published_scans(
        Difficulty.frozen(), COHORT_SEED, work / f"published-{preset.patients}.npz", preset.patients
    )
    figures: dict[str, Figure] = {}
    splits: tuple[SplitName, ...] = ("as-published", "clean")
    for split in splits:
        outcomes = []
        for seed in preset.seeds:
            run = Run(base.design, base.data, split, base.pooling, seed)
            outcomes.append(_kept(run, scans, preset, device, work, out))
            say(f"{run.name} done")
        figures |= _figures(split, outcomes, published if split == "as-published" else {})
    return figures


def _kept(run: Run, scans: Scans, preset: Preset, device: torch.device, work: Path, out: Path) -> Tested:
    """Train one network and write what it says; with the top-one and top-two shares of M&A."""
    plan = Plan(preset.epochs, batch=8, seed=run.seed)
    folder = work / "log" / f"{run.name}-{preset.epochs}-{preset.patients}"
    outcome = train(run, scans, plan, device, folder)
    these = predictions(outcome, scans, f"{run.split}-{run.seed}")
    write_predictions(these, out.with_name(f"{out.name}.{run.split}-{run.seed}.predictions.csv"))
    return these, top_two(outcome)


def predictions(outcome: Outcome, scans: Scans, fold: str) -> Predictions:
    """One line an image as it was entered; the label is what it was entered as."""
    entered = outcome.entered
    return Predictions(
        tuple(scans.patients[e.patient] for e in entered),
        tuple(e.name for e in entered),
        (fold,) * len(entered),
        tuple(e.entered_as for e in entered),
        CLASSES,
        outcome.scores,
    )


def _figures(split: str, tested: list[Tested], published: Mapping[str, float]) -> dict[str, Figure]:
    """The mean over seeds of every average, with the interval of the first seed's patients."""
    rows = [_averages(p) for p, _ in tested]
    first = tested[0][0]
    drawn = resampled(lambda i: np.array(list(_averages(first, i).values())), first.patients, resamples=1000)
    out: dict[str, Figure] = {}
    for k, name in enumerate(rows[0]):
        if not np.isfinite(rows[0][name]):  # a class without a case
            continue
        low, high = interval(drawn[:, [k]])[0]
        beside: dict[str, Any] = {"published": published[name]} if name in published else {}
        beside |= {"leaky": True} if split == "as-published" else {}
        value = float(np.mean([r[name] for r in rows]))
        out[f"{name} {split}"] = figure(value, float(low), float(high), n=len(first), seeds=len(rows), **beside)
    for k, name in enumerate(("M&A, M or A first", "M&A, M and A first two")):
        share = [tops[k] for _, tops in tested if np.isfinite(tops[k])]
        if share:
            out[f"{name} {split}"] = figure(float(np.mean(share)), min(share), max(share), seeds=len(share))
    return out


def _averages(these: Predictions, chosen: Int[np.ndarray, " m"] | None = None) -> dict[str, float]:
    i = np.arange(len(these)) if chosen is None else chosen
    truth, scores = these.truth[i], these.scores[i]
    c = metrics.confusion(truth, scores)
    n_a, n_m, m_a = (int(c[a, b] + c[b, a]) for a, b in ((0, 2), (0, 1), (1, 2)))
    errors = max(1, n_a + n_m + m_a)
    shares = {"N–A among errors": n_a / errors, "N–M among errors": n_m / errors, "M–A among errors": m_a / errors}
    return {**metrics.averages(c), "auc": metrics.macro_auc(truth, scores), **shares}
