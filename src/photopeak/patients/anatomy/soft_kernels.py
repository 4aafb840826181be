"""Compiled loops that put soft tissue on a voxel grid: trunk and legs, limbs, organs, vessels.

``Out`` is (uptake, μ, label) as flat arrays over (z, y, x); ``Texture`` is a periodic tile of side 64 that
is repeated along x, and a shift. Occupancy is o = clip(½ − d, 0, 1), d the distance in voxels.
"""

from __future__ import annotations

import math

from photopeak.patients.anatomy.distance_kernels import (
    Pair,
    Shape,
    clip01,
    cone_axis,
    cone_box,
    cone_distance,
    cone_row,
    ellipsoid_box,
    ellipsoid_distance,
    ellipsoid_row,
    nine,
    shortest,
    within,
)
from photopeak.physics.engines import Array, kernel

Out = tuple[Array, Array, Array]
Texture = tuple[Array, Shape]
SOFT_TISSUE = 1


@kernel
def texture_at(x: int, y: int, z: int, texture: Texture) -> float:
    """The tile's value at a voxel."""
    tile, shift = texture
    value: float = tile[(z + shift[2]) & 63, (y + shift[1]) & 63, x + shift[0]]
    return value


@kernel
def put_soft(at: int, o: float, value: float, mu_soft: float, out: Out) -> None:
    """Soft tissue: the fuller of what is there and what comes."""
    if o * mu_soft > out[1][at]:
        out[1][at] = o * mu_soft
        out[0][at] = o * value
        if o >= 0.5:
            out[2][at] = SOFT_TISSUE


@kernel
def half_width(a: float, b: float, boxy: float, y: float) -> float:
    """Half width at y of a section between an ellipse and a rounded box; 0 beyond the ends.

    x = a [(1 − w) √(1 − v²) + w (1 − v⁴)^¼] with v = |y|/b and w the boxiness.
    """
    v2 = min(1.0, (y / b) ** 2)
    return a * ((1.0 - boxy) * math.sqrt(1.0 - v2) + boxy * math.sqrt(math.sqrt(1.0 - v2 * v2)))


@kernel
def loft_slice(
    z: int, section: Array, tissue: tuple[float, float, Pair], texture: Texture, shape: Shape, out: Out
) -> None:
    """One section (centre x, centre y, a, b, boxiness, lean) row by row: rims of fat and, between them, muscle.

    The loops over rims and muscle stand in one function: a call for each row would cost as much as its voxels.
    """
    u, mu_soft, fat = tissue
    uptake, mu, label = out
    tile, shift = texture
    cx, cy, a, b, boxy, lean = section
    first, last = within(cy - b - 0.5, cy + b + 0.5, 0, shape[1])
    for y in range(first, last):
        deep, middle, half = clip01(0.5 + b - abs(y - cy)), cx + lean * (y - cy), half_width(a, b, boxy, y - cy)
        inner = half_width(a, max(b - fat[0], 1.0), boxy, y - cy) - fat[0]
        row, line = (z * shape[1] + y) * shape[2], (y + shift[1]) & 63
        start, stop = within(middle - half - 0.5, middle + half + 0.5, 0, shape[2])
        left, right = within(middle - inner + 2.0, middle + inner - 2.0, start, stop)
        if deep < 1.0 or left >= right:
            left = right = stop
        for x in range(left, right):  # muscle overrides a neighbour's fat: plain stores, so that this vectorises
            mu[row + x] = mu_soft
            uptake[row + x] = u * tile[(z + shift[2]) & 63, line, x + shift[0]]
            label[row + x] = SOFT_TISSUE
        for rim in range(2):
            for x in range(start if rim == 0 else right, left if rim == 0 else stop):
                full = clip01(0.5 + half - abs(x - middle)) * deep
                if full * mu_soft > mu[row + x]:
                    share = fat[1] + (1.0 - fat[1]) * clip01(0.5 + 0.25 * (inner - abs(x - middle)))
                    mu[row + x] = full * mu_soft
                    uptake[row + x] = full * u * share * tile[(z + shift[2]) & 63, line, x + shift[0]]
                    if full >= 0.5:
                        label[row + x] = SOFT_TISSUE


@kernel
def soft_loft(rows: Array, tissue: tuple[float, float, Pair], texture: Texture, shape: Shape, out: Out) -> None:
    """A stack of sections (see ``half_width``), linear in z, filled row by row.

    ``rows``: z, centre x, centre y, a, b, boxy, lean of the section dx/dy. ``tissue``: uptake, μ, and fat as
    (thickness of the rim in voxels, its uptake as a share of the inside).
    """
    k = 0
    for z in range(max(0, math.ceil(rows[0, 0])), min(shape[0], math.floor(rows[-1, 0]) + 1)):
        while rows[k + 1, 0] < z:
            k += 1
        w = (z - rows[k, 0]) / (rows[k + 1, 0] - rows[k, 0])
        section = rows[k, 1:] + w * (rows[k + 1, 1:] - rows[k, 1:])
        loft_slice(z, section, tissue, texture, shape, out)


@kernel
def soft_cones(
    cones: Array,
    place: tuple[Array, Array],
    tissue: tuple[float, float, Pair],
    texture: Texture,
    shape: Shape,
    out: Out,
) -> None:
    """Limbs as round cones between consecutive points, with a rim of fat. ``place``: points and radii."""
    points, radius = place
    u, mu_soft, fat = tissue
    for i in range(cones.shape[0]):
        a, b, ra, rb = points[cones[i]], points[cones[i] + 1], radius[cones[i]], radius[cones[i] + 1]
        r = max(ra, rb) + 0.5
        axis = cone_axis(a, b)
        x0, x1, y0, y1, z0, z1 = cone_box(a, b, r, shape)
        for z in range(z0, z1):
            for y in range(y0, y1):
                row = (z * shape[1] + y) * shape[2]
                low, high = cone_row(a, b, y, z, r)
                start, stop = within(low, high, x0, x1)
                for x in range(start, stop):
                    d, _ = cone_distance(x, y, z, axis, ra, rb)
                    if d < 0.5:
                        share = fat[1] + (1.0 - fat[1]) * clip01(0.5 - 0.25 * (d + fat[0]))
                        value = u * share * texture_at(x, y, z, texture)
                        put_soft(row + x, clip01(0.5 - d), value, mu_soft, out)


@kernel
def soft_ellipsoids(
    frame: tuple[Array, Array, Array], tissue: tuple[Array, Array, Array], texture: Texture, shape: Shape, out: Out
) -> None:
    """Ellipsoids of soft tissue. ``frame``: centres, semi-axes, inverses; ``tissue``: uptake, μ, label.

    Label 1 (soft tissue) adds to the outline; any other is an organ and replaces what is inside the body.
    """
    uptake, mu, label = out
    for i in range(frame[0].shape[0]):
        c, m, u, mu_value, number = frame[0][i], frame[2][i], tissue[0][i], tissue[1][i], tissue[2][i]
        smallest = shortest(frame[1][i])
        inverse, (cx, cy, cz) = nine(m), (c[0], c[1], c[2])
        xx, xy, xz, yx, yy, yz, zx, zy, zz = inverse
        x0, x1, y0, y1, z0, z1 = ellipsoid_box(c, frame[1][i], 2.0, shape)
        full = max(0.0, 1.0 - 0.9 / smallest) ** 2
        for z in range(z0, z1):
            for y in range(y0, y1):
                row = (z * shape[1] + y) * shape[2]
                low, high = ellipsoid_row(m, c, y, z, 1.0 + 0.9 / smallest)
                start, stop = within(low, high, x0, x1)
                for x in range(start, stop):
                    dx, dy, dz = x - cx, y - cy, z - cz
                    qx = xx * dx + xy * dy + xz * dz
                    qy = yx * dx + yy * dy + yz * dz
                    qz = zx * dx + zy * dy + zz * dz
                    o = 1.0
                    if qx * qx + qy * qy + qz * qz > full:
                        o = clip01(0.5 - ellipsoid_distance(qx, qy, qz, inverse, 2.0, smallest))
                    at = row + x
                    if o <= 0.0:
                        continue
                    value = u * texture_at(x, y, z, texture)
                    if number == SOFT_TISSUE:
                        put_soft(at, o, value, mu_value, out)
                    elif mu[at] > 0.0:
                        uptake[at] += o * (value - uptake[at])
                        mu[at] += o * (mu_value - mu[at])
                        if o >= 0.5:
                            label[at] = number


@kernel
def organ_cones(
    cones: Array,
    place: tuple[Array, Array],
    prims: tuple[Array, Array],
    texture: Texture,
    shape: Shape,
    out: Out,
) -> None:
    """Vessels: inside the body, the fuller of what is there and the vessel's own uptake."""
    uptake, mu, label = out
    points, radius = place
    for i in range(cones.shape[0]):
        first, prim = cones[i, 0], cones[i, 1]
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
                    if mu[row + x] <= 0.0:
                        continue
                    d, _ = cone_distance(x, y, z, axis, ra, rb)
                    value = clip01(0.5 - d) * prims[0][prim] * texture_at(x, y, z, texture)
                    if value > uptake[row + x]:
                        uptake[row + x] = value
                        label[row + x] = prims[1][prim]


@kernel
def modify(
    frame: tuple[Array, Array, Array], change: Pair, label_from: int, shape: Shape, uptake: Array, label: Array
) -> None:
    """Inside one soft-edged ellipsoid: uptake · factor + add, where the label is at least ``label_from``."""
    centre, axes, inverse = frame
    x0, x1, y0, y1, z0, z1 = ellipsoid_box(centre, 1.3 * axes, 2.0, shape)
    for z in range(z0, z1):
        for y in range(y0, y1):
            row = (z * shape[1] + y) * shape[2]
            for x in range(x0, x1):
                if label[row + x] < label_from:
                    continue
                dx, dy, dz = x - centre[0], y - centre[1], z - centre[2]
                q2 = 0.0
                for j in range(3):
                    q2 += (inverse[j, 0] * dx + inverse[j, 1] * dy + inverse[j, 2] * dz) ** 2
                weight = clip01(2.2 * (1.25 - math.sqrt(q2)))
                if weight > 0.0:
                    uptake[row + x] = uptake[row + x] * (1.0 + weight * (change[0] - 1.0)) + weight * change[1]
