"""SPECT through a pinhole or a fan-beam collimator: rays that spread from a point or a line.

A plane parallel to the detector, b mm before the aperture or the collimator's face, appears on it M(b) times as
large. For the detector's point (u, w) and the planes d from the nearest to the farthest,

    y_θ(w, u) = Σ_d B_{M b} [ s(b) cos³α (p² / M_u M_w e²) a(r) exp(−∫ μ / cos α) ],   r = (u / M_u, w / M_w, d)

with p the detector's pixel, e the voxel, α the ray's angle, s(b) counts per Bq/ml of a voxel on the axis, cos³α for
the pinhole alone :cite:`cherry2012`; a and μ are read by trilinear interpolation. Images are shown upright, as
camera consoles turn a pinhole's. Where a voxel's image M e is smaller than a pixel, rays miss voxels: take coarser
voxels there. Angles and patient axes are those of ``spect``.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from photopeak.core import Axis, Grid, PhotopeakError, scaling
from photopeak.physics import diverging_kernels as kernels
from photopeak.physics.collimator import COLLIMATORS, Collimator, sigma_mm
from photopeak.physics.engines import single
from photopeak.physics.materials import mu_per_cm
from photopeak.physics.operator import Operator
from photopeak.physics.physics import Physics
from photopeak.physics.planar import Crystal, sensitivity_cps_per_mbq
from photopeak.physics.spect import Orbit, bells, depths
from photopeak.physics.trilinear import given_to, read_at
from photopeak.physics.trilinear_kernels import GROUPS
from photopeak.physics.voxels import voxel_mm

Tensor = torch.Tensor
ANY_HOLES = COLLIMATORS["Siemens LEHR"]  # to know what the crystal makes of a photon that passes


@dataclass(frozen=True)
class Pinhole:
    """A round hole in lead: diameter, distance to the detector, half its opening angle.

    >>> round(Pinhole(4.0, 167.5, 65.0).fwhm_mm(80.0), 1)
    7.0
    """

    diameter_mm: float
    focal_mm: float
    half_angle_deg: float = 60.0
    energy_kev: float = 140.5

    @property
    def effective_mm(self) -> float:
        """d_e = √(d (d + 2 tan α / μ)): the edge leaks :cite:`cherry2012`."""
        mu_per_mm = float(mu_per_cm("lead", self.energy_kev)) / 10.0
        leak = 2.0 * math.tan(math.radians(self.half_angle_deg)) / mu_per_mm
        return math.sqrt(self.diameter_mm * (self.diameter_mm + leak))

    def magnification(self, distance_mm: float) -> tuple[float, float]:
        """Of columns and rows: f / b."""
        return self.focal_mm / distance_mm, self.focal_mm / distance_mm

    def fwhm_mm(self, distance_mm: float) -> float:
        """R = d_e (f + b) / f, in the object's plane."""
        return self.effective_mm * (self.focal_mm + distance_mm) / self.focal_mm

    def efficiency(self, distance_mm: float) -> float:
        """g = d_e² / 16 b² on the axis; cos³α of it elsewhere."""
        return self.effective_mm**2 / (16.0 * distance_mm**2)


@dataclass(frozen=True)
class FanBeam:
    """Holes that meet in a line ``focal_mm`` before the collimator's face; oblique holes count like straight ones."""

    collimator: Collimator
    focal_mm: float

    def magnification(self, distance_mm: float) -> tuple[float, float]:
        """Of columns, f / (f − b) from the face; rows stay."""
        return self.focal_mm / (self.focal_mm - distance_mm), 1.0

    def fwhm_mm(self, distance_mm: float) -> float:
        """R = R_parallel (1 − (L_e / 2) / (f + L_e)), in the object's plane :cite:`cherry2012`."""
        length = self.collimator.effective_length_mm
        return self.collimator.fwhm_mm(distance_mm) * (1.0 - 0.5 * length / (self.focal_mm + length))

    def efficiency(self, distance_mm: float) -> float:
        """g = g_parallel f / (f − b)."""
        return self.collimator.geometric_efficiency * self.magnification(distance_mm)[0]


@dataclass(frozen=True)
class DivergingCamera:
    """A rotating head with a pinhole or a fan beam; the orbit's radius reaches to the aperture or the face."""

    optics: Pinhole | FanBeam
    matrix: tuple[int, int]
    pixel_mm: float
    crystal: Crystal = field(default_factory=Crystal)
    nuclide: str = "Tc-99m"
    energy_kev: float = 140.5
    window_kev: tuple[float, float] = (126.45, 154.55)
    frame_s: float = 20.0

    def counts_per_bq_ml(self, voxel_mm: float, distance_mm: float) -> float:
        """Expected counts of one voxel on the axis with 1 Bq/ml, in air, in one frame."""
        line = self.nuclide, self.energy_kev, self.window_kev
        caught = sensitivity_cps_per_mbq(ANY_HOLES, self.crystal, *line) / ANY_HOLES.geometric_efficiency
        return caught * self.optics.efficiency(distance_mm) * self.frame_s * voxel_mm**3 * 1e-9

    def physics(self, grid: Grid, orbit: Orbit, mu: Tensor | None = None, engine: str = "auto") -> Physics:
        """Operator and counting noise for one patient; ``mu`` in 1/cm on ``grid``, or None for no attenuation."""
        if mu is not None and (tuple(mu.shape) != grid.shape or not bool((torch.isfinite(mu) & (mu >= 0)).all())):
            raise PhotopeakError("mu must be finite, at least 0 (1/cm) and on the grid. Remedy: check the map.")
        if engine == "auto":
            engine = "torch" if mu is not None and mu.is_cuda else "numba"
        if engine not in ("numba", "torch"):
            raise PhotopeakError(f"unknown engine {engine!r}. Remedy: use auto, numba or torch.")
        made = DivergingNumba if engine == "numba" else DivergingTorch
        return Physics(made(self, grid, orbit, mu))


class Rays(NamedTuple):
    """One view: voxel coordinates of every plane's rows (z) and columns (y, x), weights, slant and blur."""

    z: Tensor  # d w
    y: Tensor  # d u
    x: Tensor  # d u
    weight: Tensor  # d w u
    slant: Tensor  # w u, 1 / cos α
    rows: Tensor  # d w w
    columns: Tensor  # d u u


class DivergingOperator(Operator):
    """Activity (Bq/ml; z y x) to expected counts (angle, row, column)."""

    def __init__(self, camera: DivergingCamera, grid: Grid, orbit: Orbit, mu: Tensor | None) -> None:
        self.camera, self.orbit, self.mu, self.domain = camera, orbit, mu, grid
        self.edge = voxel_mm(grid)
        angles = Axis("angle", len(orbit.angles_deg), values=orbit.angles_deg, unit="deg")
        rows, columns = camera.matrix
        self.range = Grid((angles, Axis("y", rows), Axis("x", columns)), scaling((camera.pixel_mm,) * 2 + (1.0,)))
        reach = 0.5 * self.edge * math.hypot(*grid.shape[1:])
        if isinstance(camera.optics, FanBeam) and max(orbit.radii_mm) + reach >= camera.optics.focal_mm:
            raise PhotopeakError(
                f"the fan's focus, {camera.optics.focal_mm:g} mm from the collimator, lies inside the volume. "
                "Remedy: use a longer focus, a smaller orbit or a smaller volume."
            )

    def subset(self, k: int, n: int) -> Operator:
        views = len(self.orbit.angles_deg)
        if not 0 <= k < n <= views:
            raise PhotopeakError(
                f"subset {k} of {n} does not exist for {views} angles. Remedy: use at most one subset for each angle."
            )
        return type(self)(self.camera, self.domain, self.orbit.every(k, n), self.mu)

    def apply(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, "angle row column"]:
        images = []
        for view in range(self.range.shape[0]):
            rays = self._rays(view, x)
            planes = self._sample(x, rays) * rays.weight * self._through(rays, x)
            images.append(torch.einsum("dvw,dwu,dtu->vt", rays.rows, planes, rays.columns))
        return torch.stack(images)

    def apply_adjoint(self, y: Float[Tensor, "angle row column"]) -> Float[Tensor, "z y x"]:
        total = y.new_zeros(self.domain.shape)
        for view in range(self.range.shape[0]):
            rays = self._rays(view, y)
            planes = torch.einsum("dvw,vt,dtu->dwu", rays.rows, y[view], rays.columns)
            total = total + self._spread(planes * rays.weight * self._through(rays, y), rays)
        return total

    @abstractmethod
    def _sample(self, volume: Tensor, rays: Rays) -> Float[Tensor, "d w u"]: ...

    @abstractmethod
    def _spread(self, planes: Float[Tensor, "d w u"], rays: Rays) -> Float[Tensor, "z y x"]: ...

    def _through(self, rays: Rays, like: Tensor) -> Tensor | float:
        """Transmission from the middle of every cell to the head, along the slanted ray."""
        if self.mu is None:
            return 1.0
        path = self._sample(self.mu.to(like), rays) * rays.slant * (self.edge / 10.0)
        return torch.exp(0.5 * path - torch.cumsum(path, 0))

    def _rays(self, view: int, like: Tensor) -> Rays:
        camera, edge = self.camera, self.edge
        n_d = depths(self.domain)
        toward = (0.5 * (n_d - 1) - np.arange(n_d)) * edge
        toward = toward[self.orbit.radii_mm[view] - toward > edge]  # what lies before the aperture
        b = self.orbit.radii_mm[view] - toward
        m_u, m_w = (np.array(m)[:, None] for m in zip(*(camera.optics.magnification(v) for v in b), strict=True))
        u, w = ((np.arange(n) - 0.5 * (n - 1)) * camera.pixel_mm for n in camera.matrix[::-1])
        across, up = u / m_u, -w / m_w
        turn, (n_z, n_y, n_x) = math.radians(self.orbit.angles_deg[view]), self.domain.shape
        c, s = math.cos(turn), math.sin(turn)
        y = 0.5 * (n_y - 1) + (s * across + c * toward[:, None]) / edge
        x = 0.5 * (n_x - 1) + (s * toward[:, None] - c * across) / edge
        tangent = np.hypot(u, w[:, None] if m_w[0] != 1.0 else 0.0 * w[:, None]) / camera.optics.focal_mm
        slant = np.hypot(1.0, tangent)
        axis = np.array([camera.counts_per_bq_ml(edge, float(v)) for v in b])[:, None]
        share = (axis * camera.pixel_mm**2 / (m_u * m_w * edge**2))[..., None]
        seen = np.ones_like(slant)
        if isinstance(camera.optics, Pinhole):
            seen = np.where(tangent < math.tan(math.radians(camera.optics.half_angle_deg)), slant**-3, 0.0)
        blurs = [self._bands(b, m[:, 0], n) for m, n in ((m_w, len(w)), (m_u, len(u)))]
        made = (0.5 * (n_z - 1) + up / edge, y, x, share * seen, slant, *blurs)
        kind = {"device": like.device}
        places = [torch.as_tensor(v, dtype=torch.float64, **kind) for v in made[:3]]
        return Rays(*places, *(torch.as_tensor(v, dtype=like.dtype, **kind) for v in made[3:]))

    def _bands(self, b: Float[np.ndarray, " d"], m: Float[np.ndarray, " d"], n: int) -> Float[np.ndarray, "d n n"]:
        """Each plane's blur on the detector, √((M R)² + R_i²), as a symmetric band matrix."""
        camera = self.camera
        fwhm = [
            math.hypot(k * camera.optics.fwhm_mm(float(v)), camera.crystal.intrinsic_fwhm_mm)
            for v, k in zip(b, m, strict=True)
        ]
        half = bells(np.array([sigma_mm(f) for f in fwhm]) / camera.pixel_mm)
        apart = np.abs(np.arange(n)[:, None] - np.arange(n))
        return np.where(apart < half.shape[1], half[:, np.minimum(apart, half.shape[1] - 1)], 0.0)


class DivergingNumba(DivergingOperator):
    """On the CPU, read and given back by kernels in single precision."""

    def _sample(self, volume: Tensor, rays: Rays) -> Float[Tensor, "d w u"]:
        out = np.empty(tuple(rays.weight.shape), np.float32)
        kernels.sample(single(volume), rays.z.numpy(), rays.y.numpy(), rays.x.numpy(), out)
        return torch.from_numpy(out).to(volume)

    def _spread(self, planes: Float[Tensor, "d w u"], rays: Rays) -> Float[Tensor, "z y x"]:
        parts = np.zeros((GROUPS, *self.domain.shape), np.float32)
        kernels.spread(single(planes), rays.z.numpy(), rays.y.numpy(), rays.x.numpy(), parts)
        return torch.from_numpy(parts.sum(0)).to(planes)


class DivergingTorch(DivergingOperator):
    """In plain torch, on any device, in any precision."""

    def _sample(self, volume: Tensor, rays: Rays) -> Float[Tensor, "d w u"]:
        return read_at(volume, _broadcast(rays))

    def _spread(self, planes: Float[Tensor, "d w u"], rays: Rays) -> Float[Tensor, "z y x"]:
        z, y, x = self.domain.shape
        return given_to(planes, _broadcast(rays), (z, y, x))


def _broadcast(rays: Rays) -> tuple[Tensor, Tensor, Tensor]:
    return rays.z[:, :, None], rays.y[:, None], rays.x[:, None]
