"""Tracer in tissue over time: input functions, compartments, and what a frame of a scan sees of them.

Times are in minutes from the injection, rates in 1/min. With C_p the tracer in arterial plasma, the two-tissue model

    C_1' = K₁ C_p − (k₂ + k₃) C_1 + k₄ C_2,     C_2' = k₃ C_1 − k₄ C_2

answers with C_T = h ∗ C_p, where h is the sum of two exponentials :cite:`gunn2001`; a voxel shows
(1 − V_b) C_T + V_b C_b. For an input that is linear between its samples the convolution is exact.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from photopeak.core import PhotopeakError

Curve = Float[np.ndarray, " time"]


@dataclass(frozen=True)
class TwoTissue:
    """K₁ in ml/cm³/min, k₂ to k₄ in 1/min, V_b the share of blood. k₃ = 0 is one tissue, k₄ = 0 traps the tracer."""

    k1: float
    k2: float
    k3: float = 0.0
    k4: float = 0.0
    blood: float = 0.0

    def __post_init__(self) -> None:
        if min(self.k1, self.k2, self.k3, self.k4) < 0 or not 0.0 <= self.blood <= 1.0:
            raise PhotopeakError(f"rates are at least 0 and the share of blood is between 0 and 1, not {self}.")

    @property
    def net_influx(self) -> float:
        """K_i = K₁ k₃ / (k₂ + k₃), where nothing comes back."""
        return self.k1 * self.k3 / (self.k2 + self.k3) if self.k3 else 0.0

    @property
    def volume(self) -> float:
        """V_T = K₁/k₂ (1 + k₃/k₄), where the tracer comes back."""
        if self.k3 and not self.k4:
            return math.inf
        return self.k1 / self.k2 * (1.0 + (self.k3 / self.k4 if self.k4 else 0.0))

    @property
    def exponentials(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """(amplitude, rate) of the two exponentials of the impulse response."""
        total = self.k2 + self.k3 + self.k4
        root = math.sqrt(max(total**2 - 4.0 * self.k2 * self.k4, 0.0))
        slow, fast = 0.5 * (total - root), 0.5 * (total + root)
        if fast == slow:
            return (self.k1, fast), (0.0, fast)
        scale = self.k1 / (fast - slow)
        return (scale * (self.k3 + self.k4 - slow), slow), (scale * (fast - self.k3 - self.k4), fast)

    def response(self, time_min: Curve, plasma: Curve, whole_blood: Curve | None = None) -> Curve:
        """What a voxel holds at each time, for an input sampled there."""
        tissue = sum(a * convolved(time_min, plasma, rate) for a, rate in self.exponentials)
        carried = plasma if whole_blood is None else whole_blood
        return np.asarray((1.0 - self.blood) * tissue + self.blood * carried)


def convolved(time_min: Curve, values: Curve, rate: float) -> Curve:
    """∫₀ᵗ e^(−rate (t − s)) f(s) ds for f linear between its samples and 0 before the first."""
    step = np.diff(time_min)
    if (step <= 0).any():
        raise PhotopeakError("times of a curve must grow. Remedy: sort them, and leave out repeats.")
    out = np.zeros_like(values, dtype=np.float64)
    for k, h in enumerate(step):
        x = rate * h
        decay = math.exp(-x)
        if x > 1e-4:
            first, second = -math.expm1(-x) / rate, (h + math.expm1(-x) / rate) / rate / h
        else:
            first, second = h * (1.0 - x / 2.0), h * (0.5 - x / 6.0)
        # ∫ of a constant f_k and of the slope up to f_{k+1}
        out[k + 1] = decay * out[k] + first * values[k] + second * (values[k + 1] - values[k])
    return out


def feng_input(time_min: Curve) -> Curve:
    """A bolus of FDG in plasma, in arbitrary units, with its peak at 0.3 min :cite:`feng1993`.

    >>> float(feng_input(np.array([0.0]))[0])
    0.0
    """
    t = np.asarray(time_min, np.float64)
    return np.asarray(
        (851.1 * t - 21.88 - 20.81) * np.exp(-4.134 * t) + 21.88 * np.exp(-0.1191 * t) + 20.81 * np.exp(-0.01043 * t)
    ).clip(0.0)


def frame_times(schedule: str) -> tuple[Float[np.ndarray, " frame"], Float[np.ndarray, " frame"]]:
    """Starts and durations in minutes of frames that follow each other, as in "6x10,2x300": number x seconds.

    >>> frame_times("2x30,1x60")
    (array([0. , 0.5, 1. ]), array([0.5, 0.5, 1. ]))
    """
    parts = re.findall(r"(\d{1,4})x(\d{1,5}(?:\.\d+)?)(?:,|$)", schedule)
    durations = np.repeat([float(s) / 60.0 for _, s in parts], [int(n) for n, _ in parts])
    if ",".join(f"{n}x{s}" for n, s in parts) != schedule or len(durations) == 0 or durations.min() <= 0:
        raise PhotopeakError(
            f"frames {schedule!r} cannot be read. Remedy: give number x seconds, such as 6x10,4x30,10x300."
        )
    return np.cumsum(durations) - durations, durations


def frame_means(
    time_min: Curve, values: Curve, starts_min: Float[np.ndarray, " frame"], durations_min: Float[np.ndarray, " frame"]
) -> Float[np.ndarray, " frame"]:
    """The mean of a curve over each frame; the curve is linear between its samples and must reach over all frames."""
    ends = starts_min + durations_min
    if starts_min.min() < time_min[0] - 1e-9 or ends.max() > time_min[-1] + 1e-9 or durations_min.min() <= 0:
        raise PhotopeakError(
            f"frames reach from {starts_min.min():g} to {ends.max():g} min, the curve from {time_min[0]:g} to "
            f"{time_min[-1]:g} min. Remedy: give a curve that covers all frames, and frames that last."
        )
    area = integral(time_min, values)
    return np.asarray(
        (_area_at(ends, time_min, values, area) - _area_at(starts_min, time_min, values, area)) / durations_min
    )


def integral(time_min: Curve, values: Curve) -> Curve:
    """∫₀ᵗ f by trapezia."""
    return np.concatenate([[0.0], np.cumsum(0.5 * (values[1:] + values[:-1]) * np.diff(time_min))])


def _area_at(
    at: Float[np.ndarray, " frame"], time_min: Curve, values: Curve, area: Curve
) -> Float[np.ndarray, " frame"]:
    k = np.clip(np.searchsorted(time_min, at, side="right") - 1, 0, len(time_min) - 2)
    h = at - time_min[k]
    slope = (values[k + 1] - values[k]) / (time_min[k + 1] - time_min[k])
    return np.asarray(area[k] + h * values[k] + 0.5 * slope * h**2)
