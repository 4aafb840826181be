"""Motion: a point lands where it should, nothing is lost, and an image is recovered from gates that moved."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from photopeak.core import Grid, PhotopeakError
from photopeak.core.contracts import check_operator
from photopeak.core.grid import scaling
from photopeak.physics.motion import Gates, Moving, Rigid, Shifted, warp
from photopeak.physics.physics import Physics
from photopeak.physics.spect import Orbit, SpectCamera
from photopeak.recon.em import osem

GRID = Grid.volume((12, 16, 14), scaling((4.0, 4.0, 4.0), (-20.0, 5.0, 300.0)))


def ball(grid: Grid, at_mm: tuple[float, float, float], radius_mm: float) -> torch.Tensor:
    matrix = grid.matrix_mm
    z, y, x = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    places = (v * matrix[i, i] + matrix[i, 3] - at_mm[i] for i, v in enumerate((x, y, z)))
    return torch.from_numpy((sum(p**2 for p in places) < radius_mm**2).astype(np.float32))


@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_a_shifted_point_lands_where_it_should(engine):
    point = torch.zeros(GRID.shape)
    point[5, 6, 7] = 8.0
    moved = warp(GRID, Rigid(shift_mm=(8.0, -4.0, 2.0)), engine)(point)
    expected = torch.zeros(GRID.shape)
    expected[5:7, 5, 9] = 4.0  # two columns to the left, one row to the front, half a slice up
    assert torch.allclose(moved, expected, atol=1e-5)


@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_a_quarter_turn_takes_the_left_to_the_back(engine):
    grid = Grid.volume((3, 9, 9), scaling((4.0, 4.0, 4.0), (100.0, 50.0, 0.0)))
    point = torch.zeros(grid.shape)
    point[1, 4, 7] = 1.0
    moved = warp(grid, Rigid(turn_deg=(0.0, 0.0, 90.0)), engine)(point)  # from x to y
    assert int(moved.argmax()) == np.ravel_multi_index((1, 7, 4), grid.shape)
    assert float(moved.sum()) == pytest.approx(1.0, abs=1e-5)


def test_activity_is_kept_away_from_the_edges():
    blob = torch.zeros(GRID.shape)
    blob[4:8, 5:11, 4:10] = torch.rand((4, 6, 6), generator=torch.Generator().manual_seed(1))
    moved = warp(GRID, Rigid(shift_mm=(3.1, -5.3, 6.7)))(blob)
    assert float(moved.sum()) == pytest.approx(float(blob.sum()), rel=1e-5)
    gone = warp(GRID, Rigid(shift_mm=(500.0, 0.0, 0.0)))(blob)
    assert float(gone.abs().max()) == 0.0


def test_both_engines_agree_on_a_dense_field_and_their_transposes_are_exact():
    generator = torch.Generator().manual_seed(2)
    field = 9.0 * torch.randn((3, *GRID.shape), generator=generator)
    kernel, plain = warp(GRID, field, "numba"), warp(GRID, field, "torch")
    x, y = torch.rand(GRID.shape, generator=generator), torch.rand(GRID.shape, generator=generator)
    assert check_operator(kernel, x, y) < 1e-6
    assert check_operator(plain, x.double(), y.double()) < 1e-12
    assert torch.allclose(kernel(x), plain(x), atol=1e-5)
    assert torch.allclose(kernel.adjoint(y), plain.adjoint(y), atol=1e-5)


def test_motion_composes_with_a_camera_and_its_subsets():
    camera = SpectCamera().physics(GRID, Orbit.circle(6, 120.0)).operator
    moved = Rigid((4.0, 0.0, 4.0), (0.0, 5.0, 0.0))
    still, there = camera @ warp(GRID, Rigid()), camera @ warp(GRID, moved)
    generator = torch.Generator().manual_seed(3)
    x = torch.rand(GRID.shape, generator=generator)
    gates = Gates([still, there])
    y = torch.rand(gates.range.shape, generator=generator)
    assert gates.range.shape == (6, 2, 12, 16)
    assert check_operator(gates, x, y) < 1e-6
    assert torch.equal(gates.subset(1, 3)(x), gates(x)[1::3])
    moving = Moving(camera, [None, None, None, *[warp(GRID, moved)] * 3])
    assert check_operator(moving, x, y[:, 0]) < 1e-6
    assert torch.allclose(moving(x), torch.cat([still(x)[:3], there(x)[3:]]), rtol=1e-5)
    assert torch.allclose(moving.subset(1, 2)(x), moving(x)[1::2])


def test_a_shift_of_the_views_is_a_shift_of_the_patient():
    grid = Grid.volume((16, 20, 20), scaling((4.0, 4.0, 4.0)))
    orbit = Orbit.circle(8, 200.0)
    operator = SpectCamera(collimator=None).physics(grid, orbit).operator
    x = ball(grid, (38.0, 42.0, 30.0), 14.0)
    theta = torch.deg2rad(torch.tensor(orbit.angles_deg))
    # 8 mm to the left, 4 mm to the back and 8 mm up: columns along (−cos θ, sin θ), rows down.
    columns = -2.0 * theta.cos() + 1.0 * theta.sin()
    seen = Shifted(operator, torch.stack([torch.full((8,), -2.0), columns], 1))(x)
    true = operator(warp(grid, Rigid((8.0, 4.0, 8.0)))(x))
    assert float((seen - true).norm() / true.norm()) < 0.06  # of interpolation
    assert torch.allclose(seen.sum((1, 2)), true.sum((1, 2)), rtol=3e-3)
    y = torch.rand(seen.shape, generator=torch.Generator().manual_seed(4))
    assert check_operator(Shifted(operator, torch.rand((8, 2))), x, y) < 1e-6


def test_an_image_from_all_gates_recovers_a_moving_sphere():
    grid = Grid.volume((16, 24, 24), scaling((5.0, 5.0, 5.0)))
    middle = (57.5, 57.5, 32.5)
    x = 0.1 * ball(grid, middle, 50.0) + ball(grid, middle, 11.0)
    x *= 40_000.0
    camera = SpectCamera().physics(grid, Orbit.circle(16, 120.0)).operator
    shifts = (-10.0, 0.0, 10.0)
    gated = Gates([camera @ warp(grid, Rigid((0.0, 0.0, z))) for z in shifts])
    counts = Physics(gated).sample(x, np.random.default_rng(1))
    compensated = osem(Physics(gated), counts, 6, 4)
    smeared = osem(Physics(Gates([camera] * 3)), counts, 6, 4)
    sphere, wall = ball(grid, middle, 11.0) > 0, ball(grid, middle, 40.0) - ball(grid, middle, 28.0) > 0
    found, without = (float(i[sphere].mean() / i[wall].mean()) for i in (compensated, smeared))
    true = float(x[sphere].mean() / x[wall].mean())
    assert found > 0.8 * true
    assert without < 0.75 * found


@pytest.mark.parametrize(
    "make",
    [
        lambda: warp(GRID, torch.zeros((3, 2, 2, 2))),
        lambda: warp(GRID, torch.full((3, *GRID.shape), torch.nan)),
        lambda: warp(GRID, Rigid(), "abacus"),
        lambda: Gates([warp(GRID, Rigid()), SpectCamera().physics(GRID, Orbit.circle(2, 100.0)).operator]),
        lambda: Moving(SpectCamera().physics(GRID, Orbit.circle(2, 100.0)).operator, [None]),
        lambda: Shifted(SpectCamera().physics(GRID, Orbit.circle(2, 100.0)).operator, torch.zeros((3, 2))),
    ],
)
def test_what_does_not_fit_is_refused(make):
    with pytest.raises(PhotopeakError, match="Remedy"):
        make()
