"""Distances from a point to the shapes a body is made of, and which voxels can lie within reach.

Lengths are in voxels. Only operations whose bits do not depend on the machine are used.
"""

from __future__ import annotations

import math

import numpy as np

from photopeak.physics.engines import Array, kernel

Shape = tuple[int, int, int]
Pair = tuple[float, float]
Axis = tuple[float, float, float, float, float, float, float]
Sides = tuple[float, float, float, float, float, float, float, float, float]
Matrix = tuple[float, float, float, float, float, float, float, float, float]


@kernel
def clip01(v: float) -> float:
    """The share of a voxel: v held between 0 and 1."""
    return min(1.0, max(0.0, v))


@kernel
def cone_axis(a: Array, b: Array) -> Axis:
    """Start, direction and 1/length² of an axis as plain numbers, which the compiler keeps in registers."""
    ex, ey, ez = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    return a[0], a[1], a[2], ex, ey, ez, 1.0 / max(ex * ex + ey * ey + ez * ez, 1e-9)


@kernel
def cone_distance(px: float, py: float, pz: float, axis: Axis, ra: float, rb: float) -> Pair:
    """Distance of a point to an axis less the radius there, and where along the axis (0 to 1)."""
    ax, ay, az, ex, ey, ez, per_length2 = axis
    dx, dy, dz = px - ax, py - ay, pz - az
    t = (dx * ex + dy * ey + dz * ez) * per_length2
    s = clip01(t)
    qx, qy, qz = dx - s * ex, dy - s * ey, dz - s * ez
    return math.sqrt(qx * qx + qy * qy + qz * qz) - (ra + s * (rb - ra)), t


@kernel
def triangle_sides(a: Array, b: Array, c: Array) -> Sides:
    """A corner and the two sides that leave it, as plain numbers."""
    return a[0], a[1], a[2], b[0] - a[0], b[1] - a[1], b[2] - a[2], c[0] - a[0], c[1] - a[1], c[2] - a[2]


@kernel
def triangle_row(sides: Sides, y: float, z: float, r: float) -> Pair:
    """The stretch of the row (y, z) within r of the triangle's plane; empty if low > high."""
    ax, ay, az, bx, by, bz, cx, cy, cz = sides
    nx, ny, nz = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
    reach = r * math.sqrt(nx * nx + ny * ny + nz * nz)
    start = ny * (y - ay) + nz * (z - az)
    if abs(nx) < 1e-9:
        return (-1e9, 1e9) if abs(start) <= reach else (1.0, 0.0)
    one, two = ax + (-reach - start) / nx, ax + (reach - start) / nx
    return min(one, two), max(one, two)


@kernel
def triangle_distance(px: float, py: float, pz: float, sides: Sides) -> float:
    """Distance of a point to a triangle, by the region of the plane it falls in."""
    ax, ay, az, abx, aby, abz, acx, acy, acz = sides
    apx, apy, apz = px - ax, py - ay, pz - az
    d1, d2 = abx * apx + aby * apy + abz * apz, acx * apx + acy * apy + acz * apz
    bpx, bpy, bpz = apx - abx, apy - aby, apz - abz
    d3, d4 = abx * bpx + aby * bpy + abz * bpz, acx * bpx + acy * bpy + acz * bpz
    cpx, cpy, cpz = apx - acx, apy - acy, apz - acz
    d5, d6 = abx * cpx + aby * cpy + abz * cpz, acx * cpx + acy * cpy + acz * cpz
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    v, w = 0.0, 0.0
    if d1 <= 0 and d2 <= 0:
        v, w = 0.0, 0.0
    elif d3 >= 0 and d4 <= d3:
        v, w = 1.0, 0.0
    elif d6 >= 0 and d5 <= d6:
        v, w = 0.0, 1.0
    elif vc <= 0 and d1 >= 0 and d3 <= 0:
        v, w = d1 / (d1 - d3), 0.0
    elif vb <= 0 and d2 >= 0 and d6 <= 0:
        v, w = 0.0, d2 / (d2 - d6)
    elif va <= 0 and d4 >= d3 and d5 >= d6:
        w = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        v = 1.0 - w
    else:
        total = va + vb + vc
        v, w = vb / total, vc / total
    qx, qy, qz = apx - v * abx - w * acx, apy - v * aby - w * acy, apz - v * abz - w * acz
    return math.sqrt(qx * qx + qy * qy + qz * qz)


@kernel
def power(q: float, e: float) -> float:
    """|q|ᵉ for the exponents of the file: 2 round, 3 and 4 ever boxier."""
    if e == 2.0:
        return q * q
    return q * q * abs(q) if e == 3.0 else q * q * q * q


@kernel
def root(v: float, e: float) -> float:
    """v^(1/e) for v ≥ 0 and e of 2, 3 or 4. The cube root by Newton's method, good to 1e-9 from 0.1 to 10.

    Not ``pow``, whose last bit differs between machines.
    """
    if e == 2.0:
        return math.sqrt(v)
    if e == 4.0:
        return math.sqrt(math.sqrt(v))
    k = 0.3 + 0.7 * math.sqrt(v)
    for _ in range(5):
        k -= (k - v / (k * k)) / 3.0
    return k


@kernel
def nine(m: Array) -> Matrix:
    """The nine numbers of a 3 × 3 matrix, row by row."""
    return m[0, 0], m[0, 1], m[0, 2], m[1, 0], m[1, 1], m[1, 2], m[2, 0], m[2, 1], m[2, 2]


@kernel
def ellipsoid_distance(qx: float, qy: float, qz: float, inverse: Matrix, e: float, smallest: float) -> float:
    """(k − 1)/|∇k| with k = (Σ|q|ᵉ)^(1/e); q in the ellipsoid's unit frame, ``inverse`` takes space to it."""
    total = power(qx, e) + power(qy, e) + power(qz, e)
    if total < 1e-4:
        return -smallest
    k = root(total, e)
    xx, xy, xz, yx, yy, yz, zx, zy, zz = inverse
    gx, gy, gz = power(qx, e) / (qx + 1e-12), power(qy, e) / (qy + 1e-12), power(qz, e) / (qz + 1e-12)
    nx = xx * gx + yx * gy + zx * gz
    ny = xy * gx + yy * gy + zy * gz
    nz = xz * gx + yz * gy + zz * gz
    return (k - 1.0) * total / (k * math.sqrt(nx * nx + ny * ny + nz * nz))


@kernel
def box(low: Array, high: Array, shape: Shape) -> Array:
    """First and last-plus-one index of each axis (x, y, z) of a bounding box, inside the grid."""
    out = np.empty(6, np.int64)
    for axis in range(3):
        size = shape[2 - axis]
        out[2 * axis] = min(size, max(0, math.ceil(low[axis])))
        out[2 * axis + 1] = max(0, min(size, math.floor(high[axis]) + 1))
    return out


@kernel
def ellipsoid_box(centre: Array, axes: Array, e: float, shape: Shape) -> Array:
    """Bounding box of the superellipsoid with the given semi-axes (columns)."""
    low, high = np.empty(3), np.empty(3)
    for i in range(3):
        p, q, r = abs(axes[i, 0]), abs(axes[i, 1]), abs(axes[i, 2])
        reach = (math.sqrt(p * p + q * q + r * r) if e == 2.0 else p + q + r) + 0.5
        low[i], high[i] = centre[i] - reach, centre[i] + reach
    return box(low, high, shape)


@kernel
def cone_box(a: Array, b: Array, r: float, shape: Shape) -> Array:
    """Bounding box of everything within r of the axis from a to b."""
    low, high = np.empty(3), np.empty(3)
    for axis in range(3):
        low[axis], high[axis] = min(a[axis], b[axis]) - r, max(a[axis], b[axis]) + r
    return box(low, high, shape)


@kernel
def cone_row(a: Array, b: Array, y: float, z: float, r: float) -> Pair:
    """The stretch of the row (y, z) that may lie within r of the axis from a to b; empty if low > high.

    Where the axis, seen along x, passes within r of the row: |a + t e − p|² ≤ r² in the plane (y, z).
    """
    ex, ey, ez = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    dy, dz = y - a[1], z - a[2]
    length2 = ey * ey + ez * ez
    t0, t1 = 0.0, 1.0
    if length2 > 1e-9:
        middle = (dy * ey + dz * ez) / length2
        rest = r * r - (dy * dy + dz * dz) + middle * middle * length2
        if rest < 0.0:
            return 1.0, 0.0
        half = math.sqrt(rest / length2)
        t0, t1 = max(0.0, middle - half), min(1.0, middle + half)
        if t0 > t1:
            return 1.0, 0.0
    elif dy * dy + dz * dz > r * r:
        return 1.0, 0.0
    return a[0] + min(t0 * ex, t1 * ex) - r, a[0] + max(t0 * ex, t1 * ex) + r


@kernel
def ellipsoid_row(inverse: Array, centre: Array, y: float, z: float, reach: float) -> Pair:
    """The stretch of the row (y, z) where every |q| ≤ reach in the ellipsoid's unit frame; empty if low > high."""
    low, high = -1e9, 1e9
    for j in range(3):
        start = inverse[j, 1] * (y - centre[1]) + inverse[j, 2] * (z - centre[2])
        slope = inverse[j, 0]
        if abs(slope) < 1e-9:
            if abs(start) > reach:
                return 1.0, 0.0
            continue
        one, two = (-reach - start) / slope, (reach - start) / slope
        low, high = max(low, min(one, two)), min(high, max(one, two))
    return centre[0] + low, centre[0] + high


@kernel
def clip_row(inverse: Array, centre: Array, y: float, z: float, clip: Array) -> Pair:
    """The stretch of the row (y, z) on the near side of both planes n·q ≥ d; empty if low > high."""
    low, high = -1e9, 1e9
    for plane in range(2):
        slope, start = 0.0, -clip[plane, 3]
        for j in range(3):
            slope += clip[plane, j] * inverse[j, 0]
            start += clip[plane, j] * (inverse[j, 1] * (y - centre[1]) + inverse[j, 2] * (z - centre[2]))
        if abs(slope) < 1e-12:
            if start < 0.0:
                return 1.0, 0.0
        elif slope > 0.0:
            low = max(low, centre[0] - start / slope)
        else:
            high = min(high, centre[0] - start / slope)
    return low, high


@kernel
def within(low: float, high: float, first: int, last: int) -> tuple[int, int]:
    """Whole numbers from low to high inside [first, last)."""
    if low > high:
        return 0, 0
    return max(first, math.ceil(low)), min(last, math.floor(high) + 1)


@kernel
def shortest(axes: Array) -> float:
    """Length of the shortest semi-axis (column)."""
    least = 1e18
    for j in range(3):
        least = min(least, axes[0, j] ** 2 + axes[1, j] ** 2 + axes[2, j] ** 2)
    return math.sqrt(least)


@kernel
def triangle_box(a: Array, b: Array, c: Array, r: float, shape: Shape) -> Array:
    """Bounding box of everything within r of a triangle."""
    low, high = np.empty(3), np.empty(3)
    for axis in range(3):
        low[axis] = min(a[axis], b[axis], c[axis]) - r
        high[axis] = max(a[axis], b[axis], c[axis]) + r
    return box(low, high, shape)
