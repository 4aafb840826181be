"""Kernel EM: K keeps what the other image cannot tell apart, and its transpose is exact."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from photopeak.core import Grid, PhotopeakError
from photopeak.core.contracts import check_operator
from photopeak.core.grid import scaling
from photopeak.physics.physics import Physics
from photopeak.physics.spect import Orbit, SpectCamera
from photopeak.recon.em import osem
from photopeak.recon.kernel_em import kernel, through

GRID = Grid.volume((4, 14, 14), scaling((8.0, 8.0, 8.0)))


def anatomy() -> torch.Tensor:
    image = torch.zeros(GRID.shape)
    image[:, 3:11, 3:11] = 1.0
    image[:, 5:8, 6:9] = 2.0
    return image


def test_rows_sum_to_one_and_the_transpose_is_exact():
    k = kernel(GRID, anatomy(), neighbours=12, reach=2)
    assert torch.allclose(k(torch.ones(GRID.shape)), torch.ones(GRID.shape), atol=1e-6)
    g = torch.Generator().manual_seed(1)
    x, y = (torch.rand(GRID.shape, generator=g, dtype=torch.float64) for _ in range(2))
    assert check_operator(k, x, y) < 1e-12


def test_an_image_with_the_same_regions_stays_and_noise_does_not():
    k = kernel(GRID, anatomy(), neighbours=12, reach=2, sigma=0.1)
    assert float((k(anatomy()) - anatomy()).abs().max()) < 0.02
    noise = torch.randn(GRID.shape, generator=torch.Generator().manual_seed(2))
    assert float(k(noise).std()) < 0.6 * float(noise.std())


def test_the_image_is_less_noisy_at_the_same_contrast():
    operator = SpectCamera(sensitivity_cps_per_mbq=2e6).physics(GRID, Orbit.circle(12, 120.0)).operator
    physics, truth = Physics(operator), anatomy()
    y = physics.sample(truth, np.random.default_rng(3))
    k = kernel(GRID, truth, neighbours=12, reach=2, sigma=0.2)
    plain, shared = osem(physics, y, 20, 4), k(osem(through(physics, k), y, 20, 4))
    assert float((shared - truth).norm()) < 0.7 * float((plain - truth).norm())


def test_more_neighbours_than_a_cube_has_are_refused():
    with pytest.raises(PhotopeakError, match="27 voxels"):
        kernel(GRID, anatomy(), neighbours=30, reach=1)
    with pytest.raises(PhotopeakError, match="shape"):
        kernel(GRID, torch.zeros((2, 2, 2)))
