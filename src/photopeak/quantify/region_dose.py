"""Dose of organs and tumours: mean, what half of a volume receives at least, histogram, biological effect.

Beside the map's mean stands the mean by an organ's own S value, Ã S(m), with S that of a sphere of the organ's mass
:cite:`bolch2009`; it leaves out what neighbours send, and rests on the region's curve alone. Its uncertainty is the
curve's; to it come, where they are stated, those of calibration and of the region's volume :cite:`gear2018`.

The biologically effective dose of a dose rate that falls with T_eff, in tissue that repairs with T_rep, is

    BED = D + D² / (α/β) · T_rep / (T_rep + T_eff)                                             :cite:`dale1985`

and given for kidneys alone, with α/β = 2.5 Gy and T_rep = 2.8 h :cite:`barone2005`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from photopeak.core import PhotopeakError
from photopeak.physics.internal_dose import sphere_s
from photopeak.quantify.absorbed_dose import Serial
from photopeak.quantify.time_activity import Fit, Fitted, fitted

KIDNEY_ALPHA_BETA_GY, KIDNEY_REPAIR_H = 2.5, 2.8
LEAST_ML: Final = 0.5
"""A region smaller than this has no dose of its own in an image of this kind."""
Volume = Float[np.ndarray, "z y x"]


@dataclass(frozen=True, eq=False)
class RegionDose:
    """One region: volume (ml), mass (g), activity at each time (MBq), its curve (MBq), and doses in Gy.

    ``by_s`` is the mean by the organ's own S value and ``bed`` the biologically effective dose, None but for kidneys.
    ``sd`` is of the mean; ``d50`` and ``d2`` are what half and 2 % of the volume receive at least.
    """

    name: str
    volume_ml: float
    mass_g: float
    activity_mbq: tuple[float, ...]
    curve: Fitted
    mean: float
    sd: float
    d50: float
    d2: float
    most: float
    by_s: float
    bed: float | None
    doses: Float[np.ndarray, " voxel"] = field(repr=False)

    @property
    def decays_mbq_h(self) -> tuple[float, float]:
        """Time-integrated activity and its standard deviation, MBq·h."""
        return self.curve.integral / 3600.0, self.curve.sd / 3600.0


@dataclass(frozen=True)
class Uncertain:
    """Relative standard uncertainties: of each activity, of the calibration, and of a region's volume."""

    activity: float = 0.05
    calibration: float = 0.0
    volume: float = 0.0

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) and 0.0 <= v < 1.0 for v in (self.activity, self.calibration, self.volume)):
            raise PhotopeakError("uncertainties are shares of 0 to 1. Remedy: give 0.05 for five per cent.")


def region_doses(
    series: Serial, maps: tuple[Volume, Volume, Volume], regions: Mapping[str, Bool[np.ndarray, "z y x"]],
    fit: Fit, uncertain: Uncertain,
) -> list[RegionDose]:  # fmt: skip
    """Every region's dose; ``maps`` are dose (Gy), its standard deviation, and density (g/ml)."""
    edge_cm = series.grid.spacing_mm["x"] / 10.0
    found = []
    for name, where in regions.items():
        volume = float(where.sum()) * edge_cm**3
        if volume < LEAST_ML:
            continue
        found.append(_region(name, series, [m[where] for m in maps], where, (fit, uncertain)))
    if not found:
        raise PhotopeakError(
            f"no region of {', '.join(regions) or 'none'} holds {LEAST_ML} ml of the images. "
            "Remedy: check that regions and images lie in one frame of reference."
        )
    return found


def _region(
    name: str, series: Serial, inside: list[Float[np.ndarray, " voxel"]], where: Bool[np.ndarray, "z y x"],
    how: tuple[Fit, Uncertain],
) -> RegionDose:  # fmt: skip
    fit, uncertain = how
    ml = (series.grid.spacing_mm["x"] / 10.0) ** 3
    doses, spread, density = inside
    activity = series.values[:, where].sum(1, dtype=np.float64) * ml * 1e-6
    try:
        curve = fitted(series.times_s, activity, series.half_life_s, fit, uncertain.activity)
    except PhotopeakError as error:
        raise PhotopeakError(f"region {name!r}: {error}") from error
    mass, mean = float(density.sum()) * ml, float(doses.mean(dtype=np.float64))
    # Photons that are followed once lie in many voxels: their errors are taken to go together.
    shares = (
        curve.sd / curve.integral,
        uncertain.calibration,
        uncertain.volume,
        float(spread.mean()) / max(mean, 1e-30),
    )
    kidney = "kidney" in name.lower()
    return RegionDose(
        name=name,
        volume_ml=float(where.sum()) * ml,
        mass_g=mass,
        activity_mbq=tuple(float(v) for v in activity),
        curve=curve,
        mean=mean,
        sd=mean * math.sqrt(sum(s**2 for s in shares)),
        d50=received(doses, 50.0),
        d2=received(doses, 2.0),
        most=float(doses.max()),
        by_s=curve.integral * sphere_s(series.nuclide, mass) / 1000.0,
        bed=effective(mean, curve.half_life_s / 3600.0) if kidney else None,
        doses=np.sort(doses),
    )


def received(doses: Float[np.ndarray, " voxel"], percent: float) -> float:
    """Gy that this share of a volume receives at least.

    >>> received(np.array([1.0, 2.0, 3.0]), 50.0)
    2.0
    """
    return float(np.percentile(doses, 100.0 - percent))


def effective(dose_gy: float, half_life_h: float) -> float:
    """BED of a kidney, Gy.

    >>> round(effective(20.0, 51.0), 1)
    28.3
    """
    rate = KIDNEY_REPAIR_H / (KIDNEY_REPAIR_H + half_life_h)
    return dose_gy + dose_gy**2 / KIDNEY_ALPHA_BETA_GY * rate


def histogram(
    doses: Float[np.ndarray, " voxel"], points: int = 101
) -> tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]]:
    """Cumulative dose–volume histogram: doses (Gy), and per cent of the volume that receives as much or more."""
    at = np.linspace(0.0, float(doses.max()), points)
    below = np.searchsorted(np.sort(doses), at, side="left")
    return at, 100.0 * (1.0 - below / len(doses))
