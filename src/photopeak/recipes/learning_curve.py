"""A18: how well the older ways read when they are taught with fewer patients.

On each split the tests stay the same, and the patients to teach with are a part of those of the full split, smaller
parts within larger ones, each class in its share. A way that still rises at the end wants more patients; one that is
flat wants other information.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch

from photopeak.classify.scans import Scans
from photopeak.evaluate.predictions import Predictions, read_predictions, write_predictions
from photopeak.recipes import older
from photopeak.recipes.dspic import Outcome as Tested
from photopeak.recipes.dspic import probabilities
from photopeak.recipes.dspic_data import Entered
from photopeak.recipes.dspic_study import predictions
from photopeak.recipes.hot_spot_reading import Described, describe, read
from photopeak.recipes.leak import joined
from photopeak.recipes.outcome import Figure
from photopeak.recipes.simple_cnn import CHANNELS, PLAIN, inputs, teach

SHARES: Final = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Of the patients to teach with."""
HOT_SPOTS: Final = "random forest, hot spots"
WAYS: Final = (HOT_SPOTS, PLAIN)
MOST_EPOCHS: Final = 4
"""Fewer patients are shown more often, up to this many times, so that a small part is not merely taught less."""


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
    d = describe(scans, work / f"hot-spots-{preset.patients}.npz")
    found = dict[str, Figure]()
    for way in WAYS:
        for share in SHARES:
            each, sizes = [], list[int]()
            for seed in preset.seeds:
                training, testing = older.divided(scans, seed)
                mine = part(training, share, seed)
                sizes.append(len({e.patient for e in mine}))
                kept = work / f"{_file(way, share)}-{seed}-{preset.epochs}-{preset.patients}.predictions.csv"
                if not kept.exists():
                    tested = _tested(way, scans, d, (mine, testing), (seed, preset.epochs, share, device))
                    write_predictions(predictions(tested, scans, f"clean-{seed}"), kept)
                each.append(read_predictions(kept))
            found |= _shown(way, share, joined(each), sizes, (preset.resamples, out))
            say(f"{way}, {sizes[0]} patients: area {older.values(joined(each))['auc']:.3f}")
    return found


def _tested(
    way: str,
    scans: Scans,
    d: Described,
    divided: tuple[list[Entered], list[Entered]],
    how: tuple[int, int, float, torch.device],
) -> Tested:
    (mine, testing), (seed, epochs, share, device) = divided, how
    if way == HOT_SPOTS:
        return read(way, d, mine, testing, seed)
    network = teach(way, scans, mine, seed, round(epochs * min(MOST_EPOCHS, 1 / share)), device)
    return Tested(testing, probabilities(network, inputs(scans, testing, CHANNELS[way])))


def _shown(
    way: str, share: float, these: Predictions, sizes: Sequence[int], how: tuple[int, Path]
) -> dict[str, Figure]:
    """The figures of one way and share; the number of patients taught stands in the name."""
    resamples, out = how
    write_predictions(these, out.with_name(f"{out.name}.{_file(way, share)}.predictions.csv"))
    figures = older.figures(f"{way}, {round(float(np.mean(sizes)))} patients", these, resamples)
    return {name: f for name, f in figures.items() if name.startswith(("accuracy:", "auc:"))}


def _file(way: str, share: float) -> str:
    return f"{way.replace(', ', '-').replace(' ', '-')}-1-of-{round(1 / share)}"
