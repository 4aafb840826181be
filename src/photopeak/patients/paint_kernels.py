"""Kernels that grow a lesion into the voxels it may occupy, and find the voxels of a bone."""

from __future__ import annotations

import numpy as np

from photopeak.physics.engines import Array, kernel


@kernel
def wave(t: float) -> float:
    """A sine-like wave of period 1 from two parabolas, from multiplications alone: the same bits everywhere."""
    t -= np.floor(t)
    return 16.0 * t * (0.5 - t) if t < 0.5 else -16.0 * (t - 0.5) * (1.0 - t)


@kernel
def soft_step(r: float, inner: float, outer: float) -> float:
    """1 inside ``inner``, 0 outside ``outer``, smooth between: 1 − s²(3 − 2s)."""
    if r <= inner:
        return 1.0
    if r >= outer:
        return 0.0
    s = (r - inner) / (outer - inner)
    return 1.0 - s * s * (3.0 - 2.0 * s)


@kernel
def grow(
    label: Array,
    allowed: Array,
    voxel_mm: float,
    first_mm: Array,
    inverse: Array,
    roughness: float,
    waves: Array,
    reach: Array,
    core: Array,
    hollow: float,
) -> None:
    """Fill ``reach`` (how much of the lesion a voxel is) and ``core`` (how much of its hollow) over a box.

    ``label`` is the box of structure numbers, ``first_mm`` the first voxel's centre relative to the
    lesion's. ``inverse`` takes millimetres to the unit sphere; the radius there is r(1 + roughness·noise),
    the noise a sum of waves (three cycles per unit radius at most, and a phase, in each row of ``waves``).
    The edge is soft from 0.75 to 1.15, and what is inside is as mottled as the edge is rough, twice as fine.
    With ``hollow`` > 0 the lesion is a rim around that radius.
    """
    nz, ny, nx = label.shape
    scale = roughness / np.sqrt(0.5 * max(1, waves.shape[0]))
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                if allowed[label[z, y, x]] == 0:
                    continue
                dx, dy, dz = first_mm[0] + x * voxel_mm, first_mm[1] + y * voxel_mm, first_mm[2] + z * voxel_mm
                qx = inverse[0, 0] * dx + inverse[0, 1] * dy + inverse[0, 2] * dz
                qy = inverse[1, 0] * dx + inverse[1, 1] * dy + inverse[1, 2] * dz
                qz = inverse[2, 0] * dx + inverse[2, 1] * dy + inverse[2, 2] * dz
                r = np.sqrt(qx * qx + qy * qy + qz * qz)
                if r > 2.0:
                    continue
                noise, mottle = 0.0, 0.0
                for k in range(waves.shape[0]):
                    along = waves[k, 0] * qx + waves[k, 1] * qy + waves[k, 2] * qz
                    noise += wave(along + waves[k, 3])
                    mottle += wave(2.0 * along + waves[k, 3])
                r *= max(0.5, 1.0 + scale * noise)
                inside = soft_step(r, 0.75, 1.15)
                hole = soft_step(r / hollow, 0.75, 1.15) if hollow > 0.0 else 0.0
                reach[z, y, x] = inside * (1.0 - hole) * max(0.2, 1.0 + scale * mottle)
                core[z, y, x] = hole


@kernel
def find_voxels(label: Array, wanted: Array, stride: int, out: Array) -> int:
    """Every ``stride``-th voxel (along each axis) whose label is wanted, as rows z, y, x, label; returns how many."""
    n = 0
    for z in range(0, label.shape[0], stride):
        for y in range(0, label.shape[1], stride):
            for x in range(0, label.shape[2], stride):
                owner = label[z, y, x]
                if wanted[owner] != 0 and n < out.shape[0]:
                    out[n, 0], out[n, 1], out[n, 2], out[n, 3] = z, y, x, owner
                    n += 1
    return n
