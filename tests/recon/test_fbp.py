"""Filtered back-projection gives back what was projected, in Bq/ml."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from photopeak.core import Grid, PhotopeakError
from photopeak.core.grid import scaling
from photopeak.physics.spect import Orbit, SpectCamera
from photopeak.physics.spect_operator import SpectOperator, spect_operator
from photopeak.recon.fbp import WINDOWS, apodise, fbp, ramp

GRID = Grid.volume((2, 64, 64), scaling((3.0, 3.0, 3.0)))


def operator(orbit: Orbit) -> SpectOperator:
    return spect_operator(SpectCamera(collimator=None), GRID, orbit, None, "numba")


def cylinder(y: float = 0.0, x: float = 0.0, radius: float = 20.0) -> torch.Tensor:
    at = np.arange(64) - 31.5
    return torch.from_numpy(((at[:, None] - y) ** 2 + (at - x) ** 2 <= radius**2).astype(np.float32)).expand(2, 64, 64)


@pytest.mark.parametrize("arc", [180.0, 360.0, -360.0])
def test_a_cylinder_comes_back_at_its_place_and_level(arc):
    activity = 7.0 * cylinder(4.0, -6.0, 14.0)
    made = operator(Orbit.circle(90, 150.0, 33.0, arc))
    image = fbp(made, made(activity), "hann")
    assert float(image[1][cylinder(4.0, -6.0, 11.0)[0] > 0].mean()) == pytest.approx(7.0, rel=0.02)
    assert abs(float(image[1][(cylinder(4.0, -6.0, 17.0)[0] == 0) & (cylinder()[0] > 0)].mean())) < 0.15


def test_the_ramp_is_the_frequency_and_windows_only_take_away():
    n = 256
    f = torch.fft.rfftfreq(n).double()
    assert float((ramp(n) - f).abs().max()) < 2e-3
    for window in WINDOWS:
        gain = apodise(2 * f, window, 0.5)
        assert float(gain[0]) == pytest.approx(1.0)
        assert float(gain.max()) <= 1.0 + 1e-12
        assert float(gain[-1]) < 0.04


def test_what_it_cannot_do_is_refused():
    half = operator(Orbit.circle(20, 150.0, 0.0, 100.0))
    with pytest.raises(PhotopeakError, match="180° or 360°"):
        fbp(half, torch.ones(half.range.shape))
    whole = operator(Orbit.circle(20, 150.0))
    with pytest.raises(PhotopeakError, match="unknown window"):
        fbp(whole, torch.ones(whole.range.shape), "box")
    with pytest.raises(PhotopeakError, match="cut-off"):
        fbp(whole, torch.ones(whole.range.shape), cutoff=0.0)
