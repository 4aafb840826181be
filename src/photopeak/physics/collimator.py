"""Parallel-hole collimators: resolution, sensitivity and septal penetration from their holes.

Hole geometry is the manufacturers', as in the camera models of PyTomography and OpenGATE; the rest follows
from it :cite:`cherry2012`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from photopeak.core import PhotopeakError
from photopeak.core.units import FWHM_PER_SIGMA

SEPTUM_BEHIND_MM = 6.4
"""B, from the collimator's back face to the plane where the crystal detects, mm."""


@dataclass(frozen=True)
class Collimator:
    """Hexagonal lead holes: flat-to-flat width, septal thickness and length; ``energy_kev`` it is used at."""

    name: str
    hole_mm: float
    septum_mm: float
    length_mm: float
    energy_kev: float = 140.5

    @property
    def lead_mu_per_mm(self) -> float:
        """Linear attenuation of lead at ``energy_kev``, 1/mm."""
        from photopeak.physics.materials import mu_per_cm

        return float(mu_per_cm("lead", self.energy_kev)) / 10.0

    @property
    def effective_length_mm(self) -> float:
        """L_e = L − 2/μ: holes act shorter because their edges leak."""
        return self.length_mm - 2.0 / self.lead_mu_per_mm

    def fwhm_mm(self, distance_mm: float) -> float:
        """Geometric resolution R = d (L_e + z + B) / L_e at z mm from the face :cite:`cherry2012`."""
        length = self.effective_length_mm
        return self.hole_mm * (length + distance_mm + SEPTUM_BEHIND_MM) / length

    @property
    def geometric_efficiency(self) -> float:
        """g = A_hole² / (4π L_e² A_cell): the share of all photons that passes the holes, at any distance."""
        hole = math.sqrt(3.0) / 2.0 * self.hole_mm**2
        cell = math.sqrt(3.0) / 2.0 * (self.hole_mm + self.septum_mm) ** 2
        return hole**2 / (4.0 * math.pi * self.effective_length_mm**2 * cell)

    @property
    def septal_penetration(self) -> float:
        """e^{−μw} along the shortest way through one septum, w = t L / (2d + t)."""
        path = self.septum_mm * self.length_mm / (2.0 * self.hole_mm + self.septum_mm)
        return math.exp(-self.lead_mu_per_mm * path)


COLLIMATORS = {
    c.name: c
    for c in (
        Collimator("Siemens LEHR", 1.11, 0.16, 24.05),
        Collimator("Siemens LEAP", 1.45, 0.20, 24.05),
        Collimator("Siemens MELP", 2.94, 1.14, 40.64, 208.4),
        Collimator("Siemens HE", 4.0, 2.0, 59.7, 364.5),
        Collimator("GE LEHR", 1.5, 0.2, 35.0),
        Collimator("GE LEGP", 1.9, 0.2, 35.0),
        Collimator("GE ELEGP", 2.5, 0.4, 40.0),
        Collimator("GE MEGP", 3.0, 1.05, 58.0, 208.4),
        Collimator("GE HEGP", 4.0, 1.8, 66.0, 364.5),
        Collimator("Philips LEHR", 1.22, 0.152, 27.0),
    )
}


def collimator(name: str) -> Collimator:
    """A collimator by its name.

    >>> collimator("Siemens LEHR").hole_mm
    1.11
    """
    try:
        return COLLIMATORS[name]
    except KeyError:
        raise PhotopeakError(f"unknown collimator {name!r}. Remedy: use one of {', '.join(COLLIMATORS)}.") from None


def sigma_mm(fwhm_mm: float) -> float:
    """Standard deviation of a Gaussian of this full width at half maximum."""
    return fwhm_mm / FWHM_PER_SIGMA
