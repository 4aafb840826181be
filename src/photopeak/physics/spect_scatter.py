"""Photons that scatter once in the patient, as an Operator: activity to expected counts of any energy window.

Scatter reaches a head at direction n as if the patient held another source, the effective one,

    S_n(r) = ρ(r) ∫ A(r') k_n(r − r') d³r',
    k_n(Δ) = dσ/dΩ(cos θ = n·Δ/|Δ|) · e^{−μ|Δ|} / |Δ|² · ε_w(E'(θ)) / ε(E₀),

which is attenuated and blurred on its way out as a primary source is :cite:`frey1996`. ρ is the electron
density relative to water, taken as μ/μ_water; dσ/dΩ is water's incoherent one, per cm, with binding, from
xraylib; the way to the place of scattering is taken to lie in water; ε is the crystal's share of photons in the
window. The kernel is computed, not fitted. Left out are photons that scatter twice, and coherent scatter, which is
2 % of water's μ and turns photons by a few degrees; ``simulated_scatter`` follows them too, photon by photon.

Scatter is smooth: everything happens on voxels ``coarse`` times as large, and the images are interpolated.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from functools import cache
from typing import Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from photopeak.core import Grid, PhotopeakError
from photopeak.core.grid import scaling
from photopeak.physics.materials import MATERIALS, mu_per_cm
from photopeak.physics.operator import Operator
from photopeak.physics.spect import Orbit, SpectCamera, projection_grid
from photopeak.physics.spect_operator import spect_operator
from photopeak.physics.transport import ALL_ORDERS, Voxels, Windows, transported
from photopeak.physics.voxels import voxel_mm

Tensor = torch.Tensor
ANGLES: Final = 361
REACH_MM: Final = 220.0
"""Water lets one photon in thirty pass over this distance, and the solid angle takes its share."""
REST_KEV: Final = 510.999


class SpectScatter(Operator):
    """Activity (Bq/ml; z y x) to counts (angle, row, column) of photons that scattered once."""

    def __init__(
        self,
        camera: SpectCamera,
        grid: Grid,
        orbit: Orbit,
        mu: Float[Tensor, "z y x"],
        window_kev: tuple[float, float] | None = None,
        coarse: int = 2,
    ) -> None:
        if camera.collimator is None:
            raise PhotopeakError("scatter needs a camera with a collimator. Remedy: name one.")
        self.domain, self.range, self.coarse = grid, projection_grid(grid, orbit), coarse
        window = window_kev or camera.window_kev
        shape = tuple(math.ceil(n / coarse) for n in grid.shape)
        edge = voxel_mm(grid) * coarse
        small = Grid.volume((shape[0], shape[1], shape[2]), scaling((edge, edge, edge)))
        water = mu_per_cm("water", camera.energy_kev)
        thick = self._shrunk(mu.float())
        self.density = thick / water
        seen = yielded(camera, window)
        # Scattered photons are softer: their way out is that of the window's mean energy.
        softer = mu_per_cm("water", seen.mean_kev) / water
        self.out = spect_operator(camera, small, orbit, thick * softer, "auto")
        self.kernel = _Kernel(edge / 10.0, shape, seen.per_cm_sr, water)
        self.columns, self.rows = (
            _interpolation(n, m, coarse)
            for n, m in zip(self.range.shape[:0:-1], self.out.range.shape[:0:-1], strict=True)
        )

    def apply(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, "angle row column"]:
        spectrum = self.kernel.forward(self._shrunk(x))
        angles = self.out.scene.orbit.angles_deg
        sources = (self.density.to(x) * self.kernel.convolved(spectrum, theta) for theta in angles)
        return torch.stack([self.image(k, source) for k, source in enumerate(sources)])

    def image(self, k: int, source: Float[Tensor, "cz cy cx"]) -> Float[Tensor, "row column"]:
        """What head k counts of an effective source (Bq/ml) on the coarse voxels."""
        seen: Tensor = self.rows.to(source) @ self._view(k)(source)[0] @ self.columns.to(source).T
        return seen

    def apply_adjoint(self, y: Float[Tensor, "angle row column"]) -> Float[Tensor, "z y x"]:
        total = y.new_zeros(self.out.domain.shape)
        for k, theta in enumerate(self.out.scene.orbit.angles_deg):
            image = self.rows.to(y).T @ y[k] @ self.columns.to(y)
            source = self.density.to(y) * self._view(k).adjoint(image[None])
            total = total + self.kernel.convolved(self.kernel.forward(source), theta, turned=True)
        return self._grown(total)

    def subset(self, k: int, n: int) -> Operator:
        part = copy.copy(self)
        out = self.out.subset(k, n)
        part.out = out  # type: ignore[assignment]
        part.range = projection_grid(self.domain, part.out.scene.orbit)
        return part

    def _view(self, k: int) -> Operator:
        return self.out.subset(k, len(self.out.scene.orbit.angles_deg))

    def _shrunk(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, "cz cy cx"]:
        """The mean of every block; the last blocks are filled up with nothing."""
        n = self.coarse
        fill = [v for size in reversed(x.shape) for v in (0, -size % n)]
        pooled: Tensor = torch.nn.functional.avg_pool3d(torch.nn.functional.pad(x, fill)[None, None], n)
        return pooled[0, 0]

    def _grown(self, x: Float[Tensor, "cz cy cx"]) -> Float[Tensor, "z y x"]:
        """The transpose of ``_shrunk``."""
        for axis in range(3):
            x = x.repeat_interleave(self.coarse, axis)
        z, y, x_ = self.domain.shape
        return x[:z, :y, :x_] / self.coarse**3


def simulated_scatter(
    camera: SpectCamera,
    grid: Grid,
    orbit: Orbit,
    mu: Float[Tensor, "z y x"],
    activity: Float[Tensor, "z y x"],
    windows_kev: Sequence[tuple[float, float]],
    photons: int,
    seed: int,
    coarse: int = 2,
    orders: int = ALL_ORDERS,
) -> Float[Tensor, "window angle row column"]:
    """Expected counts of scattered photons in several windows, every order of scatter, by Monte Carlo.

    Photons are followed in the patient; what each scatter would send to a head becomes an effective source,
    which is attenuated and blurred as ``SpectScatter`` does. Noise of the source is far below the camera's blur.
    """
    edge_cm, e0 = voxel_mm(grid) / 10.0, camera.energy_kev
    energies = np.maximum(np.arange(0.0, e0 + 2.0), 5.0)
    whole = camera.crystal.stopped(e0) * camera.crystal.accepted(e0, camera.window_kev)
    seen = [[camera.crystal.stopped(e) * camera.crystal.accepted(e, w) / whole for e in energies] for w in windows_kev]
    heads = Windows(orbit.angles_deg, np.array(seen), coarse, orders=orders)
    decays, voxels = activity.double().numpy(), Voxels.of(mu.numpy(), e0, edge_cm)
    run = transported(decays, voxels, e0, photons, seed, heads)
    share = float(decays.sum()) / run.photons / coarse**3  # from photons to Bq/ml of a coarse voxel
    out = []
    for source, window in zip(run.source, windows_kev, strict=True):
        scatter = SpectScatter(camera, grid, orbit, mu, window, coarse)
        out.append(torch.stack([scatter.image(k, torch.from_numpy(s) * share) for k, s in enumerate(source)]))
    return torch.stack(out)


class Yield(NamedTuple):
    """What scattering in water sends into a window, for each angle; per cm of water and sr, and the mean energy."""

    per_cm_sr: NDArray[np.float64]
    mean_kev: float


def yielded(camera: SpectCamera, window_kev: tuple[float, float]) -> Yield:
    """dσ/dΩ · ε_w(E') / ε(E₀) at ``ANGLES`` angles from 0 to π."""
    e0, crystal = camera.energy_kev, camera.crystal
    theta = np.linspace(0.0, math.pi, ANGLES)
    energy = e0 / (1.0 + e0 / REST_KEV * (1.0 - np.cos(theta)))
    seen = np.array([crystal.stopped(e) * crystal.accepted(e, window_kev) for e in energy])
    whole = crystal.stopped(e0) * crystal.accepted(e0, camera.window_kev)
    incoherent = _incoherent(e0)
    counted = incoherent * seen / whole
    share = incoherent * seen * np.sin(theta)
    return Yield(counted, float((share * energy).sum() / max(share.sum(), 1e-300)))


@cache
def _incoherent(energy_kev: float) -> NDArray[np.float64]:
    """Incoherent dσ/dΩ of water per cm and sr :cite:`schoonjans2011`."""
    import xraylib

    water = MATERIALS["water"]
    parts = [(xraylib.SymbolToAtomicNumber(e), p / 100.0) for e, p in water.percent]
    # Bound electrons turn no photon by nothing, and xraylib refuses to say so.
    turned = np.linspace(0.0, math.pi, ANGLES)[1:]
    values = [0.0, *(sum(w * xraylib.DCS_Compt(z, energy_kev, t) for z, w in parts) for t in turned)]
    return water.density_g_cm3 * np.array(values)


class _Kernel:
    """Convolution with k_n for any head, by FFT with room for the kernel's reach."""

    def __init__(
        self, edge_cm: float, shape: tuple[int, ...], per_cm_sr: NDArray[np.float64], water_per_cm: float
    ) -> None:
        self.shape = shape
        reach = [min(n - 1, math.ceil(REACH_MM / 10.0 / edge_cm)) for n in shape]
        self.size = tuple(_fast(n + r) for n, r in zip(shape, reach, strict=True))
        axes = [_offsets(s, r) for s, r in zip(self.size, reach, strict=True)]
        z, y, x = torch.meshgrid(*axes, indexing="ij")
        far = z.isnan() | y.isnan() | x.isnan()
        d = torch.sqrt(z**2 + y**2 + x**2).nan_to_num(1.0)
        self.across = (x.nan_to_num(), y.nan_to_num(), d.clamp_min(0.5))
        # |Δ|^−2 averaged over a voxel: at the centre by a ball of its volume, 3 (4π/3)^⅔ = 7.80.
        fall = torch.where(d > 0, 1.0 / d.clamp_min(0.5) ** 2, 3.0 * (4.0 * math.pi / 3.0) ** (2.0 / 3.0))
        self.base = torch.where(far, 0.0, fall * torch.exp(-water_per_cm * edge_cm * d) * edge_cm)
        self.yields = torch.tensor(per_cm_sr, dtype=torch.float32)
        # In its own voxel a photon may go anywhere.
        theta = torch.linspace(0.0, math.pi, ANGLES)
        self.everywhere = float((self.yields * theta.sin()).sum() / theta.sin().sum())

    def forward(self, x: Float[Tensor, "z y x"]) -> Tensor:
        spectrum: Tensor = torch.fft.rfftn(x, self.size)
        return spectrum

    def convolved(self, spectrum: Tensor, theta_deg: float, turned: bool = False) -> Float[Tensor, "z y x"]:
        """Σ k_n(r − r') x(r'), or with k_n(r' − r), which is the transpose."""
        response = torch.fft.rfftn(self._values(theta_deg).to(spectrum.real), self.size)
        out: Tensor = torch.fft.irfftn(spectrum * (response.conj() if turned else response), self.size)
        z, y, x = self.shape
        return out[:z, :y, :x]

    def _values(self, theta_deg: float) -> Tensor:
        x, y, d = self.across
        t = math.radians(theta_deg)
        cosine = ((math.sin(t) * x + math.cos(t) * y) / d).clamp(-1.0, 1.0)
        at = torch.arccos(cosine) * ((ANGLES - 1) / math.pi)
        low = at.long().clamp_max(ANGLES - 2)
        step = at - low
        yields = self.yields[low] * (1.0 - step) + self.yields[low + 1] * step
        yields[0, 0, 0] = self.everywhere
        return self.base * yields


def _offsets(size: int, reach: int) -> Tensor:
    """Voxels from 0 on, then from behind 0 on; NaN where the kernel does not reach."""
    k = torch.arange(size, dtype=torch.float32)
    k = torch.where(k > size // 2, k - size, k)
    return torch.where(k.abs() <= reach, k, torch.nan)


def _fast(n: int) -> int:
    """The next length that FFTs like."""
    from scipy.fft import next_fast_len

    return int(next_fast_len(n, real=True))


def _interpolation(fine: int, coarse: int, factor: int) -> Float[Tensor, "fine coarse"]:
    """Linear interpolation of coarse pixels' counts, each shared among ``factor`` fine ones along one axis.

    A row's sum of counts is kept but for the ends.
    """
    at = (torch.arange(fine) + 0.5) / factor - 0.5
    weight = (1.0 - (at[:, None] - torch.arange(coarse)[None]).abs()).clamp_min(0.0)
    return weight / weight.sum(1, keepdim=True) / factor
