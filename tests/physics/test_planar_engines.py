"""Kernels against plain torch: forward, adjoint, gradients, every branch; and Physics on top of them."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from photopeak.core import Grid, PhotopeakError, scaling
from photopeak.core.contracts import check_operator
from photopeak.physics.noise import Gaussian
from photopeak.physics.physics import Physics
from photopeak.physics.planar import LOW_SCATTER, VIEWS, PlanarCamera, expected_counts

CAMERA = PlanarCamera(matrix=(110, 90), pixel_mm=3.0, field_mm=(120.0, 255.0))
GRID = Grid.volume((37, 18, 41), scaling((4.0, 4.0, 4.0), (-75.0, 10.0, 5.0)))


def patient(seed=1, grid=GRID):
    """Random activity and μ, with what each branch of the kernels meets: empty rows and slices, metal, air."""
    generator = torch.Generator().manual_seed(seed)
    mu = torch.rand(grid.shape, generator=generator) * 0.3
    activity = torch.rand(grid.shape, generator=generator) * 1e4
    mu[:, :3], mu[:, 9], mu[5] = 0.0, 0.0, 0.0
    mu[20, 11, 10:20] = 27.0  # lead
    mu[21, 11, 10:20] = 1.9  # cobalt chrome
    activity[:, 12] = 0.0
    activity[8:10] = 0.0
    return activity, mu


def close(a, b, tolerance):
    return float((a.double() - b.double()).norm() / b.double().norm()) < tolerance


@pytest.mark.parametrize("window", [None, LOW_SCATTER])
@pytest.mark.parametrize("views", [VIEWS, VIEWS[:1], VIEWS[1:], VIEWS[::-1]])
def test_engines_agree_forward_and_back(views, window):
    activity, mu = patient()
    kernels = CAMERA.physics(mu, GRID, views, window, "numba").operator
    plain = CAMERA.physics(mu.double(), GRID, views, window, "torch").operator
    y, expected = kernels(activity), plain(activity.double())
    assert y.shape == (len(views), 110, 90)
    assert close(y, expected, 1e-5)
    assert float((y - expected).abs().max() / expected.max()) < 1e-5
    image = torch.rand(y.shape, generator=torch.Generator().manual_seed(3))
    assert close(kernels.adjoint(image), plain.adjoint(image.double()), 1e-5)
    assert kernels.range.labels("view") == tuple(views)


@pytest.mark.parametrize("engine", ["numba", "torch", "exact"])
def test_the_operator_contract_holds(engine):
    activity, mu = patient()
    operator = CAMERA.physics(mu, GRID, engine=engine).operator
    y = torch.rand(operator.range.shape, generator=torch.Generator().manual_seed(3))
    assert check_operator(operator, activity, y) < 1e-6


@settings(max_examples=15, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 12), st.integers(1, 9), st.integers(1, 20)),
    voxel_mm=st.floats(1.5, 9.0),
    pixel_mm=st.floats(1.0, 6.0),
    seed=st.integers(0, 99),
)
def test_engines_agree_on_any_geometry(shape, voxel_mm, pixel_mm, seed):
    grid = Grid.volume(shape, scaling((voxel_mm,) * 3, (-voxel_mm * shape[2] / 2, 3.0, -20.0)))
    camera = dataclasses.replace(CAMERA, matrix=(40, 30), pixel_mm=pixel_mm, head_margin_mm=5.0)
    generator = torch.Generator().manual_seed(seed)
    mu, x = torch.rand(shape, generator=generator) * 0.2, torch.rand(shape, generator=generator)
    kernels, plain = (camera.physics(mu.double(), grid, engine=e).operator for e in ("numba", "torch"))
    y = torch.rand((2, 40, 30), generator=generator)
    assert torch.allclose(kernels(x).double(), plain(x.double()), rtol=1e-5, atol=1e-5 * float(plain(x).max()))
    gap = (kernels(x).double() * y).sum() - (x.double() * kernels.adjoint(y)).sum()
    assert abs(float(gap)) <= 1e-6 * float(kernels(x).double().norm() * y.double().norm()) + 1e-30


def test_interpolated_widths_against_each_planes_own():
    """What the nodes leave out of a whole image: below 3e-4 of its norm, 1e-3 of its maximum."""
    activity, mu = patient()
    nodes, exact = (CAMERA.physics(mu, GRID, engine=e).operator(activity) for e in ("torch", "exact"))
    assert close(nodes, exact, 3e-4)
    assert float((nodes - exact).abs().max() / exact.max()) < 1e-3
    coarse = dataclasses.replace(CAMERA, depth_nodes=2).physics(mu, GRID, engine="torch").operator(activity)
    assert not close(coarse, exact, 3e-4)


def test_gradient_of_the_likelihood_is_the_adjoint_of_its_residual():
    activity, mu = patient()
    physics = dataclasses.replace(CAMERA, dead_time_s=0.0).physics(mu, GRID)
    y = physics.sample(activity, np.random.Generator(np.random.Philox(3)))
    x = activity.clone().requires_grad_(True)
    physics.nll(x, y).backward()
    mean = physics.mean(activity)
    residual = torch.where(mean > 0, 1.0 - y / mean.clamp_min(1e-30), 1.0)
    assert torch.allclose(x.grad, physics.operator.adjoint(residual), rtol=1e-3, atol=1e-4 * float(x.grad.abs().max()))


def test_a_batch_and_a_subset_of_views():
    activity, mu = patient()
    for engine in ("numba", "torch"):
        operator = CAMERA.physics(mu, GRID, engine=engine).operator
        whole = operator(torch.stack([activity, 2 * activity]))
        assert whole.shape == (2, 2, 110, 90)
        posterior = operator.subset(1, 2)
        assert torch.allclose(posterior(activity), whole[0, 1:], rtol=1e-5)
        assert posterior.range.labels("view") == ("posterior",)
        assert check_operator(posterior, activity, torch.rand(posterior.range.shape)) < 1e-6
        with pytest.raises(PhotopeakError, match="cannot be split into 3"):
            operator.subset(2, 3)


def test_mean_adds_background_and_dead_time():
    activity, mu = patient()
    plain = CAMERA.physics(mu, GRID)
    linear = plain.operator(activity)
    assert plain.count_rate is not None
    assert torch.equal(plain.mean(activity), plain.count_rate(linear))
    assert plain.mean(activity).sum() < linear.sum()
    shifted = dataclasses.replace(plain, background=2.0, count_rate=None)
    assert torch.equal(shifted.mean(activity), linear + 2.0)


def test_the_fast_path_is_the_same_camera():
    activity, mu = patient()
    physics = CAMERA.physics(mu, GRID)
    placement = physics.operator.placement
    image = expected_counts(activity.numpy(), mu.numpy(), placement, CAMERA, 4.0**3 * 1e-9)
    assert torch.from_numpy(image).numpy() == pytest.approx(physics.mean(activity).numpy(), rel=1e-5, abs=1e-6)


def test_samples_are_counts_with_the_right_mean():
    activity, mu = patient()
    physics = CAMERA.physics(mu, GRID)
    mean = physics.mean(activity)
    y = physics.sample(activity, np.random.Generator(np.random.Philox(5)))
    assert torch.equal(y, y.round())
    assert float((y - mean).sum().abs()) < 5 * float(mean.sum().sqrt())
    other = dataclasses.replace(physics, noise=Gaussian(0.1))
    assert isinstance(other, Physics)
    assert not torch.equal(other.sample(activity, np.random.Generator(np.random.Philox(5))), y)


def test_refusals():
    _, mu = patient()
    with pytest.raises(PhotopeakError, match=r"unknown views.*anterior"):
        CAMERA.physics(mu, GRID, ("lateral",))
    with pytest.raises(PhotopeakError, match="unknown engine"):
        CAMERA.physics(mu, GRID, engine="cuda")
    with pytest.raises(PhotopeakError, match="give mu on the grid"):
        CAMERA.physics(mu[1:], GRID)
    oblong = Grid.volume(GRID.shape, scaling((4.0, 4.0, 5.0)))
    with pytest.raises(PhotopeakError, match="cubic voxels"):
        CAMERA.physics(mu, oblong)
