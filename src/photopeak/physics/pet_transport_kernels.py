"""Both photons of an annihilation through voxels, and the pair of crystals that saw them.

Coordinates of photons are index coordinates in the order z, y, x (voxel k reaches from k to k + 1), those of crystals
lie on a cylinder around ``Cylinder.axis``; all lengths in cm.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from photopeak.physics.engines import Array, kernel
from photopeak.physics.transport_kernels import (
    ABSORBED,
    INCOHERENT,
    LEFT,
    REST_KEV,
    Medium,
    Tables,
    between,
    drawn,
    flown,
    isotropic,
    on_circle,
    started,
    turned,
    uniform4,
)


class Cylinder(NamedTuple):
    """Faces of crystals at a radius around an axis (z of the first ring's middle, y, x; cm), and who is seen.

    ``seen`` is a photon's chance to pass the energy window, every ``step_kev``; it is detected for certain besides.
    """

    axis_cm: tuple[float, float, float]
    radius_cm: float
    ring_cm: float
    rings: int
    crystals: int
    seen: Array
    step_kev: float


@kernel
def _photon(key: Array, photon: int, at: Array, way: Array, medium: Medium, tables: Tables) -> tuple[float, int, float]:
    """Follow a photon of 511 keV out of the voxels: its energy (0 if absorbed), its scatters, and its way in cm."""
    energy, order, path, draw = REST_KEV, 0, 0.0, 0
    before = at.copy()
    while True:
        what, draw = flown((key, photon, draw), at, way, energy, medium, tables)
        path += math.sqrt((at[0] - before[0]) ** 2 + (at[1] - before[1]) ** 2 + (at[2] - before[2]) ** 2)
        before[:] = at
        if what == LEFT:
            return energy, order, path * medium.edge_cm
        if what == ABSORBED:
            return 0.0, order, 0.0
        m, node = int(medium.material[int(at[0]), int(at[1]), int(at[2])]), energy / tables.node_kev
        u, v, draw = on_circle(key, photon, draw)
        p, q, _, _ = uniform4(key, photon, draw)
        draw += 1
        if what == INCOHERENT:
            order += 1
            cosine = drawn(tables.compton_cosine[m], node, p, q)
            energy /= 1.0 + energy / REST_KEV * (1.0 - cosine)
            if energy < tables.node_kev:
                return 0.0, order, 0.0
        else:
            cosine = drawn(tables.rayleigh_cosine[m], node, p, q)
        turned(way, cosine, u, v)


@kernel
def _crystal(cylinder: Cylinder, at: Array, way: Array, edge_cm: float) -> tuple[int, int, float]:
    """Ring and crystal that a photon flies into from inside the cylinder, and how far they are; −1 beside them."""
    z, y, x = (at[0] * edge_cm, at[1] * edge_cm - cylinder.axis_cm[1], at[2] * edge_cm - cylinder.axis_cm[2])
    across = way[1] ** 2 + way[2] ** 2
    if across < 1e-12:
        return -1, -1, 0.0
    along = y * way[1] + x * way[2]
    inside = along * along - across * (y * y + x * x - cylinder.radius_cm**2)
    if inside <= 0.0:
        return -1, -1, 0.0
    far = (-along + math.sqrt(inside)) / across
    ring = round((z + far * way[0] - cylinder.axis_cm[0]) / cylinder.ring_cm)
    if not 0 <= ring < cylinder.rings:
        return -1, -1, 0.0
    turn = math.atan2(y + far * way[1], x + far * way[2]) / (2.0 * math.pi)
    return ring, round(turn * cylinder.crystals) % cylinder.crystals, far


@kernel
def coincidences(
    decays: tuple[int, int, int], key: Array, cumulative: Array, medium: Medium, tables: Tables, cylinder: Cylinder,
    rows: Array, path_cm: Array,
) -> int:  # fmt: skip
    """Follow decays ``first`` to ``last`` of ``total``; each coincidence fills one row, and how many did is returned.

    A row is (ring, crystal, ring, crystal, scatters of both photons); ``path_cm`` is by how much the first photon's
    way was longer than the second's.
    """
    first, last, total = decays
    at, way = np.zeros((2, 3)), np.zeros((2, 3))
    found = 0
    for decay in range(first, last):
        # Streams 3k, 3k + 1 and 3k + 2 are the decay's own and its two photons'.
        a, b, c, d = uniform4(key, 3 * decay, 0)
        started(cumulative, (decay + a) / total * cumulative[-1], medium.material.shape, (b, c, d), at[0])
        draw = isotropic(key, 3 * decay, 1, way[0])
        at[1], way[1] = at[0], -way[0]
        chances = uniform4(key, 3 * decay, draw)
        scatters, length = 0, 0.0
        for k in range(2):
            energy, order, path = _photon(key, 3 * decay + 1 + k, at[k], way[k], medium, tables)
            if energy == 0.0 or chances[k] > between(cylinder.seen, energy / cylinder.step_kev):
                break
            ring, crystal, further = _crystal(cylinder, at[k], way[k], medium.edge_cm)
            if ring < 0:
                break
            rows[found, 2 * k], rows[found, 2 * k + 1] = ring, crystal
            scatters += order
            length += (path + further) if k == 0 else -(path + further)
            if k == 1:
                rows[found, 4], path_cm[found] = scatters, length
                found += 1
    return found
