"""What age and disease take from regions of the brain: normal people, MCI, Alzheimer's disease, Lewy bodies.

A region keeps

    k = 1 − L sᵖ (1 ± a / 2)

of its metabolism, with the greatest loss L of its disease, the severity s from 0 to 1, and the asymmetry a, whose
sign is that of the worse side. In Alzheimer's disease the posterior cingulate falls first, by a fifth at the
earliest stage of dementia :cite:`minoshima1997`, then precuneus, parietal and temporal association cortex, the
frontal one late (p = 2); sensorimotor and visual cortex, basal ganglia, thalamus and cerebellum are spared. With Lewy
bodies the occipital cortex falls as well :cite:`minoshima2001`, and the posterior cingulate stands out as an island
:cite:`lim2009`. In healthy ageing the anterior cingulate and the frontal cortex decline :cite:`pardo2007`. These
works say which regions and in which order; L of every region is a judgement that follows them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from photopeak.patients.brain.structures import SIDES
from photopeak.patients.streams import stream

CLASSES: Final = ("normal", "mci", "ad", "dlb")
#: of each disease: region, greatest loss L, and its power p
LOSSES: Final[Mapping[str, Mapping[str, tuple[float, float]]]] = {
    "ad": {
        "posterior cingulate": (0.46, 1.0), "precuneus": (0.46, 1.0), "parietal cortex": (0.50, 1.0),
        "temporal cortex": (0.44, 1.0), "hippocampus": (0.25, 1.0), "frontal cortex": (0.30, 2.0),
        "anterior cingulate": (0.12, 2.0), "insular cortex": (0.10, 2.0), "occipital cortex": (0.08, 2.0),
        "sensorimotor cortex": (0.03, 2.0),
    },
    "dlb": {
        "occipital cortex": (0.44, 1.0), "parietal cortex": (0.46, 1.0), "precuneus": (0.40, 1.0),
        "temporal cortex": (0.34, 1.0), "frontal cortex": (0.26, 1.5), "posterior cingulate": (0.12, 1.0),
        "hippocampus": (0.08, 1.0), "anterior cingulate": (0.12, 2.0), "insular cortex": (0.10, 2.0),
        "sensorimotor cortex": (0.05, 2.0),
    },
}  # fmt: skip
#: severity of each class and stage: from, to
SEVERITY: Final[Mapping[str, tuple[float, float]]] = {
    "mci": (0.18, 0.36), "mild": (0.42, 0.58), "moderate": (0.64, 0.80), "severe": (0.88, 1.0),
}  # fmt: skip
STAGES: Final = ("mild", "moderate", "severe")
STAGE_SHARES: Final = (0.5, 0.35, 0.15)  # among patients who are sent for these scans
#: lost by healthy people in every decade after 45 years; elsewhere nothing, relative to the cerebellum
AGEING: Final[Mapping[str, float]] = {
    "anterior cingulate": 0.040, "frontal cortex": 0.030, "insular cortex": 0.022, "temporal cortex": 0.012,
    "parietal cortex": 0.014, "posterior cingulate": 0.012, "precuneus": 0.010, "caudate": 0.015, "thalamus": 0.008,
}  # fmt: skip
ASYMMETRY: Final = (0.30, 0.15)
REGION_SD: Final = 0.03
"""Of ln uptake, of each region of each side: nobody is quite symmetric."""
#: years: mean, standard deviation
AGE_YEARS: Final[Mapping[str, tuple[float, float]]] = {
    "normal": (64.0, 12.0), "mci": (72.0, 7.0), "ad": (73.0, 8.0), "dlb": (74.0, 7.0),
}  # fmt: skip
WOMEN: Final[Mapping[str, float]] = {"normal": 0.52, "mci": 0.50, "ad": 0.58, "dlb": 0.38}
ATROPHY: Final = 1.6  # standard deviations beyond that of age, at the greatest severity of Alzheimer's disease
ATROPHY_OF: Final[Mapping[str, float]] = {"normal": 0.0, "mci": 1.0, "ad": 1.0, "dlb": 0.5}


@dataclass(frozen=True)
class BrainPlan:
    """Who is examined: class, stage ("" where there is none), severity, asymmetry, worse side, sex and age."""

    label: str
    stage: str
    severity: float
    asymmetry: float
    worse: str
    sex: str
    age_years: float

    @property
    def atrophy(self) -> float:
        """Of the head, in standard deviations of age's."""
        return ATROPHY * self.severity * ATROPHY_OF[self.label]


def draw_plan(seed: int, index: int, shares: Mapping[str, float], stage: str) -> BrainPlan:
    """Plan ``index`` of a cohort, which depends on nobody else's; ``stage`` is "mixed" or one of ``STAGES``.

    The same index has the same person's draws in every mix, so that a disease can be laid beside health.
    """
    rng = stream(seed, index, "plan")
    label = str(rng.choice(CLASSES, p=[shares[c] for c in CLASSES]))
    drawn = str(rng.choice(STAGES, p=STAGE_SHARES))
    worse, within, chance = str(rng.choice(SIDES)), rng.random(), rng.random()
    asymmetry = float(np.clip(rng.normal(*ASYMMETRY), 0.0, 0.7))
    mean, sd = AGE_YEARS[label]
    age = round(float(np.clip(rng.normal(mean, sd), 40.0, 90.0)), 1)
    sex = "F" if chance < WOMEN[label] else "M"
    if label == "normal":
        return BrainPlan(label, "", 0.0, 0.0, "", sex, age)
    name = "" if label == "mci" else (drawn if stage == "mixed" else stage)
    low, high = SEVERITY[name or label]
    return BrainPlan(label, name, round(low + (high - low) * within, 3), round(asymmetry, 3), worse, sex, age)


def kept(plan: BrainPlan, region: str, side: str) -> float:
    """What age and disease leave of a region's uptake, relative to a healthy person's of 45 years.

    >>> kept(BrainPlan("normal", "", 0.0, 0.0, "", "F", 75.0), "anterior cingulate", "left")
    0.88
    """
    aged = 1.0 - AGEING.get(region, 0.0) * max(0.0, plan.age_years - 45.0) / 10.0
    most, power = LOSSES.get("ad" if plan.label == "mci" else plan.label, {}).get(region, (0.0, 1.0))
    more = 0.5 * plan.asymmetry * (1.0 if side == plan.worse else -1.0)
    return aged * (1.0 - most * math.pow(plan.severity, power) * (1.0 + more))


def draw_uptake(
    plan: BrainPlan, healthy: Mapping[str, float], weight: float, rng: np.random.Generator
) -> dict[str, float]:
    """Uptake of every paired region, as in "left precuneus", from that of healthy people of 45 years.

    ``weight`` is how much of a loss of metabolism the tracer shows: blood flow falls a little less.
    """
    out = {}
    for side in SIDES:
        for region, value in healthy.items():
            own = math.exp(rng.normal(0.0, REGION_SD))
            out[f"{side} {region}"] = value * own * kept(plan, region, side) ** weight
    return out


def described(plan: BrainPlan, tracer: str, does: str) -> str:
    """What a reader would dictate; ``does`` is what the tracer shows, as in "metabolism"."""
    side = f", more so on the {plan.worse}" if plan.asymmetry > 0.15 else ""
    if plan.label == "normal":
        asked, found = "Memory complaints.", f"Cortical {does} is normal for age, as is that of the deep nuclei."
        meaning = "No evidence of a neurodegenerative disease."
    elif plan.label == "dlb":
        asked = f"Dementia with visual hallucinations, {plan.stage}."
        found = f"Reduced {does} of occipital, parietal and temporal cortex{side}; the posterior cingulate is spared."
        meaning = "Pattern of dementia with Lewy bodies."
    else:
        asked = "Mild cognitive impairment." if plan.label == "mci" else f"Dementia, {plan.stage}."
        much = "Slightly reduced" if plan.label == "mci" else "Reduced"
        late = " and of the frontal association cortex" if plan.severity > 0.62 else ""
        found = f"{much} {does} of posterior cingulate, precuneus, parietal and temporal cortex{late}{side}. "
        found += "Sensorimotor and visual cortex, basal ganglia and cerebellum are spared."
        meaning = "Pattern of Alzheimer's disease" + (", early." if plan.label == "mci" else ".")
    return f"Brain {tracer}.\n{asked}\n{found}\nImpression: {meaning}\n"
