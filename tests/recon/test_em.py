"""EM against what theory says of it: the likelihood rises, counts are kept, truth is a fixed point."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from photopeak.core import Grid, PhotopeakError
from photopeak.core.grid import scaling
from photopeak.physics.count_rate import DeadTime
from photopeak.physics.physics import Physics
from photopeak.physics.spect import Orbit, SpectCamera
from photopeak.recon.em import em_update, mlem, osem, parts

GRID = Grid.volume((6, 16, 16), scaling((8.0, 8.0, 8.0)))


@pytest.fixture(scope="module")
def physics() -> Physics:
    mu = torch.zeros(GRID.shape)
    mu[:, 3:13, 3:13] = 0.15
    made = SpectCamera(frame_s=20.0).physics(GRID, Orbit.circle(12, 120.0), mu)
    return Physics(made.operator, torch.full(made.operator.range.shape, 0.5))


@pytest.fixture(scope="module")
def truth() -> torch.Tensor:
    activity = torch.zeros(GRID.shape)
    activity[1:5, 5:11, 5:11] = 2e4
    activity[2:4, 7:9, 8:10] = 8e4
    return activity


def test_the_likelihood_never_falls_and_the_background_keeps_its_counts(physics, truth):
    y = physics.sample(truth, np.random.default_rng(1))
    values: list[float] = []
    image = mlem(physics, y, 15, progress=lambda _, x: values.append(float(physics.nll(x, y))))
    assert all(b <= a + 1e-6 * abs(a) for a, b in itertools.pairwise(values))
    assert (image >= 0).all()
    # One more update gives the activity the counts that the model does not ascribe to the background.
    (part,) = parts(physics, y, 1)
    signal = physics.operator(image)
    ascribed = (y * signal / (signal + 0.5)).sum()
    assert float(physics.operator(em_update(part, image)).sum()) == pytest.approx(float(ascribed), rel=1e-5)


def test_without_background_every_update_keeps_the_counts(physics, truth):
    bare = Physics(physics.operator)
    y = bare.mean(truth)
    assert float(bare.mean(mlem(bare, y, 1)).sum()) == pytest.approx(float(y.sum()), rel=1e-5)


def test_the_truth_is_a_fixed_point(physics, truth):
    (part,) = parts(physics, physics.mean(truth), 1)
    after = em_update(part, truth)
    assert float((after - truth).abs().max()) < 1e-4 * float(truth.max())


def test_subsets_go_the_same_way_faster(physics, truth):
    y = physics.mean(truth)
    slow, fast = mlem(physics, y, 12), osem(physics, y, 3, 4)
    assert float((fast - slow).norm() / slow.norm()) < 0.05
    assert float(physics.nll(osem(physics, y, 3, 5), y)) < float(physics.nll(mlem(physics, y, 3), y))


def test_a_start_goes_on_where_an_earlier_run_ended(physics, truth):
    y = physics.mean(truth)
    assert torch.allclose(osem(physics, y, 2, 3, start=osem(physics, y, 2, 3)), osem(physics, y, 4, 3), rtol=1e-5)


def test_gradients_go_through_the_iterations(physics, truth):
    y = physics.mean(truth).requires_grad_(True)
    torch.autograd.backward(osem(physics, y, 2, 2).sum())
    assert y.grad is not None
    assert torch.isfinite(y.grad).all()
    step = torch.zeros_like(y)
    step[3, 2, 8] = 5.0
    with torch.no_grad():
        up, down = osem(physics, y + step, 2, 2).sum(), osem(physics, y - step, 2, 2).sum()
    assert float(y.grad[3, 2, 8]) == pytest.approx(float(up - down) / 10.0, rel=0.05)


def test_what_is_no_measurement_is_refused(physics, truth):
    y = physics.mean(truth)
    with pytest.raises(PhotopeakError, match="empty"):
        mlem(physics, torch.zeros_like(y), 1)
    with pytest.raises(PhotopeakError, match="finite counts"):
        mlem(physics, y - 1e9, 1)
    with pytest.raises(PhotopeakError, match="finite counts"):
        mlem(physics, torch.full_like(y, math.nan), 1)
    with pytest.raises(PhotopeakError, match="shape"):
        mlem(physics, y[:5], 1)
    with pytest.raises(PhotopeakError, match="at least 1"):
        osem(physics, y, 0)
    with pytest.raises(PhotopeakError, match="12 angles"):
        osem(physics, y, 1, 13)
    with pytest.raises(PhotopeakError, match="dead time"):
        mlem(Physics(physics.operator, 0.0, DeadTime(1e-6, 20.0)), y, 1)
