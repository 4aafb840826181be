"""Scattered coincidences of a PET scanner, from the activity and the attenuation, by single-scatter simulation.

One photon of a coincidence scatters once, at S; the other reaches its crystal straight. With the two detectors A and B

    S_AB / g = R_AB² / (cos α cos β) ∫ dV μ(S) (1/σ) dσ/dΩ ε'/ε cos α_S cos β_S / (R_AS² R_BS²)
               · [ e^(−∫_A μ − ∫_B μ') ∫_A λ + e^(−∫_A μ' − ∫_B μ) ∫_B λ ]

:cite:`ollinger1996`, :cite:`watson2000`; integrals run from S to the detector, primes are of the scattered photon's
energy. g is the scanner's counts per Bq/ml and mm, so that the estimate needs no scale of its own: the first factor
takes out the solid angle that g holds for unscattered lines. Bins of time of flight divide ∫λ by where along its two
legs a decay lay :cite:`watson2007`. Scatter points stand in the middle of blocks of the image, detectors on a coarser
scanner; lines in between are interpolated, which the estimate's smoothness allows.

Left out: coincidences with two scatters or more, activity and attenuation outside the image, scatter in the crystals.
``scaled_to_tails`` makes up for what they add.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from photopeak.core import Grid, PhotopeakError
from photopeak.core.units import FWHM_PER_SIGMA
from photopeak.physics import pet_scatter_kernels as kernels
from photopeak.physics.pet import PetScanner
from photopeak.physics.transport_kernels import REST_KEV

Tensor = torch.Tensor
BLOCK_MM: Final = 20.0
AROUND: Final = 48
"""Detectors around the coarser scanner, and how far apart its rings are at most."""
RINGS_MM: Final = 40.0
LEAST_MU: Final = 0.01
"""Of a block that scatters, in 1/cm; lung has three times as much."""
COSINES: Final = 512
TAIL: Final = 0.995
"""Lines that lose less to the patient, half a millimetre of water, pass beside it."""
TAIL_COUNTS: Final = 200.0


@dataclass(frozen=True)
class PhotonWindow:
    """Energies that count as a coincidence's, and the resolution at 511 keV (FWHM as a fraction)."""

    lower_kev: float = 435.0
    upper_kev: float = 650.0
    resolution: float = 0.12

    def __post_init__(self) -> None:
        if not 0.0 < self.lower_kev < self.upper_kev or not 0.0 < self.resolution < 1.0:
            raise PhotopeakError(
                f"a window from {self.lower_kev:g} to {self.upper_kev:g} keV at a resolution of {self.resolution:g} "
                "cannot be. Remedy: give the two energies in order, and the FWHM at 511 keV as a fraction."
            )

    def chance(self, energy_kev: Float[np.ndarray, " ..."]) -> Float[np.ndarray, " ..."]:
        """That a photon's energy is measured inside the window; the blur grows as the root of the energy."""
        from scipy.special import ndtr

        sigma = self.resolution / FWHM_PER_SIGMA * np.sqrt(REST_KEV * np.maximum(energy_kev, 1.0))
        return np.asarray(ndtr((self.upper_kev - energy_kev) / sigma) - ndtr((self.lower_kev - energy_kev) / sigma))


def single_scatter(
    scanner: PetScanner,
    grid: Grid,
    patient: tuple[Tensor, Tensor],
    window: PhotonWindow | None = None,
    block_mm: float = BLOCK_MM,
) -> Float[Tensor, "angle plane *bins radial"]:
    """Expected scattered coincidences on the sinogram of a ``patient`` of (activity in Bq/ml, μ in 1/cm at 511 keV).

    Crystals are taken as equally efficient: multiply by ``efficiency_factors`` where they are not.
    """
    activity, mu = checked_patient(grid, patient)
    points, weights = _points(grid, mu, block_mm)
    rings = min(scanner.rings, 1 + math.ceil((scanner.rings - 1) * scanner.ring_mm / RINGS_MM))
    heights = np.linspace(0.0, (scanner.rings - 1) * scanner.ring_mm, rings)
    detectors, normals = _detectors(scanner.radius_mm, heights)
    edges = np.zeros(1) if scanner.tof is None else scanner.tof.edges_mm
    rays = _rays(scanner, grid, (activity, mu), points, detectors)
    table = np.zeros((len(detectors), len(detectors), max(1, len(edges) - 1)))
    kernels.pairs(points, weights, detectors, normals, rays, _energies(window or PhotonWindow()), edges, table)
    return _on_lines(scanner, table.reshape(rings, AROUND, rings, AROUND, -1), rings)


def scaled_to_tails(
    scatter: Float[Tensor, "angle plane *bins radial"],
    measured: Float[Tensor, "angle plane *bins radial"],
    attenuation: Float[Tensor, "angle plane *ones radial"],
) -> tuple[Float[Tensor, "angle plane *bins radial"], float]:
    """Scatter times one factor, so that beside the patient it adds up to what was ``measured`` there; and the factor.

    ``measured`` is without randoms; ``attenuation`` are the factors of the lines. Lines beside the patient hold
    nothing but scatter.
    """
    beside = (attenuation > TAIL).expand(scatter.shape)
    found, expected = float(measured[beside].sum()), float(scatter[beside].sum())
    if found < TAIL_COUNTS or expected <= 0.0:
        raise PhotopeakError(
            f"{found:.0f} coincidences lie beside the patient, too few to scale scatter by (at least {TAIL_COUNTS:g}). "
            "Remedy: use the estimate as it is; it has a scale of its own."
        )
    factor = found / expected
    return scatter * factor, factor


def checked_patient(grid: Grid, patient: tuple[Tensor, Tensor]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Activity and μ as arrays, or a refusal that names what is wrong with them."""
    found = []
    for name, values in zip(("activity", "mu"), patient, strict=True):
        if tuple(values.shape) != grid.shape:
            raise PhotopeakError(f"{name} has shape {tuple(values.shape)}, its grid {grid.shape}. Remedy: give both.")
        array = np.ascontiguousarray(values.detach().cpu().numpy(), np.float32)
        if not np.isfinite(array).all() or array.min() < 0.0 or array.max() <= 0.0:
            raise PhotopeakError(f"{name} must be finite, at least 0 and somewhere above. Remedy: check the image.")
        found.append(array)
    return found[0], found[1]


def _points(grid: Grid, mu: NDArray[np.float32], block_mm: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where blocks that scatter have their middle of μ (z, y, x in mm), and μ dV of each in mm²."""
    spacing = np.array([grid.spacing_mm[a] for a in "zyx"])
    origin = grid.matrix_mm[:3, 3][::-1]
    edge = np.maximum(1, np.round(block_mm / spacing)).astype(int)
    block = [np.arange(n) // e for n, e in zip(mu.shape, edge, strict=True)]
    shape = tuple(int(b[-1]) + 1 for b in block)
    at = np.ravel_multi_index(np.ix_(*block), shape).reshape(-1)
    total = np.bincount(at, mu.reshape(-1), math.prod(shape))
    size = np.bincount(at, minlength=math.prod(shape))
    scatters = total > LEAST_MU * size
    if not scatters.any():
        raise PhotopeakError(f"mu is nowhere above {LEAST_MU:g} /cm over {block_mm:g} mm: nothing scatters.")
    middles = []
    for axis, n in enumerate(mu.shape):
        index = np.arange(n).reshape([-1 if k == axis else 1 for k in range(3)])
        weighted = np.bincount(at, (mu * index).reshape(-1), math.prod(shape))[scatters]
        middles.append(origin[axis] + spacing[axis] * weighted / total[scatters])
    return np.stack(middles, 1), 0.1 * total[scatters] * math.prod(spacing)


def _detectors(radius_mm: float, heights_mm: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places and outward normals (z, y, x) of the coarser scanner's detectors, ring by ring."""
    turn = 2.0 * np.pi * np.arange(AROUND) / AROUND
    normal = np.stack([np.zeros(AROUND), np.sin(turn), np.cos(turn)], 1)
    places = radius_mm * normal[None] + heights_mm[:, None, None] * np.array([1.0, 0.0, 0.0])
    return places.reshape(-1, 3), np.tile(normal, (len(heights_mm), 1))


def _rays(
    scanner: PetScanner,
    grid: Grid,
    volumes: tuple[NDArray[np.float32], NDArray[np.float32]],
    points: NDArray[np.float64],
    detectors: NDArray[np.float64],
) -> kernels.Rays:
    spacing = np.array([grid.spacing_mm[a] for a in "zyx"])
    reach = float(np.linalg.norm(spacing * volumes[0].shape))
    sigma = start = step = 1.0
    steps = 1
    if scanner.tof is not None:
        sigma = scanner.tof.sigma_mm
        start, step = -4.0 * sigma, 0.25 * sigma
        steps = math.ceil((reach + 8.0 * sigma) / step) + 1
    depth = np.zeros((len(points), len(detectors)))
    emitted = np.zeros((len(points), len(detectors), steps), np.float32)
    place = (grid.matrix_mm[:3, 3][::-1].copy(), spacing)
    kernels.cast(volumes, place, points, detectors, float(spacing.min()), (sigma, start, step), depth, emitted)
    return kernels.Rays(depth, emitted, start, step)


def _energies(window: PhotonWindow) -> kernels.Energies:
    """Klein and Nishina's cross-section, and what follows from the energy it leaves :cite:`klein1929`."""
    cosine = np.linspace(-1.0, 1.0, COSINES)
    left = 1.0 / (2.0 - cosine)  # of 511 keV
    shape = left**2 * (left + 1.0 / left - (1.0 - cosine**2))
    per_sr = shape / (2.0 * np.pi * np.trapezoid(shape, cosine))
    whole = float(window.chance(np.array([REST_KEV]))[0])
    thicker = klein_nishina(left) / klein_nishina(np.ones(1))
    return kernels.Energies(per_sr, window.chance(REST_KEV * left) / whole, thicker)


def klein_nishina(energy: Float[np.ndarray, " e"]) -> Float[np.ndarray, " e"]:
    """The whole cross-section of a free electron, in 2π r_e², for energies in electron rest masses.

    >>> import numpy as np
    >>> klein_nishina(np.array([1e-3])).round(2)  # Thomson's 4/3
    array([1.33])
    """
    a = np.asarray(energy, np.float64)
    log = np.log1p(2.0 * a)
    first = (1.0 + a) / a**2 * (2.0 * (1.0 + a) / (1.0 + 2.0 * a) - log / a)
    return np.asarray(first + log / (2.0 * a) - (1.0 + 3.0 * a) / (1.0 + 2.0 * a) ** 2)


def _on_lines(scanner: PetScanner, table: NDArray[np.float64], rings: int) -> Tensor:
    """Between the detectors of the coarser scanner, and with the solid angle of every line taken out."""
    planes = scanner.planes()
    paired = np.full((len(planes), max(len(p) for p in planes), 2), -1)
    for k, together in enumerate(planes):
        paired[k, : len(together)] = together
    bins = 1 if scanner.tof is None else scanner.tof.bins
    turn = np.arange(scanner.crystals) * AROUND / scanner.crystals
    heights = np.arange(scanner.rings) * (rings - 1) / max(1, scanner.rings - 1)
    pairs = scanner.pairs()
    sinogram = np.zeros((scanner.angles, len(planes), bins, scanner.radial))
    kernels.filled(table, (pairs, turn, paired), heights, (rings, AROUND), sinogram)
    sinogram *= _solid_angle_mm2(scanner, pairs, planes)[:, :, None]
    sinogram *= scanner.counts_per_bq_ml_mm
    return torch.from_numpy(sinogram.astype(np.float32)).reshape(scanner.sinogram().shape)


def _solid_angle_mm2(
    scanner: PetScanner, pairs: NDArray[np.int64], planes: Sequence[Sequence[tuple[int, int]]]
) -> NDArray[np.float64]:
    """R² / (cos α cos β) of every line (angle, plane, radial): crystals face the axis."""
    between = np.sin(
        np.pi * np.abs(pairs[..., 0] - pairs[..., 1]) / scanner.crystals
    )  # half the chord, over the radius
    chord = 2.0 * scanner.radius_mm * between
    rise = np.array([np.mean([(b - a) ** 2 for a, b in p]) for p in planes]) * scanner.ring_mm**2
    square = chord[:, None, :] ** 2 + rise[None, :, None]
    return np.asarray(square**2 / np.square(chord * between)[:, None, :])
