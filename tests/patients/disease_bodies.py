"""Bodies and cameras for the tests of disease: small enough to draw in a moment, made once."""

from functools import lru_cache

import numpy as np

from photopeak.patients.anatomy import draw_person, draw_variation, make_body
from photopeak.patients.body import Body
from photopeak.patients.plans import PatientPlan
from photopeak.patients.visibility import Viewing
from photopeak.physics.planar import PlanarCamera

MBQ_PER_UNIT = 0.02  # about 2.5 million counts a view at 5 mm


@lru_cache(maxsize=4)
def healthy(seed: int = 5, sex: str = "M", voxel_mm: float = 5.0) -> Body:
    rng = np.random.default_rng(seed)
    person = draw_person(rng, sex=sex, age_years=66.0, height_m=1.72, weight_kg=72.0)
    return make_body(person, draw_variation(rng, person), voxel_mm)


def viewing(body: Body) -> Viewing:
    return Viewing.of(body, PlanarCamera(), MBQ_PER_UNIT)


def plan(label="M", metastases=(0, 0), arthritis=(0, 0), sex="M", superscan=False, index=0) -> PatientPlan:
    return PatientPlan(index, sex, 66.0, label, "lung", metastases, arthritis, superscan)
