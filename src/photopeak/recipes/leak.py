"""A4-leak: how much of the published figure is leak, over many splits of each kind.

One split says little: the next differs from it by more than any leak. So dSPIC-AM is taught on D_2 many times, each
time three ways with the same seed, at a quarter of the pixels so that many trainings are possible:

- as published: images drawn after augmentation, so that siblings of test images are taught;
- apart: the same images, divided by patient. As published minus apart is the leak, and nothing else;
- clean: divided by patient, tested on originals alone. Apart minus clean is what copies do to the test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float

from photopeak.classify.scans import Scans
from photopeak.evaluate import metrics
from photopeak.evaluate.predictions import Predictions, read_predictions, write_predictions
from photopeak.learning.plan import Plan
from photopeak.patients.difficulty import Difficulty
from photopeak.recipes.difficulty import COHORT_SEED, published_scans
from photopeak.recipes.dspic import Run, SplitName, train
from photopeak.recipes.dspic_study import predictions
from photopeak.recipes.outcome import Figure, figure

WAYS: Final[tuple[SplitName, ...]] = ("as-published", "apart", "clean")
GAPS: Final = {"leak": ("as-published", "apart"), "copies": ("apart", "clean")}
FIGURES: Final = ("accuracy", "auc")
SHRINK: Final = 2


@dataclass(frozen=True)
class Preset:
    """How many of the 384 patients, how many epochs, how many splits of each kind."""

    patients: int
    epochs: int
    splits: int


PRESETS: Final = {"smoke": Preset(8, 1, 2), "quick": Preset(384, 11, 8), "full": Preset(384, 300, 20)}


def study(preset: Preset, work: Path, device: torch.device, out: Path, say: Callable[[str], None]) -> dict[str, Figure]:
    """Teach and test every way on every split; a split that ``work`` holds already is not taught again."""
    cohort = work / f"published-{preset.patients}.npz"
    scans = published_scans(Difficulty.frozen(), COHORT_SEED, cohort, preset.patients)
    told = []
    for seed in range(preset.splits):
        for way in WAYS:
            told.append(_told(Run(split=way, seed=seed, shrink=SHRINK), scans, preset, device, work))
            say(f"{way}, split {seed}: accuracy {_values(told[-1])[0]:.3f}, area {_values(told[-1])[1]:.3f}")
    write_predictions(joined(told), out.with_name(f"{out.name}.predictions.csv"))
    values = np.array([_values(t) for t in told]).reshape(preset.splits, len(WAYS), len(FIGURES))
    return figures(values)


def _told(run: Run, scans: Scans, preset: Preset, device: torch.device, work: Path) -> Predictions:
    name = f"{run.name}-{preset.epochs}-{preset.patients}"
    kept = work / f"{name}.predictions.csv"
    if not kept.exists():
        plan = Plan(preset.epochs, batch=8, seed=run.seed)
        outcome = train(run, scans, plan, device)  # minutes: a cut run begins its last training anew
        write_predictions(predictions(outcome, scans, f"{run.split}-{run.seed}"), kept)
    return read_predictions(kept)


def joined(these: Sequence[Predictions]) -> Predictions:
    """One table of several, told apart by their folds."""
    names = ("patients", "views", "folds", "labels")
    words: dict[str, Any] = {n: tuple(x for p in these for x in getattr(p, n)) for n in names}
    return Predictions(**words, classes=these[0].classes, scores=np.concatenate([p.scores for p in these]))


def _values(these: Predictions) -> tuple[float, float]:
    return metrics.accuracy(metrics.confusion(these.truth, these.scores)), metrics.macro_auc(these.truth, these.scores)


def figures(values: Float[np.ndarray, "split way figure"]) -> dict[str, Figure]:
    """Each way's mean, and the gaps between ways on the same split, with 95 % intervals of Student's t over splits."""
    out: dict[str, Figure] = {}
    for k, name in enumerate(FIGURES):
        for w, way in enumerate(WAYS):
            beside: dict[str, Any] = {"leaky": True} if way == "as-published" else {}
            out[f"{name} {way}"] = _mean(values[:, w, k], **beside)
        for gap, (one, other) in GAPS.items():
            out[f"{name}, {gap}: {one} minus {other}"] = _mean(
                values[:, WAYS.index(one), k] - values[:, WAYS.index(other), k]
            )
    return out


def _mean(values: Float[np.ndarray, " split"], **beside: Any) -> Figure:
    from scipy import stats

    n, mean, sd = len(values), float(values.mean()), float(values.std(ddof=1))
    half = float(stats.t.ppf(0.975, n - 1)) * sd / n**0.5
    return figure(mean, mean - half, mean + half, n=n, sd_of_splits=round(sd, 4), **beside)
