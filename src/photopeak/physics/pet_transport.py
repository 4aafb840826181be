"""Monte Carlo coincidences of a PET scanner: true and scattered ones, event by event.

Both photons of 511 keV fly back to back through the patient (``transport``: incoherent scatter with electron binding,
coherent and photoelectric interactions). A photon that reaches the faces of the crystals is detected where it meets
them, with the chance that its energy is measured inside the window. Positron range, the photons' small angle to each
other, and scatter in the crystals are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from photopeak.core import Grid, PhotopeakError
from photopeak.physics import pet_transport_kernels as kernels
from photopeak.physics.pet import PetScanner
from photopeak.physics.pet_list import Events
from photopeak.physics.pet_scatter import PhotonWindow, checked_patient
from photopeak.physics.transport import STEP_KEV, Voxels, tables_of
from photopeak.physics.transport_kernels import REST_KEV, Medium

BATCH: Final = 200_000


@dataclass(frozen=True, eq=False)
class Coincidences:
    """``events`` of a number of ``decays``, and how many times the two photons of each scattered, together."""

    decays: int
    events: Events
    scatters: Int[np.ndarray, " event"]

    def only(self, chosen: np.ndarray) -> Events:
        """The events that a mask over them chooses, such as ``scatters == 1``."""
        return Events(self.events.scanner, self.events.rows[chosen])


def simulated_coincidences(
    scanner: PetScanner,
    grid: Grid,
    patient: tuple[Tensor, Tensor],
    decays: int,
    seed: int,
    window: PhotonWindow | None = None,
) -> Coincidences:
    """``decays`` spread as the activity is, in a ``patient`` of (activity, μ in 1/cm at 511 keV) on a cubic ``grid``.

    Decay k of a seed has one history, whatever the number of threads.
    """
    activity, mu = checked_patient(grid, patient)
    spacing = grid.spacing_mm
    if max(spacing.values()) - min(spacing.values()) > 1e-6:
        raise PhotopeakError(
            f"photons fly through cubes, not through voxels of {spacing} mm. "
            f"Remedy: take scanner.grid({scanner.ring_mm / 2:g}, width)."
        )
    edge_cm = 0.1 * spacing["x"]
    voxels = Voxels.of(mu.astype(np.float32), REST_KEV, edge_cm)
    cylinder = _cylinder(scanner, grid, edge_cm, window or PhotonWindow())
    medium, tables = Medium(voxels.material, voxels.density, edge_cm), tables_of(voxels, REST_KEV)
    cumulative = np.cumsum(activity, dtype=np.float64)
    key = np.array([seed & 0xFFFFFFFF, seed >> 32, 0x5045], np.uint64)
    found = []
    for first in range(0, decays, BATCH):
        last = min(first + BATCH, decays)
        rows, path_cm = np.zeros((last - first, 5), np.int64), np.zeros(last - first)
        n = kernels.coincidences((first, last, decays), key, cumulative, medium, tables, cylinder, rows, path_cm)
        found.append((rows[:n].copy(), path_cm[:n].copy()))
    rows, path_cm = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return _timed(scanner, rows, path_cm, decays, seed)


def _cylinder(scanner: PetScanner, grid: Grid, edge_cm: float, window: PhotonWindow) -> kernels.Cylinder:
    origin = 0.1 * grid.matrix_mm[:3, 3]
    axis = tuple(float(0.5 * edge_cm - o) for o in origin[::-1])
    reach = edge_cm * np.array(grid.shape[1:])
    corner = np.hypot(*np.maximum(np.abs(axis[1:]), np.abs(reach - axis[1:])))
    if corner > 0.1 * scanner.radius_mm:
        raise PhotopeakError(
            f"the image's corner lies {corner:.1f} cm from the axis, the crystals {scanner.radius_mm / 10:.1f} cm. "
            "Remedy: give an image that fits inside the scanner."
        )
    seen = window.chance(np.arange(0.0, REST_KEV + 2 * STEP_KEV, STEP_KEV))
    place = (axis[0], axis[1], axis[2])
    return kernels.Cylinder(
        place, 0.1 * scanner.radius_mm, 0.1 * scanner.ring_mm, scanner.rings, scanner.crystals, seen, STEP_KEV
    )


def _timed(
    scanner: PetScanner, rows: Int[np.ndarray, "event 5"], path_cm: Float[np.ndarray, " event"], decays: int, seed: int
) -> Coincidences:
    """With the bin that the measured difference of arrivals falls into; beyond all bins there is no coincidence."""
    scatters, kept = rows[:, 4].copy(), np.ones(len(rows), bool)
    rows[:, 4] = 0
    if scanner.tof is not None:
        edges = scanner.tof.edges_mm
        noise = np.random.default_rng(seed).normal(0.0, scanner.tof.sigma_mm, len(rows))
        rows[:, 4] = np.floor((5.0 * path_cm + noise - edges[0]) / (edges[1] - edges[0]))
        kept = (rows[:, 4] >= 0) & (rows[:, 4] < scanner.tof.bins)
    return Coincidences(decays, Events(scanner, rows[kept]), scatters[kept])
