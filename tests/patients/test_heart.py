"""Hearts of published sizes, rasterised with partial volume, in a chest that absorbs as chests do."""

from __future__ import annotations

import numpy as np
import pytest

from photopeak.patients.coronary import HeartPlan
from photopeak.patients.heart import chambers, draw_heart
from photopeak.patients.heart_field import GAP_MM, orbit
from photopeak.patients.thorax import healthy_body, with_heart
from photopeak.patients.ventricle import SEGMENTS

#: upper normal limits of the end-diastolic and end-systolic volume, ml
UPPER_ML = {"M": (149.0, 75.0), "F": (102.0, 46.0)}


@pytest.fixture(scope="module", params=["M", "F"])
def body(request):
    return healthy_body(HeartPlan(0, request.param, 62.0, "normal"), np.random.default_rng(4), 3.3)


def rngs():
    return np.random.default_rng(5), np.random.default_rng(6)


def test_volumes_and_walls_are_in_the_published_ranges(body):
    hearts = [draw_heart(body, np.random.default_rng(k)) for k in range(60)]
    cavity = np.array([h.cavity_ml for h in hearts])
    assert cavity.max() < UPPER_ML[body.person.sex][0]
    assert cavity.min() > 20.0
    assert 0.5 * UPPER_ML[body.person.sex][1] < cavity.mean() < 0.75 * UPPER_ML[body.person.sex][0]
    mass = np.array([1.05 * h.myocardium_ml for h in hearts])
    assert 50.0 < mass.min() < mass.max() < 220.0
    walls = np.array([h.wall_mm for h in hearts])
    assert 7.9 < walls.min() < walls.max() < 12.1
    assert all(h.apical_mm < h.wall_mm for h in hearts)
    azimuth, down = np.array([h.shell.angles_deg for h in hearts]).T
    assert 25.0 < azimuth.min() < azimuth.max() < 65.0
    assert 8.0 < down.min() < down.max() < 40.0


def test_voxels_hold_the_ventricle_s_volume(body):
    heart = draw_heart(body, np.random.default_rng(1))
    c = chambers(heart, body)
    ml = body.voxel_mm**3 / 1000.0
    assert c.cavity.sum() * ml == pytest.approx(heart.cavity_ml, rel=0.08)  # the septum's base is shorter
    assert c.wall.sum() * ml == pytest.approx(heart.myocardium_ml, rel=0.08)
    assert ((c.wall > 0.05) & (c.wall < 0.95)).sum() > 0.3 * (c.wall > 0.05).sum()  # partial volume
    assert float((c.wall + c.cavity + c.right_wall + c.right_cavity).max()) < 1.0 + 1e-5
    mid = (c.wall > 0.9) & (c.u > 0.2)
    assert 0.3 < np.median(c.depth[mid]) < 0.7


def test_the_heart_is_in_its_place_and_the_strongest_wall_around(body):
    patient = with_heart(body, (), "stress", *rngs())
    made = patient.body
    names = made.names
    wall = np.isin(made.label, [names.index(f"LV {s}") for s in SEGMENTS])
    lung, liver = (made.label == names.index(n) for n in ("left lung", "liver"))
    assert made.uptake[wall].mean() > 1.5 * made.uptake[liver].mean() > 3.0 * made.uptake[lung].mean()
    x = made.origin_mm[0] + made.voxel_mm * np.nonzero(wall)[2].mean()
    assert 10.0 < x < 90.0  # left of the midline
    front = np.nonzero(wall)[1].min() - np.nonzero(made.mu_per_cm.any((0, 2)))[0].min()
    assert front * made.voxel_mm > 10.0  # inside the chest
    assert made.mu_per_cm[wall].mean() == pytest.approx(0.16, abs=0.005)
    assert 0.03 < made.mu_per_cm[lung].mean() < 0.06
    assert names.index("heart") not in made.label  # nothing is left of the skeleton's round heart


def test_women_have_more_before_the_heart_than_the_skeleton_gives(body):
    patient = with_heart(body, (), "stress", *rngs())
    added_ml = ((patient.body.mu_per_cm > 0.1) & (body.mu_per_cm < 0.01)).sum() * body.voxel_mm**3 / 1000.0
    assert added_ml > 10.0 if body.person.sex == "F" else added_ml == 0.0


def test_anatomy_does_not_depend_on_the_state(body):
    stress, rest = (
        with_heart(body, (), state, np.random.default_rng(5), np.random.default_rng(k))
        for k, state in ((6, "stress"), (7, "rest"))
    )
    assert np.array_equal(stress.body.mu_per_cm, rest.body.mu_per_cm)
    assert np.array_equal(stress.body.label, rest.body.label)
    assert stress.heart == rest.heart
    assert not np.array_equal(stress.body.uptake, rest.body.uptake)


def test_the_heads_clear_the_body(body):
    mu = np.zeros((4, 40, 60), np.float32)
    mu[:, 10:30, 5:55] = 0.15
    path = orbit(mu, 8)
    assert path.angles_deg[0] == 225.0
    assert path.angles_deg[8] == 135.0
    assert min(path.angles_deg) == pytest.approx(45.0 + 90.0 / 8)
    assert dict(zip(path.angles_deg, path.radii_mm, strict=True))[180.0] == pytest.approx(9.5 * 3.3 + GAP_MM, abs=0.1)
