"""Kernels of trilinear interpolation: read a volume between its voxels, and the transpose, which gives back to them."""

from __future__ import annotations

import math

from photopeak.physics.engines import Array, kernel

GROUPS = 4
"""Volumes that a transpose adds up in: no two threads add to one number."""


Pair = tuple[int, int, float, float]
"""Two neighbouring voxels on one axis and their weights."""


@kernel
def around(at: float, n: int) -> Pair:
    """The two voxels around a place on one axis and their weights; 0 for one that lies outside."""
    low = math.floor(at)
    f = at - low
    near = 1.0 - f if 0 <= low < n else 0.0
    far = f if 0 <= low + 1 < n else 0.0
    return min(max(low, 0), n - 1), min(max(low + 1, 0), n - 1), near, far


@kernel
def value_at(volume: Array, z: Pair, y: Pair, x: Pair) -> float:
    """The volume between the voxels ``around`` a place."""
    z0, z1, wz0, wz1 = z
    y0, y1, wy0, wy1 = y
    x0, x1, wx0, wx1 = x
    near = wy0 * (wx0 * volume[z0, y0, x0] + wx1 * volume[z0, y0, x1])
    near += wy1 * (wx0 * volume[z0, y1, x0] + wx1 * volume[z0, y1, x1])
    far = wy0 * (wx0 * volume[z1, y0, x0] + wx1 * volume[z1, y0, x1])
    far += wy1 * (wx0 * volume[z1, y1, x0] + wx1 * volume[z1, y1, x1])
    return float(wz0 * near + wz1 * far)


@kernel
def give_to(volume: Array, z: Pair, y: Pair, x: Pair, value: float) -> None:
    """The transpose of ``value_at``: each of the eight voxels gets its share of a value."""
    z0, z1, wz0, wz1 = z
    y0, y1, wy0, wy1 = y
    x0, x1, wx0, wx1 = x
    near, far = wz0 * value, wz1 * value
    volume[z0, y0, x0] += near * wy0 * wx0
    volume[z0, y0, x1] += near * wy0 * wx1
    volume[z0, y1, x0] += near * wy1 * wx0
    volume[z0, y1, x1] += near * wy1 * wx1
    volume[z1, y0, x0] += far * wy0 * wx0
    volume[z1, y0, x1] += far * wy0 * wx1
    volume[z1, y1, x0] += far * wy1 * wx0
    volume[z1, y1, x1] += far * wy1 * wx1
