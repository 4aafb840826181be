"""PET's other corrections: crystals multiply, randoms add and fill the window, the blur is as wide as it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from photopeak.core import PhotopeakError
from photopeak.core.contracts import check_operator
from photopeak.core.units import FWHM_PER_SIGMA
from photopeak.physics.pet import PetScanner, TimeOfFlight
from photopeak.physics.pet_corrections import GaussianBlur, efficiency_factors, randoms_from_singles
from photopeak.recon.em import osem

SMALL = PetScanner(120.0, 48, 3, 8.0, 31)
TIMED = PetScanner(120.0, 48, 3, 8.0, 31, tof=TimeOfFlight(300.0, 8, 250.0))


def crystals(seed: int = 1) -> torch.Tensor:
    return 0.7 + 0.6 * torch.rand(3, 48, generator=torch.Generator().manual_seed(seed))


def test_factors_are_the_products_of_the_lines_crystals():
    each = crystals()
    factors = efficiency_factors(SMALL, each)
    for plane, ((a, b),) in enumerate(SMALL.planes()):
        i, j = SMALL.pairs()[7, 4]
        assert float(factors[7, plane, 4]) == pytest.approx(float(each[a, i] * each[b, j]))
    spanned = PetScanner(120.0, 48, 3, 8.0, 31, span=3)
    assert torch.allclose(efficiency_factors(spanned, torch.full((3, 48), 0.5)), torch.tensor(0.25))


def test_randoms_follow_the_window_and_the_squares_of_singles():
    once = randoms_from_singles(SMALL, torch.full((3, 48), 2e4), 4.0, 100.0)
    assert once.numpy() == pytest.approx(4e-9 * 2e4**2 * 100.0)
    assert torch.allclose(randoms_from_singles(SMALL, torch.full((3, 48), 4e4), 4.0, 100.0), 4 * once)
    # The timing bins together are 2 ns wide: half of a window of 4 ns.
    timed = randoms_from_singles(TIMED, torch.full((3, 48), 2e4), 4.0, 100.0)
    assert timed.sum(2).numpy() == pytest.approx(0.5 * once.numpy())


def test_the_blur_is_its_own_transpose_keeps_counts_and_has_its_width():
    grid = SMALL.grid(2.0, 41)
    blur = GaussianBlur(grid, 6.0)
    g = torch.Generator().manual_seed(3)
    x, y = torch.rand(grid.shape, generator=g), torch.rand(grid.shape, generator=g)
    assert check_operator(blur, x, y) < 1e-6
    plane = torch.zeros(grid.shape)
    plane[2, 20, 20] = 1.0
    line = blur(plane)[2, 20].double().numpy()
    at = (np.arange(41) - 20) * 2.0
    sigma = np.sqrt((line * at**2).sum() / line.sum() - 2.0**2 / 12)
    assert FWHM_PER_SIGMA * sigma == pytest.approx(6.0, rel=1e-3)
    wide = PetScanner(120.0, 48, 12, 8.0, 31).grid(2.0, 41)
    middle = torch.zeros(wide.shape)
    middle[11, 20, 20] = 1.0
    assert float(GaussianBlur(wide, 6.0)(middle).sum()) == pytest.approx(1.0, rel=1e-5)


def test_a_uniform_cylinder_is_uniform_after_all_corrections():
    grid = SMALL.grid(6.0, 32)
    across = np.hypot(*np.meshgrid(np.arange(32) - 15.5, np.arange(32) - 15.5)) * 6.0
    body = torch.from_numpy((across < 70.0).astype(np.float32)).expand(grid.shape).contiguous()
    randoms = randoms_from_singles(SMALL, 3e4 * crystals(2), 4.0, 10.0)
    physics = SMALL.physics(grid, 0.096 * body, randoms, efficiency=crystals())
    mean = physics.mean(body)
    core = torch.from_numpy(across < 50.0).expand(grid.shape)
    image = osem(physics, mean, 6, 4)[core]
    assert float(image.mean()) == pytest.approx(1.0, abs=0.02)
    plain = osem(SMALL.physics(grid, 0.096 * body), mean, 6, 4)[core]
    assert abs(float(plain.mean()) - 1.0) > 0.1
    assert float(plain.std()) > 2.0 * float(image.std())


def test_modelling_the_blur_makes_a_point_sharper():
    grid = SMALL.grid(4.0, 21)
    point = torch.zeros(grid.shape)
    point[2, 10, 10] = 1.0
    blurred = SMALL.physics(grid, fwhm_mm=10.0)
    y = blurred.mean(point)
    with_psf, without = (fwhm_mm(osem(p, y, 5, 4)[2, 10], 4.0) for p in (blurred, SMALL.physics(grid)))
    assert without == pytest.approx(10.0, abs=2.0)
    assert with_psf < 0.75 * without


def fwhm_mm(line: torch.Tensor, spacing_mm: float) -> float:
    """Of a peak in the middle, by straight lines between samples."""
    values = line.double().numpy() / float(line.max())
    fine = np.linspace(0, len(values) - 1, 100 * (len(values) - 1) + 1)
    above = np.interp(fine, np.arange(len(values)), values) >= 0.5
    return float(above.sum()) * 0.01 * spacing_mm


def test_what_is_not_of_this_scanner_is_refused():
    with pytest.raises(PhotopeakError, match="3 rings of 48"):
        efficiency_factors(SMALL, torch.ones(48, 3))
    with pytest.raises(PhotopeakError, match="out of order"):
        efficiency_factors(SMALL, -torch.ones(3, 48))
    with pytest.raises(PhotopeakError, match="wider than the coincidence window"):
        randoms_from_singles(TIMED, torch.ones(3, 48), 1.0, 1.0)
    with pytest.raises(PhotopeakError, match="above 0"):
        randoms_from_singles(SMALL, torch.ones(3, 48), 0.0, 1.0)
    with pytest.raises(PhotopeakError, match="fwhm_mm"):
        GaussianBlur(SMALL.grid(4.0, 20), 0.0)
