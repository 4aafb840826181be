"""Units: UCUM symbols, and conversion between those that measure the same thing.

A unit is a string as DICOM writes it (UCUM, case-sensitive). Two units convert when they share a
dimension; a quantity such as SUV keeps its annotation in the dimension, because body-weight SUV and
lean-body-mass SUV are both g/mL and yet must never be mixed.
"""

from __future__ import annotations

import math
from types import MappingProxyType

from photopeak.core.errors import UnitError

#: unit -> (dimension, factor to that dimension's base unit)
UNITS: MappingProxyType[str, tuple[str, float]] = MappingProxyType(
    {
        "1": ("number", 1.0),
        "%": ("number", 0.01),
        "{log-odds}": ("log-odds", 1.0),
        "{counts}": ("counts", 1.0),
        "{counts}/s": ("count rate", 1.0),
        "{label}": ("label", 1.0),
        "{text}": ("text", 1.0),
        "Bq": ("activity", 1.0),
        "kBq": ("activity", 1e3),
        "MBq": ("activity", 1e6),
        "GBq": ("activity", 1e9),
        "Bq/ml": ("activity concentration", 1.0),
        "kBq/ml": ("activity concentration", 1e3),
        "MBq/ml": ("activity concentration", 1e6),
        "Bq.s/ml": ("time-integrated activity concentration", 1.0),
        "MBq.h": ("time-integrated activity", 3.6e9),
        "g/ml": ("density", 1.0),
        "g/ml{SUVbw}": ("SUV by body weight", 1.0),
        "g/ml{SUVlbm}": ("SUV by lean body mass", 1.0),
        "cm2/ml{SUVbsa}": ("SUV by body surface area", 1.0),
        "[hnsf'U]": ("CT number", 1.0),
        "1/mm": ("linear attenuation", 10.0),
        "1/cm": ("linear attenuation", 1.0),
        "mm": ("length", 1.0),
        "cm": ("length", 10.0),
        "m": ("length", 1000.0),
        "ms": ("time", 1e-3),
        "s": ("time", 1.0),
        "min": ("time", 60.0),
        "h": ("time", 3600.0),
        "d": ("time", 86400.0),
        "a": ("time", 31557600.0),
        "deg": ("angle", 1.0),
        "keV": ("energy", 1.0),
        "MeV": ("energy", 1e3),
        "g": ("mass", 1.0),
        "kg": ("mass", 1e3),
        "ml": ("volume", 1.0),
        "mm2": ("area", 1.0),
        "cm2": ("area", 100.0),
        "Gy": ("absorbed dose", 1.0),
        "mGy": ("absorbed dose", 1e-3),
        "Gy/s": ("dose rate", 1.0),
        "{counts}/s/MBq": ("sensitivity", 1.0),
        "1/min": ("rate", 1.0),
        "kg/m2": ("body mass index", 1.0),
        "{CL}": ("Centiloid", 1.0),
    }
)

FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
"""Full width at half maximum of a Gaussian over its standard deviation, 2√(2 ln 2)."""


def dimension(unit: str) -> str:
    """What a unit measures.

    >>> dimension("MBq")
    'activity'
    """
    return _look_up(unit)[0]


def factor(source: str, target: str) -> float:
    """The number by which a value in ``source`` is multiplied to be in ``target``.

    >>> factor("MBq", "Bq")
    1000000.0
    >>> factor("g/ml{SUVbw}", "g/ml{SUVlbm}")
    Traceback (most recent call last):
    ...
    photopeak.core.errors.UnitError: g/ml{SUVbw} (SUV by body weight) is not g/ml{SUVlbm} (SUV by lean body mass). \
Remedy: use a Step whose output is in g/ml{SUVlbm}.
    """
    from_dimension, from_factor = _look_up(source)
    to_dimension, to_factor = _look_up(target)
    if from_dimension != to_dimension:
        raise UnitError(
            f"{source} ({from_dimension}) is not {target} ({to_dimension}). "
            f"Remedy: use a Step whose output is in {target}."
        )
    return from_factor / to_factor


def _look_up(unit: str) -> tuple[str, float]:
    try:
        return UNITS[unit]
    except KeyError:
        raise UnitError(
            f"unknown unit {unit!r}. Remedy: write it in UCUM, one of {', '.join(sorted(UNITS))}."
        ) from None
