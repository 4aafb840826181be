"""Kernels of PET: one transaxial ray serves every pair of rings, whose samples lie along z.

Volumes come as [y, x, z], z contiguous. A ray takes one sample for each plane of voxels that it crosses along the
axis it is closer to. At the share t of the way from the first crystal to the second, the pair of rings (k, k + d)
reads slice 2 k + 2 t d: for all k at once, since even and odd slices are kept apart.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from photopeak.physics.engines import Array, kernel, parallel_kernel

GROUPS = 4  # of angles, in the transpose


class Ring(NamedTuple):
    """Crystal faces (x, y) in voxels from the middle of voxel [0, 0], lines, differences and planes.

    ``pairs`` [angle, radial, 2]; ``difference`` of every group of lines; ``plane`` [group, ring] says where it is
    added, −1 where there is no such pair; ``stretch`` is √(1 + (Δz/Δxy)²) per unit of d²: (ring/transaxial)².
    ``edges`` of the time-of-flight bins and σ in mm; no edges for none. ``edge_mm`` is the voxel's, across.
    """

    x: Array
    y: Array
    pairs: Array
    difference: Array
    plane: Array
    edges: Array
    sigma_mm: float
    edge_mm: float
    ring_mm: float


class Ray(NamedTuple):
    """One transaxial line in the image: along which axis it runs, its samples, and its length."""

    steep: bool
    first: int
    last: int
    start: float
    slope: float
    share: float
    share_step: float
    sample_mm: float
    length_mm: float


@kernel
def ray_of(ring: Ring, angle: int, radial: int, shape: tuple[int, int]) -> Ray:
    """Samples first … last − 1 of a line, at minor coordinate start + slope·k and share + share_step·k of its way."""
    i, j = ring.pairs[angle, radial, 0], ring.pairs[angle, radial, 1]
    x0, y0, dx, dy = ring.x[i], ring.y[i], ring.x[j] - ring.x[i], ring.y[j] - ring.y[i]
    steep = abs(dy) > abs(dx)  # closer to y: one sample for each row
    a0, b0, da, db, n, m = (y0, x0, dy, dx, shape[0], shape[1]) if steep else (x0, y0, dx, dy, shape[1], shape[0])
    slope = db / da
    start = b0 - slope * a0
    first, last = 0, n
    if abs(slope) > 1e-12:
        one, other = (-1.0 - start) / slope, (m - start) / slope
        first, last = max(0, math.ceil(min(one, other))), min(n, math.floor(max(one, other)) + 1)
    elif not -1.0 < start < m:
        last = first
    # A sample beyond a crystal's face belongs to no line.
    ends = (min(a0, a0 + da), max(a0, a0 + da))
    first, last = max(first, math.ceil(ends[0])), min(last, math.floor(ends[1]) + 1)
    length = math.sqrt(dx * dx + dy * dy) * ring.edge_mm
    return Ray(
        steep, first, last, start, slope, -a0 / da, 1.0 / da, math.sqrt(1.0 + slope * slope) * ring.edge_mm, length
    )


@kernel
def cell_of(ray: Ray, k: int, shape: tuple[int, int]) -> tuple[int, int, int, int, float, float]:
    """Row and column of the two voxels beside a sample, and their weights; weight 0 outside."""
    b = ray.start + ray.slope * k
    low = math.floor(b)
    m = shape[1] if ray.steep else shape[0]
    w1 = b - low
    w0 = 1.0 - w1 if 0 <= low < m else 0.0
    w1 = w1 if 0 <= low + 1 < m else 0.0
    p, q = min(max(low, 0), m - 1), min(max(low + 1, 0), m - 1)
    if ray.steep:
        return k, p, k, q, w0, w1
    return p, k, q, k, w0, w1


@kernel
def reached(ring: Ring, from_middle_mm: float) -> tuple[int, int]:
    """Which time-of-flight bins a decay may fall into, four σ to either side."""
    reach = 4.0 * ring.sigma_mm
    width = ring.edges[1] - ring.edges[0]
    first = max(0, math.floor((from_middle_mm - reach - ring.edges[0]) / width))
    return first, min(len(ring.edges) - 1, math.floor((from_middle_mm + reach - ring.edges[0]) / width) + 1)


@kernel
def chance_of(ring: Ring, from_middle_mm: float, bin_: int) -> float:
    """That timing puts a decay into one bin."""
    scale = 1.0 / (ring.sigma_mm * math.sqrt(2.0))
    high = math.erf((ring.edges[bin_ + 1] - from_middle_mm) * scale)
    return 0.5 * (high - math.erf((ring.edges[bin_] - from_middle_mm) * scale))


@kernel
def _bins(ring: Ring, from_middle_mm: float, chance: Array) -> tuple[int, int]:
    """The chance of each time-of-flight bin for a decay, and which bins have one; [0, 1) with chance 1 without."""
    if len(ring.edges) < 2:
        chance[0] = 1.0
        return 0, 1
    first, last = reached(ring, from_middle_mm)
    for b in range(first, last):
        chance[b] = chance_of(ring, from_middle_mm, b)
    return first, last


@kernel
def _between(t: float, d: int) -> tuple[int, float]:
    """2 t d as a whole number of slices and the rest."""
    q = 2.0 * t * d
    low = math.floor(q)
    return low, q - low


@parallel_kernel
def project(activity: Array, ring: Ring, image: Array) -> None:
    """image[angle, plane, bin, radial] += the integrals along every line; bin 0 alone without time of flight."""
    shape, rings = activity.shape[:2], (activity.shape[2] + 1) // 2
    for angle in numba.prange(image.shape[0]):
        halves = np.zeros((2, rings + 1), np.float32)  # even and odd slices; a last one of nothing
        groups, bins = len(ring.difference), image.shape[2]
        sums = np.empty((bins, groups, rings), np.float32)
        chance = np.zeros(bins)
        for radial in range(image.shape[3]):
            ray = ray_of(ring, angle, radial, shape)
            if ray.first >= ray.last:
                continue
            sums[:] = 0.0
            for k in range(ray.first, ray.last):
                i0, j0, i1, j1, w0, w1 = cell_of(ray, k, shape)
                if w0 == 0.0 and w1 == 0.0:
                    continue
                a, b, p, q = np.float32(w0), np.float32(w1), activity[i0, j0], activity[i1, j1]
                for z in range(rings - 1):
                    halves[0, z] = a * p[2 * z] + b * q[2 * z]
                    halves[1, z] = a * p[2 * z + 1] + b * q[2 * z + 1]
                halves[0, rings - 1] = a * p[2 * rings - 2] + b * q[2 * rings - 2]
                t = ray.share + ray.share_step * k
                first, last = _bins(ring, (t - 0.5) * ray.length_mm, chance)
                for g in range(groups):
                    d = ring.difference[g]
                    low, rest = _between(t, d)
                    one, other = halves[low % 2], halves[(low + 1) % 2]
                    s, u = (low - low % 2) // 2, (low + 1 - (low + 1) % 2) // 2
                    begin, end = max(0, -d), rings - max(0, d)
                    for bin_ in range(first, last):
                        x, y = np.float32((1.0 - rest) * chance[bin_]), np.float32(rest * chance[bin_])
                        to = sums[bin_, g]
                        for z in range(begin, end):
                            to[z] += x * one[z + s] + y * other[z + u]
            for g in range(groups):
                d = ring.difference[g]
                oblique = math.sqrt(1.0 + (d * ring.ring_mm / ray.length_mm) ** 2)
                w = np.float32(ray.sample_mm * oblique)
                for z in range(max(0, -d), rings - max(0, d)):
                    plane = ring.plane[g, z]
                    for bin_ in range(bins):
                        image[angle, plane, bin_, radial] += w * sums[bin_, g, z]


@kernel
def _back_angle(image: Array, ring: Ring, angle: int, volume: Array) -> None:
    """One angle of the transpose."""
    shape, rings = volume.shape[:2], (volume.shape[2] + 1) // 2
    groups, bins = len(ring.difference), image.shape[1]
    halves = np.zeros((2, rings + 1), np.float32)
    counts = np.zeros((bins, groups, rings), np.float32)
    chance = np.zeros(bins)
    for radial in range(image.shape[2]):
        ray = ray_of(ring, angle, radial, shape)
        if ray.first >= ray.last:
            continue
        for g in range(groups):
            d = ring.difference[g]
            w = np.float32(ray.sample_mm * math.sqrt(1.0 + (d * ring.ring_mm / ray.length_mm) ** 2))
            for z in range(max(0, -d), rings - max(0, d)):
                for bin_ in range(bins):
                    counts[bin_, g, z] = w * image[ring.plane[g, z], bin_, radial]
        for k in range(ray.first, ray.last):
            i0, j0, i1, j1, w0, w1 = cell_of(ray, k, shape)
            if w0 == 0.0 and w1 == 0.0:
                continue
            halves[:] = 0.0
            t = ray.share + ray.share_step * k
            first, last = _bins(ring, (t - 0.5) * ray.length_mm, chance)
            for g in range(groups):
                d = ring.difference[g]
                low, rest = _between(t, d)
                one, other = halves[low % 2], halves[(low + 1) % 2]
                s, u = (low - low % 2) // 2, (low + 1 - (low + 1) % 2) // 2
                begin, end = max(0, -d), rings - max(0, d)
                for bin_ in range(first, last):
                    x, y = np.float32((1.0 - rest) * chance[bin_]), np.float32(rest * chance[bin_])
                    row = counts[bin_, g]
                    for z in range(begin, end):
                        one[z + s] += x * row[z]
                    for z in range(begin, end):
                        other[z + u] += y * row[z]
            for i, j, w in ((i0, j0, np.float32(w0)), (i1, j1, np.float32(w1))):
                if w != 0.0:
                    to = volume[i, j]
                    for z in range(rings - 1):
                        to[2 * z] += w * halves[0, z]
                        to[2 * z + 1] += w * halves[1, z]
                    to[2 * rings - 2] += w * halves[0, rings - 1]


@parallel_kernel
def back_project(image: Array, ring: Ring, angles: Array, parts: Array) -> None:
    """The transpose of ``project``; parts[group, y, x, z] are to be added up. ``angles`` numbers the image's."""
    for group in numba.prange(parts.shape[0]):
        part = parts[group]
        part[:] = 0.0
        for k in range(group, image.shape[0], parts.shape[0]):
            _back_angle(image[k], ring, angles[k], part)
