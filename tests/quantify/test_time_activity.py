"""Decays from a few measurements: what was put in comes out, and the stated uncertainty is that of many repetitions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from photopeak.core import PhotopeakError
from photopeak.quantify.time_activity import fitted, voxel_integrals

HOUR = 3600.0
PHYSICAL_S = 6.6443 * 24 * HOUR
TIMES = HOUR * np.array([4.0, 24.0, 96.0, 168.0])


def decaying(half_life_h: float, times_s: np.ndarray = TIMES, start: float = 100.0) -> np.ndarray:
    return start * 2.0 ** (-times_s / (half_life_h * HOUR))


def test_one_exponential_gives_back_its_integral_and_half_life():
    fit = fitted(TIMES, decaying(51.0), PHYSICAL_S, "mono", 0.05)
    assert fit.integral == pytest.approx(100.0 * 51.0 * HOUR / math.log(2.0))
    assert fit.half_life_s == pytest.approx(51.0 * HOUR)
    assert fit.at(TIMES) == pytest.approx(decaying(51.0))


def test_uptake_and_clearance_give_back_their_integral():
    slow, fast = math.log(2.0) / (90.0 * HOUR), math.log(2.0) / (3.0 * HOUR)
    values = 50.0 * (np.exp(-slow * TIMES) - np.exp(-fast * TIMES))
    fit = fitted(TIMES, values, PHYSICAL_S, "bi", 0.05)
    assert fit.integral == pytest.approx(50.0 * (1.0 / slow - 1.0 / fast), rel=1e-3)
    assert fit.half_life_s == pytest.approx(90.0 * HOUR, rel=1e-3)
    # One exponential takes the late rise for slow clearance.
    assert fitted(TIMES, values, PHYSICAL_S, "mono", 0.05).half_life_s > 95.0 * HOUR


def test_what_stays_decays_as_physics_has_it_and_one_scan_is_enough():
    whole = 100.0 * PHYSICAL_S / math.log(2.0)
    values = decaying(PHYSICAL_S / HOUR)
    for n in (1, 4):
        fit = fitted(TIMES[:n], values[:n], PHYSICAL_S, "decay", 0.05)
        assert fit.integral == pytest.approx(whole)
        assert fit.sd == pytest.approx(0.05 * whole / math.sqrt(n))
        assert voxel_integrals(TIMES[:n], values[:n, None], PHYSICAL_S, "decay") == pytest.approx(whole)
    with pytest.raises(PhotopeakError, match="decay"):
        voxel_integrals(TIMES[:1], values[:1, None], PHYSICAL_S, "mono")


def test_nothing_decays_more_slowly_than_physics():
    growing = np.array([1.0, 1.1, 1.2, 1.3])
    for fit in ("mono", "bi"):
        assert fitted(TIMES, growing, PHYSICAL_S, fit, 0.05).half_life_s <= PHYSICAL_S * 1.001


def test_a_trapezoid_is_constant_first_and_decays_last():
    fit = fitted(TIMES, np.array([8.0, 6.0, 4.0, 2.0]), PHYSICAL_S, "trapezoid", 0.1)
    parts = 8.0 * 4 + 7.0 * 20 + 5.0 * 72 + 3.0 * 72
    assert fit.integral == pytest.approx(parts * HOUR + 2.0 * PHYSICAL_S / math.log(2.0))
    assert fit.at(TIMES[-1:]) == pytest.approx([2.0])


@pytest.mark.parametrize("fit", ["mono", "bi", "trapezoid"])
def test_the_uncertainty_is_that_of_many_repetitions(fit):
    rng = np.random.default_rng(3)
    slow, fast = math.log(2.0) / (60.0 * HOUR), math.log(2.0) / (2.0 * HOUR)
    true = 50.0 * (np.exp(-slow * TIMES) - (np.exp(-fast * TIMES) if fit == "bi" else 0.0))
    n = 60 if fit == "bi" else 300
    runs = [fitted(TIMES, true * np.exp(0.04 * rng.standard_normal(4)), PHYSICAL_S, fit, 0.04) for _ in range(n)]
    seen = float(np.std([r.integral for r in runs]))
    exact = fitted(TIMES, true, PHYSICAL_S, fit, 0.04)
    assert exact.sd == pytest.approx(seen, rel=0.25)
    if fit == "mono":  # points that scatter more than was stated say so themselves
        noisy = fitted(TIMES, true * np.array([1.3, 0.8, 1.2, 0.8]), PHYSICAL_S, fit, 0.01)
        assert noisy.sd > 0.1 * noisy.integral


def test_voxels_are_integrated_as_regions_are():
    values = np.stack([decaying(51.0), decaying(80.0, start=3.0), np.array([0.0, 2.0, 1.0, 0.5])], 1)
    mono = voxel_integrals(TIMES, values, PHYSICAL_S, "mono")
    assert mono[:2] == pytest.approx([100.0 * 51.0 * HOUR / math.log(2.0), 3.0 * 80.0 * HOUR / math.log(2.0)])
    by_parts = voxel_integrals(TIMES, values, PHYSICAL_S, "trapezoid")
    assert mono[2] == by_parts[2]  # empty at first: no logarithm
    assert by_parts[0] == pytest.approx(fitted(TIMES, values[:, 0], PHYSICAL_S, "trapezoid", 0.1).integral)


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(PhotopeakError, match="needs 4"):
        fitted(TIMES[:3], np.ones(3), PHYSICAL_S, "bi", 0.1)
    with pytest.raises(PhotopeakError, match="above 0"):
        fitted(TIMES, np.array([1.0, 0.0, 1.0, 1.0]), PHYSICAL_S, "mono", 0.1)
    with pytest.raises(PhotopeakError, match="grow"):
        fitted(TIMES[::-1].copy(), np.ones(4), PHYSICAL_S, "mono", 0.1)
