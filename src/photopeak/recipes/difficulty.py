"""How hard the virtual clinic is: chosen once, so that the published network lands near its published figures.

Several difficulties are tried. At each the published cohort is simulated and dSPIC-AM is trained on D_2 as published;
the one whose accuracy and area under the curve come nearest to .7747 and .9272 is frozen, before any network of ours is
tried.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int

from photopeak.classify.scans import Scans, load_scans, save_scans, scans_of
from photopeak.learning.plan import Plan
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.protocol import Clinic
from photopeak.recipes.dspic import Run, train
from photopeak.recipes.dspic_data import numbers

ACCURACY, ACCURACY_WITHIN = 0.7747, 0.03
AUC, AUC_WITHIN = 0.9272, 0.02
PATIENTS = 384


@dataclass(frozen=True)
class Trial:
    """What dSPIC-AM reached at one difficulty."""

    difficulty: Difficulty
    accuracy: float
    auc: float
    confusion: Int[np.ndarray, "3 3"]
    """Row: entered as N, M, A; column: what the network said."""

    @property
    def distance(self) -> float:
        """How far from the published figures, in units of what is allowed; ≤ 1 is inside both."""
        return max(abs(self.accuracy - ACCURACY) / ACCURACY_WITHIN, abs(self.auc - AUC) / AUC_WITHIN)

    @property
    def normal_and_arthritic_most_confused(self) -> bool:
        """As the paper says in its text: N for A and A for N are the most frequent errors."""
        both = self.confusion + self.confusion.T
        return bool(both[0, 2] >= max(both[0, 1], both[1, 2]))


def candidates(contrasts: Sequence[float], uptakes: Sequence[float]) -> Iterator[Difficulty]:
    """Difficulties that scale metastases and arthritis, and leave everything else at its clinical prior."""
    for contrast in contrasts:
        for uptake in uptakes:
            yield Difficulty(lesion_contrast_scale=contrast, arthritis_uptake_scale=uptake)


def published_scans(difficulty: Difficulty, seed: int, cache: Path | None = None, patients: int = PATIENTS) -> Scans:
    """The published cohort at a difficulty, or its first patients, kept in ``cache`` where one is named."""
    if cache is not None and cache.exists():
        return load_scans(cache)
    clinic = Clinic(BoneScan(cohort="published", difficulty=difficulty), PATIENTS, seed)
    scans = scans_of(clinic, first=patients)
    if cache is not None:
        save_scans(scans, cache)
    return scans


def trial(difficulty: Difficulty, scans: Scans, plan: Plan, device: torch.device, run: Run) -> Trial:
    """Train the published network once."""
    from sklearn.metrics import confusion_matrix, roc_auc_score

    outcome = train(run, scans, plan, device)
    truth = numbers(outcome.entered)
    said = outcome.scores.argmax(1)
    return Trial(
        difficulty,
        float(np.mean(said == truth)),
        float(roc_auc_score(truth, outcome.scores, multi_class="ovr")),
        confusion_matrix(truth, said, labels=[0, 1, 2]),
    )


def described(one: Trial) -> dict[str, object]:
    """A trial as JSON: only the knobs that were turned."""
    plain = dataclasses.asdict(Difficulty())
    turned = {k: v for k, v in dataclasses.asdict(one.difficulty).items() if v != plain[k]}
    return {"turned": turned, "accuracy": one.accuracy, "auc": one.auc, "confusion": one.confusion.tolist()}
