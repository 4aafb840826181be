"""Chang's factor, scatter from windows, and CT numbers on the camera's lattice."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from photopeak.core import EnergyWindow, Grid, Image, PhotopeakError
from photopeak.core.grid import scaling
from photopeak.physics.materials import mu_per_cm
from photopeak.physics.spect import Orbit, SpectCamera
from photopeak.physics.spect_operator import spect_operator
from photopeak.recon.attenuation import mu_map
from photopeak.recon.chang import chang
from photopeak.recon.scatter import Windows, dual_energy, dual_factor, smoothed, triple_energy, windows_around


def test_changs_factor_in_the_middle_of_a_cylinder_is_beer_and_lamberts():
    grid, at = Grid.volume((1, 41, 41), scaling((6.0, 6.0, 6.0))), (torch.arange(41) - 20) * 6.0
    mu = 0.15 * (torch.hypot(at[:, None], at[None]) <= 100.0).float()[None]
    orbit = Orbit.circle(60, 150.0)
    factor = chang(spect_operator(SpectCamera(None), grid, orbit, mu, "auto"))
    assert float(factor[0, 20, 20]) == pytest.approx(np.exp(0.15 * 10.0), rel=0.03)
    assert float(factor[0, 20, 37]) < float(factor[0, 20, 30]) < float(factor[0, 20, 20])
    assert torch.equal(chang(spect_operator(SpectCamera(None), grid, orbit, None, "auto")), torch.ones(grid.shape))


def test_windows_lie_beside_the_photopeak_or_do_not():
    peak, low, far = (EnergyWindow(n, (r,)) for n, r in (("p", (129.0, 151.0)), ("l", (108.0, 129.0)), ("f", (60, 80))))
    up = EnergyWindow("u", ((151.0, 160.0),))
    assert windows_around((low, peak, up), 140.5) == Windows(1, 0, 2)
    assert windows_around((peak, far), 140.5) == Windows(0, None, None)
    with pytest.raises(PhotopeakError, match=r"0 energy windows hold 140.5 keV.*--energy-kev"):
        windows_around((low, far), 140.5)


def test_scatter_is_the_area_under_a_line_between_the_windows():
    lower, upper = np.full((2, 8, 8), 6.0), np.full((2, 8, 8), 2.0)
    assert triple_energy(lower, upper, (3.0, 28.0, 4.0)) == pytest.approx(0.5 * (2.0 + 0.5) * 28.0)
    assert triple_energy(lower, None, (3.0, 28.0, 0.0)) == pytest.approx(0.5 * 2.0 * 28.0)
    assert dual_energy(lower) == pytest.approx(3.0)
    assert dual_factor((92.0, 125.0)) == 0.5
    with pytest.raises(PhotopeakError, match="--scatter tew"):
        dual_factor((108.0, 126.0))
    spot = np.zeros((1, 21, 21))
    spot[0, 10, 10] = 100.0
    assert smoothed(spot, 2.0).sum() == pytest.approx(100.0, rel=1e-6)
    assert smoothed(spot, 2.0).max() < 5.0


def test_a_ct_becomes_mu_where_it_lies():
    ct = Grid.volume((20, 40, 40), scaling((2.0, 2.0, 4.0), (-40.0, -50.0, 100.0)), "1.2")
    hu = np.full(ct.shape, -1000.0, np.float32)
    hu[5:15, 10:30, 10:30] = 0.0
    target = Grid.volume((12, 16, 16), scaling((6.0, 6.0, 6.0), (-45.0, -45.0, 103.0)), "1.2")
    mu = mu_map(Image(hu, ct, "[hnsf'U]"), target, 140.5)
    assert mu.max() == pytest.approx(mu_per_cm("water", 140.5), rel=1e-3)
    water_mm3 = mu.sum() / mu_per_cm("water", 140.5) * 6.0**3
    assert water_mm3 == pytest.approx(10 * 4.0 * (20 * 2.0) ** 2, rel=0.02)
    z, y, x = (float((np.indices(mu.shape)[k] * mu).sum() / mu.sum()) for k in range(3))
    place = target.matrix_mm @ [x, y, z, 1.0]
    assert place[:3] == pytest.approx([-40 + 2 * 19.5, -50 + 2 * 19.5, 100 + 4 * 9.5], abs=0.3)


def test_a_ct_that_reaches_past_too_little_is_refused():
    ct = Grid.volume((4, 8, 8), scaling((4.0, 4.0, 4.0)), "1.2")
    target = Grid.volume((40, 8, 8), scaling((4.0, 4.0, 4.0)), "1.2")
    with pytest.raises(PhotopeakError, match="too little is shared"):
        mu_map(Image(np.zeros(ct.shape, np.float32), ct, "[hnsf'U]"), target, 140.5)
