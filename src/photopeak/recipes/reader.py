"""R1: the Photopeak reader against dSPIC-AM, once, on patients that nobody has seen.

Four ways are taught, each with several seeds: the reader; the reader without pixel truth; dSPIC-AM on the reader's own
patients; dSPIC-AM as published, on D_2 of the published cohort. The fresh cohort's seed is the first 8 hex digits of
the sha256 of the reader's weights, so it cannot be tuned to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import expit
from torch import nn

from photopeak.classify.asking import diagnoses
from photopeak.classify.scans import Scans, scans_of
from photopeak.classify.teaching import TeachReader, examples, mirror_of, teach_all, teach_labels
from photopeak.learning.devices import placed
from photopeak.learning.fit import fit
from photopeak.learning.plan import Plan
from photopeak.learning.regimes import Supervised
from photopeak.learning.splits import split_patients
from photopeak.networks.dspic import Dspic
from photopeak.networks.reader import Reader
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.protocol import Clinic
from photopeak.recipes.dspic import cross_entropy, probabilities
from photopeak.recipes.dspic_data import D_2, D_2_ENTRIES, Entered, copied, images, numbers

TEACHING_MIX: Final = "N=0.31,M=0.25,A=0.28,M&A=0.16"
TEACHING_SEED: Final = 20210
FRESH_MIX: Final = "N=0.40,M=0.22,A=0.26,M&A=0.12"


@dataclass(frozen=True)
class Preset:
    """How large and how long."""

    patients: int
    epochs: int
    dspic_epochs: int
    fresh: int
    published: int
    """Patients of the published cohort that are taken, all 384 or the first."""
    seeds: tuple[int, ...]


PRESETS: Final = {
    "smoke": Preset(10, 1, 1, 6, 8, (0,)),
    "quick": Preset(600, 12, 11, 2000, 384, (0,)),
    "full": Preset(2200, 30, 11, 2000, 384, (0, 1, 2)),
}


def cohort(mix: str, patients: int, seed: int, quiet: bool = True) -> Scans:
    """Scans of the virtual clinic at the frozen difficulty."""
    return scans_of(Clinic(BoneScan(mix=mix, difficulty=Difficulty.frozen()), patients, seed), quiet=quiet)


def apart(scans: Scans, seed: int = 0) -> tuple[Scans, Scans]:
    """Scans to teach with, and a seventh of the patients to calibrate on."""
    split = split_patients(scans.patients, scans.classes, 1 / 7, seed)
    return scans[split.train], scans[split.test]


def teach_reader(
    scans: Scans, preset: Preset, seed: int, pixels: bool, device: torch.device, folder: Path | None = None
) -> Reader:
    """The reader, taught with pixel truth or with the diagnoses alone."""
    torch.manual_seed(seed)
    network = Reader(len(scans.region_names))
    placed(network, device)
    plan = TeachReader(preset.epochs, 32, 1.5e-3, "cosine", seed=seed, mirrored=mirror_of(scans.region_names))
    fit(network, Supervised(teach_all if pixels else teach_labels, 0.02), examples(scans), plan, folder=folder)
    return network


def teach_dspic(
    scans: Scans, entered: Sequence[Entered], preset: Preset, seed: int, device: torch.device, folder: Path
) -> Dspic:
    """dSPIC-AM with the adaptive head, taught as published."""
    torch.manual_seed(seed)
    size = scans.counts.shape[2:]
    network = Dspic("dspic-am", (size[0], size[1]), "adaptive")
    placed(network, device)
    data = {"images": torch.from_numpy(images(scans, entered)), "labels": torch.from_numpy(numbers(entered))}
    # As many steps as on D_2 where there are more images.
    epochs = max(1, round(preset.dspic_epochs * min(1.0, D_2_ENTRIES / len(entered))))
    fit(network, Supervised(cross_entropy), data, Plan(epochs, batch=8, seed=seed), folder=folder)
    return network


def reader_scores(network: nn.Module, scans: Scans) -> Float[np.ndarray, "n 3"]:
    """Probabilities of N, M and A for each patient, independent: p(N) = (1 − p(M)) (1 − p(A))."""
    p = expit(diagnoses(network, scans.counts).astype(np.float64))
    return np.stack(((1 - p[:, 0]) * (1 - p[:, 1]), p[:, 0], p[:, 1]), 1)


def dspic_scores(network: nn.Module, scans: Scans) -> Float[np.ndarray, "n 3"]:
    """Probabilities of N, M and A for each patient: the mean of the views' own, which exclude each other."""
    views = copied(scans, {}, 0, double=False)
    scores: Float[np.ndarray, "n 3"] = probabilities(network, images(scans, views)).reshape(-1, 2, 3).mean(1)
    return scores


def published_teaching(scans: Scans, seed: int) -> list[Entered]:
    """D_2 of every patient of the published cohort."""
    return copied(scans, D_2, seed)


def same_teaching(scans: Scans) -> list[Entered]:
    """Every image of the reader's own patients: more patients, so no copies."""
    return copied(scans, {}, 0)
