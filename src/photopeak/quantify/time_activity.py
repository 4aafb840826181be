"""Activity over time to the number of decays: fits of a few measurements, and what they leave uncertain.

    mono        A(t) = A₀ e^{−λt}                       Ã = A₀/λ
    bi          A(t) = A₀ (e^{−λt} − e^{−κt})           Ã = A₀ (1/λ − 1/κ)
    decay       A(t) = A₀ e^{−λ_p t}                    Ã = A₀/λ_p
    trapezoid   Ã = A₁ t₁ + Σ ½ (A_k + A_{k+1}) (t_{k+1} − t_k) + A_n/λ_p

where λ_p belongs to physical decay, than which no activity can go more slowly: λ ≥ λ_p. ``decay`` is for what stays
where it is, as microspheres do, and is content with one scan. Measurements are taken to be
uncertain by the same share of their value each, so that ln A is fitted; the uncertainty of Ã follows from that share,
or from the scatter of the points around the curve where this is greater :cite:`gear2018`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Float

from photopeak.core import PhotopeakError

Fit = Literal["mono", "bi", "trapezoid", "decay"]
VoxelFit = Literal["mono", "trapezoid", "decay"]
Times = Float[np.ndarray, " time"]
Values = Float[np.ndarray, " time"]
FEWEST: Final[dict[Fit, int]] = {"mono": 2, "bi": 4, "trapezoid": 2, "decay": 1}
FASTEST: Final = 50.0  # times as fast as physical decay: nothing in a voxel is trusted to leave sooner


@dataclass(frozen=True)
class Fitted:
    """The integral over all time (unit of the values times s), its standard deviation, the last phase's rate (1/s)."""

    integral: float
    sd: float
    rate: float
    terms: tuple[tuple[float, float], ...]

    @property
    def half_life_s(self) -> float:
        return math.log(2.0) / self.rate

    def at(self, times_s: Float[np.ndarray, " _"]) -> Float[np.ndarray, " _"]:
        """The curve; of a trapezoid its tail alone."""
        return np.asarray(sum(a * np.exp(-r * times_s) for a, r in self.terms))


def fitted(times_s: Times, values: Values, half_life_s: float, fit: Fit, share_sd: float) -> Fitted:
    """One curve through a region's activity; times from the injection on, ``half_life_s`` that of the nuclide."""
    _check(times_s, values, fit)
    slowest = math.log(2.0) / half_life_s
    if fit == "decay":
        return _decay(times_s, values, slowest, share_sd)
    if fit == "mono":
        return _mono(times_s, values, slowest, share_sd)
    return _bi(times_s, values, slowest, share_sd) if fit == "bi" else _trapezoid(times_s, values, slowest, share_sd)


def voxel_integrals(
    times_s: Times, values: Float[np.ndarray, "time *voxels"], half_life_s: float, fit: VoxelFit
) -> Float[np.ndarray, "*voxels"]:
    """Decays of every voxel, in its unit times s.

    ``mono`` weights ln A by A, as counts do, and takes the trapezoid where a voxel was empty at some time.
    """
    slowest = math.log(2.0) / half_life_s
    if len(times_s) < FEWEST[fit]:
        raise PhotopeakError(
            f"{len(times_s)} time points, and {fit} needs {FEWEST[fit]}. "
            "Remedy: give more scans, or --voxels decay for what stays where it is, as microspheres do."
        )
    if fit == "decay":
        return np.asarray(np.tensordot(np.exp(slowest * times_s) / (slowest * len(times_s)), values, 1))
    weights = _trapezoid_weights(times_s, slowest)
    by_parts = np.tensordot(weights, values, 1)
    if fit == "trapezoid":
        return np.asarray(by_parts)
    full = (values > 0).all(0)
    w = np.where(full, values, 1.0)
    y = np.log(w)
    t = times_s.reshape(-1, *(1,) * (values.ndim - 1))
    total = w.sum(0)
    mean_t, mean_y = (w * t).sum(0) / total, (w * y).sum(0) / total
    slope = -(w * (t - mean_t) * (y - mean_y)).sum(0) / (w * (t - mean_t) ** 2).sum(0)
    rate = np.clip(slope, slowest, FASTEST * slowest)
    return np.asarray(np.where(full, np.exp(mean_y + rate * mean_t) / rate, by_parts))


def _decay(t: Times, values: Values, slowest: float, share_sd: float) -> Fitted:
    at_start = np.log(values) + slowest * t
    mean = float(at_start.mean())
    variance = _variance(at_start - mean, len(t) - 1, share_sd)
    integral = math.exp(mean) / slowest
    return Fitted(integral, integral * math.sqrt(variance / len(t)), slowest, ((math.exp(mean), slowest),))


def _mono(t: Times, values: Values, slowest: float, share_sd: float) -> Fitted:
    y, away = np.log(values), t - t.mean()
    rate = -float((away * y).sum() / (away**2).sum())
    bound = rate < slowest
    rate = max(rate, slowest)
    start = float(y.mean() + rate * t.mean())
    variance = _variance(y - (start - rate * t), len(t) - (1 if bound else 2), share_sd)
    integral = math.exp(start) / rate
    # ln Ã = mean of ln A + λ t̄ − ln λ, and λ is known to σ²/Σ(t − t̄)².
    of_rate = 0.0 if bound else variance / float((away**2).sum()) * (float(t.mean()) - 1.0 / rate) ** 2
    return Fitted(integral, integral * math.sqrt(variance / len(t) + of_rate), rate, ((math.exp(start), rate),))


def _bi(t: Times, values: Values, slowest: float, share_sd: float) -> Fitted:
    from scipy.optimize import least_squares

    y = np.log(values)

    def rates(p: Float[np.ndarray, "3"]) -> tuple[float, float]:
        slow = slowest + math.exp(p[1])
        return slow, slow + math.exp(p[2])

    def residuals(p: Float[np.ndarray, "3"]) -> Float[np.ndarray, " time"]:
        slow, fast = rates(p)
        return np.asarray(p[0] - slow * t + np.log(-np.expm1(-(fast - slow) * t)) - y)

    first = _mono(t[1:], values[1:], slowest, share_sd)
    guess = [math.log(first.terms[0][0]), math.log(max(first.rate - slowest, 0.05 * slowest)), math.log(1.0 / t[0])]
    bounds = (
        [-np.inf, math.log(1e-4 * slowest), math.log(0.1 / t[-1])],
        [np.inf, math.log(1e3 * slowest), math.log(20.0 / t[0])],
    )
    done = least_squares(residuals, np.clip(guess, *bounds), bounds=bounds)
    slow, fast = rates(done.x)
    height = math.exp(done.x[0])
    integral = height * (1.0 / slow - 1.0 / fast)
    variance = _variance(done.fun, len(t) - 3, share_sd)
    spread = variance * np.linalg.pinv(done.jac.T @ done.jac)
    of_slow, of_fast = slow - slowest, fast - slow  # derivatives of the rates by their logarithms
    ends = height * np.array([-1.0 / slow**2 + 1.0 / fast**2, 1.0 / fast**2])
    gradient = np.array([integral, ends[0] * of_slow, ends[1] * of_fast])
    sd = math.sqrt(float(gradient @ spread @ gradient))
    return Fitted(integral, sd, slow, ((height, slow), (-height, fast)))


def _trapezoid(t: Times, values: Values, slowest: float, share_sd: float) -> Fitted:
    weights = _trapezoid_weights(t, slowest)
    sd = share_sd * math.sqrt(float(((weights * values) ** 2).sum()))
    tail = float(values[-1]) * math.exp(slowest * float(t[-1]))
    return Fitted(float(weights @ values), sd, slowest, ((tail, slowest),))


def _trapezoid_weights(t: Times, slowest: float) -> Float[np.ndarray, " time"]:
    """What each measurement counts: constant before the first, straight between, physical decay after the last."""
    weights = np.zeros(len(t))
    half = 0.5 * np.diff(t)
    weights[:-1] += half
    weights[1:] += half
    weights[0] += t[0]
    weights[-1] += 1.0 / slowest
    return weights


def _variance(residuals: Float[np.ndarray, " time"], free: int, share_sd: float) -> float:
    """Of ln A: what was stated, or what the points show where that is more."""
    seen = float((residuals**2).sum()) / free if free > 0 else 0.0
    return max(share_sd**2, seen)


def _check(t: Times, values: Values, fit: Fit) -> None:
    if len(t) != len(values) or len(t) < FEWEST[fit]:
        raise PhotopeakError(
            f"{len(values)} activities at {len(t)} times, and {fit} needs {FEWEST[fit]}. "
            "Remedy: give more scans, or --fit mono or trapezoid, or decay for what stays where it is."
        )
    if t[0] <= 0 or (np.diff(t) <= 0).any() or not np.isfinite(values).all() or (values <= 0).any():
        raise PhotopeakError(
            "times must grow from above 0, and activities be above 0. Remedy: check the order and the regions."
        )
