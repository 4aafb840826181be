"""Electrons that nuclides emit: continuous spectra of β⁻ decay, and lines of conversion and Auger electrons.

A β branch with endpoint T₀ has the spectrum

    N(T) ∝ F(Z, W) p W (W₀ − W)² C(W),      W = 1 + T/mc²,  p = √(W² − 1),

with Fermi's function F = F₁ for the daughter's charge Z and C = 1, or (W₀ − W)² + p² F₂/F₁ for a unique
first-forbidden transition such as that of Y-90 :cite:`behrens1982`. Endpoints, shares and lines are those of the
Table of Radionuclides and of ENSDF :cite:`be2004`, rounded to what evaluations agree on; groups of conversion and
Auger electrons are one line each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from jaxtyping import Float

from photopeak.core import PhotopeakError
from photopeak.physics.nuclides import ANNIHILATION_KEV, Lines

REST_KEV: Final = ANNIHILATION_KEV
FINE_STRUCTURE: Final = 1.0 / 137.036
NUCLEAR_RADIUS: Final = 0.00311
"""Radius of a nucleus of mass number 1, in Compton wavelengths ħ/mc (1.2 fm / 386.2 fm)."""
POINTS: Final = 400


@dataclass(frozen=True)
class Beta:
    """One branch: endpoint in keV, electrons per decay, and whether it is unique first-forbidden."""

    endpoint_kev: float
    share: float
    unique: bool = False


@dataclass(frozen=True)
class Electrons:
    """What one decay emits; ``charge`` and ``mass`` are Z and A of the nucleus that remains. Lines as (keV, share)."""

    charge: int
    mass: int
    betas: tuple[Beta, ...] = ()
    lines: Lines = ()


EMITTED: Final[Mapping[str, Electrons]] = {
    "Lu-177": Electrons(
        72, 177, (Beta(497.8, 0.793), Beta(384.9, 0.091), Beta(176.5, 0.116)),
        (
            (47.6, 0.0517), (102.3, 0.0686), (110.6, 0.0218), (143.0, 0.0034), (197.6, 0.0006), (6.2, 0.088),
            (46.0, 0.0028),
        ),
    ),
    "Y-90": Electrons(40, 90, (Beta(2278.7, 1.0, unique=True),)),
    "I-131": Electrons(
        54, 131,
        (Beta(606.3, 0.896), Beta(333.8, 0.0726), Beta(247.9, 0.0208), Beta(806.9, 0.0038), Beta(303.9, 0.0065)),
        (
            (329.9, 0.0155), (359.2, 0.0025), (45.6, 0.0354), (75.0, 0.0056), (249.7, 0.0025), (602.4, 0.0003),
            (3.4, 0.051), (24.6, 0.006),
        ),
    ),
    "Tc-99m": Electrons(
        43, 99, (),
        (
            (119.5, 0.0884), (137.5, 0.0108), (140.0, 0.0024), (121.6, 0.0055), (139.6, 0.0017), (1.75, 0.86),
            (2.2, 0.102), (15.5, 0.0207),
        ),
    ),
}  # fmt: skip


def emitted(name: str) -> Electrons:
    """The electrons of a nuclide by its name; refused where the table does not hold it."""
    try:
        return EMITTED[name]
    except KeyError:
        raise PhotopeakError(
            f"no electron spectrum of {name!r} is known here, so its dose cannot be computed. "
            f"Remedy: use one of {', '.join(EMITTED)}."
        ) from None


@cache
def spectrum(name: str) -> tuple[Float[np.ndarray, " energy"], Float[np.ndarray, " energy"]]:
    """Energies (keV) and electrons per decay at each: branches on a common grid, then the lines."""
    electrons = emitted(name)
    energies, shares = [], []
    for beta in electrons.betas:
        t = (np.arange(POINTS) + 0.5) * beta.endpoint_kev / POINTS
        n = _shape(t, beta, electrons)
        energies.append(t)
        shares.append(beta.share * n / n.sum())
    lines = np.array(electrons.lines, np.float64).reshape(-1, 2)
    return np.concatenate([*energies, lines[:, 0]]), np.concatenate([*shares, lines[:, 1]])


def electron_kev(name: str) -> float:
    """Mean energy of all electrons of one decay, keV.

    >>> round(electron_kev("Y-90") / 1000, 2)
    0.93
    """
    energies, shares = spectrum(name)
    return float(energies @ shares)


def _shape(t_kev: Float[np.ndarray, " energy"], beta: Beta, left: Electrons) -> Float[np.ndarray, " energy"]:
    """The spectrum of one branch, not normalised."""
    w, w0 = 1.0 + t_kev / REST_KEV, 1.0 + beta.endpoint_kev / REST_KEV
    p = np.sqrt(w**2 - 1.0)
    shape = (w0 - w) ** 2 + p**2 * _partial(2, p, w, left) / _partial(1, p, w, left) if beta.unique else 1.0
    return np.asarray(_partial(1, p, w, left) * p * w * (w0 - w) ** 2 * shape)


def _partial(
    k: int, p: Float[np.ndarray, " energy"], w: Float[np.ndarray, " energy"], left: Electrons
) -> Float[np.ndarray, " energy"]:
    """How the nucleus enhances electrons of total angular momentum k − 1/2; of k = 1, Fermi's function.

    F_k ∝ (k + γ)/2k [(2k)!/Γ(2γ + 1)]² (2 p R)^{2(γ − k)} e^{πη} |Γ(γ + iη)|²/((k − 1)!)², with γ² = k² − (αZ)²,
    η = αZ W/p and R the nuclear radius; 1 without charge.
    """
    from scipy.special import loggamma

    strength = FINE_STRUCTURE * left.charge
    gamma, eta = math.sqrt(k**2 - strength**2), strength * w / p
    radius = NUCLEAR_RADIUS * left.mass ** (1.0 / 3.0)
    front = (k + gamma) / (2.0 * k) * (math.factorial(2 * k) / math.gamma(2.0 * gamma + 1.0)) ** 2
    wave = np.exp(math.pi * eta + 2.0 * loggamma(gamma + 1j * eta).real) / math.factorial(k - 1) ** 2
    return np.asarray(front * (2.0 * p * radius) ** (2.0 * (gamma - k)) * wave)
