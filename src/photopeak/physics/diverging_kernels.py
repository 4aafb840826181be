"""Kernels of cameras whose rays spread: read a volume at given places, and the transpose."""

from __future__ import annotations

import numba

from photopeak.physics.engines import Array, parallel_kernel
from photopeak.physics.motion_kernels import around

GROUPS = 4
"""Volumes that the transpose adds up in: no two threads add to one number."""


@parallel_kernel
def sample(volume: Array, z: Array, y: Array, x: Array, out: Array) -> None:
    """out[d, w, u] = volume at (z[d, w], y[d, u], x[d, u]) by trilinear interpolation; nothing lies outside."""
    shape = volume.shape
    for d in numba.prange(out.shape[0]):
        for w in range(out.shape[1]):
            z0, z1, wz0, wz1 = around(z[d, w], shape[0])
            if wz0 + wz1 == 0.0:
                out[d, w] = 0.0
                continue
            for u in range(out.shape[2]):
                y0, y1, wy0, wy1 = around(y[d, u], shape[1])
                x0, x1, wx0, wx1 = around(x[d, u], shape[2])
                near = wy0 * (wx0 * volume[z0, y0, x0] + wx1 * volume[z0, y0, x1])
                near += wy1 * (wx0 * volume[z0, y1, x0] + wx1 * volume[z0, y1, x1])
                far = wy0 * (wx0 * volume[z1, y0, x0] + wx1 * volume[z1, y0, x1])
                far += wy1 * (wx0 * volume[z1, y1, x0] + wx1 * volume[z1, y1, x1])
                out[d, w, u] = wz0 * near + wz1 * far


@parallel_kernel
def spread(values: Array, z: Array, y: Array, x: Array, parts: Array) -> None:
    """parts[group] += the transpose of ``sample`` for every fourth plane; their sum is the volume."""
    shape = parts.shape[1:]
    for group in numba.prange(parts.shape[0]):
        part = parts[group]
        for d in range(group, values.shape[0], parts.shape[0]):
            for w in range(values.shape[1]):
                z0, z1, wz0, wz1 = around(z[d, w], shape[0])
                if wz0 + wz1 == 0.0:
                    continue
                for u in range(values.shape[2]):
                    y0, y1, wy0, wy1 = around(y[d, u], shape[1])
                    x0, x1, wx0, wx1 = around(x[d, u], shape[2])
                    near, far = wz0 * values[d, w, u], wz1 * values[d, w, u]
                    part[z0, y0, x0] += near * wy0 * wx0
                    part[z0, y0, x1] += near * wy0 * wx1
                    part[z0, y1, x0] += near * wy1 * wx0
                    part[z0, y1, x1] += near * wy1 * wx1
                    part[z1, y0, x0] += far * wy0 * wx0
                    part[z1, y0, x1] += far * wy0 * wx1
                    part[z1, y1, x0] += far * wy1 * wx0
                    part[z1, y1, x1] += far * wy1 * wx1
