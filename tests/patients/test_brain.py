"""A painted head: volumes within published ranges, sides, age, tilt, and what it looks like to photons and protons."""

from __future__ import annotations

import numpy as np
import pytest

from photopeak.patients.brain import NAMES, NUMBER, Head, Pose, Variation, draw_variation, make_head
from photopeak.patients.brain.cerebrum import to_fluid
from photopeak.patients.brain.resonance import t1_weighted
from photopeak.patients.brain.shapes import Points, Waves, ellipsoid, share, tube
from photopeak.patients.brain.structures import BRAIN, CORTEX, of_tissues

COARSE_MM = 2.4


@pytest.fixture(scope="module")
def head() -> Head:
    return make_head(draw_variation(np.random.default_rng(3), "M", 60.0))


@pytest.fixture(scope="module")
def people() -> dict[float, list[dict[str, float]]]:
    """Deep structures of six people of two ages, on voxels that hold them by shares."""
    out: dict[float, list[dict[str, float]]] = {}
    for age in (30.0, 78.0):
        drawn = [draw_variation(np.random.default_rng(k), "FM"[k % 2], age) for k in range(6)]
        out[age] = [make_head(v, COARSE_MM).volumes_ml() for v in drawn]
    return out


def total(volumes: dict[str, float], *numbers: int) -> float:
    return sum(volumes[NAMES[k]] for k in numbers)


def of_both(volumes: dict[str, float], *names: str) -> float:
    return sum(volumes[f"{side} {name}"] for side in ("left", "right") for name in names)


def mean(people: list[dict[str, float]], *names: str) -> float:
    return float(np.mean([of_both(v, *names) for v in people])) / 2.0


def test_distances_are_distances():
    line = Points(*(np.array(v, np.float32) for v in ((30.0, 5.0, 0.0), (0.0, 0.0, 8.0), (0.0, 0.0, 0.0))))
    assert ellipsoid(line, (0.0, 0.0, 0.0), (20.0, 20.0, 20.0)) == pytest.approx([10.0, -15.0, -12.0])
    assert tube(line, ((-5.0, 0.0, 0.0, 2.0), (25.0, 0.0, 0.0, 2.0))) == pytest.approx([3.0, -2.0, 6.0])
    assert share(np.array([-9.0, 0.0, 0.6, 9.0], np.float32), 2.4) == pytest.approx([1.0, 0.5, 0.25, 0.0])


def test_waves_have_the_slope_that_they_have():
    waves = Waves.draw(np.random.default_rng(1), 20.0)
    rng = np.random.default_rng(2)
    p = [rng.uniform(-60, 60, 4000).astype(np.float32) for _ in range(3)]
    value, slope = waves.with_slope(Points(*p))
    assert value.std() == pytest.approx(1.0, abs=0.15)
    ahead = waves.at(Points(p[0] + np.float32(0.05), p[1], p[2]))
    assert (ahead - value) / 0.05 == pytest.approx(slope[:, 0], abs=0.02)


def test_the_brain_has_the_volume_of_a_brain(head):
    v = head.volumes_ml()
    assert 1050 < total(v, *BRAIN) < 1450
    assert 420 < total(v, *CORTEX) < 620
    assert 380 < of_both(v, "white matter") < 580
    assert 100 < of_both(v, "cerebellar cortex") + v["cerebellar white matter"] < 170
    assert 15 < v["midbrain"] + v["pons"] < 40


def test_deep_nuclei_and_ventricles_are_within_published_ranges(people):
    young, old = people[30.0], people[78.0]
    assert 3.2 < mean(young, "caudate") < 4.4
    assert 4.2 < mean(young, "anterior putamen", "posterior putamen") < 5.8
    assert 1.2 < mean(young, "globus pallidus") < 2.1
    assert 5.6 < mean(young, "thalamus") < 8.0
    assert 2.8 < mean(young, "hippocampus") < 4.4
    assert 4.0 < mean(young, "lateral ventricle") < 10.0
    assert 10.0 < mean(old, "lateral ventricle") < 25.0


def test_age_shrinks_the_brain_and_widens_its_ventricles(people):
    young, old = people[30.0], people[78.0]
    putamen = ("anterior putamen", "posterior putamen")
    assert mean(old, *putamen) < 0.9 * mean(young, *putamen)
    assert mean(old, "lateral ventricle") > 1.6 * mean(young, "lateral ventricle")
    for old_one, young_one in zip(old, young, strict=True):  # the same draws, 48 years apart
        assert total(old_one, *CORTEX) < total(young_one, *CORTEX)
        assert old_one["third ventricle"] > young_one["third ventricle"]


def test_women_have_smaller_heads_and_nobody_is_quite_symmetric(people):
    sizes = [total(v, *BRAIN) for v in people[30.0]]
    assert np.mean(sizes[1::2]) > 1.05 * np.mean(sizes[::2])
    sides = [v["left caudate"] / v["right caudate"] for v in people[30.0]]
    assert 0.01 < np.std(sides) < 0.12


def test_left_is_left_and_structures_lie_where_they_should(head):
    label = head.label

    def centre(name: str) -> np.ndarray:
        return np.argwhere(label == NUMBER[name]).mean(0)

    for name in ("caudate", "anterior putamen", "occipital cortex", "parotid gland"):
        assert centre(f"left {name}")[2] > centre(f"right {name}")[2]
    assert centre("left anterior putamen")[1] < centre("left posterior putamen")[1]
    assert centre("left caudate")[1] < centre("left thalamus")[1]
    assert centre("left frontal cortex")[1] < centre("left occipital cortex")[1]
    assert centre("pons")[0] < centre("midbrain")[0] < centre("left thalamus")[0]
    across = [abs(centre(f"left {n}")[2] - centre(f"right {n}")[2]) for n in ("caudate", "posterior putamen")]
    assert across[0] < across[1]


def test_lobes_lie_as_they_lie(head):
    label = head.label

    def centre(name: str) -> np.ndarray:
        return np.argwhere(label == NUMBER[name]).mean(0)

    along = ["anterior cingulate", "sensorimotor cortex", "parietal cortex", "precuneus", "occipital cortex"]
    ys = [centre(f"left {name}")[1] for name in along]
    assert ys == sorted(ys)
    assert centre("left precuneus")[0] > centre("left posterior cingulate")[0]
    strip = np.argwhere(label == NUMBER["left sensorimotor cortex"])
    low, high = np.percentile(strip[:, 0], (20, 80))
    upper, lower = strip[strip[:, 0] > high], strip[strip[:, 0] < low]
    assert upper[:, 1].mean() > lower[:, 1].mean() + 5  # the central sulcus runs up and back


def test_the_cortex_is_folded_and_as_thick_as_cortex(head):
    """Its surface is twice that of a smooth hull, and its volume over its surface is a few millimetres."""
    grey = np.isin(head.label, CORTEX)
    fluid = np.isin(head.label, of_tissues("fluid"))
    faces = sum(int((np.roll(grey, s, axis) & fluid).sum()) for axis in range(3) for s in (1, -1))
    surface_cm2 = faces * head.edge_mm**2 / 100.0 / 1.5  # faces of voxels overstate a surface by 3/2
    thickness_mm = total(head.volumes_ml(), *CORTEX) / surface_cm2 * 10.0
    assert 1000 < surface_cm2 < 2600
    assert 1.8 < thickness_mm < 4.5


def test_without_folds_the_depth_alone_decides():
    v = Variation()
    x = np.array([27.0, 27.0], np.float32)
    y, z = np.array([15.0, 15.0], np.float32), np.array([90.0, 68.0], np.float32)
    q, _ = to_fluid(Points(x, y, z), v)
    assert q[0] < 0  # above the brain
    assert q[1] < 12.0  # no point of it is far from fluid


def test_a_tilted_head_is_the_same_head():
    upright = make_head(Variation(), COARSE_MM)
    tilted = make_head(Variation(pose=Pose((0.0, 12.0, 5.0), (0.0, 0.0, 0.0))), COARSE_MM)
    for name in ("left caudate", "right thalamus", "pons"):
        assert tilted.volumes_ml()[name] == pytest.approx(upright.volumes_ml()[name], rel=0.04)
    cortex = [np.argwhere(h.label == NUMBER["left thalamus"]).mean(0) for h in (upright, tilted)]
    assert np.linalg.norm(cortex[0] - cortex[1]) > 0.5


def test_photons_see_bone_and_air(head):
    mu = head.mu_per_cm(158.97)
    assert mu[head.label == NUMBER["skull"]].mean() > 0.22
    assert mu[head.label == NUMBER["left white matter"]].mean() == pytest.approx(0.152, abs=0.004)
    assert mu[(head.label == NUMBER["airways"]) & (head.share == 1)].max() == 0.0
    assert mu[0].any()  # the neck goes on below the field
    assert not mu[-10:].any()  # and nothing is above the crown


def test_magnetic_resonance_has_t1_contrast(head):
    mr = t1_weighted(head, np.random.default_rng(1)).astype(float)
    pure = head.share > 0.999
    white, grey, fluid = (
        mr[pure & np.isin(head.label, numbers)].mean()
        for numbers in (of_tissues("white matter"), CORTEX, (NUMBER["left lateral ventricle"],))
    )
    assert white > 1.3 * grey
    assert grey > 2.0 * fluid
    air = mr[-8:]
    assert air.mean() == pytest.approx(1000 * 0.022 * np.sqrt(np.pi / 2), rel=0.1)  # Rayleigh


def test_the_same_draw_is_the_same_head():
    v = draw_variation(np.random.default_rng(9), "F", 70.0)
    one, other = make_head(v, COARSE_MM), make_head(v, COARSE_MM)
    assert (one.upper == other.upper).all()
    assert (one.share == other.share).all()
