"""Compiled loops that put cones, sheets, ellipsoids and lofts on a voxel grid.

Every kernel visits only the bounding box of its element. Occupancy is o = clip(½ − d/h, 0, 1) with d the
signed distance to the surface and h the voxel. A voxel of bone holds max(o·u) over the primitives;
``touched`` lists the voxels that hold bone so that no pass runs over the whole grid. Coordinates are in
voxels: element (z, y, x) of the arrays has its centre at (x, y, z).
"""

from __future__ import annotations

import math

import numpy as np

from photopeak.physics.elementary_kernels import exp, log
from photopeak.physics.engines import Array, kernel

Shape = tuple[int, int, int]
Pair = tuple[float, float]


@kernel
def clip01(v: float) -> float:
    """The share of a voxel: v held between 0 and 1."""
    return min(1.0, max(0.0, v))


@kernel
def cone_distance(px: float, py: float, pz: float, a: Array, b: Array, ra: float, rb: float) -> Pair:
    """Distance of a point to the axis from a to b less the radius there, and where along the axis (0 to 1)."""
    ex, ey, ez = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    dx, dy, dz = px - a[0], py - a[1], pz - a[2]
    t = (dx * ex + dy * ey + dz * ez) / max(ex * ex + ey * ey + ez * ez, 1e-9)
    s = clip01(t)
    qx, qy, qz = dx - s * ex, dy - s * ey, dz - s * ez
    return math.sqrt(qx * qx + qy * qy + qz * qz) - (ra + s * (rb - ra)), t


@kernel
def triangle_distance(px: float, py: float, pz: float, a: Array, b: Array, c: Array) -> float:
    """Distance of a point to a triangle, by the region of the plane it falls in."""
    abx, aby, abz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    acx, acy, acz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    apx, apy, apz = px - a[0], py - a[1], pz - a[2]
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
    """|q|ᵉ, without logarithms for the exponents in use."""
    if e == 2.0:
        return q * q
    if e == 4.0:
        return q * q * q * q
    if e == 3.0:
        return q * q * abs(q)
    return exp(e * log(abs(q))) if q != 0.0 else 0.0


@kernel
def root(v: float, e: float) -> float:
    """v^(1/e) for v ≥ 0; not ``pow``, whose last bit differs between machines."""
    if e == 2.0:
        return math.sqrt(v)
    if e == 4.0:
        return math.sqrt(math.sqrt(v))
    return exp(log(v) / e) if v > 0.0 else 0.0


@kernel
def ellipsoid_distance(qx: float, qy: float, qz: float, inverse: Array, e: float, smallest: float) -> float:
    """(k − 1)/|∇k| with k = (Σ|q|ᵉ)^(1/e); q in the ellipsoid's unit frame, ``inverse`` takes space to it."""
    total = power(qx, e) + power(qy, e) + power(qz, e)
    if total < 1e-4:
        return -smallest
    k = root(total, e)
    down = k / total
    gx, gy, gz = (
        down * power(qx, e) / (qx + 1e-12),
        down * power(qy, e) / (qy + 1e-12),
        down * power(qz, e) / (qz + 1e-12),
    )
    nx = inverse[0, 0] * gx + inverse[1, 0] * gy + inverse[2, 0] * gz
    ny = inverse[0, 1] * gx + inverse[1, 1] * gy + inverse[2, 1] * gz
    nz = inverse[0, 2] * gx + inverse[1, 2] * gy + inverse[2, 2] * gz
    return (k - 1.0) / math.sqrt(nx * nx + ny * ny + nz * nz)


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
def put(
    at: int, o: float, value: float, label: int, bone: Array, occupied: Array, winner: Array, touched: Array, n: int
) -> int:
    """Let a primitive claim a voxel: the larger o·u wins, occupancy is the largest seen."""
    v = o * value
    if occupied[at] == 0.0:
        touched[n] = at
        n += 1
    if o > occupied[at]:
        occupied[at] = o
    if v > bone[at]:
        bone[at] = v
        winner[at] = label
    return n


@kernel
def bone_cones(
    cones: Array,
    tube: Array,
    points: Array,
    radius: Array,
    u: Array,
    label: Array,
    shape: Shape,
    bone: Array,
    occupied: Array,
    winner: Array,
    touched: Array,
    n: int,
) -> int:
    """Round cones; a tube (wall > 0) has a dimmer core and, where it joins its neighbour, no cap."""
    low, high = np.empty(3), np.empty(3)
    for i in range(cones.shape[0]):
        a, b, prim, ends = points[cones[i, 0]], points[cones[i, 0] + 1], cones[i, 1], cones[i, 2]
        ra, rb = radius[cones[i, 0]], radius[cones[i, 0] + 1]
        r = max(ra, rb) + 0.5
        for axis in range(3):
            low[axis], high[axis] = min(a[axis], b[axis]) - r, max(a[axis], b[axis]) + r
        x0, x1, y0, y1, z0, z1 = box(low, high, shape)
        wall, core = tube[i, 0], tube[i, 1]
        for z in range(z0, z1):
            for y in range(y0, y1):
                row = (z * shape[1] + y) * shape[2]
                for x in range(x0, x1):
                    d, t = cone_distance(x, y, z, a, b, ra, rb)
                    if d >= 0.5:
                        continue
                    value = u[prim]
                    if wall > 0.0:
                        if t < -0.3 or t > 1.3:
                            continue
                        value *= core + (1.0 - core) * clip01(0.5 + d + wall)
                    n = put(row + x, clip01(0.5 - d), value, label[prim], bone, occupied, winner, touched, n)
    return n


@kernel
def bone_triangles(
    triangles: Array,
    points: Array,
    half: Array,
    u: Array,
    label: Array,
    shape: Shape,
    bone: Array,
    occupied: Array,
    winner: Array,
    touched: Array,
    n: int,
) -> int:
    """Sheets of thickness 2·half; a sheet thinner than a voxel fills only its share of it."""
    low, high = np.empty(3), np.empty(3)
    for i in range(triangles.shape[0]):
        a, b, c, prim = points[triangles[i, 0]], points[triangles[i, 1]], points[triangles[i, 2]], triangles[i, 3]
        thick = half[triangles[i, 0]]
        for axis in range(3):
            low[axis] = min(a[axis], b[axis], c[axis]) - thick - 0.5
            high[axis] = max(a[axis], b[axis], c[axis]) + thick + 0.5
        x0, x1, y0, y1, z0, z1 = box(low, high, shape)
        for z in range(z0, z1):
            for y in range(y0, y1):
                row = (z * shape[1] + y) * shape[2]
                for x in range(x0, x1):
                    d = triangle_distance(x, y, z, a, b, c) - thick
                    if d < 0.5:
                        o = min(0.5 - d, 2.0 * thick, 1.0)
                        n = put(row + x, o, u[prim], label[prim], bone, occupied, winner, touched, n)
    return n


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
def bone_ellipsoids(
    ells: Array,
    points: Array,
    axes: Array,
    inverse: Array,
    e: Array,
    wall: Array,
    clip: Array,
    u: Array,
    label: Array,
    shape: Shape,
    bone: Array,
    occupied: Array,
    winner: Array,
    touched: Array,
    n: int,
) -> int:
    """Superellipsoids, solid or shells, cut by up to two planes."""
    for i in range(ells.shape[0]):
        centre, prim, m = points[ells[i, 0]], ells[i, 1], inverse[i]
        smallest = math.sqrt(min((axes[i] ** 2).sum(axis=0)))
        x0, x1, y0, y1, z0, z1 = ellipsoid_box(centre, axes[i], e[i], shape)
        for z in range(z0, z1):
            for y in range(y0, y1):
                row = (z * shape[1] + y) * shape[2]
                dy, dz = y - centre[1], z - centre[2]
                for x in range(x0, x1):
                    dx = x - centre[0]
                    qx = m[0, 0] * dx + m[0, 1] * dy + m[0, 2] * dz
                    qy = m[1, 0] * dx + m[1, 1] * dy + m[1, 2] * dz
                    qz = m[2, 0] * dx + m[2, 1] * dy + m[2, 2] * dz
                    if max(abs(qx), abs(qy), abs(qz)) > 1.0 + 0.6 / smallest:
                        continue
                    cut = False
                    for j in range(2):
                        p = clip[i, j]
                        cut = cut or p[0] * qx + p[1] * qy + p[2] * qz < p[3]
                    if cut:
                        continue
                    d = ellipsoid_distance(qx, qy, qz, m, e[i], smallest)
                    if d >= 0.5:
                        continue
                    o = clip01(0.5 - d)
                    if wall[i] > 0.0:
                        o = min(o, clip01(0.5 + d + wall[i]))
                    if o > 0.0:
                        n = put(row + x, o, u[prim], label[prim], bone, occupied, winner, touched, n)
    return n


@kernel
def texture_at(x: int, y: int, z: int, tile: Array, shift: Shape) -> float:
    """A periodic texture of side 64, shifted."""
    return tile[(z + shift[2]) & 63, (y + shift[1]) & 63, (x + shift[0]) & 63]


@kernel
def put_soft(at: int, o: float, value: float, mu_soft: float, uptake: Array, mu: Array, label: Array) -> None:
    """Soft tissue: the fuller of what is there and what comes."""
    if o * mu_soft > mu[at]:
        mu[at] = o * mu_soft
        uptake[at] = o * value
        if o >= 0.5:
            label[at] = 1


@kernel
def soft_loft(
    rows: Array,
    u: float,
    fat: Pair,
    mu_soft: float,
    tile: Array,
    shift: Shape,
    shape: Shape,
    uptake: Array,
    mu: Array,
    label: Array,
) -> None:
    """A stack of superellipses |x/a|ᵉ + |y/b|ᵉ = 1, linear in z, filled row by row.

    ``rows``: z, centre x, centre y, a, b, e, lean of the section dx/dy; ``fat``: uptake of the rim of
    ``fat[0]`` voxels as a share ``fat[1]`` of the inside.
    """
    k = 0
    for z in range(max(0, math.ceil(rows[0, 0])), min(shape[0], math.floor(rows[-1, 0]) + 1)):
        while rows[k + 1, 0] < z:
            k += 1
        w = (z - rows[k, 0]) / (rows[k + 1, 0] - rows[k, 0])
        cx, cy, a, b, e, lean = rows[k, 1:] + w * (rows[k + 1, 1:] - rows[k, 1:])
        for y in range(max(0, math.ceil(cy - b - 0.5)), min(shape[1], math.floor(cy + b + 0.5) + 1)):
            v = (y - cy) / b
            deep = clip01(0.5 + b - abs(y - cy))
            half = a * root(1.0 - power(min(1.0, abs(v)), e), e)
            middle = cx + lean * (y - cy)
            core = min(1.0, abs(y - cy) / max(b - fat[0], 1.0))
            inner = a * root(1.0 - power(core, e), e) - fat[0]
            row = (z * shape[1] + y) * shape[2]
            for x in range(max(0, math.ceil(middle - half - 0.5)), min(shape[2], math.floor(middle + half + 0.5) + 1)):
                d = abs(x - middle)
                o = clip01(0.5 + half - d) * deep
                if o > 0.0:
                    tissue = fat[1] + (1.0 - fat[1]) * clip01(0.5 + 0.25 * (inner - d))
                    value = u * tissue * texture_at(x, y, z, tile, shift)
                    put_soft(row + x, o, value, mu_soft, uptake, mu, label)


@kernel
def soft_cones(
    cones: Array,
    points: Array,
    radius: Array,
    u: float,
    fat: Pair,
    mu_soft: float,
    tile: Array,
    shift: Shape,
    shape: Shape,
    uptake: Array,
    mu: Array,
    label: Array,
) -> None:
    """Limbs as round cones between consecutive points, with a rim of fat."""
    low, high = np.empty(3), np.empty(3)
    for i in range(cones.shape[0]):
        a, b, ra, rb = points[cones[i]], points[cones[i] + 1], radius[cones[i]], radius[cones[i] + 1]
        r = max(ra, rb) + 0.5
        for axis in range(3):
            low[axis], high[axis] = min(a[axis], b[axis]) - r, max(a[axis], b[axis]) + r
        x0, x1, y0, y1, z0, z1 = box(low, high, shape)
        for z in range(z0, z1):
            for y in range(y0, y1):
                row = (z * shape[1] + y) * shape[2]
                for x in range(x0, x1):
                    d, _ = cone_distance(x, y, z, a, b, ra, rb)
                    if d < 0.5:
                        tissue = fat[1] + (1.0 - fat[1]) * clip01(0.5 - 0.25 * (d + fat[0]))
                        value = u * tissue * texture_at(x, y, z, tile, shift)
                        put_soft(row + x, clip01(0.5 - d), value, mu_soft, uptake, mu, label)


@kernel
def soft_ellipsoids(
    centres: Array,
    axes: Array,
    inverse: Array,
    u: Array,
    mu_value: Array,
    number: Array,
    hard: Array,
    tile: Array,
    shift: Shape,
    shape: Shape,
    uptake: Array,
    mu: Array,
    label: Array,
) -> None:
    """Ellipsoids of soft tissue; ``hard[i]``: 0 adds to the outline, 1 replaces what is inside (an organ)."""
    for i in range(centres.shape[0]):
        c, m = centres[i], inverse[i]
        smallest = math.sqrt(min((axes[i] ** 2).sum(axis=0)))
        x0, x1, y0, y1, z0, z1 = ellipsoid_box(c, axes[i], 2.0, shape)
        for z in range(z0, z1):
            for y in range(y0, y1):
                row = (z * shape[1] + y) * shape[2]
                dy, dz = y - c[1], z - c[2]
                for x in range(x0, x1):
                    dx = x - c[0]
                    qx = m[0, 0] * dx + m[0, 1] * dy + m[0, 2] * dz
                    qy = m[1, 0] * dx + m[1, 1] * dy + m[1, 2] * dz
                    qz = m[2, 0] * dx + m[2, 1] * dy + m[2, 2] * dz
                    total = qx * qx + qy * qy + qz * qz
                    if total > (1.0 + 0.6 / smallest) ** 2:
                        continue
                    o = clip01(0.5 - ellipsoid_distance(qx, qy, qz, m, 2.0, smallest))
                    if o <= 0.0:
                        continue
                    at = row + x
                    value = u[i] * texture_at(x, y, z, tile, shift)
                    if hard[i] == 0:
                        put_soft(at, o, value, mu_value[i], uptake, mu, label)
                    elif mu[at] > 0.0:
                        uptake[at] += o * (value - uptake[at])
                        mu[at] += o * (mu_value[i] - mu[at])
                        if o >= 0.5:
                            label[at] = number[i]


@kernel
def organ_cones(
    cones: Array,
    points: Array,
    radius: Array,
    u: Array,
    number: Array,
    tile: Array,
    shift: Shape,
    shape: Shape,
    uptake: Array,
    mu: Array,
    label: Array,
) -> None:
    """Vessels: inside the body, the fuller of what is there and the vessel's own uptake."""
    low, high = np.empty(3), np.empty(3)
    for i in range(cones.shape[0]):
        a, b, prim = points[cones[i, 0]], points[cones[i, 0] + 1], cones[i, 1]
        ra, rb = radius[cones[i, 0]], radius[cones[i, 0] + 1]
        r = max(ra, rb) + 0.5
        for axis in range(3):
            low[axis], high[axis] = min(a[axis], b[axis]) - r, max(a[axis], b[axis]) + r
        x0, x1, y0, y1, z0, z1 = box(low, high, shape)
        for z in range(z0, z1):
            for y in range(y0, y1):
                row = (z * shape[1] + y) * shape[2]
                for x in range(x0, x1):
                    if mu[row + x] <= 0.0:
                        continue
                    d, _ = cone_distance(x, y, z, a, b, ra, rb)
                    value = clip01(0.5 - d) * u[prim] * texture_at(x, y, z, tile, shift)
                    if value > uptake[row + x]:
                        uptake[row + x] = value
                        label[row + x] = number[prim]


@kernel
def settle(
    touched: Array,
    n: int,
    bone: Array,
    occupied: Array,
    winner: Array,
    mu_bone: float,
    tile: Array,
    shift: Shape,
    shape: Shape,
    uptake: Array,
    mu: Array,
    label: Array,
) -> None:
    """Bone into the body: uptake and μ mix by occupancy; the scratch arrays are left clean."""
    for i in range(n):
        at = touched[i]
        x = at % shape[2]
        y = (at // shape[2]) % shape[1]
        z = at // (shape[2] * shape[1])
        o = occupied[at]
        uptake[at] = uptake[at] * (1.0 - o) + bone[at] * texture_at(x, y, z, tile, shift)
        mu[at] += o * (mu_bone - mu[at])
        if o >= 0.35:
            label[at] = winner[at]
        bone[at] = 0.0
        occupied[at] = 0.0


@kernel
def modify(
    centre: Array,
    axes: Array,
    inverse: Array,
    factor: float,
    add: float,
    bone_from: int,
    shape: Shape,
    uptake: Array,
    label: Array,
) -> None:
    """Inside one soft-edged ellipsoid: uptake · factor + add, on voxels whose label is at least ``bone_from``."""
    x0, x1, y0, y1, z0, z1 = ellipsoid_box(centre, 1.3 * axes, 2.0, shape)
    for z in range(z0, z1):
        for y in range(y0, y1):
            row = (z * shape[1] + y) * shape[2]
            dy, dz = y - centre[1], z - centre[2]
            for x in range(x0, x1):
                if label[row + x] < bone_from:
                    continue
                dx = x - centre[0]
                q = 0.0
                for j in range(3):
                    q += (inverse[j, 0] * dx + inverse[j, 1] * dy + inverse[j, 2] * dz) ** 2
                weight = clip01(2.2 * (1.25 - math.sqrt(q)))
                if weight > 0.0:
                    uptake[row + x] *= 1.0 + weight * (factor - 1.0)
                    uptake[row + x] += weight * add
