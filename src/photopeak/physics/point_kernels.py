"""Dose point kernels: how far from a decay its energy is left, in water.

Electrons are followed by an own condensed-history Monte Carlo. They lose energy continuously by collisions (Bethe's
formula with Sternheimer's density effect :cite:`sternheimer1984`, I = 75 eV :cite:`icru37`),

    S = 0.1535 (Z/A) ρ β⁻² { ln[τ²(τ + 2)/(2 (I/mc²)²)] + F(τ) − δ }   MeV/cm,

and turn by screened Rutherford scattering with Molière's angle and the spin's correction :cite:`mckinley1948`: over a
step the mean cosine is exp(−∫ds/λ₁), λ₁ being the first transport mean free path, and the turn is placed at random
along it :cite:`fernandezvarea1993`. Left out are fluctuations of the loss and bremsstrahlung, which takes half a per
cent of Y-90's energy elsewhere and less of the others'. Photons come from ``transport`` in a box of water.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from jaxtyping import Float

from photopeak.physics import electron_kernels as kernels
from photopeak.physics.electrons import FINE_STRUCTURE, REST_KEV, electron_kev, spectrum

ELECTRONS: Final = 20_000
LOSS: Final = 0.04  # of the energy in one step
LEAST_KEV: Final = 4.0  # below, what is left is left there: an electron of 4 keV goes half a micrometre
SHELLS: Final = 400
SEED: Final = 0x0E1EC
WATER: Final = ((1, 2, 1.008), (8, 1, 15.999))  # Z, atoms and atomic mass of water's elements
WATER_KEV: Final = 0.075
CLASSICAL_RADIUS_CM: Final = 2.8179403e-13
AVOGADRO: Final = 6.02214076e23
MGY_PER_KEV_G: Final = 1.602176634e-10
"""mGy of 1 keV left in 1 g."""


@dataclass(frozen=True, eq=False)
class PointKernel:
    """keV per decay left between the radii ``edges_cm``, in water around a point."""

    edges_cm: Float[np.ndarray, " edge"]
    kev: Float[np.ndarray, " shell"]

    @property
    def middles_cm(self) -> Float[np.ndarray, " shell"]:
        return np.asarray(0.5 * (self.edges_cm[1:] + self.edges_cm[:-1]))

    def within_cm(self, share: float) -> float:
        """The radius within which this share of the energy is left."""
        summed = np.concatenate([[0.0], np.cumsum(self.kev)])
        return float(np.interp(share * summed[-1], summed, self.edges_cm))

    def in_sphere_kev(self, radius_cm: float) -> float:
        """What stays in a sphere that is evenly filled, keV per decay.

        A point that is a distance r from one in the sphere lies in it too with probability 1 − 3r/4R + r³/16R³.
        """
        x = np.minimum(self.middles_cm / radius_cm, 2.0)
        return float(self.kev @ (1.0 - 0.75 * x + x**3 / 16.0))


def range_cm(energy_kev: float) -> float:
    """Mean path length of an electron in water until it rests (CSDA range).

    >>> round(range_cm(1000.0), 2)
    0.44
    """
    t = np.geomspace(1.0, energy_kev, 2000)
    return float(np.trapezoid(1.0 / stopping(t), t)) + 1.0 / float(stopping(np.array([1.0]))[0])


def stopping(energy_kev: Float[np.ndarray, " energy"]) -> Float[np.ndarray, " energy"]:
    """Collision stopping power of water, keV/cm."""
    tau = energy_kev / REST_KEV
    beta2 = tau * (tau + 2.0) / (tau + 1.0) ** 2
    f = 1.0 - beta2 + (tau**2 / 8.0 - (2.0 * tau + 1.0) * math.log(2.0)) / (tau + 1.0) ** 2
    logarithm = np.log(tau**2 * (tau + 2.0) / (2.0 * (WATER_KEV / REST_KEV) ** 2))
    molar = sum(n * a for _, n, a in WATER)
    electrons_per_mass = sum(n * z for z, n, _ in WATER) / molar
    factor = 1e3 * 0.153537 * electrons_per_mass
    return np.asarray(factor / beta2 * (logarithm + f - _density_effect(tau)))


def _density_effect(tau: Float[np.ndarray, " energy"]) -> Float[np.ndarray, " energy"]:
    """δ of liquid water from Sternheimer's parameters :cite:`sternheimer1984`."""
    x = 0.5 * np.log10(tau * (tau + 2.0))
    tail = 0.09116 * np.maximum(2.8004 - x, 0.0) ** 3.4773
    return np.where(x > 0.24, 4.6052 * x - 3.5017 + tail, 0.0)


def turning(energy_kev: Float[np.ndarray, " energy"]) -> Float[np.ndarray, " energy"]:
    """1/λ₁ = 2π Σ N ∫ (1 − cos θ) σ dcos θ of water, 1/cm: how fast electrons forget their direction."""
    tau = energy_kev / REST_KEV
    p2 = tau * (tau + 2.0)
    beta2 = p2 / (tau + 1.0) ** 2
    total = np.zeros_like(tau)
    per_cm3 = AVOGADRO / sum(n * a for _, n, a in WATER)
    for z, n, _ in WATER:
        screen = 0.25 * (FINE_STRUCTURE * z ** (1.0 / 3.0) / 0.885) ** 2 / p2
        screen = screen * (1.13 + 3.76 * (FINE_STRUCTURE * z) ** 2 / beta2)
        integral = np.log(1.0 + 1.0 / screen) - 1.0 / (1.0 + screen) - beta2
        total += per_cm3 * n * z * (z + 1) * CLASSICAL_RADIUS_CM**2 / (p2 * beta2) * integral
    return np.asarray(2.0 * math.pi * total)


def steps(most_kev: float) -> kernels.Steps:
    """What one step of loss does, from ``most_kev`` down."""
    count = math.ceil(math.log(most_kev / LEAST_KEV) / -math.log(1.0 - LOSS)) + 2
    kev = most_kev * (1.0 - LOSS) ** np.arange(count)
    inner = kev[:, None] * (1.0 - LOSS * np.linspace(0.0, 1.0, 17))
    way = np.asarray(-np.trapezoid(1.0 / stopping(inner.ravel()).reshape(inner.shape), inner, axis=1))
    bend = -np.trapezoid((turning(inner.ravel()) / stopping(inner.ravel())).reshape(inner.shape), inner, axis=1)
    return kernels.Steps(kev, way, 0.5 * -np.expm1(-bend))


@cache
def electron_kernel(name: str) -> PointKernel:
    """Where a nuclide's electrons leave their energy; the same numbers on every call."""
    energies, shares = spectrum(name)
    used = energies > LEAST_KEV
    order = np.argsort(energies[used])
    most = float(energies[used].max()) * (1.0 + 1e-9)
    cumulative = np.cumsum(shares[used][order])
    reach = range_cm(most)
    shells = np.zeros(SHELLS)
    key = np.array([SEED, 0, 0x4245], np.uint64)
    source = cumulative / cumulative[-1], energies[used][order]
    kernels.follow((0, ELECTRONS, ELECTRONS), key, source, steps(most), SHELLS / reach, shells)
    shells *= cumulative[-1] / ELECTRONS
    shells[0] += float(energies[~used] @ shares[~used])
    # Sampling an energy more or less often must not change the energy of a decay.
    shells *= electron_kev(name) / shells.sum()
    return PointKernel(np.linspace(0.0, reach, SHELLS + 1), shells)
