"""Half-lives and main emission lines of the nuclides in clinical use.

Half-lives are those of NUBASE2020 and ENSDF :cite:`kondev2021`, lines those of ENSDF and of the BIPM-5
Table of Radionuclides :cite:`be2004`, to the digits on which evaluations agree within about 1 % (half-lives)
and 3 % (lines; ICRP 107 has Lu-177's 6 % higher). Weak lines that no camera uses are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from photopeak.core import PhotopeakError

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
ANNIHILATION_KEV = 510.999
Lines = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Nuclide:
    """``photons`` and ``progeny_photons`` are (energy in keV, photons per decay) pairs.

    ``progeny_photons`` come from short-lived descendants in equilibrium. ``positrons`` is β⁺ per decay; its
    annihilation photons are not listed among ``photons`` but come with ``lines``.
    """

    name: str
    half_life_s: float
    photons: Lines = ()
    positrons: float = 0.0
    progeny_photons: Lines = ()

    @property
    def lines(self) -> Lines:
        """Every line, annihilation and progeny included, strongest first."""
        pair = ((ANNIHILATION_KEV, 2.0 * self.positrons),) if self.positrons else ()
        return tuple(sorted((*self.photons, *pair, *self.progeny_photons), key=lambda line: -line[1]))

    def photons_per_decay(self, energy_kev: float, within_kev: float = 2.0) -> float:
        """The yield of the lines within ``within_kev`` of an energy; refused where there is none."""
        found = sum(share for line, share in self.lines if abs(line - energy_kev) <= within_kev)
        if found == 0:
            listed = ", ".join(f"{line:g}" for line, _ in self.lines) or "no photons"
            raise PhotopeakError(
                f"{self.name} has no line at {energy_kev:g} keV; it emits {listed}. Remedy: image one of these."
            )
        return found


NUCLIDES: Mapping[str, Nuclide] = {
    n.name: n
    for n in (
        Nuclide("Tc-99m", 6.0072 * _HOUR, ((140.511, 0.890), (18.3, 0.062))),
        Nuclide("I-123", 13.2235 * _HOUR, ((158.97, 0.833), (528.96, 0.0139), (27.4, 0.71))),
        Nuclide(
            "I-131",
            8.0252 * _DAY,
            ((364.49, 0.815), (636.99, 0.0716), (284.31, 0.0612), (80.19, 0.0262), (722.91, 0.0177)),
        ),
        Nuclide("In-111", 2.8047 * _DAY, ((245.35, 0.941), (171.28, 0.907), (23.1, 0.68))),
        Nuclide("Tl-201", 3.0421 * _DAY, ((70.8, 0.46), (68.9, 0.27), (80.3, 0.20), (167.43, 0.100), (135.34, 0.0257))),
        Nuclide("Ga-67", 3.2617 * _DAY, ((93.31, 0.392), (184.58, 0.214), (300.22, 0.166), (393.53, 0.0456))),
        Nuclide("Lu-177", 6.6443 * _DAY, ((208.37, 0.1036), (112.95, 0.0617), (55.8, 0.028), (54.6, 0.016))),
        Nuclide("Y-90", 64.05 * _HOUR, positrons=3.19e-5),
        Nuclide("Sm-153", 46.284 * _HOUR, ((103.18, 0.2925), (69.67, 0.0469), (41.3, 0.49))),
        Nuclide("Re-188", 17.004 * _HOUR, ((155.04, 0.155), (632.98, 0.0137), (477.99, 0.0108))),
        Nuclide(
            "Ra-223",
            11.43 * _DAY,
            ((83.8, 0.25), (81.1, 0.15), (269.46, 0.137), (154.21, 0.057), (323.87, 0.039)),
            progeny_photons=((351.1, 0.130), (271.2, 0.108), (401.8, 0.066)),
        ),
        Nuclide("Ac-225", 9.920 * _DAY, ((99.8, 0.010),), progeny_photons=((440.5, 0.26), (218.1, 0.115))),
        Nuclide("F-18", 109.77 * _MINUTE, positrons=0.9673),
        Nuclide("C-11", 20.364 * _MINUTE, positrons=0.9977),
        Nuclide("N-13", 9.965 * _MINUTE, positrons=0.9982),
        Nuclide("O-15", 122.24, positrons=0.9990),
        Nuclide("Ga-68", 67.71 * _MINUTE, ((1077.3, 0.0322),), positrons=0.889),
        Nuclide("Cu-64", 12.701 * _HOUR, ((1345.8, 0.0047),), positrons=0.175),
        Nuclide("Zr-89", 78.41 * _HOUR, ((909.15, 0.990),), positrons=0.227),
        Nuclide("Rb-82", 1.2575 * _MINUTE, ((776.5, 0.151),), positrons=0.954),
    )
}


def nuclide(name: str) -> Nuclide:
    """A nuclide by its name, as in "Tc-99m".

    >>> nuclide("F-18").half_life_s
    6586.2
    """
    try:
        return NUCLIDES[name]
    except KeyError:
        raise PhotopeakError(f"unknown nuclide {name!r}. Remedy: use one of {', '.join(NUCLIDES)}.") from None


def decay_factor(name: str, elapsed_s: float) -> float:
    """A(t)/A(0) = 2^{−t/T½}; greater than 1 for times before the reference.

    >>> round(740 * decay_factor("Tc-99m", 3 * 3600), 1)
    523.5
    """
    return float(2.0 ** (-elapsed_s / nuclide(name).half_life_s))


def decay_during(half_life_s: float, start_s: Float[np.ndarray, " ..."], seconds: float) -> Float[np.ndarray, " ..."]:
    """Mean activity during measurements of ``seconds`` that begin at ``start_s``, of that at 0.

    e^(−λ t) (1 − e^(−λ T)) / (λ T)

    >>> decay_during(60.0, np.array([0.0, 60.0]), 1e-3).round(4)
    array([1. , 0.5])
    """
    rate = np.log(2.0) / half_life_s
    return np.asarray(np.exp(-rate * start_s) * -np.expm1(-rate * seconds) / (rate * seconds))
