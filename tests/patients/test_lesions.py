"""Painting: a lesion stays where it may be, and the kernel that grows it does what its formula says."""

import numpy as np
import pytest

from photopeak.core import PhotopeakError
from photopeak.patients.lesions import ANYWHERE, Lesion, allowed, ball, deposit, is_bone, paint, vectors
from photopeak.patients.paint_kernels import find_voxels, grow, soft_step, wave
from tests.patients.disease_bodies import healthy


def centre_of(body, name):
    z, y, x = np.argwhere(body.label == body.names.index(name)).mean(axis=0)
    return tuple(float(o + body.voxel_mm * i) for o, i in zip(body.origin_mm, (x, y, z), strict=True))


def metastasis(body, name="L3", radius=18.0, **more):
    at = centre_of(body, name)
    return Lesion(1, "metastasis", name, "vertebra", "", at, ball(radius), within=(name,), **{"added": 3.0, **more})


def test_paint_changes_nothing_outside_the_bone_and_the_box():
    body = healthy()
    one = deposit(body, metastasis(body), np.random.default_rng(1))
    painted = paint(body, [one])
    changed = painted.uptake != body.uptake
    assert changed.any()
    assert set(np.unique(body.label[changed])) == {body.names.index("L3")}
    inside = np.zeros_like(changed)
    inside[one.box] = True
    assert not changed[~inside].any()
    assert painted.mu_per_cm is body.mu_per_cm
    assert np.shares_memory(painted.uptake, body.uptake) is False


def test_the_centre_gets_the_whole_uptake_and_the_sum_is_that_of_the_deposit():
    body = healthy()
    one = deposit(body, metastasis(body, roughness=0.0), np.random.default_rng(1))
    painted = paint(body, [one])
    assert one.uptake.max() == pytest.approx(3.0)
    assert float((painted.uptake - body.uptake).sum()) == pytest.approx(float(one.uptake.sum()), rel=1e-4)


def test_order_does_not_matter_and_nothing_is_shared_with_the_healthy_body():
    body = healthy()
    a = deposit(body, metastasis(body, "L3"), np.random.default_rng(1))
    b = deposit(body, metastasis(body, "L4"), np.random.default_rng(2))
    np.testing.assert_allclose(paint(body, [a, b]).uptake, paint(body, [b, a]).uptake, rtol=1e-6)
    assert paint(body, []).uptake is body.uptake


def test_taking_over_paints_into_the_given_arrays():
    body = paint(healthy(), [deposit(healthy(), metastasis(healthy(), "L5"), np.random.default_rng(1))])
    one = deposit(body, metastasis(body), np.random.default_rng(1))
    wanted = paint(body, [one]).uptake
    assert paint(body, [one], take_over=True).uptake is body.uptake
    np.testing.assert_array_equal(body.uptake, wanted)


def test_a_lytic_lesion_is_cold_inside_and_hot_around():
    body = healthy()
    lesion = metastasis(body, "L3", 22.0, hollow=0.55, core=0.2, roughness=0.0)
    one = deposit(body, lesion, np.random.default_rng(1))
    assert lesion.lytic
    assert one.uptake.min() < 0 < one.uptake.max()
    middle = tuple(round((c - o) / body.voxel_mm) for c, o in zip(lesion.centre_mm, body.origin_mm, strict=True))[::-1]
    if body.names[body.label[middle]] == "L3":
        assert paint(body, [one]).uptake[middle] == pytest.approx(0.2 * body.uptake[middle], rel=0.01)


def test_metal_absorbs_and_holds_no_activity():
    body = healthy()
    lesion = Lesion(1, "port", "chest", "", "", (-60.0, 0.0, 1300.0), ball(15.0), factor=0.0, mu_per_cm=0.79,
                    within=ANYWHERE, roughness=0.0)  # fmt: skip
    painted = paint(body, [deposit(body, lesion, np.random.default_rng(0))])
    assert painted.mu_per_cm.max() == pytest.approx(0.79)
    assert painted.uptake[painted.mu_per_cm > 0.78].max() < 1e-6
    assert body.mu_per_cm.max() < 0.5


def test_a_lesion_beyond_the_grid_is_empty_and_flat_axes_are_refused():
    body = healthy()
    away = Lesion(1, "metastasis", "L3", "vertebra", "", (0.0, 0.0, 9999.0), ball(10.0), added=1.0)
    assert deposit(body, away, np.random.default_rng(0)).uptake.size == 0
    flat = Lesion(1, "metastasis", "L3", "vertebra", "", (0.0, 0.0, 900.0), vectors(np.zeros((3, 3))), added=1.0)
    with pytest.raises(PhotopeakError, match="semi-axes"):
        deposit(body, flat, np.random.default_rng(0))


def test_bones_are_told_from_organs():
    body = healthy()
    bones = [n for n in body.names if is_bone(n)]
    assert len(bones) > 100
    assert not {"left kidney", "bladder", "liver", "soft tissue", "", "vessels", "thyroid cartilage"} & set(bones)
    assert allowed(body, ()).sum() == len(bones)
    assert allowed(body, ("L3", "L4")).sum() == 2
    assert allowed(body, ANYWHERE).all()


def test_semi_axes_come_longest_first():
    lesion = Lesion(1, "arthritis", "hip", "hip", "left", (0.0, 0.0, 0.0), vectors(np.diag([3.0, 9.0, 5.0])))
    assert lesion.semi_axes_mm == pytest.approx((9.0, 5.0, 3.0))


def plain_wave(t):
    t = t - np.floor(t)
    return np.where(t < 0.5, 16 * t * (0.5 - t), -16 * (t - 0.5) * (1 - t))


def plain_step(r, inner, outer):
    s = np.clip((r - inner) / (outer - inner), 0, 1)
    return 1 - s * s * (3 - 2 * s)


def test_wave_is_periodic_odd_about_its_nodes_and_close_to_a_sine():
    t = np.linspace(-2, 2, 401)
    got = np.array([wave(float(v)) for v in t])
    np.testing.assert_allclose(got, plain_wave(t), atol=1e-12)
    np.testing.assert_allclose(got, np.sin(2 * np.pi * t), atol=0.06)


@pytest.mark.parametrize("hollow", [0.0, 0.6])
def test_grow_against_plain_numpy(hollow):
    rng = np.random.default_rng(3)
    label = rng.integers(0, 3, (9, 11, 13)).astype(np.uint8)
    may = np.array([0, 1, 1] + [0] * 253, np.uint8)
    inverse = np.linalg.inv(np.array([[14.0, 2, 0], [-1, 9, 1], [0, 1, 11]]))
    waves, first = rng.normal(0, 0.8, (6, 4)), np.array([-24.0, -20.0, -16.0])
    reach, core = np.zeros(label.shape, np.float32), np.zeros(label.shape, np.float32)
    grow(label, may, 4.0, first, inverse, 0.3, waves, reach, core, hollow)
    z, y, x = np.meshgrid(*(np.arange(n) * 4.0 for n in label.shape), indexing="ij")
    q = np.einsum("ij,j...->i...", inverse, np.stack([x + first[0], y + first[1], z + first[2]]))
    noise, mottle = (sum(plain_wave(f * np.tensordot(w[:3], q, 1) + w[3]) for w in waves) for f in (1.0, 2.0))
    radius = np.sqrt((q**2).sum(axis=0))
    r = radius * np.maximum(0.5, 1 + 0.3 / np.sqrt(3.0) * noise)
    hole = plain_step(r / hollow, 0.75, 1.15) if hollow else np.zeros_like(r)
    free = (may[label] == 1) & (radius <= 2.0)
    inside = plain_step(r, 0.75, 1.15) * (1 - hole) * np.maximum(0.2, 1 + 0.3 / np.sqrt(3.0) * mottle)
    np.testing.assert_allclose(reach, np.where(free, inside, 0), atol=1e-6)
    np.testing.assert_allclose(core, np.where(free, hole, 0), atol=1e-6)
    assert soft_step(0.5, 0.75, 1.15) == 1.0
    assert soft_step(1.3, 0.75, 1.15) == 0.0


def test_find_voxels_against_plain_numpy():
    rng = np.random.default_rng(4)
    label = rng.integers(0, 6, (8, 9, 10)).astype(np.uint8)
    wanted = np.zeros(256, np.uint8)
    wanted[[2, 5]] = 1
    for stride in (1, 2):
        out = np.zeros((1000, 4), np.int32)
        n = find_voxels(label, wanted, stride, out)
        part = label[::stride, ::stride, ::stride]
        where = np.argwhere(np.isin(part, [2, 5]))
        np.testing.assert_array_equal(out[:n, :3], where * stride)
        np.testing.assert_array_equal(out[:n, 3], part[tuple(where.T)])
    assert find_voxels(label, wanted, 1, np.zeros((3, 4), np.int32)) == 3
