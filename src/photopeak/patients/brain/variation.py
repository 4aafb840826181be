"""How one head differs from the textbook's: size, side, age, and how it lies in the head holder.

Sizes at 45 years and what age does to them follow charts of the human brain over the lifespan
:cite:`bethlehem2022,potvin2016`: ventricles and sulci widen faster and faster from middle age on, cortex and
striatum shrink slowly and evenly. The spread between people and between sides is a judgement within their centiles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from photopeak.patients.brain.structures import SIDES

#: structures that vary by themselves, and what a decade after 45 years does to their volume
VARYING: Mapping[str, float] = {
    "caudate": -0.035,
    "putamen": -0.050,
    "pallidum": -0.025,
    "thalamus": -0.040,
    "hippocampus": -0.050,
    "ventricle": 0.0,  # widened by ``ventricle`` below
}
SIZE_SD, SHIFT_SD_MM, TURN_SD_DEG = 0.022, 0.7, 2.0
WOMEN = 0.966
"""A woman's head is this much as long, wide and high as a man's: nine tenths of its volume."""
TILT_SD_DEG = 2.5
BADLY_PLACED = 0.08
"""Share of patients whose head fell to a side in the holder, by 8 to 15 degrees."""


@dataclass(frozen=True)
class Change:
    """Of one structure on one side: its linear size, place (mm) and turn about the patient's axis (degrees)."""

    size: float = 1.0
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn_deg: float = 0.0


@dataclass(frozen=True)
class Pose:
    """The head in the holder: turns about x (nod), y (tilt to a shoulder) and z (look aside), and its place."""

    turns_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Variation:
    """One head. Lengths in mm of a head of standard size, which ``scale`` makes this one's."""

    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gap_mm: float = 1.2
    sulcus_mm: float = 0.40
    cortex_mm: float = 2.7
    ventricle: float = 1.0
    third_mm: float = 2.0
    skull_mm: float = 6.5
    scalp_mm: float = 5.0
    changes: Mapping[str, Change] | None = None
    folds: int = 0
    pose: Pose = Pose()

    def of(self, name: str, side: str) -> Change:
        """What is different about one structure."""
        return (self.changes or {}).get(f"{side} {name}", Change())


def draw_variation(rng: np.random.Generator, sex: str, age_years: float, atrophy: float = 0.0) -> Variation:
    """A head of this sex and age; ``atrophy`` is loss beyond that of age, in standard deviations of it."""
    whole = rng.normal(1.0, 0.025) * (WOMEN if sex == "F" else 1.0)
    scale = tuple(float(s) for s in whole * rng.normal(1.0, 0.018, 3))
    decades = (age_years - 45.0) / 10.0
    late = max(0.0, (age_years - 30.0) / 45.0) ** 2  # 1 at 75 years
    aged = float(np.clip(rng.normal(atrophy, 1.0), -1.8, 3.5))
    widened = 1.1 + 0.65 * late * math.exp(0.28 * aged)
    changes = {
        f"{side} {name}": Change(
            float(((1.0 + decades * slope) * math.exp(3.0 * SIZE_SD * rng.normal())) ** (1.0 / 3.0)),
            (float(rng.normal(0, SHIFT_SD_MM)), float(rng.normal(0, SHIFT_SD_MM)), float(rng.normal(0, SHIFT_SD_MM))),
            float(rng.normal(0, TURN_SD_DEG)),
        )
        for name, slope in VARYING.items()
        for side in SIDES
    }
    return Variation(
        scale=(scale[0], scale[1], scale[2]),
        gap_mm=0.9 + 0.9 * late * math.exp(0.2 * aged),
        sulcus_mm=0.34 + 0.30 * late * math.exp(0.25 * aged),
        cortex_mm=float(np.clip(rng.normal(2.85, 0.10) - 0.06 * decades - 0.05 * aged, 2.1, 3.2)),
        ventricle=float(widened * np.exp(rng.normal(0.0, 0.13))),
        third_mm=1.3 + 1.6 * late * math.exp(0.2 * aged),
        skull_mm=float(np.clip(rng.normal(6.6, 0.8), 4.5, 9.0)),
        scalp_mm=float(np.clip(rng.normal(5.0, 0.8), 3.5, 7.5)),
        changes=changes,
        folds=int(rng.integers(2**31)),
        pose=_draw_pose(rng),
    )


def _draw_pose(rng: np.random.Generator) -> Pose:
    turns = rng.normal(0.0, TILT_SD_DEG, 3)
    if rng.random() < BADLY_PLACED:
        turns[rng.integers(0, 3)] += rng.choice((-1.0, 1.0)) * rng.uniform(8.0, 15.0)
    shift = rng.normal(0.0, (3.0, 3.0, 5.0))
    return Pose(
        (float(turns[0]), float(turns[1]), float(turns[2])), (float(shift[0]), float(shift[1]), float(shift[2]))
    )
