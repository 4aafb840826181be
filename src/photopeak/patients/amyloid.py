"""Amyloid: how much binds where, on the Centiloid scale.

    CL = a · SUVR + b,    SUVR = C_target / C_cerebellum

0 is the mean of young people without amyloid and 100 that of mild Alzheimer's disease :cite:`klunk2015`. The target
is association cortex: frontal, parietal, lateral temporal, cingulate and precuneus; the reference is the whole
cerebellum, cortex and white matter. a and b are the tracer's own.

The scale is one of images: in them white matter, which holds these tracers without any amyloid, and fluid blur into
thin cortex. So the true Centiloid here is that of an image without noise, of 7 mm resolution as the scanners had on
which the scale stands, measured within the painted regions. Tissue has other ratios (``truth/suvr``), since what is
seen of a cortex without amyloid comes from white matter in part.

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
from photopeak.core.units import FWHM_PER_SIGMA
from photopeak.patients.blocks import halved
from photopeak.patients.brain import Head
from photopeak.patients.brain.structures import NAMES, NUMBER, SIDES
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
SEEN_MM: Final = 7.0
INCREMENT_SD, REGION_SD = 0.08, 0.02  # of ln of each region's increment, and of its non-specific uptake

_NON_SPECIFIC: Final = {
    "frontal cortex": 0.78, "parietal cortex": 0.79, "temporal cortex": 0.79, "occipital cortex": 0.82,
    "sensorimotor cortex": 0.81, "anterior cingulate": 0.79, "posterior cingulate": 0.81, "precuneus": 0.80,
    "insular cortex": 0.80, "caudate": 0.80, "anterior putamen": 0.98, "posterior putamen": 1.00,
    "globus pallidus": 1.30, "thalamus": 1.12, "hippocampus": 0.88, "cerebellar cortex": 0.82,
}  # fmt: skip
_REST: Final = {
    "soft tissue": 0.50, "skin": 0.50, "scalp": 0.35, "skull": 0.15, "diploe": 0.40, "cerebrospinal fluid": 0.25,
    "third ventricle": 0.25, "fourth ventricle": 0.25, "lateral ventricle": 0.25, "nasal mucosa": 0.80, "fat": 0.25,
    "parotid gland": 0.90, "submandibular gland": 0.90, "eye": 0.20, "cerebellar white matter": 1.35,
    "white matter": 1.50, "midbrain": 1.50, "pons": 1.62, "medulla": 1.45,
}  # fmt: skip
PIB: Final = Tracer("Pittsburgh compound B", "C-11", 555.0, 50.0, 20.0, 0.030, 0.12, _NON_SPECIFIC, _REST)
FLORBETABEN: Final = Tracer(
    "Florbetaben", "F-18", 300.0, 90.0, 20.0, 0.028, 0.12, _NON_SPECIFIC, {**_REST, "white matter": 1.65, "pons": 1.75}
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


def draw_table(plan: AmyloidPlan, tracer: str, head: Head, rng: np.random.Generator) -> Float[np.ndarray, " structure"]:
    """Concentrations relative to the whole cerebellum, with which the scale's image shows the plan's Centiloid."""
    grey, more = {}, np.zeros(len(NAMES))
    for side in SIDES:
        for region, value in _NON_SPECIFIC.items():
            name = f"{side} {region}"
            grey[name] = value * math.exp(rng.normal(0.0, REGION_SD))
            more[NAMES.index(name)] = INCREMENT.get(region, 0.0) * math.exp(rng.normal(0.0, INCREMENT_SD))
    table = table_of(TRACERS[tracer], grey)
    wanted = CENTILOID[tracer].suvr(plan.centiloid)
    (target, base), (gained, spilt) = (seen(head, t) for t in (table, more))
    table = np.maximum(table + more * (wanted * base - target) / (gained - wanted * spilt), 0.0)
    return np.asarray(table / mean_of(CEREBELLUM, table, head.volumes_ml()))


def seen(head: Head, table: Float[np.ndarray, " structure"]) -> tuple[float, float]:
    """Means of target and reference in an image of ``SEEN_MM`` without noise."""
    from scipy.ndimage import gaussian_filter

    edge_mm, shrunk = (2.0 * head.edge_mm, halved) if head.edge_mm < 2.0 else (head.edge_mm, np.asarray)
    image = gaussian_filter(shrunk(head.picture(table)), SEEN_MM / FWHM_PER_SIGMA / edge_mm, truncate=3.0)
    label = head.label
    weights = (shrunk(np.isin(label, [NUMBER[n] for n in names]).astype(np.float32)) for names in (TARGET, CEREBELLUM))
    target, base = (float(np.average(image, weights=w.astype(np.float64))) for w in weights)
    return target, base


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
