"""Kernels of single-scatter simulation: rays from scatter points to detectors, and their sums over pairs.

Places are (z, y, x) in mm; detectors are numbered ring by ring, and stand at ``turn`` · 2π/``around``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba

from photopeak.physics.engines import Array, kernel, parallel_kernel
from photopeak.physics.transport_kernels import between
from photopeak.physics.trilinear_kernels import around, value_at


class Rays(NamedTuple):
    """From every scatter point to every detector: e^(−∫μ) is of ``depth`` [point, detector].

    ``emitted`` [point, detector, u] is the activity's integral from the point on, in Bq/ml·mm, up to the distance
    ``start_mm`` + u ``step_mm``, blurred by the timing; without time of flight u is 0 and the integral whole.
    """

    depth: Array
    emitted: Array
    start_mm: float
    step_mm: float


class Energies(NamedTuple):
    """Over the cosine of the angle, from −1 to 1: what a scattered photon meets, relative to one of 511 keV.

    ``per_sr`` of an incoherent scatter, ``seen`` by the energy window, and ``thicker`` the patient's μ.
    """

    per_sr: Array
    seen: Array
    thicker: Array


@kernel
def _sample(volume: Array, z: float, y: float, x: float) -> float:
    """The volume at a place in voxels, −1 outside it; its outermost half voxels are as their middles."""
    shape = volume.shape
    if z < -0.5 or y < -0.5 or x < -0.5 or z > shape[0] - 0.5 or y > shape[1] - 0.5 or x > shape[2] - 0.5:
        return -1.0
    z, y, x = (min(max(z, 0.0), shape[0] - 1.0), min(max(y, 0.0), shape[1] - 1.0), min(max(x, 0.0), shape[2] - 1.0))
    return value_at(volume, around(z, shape[0]), around(y, shape[1]), around(x, shape[2]))


@parallel_kernel
def cast(
    volumes: tuple[Array, Array], place: tuple[Array, Array], points: Array, detectors: Array, step_mm: float,
    blur: tuple[float, float, float], depth: Array, emitted: Array,
) -> None:  # fmt: skip
    """Fill ``Rays``; ``place`` is the first voxel's middle and the spacing, ``blur`` (σ, start, step) of u in mm."""
    activity, mu = volumes
    first, spacing = place
    sigma, start, width = blur
    for point in numba.prange(len(points)):
        p = points[point]
        for detector in range(len(detectors)):
            d = detectors[detector]
            length = math.sqrt((d[0] - p[0]) ** 2 + (d[1] - p[1]) ** 2 + (d[2] - p[2]) ** 2)
            total, row = 0.0, emitted[point, detector]
            for k in range(int(length / step_mm)):
                t = (k + 0.5) * step_mm
                z = (p[0] + (d[0] - p[0]) * t / length - first[0]) / spacing[0]
                y = (p[1] + (d[1] - p[1]) * t / length - first[1]) / spacing[1]
                x = (p[2] + (d[2] - p[2]) * t / length - first[2]) / spacing[2]
                m = _sample(mu, z, y, x)
                if m < 0.0:  # a ray that left the box does not come back
                    break
                total += m
                a = _sample(activity, z, y, x) * step_mm
                if a > 0.0:
                    _add(row, a, t, sigma, start, width)
            depth[point, detector] = 0.1 * step_mm * total  # μ is per cm
            for u in range(1, len(row)):
                row[u] += row[u - 1]


@kernel
def _add(row: Array, a: float, t: float, sigma: float, start: float, width: float) -> None:
    """Add a source at distance t to the steps of a running integral, blurred by σ."""
    if len(row) == 1:
        row[0] += a
        return
    first = max(0, math.ceil((t - 4.0 * sigma - start) / width))
    last = min(len(row) - 1, math.ceil((t + 4.0 * sigma - start) / width))
    below = 0.0
    for u in range(first, last):
        up_to = 0.5 * (1.0 + math.erf((start + u * width - t) / (sigma * math.sqrt(2.0))))
        row[u] += a * (up_to - below)
        below = up_to
    row[last] += a * (1.0 - below)


@parallel_kernel
def pairs(
    points: Array, weights: Array, detectors: Array, normals: Array, rays: Rays, energies: Energies, edges: Array,
    out: Array,
) -> None:  # fmt: skip
    """out[first, second, bin] += Σ over points; ``weights`` are μ dV of each, ``edges`` the bins' in mm or one."""
    n, bins = len(detectors), out.shape[2]
    top = len(energies.per_sr) - 1
    for a in numba.prange(n):
        for point in range(len(points)):
            p = points[point]
            za, ya, xa = detectors[a, 0] - p[0], detectors[a, 1] - p[1], detectors[a, 2] - p[2]
            ra = math.sqrt(za * za + ya * ya + xa * xa)
            facing_a = (za * normals[a, 0] + ya * normals[a, 1] + xa * normals[a, 2]) / ra
            if facing_a <= 0.0:
                continue
            for b in range(n):
                zb, yb, xb = detectors[b, 0] - p[0], detectors[b, 1] - p[1], detectors[b, 2] - p[2]
                rb = math.sqrt(zb * zb + yb * yb + xb * xb)
                facing_b = (zb * normals[b, 0] + yb * normals[b, 1] + xb * normals[b, 2]) / rb
                at = 0.5 * top * (1.0 - (za * zb + ya * yb + xa * xb) / (ra * rb))
                seen = between(energies.seen, at)
                if facing_b <= 0.0 or seen <= 0.0:
                    continue
                w = weights[point] * facing_a * facing_b / (ra * ra * rb * rb) * seen * between(energies.per_sr, at)
                thicker = between(energies.thicker, at)
                one = w * math.exp(-rays.depth[point, a] - thicker * rays.depth[point, b])
                other = w * math.exp(-thicker * rays.depth[point, a] - rays.depth[point, b])
                if bins == 1:
                    out[a, b, 0] += one * rays.emitted[point, a, 0] + other * rays.emitted[point, b, 0]
                    continue
                middle = 0.5 * (ra - rb)
                for k in range(bins):
                    # A decay at t before the first detector lies at middle − t, before the second at middle + t.
                    low, high = edges[k], edges[k + 1]
                    out[a, b, k] += one * (_up_to(rays, point, a, middle - low) - _up_to(rays, point, a, middle - high))
                    out[a, b, k] += other * (
                        _up_to(rays, point, b, high - middle) - _up_to(rays, point, b, low - middle)
                    )


@kernel
def _up_to(rays: Rays, point: int, detector: int, t_mm: float) -> float:
    return between(rays.emitted[point, detector], (t_mm - rays.start_mm) / rays.step_mm)


@kernel
def _weights(at: float, n: int, closed: bool) -> tuple[int, int, float]:
    """The two detectors beside a place on a ring (closed) or along the axis, and the share of the second."""
    low = math.floor(at)
    if closed:
        return low % n, (low + 1) % n, at - low
    low = min(max(low, 0), max(n - 2, 0))
    return low, min(low + 1, n - 1), at - low


@parallel_kernel
def filled(
    table: Array, ring: tuple[Array, Array, Array], rings_at: Array, sampled: tuple[int, int], sinogram: Array
) -> None:
    """Interpolate a ``table`` [ring, crystal, ring, crystal, bin] between its detectors, for every line.

    ``ring`` holds the pairs of crystals [angle, radial, 2], how far crystals reach around (in table's detectors) and
    the pairs of rings of each plane [plane, k, 2] (−1: no more); ``rings_at`` is each ring's place in the table.
    """
    crystals, turn, planes = ring
    n_rings, n_around = sampled
    for angle in numba.prange(sinogram.shape[0]):
        for radial in range(sinogram.shape[3]):
            i0, i1, wi = _weights(turn[crystals[angle, radial, 0]], n_around, True)
            j0, j1, wj = _weights(turn[crystals[angle, radial, 1]], n_around, True)
            for plane in range(sinogram.shape[1]):
                for k in range(planes.shape[1]):
                    if planes[plane, k, 0] < 0:
                        break
                    r0, r1, wr = _weights(rings_at[planes[plane, k, 0]], n_rings, False)
                    s0, s1, ws = _weights(rings_at[planes[plane, k, 1]], n_rings, False)
                    for b in range(sinogram.shape[2]):
                        total = 0.0
                        for r, u in ((r0, 1.0 - wr), (r1, wr)):
                            for i, v in ((i0, 1.0 - wi), (i1, wi)):
                                for s, w in ((s0, 1.0 - ws), (s1, ws)):
                                    near = (1.0 - wj) * table[r, i, s, j0, b] + wj * table[r, i, s, j1, b]
                                    total += u * v * w * near
                        sinogram[angle, plane, b, radial] += total
