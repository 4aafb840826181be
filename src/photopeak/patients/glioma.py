"""Gliomas as FET sees them: who has one, where, how large, how much it takes up, and what a reader would say.

Tumour-to-brain ratios between 20 and 40 minutes are drawn around the means of 314 patients: 3.3 of high grade and 2.1
of low grade :cite:`albert2016`. Those are greatest values in images; here they are the tissue's. Sizes, places and the
share of tumours with a dead core are a judgement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from photopeak.patients.brain.structures import NUMBER, SIDES
from photopeak.patients.brain.tumour import Tumour
from photopeak.patients.brain_tracers import FET, mean_of, table_of
from photopeak.patients.streams import stream

CLASSES: Final = ("high-grade", "low-grade")
#: mean and spread of ln, least, greatest
TBR: Final[Mapping[str, tuple[float, float, float, float]]] = {
    "high-grade": (3.3, 0.22, 2.0, 5.0), "low-grade": (2.1, 0.18, 1.5, 3.0),
}  # fmt: skip
DIAMETER_MM: Final[Mapping[str, tuple[float, float]]] = {"high-grade": (28.0, 52.0), "low-grade": (22.0, 44.0)}
AGE_YEARS: Final[Mapping[str, tuple[float, float]]] = {"high-grade": (60.0, 11.0), "low-grade": (41.0, 11.0)}
WOMEN: Final = 0.42
NECROTIC: Final = 0.7
"""Share of tumours of high grade with a dead core."""
CORE, CORE_LEFT = 0.5, 0.15
"""Of a core: its size relative to the tumour's, and its concentration."""
#: in a head of standard size, on the left
SITES: Final[Mapping[str, tuple[float, float, float]]] = {
    "frontal lobe": (30.0, -34.0, 26.0), "temporal lobe": (42.0, 8.0, -15.0), "parietal lobe": (32.0, 50.0, 40.0),
}  # fmt: skip


@dataclass(frozen=True)
class GliomaPlan:
    """Who is examined: class, place and side of the tumour, its diameter and ratio to the other side's brain."""

    label: str
    site: str
    side: str
    diameter_mm: float
    tbr: float
    core: bool
    sex: str
    age_years: float
    atrophy: float = 0.0


def draw_plan(seed: int, index: int, shares: Mapping[str, float]) -> GliomaPlan:
    """Plan ``index`` of a cohort, which depends on nobody else's."""
    rng = stream(seed, index, "plan")
    label = str(rng.choice(CLASSES, p=[shares[c] for c in CLASSES]))
    site, side = str(rng.choice(list(SITES))), str(rng.choice(SIDES))
    mean, spread, low, high = TBR[label]
    ratio = round(float(np.clip(mean * math.exp(spread * rng.standard_normal()), low, high)), 2)
    across = round(float(rng.uniform(*DIAMETER_MM[label])), 1)
    core = bool(rng.random() < NECROTIC) and label == "high-grade"
    age = round(float(np.clip(rng.normal(*AGE_YEARS[label]), 20.0, 85.0)), 1)
    return GliomaPlan(label, site, side, across, ratio, core, "F" if rng.random() < WOMEN else "M", age)


def draw_tumour(plan: GliomaPlan, rng: np.random.Generator) -> Tumour:
    """The tumour of a plan, a little off the usual place and longer one way than another."""
    x, y, z = (c + float(rng.normal(0.0, 2.5)) for c in SITES[plan.site])
    longer = np.exp(rng.normal(0.0, 0.1, 3))
    a, b, c = (0.5 * plan.diameter_mm * float(v) for v in longer / np.cbrt(longer.prod()))
    sign = 1.0 if plan.side == "left" else -1.0
    return Tumour((sign * x, y, z), (a, b, c), CORE if plan.core else 0.0, int(rng.integers(2**31)))


def healthy(plan: GliomaPlan) -> tuple[str, ...]:
    """What a tumour is compared with: grey and white matter of the other hemisphere."""
    other = SIDES[1 - SIDES.index(plan.side)]
    return tuple(f"{other} {part}" for part in ("frontal cortex", "parietal cortex", "temporal cortex", "white matter"))


def draw_table(
    plan: GliomaPlan, volumes_ml: Mapping[str, float], rng: np.random.Generator
) -> Float[np.ndarray, " structure"]:
    """Concentration of every structure between 20 and 40 minutes, relative to grey matter."""
    table = table_of(FET, {f"{s} {r}": v * math.exp(rng.normal(0.0, 0.03)) for s in SIDES for r, v in FET.grey.items()})
    table[NUMBER["tumour"]] = plan.tbr * mean_of(healthy(plan), table, volumes_ml)
    table[NUMBER["necrosis"]] = CORE_LEFT * table[NUMBER["tumour"]]
    return table


def report(plan: GliomaPlan) -> str:
    """What a reader would dictate."""
    where = f"{plan.side} {plan.site}"
    if plan.label == "high-grade":
        course = "reaches its peak early and declines"
        meaning = "Pattern of a high-grade glioma."
    else:
        course, meaning = "rises until the end", "Pattern of a low-grade glioma."
    middle = " around a photopenic centre" if plan.core else ""
    return (
        f"Brain PET with F-18 FET, dynamic.\nMass in the {where} on MR.\n"
        f"Increased uptake in the {where}{middle}, about {plan.diameter_mm:.0f} mm across, {plan.tbr:.1f} times that "
        f"of the other hemisphere; its time-activity curve {course}.\nImpression: {meaning}\n"
    )
