"""A brain PET/CT before a head: prompts of its rings, and the grids of everything that lies beside them.

Crystals 4.7 mm wide and 4.8 mm long stand on a ring of 360 mm, 42 rings over 200 mm; lines join rings up to 10 mm
apart. The head is projected on voxels of 2.4 mm, which average eight of those it was painted on; twice as large ones
make a quick scanner of half the resolution. Trues are blurred by crystals and positrons, weakened by the head, and
scattered once (``single_scatter``); randoms are even.

Left out: time of flight (a head is hardly larger than what it tells apart), activity below the field except in the
singles that randoms come from, coincidences with two scatters, dead time, unequal crystals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from jaxtyping import Float32, Num

from photopeak.core import Entry, Grid, Image, Mask, PhotopeakError, scaling
from photopeak.patients.blocks import halved, paired
from photopeak.patients.brain.head import EDGE_MM, Head
from photopeak.patients.brain.resonance import t1_weighted
from photopeak.patients.brain.structures import NAMES
from photopeak.patients.protocol import Streams
from photopeak.physics.materials import ct_from_mu
from photopeak.physics.nuclides import ANNIHILATION_KEV, decay_during, nuclide
from photopeak.physics.pet import PetScanner
from photopeak.physics.pet_scatter import single_scatter

RADIUS_MM: Final = 180.0
FIELD_MM: Final = 201.6
WIDTH_MM: Final = 249.6  # of the image and of the lines
APART_MM: Final = 9.6  # of the rings that a line joins
BLUR_MM: Final = 4.5  # FWHM in the middle
SENSITIVITY: Final = 0.014
"""Coincidences for each annihilation in the middle, in air: what such rings and crystals of LSO give."""
SINGLES: Final = 0.4
"""Detected single photons for each decay in the field, those from below it included. A judgement."""
COINCIDENCE_NS: Final = 5.0  # 2τ
SCATTER_BLOCK_MM: Final = 36.0
ABOVE_MM: Final = 19.2  # of the painted volume that lies above the field
CT_NOISE_HU: Final = 12.0
SIZES_MM: Final = (2.4, 4.8)
Tensor = torch.Tensor
Volume = Num[np.ndarray, " _z _y _x"]


@dataclass(frozen=True)
class HeadPet:
    """How a head is imaged: for how long, on voxels of which size."""

    nuclide: str
    minutes: float
    voxel_mm: float = 2.0 * EDGE_MM

    def __post_init__(self) -> None:
        if self.minutes <= 0 or self.voxel_mm not in SIZES_MM:
            raise PhotopeakError(
                f"{self.minutes:g} min on voxels of {self.voxel_mm:g} mm make no scan. "
                f"Remedy: give minutes above 0, and voxels of {' or '.join(str(s) for s in SIZES_MM)} mm."
            )

    @property
    def edge_mm(self) -> float:
        """Of the voxels that the head is painted on."""
        return 0.5 * self.voxel_mm

    @property
    def seconds(self) -> float:
        return 60.0 * self.minutes

    @property
    def scanner(self) -> PetScanner:
        """Its counts are for Bq/ml at the start: decay during the scan is in them."""
        ring_mm = 2.0 * self.voxel_mm
        crystals = 240 if self.voxel_mm == SIZES_MM[0] else 120
        furthest = round(APART_MM / ring_mm)
        bare = PetScanner(
            RADIUS_MM, crystals, round(FIELD_MM / ring_mm), ring_mm, self.width, furthest, 2 * furthest + 1
        )
        # A volume V in the middle has Σ ∫ ds = V · angles · (2D + 1) / (line distance · ring distance) over all lines.
        apart_mm2 = math.pi * RADIUS_MM / crystals * ring_mm
        each = apart_mm2 / (1000.0 * bare.angles * (2 * furthest + 1))
        left = float(decay_during(nuclide(self.nuclide).half_life_s, np.zeros(1), self.seconds)[0])
        yielded = SENSITIVITY * nuclide(self.nuclide).positrons
        return replace(bare, counts_per_bq_ml_mm=yielded * self.seconds * left * each)

    @property
    def width(self) -> int:
        return round(WIDTH_MM / self.voxel_mm)

    @property
    def grid(self) -> Grid:
        """The image as the scanner has it."""
        return self.scanner.grid(self.voxel_mm, self.width)

    def cut(self, values: Float32[np.ndarray, " _z _y _x"]) -> Float32[np.ndarray, " _z _y _x"]:
        """What was painted, on the scanner's voxels."""
        z, y, x = self.grid.shape
        low = self._low_rows(values.shape[0]) // 2
        inside = halved(values)[low : low + z]
        sides = [(n - m) // 2 for n, m in zip((y, x), inside.shape[1:], strict=True)]
        return np.pad(inside, ((0, 0), *((s, s) for s in sides)))

    def _low_rows(self, rows: int) -> int:
        """Of the painted volume, below the field."""
        return rows - round(ABOVE_MM / self.edge_mm) - 2 * self.scanner.slices

    def volume(self, head: Head, frame: str) -> Grid:
        """The image in the patient's frame of reference."""
        across = -0.5 * (self.width - 1) * self.voxel_mm
        low = head.origin_mm[2] + (self._low_rows(head.share.shape[0]) + 0.5) * head.edge_mm
        return Grid.volume(self.grid_shape, scaling((self.voxel_mm,) * 3, (across, across, low)), frame)

    @property
    def grid_shape(self) -> tuple[int, int, int]:
        return self.scanner.slices, self.width, self.width

    def painted(self, head: Head, values: Volume, frame: str) -> tuple[Volume, Grid]:
        """The part of what was painted that lies in the field, and its grid."""
        low = self._low_rows(values.shape[0])
        inside = np.ascontiguousarray(values[low : low + 2 * self.scanner.slices])
        x, y, z = head.origin_mm
        affine = scaling((head.edge_mm,) * 3, (x, y, z + low * head.edge_mm))
        return inside, Grid.volume((inside.shape[0], inside.shape[1], inside.shape[2]), affine, frame)

    def randoms(self, activity: Float32[np.ndarray, "z y x"]) -> Float32[np.ndarray, "plane 1"]:
        """Expected on every line of each plane: 2τ S² T for each pair of crystals, all with the same singles S."""
        scanner = self.scanner
        left = float(decay_during(nuclide(self.nuclide).half_life_s, np.zeros(1), self.seconds)[0])
        held_bq = float(activity.sum(dtype=np.float64)) * self.voxel_mm**3 / 1000.0 * left
        singles = SINGLES * held_bq / (scanner.crystals * scanner.rings)
        pairs = np.array([len(p) for p in scanner.planes()], np.float32)
        return pairs[:, None] * np.float32(COINCIDENCE_NS * 1e-9 * singles**2 * self.seconds)

    def expected(
        self, activity: Float32[np.ndarray, "z y x"], mu: Float32[np.ndarray, "z y x"]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mean trues, scattered and random coincidences, of activity at the start (Bq/ml) and attenuation (1/cm)."""
        x, m = torch.from_numpy(activity), torch.from_numpy(mu)
        scanner, grid = self.scanner, self.grid
        trues = scanner.physics(grid, m, fwhm_mm=BLUR_MM).operator(x)
        scattered = single_scatter(scanner, grid, (x, m), block_mm=SCATTER_BLOCK_MM)
        return trues, scattered, torch.from_numpy(self.randoms(activity)).expand(trues.shape)

    def beside(self, head: Head, mu: Float32[np.ndarray, "z y x"], streams: Streams, frame: str) -> dict[str, Entry]:
        """The same person's low-dose CT and MR, over the field; ``mu`` as painted, at 511 keV."""
        inside, painted = self.painted(head, mu, frame)
        hounsfield = ct_from_mu(paired(inside), ANNIHILATION_KEV)
        noise = np.float32(CT_NOISE_HU) * streams("ct").standard_normal(hounsfield.shape, np.float32)
        x, y, z = (float(v) for v in painted.matrix_mm[:3, 3])
        affine = scaling((head.edge_mm, head.edge_mm, self.voxel_mm), (x, y, z + 0.5 * head.edge_mm))
        shape = (hounsfield.shape[0], hounsfield.shape[1], hounsfield.shape[2])
        mr, _ = self.painted(head, t1_weighted(head, streams("mr")), frame)
        return {
            "ct": Image(
                np.maximum(hounsfield + noise, np.float32(-1024.0)), Grid.volume(shape, affine, frame), "[hnsf'U]"
            ),
            "mr": Image(mr, painted, "1"),
        }

    def truth(
        self, head: Head, scene: tuple[Float32[np.ndarray, " _z _y _x"], Float32[np.ndarray, " _z _y _x"]], frame: str
    ) -> dict[str, Entry]:
        """A ``scene`` of activity and attenuation on the scanner's voxels, and the structures as painted."""
        label, painted = self.painted(head, head.label, frame)
        volume = self.volume(head, frame)
        return {
            "truth/activity": Image(scene[0], volume, "Bq/ml"),
            "truth/mu": Image(scene[1], volume, "1/cm"),
            "truth/regions": Mask(label, painted, {int(k): NAMES[k] for k in np.unique(label) if k}),
        }
