"""Scattered counts in the photopeak window, from counts in windows beside it.

    dual energy window     S = k C_s,  k = 0.5 for 92–125 keV                       :cite:`jaszczak1984`
    triple energy window   S = (C_l / W_l + C_u / W_u) W_p / 2                       :cite:`ichihara1993`

Above a photopeak that no photon of higher energy feeds, C_u is 0 and may be left out. Windows that were
measured are noisy, scatter is smooth: estimates are blurred before they are used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from photopeak.core import EnergyWindow, PhotopeakError

K_DUAL, DUAL_KEV = 0.5, (92.0, 125.0)
"""The factor, and the window of a 140 keV line that it holds for."""
NEAR_KEV = 4.0
BESIDE_KEV = 1.0
"""Windows may overlap or leave a gap of this much and still lie side by side."""

Counts = Float[np.ndarray, " ..."]


@dataclass(frozen=True)
class Windows:
    """Which windows of an acquisition are the photopeak and its neighbours, by index."""

    peak: int
    lower: int | None = None
    upper: int | None = None


def windows_around(windows: tuple[EnergyWindow, ...], energy_kev: float) -> Windows:
    """The window that holds a line, and the windows next to it."""
    ranges = [w.ranges_kev[0] if len(w.ranges_kev) == 1 else (0.0, 0.0) for w in windows]
    holding = [i for i, (low, high) in enumerate(ranges) if low < energy_kev < high]
    if len(holding) != 1:
        told = "; ".join(f"{w.name or i}: {w.ranges_kev}" for i, w in enumerate(windows, 1)) or "none"
        raise PhotopeakError(
            f"{len(holding)} energy windows hold {energy_kev:g} keV; the file states {told}. "
            "Remedy: name the line with --energy-kev, or check EnergyWindowInformationSequence (0054,0012)."
        )
    peak = holding[0]
    low, high = ranges[peak]
    others = [i for i in range(len(ranges)) if i != peak and ranges[i][1] > 0]
    lower = [i for i in others if ranges[i][0] < low and abs(ranges[i][1] - low) <= max(BESIDE_KEV, 0.02 * low)]
    upper = [i for i in others if ranges[i][1] > high and abs(ranges[i][0] - high) <= max(BESIDE_KEV, 0.02 * high)]
    return Windows(peak, lower[0] if lower else None, upper[0] if upper else None)


def dual_factor(range_kev: tuple[float, float]) -> float:
    """k of the dual energy window, known for one window only."""
    if max(abs(a - b) for a, b in zip(range_kev, DUAL_KEV, strict=True)) > NEAR_KEV:
        raise PhotopeakError(
            f"the dual energy window's factor 0.5 is that of a window of 92 to 125 keV; this one is "
            f"{range_kev[0]:g} to {range_kev[1]:g} keV. Remedy: --scatter tew, which goes by the windows' widths."
        )
    return K_DUAL


def dual_energy(scatter: Counts, k: float = K_DUAL, blur_px: float = 2.0) -> Counts:
    """Scatter in the photopeak from one window below it."""
    return smoothed(k * scatter, blur_px)


def triple_energy(
    lower: Counts, upper: Counts | None, widths_kev: tuple[float, float, float], blur_px: float = 2.0
) -> Counts:
    """Scatter in the photopeak from two narrow windows beside it; ``widths_kev`` of lower, photopeak, upper."""
    w_l, w_p, w_u = widths_kev
    density = smoothed(lower, blur_px) / w_l
    if upper is not None:
        density = density + smoothed(upper, blur_px) / w_u
    return np.asarray(density * w_p / 2.0)


def smoothed(counts: Counts, sigma_px: float) -> Counts:
    """Gaussian blur over rows and columns that keeps the counts."""
    from scipy.ndimage import gaussian_filter

    widths = (0.0,) * (counts.ndim - 2) + (sigma_px, sigma_px)
    return np.asarray(gaussian_filter(counts.astype(np.float64), widths, mode="reflect"))
