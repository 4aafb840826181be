"""The planar gamma camera: from activity in a body to the counts expected on both views.

Frame: the patient's, x to the left, y to the back, z up; arrays (z, y, x). The anterior camera stands at
−y, the posterior at +y. Image row 0 is at the head; the anterior view shows the patient's right on the
image's left, the raw posterior view the patient's left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8
from numpy.typing import NDArray

from photopeak.core import PhotopeakError
from photopeak.physics import planar_geometry as geometry
from photopeak.physics import planar_kernels as kernels
from photopeak.physics.collimator import COLLIMATORS, Collimator, sigma_mm
from photopeak.physics.planar_geometry import Placement

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

    ``scatter`` holds (share of the primary's total, σ in mm) pairs. The approximation is convolution
    scatter with one kernel for all depths: a broad component for photons that turned far from the source
    and a narrower one for small angles. Its total follows measured scatter-to-primary ratios.
    """

    name: str
    range_kev: tuple[float, float]
    scatter: tuple[tuple[float, float], ...]
    primary: bool = True


PHOTOPEAK = Window("photopeak", (126.45, 154.55), ((0.21, 33.0), (0.14, 13.0)))
"""140.5 keV ± 10 %: 35 % scatter on top of the primary, 60 % of it with σ 33 mm, 40 % with σ 13 mm."""

LOW_SCATTER = Window("scatter", (92.0, 125.0), ((0.50, 40.0), (0.20, 18.0)), primary=False)
"""92 to 125 keV: photons that scattered through larger angles; twice the photopeak's scatter, so that k ≈ 0.5."""


@dataclass(frozen=True)
class PlanarCamera:
    """A two-headed whole-body camera as it is set up for one acquisition.

    ``matrix`` is rows × columns; ``field_mm`` the crystal's useful length along the scan and width across;
    ``gap_mm`` the distances from the anterior and posterior collimator faces to the body's foremost and
    rearmost plane, since heads keep one height over the whole pass. ``depth_nodes`` widths stand for all
    depths. ``uniformity`` multiplies the expected counts and broadcasts to (view, row, column).
    """

    collimator: Collimator = COLLIMATORS["Siemens LEHR"]
    crystal: Crystal = Crystal()
    window: Window = PHOTOPEAK
    energy_kev: float = 140.5
    photons_per_decay: float = 0.891
    matrix: tuple[int, int] = (1024, 256)
    pixel_mm: float = 2.4
    field_mm: tuple[float, float] = (387.0, 533.0)
    speed_mm_s: float = 2.0
    gap_mm: tuple[float, float] = (50.0, 60.0)
    head_margin_mm: float = 30.0
    depth_nodes: int = 10
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
        """Primary counts in the window per second and MBq, without attenuation."""
        crystal = self.crystal
        detected = crystal.stopped(self.energy_kev) * crystal.peak_to_total
        accepted = crystal.accepted(self.energy_kev, self.window.range_kev)
        return 1e6 * self.photons_per_decay * self.collimator.geometric_efficiency * detected * accepted

    def fwhm_mm(self, distance_mm: float) -> float:
        """System resolution √(R² + R_i²) at a distance from the collimator's face."""
        return math.hypot(self.collimator.fwhm_mm(distance_mm), self.crystal.intrinsic_fwhm_mm)

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
) -> Float32[np.ndarray, "view row column"]:
    """Mean counts of both views: (primary ⊗ blur + scatter) × sensitivity × dwell × uniformity.

    ``activity`` is per voxel, in units of which each is ``mbq_per_unit`` MBq. One thread, the same bits on
    every machine. Dead time is left to ``Physics.mean``.
    """
    activity = np.ascontiguousarray(activity, np.float32)
    mu = np.ascontiguousarray(mu_per_cm, np.float32)
    plan = PlanarPlan.of(camera, placement)
    planes = np.zeros((2, camera.depth_nodes, placement.shape[0], placement.shape[2]), np.float32)
    kernels.project(activity, mu, placement.voxel_mm, plan.nodes.node, plan.nodes.share, planes)
    image = np.zeros((2, *camera.matrix), np.float32)
    for view in range(2):
        for layer in plan.layers:
            layer.add(planes[view], view, image[view])
    image *= np.float32(mbq_per_unit * camera.sensitivity_cps_per_mbq * camera.dwell_s)
    image *= response(camera)
    return image


def project_labels(
    activity: Float32[np.ndarray, "z y x"],
    mu_per_cm: Float32[np.ndarray, "z y x"],
    label: UInt8[np.ndarray, "z y x"],
    placement: Placement,
    camera: PlanarCamera,
) -> UInt8[np.ndarray, "view row column"]:
    """On every pixel of both views, the structure that sends it the most counts; 0 where none does.

    The structure is the one with the greatest attenuated activity in one unbroken stretch of the ray;
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


@dataclass(frozen=True, eq=False)
class Layer:
    """One blur onto the detector: of the nodes themselves (``factor`` 0), or of their binned sum."""

    factor: int
    z: geometry.Bands
    x: tuple[geometry.Bands, geometry.Bands]

    def add(self, planes: NDArray[np.float32], view: int, image: NDArray[np.float32]) -> None:
        """Add this layer of one view's nodes to its image."""
        source = planes if self.factor == 0 else self.coarse(planes)
        z, x = self.z, self.x[view]
        kernels.blur(source, z.taps, z.start, z.weight, x.start, x.weight, image)

    def coarse(self, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        """What scatters, summed over depth on this layer's lattice."""
        out = np.zeros((1, self.z.start.shape[1], self.x[0].start.shape[1]), np.float32)
        kernels.coarsen(planes, self.factor, out[0])
        return out


@dataclass(frozen=True, eq=False)
class PlanarPlan:
    """Everything about one camera before one grid that does not depend on what the voxels hold."""

    nodes: geometry.Nodes
    layers: tuple[Layer, ...]

    @staticmethod
    def of(camera: PlanarCamera, placement: Placement) -> PlanarPlan:
        nodes = geometry.nodes(camera, placement)
        layers = [_layer(camera, placement, 0, nodes.sigma_mm, 1.0)] if camera.window.primary else []
        for share, sigma in camera.window.scatter:
            factor = geometry.scatter_factor(sigma, placement.voxel_mm)
            # Binning widens by (f² − 1) h²/12; the blur that follows is narrowed by as much.
            binned = (factor**2 - 1) * placement.voxel_mm**2 / 12.0
            layers.append(_layer(camera, placement, factor, np.array([math.sqrt(sigma**2 - binned)]), share))
        return PlanarPlan(nodes, tuple(layers))


def _layer(
    camera: PlanarCamera, placement: Placement, factor: int, sigmas_mm: NDArray[np.float64], share: float
) -> Layer:
    z_mm = geometry.lattice_mm(placement, 2, max(1, factor))
    x_mm = geometry.lattice_mm(placement, 0, max(1, factor))
    z = geometry.bands(z_mm, geometry.rows(camera, placement.top_mm), sigmas_mm, share)
    anterior, posterior = (
        geometry.bands(x_mm, geometry.columns(camera, view, placement.middle_mm), sigmas_mm) for view in range(2)
    )
    return Layer(factor, z, (anterior, posterior))


def response(camera: PlanarCamera) -> NDArray[np.float32]:
    """What multiplies the image pixel by pixel: the crystal's width, and its uniformity."""
    n = camera.matrix[1]
    across = np.abs(np.arange(n) - 0.5 * (n - 1)) * camera.pixel_mm <= 0.5 * camera.field_mm[1]
    factor: NDArray[np.float32] = across.astype(np.float32)
    if camera.uniformity is not None:
        factor = factor * camera.uniformity.astype(np.float32)
    return factor
