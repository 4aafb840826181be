"""Every kernel against the same thing written plainly in numpy over the whole grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from photopeak.patients.anatomy import bone_kernels, distance_kernels, soft_kernels
from photopeak.patients.anatomy.curves import rotation

SHAPE = (18, 20, 22)
Z, Y, X = (axis.astype(float) for axis in np.indices(SHAPE))
GRID = np.stack([X, Y, Z], axis=-1)
TILE = np.ones((64, 64, 128), np.float32)
FLAT = (TILE, (0, 0, 0))
TISSUE = (0.02, 0.15, (2.0, 0.6))


def out_arrays(mu: float = 0.0) -> tuple[Any, Any, Any]:
    size = int(np.prod(SHAPE))
    return np.zeros(size, np.float32), np.full(size, mu, np.float32), np.zeros(size, np.uint8)


def scratch_arrays() -> tuple[Any, Any, Any, Any]:
    size = int(np.prod(SHAPE))
    return np.zeros(size, np.float32), np.zeros(size, np.float32), np.zeros(size, np.uint8), np.zeros(size, np.int32)


def cone(a: Any, b: Any, ra: float, rb: float) -> tuple[Any, Any]:
    along = ((GRID - a) @ (b - a)) / ((b - a) @ (b - a))
    s = np.clip(along, 0, 1)
    return np.linalg.norm(GRID - a - s[..., None] * (b - a), axis=-1) - (ra + s * (rb - ra)), along


def ellipsoid(centre: Any, axes: Any, e: float) -> Any:
    inverse = np.linalg.inv(axes)
    q = (GRID - centre) @ inverse.T
    k = (np.abs(q) ** e).sum(axis=-1) ** (1 / e)
    with np.errstate(all="ignore"):
        gradient = (np.sign(q) * np.abs(q) ** (e - 1) * (k ** (1 - e))[..., None]) @ inverse
        d = (k - 1) / np.linalg.norm(gradient, axis=-1)
    return np.where(k < 0.1, -np.linalg.norm(axes, axis=0).min(), d), q


A, B = np.array([5.0, 6.0, 4.0]), np.array([14.0, 11.0, 12.0])
CONES, PLACE = np.array([[0, 0]]), (np.stack([A, B]), np.array([3.0, 4.5]))
PRIMS = (np.array([0.7]), np.array([9], np.uint8))


def test_solid_cone() -> None:
    held = scratch_arrays()
    n = bone_kernels.bone_cones(CONES, np.array([[0.0, 1.0]]), PLACE, PRIMS, SHAPE, held, 0)
    d, _ = cone(A, B, 3.0, 4.5)
    o = np.clip(0.5 - d, 0, 1)
    np.testing.assert_allclose(held[1].reshape(SHAPE), o, atol=1e-6)
    np.testing.assert_allclose(held[0].reshape(SHAPE), 0.7 * o, atol=1e-6)
    assert n == np.count_nonzero(o)
    assert set(held[3][:n]) == set(np.flatnonzero(o))
    assert set(held[2][held[0] > 0]) == {9}


def test_tube_has_a_dim_core_and_open_ends() -> None:
    held = scratch_arrays()
    bone_kernels.bone_cones(CONES, np.array([[1.5, 0.3]]), PLACE, PRIMS, SHAPE, held, 0)
    d, along = cone(A, B, 3.0, 4.5)
    o = np.where((along >= -0.3) & (along <= 1.3), np.clip(0.5 - d, 0, 1), 0)
    value = 0.7 * (0.3 + 0.7 * np.clip(0.5 + d + 1.5, 0, 1))
    np.testing.assert_allclose(held[0].reshape(SHAPE), o * value, atol=1e-6)


@pytest.mark.parametrize("direction", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0)])
def test_cones_along_an_axis_and_of_no_length(direction: tuple[float, float, float]) -> None:
    a = np.array([9.0, 9.0, 8.0])
    b = a + 5 * np.array(direction)
    held = scratch_arrays()
    place = (np.stack([a, b]), np.array([3.0, 3.0]))
    bone_kernels.bone_cones(CONES, np.array([[0.0, 1.0]]), place, PRIMS, SHAPE, held, 0)
    s = np.clip(((GRID - a) @ (b - a)) / max((b - a) @ (b - a), 1e-9), 0, 1)
    d = np.linalg.norm(GRID - a - s[..., None] * (b - a), axis=-1) - 3.0
    np.testing.assert_allclose(held[1].reshape(SHAPE), np.clip(0.5 - d, 0, 1), atol=1e-6)


@pytest.mark.parametrize("tip", [(8.0, 15.0, 12.0), (8.0, 15.0, 6.0)], ids=["oblique", "along x"])
def test_sheet_thick_and_thin(tip: tuple[float, float, float]) -> None:
    points = np.array([[4.0, 5.0, 6.0], [16.0, 6.0, 6.0], tip])
    near = np.full(SHAPE, np.inf)
    for u in np.linspace(0, 1, 81):  # a cloud of points on the triangle stands for it
        for v in np.linspace(0, 1 - u, 81):
            p = points[0] + u * (points[1] - points[0]) + v * (points[2] - points[0])
            near = np.minimum(near, ((GRID - p) ** 2).sum(axis=-1))
    for half in (1.3, 0.2):
        held = scratch_arrays()
        place = (points, np.full(3, half))
        bone_kernels.bone_triangles(np.array([[0, 1, 2, 0]]), place, PRIMS, SHAPE, held, 0)
        expected = np.clip(np.minimum(0.5 - (np.sqrt(near) - half), min(2 * half, 1.0)), 0, 1)
        np.testing.assert_allclose(held[1].reshape(SHAPE), expected, atol=0.03)


@pytest.mark.parametrize("turn", [(20, -15, 30), (0, 0, 0), (0, 180, 0)], ids=["oblique", "straight", "turned"])
@pytest.mark.parametrize("wall", [0.0, 1.6])
@pytest.mark.parametrize("e", [2.0, 3.0, 4.0])
def test_ellipsoids_solid_and_hollow_and_clipped(e: float, wall: float, turn: tuple[float, float, float]) -> None:
    centre, axes = np.array([[10.3, 9.8, 8.6]]), (rotation(turn) * [6.0, 4.0, 5.0])[None]
    clip = np.full((1, 2, 4), [0.0, 0.0, 0.0, -9.0])
    clip[0, 0], clip[0, 1] = [0.0, 0.4, 1.0, -0.2], [1.0, 0.0, 0.3, -0.7]
    frame = (centre, axes, np.linalg.inv(axes))
    form = (np.array([e]), np.array([wall]), clip)
    held = scratch_arrays()
    bone_kernels.bone_ellipsoids(np.array([[0, 0]]), frame, form, PRIMS, SHAPE, held, 0)
    d, q = ellipsoid(centre[0], axes[0], e)
    o = np.clip(0.5 - d, 0, 1)
    if wall:
        o = np.minimum(o, np.clip(0.5 + d + wall, 0, 1))
    o = np.where((q @ clip[0, 0, :3] >= -0.2) & (q @ clip[0, 1, :3] >= -0.7), o, 0)
    np.testing.assert_allclose(held[1].reshape(SHAPE), o, atol=2e-5)


def test_the_brighter_primitive_owns_a_voxel() -> None:
    held = scratch_arrays()
    prims = (np.array([0.7, 0.2]), np.array([9, 4], np.uint8))
    cones = np.array([[0, 1], [0, 0]])
    n = bone_kernels.bone_cones(cones, np.array([[0.0, 1.0]] * 2), PLACE, prims, SHAPE, held, 0)
    assert set(held[2][held[3][:n]]) == {9}
    assert len(set(held[3][:n])) == n, "a voxel is listed twice"


def test_settle_mixes_and_leaves_the_scratch_clean() -> None:
    held, out = scratch_arrays(), out_arrays(mu=0.15)
    out[0][:] = 0.01
    n = bone_kernels.bone_cones(CONES, np.array([[0.0, 1.0]]), PLACE, PRIMS, SHAPE, held, 0)
    o = held[1].copy()
    texture = np.random.default_rng(0).random((64, 64, 128)).astype(np.float32)
    bone_kernels.settle(held, n, 0.19, (texture, (3, 5, 7)), SHAPE, out)
    factor = texture[np.ix_(np.arange(18) + 7, np.arange(20) + 5, np.arange(22) + 3)].reshape(-1)
    np.testing.assert_allclose(out[0], 0.01 * (1 - o) + 0.7 * o * factor, atol=1e-6)
    np.testing.assert_allclose(out[1], 0.15 + o * 0.04, atol=1e-6)
    np.testing.assert_array_equal(out[2], np.where(o >= 0.35, 9, 0))
    assert not held[0].any()
    assert not held[1].any()


def test_loft() -> None:
    rows = np.array(
        [[1.0, 10.0, 9.0, 5.0, 4.0, 0.0, 0.0], [9.0, 10.5, 9.5, 8.0, 6.0, 0.4, 0.1], [15.0, 11, 10, 6, 5, 0, 0]]
    )
    out = out_arrays()
    soft_kernels.soft_loft(rows, TISSUE, FLAT, SHAPE, out)
    expected = np.zeros(SHAPE)
    for z in range(1, 16):
        cx, cy, a, b, boxy, lean = (np.interp(z, rows[:, 0], rows[:, j]) for j in range(1, 7))
        v = np.minimum(1, np.abs(Y[z] - cy) / b)
        half = a * ((1 - boxy) * np.sqrt(1 - v**2) + boxy * (1 - v**4) ** 0.25)
        d = np.abs(X[z] - cx - lean * (Y[z] - cy))
        expected[z] = np.clip(0.5 + half - d, 0, 1) * np.clip(0.5 + b - np.abs(Y[z] - cy), 0, 1)
    np.testing.assert_allclose(out[1].reshape(SHAPE), 0.15 * expected, atol=1e-6)
    uptake = out[0].reshape(SHAPE)
    assert uptake[9, 9, 10] == pytest.approx(0.02)
    assert 0.6 * 0.02 - 1e-6 <= uptake[9, 9, 3] < 0.016, "no rim of fat"
    np.testing.assert_array_equal(out[2].reshape(SHAPE) == 1, expected >= 0.5)


def test_limbs_are_cones_with_a_rim_of_fat() -> None:
    out = out_arrays()
    soft_kernels.soft_cones(np.array([0]), PLACE, TISSUE, FLAT, SHAPE, out)
    d, _ = cone(A, B, 3.0, 4.5)
    o = np.clip(0.5 - d, 0, 1)
    np.testing.assert_allclose(out[1].reshape(SHAPE), 0.15 * o, atol=1e-6)
    share = 0.6 + 0.4 * np.clip(0.5 - 0.25 * (d + 2.0), 0, 1)
    np.testing.assert_allclose(out[0].reshape(SHAPE), 0.02 * o * share, atol=1e-6)


@pytest.mark.parametrize("number", [1, 5])
def test_soft_ellipsoids_add_to_the_outline_or_replace_inside_it(number: int) -> None:
    centre, axes = np.array([[10.3, 9.8, 8.6]]), (rotation((20, -15, 30)) * [6.0, 4.0, 5.0])[None]
    out = out_arrays(mu=0.0 if number == 1 else 0.15)
    tissue = (np.array([0.3]), np.array([0.04 if number > 1 else 0.15]), np.array([number], np.uint8))
    soft_kernels.soft_ellipsoids((centre, axes, np.linalg.inv(axes)), tissue, FLAT, SHAPE, out)
    o = np.clip(0.5 - ellipsoid(centre[0], axes[0], 2.0)[0], 0, 1)
    np.testing.assert_allclose(out[0].reshape(SHAPE), 0.3 * o, atol=2e-5)
    expected = 0.15 * o if number == 1 else 0.15 - 0.11 * o
    np.testing.assert_allclose(out[1].reshape(SHAPE), expected, atol=2e-5)
    np.testing.assert_array_equal(out[2].reshape(SHAPE), np.where(o >= 0.5, number, 0))


def test_an_organ_outside_the_body_is_not_drawn() -> None:
    centre, axes = np.array([[10.0, 10.0, 8.0]]), 4.0 * np.eye(3)[None]
    out = out_arrays()
    tissue = (np.array([0.3]), np.array([0.15]), np.array([5], np.uint8))
    soft_kernels.soft_ellipsoids((centre, axes, np.linalg.inv(axes)), tissue, FLAT, SHAPE, out)
    soft_kernels.organ_cones(CONES, PLACE, PRIMS, FLAT, SHAPE, out)
    assert not out[0].any()
    assert not out[2].any()


def test_vessels() -> None:
    out = out_arrays(mu=0.15)
    out[0][:] = 0.1
    soft_kernels.organ_cones(CONES, PLACE, PRIMS, FLAT, SHAPE, out)
    o = np.clip(0.5 - cone(A, B, 3.0, 4.5)[0], 0, 1)
    np.testing.assert_allclose(out[0].reshape(SHAPE), np.maximum(0.1, 0.7 * o), atol=1e-6)
    np.testing.assert_array_equal(out[2].reshape(SHAPE) == 9, 0.7 * o > 0.1)


def test_modify_scales_and_adds_where_the_label_allows() -> None:
    out = out_arrays()
    out[0][:], out[2][:] = 1.0, 5
    out[2][: out[2].size // 2] = 1
    axes = np.diag([4.0, 3.0, 5.0])
    centre = np.array([10.0, 9.0, 9.0])
    soft_kernels.modify((centre, axes, np.linalg.inv(axes)), (2.0, 0.5), 3, SHAPE, out[0], out[2])
    q = np.sqrt((((GRID - centre) @ np.linalg.inv(axes).T) ** 2).sum(axis=-1))
    weight = np.where(out[2].reshape(SHAPE) >= 3, np.clip(2.2 * (1.25 - q), 0, 1), 0)
    np.testing.assert_allclose(out[0].reshape(SHAPE), 1 + weight + 0.5 * weight, atol=1e-6)


def test_roots() -> None:
    for e in (2.0, 3.0, 4.0):
        for v in (0.1, 0.5, 1.0, 2.7, 9.0):
            assert distance_kernels.root(v, e) == pytest.approx(v ** (1 / e), rel=1e-8)
            assert distance_kernels.power(-v, e) == pytest.approx(v**e)
