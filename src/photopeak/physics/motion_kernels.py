"""Kernels of the warp: read a volume between its voxels, and the transpose, which gives back to them."""

from __future__ import annotations

import math

import numba
import numpy as np

from photopeak.physics.engines import Array, kernel, parallel_kernel

GROUPS = 4
"""Volumes that the transpose adds up in: no two threads add to one number."""


@kernel
def around(at: float, n: int) -> tuple[int, int, float, float]:
    """The two voxels around a place on one axis and their weights; 0 for one that lies outside."""
    low = math.floor(at)
    f = at - low
    near = 1.0 - f if 0 <= low < n else 0.0
    far = f if 0 <= low + 1 < n else 0.0
    return min(max(low, 0), n - 1), min(max(low + 1, 0), n - 1), near, far


@parallel_kernel
def pull(volume: Array, offset: Array, out: Array) -> None:
    """out[r] = volume(r + offset[:, r]) by trilinear interpolation; nothing lies outside the volume."""
    shape = volume.shape
    for z in numba.prange(shape[0]):
        for y in range(shape[1]):
            for x in range(shape[2]):
                z0, z1, wz0, wz1 = around(z + np.float64(offset[0, z, y, x]), shape[0])
                y0, y1, wy0, wy1 = around(y + np.float64(offset[1, z, y, x]), shape[1])
                x0, x1, wx0, wx1 = around(x + np.float64(offset[2, z, y, x]), shape[2])
                upper = wy0 * (wx0 * volume[z0, y0, x0] + wx1 * volume[z0, y0, x1])
                upper += wy1 * (wx0 * volume[z0, y1, x0] + wx1 * volume[z0, y1, x1])
                lower = wy0 * (wx0 * volume[z1, y0, x0] + wx1 * volume[z1, y0, x1])
                lower += wy1 * (wx0 * volume[z1, y1, x0] + wx1 * volume[z1, y1, x1])
                out[z, y, x] = wz0 * upper + wz1 * lower


@parallel_kernel
def push(values: Array, offset: Array, parts: Array, out: Array) -> None:
    """The transpose of ``pull``; ``parts`` are ``GROUPS`` volumes to work in."""
    shape = values.shape
    for group in numba.prange(parts.shape[0]):
        part = parts[group]
        part[:] = 0.0
        for z in range(group, shape[0], parts.shape[0]):
            for y in range(shape[1]):
                for x in range(shape[2]):
                    z0, z1, wz0, wz1 = around(z + np.float64(offset[0, z, y, x]), shape[0])
                    y0, y1, wy0, wy1 = around(y + np.float64(offset[1, z, y, x]), shape[1])
                    x0, x1, wx0, wx1 = around(x + np.float64(offset[2, z, y, x]), shape[2])
                    v = values[z, y, x]
                    part[z0, y0, x0] += wz0 * wy0 * wx0 * v
                    part[z0, y0, x1] += wz0 * wy0 * wx1 * v
                    part[z0, y1, x0] += wz0 * wy1 * wx0 * v
                    part[z0, y1, x1] += wz0 * wy1 * wx1 * v
                    part[z1, y0, x0] += wz1 * wy0 * wx0 * v
                    part[z1, y0, x1] += wz1 * wy0 * wx1 * v
                    part[z1, y1, x0] += wz1 * wy1 * wx0 * v
                    part[z1, y1, x1] += wz1 * wy1 * wx1 * v
    for z in numba.prange(shape[0]):
        out[z] = parts[0, z]
        for group in range(1, parts.shape[0]):
            out[z] += parts[group, z]
