"""How therapy with Lu-177 comes and goes: activity concentration of every organ and tumour over the days.

    C(t) = Σ_k a_k e^{−r_k t}

per activity given: one phase of uptake and one of clearance in organs and tumours, two of clearance in blood and what
it fills. Clearance is set by the effective half-life, and the level by the absorbed dose that a patient's organs
receive for each GBq, with both spread log-normally among patients:

- DOTATATE: kidneys 0.4 to 0.6 Gy/GBq and marrow some 0.03 :cite:`sandstrom2013`; liver, spleen and tumours as later
  series have them. Kidneys clear with 51 h, liver and spleen with 67 h, tumours with 80 to 110 h.
- PSMA-617: kidneys 0.8 Gy/GBq with 36 h, marrow 0.03 :cite:`delker2016,violet2019`.

What muscle, bowel and gastric wall hold is a judgement from how such scans look.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from photopeak.physics.electrons import electron_kev
from photopeak.physics.point_kernels import MGY_PER_KEV_G

Agent = Literal["dotatate", "psma"]
UPTAKE_H, TUMOUR_UPTAKE_H, BLOOD_H = 0.4, 2.5, 1.6  # half-lives of uptake, and of blood's first clearance
BLOOD_FIRST: Final = 6.0  # how much higher blood and muscle stand at first than their slow phase says
SECONDS_AN_HOUR: Final = 3600.0


@dataclass(frozen=True)
class Level:
    """Gy per GBq and effective half-life in hours: medians and spreads of their logarithms."""

    gy_per_gbq: float
    gy_sd: float
    half_life_h: float
    half_life_sd: float


LEVELS: Final[Mapping[Agent, Mapping[str, Level]]] = {
    "dotatate": {
        "kidney": Level(0.48, 0.25, 51.0, 0.12),
        "liver": Level(0.27, 0.3, 67.0, 0.15),
        "spleen": Level(1.0, 0.3, 67.0, 0.12),
        "marrow": Level(0.030, 0.25, 55.0, 0.12),
        "bowel": Level(0.07, 0.35, 45.0, 0.15),
        "muscle": Level(0.012, 0.2, 45.0, 0.12),
        "tumour": Level(3.4, 0.5, 94.0, 0.15),
    },
    "psma": {
        "kidney": Level(0.80, 0.28, 35.5, 0.15),
        "liver": Level(0.08, 0.3, 22.9, 0.15),
        "spleen": Level(0.09, 0.35, 16.8, 0.15),
        "marrow": Level(0.027, 0.25, 32.0, 0.15),
        "bowel": Level(0.20, 0.35, 30.0, 0.15),
        "muscle": Level(0.008, 0.2, 30.0, 0.12),
        "tumour": Level(3.0, 0.6, 60.0, 0.2),
    },
}
TOGETHER: Final = 0.7  # share of the spread that all tumours of a patient have in common


@dataclass(frozen=True)
class Curve:
    """Activity concentration of 1 ml (Bq/ml for each MBq given): amplitudes and rates (1/s)."""

    terms: tuple[tuple[float, float], ...]

    def at(self, hours: float) -> float:
        return sum(a * math.exp(-r * hours * SECONDS_AN_HOUR) for a, r in self.terms)

    @property
    def integral_s(self) -> float:
        """From the injection on, (Bq·s)/ml for each MBq given."""
        return sum(a / r for a, r in self.terms)

    @property
    def half_life_h(self) -> float:
        """Of the slowest phase."""
        return math.log(2.0) / min(r for _, r in self.terms) / SECONDS_AN_HOUR


def draw_curves(agent: Agent, rng: np.random.Generator) -> dict[str, Curve]:
    """One patient's organs; both kidneys have one curve."""
    return {
        name: _curve(name, level, *(float(z) for z in np.clip(rng.standard_normal(2), -2.0, 2.0)))
        for name, level in LEVELS[agent].items()
        if name != "tumour"
    }


def draw_tumour_curves(agent: Agent, count: int, rng: np.random.Generator) -> list[Curve]:
    """A patient's tumours, which resemble each other more than those of another."""
    level = LEVELS[agent]["tumour"]
    shared = rng.standard_normal(2)
    own = math.sqrt(TOGETHER) * shared + math.sqrt(1.0 - TOGETHER) * rng.standard_normal((count, 2))
    return [_curve("tumour", level, float(a), float(b)) for a, b in np.clip(own, -2.0, 2.0)]


def _curve(name: str, level: Level, of_dose: float, of_life: float) -> Curve:
    """So that local deposit of electrons alone gives the dose in 1 g/ml."""
    half_life_h = level.half_life_h * math.exp(level.half_life_sd * of_life)
    gy = level.gy_per_gbq * math.exp(level.gy_sd * of_dose)
    rate = math.log(2.0) / (half_life_h * SECONDS_AN_HOUR)
    if name in ("muscle", "marrow"):
        terms = ((1.0, rate), (BLOOD_FIRST, math.log(2.0) / (BLOOD_H * SECONDS_AN_HOUR)))
    else:
        hours = TUMOUR_UPTAKE_H if name == "tumour" else UPTAKE_H
        terms = ((1.0, rate), (-1.0, rate + math.log(2.0) / (hours * SECONDS_AN_HOUR)))
    gy_per_bq_s = 1e-3 * MGY_PER_KEV_G * electron_kev("Lu-177")
    height = 1e-3 * gy / gy_per_bq_s / sum(a / r for a, r in terms)
    return Curve(tuple((height * a, r) for a, r in terms))
