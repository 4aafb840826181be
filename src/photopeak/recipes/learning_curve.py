"""A18: how well the older ways read when they are taught with fewer patients.

On each split the tests stay the same, and the patients to teach with are a part of those of the full split, smaller
parts within larger ones, each class in its share. Networks are taught for the same number of epochs, so with fewer
patients in fewer steps too. A way that still rises at the end wants more patients; one that is flat wants other
information.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch

from photopeak.classify.scans import Scans
from photopeak.evaluate.predictions import Predictions, read_predictions, write_predictions
from photopeak.recipes import older, simple_cnn
from photopeak.recipes.dspic import Outcome as Tested
from photopeak.recipes.dspic import probabilities
from photopeak.recipes.dspic_data import Entered
from photopeak.recipes.dspic_study import predictions
from photopeak.recipes.hot_spot_reading import Described, describe, read
from photopeak.recipes.leak import joined
from photopeak.recipes.outcome import Figure
from photopeak.recipes.simple_cnn import PLAIN

SHARES: Final = (1 / 27, 1 / 9, 1 / 3, 1.0)
"""Of the patients to teach with."""
HOT_SPOTS: Final = "random forest, hot spots"
WAYS: Final = (HOT_SPOTS, PLAIN)


def part(training: Sequence[Entered], share: float, seed: int) -> list[Entered]:
    """The images of the first patients of each class, in an order that depends on the seed alone."""
    chosen = set[int]()
    for label in sorted({e.label for e in training}):
        of_class = np.array(sorted({e.patient for e in training if e.label == label}))
        order = np.random.default_rng([seed, 18]).permutation(of_class)
        chosen.update(order[: max(1, round(share * len(order)))].tolist())
    return [e for e in training if e.patient in chosen]


def study(
    preset: older.Preset, work: Path, device: torch.device, out: Path, say: Callable[[str], None]
) -> dict[str, Figure]:
    """Every way with every share on every split; predictions go beside ``out``, one file a way and share."""
    scans = older.cohort(preset, work)
    d = describe(scans, work / f"hot-spots-with-boxes-{preset.patients}.npz")
    found = dict[str, Figure]()
    for way in WAYS:
        for share in SHARES:
            name = f"{older.file_name(way)}-1-of-{round(1 / share)}"
            each = [told(way, share, scans, d, Place(seed, preset, work, device)) for seed in preset.seeds]
            these = joined(each)
            write_predictions(these, out.with_name(f"{out.name}.{name}.predictions.csv"))
            n = patients_taught(scans, share, preset.seeds[0])
            figures = older.figures(f"{way}, {n} patients (1 of {round(1 / share)})", these, preset.resamples)
            found |= {k: f for k, f in figures.items() if k.startswith(("accuracy:", "auc:"))}
            say(f"{way}, {n} patients: area {older.values(these)['auc']:.3f}")
    return found


@dataclass(frozen=True)
class Place:
    """Which split, how long, where predictions are kept, and what it is computed on."""

    seed: int
    preset: older.Preset
    work: Path
    device: torch.device


def patients_taught(scans: Scans, share: float, seed: int) -> int:
    """How many patients a share is; the same for every split, but for rounding."""
    return len({e.patient for e in part(older.divided(scans, seed)[0], share, seed)})


def told(way: str, share: float, scans: Scans, d: Described, place: Place) -> Predictions:
    """What one way, taught with a share of one split, says of that split's tests."""
    seed, preset = place.seed, place.preset
    training, testing = older.divided(scans, seed)
    mine, fold = part(training, share, seed), f"clean-{seed}"
    if way == HOT_SPOTS:
        return predictions(read(way, d, mine, testing, seed), scans, fold)
    if share == 1:  # that is A13
        return simple_cnn.told(way, scans, seed, preset, place.work, place.device)
    kept = place.work / f"curve-1-of-{round(1 / share)}-{seed}-{preset.epochs}-{preset.patients}.predictions.csv"
    if not kept.exists():
        network = simple_cnn.teach(way, scans, mine, seed, preset.epochs, place.device)
        scores = probabilities(network, simple_cnn.inputs(scans, testing, simple_cnn.CHANNELS[way]))
        write_predictions(predictions(Tested(testing, scores), scans, fold), kept)
    return read_predictions(kept)
