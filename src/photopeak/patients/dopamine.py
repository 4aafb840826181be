"""How much ioflupane binds to the dopamine transporter: normal striata, Parkinson's disease, and scans without deficit.

    SBR = (C − C_ref) / C_ref

is the specific binding ratio, of a region's concentration C and that of tissue without transporters, the occipital
cortex. Values are those of tissue, not of images, in which partial volume halves them: where it is corrected for,
healthy striata have 5 to 7. They fall by 4 to 7 % a decade and are a little higher in women :cite:`varrone2013`. At
the first signs of Parkinson's disease the striatum opposite to them has lost about 43 % and its putamen 56 %
:cite:`cheng2010,heng2023`, the other side 32 to 36 %; the back of the putamen goes first, the caudate last. What
later stages keep is a judgement from how such scans look. A patient with signs of parkinsonism and a scan without
evidence of dopaminergic deficit (SWEDD) has a normal scan :cite:`erro2016`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from photopeak.patients.brain.structures import SIDES, STRIATUM
from photopeak.patients.streams import stream

CLASSES: Final = ("normal", "parkinson", "swedd")
AT_60_YEARS: Final[Mapping[str, float]] = {"caudate": 6.2, "anterior putamen": 6.3, "posterior putamen": 5.9}
PER_DECADE, WOMEN = -0.055, 1.06
PERSON_SD, REGION_SD = 0.13, 0.035  # of ln SBR: of a person, and of each region of each side
#: share that is kept on the worse and on the better side, by stage of Hoehn and Yahr
KEPT: Final[Mapping[int, Mapping[str, tuple[float, float]]]] = {
    1: {"caudate": (0.74, 0.83), "anterior putamen": (0.52, 0.67), "posterior putamen": (0.34, 0.52)},
    2: {"caudate": (0.62, 0.72), "anterior putamen": (0.40, 0.53), "posterior putamen": (0.24, 0.35)},
    3: {"caudate": (0.46, 0.54), "anterior putamen": (0.27, 0.35), "posterior putamen": (0.16, 0.21)},
    4: {"caudate": (0.32, 0.38), "anterior putamen": (0.17, 0.21), "posterior putamen": (0.10, 0.13)},
}
STAGES: Final = tuple(KEPT)
KEPT_SD: Final = 0.10  # of ln of what is kept, of each side
STAGE_SHARES: Final = (0.30, 0.40, 0.20, 0.10)  # among patients who are sent for this scan
AGE_YEARS: Final[Mapping[str, tuple[float, float]]] = {
    "normal": (63.0, 11.0), "parkinson": (66.0, 9.0), "swedd": (62.0, 10.0),
}  # fmt: skip
MEN: Final = 0.58


@dataclass(frozen=True)
class DopaminePlan:
    """Who is examined: class, stage (0 without the disease), the side of the worse striatum, sex and age."""

    label: str
    stage: int
    worse: str
    sex: str
    age_years: float


def draw_plan(seed: int, index: int, shares: Mapping[str, float], stage: str) -> DopaminePlan:
    """Plan ``index`` of a cohort, which depends on nobody else's; ``stage`` is "mixed" or one of ``STAGES``."""
    rng = stream(seed, index, "plan")
    label = str(rng.choice(CLASSES, p=[shares[c] for c in CLASSES]))
    drawn = int(rng.choice(STAGES, p=STAGE_SHARES))
    worse = str(rng.choice(SIDES))
    sex = "M" if rng.random() < MEN else "F"
    mean, sd = AGE_YEARS[label]
    age = round(float(np.clip(rng.normal(mean, sd), 30.0, 88.0)), 1)
    number = (drawn if stage == "mixed" else int(stage)) if label == "parkinson" else 0
    return DopaminePlan(label, number, worse, sex, age)


def expected_sbr(region: str, sex: str, age_years: float) -> float:
    """The mean of healthy people.

    >>> round(expected_sbr("caudate", "M", 60.0), 2), round(expected_sbr("caudate", "M", 80.0), 2)
    (6.2, 5.52)
    """
    aged = 1.0 + PER_DECADE * (age_years - 60.0) / 10.0
    return AT_60_YEARS[region] * aged * (WOMEN if sex == "F" else 1.0)


def draw_sbr(plan: DopaminePlan, rng: np.random.Generator) -> dict[str, float]:
    """The specific binding ratio of every region of both striata, as in "left caudate"."""
    person = math.exp(rng.normal(0.0, PERSON_SD))
    sides = {side: math.exp(rng.normal(0.0, KEPT_SD)) for side in SIDES}
    out = {}
    for side in SIDES:
        for region in STRIATUM:
            own = math.exp(rng.normal(0.0, REGION_SD))
            kept = 1.0
            if plan.stage:
                kept = min(1.0, KEPT[plan.stage][region][0 if side == plan.worse else 1] * sides[side])
            out[f"{side} {region}"] = expected_sbr(region, plan.sex, plan.age_years) * person * own * kept
    return out
