"""What a PET measurement has besides attenuation: unequal crystals, randoms, and a blur of the positrons and crystals.

Efficiencies multiply the lines, randoms are added to them (the background of a ``Physics``), and the blur acts on the
image before it is projected.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float

from photopeak.core import Grid, PhotopeakError
from photopeak.core.units import FWHM_PER_SIGMA
from photopeak.physics.operator import Operator
from photopeak.physics.pet import PetScanner

Tensor = torch.Tensor


def efficiency_factors(scanner: PetScanner, efficiency: Float[Tensor, "ring crystal"]) -> Tensor:
    """Mean of ε_i ε_j over the crystal pairs (i, j) of each line: the factor on its counts, one for all timing bins.

    Exact with span 1; with a larger span, exact where the lines that are one see equal activity.
    """
    summed = _products(scanner, efficiency, "efficiency")
    pairs = torch.tensor([len(p) for p in scanner.planes()]).to(summed)
    factors = summed / pairs[:, None]
    return factors if scanner.tof is None else factors[:, :, None]


def randoms_from_singles(
    scanner: PetScanner, singles_per_s: Float[Tensor, "ring crystal"], window_ns: float, duration_s: float
) -> Tensor:
    """Expected randoms R_ij = 2τ S_i S_j T of every line :cite:`knoll2010`, on the sinogram.

    ``window_ns`` is 2τ, all differences of arrival that count as a coincidence. Randoms are spread evenly over it, so
    with time of flight each bin has its own width's share.
    """
    if window_ns <= 0.0 or duration_s <= 0.0:
        raise PhotopeakError("randoms need window_ns and duration_s above 0. Remedy: check the acquisition.")
    summed = _products(scanner, singles_per_s, "singles_per_s") * duration_s
    tof = scanner.tof
    if tof is None:
        return summed * window_ns * 1e-9
    if tof.bins * tof.bin_ps > 1000.0 * window_ns * (1.0 + 1e-6):
        raise PhotopeakError(
            f"{tof.bins} bins of {tof.bin_ps:g} ps are wider than the coincidence window of {window_ns:g} ns. "
            "Remedy: give the whole window, 2τ."
        )
    each = summed * tof.bin_ps * 1e-12
    return each[:, :, None].expand(scanner.sinogram().shape).contiguous()


class GaussianBlur(Operator):
    """Convolution with a Gaussian of ``fwhm_mm``, the same everywhere in the image; symmetric, so its own adjoint.

    Beyond the image there is nothing: what is blurred across the edge is lost.
    """

    def __init__(self, grid: Grid, fwhm_mm: float) -> None:
        if not 0.0 < fwhm_mm < math.inf:
            raise PhotopeakError(f"a blur of fwhm_mm {fwhm_mm:g} cannot be. Remedy: give a width above 0 mm.")
        self.domain = self.range = grid
        self.matrices = [_toeplitz(n, grid.spacing_mm[a], fwhm_mm) for a, n in zip("zyx", grid.shape, strict=True)]

    def apply(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, "z y x"]:
        z, y, k = (m.to(x) for m in self.matrices)
        return torch.einsum("ai,ijk->ajk", z, torch.einsum("bj,ijk->ibk", y, x @ k))

    def apply_adjoint(self, y: Float[Tensor, "z y x"]) -> Float[Tensor, "z y x"]:
        return self.apply(y)


def _toeplitz(n: int, spacing_mm: float, fwhm_mm: float) -> Tensor:
    """The Gaussian's share of each voxel, the integral over the voxel, as a symmetric matrix."""
    at = torch.arange(n, dtype=torch.float64)
    distance = (at[:, None] - at[None, :]).abs() * spacing_mm
    scale = math.sqrt(2.0) * fwhm_mm / FWHM_PER_SIGMA
    half = 0.5 * spacing_mm
    return 0.5 * (torch.erf((distance + half) / scale) - torch.erf((distance - half) / scale))


def _products(scanner: PetScanner, each: Float[Tensor, "ring crystal"], name: str) -> Tensor:
    """Σ e_i e_j over the crystal pairs of each line (angle, plane, radial)."""
    if tuple(each.shape) != (scanner.rings, scanner.crystals):
        raise PhotopeakError(
            f"{name} has shape {tuple(each.shape)}; the scanner has {scanner.rings} rings of {scanner.crystals} "
            "crystals. Remedy: give one value for each crystal, ring by ring."
        )
    if not bool(torch.isfinite(each).all()) or float(each.min()) < 0.0:
        raise PhotopeakError(f"{name} must be finite and at least 0. Remedy: check the crystals that are out of order.")
    one, other = torch.from_numpy(scanner.pairs()).unbind(-1)
    planes = [sum(each[a][one] * each[b][other] for a, b in plane) for plane in scanner.planes()]
    return torch.stack([torch.as_tensor(p) for p in planes], 1)
