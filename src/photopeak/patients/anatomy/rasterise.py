"""Bones, organs and surface on a voxel grid, through the compiled kernels."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, UInt8

from photopeak.patients.anatomy import bone_kernels, soft_kernels
from photopeak.patients.anatomy.outline import Outline
from photopeak.patients.anatomy.skeleton import Skeleton
from photopeak.patients.anatomy.texture import SIDE, tile

FAT_UPTAKE = 0.6
_LOCAL = threading.local()


@dataclass(frozen=True, eq=False)
class Canvas:
    """The arrays being filled, and the scratch that is left clean for the next body."""

    voxel_mm: float
    origin_mm: Float[np.ndarray, "3"]
    shape: tuple[int, int, int]
    uptake: Float32[np.ndarray, "voxels"]
    mu: Float32[np.ndarray, "voxels"]
    label: UInt8[np.ndarray, "voxels"]
    texture_shift: tuple[int, int, int]

    @staticmethod
    def around(low: Any, high: Any, voxel_mm: float, texture_shift: tuple[int, int, int]) -> Canvas:
        """A canvas whose box holds ``low`` to ``high`` (mm) and a margin of one voxel."""
        origin = np.floor(low / voxel_mm - 1) * voxel_mm
        nx, ny, nz = (int(n) for n in np.ceil((high - origin) / voxel_mm) + 2)
        size = nx * ny * nz
        zeros = (np.zeros(size, np.float32), np.zeros(size, np.float32), np.zeros(size, np.uint8))
        return Canvas(voxel_mm, origin, (nz, ny, nx), *zeros, texture_shift)

    def to_voxels(self, points_mm: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        return np.asarray((points_mm - self.origin_mm) / self.voxel_mm)

    def texture(self, kind: str) -> tuple[Float32[np.ndarray, "64 64 width"], tuple[int, int, int]]:
        return tile(self.voxel_mm, kind, self.shape[2] // SIDE + 2), self.texture_shift

    @property
    def out(self) -> tuple[Any, Any, Any]:
        return self.uptake, self.mu, self.label


def scratch(size: int) -> tuple[Any, Any, Any, Any]:
    """Clean bone, occupancy and winner arrays and a list of touched voxels, kept for each thread."""
    held = getattr(_LOCAL, "scratch", None)
    if held is None or held[0].size < size:
        room = int(1.15 * size)
        held = (np.zeros(room, np.float32), np.zeros(room, np.float32), np.zeros(room, np.uint8), None)
        _LOCAL.scratch = (*held[:3], np.zeros(room // 2, np.int32))
    return _LOCAL.scratch  # type: ignore[no-any-return]


def frames(centre_mm: Any, axes_mm: Any, canvas: Canvas) -> tuple[Any, Any, Any]:
    """Centres, semi-axes (columns) and their inverses, in voxels."""
    axes = np.ascontiguousarray(axes_mm) / canvas.voxel_mm
    return canvas.to_voxels(centre_mm), axes, np.linalg.inv(axes)


def draw_outline(canvas: Canvas, surface: Outline, u_soft: float, mu_soft: float) -> None:
    """Skin, fat and muscle."""
    h = canvas.voxel_mm
    tissue = (u_soft, mu_soft, (surface.fat_mm / h, FAT_UPTAKE))
    out = (canvas.texture("soft"), canvas.shape, canvas.out)
    for rows in surface.lofts:
        scaled = rows.copy()
        scaled[:, [1, 2, 0]] = canvas.to_voxels(rows[:, [1, 2, 0]])
        scaled[:, 3:5] /= h
        soft_kernels.soft_loft(scaled, tissue, *out)
    soft_kernels.soft_cones(surface.cones, (canvas.to_voxels(surface.point_mm), surface.radius_mm / h), tissue, *out)
    count = len(surface.centre_mm)
    each = (u_soft * surface.shine, np.full(count, mu_soft), np.full(count, soft_kernels.SOFT_TISSUE, np.uint8))
    soft_kernels.soft_ellipsoids(frames(surface.centre_mm, surface.axes_mm, canvas), each, *out)


def draw_organs(
    canvas: Canvas, skeleton: Skeleton, points_mm: Any, u: Float[np.ndarray, "prims"], mu: tuple[float, float]
) -> None:
    """Vessels, then organs, one after the other in the file's order. ``mu``: soft tissue and lung, 1/cm."""
    out = (canvas.texture("soft"), canvas.shape, canvas.out)
    tubes = skeleton.cones[skeleton.prim_organ[skeleton.cones[:, 1]]]
    place = (canvas.to_voxels(points_mm), skeleton.radius_mm / canvas.voxel_mm)
    soft_kernels.organ_cones(tubes, place, (u, skeleton.prim_label), *out)
    chosen = skeleton.prim_organ[skeleton.ellipsoids[:, 1]] & (u[skeleton.ellipsoids[:, 1]] > 0)
    first, prim = skeleton.ellipsoids[chosen].T
    each = (u[prim], np.where(skeleton.prim_mu[prim] > 0, mu[1], mu[0]), skeleton.prim_label[prim])
    soft_kernels.soft_ellipsoids(frames(points_mm[first], semi_axes(points_mm, first), canvas), each, *out)


def draw_bones(
    canvas: Canvas, skeleton: Skeleton, place_mm: tuple[Any, Any], u: Float[np.ndarray, "prims"], mu_bone: float
) -> None:
    """Cones, sheets and ellipsoids; the largest occupancy times uptake owns a voxel. ``place_mm``: points, radii."""
    h, points_mm = canvas.voxel_mm, place_mm[0]
    held = scratch(canvas.uptake.size)
    target = ((u, skeleton.prim_label), canvas.shape, held)
    place = (canvas.to_voxels(points_mm), place_mm[1] / h)
    bony = ~skeleton.prim_organ[skeleton.cones[:, 1]]
    n = bone_kernels.bone_cones(skeleton.cones[bony], skeleton.tube[bony] * [1 / h, 1.0], place, *target, 0)
    n = bone_kernels.bone_triangles(skeleton.triangles, place, *target, n)
    solid = ~skeleton.prim_organ[skeleton.ellipsoids[:, 1]]
    ells = skeleton.ellipsoids[solid]
    frame = frames(points_mm[ells[:, 0]], semi_axes(points_mm, ells[:, 0]), canvas)
    form = (skeleton.exponent[solid], skeleton.wall_mm[solid] / h, skeleton.clip[solid])
    n = bone_kernels.bone_ellipsoids(ells, frame, form, *target, n)
    bone_kernels.settle(held, n, mu_bone, canvas.texture("bone"), canvas.shape, canvas.out)


def semi_axes(points_mm: Any, first: Any) -> Any:
    """Semi-axes as columns, of ellipsoids whose centre is point ``first`` and whose axes end at the next three."""
    return (points_mm[first[:, None] + [1, 2, 3]] - points_mm[first][:, None]).swapaxes(1, 2)


def modify(
    canvas: Canvas, ellipsoid_mm: tuple[Any, Any], factor: float = 1.0, add: float = 0.0, label_from: int = 1
) -> None:
    """Multiply and add inside a soft-edged ellipsoid, on structures numbered ``label_from`` and above."""
    centre, axes, inverse = frames(ellipsoid_mm[0][None], ellipsoid_mm[1][None], canvas)
    frame = (centre[0], axes[0], inverse[0])
    soft_kernels.modify(frame, (factor, add), label_from, canvas.shape, canvas.uptake, canvas.label)
