"""The planar gamma camera: from activity in a body to the counts expected on both views.

Frame: the patient's, x to the left, y to the back, z up; arrays (z, y, x). The anterior camera stands at
−y, the posterior at +y. Image row 0 is at the head; the anterior view shows the patient's right on the
image's left, the raw posterior view the patient's left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8
from numpy.typing import NDArray

from photopeak.core import Grid, PhotopeakError
from photopeak.physics import planar_geometry as geometry
from photopeak.physics import planar_kernels as kernels
from photopeak.physics.collimator import COLLIMATORS, Collimator, sigma_mm
from photopeak.physics.nuclides import nuclide
from photopeak.physics.planar_geometry import Placement
from photopeak.physics.planar_plan import PlanarPlan

if TYPE_CHECKING:
    from torch import Tensor

    from photopeak.physics.count_rate import DeadTime
    from photopeak.physics.physics import Physics

VIEWS = ("anterior", "posterior")


@dataclass(frozen=True)
class Crystal:
    """The detector behind the collimator.

    ``energy_fwhm_percent`` holds at 140.5 keV and goes as E^−½; ``peak_to_total`` is the share of stopped
    photons whose whole energy is seen in the peak.
    """

    material: str = "sodium iodide"
    thickness_mm: float = 9.5
    intrinsic_fwhm_mm: float = 3.8
    energy_fwhm_percent: float = 9.9
    peak_to_total: float = 0.9

    def stopped(self, energy_kev: float) -> float:
        """1 − e^{−μ t}, the share of photons that interact."""
        from photopeak.physics.materials import mu_per_cm

        return 1.0 - math.exp(-mu_per_cm(self.material, energy_kev) * self.thickness_mm / 10.0)

    def accepted(self, energy_kev: float, window_kev: tuple[float, float]) -> float:
        """The share of a full-energy peak that falls into a window, for a Gaussian peak."""
        sigma = sigma_mm(self.energy_fwhm_percent / 100.0 * math.sqrt(140.5 / energy_kev)) * energy_kev
        low, high = ((edge - energy_kev) / (sigma * math.sqrt(2.0)) for edge in window_kev)
        return 0.5 * (math.erf(high) - math.erf(low))


@dataclass(frozen=True)
class Window:
    """An energy window and what scatter adds to it, as a blur of the attenuated primary.

    ``scatter`` holds (share of the primary counted in the photopeak window, σ in mm) pairs: convolution
    scatter with one kernel for all depths, a broad component for photons that turned far from their source
    and a narrower one for small angles. An approximation: the share of scatter does not grow with depth.
    """

    name: str
    range_kev: tuple[float, float]
    scatter: tuple[tuple[float, float], ...]
    primary: bool = True


PHOTOPEAK = Window("photopeak", (126.45, 154.55), ((0.21, 33.0), (0.14, 13.0)))
"""140.5 keV ± 10 %. Scatter adds 35 %, 0.6 of it with σ 33 mm and 0.4 with σ 13 mm, as fitted to bone scans."""

LOW_SCATTER = Window("scatter", (92.0, 125.0), ((0.50, 40.0), (0.20, 18.0)), primary=False)
"""92 to 125 keV: twice the photopeak's scatter, the ratio on which subtraction with k = 0.5 rests
:cite:`jaszczak1984`, and somewhat broader."""


def sensitivity_cps_per_mbq(
    collimator: Collimator, crystal: Crystal, emitter: str, energy_kev: float, window_kev: tuple[float, float]
) -> float:
    """Primary counts in a window per second and MBq in air: yield × geometry × detection × share of the peak."""
    photons = nuclide(emitter).photons_per_decay(energy_kev)
    detected = crystal.stopped(energy_kev) * crystal.peak_to_total
    sensitivity = 1e6 * photons * collimator.geometric_efficiency * detected * crystal.accepted(energy_kev, window_kev)
    return float(f"{sensitivity:.6g}")  # as μ: no last bit of libm in the counts


@dataclass(frozen=True)
class PlanarCamera:
    """A two-headed whole-body camera as it is set up for one acquisition.

    ``matrix`` is rows × columns; ``field_mm`` the crystal's useful length along the scan and width across;
    ``gap_mm`` the distances from the anterior and posterior collimator faces to the body's foremost and
    rearmost plane, since heads keep one height over the whole pass. ``depth_nodes`` widths stand for all
    depths. ``uniformity`` multiplies the expected counts and broadcasts to (view, row, column).
    ``events_per_count`` events of any energy blind the crystal for ``dead_time_s`` for each one in the window.
    """

    collimator: Collimator = COLLIMATORS["Siemens LEHR"]
    crystal: Crystal = Crystal()
    photopeak: Window = PHOTOPEAK
    nuclide: str = "Tc-99m"
    energy_kev: float = 140.5
    matrix: tuple[int, int] = (1024, 256)
    pixel_mm: float = 2.4
    field_mm: tuple[float, float] = (387.0, 533.0)
    speed_mm_s: float = 2.0
    gap_mm: tuple[float, float] = (50.0, 60.0)
    head_margin_mm: float = 30.0
    depth_nodes: int = 10
    dead_time_s: float = 1.5e-6
    paralysable: bool = False
    events_per_count: float = 2.0
    uniformity: NDArray[np.float32] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.depth_nodes < 2:
            raise PhotopeakError("depth_nodes must be at least 2, the nearest and the farthest blur.")
        if self.speed_mm_s <= 0 or self.pixel_mm <= 0:
            raise PhotopeakError("speed_mm_s and pixel_mm must be positive.")

    @property
    def dwell_s(self) -> float:
        """How long each point of the patient is in view: field length over scan speed."""
        return self.field_mm[0] / self.speed_mm_s

    @property
    def sensitivity_cps_per_mbq(self) -> float:
        """Primary counts in the photopeak window per second and MBq, without attenuation."""
        return sensitivity_cps_per_mbq(
            self.collimator, self.crystal, self.nuclide, self.energy_kev, self.photopeak.range_kev
        )

    @property
    def counts_per_mbq(self) -> float:
        """Expected primary counts of 1 MBq in air: sensitivity times dwell time."""
        return self.sensitivity_cps_per_mbq * self.dwell_s

    def counts_per_bq_ml(self, voxel_mm: float) -> float:
        """Expected primary counts of one voxel that holds 1 Bq/ml, in air."""
        return self.counts_per_mbq * voxel_mm**3 * 1e-9

    @property
    def rows_in_view(self) -> int:
        """Image rows that the detector covers at once."""
        return max(1, round(self.field_mm[0] / self.pixel_mm))

    def count_rate(self) -> DeadTime | None:
        """The dead-time response, or None where the camera has none."""
        if self.dead_time_s == 0:
            return None
        from photopeak.physics.count_rate import DeadTime

        return DeadTime(self.dead_time_s, self.dwell_s, self.paralysable, self.rows_in_view, self.events_per_count)

    def physics(
        self,
        mu: Tensor,
        grid: Grid,
        views: Sequence[str] = VIEWS,
        window: Window | None = None,
        engine: str = "auto",
    ) -> Physics:
        """Operator, dead time and counting noise for one patient: activity in Bq/ml on ``grid`` to counts.

        ``mu`` is in 1/cm. ``engine`` is "numba" (CPU), "torch" (``mu``'s device and precision), "exact" (torch, every
        plane with its own width instead of interpolated ones) or "auto", numba for tensors on the CPU.
        """
        from photopeak.physics.physics import Physics
        from photopeak.physics.planar_operator import planar_operator

        operator = planar_operator(self, mu, grid, (tuple(views), window or self.photopeak), engine)
        return Physics(operator, 0.0, self.count_rate())

    def fwhm_mm(self, distance_mm: float) -> float:
        """System resolution √(R² + R_i²) at a distance from the collimator's face."""
        return math.sqrt(self.collimator.fwhm_mm(distance_mm) ** 2 + self.crystal.intrinsic_fwhm_mm**2)

    def sigma_mm(self, distance_mm: float) -> float:
        return sigma_mm(self.fwhm_mm(distance_mm))

    def place(self, mu: NDArray[np.float32], voxel_mm: float, origin_mm: tuple[float, float, float]) -> Placement:
        """Put the heads ``gap_mm`` off the body's extent in y, and the image's top above the volume."""
        first, last = body_planes(mu)
        y = origin_mm[1]
        half = 0.5 * voxel_mm
        faces = (y + first * voxel_mm - half - self.gap_mm[0], y + last * voxel_mm + half + self.gap_mm[1])
        top = origin_mm[2] + (mu.shape[0] - 0.5) * voxel_mm + self.head_margin_mm
        # Empty planes outside the body may reach beyond a face that stands close: it stays outside them too.
        edge = (y - half, y + (mu.shape[1] - 0.5) * voxel_mm)
        faces = (min(faces[0], edge[0]), max(faces[1], edge[1]))
        return Placement((mu.shape[0], mu.shape[1], mu.shape[2]), voxel_mm, origin_mm, faces, top)


def body_planes(mu: Float32[np.ndarray, "z y x"]) -> tuple[int, int]:
    """The first and last plane y that absorbs; all planes where nothing does."""
    depth = mu.shape[1]
    first = next((y for y in range(depth) if mu[:, y].any()), 0)
    last = next((y for y in range(depth - 1, -1, -1) if mu[:, y].any()), depth - 1)
    return first, last


def expected_counts(
    activity: Float32[np.ndarray, "z y x"],
    mu_per_cm: Float32[np.ndarray, "z y x"],
    placement: Placement,
    camera: PlanarCamera,
    mbq_per_unit: float = 1.0,
    window: Window | None = None,
) -> Float32[np.ndarray, "view row column"]:
    """Mean counts of both views: (primary ⊗ blur + w · scatter) × sensitivity × dwell × uniformity.

    ``activity`` is per voxel, in units of which each is ``mbq_per_unit`` MBq; ``window`` is the photopeak
    unless another is given. One thread, the same bits on
    every machine.
    """
    activity = np.ascontiguousarray(activity, np.float32)
    mu = np.ascontiguousarray(mu_per_cm, np.float32)
    plan = PlanarPlan.of(camera, placement, window or camera.photopeak, mu)
    planes = np.zeros((2, camera.depth_nodes, placement.shape[0], placement.shape[2]), np.float32)
    nodes = plan.nodes
    kernels.project(activity, mu, placement.voxel_mm, nodes, np.arange(2), planes)
    image = np.zeros((2, *camera.matrix), np.float32)
    for view in range(2):
        plan.image(planes[view], view, image[view])
    image *= np.float32(mbq_per_unit * camera.counts_per_mbq)
    image *= response(camera)
    _lose_to_dead_time(image, camera)
    return image


def project_labels(
    activity: Float32[np.ndarray, "z y x"],
    mu_per_cm: Float32[np.ndarray, "z y x"],
    label: UInt8[np.ndarray, "z y x"],
    placement: Placement,
    camera: PlanarCamera,
) -> UInt8[np.ndarray, "view row column"]:
    """On every pixel of both views, the label that sends it the most counts; 0 outside the volume.

    It is the one with the greatest attenuated activity in one unbroken stretch of the ray;
    pixels take the nearest ray.
    """
    seen = np.zeros((2, placement.shape[0], placement.shape[2]), np.uint8)
    activity, mu_per_cm, label = (np.ascontiguousarray(a) for a in (activity, mu_per_cm, label))
    kernels.project_labels(activity, mu_per_cm, label, placement.voxel_mm, seen)
    rows = geometry.nearest(geometry.rows(camera, placement.top_mm), placement, 2)
    columns = [geometry.nearest(geometry.columns(camera, v, placement.middle_mm), placement, 0) for v in range(2)]
    padded = np.pad(seen, ((0, 0), (0, 1), (0, 1)))  # index −1 is the border of zeros
    return np.stack([padded[v][np.ix_(rows, columns[v])] for v in range(2)])


def transmission(
    mu_per_cm: Float32[np.ndarray, "z y x"], voxel_mm: float, points: Int64[np.ndarray, "n 3"]
) -> Float64[np.ndarray, "2 n"]:
    """The share of photons from voxel centres (z, y, x) that crosses the body to each view, e^{−∫μ dl}."""
    out = np.empty((2, len(points)))
    kernels.transmission_at(mu_per_cm, voxel_mm, points, out)
    return out


def response(camera: PlanarCamera) -> NDArray[np.float32]:
    """What multiplies the image pixel by pixel: the crystal's width, and its uniformity; (2, rows or 1, columns)."""
    n = camera.matrix[1]
    across = np.abs(np.arange(n) - 0.5 * (n - 1)) * camera.pixel_mm <= 0.5 * camera.field_mm[1]
    factor: NDArray[np.float32] = np.broadcast_to(across.astype(np.float32), (2, 1, n))
    if camera.uniformity is not None:
        factor = factor * camera.uniformity.astype(np.float32)
    return factor


def _lose_to_dead_time(image: NDArray[np.float32], camera: PlanarCamera) -> None:
    """Dead time in place; the same law as ``camera.count_rate``, in a fixed order of operations."""
    if camera.dead_time_s == 0:
        return
    rows = min(camera.rows_in_view, camera.matrix[0])
    per_count = camera.dead_time_s * camera.events_per_count / camera.dwell_s
    for view in image:
        kernels.lose_to_dead_time(view, rows, per_count, camera.paralysable)
