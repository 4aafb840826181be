"""What the tracers of the brain do in healthy tissue: glucose, blood flow, and what binds to amyloid nowhere.

Values are concentrations in tissue, before any scanner blurs them, relative to the mean of association cortex (or,
of amyloid tracers, to the whole cerebellum). Grey matter takes some four times as much glucose as white matter
:cite:`hoffman1990`, and three times as much blood. Places that readers know to be hot or cold in health (visual
cortex, posterior cingulate and striatum hot; hippocampus and temporal pole cool; the cerebellum cool with FDG and hot
with perfusion tracers) follow the procedure guidelines :cite:`guedj2022,kapucu2009`; their numbers are a judgement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from photopeak.patients.brain.structures import BRAIN, NAMES, PAIRED, SIDES, without_side

#: the whole cerebellum
CEREBELLUM: Final = ("left cerebellar cortex", "right cerebellar cortex", "cerebellar white matter")


@dataclass(frozen=True)
class Tracer:
    """``name`` as DICOM's code has it. ``grey``: paired regions; ``rest``: whatever else is not 0.

    ``brain_share`` of the injected activity is in the brain after ``wait_min``, apart from decay, varying by
    ``share_sd`` (of its logarithm) between people.
    """

    name: str
    nuclide: str
    injected_mbq: float
    wait_min: float
    minutes: float
    brain_share: float
    share_sd: float
    grey: Mapping[str, float]
    rest: Mapping[str, float]


#: outside of the brain, relative to its grey matter
_FDG_HEAD: Final = {
    "soft tissue": 0.13, "skin": 0.10, "scalp": 0.07, "skull": 0.05, "diploe": 0.18, "cerebrospinal fluid": 0.04,
    "third ventricle": 0.04, "fourth ventricle": 0.04, "lateral ventricle": 0.04, "nasal mucosa": 0.25, "fat": 0.05,
    "parotid gland": 0.28, "submandibular gland": 0.30, "eye": 0.08,
}  # fmt: skip
FDG: Final = Tracer(
    "FDG", "F-18", 185.0, 45.0, 15.0, 0.085, 0.12,
    {
        "frontal cortex": 1.00, "parietal cortex": 1.00, "temporal cortex": 0.92, "occipital cortex": 1.06,
        "sensorimotor cortex": 0.98, "anterior cingulate": 0.92, "posterior cingulate": 1.12, "precuneus": 1.08,
        "insular cortex": 0.94, "caudate": 0.92, "anterior putamen": 0.98, "posterior putamen": 1.00,
        "globus pallidus": 0.62, "thalamus": 0.88, "hippocampus": 0.68, "cerebellar cortex": 0.86,
    },
    {
        **_FDG_HEAD, "white matter": 0.26, "cerebellar white matter": 0.30, "midbrain": 0.62, "pons": 0.50,
        "medulla": 0.45,
    },
)  # fmt: skip

_FLOW_HEAD: Final = {
    "soft tissue": 0.22, "skin": 0.25, "scalp": 0.18, "skull": 0.06, "diploe": 0.15, "cerebrospinal fluid": 0.05,
    "third ventricle": 0.05, "fourth ventricle": 0.05, "lateral ventricle": 0.05, "nasal mucosa": 0.45, "fat": 0.08,
    "parotid gland": 0.45, "submandibular gland": 0.45, "eye": 0.10,
}  # fmt: skip
HMPAO: Final = Tracer(
    "Exametazime", "Tc-99m", 740.0, 60.0, 30.0, 0.042, 0.12,
    {
        "frontal cortex": 1.00, "parietal cortex": 0.97, "temporal cortex": 0.95, "occipital cortex": 1.06,
        "sensorimotor cortex": 1.00, "anterior cingulate": 0.98, "posterior cingulate": 1.10, "precuneus": 1.06,
        "insular cortex": 1.00, "caudate": 0.92, "anterior putamen": 0.98, "posterior putamen": 0.98,
        "globus pallidus": 0.72, "thalamus": 0.94, "hippocampus": 0.80, "cerebellar cortex": 1.12,
    },
    {
        **_FLOW_HEAD, "white matter": 0.34, "cerebellar white matter": 0.45, "midbrain": 0.72, "pons": 0.66,
        "medulla": 0.60,
    },
)  # fmt: skip
ECD: Final = Tracer(
    "Bicisate", "Tc-99m", 740.0, 60.0, 30.0, 0.055, 0.12,
    {**HMPAO.grey, "occipital cortex": 1.18, "hippocampus": 0.66, "thalamus": 0.86, "cerebellar cortex": 1.06},
    {**HMPAO.rest, "white matter": 0.30, "midbrain": 0.62, "pons": 0.55},
)  # fmt: skip

_FET_HEAD: Final = {
    "soft tissue": 1.05, "skin": 0.95, "scalp": 0.70, "skull": 0.20, "diploe": 0.90, "cerebrospinal fluid": 0.25,
    "third ventricle": 0.25, "fourth ventricle": 0.25, "lateral ventricle": 0.25, "nasal mucosa": 1.60, "fat": 0.25,
    "parotid gland": 1.30, "submandibular gland": 1.40, "eye": 0.35,
}  # fmt: skip
FET: Final = Tracer(
    "Fluoroethyltyrosine", "F-18", 200.0, 20.0, 20.0, 0.018, 0.15,
    {**dict.fromkeys(FDG.grey, 1.00), "globus pallidus": 0.90, "thalamus": 1.05, "cerebellar cortex": 1.05},
    {
        **_FET_HEAD, "white matter": 0.72, "cerebellar white matter": 0.80, "midbrain": 0.85, "pons": 0.85,
        "medulla": 0.85,
    },
)  # fmt: skip
"""20 to 40 minutes, 200 MBq :cite:`law2019`; healthy brain takes up evenly. Its numbers are a judgement."""


def table_of(tracer: Tracer, grey: Mapping[str, float]) -> Float[np.ndarray, " structure"]:
    """Concentration of every structure; ``grey`` holds this person's regions with their sides."""
    return np.array([grey.get(n, tracer.rest.get(without_side(n), 0.0)) for n in NAMES])


def relative_to(
    names: tuple[str, ...], table: Float[np.ndarray, " structure"], volumes_ml: Mapping[str, float]
) -> dict[str, float]:
    """Each brain structure's concentration over the mean of the structures ``names``, by volume."""
    level = mean_of(names, table, volumes_ml)
    return {NAMES[k]: float(table[k] / level) for k in BRAIN}


def mean_of(names: tuple[str, ...], table: Float[np.ndarray, " structure"], volumes_ml: Mapping[str, float]) -> float:
    """Mean concentration of several structures together."""
    weights = np.array([volumes_ml[n] for n in names])
    return float(np.average([table[NAMES.index(n)] for n in names], weights=weights))


def both_sides(*regions: str) -> tuple[str, ...]:
    """The names of paired structures on both sides."""
    return tuple(f"{side} {region}" for region in regions if region in PAIRED for side in SIDES)
