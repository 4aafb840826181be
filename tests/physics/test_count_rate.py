"""Dead time against its two laws, and its kernel against its torch version."""

import math

import numpy as np
import pytest
import torch

from photopeak.core import PhotopeakError
from photopeak.physics import planar_kernels
from photopeak.physics.count_rate import DeadTime

RATES = torch.tensor([0.0, 1e3, 5e4, 3e5], dtype=torch.float64)


@pytest.mark.parametrize("paralysable", [False, True])
def test_rates_and_their_derivative(paralysable):
    dead = DeadTime(2e-6, 1.0, paralysable)
    law = RATES * torch.exp(-RATES * 2e-6) if paralysable else RATES / (1 + RATES * 2e-6)
    assert torch.allclose(dead.observed(RATES), law)
    rate = RATES.clone().requires_grad_(True)
    dead.observed(rate).sum().backward()
    assert torch.allclose(dead.derivative(RATES), rate.grad)


def test_the_paralysable_camera_sees_most_at_one_over_tau():
    dead = DeadTime(1e-6, 1.0, True)
    rates = torch.linspace(1e5, 4e6, 400, dtype=torch.float64)
    assert rates[dead.observed(rates).argmax()].item() == pytest.approx(1e6, rel=0.02)
    assert dead.observed(torch.tensor(1e6)).item() == pytest.approx(1e6 / math.e, rel=1e-4)


def test_a_static_image_loses_its_share():
    mean = torch.full((2, 10, 10), 1000.0)
    seen = DeadTime(1e-5, 2.0, events_per_count=2.0)(mean)
    assert torch.allclose(seen, mean / (1 + 2 * 100_000 / 2.0 * 1e-5))


@pytest.mark.parametrize("paralysable", [False, True])
def test_a_scan_loses_most_where_most_is_in_view(paralysable):
    mean = torch.ones((60, 4))
    mean[30] = 5000.0
    dead = DeadTime(1e-3, 10.0, paralysable, rows_in_view=9)
    live = (dead(mean) / mean)[:, 0]
    assert live.argmin() == 30
    assert torch.allclose(live[:21], live[0], rtol=1e-2)
    assert live[30] < live[35] < live[20]
    kernel = mean.numpy().copy()
    planar_kernels.lose_to_dead_time(kernel, 9, 1e-3 / 10.0, paralysable)
    assert kernel == pytest.approx(dead(mean).numpy(), rel=2e-6)


def test_gradients_pass_through():
    dead = DeadTime(1e-3, 10.0, rows_in_view=3)
    mean = torch.rand((1, 6, 5), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(dead, (mean * 100,))


def test_nonsense_is_refused():
    for settings in ({"tau_s": -1.0}, {"duration_s": 0.0}, {"events_per_count": 0.5}):
        with pytest.raises(PhotopeakError, match="dead time"):
            DeadTime(**{"tau_s": 1e-6, "duration_s": 1.0, **settings})


def test_no_dead_time_no_loss():
    mean = torch.rand((3, 7, 7))
    assert torch.equal(DeadTime(0.0, 1.0)(mean), mean)
    assert np.isclose(DeadTime(0.0, 1.0).derivative(torch.tensor(1e5)).item(), 1.0)
