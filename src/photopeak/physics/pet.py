"""PET with cylindrical rings of crystals: activity in Bq/ml to expected coincidences on every line of response.

A line of response joins the faces of two crystals. Its counts are

    y = g ∫ x(s) p_b(s) ds,     p_b = the chance that timing puts a decay at s into time-of-flight bin b,

an integral by Joseph's method :cite:`joseph1982`: one sample for each plane of voxels that the line crosses, read by
bilinear interpolation. g is counts per Bq/ml and mm. What each line loses to the patient and to the detectors
multiplies y (``operator.Weighted``, ``attenuation_factors``); randoms and scatter are a ``Physics``' background.

Crystal k stands at the angle 2π k/n, the first at the patient's left and the next ones towards the back; sinogram
angle a and radial bin r join the crystals that ``PetScanner.pairs`` names. Slices are half a ring apart: slice 0 is
the first ring's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from photopeak.core import Grid, PhotopeakError
from photopeak.core.grid import Axis, scaling
from photopeak.core.units import FWHM_PER_SIGMA

if TYPE_CHECKING:
    from photopeak.physics.pet_operator import PetOperator
    from photopeak.physics.physics import Physics

MM_PER_PS: Final = 0.299792458 / 2.0
"""How far along its line a decay lies for each picosecond between its photons' arrivals."""


@dataclass(frozen=True)
class TimeOfFlight:
    """``bins`` equal bins of ``bin_ps`` around the middle of the line, and the coincidence timing resolution."""

    fwhm_ps: float
    bins: int
    bin_ps: float

    @property
    def sigma_mm(self) -> float:
        """Of a decay's place along its line."""
        return self.fwhm_ps * MM_PER_PS / FWHM_PER_SIGMA

    @property
    def edges_mm(self) -> Float[np.ndarray, " edge"]:
        """Where the bins' edges lie along a line, from its middle towards the second crystal."""
        return np.asarray((np.arange(self.bins + 1) - 0.5 * self.bins) * self.bin_ps * MM_PER_PS)


@dataclass(frozen=True)
class PetScanner:
    """``crystals`` in each of ``rings``, their faces at ``radius_mm``; rings are ``ring_mm`` apart.

    ``radial`` bins of each of the crystals/2 angles are kept, and ring differences up to ``difference`` (None: all).
    With ``span`` s, lines of s neighbouring differences and equal middles are one. ``counts_per_bq_ml_mm`` is g: time,
    solid angle and efficiency together.
    """

    radius_mm: float
    crystals: int
    rings: int
    ring_mm: float
    radial: int
    difference: int | None = None
    span: int = 1
    tof: TimeOfFlight | None = None
    counts_per_bq_ml_mm: float = 1.0

    def __post_init__(self) -> None:
        if self.crystals % 2 or self.crystals < 4 or self.rings < 1 or not 1 <= self.radial < self.crystals:
            raise PhotopeakError(
                f"a scanner of {self.crystals} crystals, {self.rings} rings and {self.radial} radial bins cannot be. "
                "Remedy: an even number of crystals, at least one ring, and fewer radial bins than crystals."
            )
        if self.span < 1 or self.span % 2 == 0 or not 0 <= self.furthest < self.rings:
            raise PhotopeakError(
                f"span {self.span} with ring differences up to {self.furthest} of {self.rings} rings cannot be. "
                "Remedy: an odd span, and differences below the number of rings."
            )
        if min(self.radius_mm, self.ring_mm) <= 0:
            raise PhotopeakError("a scanner's radius_mm and ring_mm are above 0.")

    @property
    def furthest(self) -> int:
        return self.rings - 1 if self.difference is None else self.difference

    @property
    def angles(self) -> int:
        return self.crystals // 2

    @property
    def slices(self) -> int:
        """Of the images, half a ring thick."""
        return 2 * self.rings - 1

    def pairs(self) -> Int[np.ndarray, "angle radial 2"]:
        """The crystals of every transaxial line."""
        a = np.arange(self.angles)[:, None]
        r = np.arange(self.radial)[None, :] - self.radial // 2
        one, other = a + (r + 1) // 2, a + self.angles - r // 2
        return np.asarray(np.stack([one, other], -1) % self.crystals)

    def planes(self) -> list[list[tuple[int, int]]]:
        """The pairs of rings (of the first and of the second crystal) that every sinogram plane sums.

        Segments follow each other as 0, +1, −1, +2, …; planes of one along the axis.
        """
        half = self.span // 2
        count = (self.furthest + half) // self.span
        segments = [0, *(s for k in range(1, count + 1) for s in (k, -k))]
        found = []
        for segment in segments:
            middles: dict[int, list[tuple[int, int]]] = {}
            for d in range(segment * self.span - half, segment * self.span + half + 1):
                if abs(d) <= self.furthest:
                    for ring in range(max(0, -d), min(self.rings, self.rings - d)):
                        middles.setdefault(2 * ring + d, []).append((ring, ring + d))
            found += [middles[m] for m in sorted(middles)]
        return found

    def grid(self, voxel_mm: float, width: int, frame: str = "") -> Grid:
        """Slices of half a ring, ``width`` × ``width`` voxels of ``voxel_mm`` around the axis."""
        across = -0.5 * (width - 1) * voxel_mm
        spacing = (voxel_mm, voxel_mm, 0.5 * self.ring_mm)
        return Grid.volume((self.slices, width, width), scaling(spacing, (across, across, 0.0)), frame)

    def sinogram(self) -> Grid:
        """(angle, channel = plane, time? = time-of-flight bin, x = radial bin)."""
        step = 180.0 / self.angles
        angle = Axis("angle", self.angles, values=tuple(step * k for k in range(self.angles)), unit="deg")
        plane, radial = Axis("channel", len(self.planes())), Axis("x", self.radial)
        if self.tof is None:
            return Grid((angle, plane, radial), scaling((1.0, 1.0, 1.0)))
        starts = (np.arange(self.tof.bins) - 0.5 * self.tof.bins) * self.tof.bin_ps
        time = Axis("time", self.tof.bins, values=tuple(float(s) for s in starts), unit="ps")
        return Grid((angle, plane, time, radial), scaling((1.0, 1.0, 1.0)))

    def operator(self, grid: Grid) -> PetOperator:
        """Activity on ``grid`` (see ``grid``) to expected counts."""
        from photopeak.physics.pet_operator import PetOperator

        return PetOperator(self, grid)

    def physics(
        self,
        grid: Grid,
        mu: Tensor | None = None,
        background: Tensor | float = 0.0,
        efficiency: Tensor | None = None,
        fwhm_mm: float = 0.0,
    ) -> Physics:
        """Operator and counting noise for one patient.

        ``mu`` in 1/cm on ``grid``, or None for no attenuation; ``background`` the expected randoms and scatter;
        ``efficiency`` of each crystal (ring, crystal), or None if all are alike; ``fwhm_mm`` of the blur, or 0.
        """
        from photopeak.physics.operator import Operator, Weighted
        from photopeak.physics.pet_corrections import GaussianBlur, efficiency_factors
        from photopeak.physics.pet_operator import attenuation_factors
        from photopeak.physics.physics import Physics

        operator: Operator = self.operator(grid)
        if mu is not None:
            operator = Weighted(operator, attenuation_factors(self, grid, mu))
        if efficiency is not None:
            operator = Weighted(operator, efficiency_factors(self, efficiency))
        if fwhm_mm != 0.0:
            operator = operator @ GaussianBlur(grid, fwhm_mm)
        return Physics(operator, background)
