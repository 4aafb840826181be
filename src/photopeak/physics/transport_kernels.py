"""Photons through voxels, one after the other: flights by Woodcock's method, interactions from tables.

Coordinates are index coordinates (voxel k reaches from k to k + 1) in the order z, y, x; lengths in cm. Every
photon has a stream of random numbers of its own, a Philox counter under the run's key: what happens to it does
not depend on which others are simulated with it, or where.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from photopeak.physics.elementary_kernels import log
from photopeak.physics.engines import Array, kernel
from photopeak.physics.poisson_kernels import philox

REST_KEV = 510.999
_UNIT = 1.0 / 4294967296.0
_HALF = 0.5 / 4294967296.0
LEFT, ABSORBED, INCOHERENT, COHERENT = range(4)
"""What ends a photon's flight: the edge of the voxels, or an interaction."""


class Medium(NamedTuple):
    """What fills the voxels: material, density relative to the material's own, and the voxel's edge."""

    material: Array
    density: Array
    edge_cm: float


class Tables(NamedTuple):
    """Interactions by material and energy.

    ``total`` is μ per cm every ``step_kev``, ``majorant`` the greatest of the volume; of the interactions
    ``photo`` are photoelectric and ``compton`` more incoherent. Cosines come from inverse distributions
    [material, node, quantile], energies of nodes being ``node_kev`` apart from 0 on. ``per_sr`` is the
    probability of incoherent scatter per steradian over sin(θ/2).
    """

    step_kev: float
    total: Array
    majorant: Array
    photo: Array
    compton: Array
    node_kev: float
    compton_cosine: Array
    rayleigh_cosine: Array
    per_sr: Array


class Heads(NamedTuple):
    """Directions to the heads, in x and y, how many of them are asked at each scatter, and what windows see.

    ``seen`` [window, energy] is a photon's chance to be counted, relative to an unscattered one, every
    ``step_kev`` keV. ``coarse`` voxels along each edge are scored together; ``orders`` of scatter are scored.
    """

    x: Array
    y: Array
    asked: int
    seen: Array
    step_kev: float
    coarse: int
    orders: int


class Tally(NamedTuple):
    """Effective sources [window, head, z, y, x], energy left in each voxel (keV), and what left the volume.

    ``escaped`` holds the energy that left (keV), the photons that left unscattered, and those that left in all.
    """

    source: Array
    deposited: Array
    escaped: Array


@kernel
def uniform4(key: Array, photon: int, draw: int) -> tuple[float, float, float, float]:
    """Four numbers between 0 and 1, neither included."""
    a, b, c, d = philox(key[0], key[1], photon, draw, key[2], 0)
    return a * _UNIT + _HALF, b * _UNIT + _HALF, c * _UNIT + _HALF, d * _UNIT + _HALF


@kernel
def on_circle(key: Array, photon: int, draw: int) -> tuple[float, float, int]:
    """A point of the unit circle, by rejection: no sine whose last bit could differ between machines."""
    while True:
        a, b, c, d = uniform4(key, photon, draw)
        draw += 1
        for u, v in ((2.0 * a - 1.0, 2.0 * b - 1.0), (2.0 * c - 1.0, 2.0 * d - 1.0)):
            r2 = u * u + v * v
            if 1e-12 < r2 < 1.0:
                r = math.sqrt(r2)
                return u / r, v / r, draw


@kernel
def turned(way: Array, cosine: float, u: float, v: float) -> None:
    """Turn a direction by an angle, towards a point (u, v) of the circle around it."""
    sine = math.sqrt(max(0.0, 1.0 - cosine * cosine))
    z, y, x = way[0], way[1], way[2]
    flat = math.sqrt(max(0.0, 1.0 - z * z))
    if flat < 1e-9:
        way[0], way[1], way[2] = (cosine if z > 0 else -cosine), sine * v, sine * u
    else:
        way[0] = z * cosine - flat * sine * u
        way[1] = y * cosine + sine * (y * z * u + x * v) / flat
        way[2] = x * cosine + sine * (x * z * u - y * v) / flat
    norm = math.sqrt(way[0] ** 2 + way[1] ** 2 + way[2] ** 2)
    for k in range(3):
        way[k] /= norm


@kernel
def between(row: Array, at: float) -> float:
    """Linear interpolation in a table; its ends hold beyond it."""
    k = min(max(int(at), 0), row.size - 2)
    value: float = row[k] + min(max(at - k, 0.0), 1.0) * (row[k + 1] - row[k])
    return value


@kernel
def drawn(cosines: Array, node: float, u: float, v: float) -> float:
    """A cosine from inverse distributions; between two nodes of energy one is drawn."""
    low = int(node)
    row = cosines[min(low + (1 if v < node - low else 0), cosines.shape[0] - 1)]
    return between(row, u * (row.size - 1))


@kernel
def source_voxel(cumulative: Array, target: float) -> int:
    """The first voxel up to which more than ``target`` decays."""
    low, high = 0, cumulative.size - 1
    while low < high:
        middle = (low + high) // 2
        if cumulative[middle] > target:
            high = middle
        else:
            low = middle + 1
    return low


@kernel
def _score(
    heads: Heads, per_sr: Array, node: float, energy: float, way: Array, place: tuple[int, int, int],
    start: float, source: Array,
) -> None:  # fmt: skip
    """Send what this scatter would to some of the heads, evenly spread, as an isotropic source would have to."""
    views = heads.x.size
    low = min(int(node), per_sr.shape[0] - 2)
    share = node - low
    whole = 4.0 * math.pi * views / heads.asked
    for j in range(heads.asked):
        k = int((start + j) * views / heads.asked) % views
        cosine = way[2] * heads.x[k] + way[1] * heads.y[k]
        t = math.sqrt(max(0.0, 0.5 - 0.5 * cosine)) * (per_sr.shape[1] - 1)
        p = (1.0 - share) * between(per_sr[low], t) + share * between(per_sr[low + 1], t)
        after = energy / (1.0 + energy / REST_KEV * (1.0 - cosine))
        for w in range(heads.seen.shape[0]):
            chance = between(heads.seen[w], after / heads.step_kev)
            source[w, k, place[0], place[1], place[2]] += whole * p * chance


@kernel
def started(cumulative: Array, target: float, shape: tuple[int, int, int], where: tuple[float, float, float],
            at: Array) -> None:  # fmt: skip
    """Put ``at`` into the voxel up to which ``target`` decays, at a share of each of its edges."""
    voxel = source_voxel(cumulative, target)
    n_y, n_x = shape[1], shape[2]
    at[0], at[1], at[2] = voxel // (n_y * n_x) + where[0], voxel // n_x % n_y + where[1], voxel % n_x + where[2]


@kernel
def isotropic(key: Array, photon: int, draw: int, way: Array) -> int:
    """A direction out of the whole sphere; the number of the next draw."""
    u, v, draw = on_circle(key, photon, draw)
    way[0] = 2.0 * uniform4(key, photon, draw)[0] - 1.0
    flat = math.sqrt(max(0.0, 1.0 - way[0] ** 2))
    way[1], way[2] = flat * v, flat * u
    return draw + 1


@kernel
def flown(
    stream: tuple[Array, int, int], at: Array, way: Array, energy: float, medium: Medium, tables: Tables
) -> tuple[int, int]:
    """Fly on to the next interaction: ``at`` moves there. What happens there, and the number of the next draw."""
    key, photon, draw = stream
    n_z, n_y, n_x = medium.material.shape
    e = energy / tables.step_kev
    while True:
        a, b, c, _ = uniform4(key, photon, draw)
        draw += 1
        step = -log(a) / between(tables.majorant, e) / medium.edge_cm
        for k in range(3):
            at[k] += step * way[k]
        if not (0.0 <= at[0] < n_z and 0.0 <= at[1] < n_y and 0.0 <= at[2] < n_x):
            return LEFT, draw
        z, y, x = int(at[0]), int(at[1]), int(at[2])
        m = int(medium.material[z, y, x])
        if b * between(tables.majorant, e) > medium.density[z, y, x] * between(tables.total[m], e):
            continue
        photo = between(tables.photo[m], e)
        if c < photo:
            return ABSORBED, draw
        return (INCOHERENT if c < photo + between(tables.compton[m], e) else COHERENT), draw


@kernel
def transport(
    photons: tuple[int, int, int], key: Array, source: tuple[Array, float], medium: Medium, tables: Tables,
    heads: Heads, tally: Tally,
) -> None:  # fmt: skip
    """Simulate photons ``first`` to ``last`` of ``total``; ``source`` is the decays summed up voxel by voxel, and keV.

    Photons are spread evenly over the activity: the k-th of n starts in the k-th n-th of it.
    """
    first, last, total = photons
    cumulative, line_kev = source
    at, way = np.zeros(3), np.zeros(3)
    for photon in range(first, last):
        a, b, c, d = uniform4(key, photon, 0)
        started(cumulative, (photon + a) / total * cumulative[-1], medium.material.shape, (b, c, d), at)
        draw = isotropic(key, photon, 1, way)
        energy, order = line_kev, 0
        while True:
            what, draw = flown((key, photon, draw), at, way, energy, medium, tables)
            if what == LEFT:
                tally.escaped[0] += energy
                tally.escaped[1] += 1.0 if order == 0 else 0.0
                tally.escaped[2] += 1.0
                break
            z, y, x = int(at[0]), int(at[1]), int(at[2])
            if what == ABSORBED:
                tally.deposited[z, y, x] += energy
                break
            m, node = int(medium.material[z, y, x]), energy / tables.node_kev
            u, v, draw = on_circle(key, photon, draw)
            p, q, r, _ = uniform4(key, photon, draw)
            draw += 1
            if what == INCOHERENT:
                order += 1
                if order <= heads.orders:
                    coarse = (z // heads.coarse, y // heads.coarse, x // heads.coarse)
                    _score(heads, tables.per_sr[m], node, energy, way, coarse, r, tally.source)
                cosine = drawn(tables.compton_cosine[m], node, p, q)
                after = energy / (1.0 + energy / REST_KEV * (1.0 - cosine))
                tally.deposited[z, y, x] += energy - after
                energy = after
                if energy < tables.node_kev:
                    tally.deposited[z, y, x] += energy
                    break
            else:
                cosine = drawn(tables.rayleigh_cosine[m], node, p, q)
            turned(way, cosine, u, v)
