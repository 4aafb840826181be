"""Compiled loops that put bones on a voxel grid: cones, sheets, superellipsoids and shells.

Every kernel visits only the voxels within reach of its element. Occupancy is o = clip(½ − d, 0, 1) with d
the signed distance to the surface in voxels. A voxel of bone holds max(o·u) over the primitives.
``Scratch`` is (bone = max o·u, largest o, label of the winner, list of voxels touched), so that no pass
runs over the whole grid. Element (z, y, x) of an array has its centre at (x, y, z).
"""

from __future__ import annotations

import numpy as np

from photopeak.patients.anatomy.distance_kernels import (
    Shape,
    clip01,
    clip_row,
    cone_axis,
    cone_box,
    cone_distance,
    cone_row,
    ellipsoid_box,
    ellipsoid_distance,
    ellipsoid_row,
    nine,
    power,
    shortest,
    triangle_box,
    triangle_distance,
    triangle_row,
    triangle_sides,
    within,
)
from photopeak.patients.anatomy.soft_kernels import Out, Texture, texture_at
from photopeak.physics.engines import Array, kernel

Scratch = tuple[Array, Array, Array, Array]
Prims = tuple[Array, Array]  # uptake and label of each primitive


@kernel
def put(at: int, o: float, value: float, label: int, scratch: Scratch, n: int) -> int:
    """Let a primitive claim a voxel: the larger o·u wins, occupancy is the largest seen."""
    bone, occupied, winner, touched = scratch
    if occupied[at] == 0.0:
        touched[n] = at
        n += 1
    if o > occupied[at]:
        occupied[at] = o
    if o * value > bone[at]:
        bone[at] = o * value
        winner[at] = label
    return n


@kernel
def bone_cones(
    cones: Array, tube: Array, place: tuple[Array, Array], prims: Prims, shape: Shape, scratch: Scratch, n: int
) -> int:
    """Round cones; a tube (wall > 0) has a dimmer core and open ends. ``place``: points and radii."""
    points, radius = place
    for i in range(cones.shape[0]):
        first, wall, core = cones[i, 0], tube[i, 0], tube[i, 1]
        u, label = prims[0][cones[i, 1]], prims[1][cones[i, 1]]
        a, b, ra, rb = points[first], points[first + 1], radius[first], radius[first + 1]
        r = max(ra, rb) + 0.5
        axis = cone_axis(a, b)
        x0, x1, y0, y1, z0, z1 = cone_box(a, b, r, shape)
        for z in range(z0, z1):
            for y in range(y0, y1):
                row = (z * shape[1] + y) * shape[2]
                low, high = cone_row(a, b, y, z, r)
                start, stop = within(low, high, x0, x1)
                for x in range(start, stop):
                    d, t = cone_distance(x, y, z, axis, ra, rb)
                    if d >= 0.5:
                        continue
                    value = u
                    if wall > 0.0:
                        if t < -0.3 or t > 1.3:
                            continue
                        value *= core + (1.0 - core) * clip01(0.5 + d + wall)
                    n = put(row + x, clip01(0.5 - d), value, label, scratch, n)
    return n


@kernel
def bone_triangles(
    triangles: Array, place: tuple[Array, Array], prims: Prims, shape: Shape, scratch: Scratch, n: int
) -> int:
    """Sheets of thickness 2·half; one thinner than a voxel fills only its share. ``place``: points and halves."""
    points, half = place
    for i in range(triangles.shape[0]):
        a, b, c = points[triangles[i, 0]], points[triangles[i, 1]], points[triangles[i, 2]]
        u, label = prims[0][triangles[i, 3]], prims[1][triangles[i, 3]]
        thick, sides = half[triangles[i, 0]], triangle_sides(a, b, c)
        x0, x1, y0, y1, z0, z1 = triangle_box(a, b, c, thick + 0.5, shape)
        for z in range(z0, z1):
            for y in range(y0, y1):
                row = (z * shape[1] + y) * shape[2]
                low, high = triangle_row(sides, y, z, thick + 0.5)
                start, stop = within(low, high, x0, x1)
                for x in range(start, stop):
                    d = triangle_distance(x, y, z, sides) - thick
                    if d < 0.5:
                        o = min(0.5 - d, 2.0 * thick, 1.0)
                        n = put(row + x, o, u, label, scratch, n)
    return n


@kernel
def bone_ellipsoids(
    ells: Array,
    frame: tuple[Array, Array, Array],
    form: tuple[Array, Array, Array],
    prims: Prims,
    shape: Shape,
    scratch: Scratch,
    n: int,
) -> int:
    """Superellipsoids. ``frame``: centres, semi-axes, inverses; ``form``: exponents, walls (0 solid), clip planes."""
    for i in range(ells.shape[0]):
        c, m, e, wall, clip = frame[0][i], frame[2][i], form[0][i], form[1][i], form[2][i]
        u, label = prims[0][ells[i, 1]], prims[1][ells[i, 1]]
        smallest = shortest(frame[1][i])
        inverse, (cx, cy, cz) = nine(m), (c[0], c[1], c[2])
        xx, xy, xz, yx, yy, yz, zx, zy, zz = inverse
        x0, x1, y0, y1, z0, z1 = ellipsoid_box(c, frame[1][i], e, shape)
        # |∇k| ≤ √3/smallest, so that within these bounds occupancy is certainly 1 (solid) or 0 (inside a shell).
        full = power(max(0.0, 1.0 - 0.9 / smallest), e)
        hollow = power(max(0.0, 1.0 - 1.8 * (wall + 0.5) / smallest), e) if wall > 0.0 else 0.0
        for z in range(z0, z1):
            for y in range(y0, y1):
                row = (z * shape[1] + y) * shape[2]
                low, high = clip_row(m, c, y, z, clip)
                if low > high:
                    continue
                left, right = ellipsoid_row(m, c, y, z, 1.0 + 0.9 / smallest)
                start, stop = within(max(low, left), min(high, right), x0, x1)
                for x in range(start, stop):
                    dx, dy, dz = x - cx, y - cy, z - cz
                    qx = xx * dx + xy * dy + xz * dz
                    qy = yx * dx + yy * dy + yz * dz
                    qz = zx * dx + zy * dy + zz * dz
                    total = power(qx, e) + power(qy, e) + power(qz, e)
                    if total < hollow:
                        continue
                    o = 1.0
                    if wall > 0.0 or total > full:
                        d = ellipsoid_distance(qx, qy, qz, inverse, e, smallest)
                        o = clip01(0.5 - d)
                        if wall > 0.0:
                            o = min(o, clip01(0.5 + d + wall))
                    if o > 0.0:
                        n = put(row + x, o, u, label, scratch, n)
    return n


@kernel
def settle(scratch: Scratch, n: int, mu_bone: float, texture: Texture, shape: Shape, out: Out) -> None:
    """Bone into the body: uptake and μ mix by occupancy; the scratch arrays are left clean."""
    bone, occupied, winner, touched = scratch
    uptake, mu, label = out
    width, depth = np.int32(shape[2]), np.int32(shape[1])
    for i in range(n):
        at = touched[i]
        line = at // width  # 32-bit divisions: they are most of this loop
        z = line // depth
        o = occupied[at]
        uptake[at] = uptake[at] * (1.0 - o) + bone[at] * texture_at(at - line * width, line - z * depth, z, texture)
        mu[at] += o * (mu_bone - mu[at])
        if o >= 0.35:
            label[at] = winner[at]
        bone[at] = 0.0
        occupied[at] = 0.0
