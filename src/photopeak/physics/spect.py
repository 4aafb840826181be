"""SPECT with parallel holes: activity in Bq/ml to expected counts on every projection.

For the head at angle θ, with n(θ) = (sin θ, cos θ) from the axis of rotation to the head in patient x (left)
and y (back), u(θ) = (−cos θ, sin θ) along the detector's columns, and d the coordinate along n,

    y_θ(z, u) = g Σ_d B_{r(θ) − d} [ a(z, u, d) exp(−∫_d^∞ μ) ]

where a and μ are read by bilinear interpolation at u·u(θ) + d·n(θ), B blurs by the system's resolution at its
distance from the collimator's face, and g is counts per Bq/ml. Angles count as DICOM's do: 0° behind the
patient, 90° at the left, 180° in front. Image rows run from the head down, as a reader sees them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from photopeak.core import Grid, PhotopeakError
from photopeak.core.grid import Axis, scaling
from photopeak.physics.collimator import COLLIMATORS, Collimator, sigma_mm
from photopeak.physics.planar import Crystal, sensitivity_cps_per_mbq
from photopeak.physics.voxels import voxel_mm

if TYPE_CHECKING:
    from photopeak.physics.physics import Physics

Tensor = torch.Tensor
CUT_SIGMA = 4.0  # a Gaussian's share beyond is 6e-5


@dataclass(frozen=True)
class Orbit:
    """Where the head stands: one angle and one distance from the axis to the collimator's face per projection.

    ``radius_mm`` is one number for a circle, or one for each angle (body contour).

    >>> Orbit.circle(4, 200.0).angles_deg
    (0.0, 90.0, 180.0, 270.0)
    """

    angles_deg: tuple[float, ...]
    radius_mm: float | tuple[float, ...]

    def __post_init__(self) -> None:
        radii = self.radii_mm
        if not self.angles_deg or len(radii) != len(self.angles_deg):
            raise PhotopeakError(
                f"an orbit of {len(self.angles_deg)} angles has {len(radii)} radii. "
                "Remedy: give radius_mm once, or once for each angle."
            )
        if not all(math.isfinite(v) for v in (*self.angles_deg, *radii)) or min(radii) <= 0:
            raise PhotopeakError("angles_deg must be finite and radius_mm positive.")

    @property
    def radii_mm(self) -> tuple[float, ...]:
        radius = self.radius_mm
        return radius if isinstance(radius, tuple) else (radius,) * len(self.angles_deg)

    def every(self, k: int, n: int) -> Orbit:
        """Every n-th angle from the k-th on."""
        return Orbit(self.angles_deg[k::n], self.radii_mm[k::n])

    @staticmethod
    def circle(views: int, radius_mm: float, start_deg: float = 0.0, arc_deg: float = 360.0) -> Orbit:
        """``views`` angles, evenly over ``arc_deg`` from ``start_deg`` on."""
        return Orbit(tuple(start_deg + arc_deg * i / views for i in range(views)), radius_mm)


@dataclass(frozen=True)
class SpectCamera:
    """A rotating head. ``collimator`` None is a perfect one: no blur, and one count for each Bq/ml and mm of depth."""

    collimator: Collimator | None = COLLIMATORS["Siemens LEHR"]
    crystal: Crystal = field(default_factory=Crystal)
    nuclide: str = "Tc-99m"
    energy_kev: float = 140.5
    window_kev: tuple[float, float] = (126.45, 154.55)
    frame_s: float = 20.0

    def sigma_mm(self, distance_mm: float) -> float:
        """Width of the system's Gaussian response, √(R² + R_i²), at a distance from the collimator's face."""
        if self.collimator is None:
            return 0.0
        return sigma_mm(math.hypot(self.collimator.fwhm_mm(max(distance_mm, 0.0)), self.crystal.intrinsic_fwhm_mm))

    def counts_per_bq_ml(self, voxel_mm: float) -> float:
        """Expected counts of one voxel that holds 1 Bq/ml, in air, in one frame."""
        if self.collimator is None:
            return voxel_mm
        sensitivity = sensitivity_cps_per_mbq(
            self.collimator, self.crystal, self.nuclide, self.energy_kev, self.window_kev
        )
        return sensitivity * self.frame_s * voxel_mm**3 * 1e-9

    def physics(self, grid: Grid, orbit: Orbit, mu: Tensor | None = None, engine: str = "auto") -> Physics:
        """Operator and counting noise for one patient; ``mu`` in 1/cm on ``grid``, or None for no attenuation."""
        from photopeak.physics.physics import Physics
        from photopeak.physics.spect_operator import spect_operator

        return Physics(spect_operator(self, grid, orbit, mu, engine))


def projection_grid(grid: Grid, orbit: Orbit) -> Grid:
    """(angle, row, column): the detector's pixel is the voxel, its field the volume's length and greater width."""
    n_z, n_y, n_x = grid.shape
    angles = Axis("angle", len(orbit.angles_deg), values=orbit.angles_deg, unit="deg")
    edge = voxel_mm(grid)
    return Grid((angles, Axis("y", n_z), Axis("x", max(n_y, n_x))), scaling((edge, edge, 1.0)))


def depths(grid: Grid) -> int:
    """Planes parallel to the detector that hold the whole transverse slice at any angle.

    As many more than the columns as an even number allows, so that planes and voxels coincide at right angles.
    """
    columns = max(grid.shape[1:])
    return columns + 2 * math.ceil((math.hypot(*grid.shape[1:]) - columns) / 2.0)


def bells(camera: SpectCamera, grid: Grid, orbit: Orbit) -> NDArray[np.float32]:
    """Half of every plane's blur, w[angle, depth, tap] for taps 0, 1, …; each whole bell sums to 1.

    Depths count from the plane nearest to the head.
    """
    edge, n = voxel_mm(grid), depths(grid)
    toward = (0.5 * (n - 1) - np.arange(n)) * edge
    sigma = np.array([[camera.sigma_mm(r - d) / edge for d in toward] for r in orbit.radii_mm])
    reach = math.ceil(CUT_SIGMA * float(sigma.max()))
    tap = np.arange(reach + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        half = np.where(tap == 0, 1.0, np.exp(-0.5 * (tap / sigma[..., None]) ** 2))
    half[tap > np.ceil(CUT_SIGMA * sigma)[..., None]] = 0.0
    return np.asarray(half / (2.0 * half.sum(-1, keepdims=True) - half[..., :1]), np.float32)
