"""Pinhole and fan beam against known answers: magnification, sensitivity, width, and the parallel limit."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from photopeak.core import Grid, PhotopeakError
from photopeak.core.contracts import check_operator
from photopeak.core.grid import scaling
from photopeak.core.units import FWHM_PER_SIGMA
from photopeak.physics.collimator import COLLIMATORS
from photopeak.physics.diverging import DivergingCamera, FanBeam, Pinhole
from photopeak.physics.spect import Orbit, SpectCamera
from photopeak.recon.em import osem

pytestmark = pytest.mark.untraced

LEHR = COLLIMATORS["Siemens LEHR"]
GRID = Grid.volume((21, 21, 21), scaling((4.0, 4.0, 4.0)))
PINHOLE = DivergingCamera(
    Pinhole(4.0, 167.5, 65.0), (101, 101), 167.5 / 60.0
)  # a voxel's image is three pixels at 80 mm, four at 60
FRONT = Orbit((180.0,), 80.0)


def seen(camera: DivergingCamera, z: int, y: int, x: int, orbit: Orbit = FRONT, value: float = 1e6):
    """(counts, row, column, FWHM along columns in mm) of one voxel."""
    volume = torch.zeros(GRID.shape)
    volume[z, y, x] = value
    image = camera.physics(GRID, orbit).operator(volume)[0].double().numpy()
    rows, columns = image.sum(1) / image.sum(), image.sum(0) / image.sum()
    row, column = ((p * (np.arange(len(p)) - (len(p) - 1) / 2)).sum() for p in (rows, columns))
    at = np.arange(len(columns)) - (len(columns) - 1) / 2 - column
    return image.sum(), row, column, FWHM_PER_SIGMA * math.sqrt((columns * at**2).sum()) * camera.pixel_mm


def test_a_pinhole_has_the_formulas_sensitivity_and_width():
    assert Pinhole(4.0, 167.5, 65.0).fwhm_mm(80.0) == pytest.approx(7.0, abs=0.05)
    counts, row, column, fwhm = seen(PINHOLE, 10, 10, 10)
    mbq = 1e6 * 0.064 * 1e-6
    assert counts / mbq / 20.0 == pytest.approx(150.0, rel=0.12)  # cps/MBq of a published model
    assert (row, column) == (pytest.approx(0.0, abs=1e-3), pytest.approx(0.0, abs=1e-3))
    m = 167.5 / 80.0
    voxel = m * 4.0 * math.sqrt(1 / 6) * FWHM_PER_SIGMA  # of a tent
    expected = math.sqrt((7.0 * m) ** 2 + PINHOLE.crystal.intrinsic_fwhm_mm**2 + voxel**2)
    assert fwhm == pytest.approx(expected, rel=0.02)


def test_a_pinhole_magnifies_and_falls_with_the_square_and_the_cosine():
    axis, *_ = seen(PINHOLE, 10, 10, 10)
    near, *_ = seen(PINHOLE, 10, 5, 10)  # 20 mm to the front, nearer to the hole
    assert near / axis == pytest.approx((80.0 / 60.0) ** 2, rel=0.02)
    aside, row, column, _ = seen(PINHOLE, 14, 10, 16)  # 24 mm to the left, 16 mm up
    assert column * PINHOLE.pixel_mm == pytest.approx(24.0 * 167.5 / 80.0, rel=0.01)
    assert row * PINHOLE.pixel_mm == pytest.approx(-16.0 * 167.5 / 80.0, rel=0.01)
    assert aside / axis == pytest.approx((1 + (24**2 + 16**2) / 80**2) ** -1.5, rel=0.02)


def test_a_fan_magnifies_columns_alone_and_counts_more_near_its_focus():
    fan = DivergingCamera(FanBeam(LEHR, 400.0), (21, 61), 4.0)
    orbit = Orbit((180.0,), 120.0)
    axis, *_ = seen(fan, 10, 10, 10, orbit)
    _, row, column, _ = seen(fan, 12, 10, 14, orbit)
    assert column == pytest.approx(4 * 400.0 / 280.0, rel=0.01)
    assert row == pytest.approx(-2.0, rel=0.02)
    far, *_ = seen(fan, 10, 18, 10, orbit)
    assert far / axis == pytest.approx((280.0 / 248.0), rel=0.03)


def test_a_fan_with_its_focus_far_away_is_a_parallel_camera():
    generator = torch.Generator().manual_seed(1)
    mu, x = 0.15 * torch.rand(GRID.shape, generator=generator), torch.rand(GRID.shape, generator=generator)
    orbit = Orbit((10.0, 100.0, 235.0), 130.0)
    fan = DivergingCamera(FanBeam(LEHR, 1e9), (21, 21), 4.0).physics(GRID, orbit, mu).operator(x)
    parallel = SpectCamera(LEHR, blur_nodes=None).physics(GRID, orbit, mu).operator(x)
    assert float((fan - parallel).norm() / parallel.norm()) < 1e-4


@pytest.mark.parametrize("optics", [Pinhole(5.0, 150.0), FanBeam(LEHR, 400.0)], ids=["pinhole", "fan"])
def test_engines_agree_and_transposes_are_exact(optics):
    grid = Grid.volume((7, 9, 8), scaling((8.0, 8.0, 8.0)))
    generator = torch.Generator().manual_seed(3)
    mu, x = 0.15 * torch.rand(grid.shape, generator=generator), torch.rand(grid.shape, generator=generator)
    camera, orbit = DivergingCamera(optics, (14, 16), 9.0), Orbit((13.0, 90.0, 201.0), (60.0, 75.0, 70.0))
    kernel, plain = (camera.physics(grid, orbit, mu, e).operator for e in ("numba", "torch"))
    y = torch.rand(kernel.range.shape, generator=generator)
    assert check_operator(kernel, x, y) < 1e-6
    assert check_operator(plain, x.double(), y.double()) < 1e-12
    for one, other in ((kernel(x), plain(x)), (kernel.adjoint(y), plain.adjoint(y))):
        assert float((one - other).norm() / other.norm()) < 1e-5
    assert torch.equal(kernel.subset(1, 2)(x), kernel(x)[1::2])


@pytest.mark.parametrize("optics", [Pinhole(4.0, 150.0), FanBeam(LEHR, 400.0)], ids=["pinhole", "fan"])
def test_osem_recovers_a_phantom(optics):
    grid = Grid.volume((9, 18, 18), scaling((6.0, 6.0, 6.0)))
    z, y, x = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in grid.shape), indexing="ij")
    body = (np.hypot(x, y) < 7) & (np.abs(z) < 3.5)
    rod = body & (np.hypot(x - 3, y + 1) < 2.2)
    activity = torch.from_numpy(np.where(rod, 4e6, np.where(body, 1e6, 0.0)).astype(np.float32))
    mu = torch.from_numpy(0.154 * body.astype(np.float32))
    physics = DivergingCamera(optics, (24, 32), 7.0).physics(grid, Orbit.circle(20, 100.0), mu)
    image = osem(physics, physics.sample(activity, np.random.default_rng(1)), 6, 4).numpy()
    middle = np.abs(z) < 2.5
    assert image[rod & middle].mean() == pytest.approx(4e6, rel=0.15)
    assert image[body & ~rod & middle].mean() == pytest.approx(1e6, rel=0.15)


def test_what_cannot_be_is_refused():
    with pytest.raises(PhotopeakError, match="focus"):
        DivergingCamera(FanBeam(LEHR, 150.0), (8, 8), 4.0).physics(GRID, Orbit((0.0,), 130.0))
    with pytest.raises(PhotopeakError, match="mu must"):
        PINHOLE.physics(GRID, FRONT, torch.full(GRID.shape, -1.0))
    with pytest.raises(PhotopeakError, match="engine"):
        PINHOLE.physics(GRID, FRONT, None, "abacus")
    with pytest.raises(PhotopeakError, match="subset"):
        PINHOLE.physics(GRID, FRONT).operator.subset(1, 2)
