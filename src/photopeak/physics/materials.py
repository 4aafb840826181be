"""Linear attenuation of what bodies and cameras are made of, from xraylib's cross-sections.

Tissue compositions and densities are those of ICRU Report 46 :cite:`icru46`; spongiosa is mixed from its
marrow and mineral bone to the densities of the adult reference phantoms :cite:`icrp110`. xraylib computes
the mass attenuation for them, the total of coherent, incoherent and photoelectric cross-sections.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float

from photopeak.core import PhotopeakError


@dataclass(frozen=True)
class Material:
    """Density in g/cm³ and elements by mass, in per cent."""

    name: str
    density_g_cm3: float
    percent: tuple[tuple[str, float], ...]


def _made_of(name: str, density_g_cm3: float, **percent: float) -> Material:
    return Material(name, density_g_cm3, tuple(percent.items()))


_RED_MARROW = _made_of("red marrow", 1.03, H=10.5, C=41.4, N=3.4, O=43.9, P=0.1, S=0.2, Cl=0.2, K=0.2, Fe=0.1)
_YELLOW_MARROW = _made_of("yellow marrow", 0.98, H=11.5, C=64.4, N=0.7, O=23.1, Na=0.1, S=0.1, Cl=0.1)
_MINERAL_BONE = _made_of("mineral bone", 1.92, H=3.6, C=15.9, N=4.2, O=44.8, Na=0.3, Mg=0.2, P=9.4, S=0.3, Ca=21.3)


def _spongiosa(name: str, density_g_cm3: float, cellularity: float) -> Material:
    """Marrow of this cellularity, with as much mineral bone as the density asks for."""
    marrow = ((_RED_MARROW, cellularity), (_YELLOW_MARROW, 1.0 - cellularity))
    space = sum(share / part.density_g_cm3 for part, share in marrow)
    bone = (space - 1.0 / density_g_cm3) / (space - 1.0 / _MINERAL_BONE.density_g_cm3)
    percent: dict[str, float] = {}
    for part, share in ((_MINERAL_BONE, bone), *((m, s * (1.0 - bone)) for m, s in marrow)):
        for element, p in part.percent:
            percent[element] = percent.get(element, 0.0) + share * p
    return Material(name, density_g_cm3, tuple(percent.items()))


MATERIALS: Mapping[str, Material] = {
    m.name: m
    for m in (
        _made_of("water", 1.00, H=11.19, O=88.81),
        _made_of("air", 0.001205, N=75.5, O=23.2, Ar=1.3),
        _made_of("adipose", 0.95, H=11.4, C=59.8, N=0.7, O=27.8, Na=0.1, S=0.1, Cl=0.1),
        _made_of("muscle", 1.05, H=10.2, C=14.3, N=3.4, O=71.0, Na=0.1, P=0.2, S=0.3, Cl=0.1, K=0.4),
        _made_of("lung", 0.382, H=10.3, C=10.7, N=3.2, O=74.6, Na=0.2, P=0.2, S=0.3, Cl=0.3, K=0.2),
        _made_of("skin", 1.09, H=10.0, C=19.9, N=4.2, O=65.0, Na=0.2, P=0.1, S=0.2, Cl=0.3, K=0.1),
        _made_of("brain", 1.04, H=10.7, C=14.3, N=2.3, O=71.3, Na=0.2, P=0.4, S=0.2, Cl=0.3, K=0.3),
        _made_of("liver", 1.05, H=10.2, C=13.0, N=3.1, O=72.5, Na=0.2, P=0.2, S=0.3, Cl=0.2, K=0.3),
        _made_of("blood", 1.06, H=10.2, C=11.0, N=3.3, O=74.5, Na=0.1, P=0.1, S=0.2, Cl=0.3, K=0.2, Fe=0.1),
        _RED_MARROW,
        _YELLOW_MARROW,
        _MINERAL_BONE,
        _spongiosa("spongiosa", 1.112, cellularity=0.70),  # lumbar spine
        _spongiosa("skull", 1.157, cellularity=0.38),  # cranium
        _made_of("sodium iodide", 3.67, Na=15.337, I=84.663),
        _made_of("lead", 11.34, Pb=100.0),
        _made_of("tungsten", 19.25, W=100.0),
        _made_of("LSO", 7.40, Lu=76.4, Si=6.13, O=17.47),
        _made_of("titanium", 4.51, Ti=100.0),
        _made_of("titanium alloy", 4.43, Ti=90.0, Al=6.0, V=4.0),
        _made_of("cobalt chrome", 8.30, Co=66.0, Cr=28.0, Mo=6.0),
        _made_of("steel", 7.95, Fe=64.5, Cr=18.0, Ni=15.0, Mo=2.5),
        _made_of("polyethylene", 0.94, H=14.37, C=85.63),
        _made_of("acrylic", 1.19, H=8.05, C=59.98, O=31.96),
        _made_of("aluminium", 2.70, Al=100.0),
        _made_of("amalgam", 11.6, Hg=50.0, Ag=35.0, Sn=9.0, Cu=6.0),
        _made_of("gold", 19.32, Au=100.0),
    )
}


@cache
def mu_per_cm(material: str, energy_kev: float) -> float:
    """μ = ρ Σ_i w_i (μ/ρ)_i, the linear attenuation coefficient in 1/cm :cite:`schoonjans2011`.

    Rounded to six digits, more than any cross-section is known to: what is computed from it then does
    not hang on the last bit of a C library's logarithm.

    >>> round(mu_per_cm("water", 140.5), 3)
    0.154
    """
    import xraylib

    made = _look_up(material)
    total = sum(p for _, p in made.percent)
    mass = sum(p / total * xraylib.CS_Total(xraylib.SymbolToAtomicNumber(e), energy_kev) for e, p in made.percent)
    return float(f"{made.density_g_cm3 * mass:.6g}")


def mu_from_ct(hounsfield: Float[np.ndarray, " ..."], energy_kev: float = 140.5) -> Float[np.ndarray, " ..."]:
    """Linear attenuation in 1/cm from CT numbers, by two straight lines that meet at water.

    μ = μ_w (1 + HU/1000) up to 0, and μ_w + s·HU above, where s is the slope to mineral bone, whose CT
    number is computed for a tube's effective 80 keV :cite:`burger2002`.
    """
    water, slope = mu_per_cm("water", energy_kev), _bone_slope(energy_kev)
    mu = np.where(hounsfield <= 0.0, water * (1.0 + hounsfield / 1000.0), water + slope * hounsfield)
    return np.maximum(mu, 0.0).astype(hounsfield.dtype)


def ct_from_mu(mu_per_cm_: Float[np.ndarray, " ..."], energy_kev: float = 140.5) -> Float[np.ndarray, " ..."]:
    """The CT numbers of which ``mu_from_ct`` makes these attenuation coefficients."""
    water, slope = mu_per_cm("water", energy_kev), _bone_slope(energy_kev)
    hounsfield = np.where(mu_per_cm_ <= water, 1000.0 * (mu_per_cm_ / water - 1.0), (mu_per_cm_ - water) / slope)
    return np.asarray(hounsfield, mu_per_cm_.dtype)


def _bone_slope(energy_kev: float) -> float:
    """How μ grows with the CT number between water and mineral bone, 1/cm per HU."""
    at_tube_kev = 80.0
    bone_hu = 1000.0 * (mu_per_cm("mineral bone", at_tube_kev) / mu_per_cm("water", at_tube_kev) - 1.0)
    return (mu_per_cm("mineral bone", energy_kev) - mu_per_cm("water", energy_kev)) / bone_hu


def _look_up(material: str) -> Material:
    try:
        return MATERIALS[material]
    except KeyError:
        raise PhotopeakError(f"unknown material {material!r}. Remedy: use one of {', '.join(MATERIALS)}.") from None
