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
    """A rotating head. ``collimator`` None is a perfect one: no blur, and one count for each Bq/ml and mm of depth.

    ``sensitivity_cps_per_mbq`` is a measured one; None computes it from the holes and the crystal. Planes are
    blurred by mixing ``blur_nodes`` widths, which is off by some 1e-4 of the image; None blurs each with its own.
    """

    collimator: Collimator | None = COLLIMATORS["Siemens LEHR"]
    crystal: Crystal = field(default_factory=Crystal)
    nuclide: str = "Tc-99m"
    energy_kev: float = 140.5
    window_kev: tuple[float, float] = (126.45, 154.55)
    frame_s: float = 20.0
    sensitivity_cps_per_mbq: float | None = None
    blur_nodes: int | None = 24

    def sigma_mm(self, distance_mm: float) -> float:
        """Width of the system's Gaussian response, √(R² + R_i²), at a distance from the collimator's face."""
        if self.collimator is None:
            return 0.0
        return sigma_mm(math.hypot(self.collimator.fwhm_mm(max(distance_mm, 0.0)), self.crystal.intrinsic_fwhm_mm))

    def counts_per_bq_ml(self, voxel_mm: float) -> float:
        """Expected counts of one voxel that holds 1 Bq/ml, in air, in one frame."""
        if self.collimator is None:
            return voxel_mm
        sensitivity = self.sensitivity_cps_per_mbq
        if sensitivity is None:
            line = self.nuclide, self.energy_kev, self.window_kev
            sensitivity = sensitivity_cps_per_mbq(self.collimator, self.crystal, *line)
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


@dataclass(frozen=True, eq=False)
class Blur:
    """The blur of every plane of every angle, from nodes; depths count from the plane nearest to the head.

    ``bell`` [angle, node, tap] is half of each node's, for taps 0, 1, …; each whole bell sums to 1. Plane ``depth``
    has 1 − ``share`` of node ``low`` and ``share`` of the next: so much that its variance is right.
    """

    bell: NDArray[np.float32]
    low: NDArray[np.int64]
    share: NDArray[np.float64]

    def every(self, k: int, n: int) -> Blur:
        return Blur(self.bell[k::n], self.low[k::n], self.share[k::n])

    @property
    def planes(self) -> NDArray[np.float32]:
        """Half of every plane's own bell, [angle, depth, tap]."""
        angles = np.arange(len(self.low))[:, None]
        last = self.bell.shape[1] - 1
        one, other = self.bell[angles, self.low], self.bell[angles, np.minimum(self.low + 1, last)]
        return np.asarray(one + self.share[..., None] * (other - one), np.float32)


def blur(camera: SpectCamera, grid: Grid, orbit: Orbit) -> Blur:
    """How a camera blurs each plane before it: exactly with a node for each, or with ``camera.blur_nodes``."""
    edge, n = voxel_mm(grid), depths(grid)
    toward = (0.5 * (n - 1) - np.arange(n)) * edge
    sigma = np.array([[camera.sigma_mm(r - d) / edge for d in toward] for r in orbit.radii_mm])
    nodes = n if camera.blur_nodes is None else min(n, camera.blur_nodes)
    if camera.collimator is None:
        nodes = 1
    if nodes in (1, n):
        low = np.broadcast_to(np.arange(n) if nodes == n else np.zeros(n, np.int64), sigma.shape)
        return Blur(bells(sigma[:, :nodes]), np.ascontiguousarray(low, np.int64), np.zeros(sigma.shape))
    at = np.linspace(0.0, n - 1.0, nodes)
    node = np.array([np.interp(at, np.arange(n), row) for row in sigma])
    low = np.minimum((np.arange(n) * (nodes - 1)) // (n - 1), nodes - 2)
    below, above = node[:, low] ** 2, node[:, low + 1] ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(above > below, (sigma**2 - below) / (above - below), 0.0)
    return Blur(bells(node), np.ascontiguousarray(np.broadcast_to(low, sigma.shape), np.int64), share.clip(0.0, 1.0))


def bells(sigma: NDArray[np.float64]) -> NDArray[np.float32]:
    """Half bells of widths in voxels, cut at ``CUT_SIGMA``."""
    tap = np.arange(math.ceil(CUT_SIGMA * float(sigma.max())) + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        half = np.where(tap == 0, 1.0, np.exp(-0.5 * (tap / sigma[..., None]) ** 2))
    half[tap > np.ceil(CUT_SIGMA * sigma)[..., None]] = 0.0
    return np.asarray(half / (2.0 * half.sum(-1, keepdims=True) - half[..., :1]), np.float32)
