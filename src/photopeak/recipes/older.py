"""What the older ways of reading bone scans share: the patients, the split, and the figures.

They are the published cohort at the frozen difficulty on D_1 (no copies), divided by patient exactly as the clean split
of A4-d1: with seed 0, the same images are tested, entered the same way, as dSPIC-AM's. Over several splits a figure is
the mean of the splits' figures; its interval draws patients, with all their images in all splits together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int

from photopeak.classify.scans import Scans
from photopeak.evaluate import metrics
from photopeak.evaluate.bootstrap import interval, resampled
from photopeak.evaluate.predictions import Predictions
from photopeak.patients.difficulty import Difficulty
from photopeak.recipes.difficulty import COHORT_SEED, PATIENTS, published_scans
from photopeak.recipes.dspic_data import D_1, Entered, clean, copied
from photopeak.recipes.outcome import Figure, Outcome, figure


@dataclass(frozen=True)
class Preset:
    """How many of the 384 patients, the seeds of the splits, epochs of a network, resamples of an interval."""

    patients: int
    seeds: tuple[int, ...]
    epochs: int
    resamples: int = 1000


PRESETS: Final = {
    "smoke": Preset(8, (0,), 1, 20),
    "quick": Preset(PATIENTS, (0, 1, 2), 30),
    "full": Preset(PATIENTS, tuple(range(10)), 100),
}


def cohort(preset: Preset, work: Path) -> Scans:
    """The scans; kept in ``work``, which several studies may share."""
    kept = work / f"published-{preset.patients}.npz"
    return published_scans(Difficulty.frozen(), COHORT_SEED, kept, preset.patients)


def begun(key: str, name: str) -> Outcome:
    """The record of a study of this cohort, without its figures."""
    preset = PRESETS[name]
    words = {"protocol": "bone-scan", "cohort": "published", "seed": COHORT_SEED, "difficulty": "frozen"}
    return Outcome(key, name, preset.seeds, words | {"patients": preset.patients, "split": "by patient", "data": "D_1"})


def file_name(way: str) -> str:
    """A way's name in the name of its file.

    >>> file_name("random forest, hot spots")
    'random-forest-hot-spots'
    """
    return way.replace(", ", "-").replace(" ", "-")


def divided(scans: Scans, seed: int) -> tuple[list[Entered], list[Entered]]:
    """The images to teach with and those to test, as A4-d1 has them."""
    return clean(scans, D_1, seed)


def every_image(scans: Scans) -> list[Entered]:
    """Both views of each patient once, in the order patient 0 anterior, 0 posterior, 1 anterior …"""
    return copied(scans, {}, 0, double=False)


def places(entered: Sequence[Entered]) -> Int[np.ndarray, " n"]:
    """Where each entered image stands among ``every_image``."""
    return np.array([2 * e.patient + e.view for e in entered], np.int64)


def values(these: Predictions, chosen: Int[np.ndarray, " m"] | None = None) -> dict[str, float]:
    """Accuracy, areas and sensitivities: the mean over the splits (folds) of these cases."""
    chosen = np.arange(len(these)) if chosen is None else chosen
    truth, scores, folds = these.truth[chosen], these.scores[chosen], np.array(these.folds)[chosen]
    rows = [
        _of_one(these.classes, truth[folds == f], scores[folds == f])
        for f in dict.fromkeys(these.folds)
        if (folds == f).any()
    ]
    table = np.array([list(r.values()) for r in rows])
    known = np.isfinite(table)
    sums = np.where(known, table, 0.0).sum(0)
    means = np.divide(sums, known.sum(0), out=np.full(len(sums), np.nan), where=known.any(0))
    return dict(zip(rows[0], means.tolist(), strict=True))


def _of_one(classes: Sequence[str], truth: metrics.Truth, scores: metrics.Scores) -> dict[str, float]:
    c, areas = metrics.confusion(truth, scores), metrics.aucs(truth, scores)
    sensitivity = metrics.per_class(c)["sensitivity"]
    found = {"accuracy": metrics.accuracy(c), "auc": float(areas.mean())}
    found |= {f"auc_{k}": float(a) for k, a in zip(classes, areas, strict=True)}
    return found | {f"sensitivity_{k}": float(s) for k, s in zip(classes, sensitivity, strict=True)}


def figures(way: str, these: Predictions, resamples: int, **beside: Any) -> dict[str, Figure]:
    """Every figure of one way, with its interval, by "figure: way"."""
    found = values(these)
    drawn = resampled(lambda i: np.array(list(values(these, i).values())), these.patients, resamples)
    return _with_ends(way, found, drawn, these, beside)


def differences(way: str, a: Predictions, b: Predictions, resamples: int) -> dict[str, Figure]:
    """a − b with both asked about the same images, whose patients are drawn together."""
    pair = (values(a), values(b))

    def both(i: Int[np.ndarray, " m"]) -> Float[np.ndarray, " s"]:
        one, other = (np.array(list(values(x, i).values())) for x in (a, b))
        return np.asarray(one - other)

    drawn = resampled(both, a.patients, resamples)
    return _with_ends(way, {k: pair[0][k] - pair[1][k] for k in pair[0]}, drawn, a, {})


def _with_ends(
    way: str,
    found: dict[str, float],
    drawn: Float[np.ndarray, "resample s"],
    these: Predictions,
    beside: dict[str, Any],
) -> dict[str, Figure]:
    out: dict[str, Figure] = {}
    for k, (name, value) in enumerate(found.items()):
        if np.isfinite(value):  # a class without a case has no figure
            low, high = interval(drawn[:, [k]])[0]
            more = {"splits": len(set(these.folds)), **beside}
            out[f"{name}: {way}"] = figure(value, float(low), float(high), n=len(set(these.patients)), **more)
    return out
