"""A13 and A15: a simple convolutional network at small input, without and with the left–right difference beside it.

Papandrianos et al. read bone scans of men with prostate cancer with a few convolutions
:cite:`papandrianos2020prostate`. The same network is given a second channel in A15: the image minus itself mirrored
about the body's midline, which the dSPIC paper names as future work :cite:`lin2021dspic`. Input: each view by itself,
min–max normalised as dSPIC's, then means of 2 × 2 pixels (256 × 64, 9.2 mm); mirrored and shifted at random while it is
taught.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Float16

from photopeak.classify.scans import Scans
from photopeak.classify.symmetry import asymmetry
from photopeak.evaluate.predictions import Predictions, read_predictions, write_predictions
from photopeak.learning.devices import placed
from photopeak.learning.fit import fit
from photopeak.learning.plan import Batch, Plan
from photopeak.learning.regimes import Supervised
from photopeak.networks.simple import SimpleCnn
from photopeak.recipes import older
from photopeak.recipes.dspic import Outcome as Tested
from photopeak.recipes.dspic import cross_entropy, probabilities
from photopeak.recipes.dspic_data import Entered, images, numbers
from photopeak.recipes.dspic_study import predictions
from photopeak.recipes.leak import joined
from photopeak.recipes.outcome import Figure

SHRINK: Final = 2
SHIFT_PX: Final = 3
PLAIN, SYMMETRY = "simple CNN", "simple CNN with symmetry"
CHANNELS: Final = {PLAIN: 1, SYMMETRY: 2}
WAYS: Final = {"A13": (PLAIN,), "A15": (PLAIN, SYMMETRY)}


@dataclass(frozen=True)
class Varied(Plan):
    """Each batch mirrored with probability one half and shifted by up to ``SHIFT_PX`` pixels each way."""

    def augment(self, batch: Batch, rng: torch.Generator) -> Batch:
        x = batch["images"]
        flip, rows, columns = torch.rand(3, generator=rng, device=rng.device).tolist()
        shift = [round((2 * r - 1) * SHIFT_PX) for r in (rows, columns)]
        x = torch.roll(x.flip(-1) if flip < 0.5 else x, shift, (-2, -1))  # the border of a scan is empty
        return {**batch, "images": x}


def inputs(scans: Scans, entered: Sequence[Entered], channels: int) -> Float16[np.ndarray, "n c y x"]:
    """The images as the network sees them."""
    whole = images(scans, entered).astype(np.float32)
    n, _, rows, columns = whole.shape
    small: Float[np.ndarray, "n 1 y x"] = whole.reshape(n, 1, rows // SHRINK, SHRINK, columns // SHRINK, SHRINK).mean(
        (3, 5)
    )
    if channels == 1:
        return np.asarray(small, np.float16)
    beside = np.stack([asymmetry(x[0]) for x in small])[:, None]
    return np.asarray(np.concatenate((small, beside), 1), np.float16)


def teach(
    way: str, scans: Scans, training: Sequence[Entered], seed: int, epochs: int, device: torch.device
) -> SimpleCnn:
    """One network on these images."""
    torch.manual_seed(seed)
    shown = inputs(scans, training, CHANNELS[way])
    network = SimpleCnn((shown.shape[2], shown.shape[3]), CHANNELS[way])
    placed(network, device)
    examples = {"images": torch.from_numpy(shown), "labels": torch.from_numpy(numbers(training))}
    fit(network, Supervised(cross_entropy, 1e-4), examples, Varied(epochs, 16, 1e-3, "cosine", seed=seed))
    return network


def told(way: str, scans: Scans, seed: int, preset: older.Preset, work: Path, device: torch.device) -> Predictions:
    """What the network of one split says of its tests; kept in ``work``, and not taught again where it is."""
    name = f"{older.file_name(way)}-{seed}-{preset.epochs}-{preset.patients}"
    kept = work / f"{name}.predictions.csv"
    if not kept.exists():
        training, testing = older.divided(scans, seed)
        network = teach(way, scans, training, seed, preset.epochs, device)
        scores = probabilities(network, inputs(scans, testing, CHANNELS[way]))
        write_predictions(predictions(Tested(list(testing), scores), scans, f"clean-{seed}"), kept)
    return read_predictions(kept)


def study(
    key: str, preset: older.Preset, work: Path, device: torch.device, out: Path, say: Callable[[str], None]
) -> dict[str, Figure]:
    """Every way of A13 or A15 on every split; A15 also says what the second channel adds."""
    scans, found = older.cohort(preset, work), dict[str, Figure]()
    tables = dict[str, Predictions]()
    for way in WAYS[key]:
        each = []
        for seed in preset.seeds:
            each.append(told(way, scans, seed, preset, work, device))
            say(f"{way}, split {seed}: accuracy {older.values(each[-1])['accuracy']:.3f}")
        tables[way] = joined(each)
        write_predictions(tables[way], out.with_name(f"{out.name}.{older.file_name(way)}.predictions.csv"))
        found |= older.figures(way, tables[way], preset.resamples)
    if key == "A15":
        found |= older.differences("with symmetry minus without", tables[SYMMETRY], tables[PLAIN], preset.resamples)
    return found
