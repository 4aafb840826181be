"""The Jaszczak phantom: a cylinder of water with solid rods at one end and six solid spheres on a ring.

Rods fill six sectors of 60°, one diameter d each, standing at the corners of equilateral triangles of side 2d: the
first at ``APEX_MM`` + d from the axis on the sector's middle, then rows of two, three, … across it. Diameters are the
maker's, as :cite:`bertolet2026` lists them; where rods, spheres and their ring lie was measured in the digital phantom
of :cite:`auer2023`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

INSIDE_MM: Final = 216.0
"""Diameter of the water."""
LONG_MM: Final = 186.0
RODS_LONG_MM: Final = 88.0
SPHERES_AT_MM: Final = 127.0
"""From the end where the rods stand to the spheres' plane."""
RING_MM: Final = 58.0
"""From the axis to the centre of every sphere."""
APEX_MM: Final = 12.4
KEPT_MM: Final = 103.0
"""No rod reaches farther from the axis."""


class Model(NamedTuple):
    """Diameters of rods and spheres in mm, neighbour after neighbour."""

    rods_mm: tuple[float, ...]
    spheres_mm: tuple[float, ...]


SMALL: Final = (9.5, 12.7, 15.9, 19.1, 25.4, 31.8)
LARGE: Final = (12.7, 15.9, 19.1, 25.4, 31.8, 38.1)
MODELS: Final[Mapping[str, Model]] = {
    "ultra-deluxe": Model((3.2, 4.8, 6.4, 7.9, 9.5, 11.1), SMALL),
    "deluxe": Model((4.8, 6.4, 7.9, 9.5, 11.1, 12.7), SMALL),
    "standard": Model((6.4, 7.9, 9.5, 11.1, 12.7, 19.1), LARGE),
    "benchmark": Model((9.5, 11.1, 12.7, 15.9, 19.1, 25.4), LARGE),
}

Places = Float[np.ndarray, "place 2"]


def rods_of(diameter_mm: float, shift_mm: float = 0.0) -> Places:
    """(along, across) the middle of the sector of every rod's axis, mm from the phantom's; ``shift_mm`` farther out.

    >>> rods_of(12.7)[0].round(1).tolist()
    [25.1, 0.0]
    """
    return np.array([[along + shift_mm, across] for row in _rows(diameter_mm) for along, across in row])


def gaps_of(diameter_mm: float, shift_mm: float = 0.0) -> Places:
    """The same of the places amid three neighbouring rods: as far from all of them as can be."""
    found = []
    rows = _rows(diameter_mm)
    for row, following in itertools.pairwise(rows):
        high, step = row[0][0] + shift_mm, np.sqrt(3.0) * diameter_mm
        near, far = {round(c / diameter_mm) for _, c in row}, {round(c / diameter_mm) for _, c in following}
        found += [[high + 2.0 * step / 3.0, k * diameter_mm] for k in sorted(near) if {k - 1, k + 1} <= far]
        found += [[high + step / 3.0, k * diameter_mm] for k in sorted(far) if {k - 1, k + 1} <= near]
    return np.array(found)


def _rows(diameter_mm: float) -> list[list[tuple[float, float]]]:
    """Rods row by row, those that fit into the cylinder."""
    found: list[list[tuple[float, float]]] = []
    while True:
        k = len(found)
        along = APEX_MM + diameter_mm + k * np.sqrt(3.0) * diameter_mm
        row = [(float(along), float((2 * j - k) * diameter_mm)) for j in range(k + 1)]
        row = [at for at in row if np.hypot(*at) + 0.5 * diameter_mm <= KEPT_MM]
        if not row:
            return found
        found.append(row)


def turned(places: Places, degrees: float) -> Places:
    """(y, x) of places (along, across) of a sector whose middle lies at an angle from x towards y."""
    t = np.deg2rad(degrees)
    along, across = places.T
    return np.stack([along * np.sin(t) + across * np.cos(t), along * np.cos(t) - across * np.sin(t)], 1)


def ring_of_spheres(first_deg: float, sense: int) -> Places:
    """(y, x) of the spheres' centres, the smallest at an angle from x towards y."""
    return np.concatenate([turned(np.array([[RING_MM, 0.0]]), first_deg + sense * 60.0 * k) for k in range(6)])


def is_water(
    model: Model, z_mm: Float[np.ndarray, " z"], y_mm: Float[np.ndarray, " y"], x_mm: Float[np.ndarray, " x"]
) -> Bool[np.ndarray, "z y x"]:
    """Where the phantom holds water: its axis along z at y = x = 0, its rods from z = 0 on, the smallest at x > 0.

    Spheres stand between sectors, the smallest between the two of the thinnest rods.
    """
    y, x = np.meshgrid(y_mm, x_mm, indexing="ij")
    tank = np.hypot(y, x) < 0.5 * INSIDE_MM
    clear = tank.copy()
    for k, d in enumerate(model.rods_mm):
        for cy, cx in turned(rods_of(d), 60.0 * k):
            clear &= np.hypot(y - cy, x - cx) >= 0.5 * d
    z = z_mm[:, None, None]
    water = np.where((z >= 0.0) & (z < RODS_LONG_MM), clear, tank) & (z >= 0.0) & (z < LONG_MM)
    for (cy, cx), d in zip(ring_of_spheres(30.0, 1), model.spheres_mm, strict=True):
        water &= (z - SPHERES_AT_MM) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 >= 0.25 * d**2
    return np.asarray(water)
