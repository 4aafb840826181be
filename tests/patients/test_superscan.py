"""A superscan takes the tracer from soft tissue and limbs into the axial skeleton."""

import numpy as np

from photopeak.patients.superscan import superscan
from tests.patients.disease_bodies import healthy


def test_axial_bone_gains_and_kidneys_soft_tissue_and_limbs_lose():
    body = healthy()
    after = superscan(body, np.random.default_rng(1))

    def ratio(name):
        here = body.label == body.names.index(name)
        return float(after.uptake[here].sum() / body.uptake[here].sum())

    for name in ("L3", "T8", "sacrum", "left rib 6", "sternum"):
        assert 1.2 < ratio(name) < 6.5
    for name in ("left kidney", "bladder", "soft tissue", "right tibia"):
        assert 0.05 < ratio(name) < 0.6
    assert after.mu_per_cm is body.mu_per_cm


def test_the_upper_end_of_the_femur_gains_and_its_shaft_loses():
    body = healthy()
    after = superscan(body, np.random.default_rng(1))
    z = np.nonzero(body.label == body.names.index("left femur"))[0]
    ratio = {}
    for end, low, high in (("upper", 0.9, 1.0), ("lower", 0.0, 0.5)):
        here = body.label == body.names.index("left femur")
        here[: int(z.min() + low * np.ptp(z))] = False
        here[int(z.min() + high * np.ptp(z)) + 1 :] = False
        ratio[end] = float(after.uptake[here].sum() / body.uptake[here].sum())
    assert ratio["upper"] > 1.2
    assert ratio["lower"] < 0.6
