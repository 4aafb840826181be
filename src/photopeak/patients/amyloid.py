"""Amyloid: how much binds where, on the Centiloid scale.

    CL = a · SUVR + b,    SUVR = C_target / C_cerebellum

0 is the mean of young people without amyloid and 100 that of mild Alzheimer's disease :cite:`klunk2015`. The target
is association cortex: frontal, parietal, lateral temporal, cingulate and precuneus; the reference is the whole
cerebellum, cortex and white matter. a and b are the tracer's own. Here the true Centiloid is that of the tissue
itself: the tracer is laid so that the target's grey matter has exactly this SUVR. What an image shows differs, since
white matter, which holds these tracers without any amyloid, and fluid blur into thin cortex.

Increments follow the usual pattern: precuneus, cingulate and frontal cortex most, then striatum, parietal and
temporal cortex, less in occipital, least in sensorimotor cortex, hippocampus and thalamus; none in the cerebellum.
Their ratios, and non-specific uptake, are a judgement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from photopeak.core.centiloid import CENTILOID
from photopeak.patients.brain.structures import NAMES, SIDES
from photopeak.patients.brain_tracers import CEREBELLUM, Tracer, both_sides, mean_of, table_of
from photopeak.patients.streams import stream

CLASSES: Final = ("negative", "positive")
#: Centiloid: mean, standard deviation, least, greatest
DRAWN: Final[Mapping[str, tuple[float, float, float, float]]] = {
    "negative": (2.0, 6.0, -12.0, 15.0), "positive": (82.0, 30.0, 28.0, 150.0),
}  # fmt: skip
AGE_YEARS: Final[Mapping[str, tuple[float, float]]] = {"negative": (68.0, 10.0), "positive": (73.0, 8.0)}
TARGET: Final = both_sides(
    "frontal cortex", "parietal cortex", "temporal cortex", "anterior cingulate", "posterior cingulate", "precuneus"
)
#: of the increment, relative to each other
INCREMENT: Final[Mapping[str, float]] = {
    "precuneus": 1.25, "posterior cingulate": 1.22, "anterior cingulate": 1.18, "frontal cortex": 1.06,
    "parietal cortex": 0.96, "temporal cortex": 0.90, "insular cortex": 0.85, "caudate": 0.80,
    "anterior putamen": 0.95, "posterior putamen": 0.90, "occipital cortex": 0.60, "sensorimotor cortex": 0.50,
    "globus pallidus": 0.20, "thalamus": 0.30, "hippocampus": 0.30,
}  # fmt: skip
INCREMENT_SD, REGION_SD = 0.08, 0.02  # of ln of each region's increment, and of its non-specific uptake

_NON_SPECIFIC: Final = {
    "frontal cortex": 1.00, "parietal cortex": 1.02, "temporal cortex": 1.00, "occipital cortex": 1.05,
    "sensorimotor cortex": 1.06, "anterior cingulate": 1.02, "posterior cingulate": 1.06, "precuneus": 1.04,
    "insular cortex": 1.02, "caudate": 0.95, "anterior putamen": 1.12, "posterior putamen": 1.15,
    "globus pallidus": 1.40, "thalamus": 1.22, "hippocampus": 1.08, "cerebellar cortex": 0.88,
}  # fmt: skip
_REST: Final = {
    "soft tissue": 0.50, "skin": 0.50, "scalp": 0.35, "skull": 0.15, "diploe": 0.40, "cerebrospinal fluid": 0.25,
    "third ventricle": 0.25, "fourth ventricle": 0.25, "lateral ventricle": 0.25, "nasal mucosa": 0.80, "fat": 0.25,
    "parotid gland": 0.90, "submandibular gland": 0.90, "eye": 0.20, "cerebellar white matter": 1.42,
    "white matter": 1.60, "midbrain": 1.60, "pons": 1.70, "medulla": 1.55,
}  # fmt: skip
PIB: Final = Tracer("Pittsburgh compound B", "C-11", 555.0, 50.0, 20.0, 0.030, 0.12, _NON_SPECIFIC, _REST)
FLORBETABEN: Final = Tracer(
    "Florbetaben", "F-18", 300.0, 90.0, 20.0, 0.028, 0.12, _NON_SPECIFIC, {**_REST, "white matter": 1.75, "pons": 1.85}
)  # fmt: skip
TRACERS: Final[Mapping[str, Tracer]] = {"pib": PIB, "florbetaben": FLORBETABEN}


@dataclass(frozen=True)
class AmyloidPlan:
    """Who is examined, and the true Centiloid."""

    label: str
    centiloid: float
    sex: str
    age_years: float

    @property
    def atrophy(self) -> float:
        """Of the head, in standard deviations of age's: the more amyloid, the likelier the disease is advanced."""
        return 1.0 * float(np.clip(self.centiloid / 100.0, 0.0, 1.2))


def draw_plan(seed: int, index: int, shares: Mapping[str, float]) -> AmyloidPlan:
    """Plan ``index`` of a cohort, which depends on nobody else's."""
    rng = stream(seed, index, "plan")
    label = str(rng.choice(CLASSES, p=[shares[c] for c in CLASSES]))
    mean, sd, low, high = DRAWN[label]
    level = round(float(np.clip(rng.normal(mean, sd), low, high)), 1)
    age = round(float(np.clip(rng.normal(*AGE_YEARS[label]), 50.0, 90.0)), 1)
    return AmyloidPlan(label, level, "F" if rng.random() < 0.55 else "M", age)


def draw_table(
    plan: AmyloidPlan, tracer: str, volumes_ml: Mapping[str, float], rng: np.random.Generator
) -> Float[np.ndarray, " structure"]:
    """Concentrations relative to the whole cerebellum, of which the target's mean is the plan's Centiloid's SUVR."""
    grey, more = {}, np.zeros(len(NAMES))
    for side in SIDES:
        for region, value in _NON_SPECIFIC.items():
            name = f"{side} {region}"
            grey[name] = value * math.exp(rng.normal(0.0, REGION_SD))
            more[NAMES.index(name)] = INCREMENT.get(region, 0.0) * math.exp(rng.normal(0.0, INCREMENT_SD))
    table = table_of(TRACERS[tracer], grey)
    table /= mean_of(CEREBELLUM, table, volumes_ml)
    wanted = CENTILOID[tracer].suvr(plan.centiloid)
    lacking = wanted - mean_of(TARGET, table, volumes_ml)
    return np.asarray(np.maximum(table + more * lacking / mean_of(TARGET, more, volumes_ml), 0.0))


def report(plan: AmyloidPlan, tracer: str) -> str:
    """What a reader would dictate."""
    if plan.label == "negative":
        found = "Uptake in white matter only; its border with the cortex is seen everywhere."
        meaning = "Negative: no or sparse amyloid plaques."
    else:
        found = "Cortical uptake as high as that of white matter or higher in frontal, parietal and temporal cortex, "
        found += "precuneus and cingulate; sensorimotor and occipital cortex are reached less."
        meaning = "Positive: moderate to frequent amyloid plaques."
    name = f"{TRACERS[tracer].nuclide} {TRACERS[tracer].name}"
    return f"Amyloid PET with {name}.\nCognitive decline.\n{found}\nImpression: {meaning}\n"
