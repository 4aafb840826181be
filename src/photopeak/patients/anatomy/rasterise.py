"""Bones, organs and surface on a voxel grid, through the compiled kernels."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, UInt8

from photopeak.patients.anatomy import rasterise_kernels as kernels
from photopeak.patients.anatomy.outline import Outline
from photopeak.patients.anatomy.skeleton import Skeleton
from photopeak.patients.anatomy.texture import tile

FAT_MM, FAT_UPTAKE = 9.0, 0.6
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

    def texture(self, kind: str) -> tuple[Float32[np.ndarray, "64 64 64"], tuple[int, int, int]]:
        return tile(self.voxel_mm, kind), self.texture_shift


def scratch(size: int) -> tuple[Any, Any, Any, Any]:
    """Clean bone, occupancy and winner arrays and a list of touched voxels, kept for each thread."""
    held = getattr(_LOCAL, "scratch", None)
    if held is None or held[0].size < size:
        room = int(1.15 * size)
        held = (np.zeros(room, np.float32), np.zeros(room, np.float32), np.zeros(room, np.uint8), None)
        _LOCAL.scratch = (*held[:3], np.zeros(room // 2, np.int32))
    return _LOCAL.scratch  # type: ignore[no-any-return]


def draw_outline(canvas: Canvas, surface: Outline, u_soft: float, mu_soft: float) -> None:
    """Skin, fat and muscle."""
    h, fat = canvas.voxel_mm, (FAT_MM / canvas.voxel_mm, FAT_UPTAKE)
    out = (*canvas.texture("soft"), canvas.shape, canvas.uptake, canvas.mu, canvas.label)
    for rows in surface.lofts:
        scaled = rows.copy()
        scaled[:, [1, 2, 0]] = canvas.to_voxels(rows[:, [1, 2, 0]])
        scaled[:, 3:5] /= h
        kernels.soft_loft(scaled, u_soft, fat, mu_soft, *out)
    points = canvas.to_voxels(surface.point_mm)
    kernels.soft_cones(surface.cones, points, surface.radius_mm / h, u_soft, fat, mu_soft, *out)
    count = len(surface.centre_mm)
    axes = surface.axes_mm / h
    u, mu, label = np.full(count, u_soft), np.full(count, mu_soft), np.ones(count, np.uint8)
    hard = np.zeros(count, np.int64)
    kernels.soft_ellipsoids(canvas.to_voxels(surface.centre_mm), axes, np.linalg.inv(axes), u, mu, label, hard, *out)


def draw_organs(
    canvas: Canvas, skeleton: Skeleton, points_mm: Any, u: Float[np.ndarray, "prims"], mu_lung: float, mu_soft: float
) -> None:
    """Organs replace what is inside them; one after the other, in the file's order."""
    tubes = skeleton.cones[skeleton.prim_organ[skeleton.cones[:, 1]]]
    target = (*canvas.texture("soft"), canvas.shape, canvas.uptake, canvas.mu, canvas.label)
    voxels = canvas.to_voxels(points_mm)
    kernels.organ_cones(tubes, voxels, skeleton.radius_mm / canvas.voxel_mm, u, skeleton.prim_label, *target)
    h, first, prim = canvas.voxel_mm, skeleton.ellipsoids[:, 0], skeleton.ellipsoids[:, 1]
    chosen = skeleton.prim_organ[prim] & (u[prim] > 0)
    first, prim = first[chosen], prim[chosen]
    axes = (points_mm[first[:, None] + [1, 2, 3]] - points_mm[first][:, None]).swapaxes(1, 2) / h
    mu = np.where(skeleton.prim_mu[prim] > 0, mu_lung, mu_soft)
    kernels.soft_ellipsoids(
        voxels[first],
        axes,
        np.linalg.inv(axes),
        u[prim],
        mu,
        skeleton.prim_label[prim],
        np.ones(len(prim), np.int64),
        *target,
    )


def draw_bones(
    canvas: Canvas, skeleton: Skeleton, points_mm: Any, radius_mm: Any, u: Float[np.ndarray, "prims"], mu_bone: float
) -> None:
    """Cones, sheets and ellipsoids; the largest occupancy times uptake owns a voxel."""
    h, label = canvas.voxel_mm, skeleton.prim_label
    bone, occupied, winner, touched = scratch(canvas.uptake.size)
    target = (u, label, canvas.shape, bone, occupied, winner, touched)
    points, radius = canvas.to_voxels(points_mm), radius_mm / h
    tube = skeleton.tube * [1 / h, 1.0]
    bony = ~skeleton.prim_organ[skeleton.cones[:, 1]]
    n = kernels.bone_cones(skeleton.cones[bony], tube[bony], points, radius, *target, 0)
    n = kernels.bone_triangles(skeleton.triangles, points, radius, *target, n)
    solid = ~skeleton.prim_organ[skeleton.ellipsoids[:, 1]]
    ells = skeleton.ellipsoids[solid]
    axes = (points[ells[:, :1] + [1, 2, 3]] - points[ells[:, 0]][:, None]).swapaxes(1, 2)
    shape = (axes, np.linalg.inv(axes), skeleton.exponent[solid], skeleton.wall_mm[solid] / h, skeleton.clip[solid])
    n = kernels.bone_ellipsoids(ells, points, *shape, *target, n)
    texture = canvas.texture("bone")
    kernels.settle(
        touched, n, bone, occupied, winner, mu_bone, *texture, canvas.shape, canvas.uptake, canvas.mu, canvas.label
    )


def modify(
    canvas: Canvas, centre_mm: Any, axes_mm: Any, factor: float = 1.0, add: float = 0.0, label_from: int = 1
) -> None:
    """Multiply and add inside a soft-edged ellipsoid, on structures numbered ``label_from`` and above."""
    axes = np.ascontiguousarray(axes_mm / canvas.voxel_mm)
    centre = canvas.to_voxels(np.asarray(centre_mm)[None])[0]
    inverse = np.linalg.inv(axes)
    kernels.modify(centre, axes, inverse, factor, add, label_from, canvas.shape, canvas.uptake, canvas.label)
