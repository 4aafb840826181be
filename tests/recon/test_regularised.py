"""Penalised likelihood: the objective falls, all methods go to one maximum, the prior takes noise away."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from photopeak.core import Grid, PhotopeakError
from photopeak.core.grid import scaling
from photopeak.physics.physics import Physics
from photopeak.physics.spect import Orbit, SpectCamera
from photopeak.recon.em import osem
from photopeak.recon.priors import Pairwise
from photopeak.recon.regularised import bsrem, osl, svrg
from photopeak.recon.sart import sart

pytestmark = pytest.mark.untraced

GRID = Grid.volume((4, 14, 14), scaling((8.0, 8.0, 8.0)))
PRIOR = Pairwise("relative", 2.0)
BETA = 1.0


@pytest.fixture(scope="module")
def physics() -> Physics:
    operator = SpectCamera(sensitivity_cps_per_mbq=2e6).physics(GRID, Orbit.circle(12, 120.0)).operator
    return Physics(operator, torch.full(operator.range.shape, 0.2))


@pytest.fixture(scope="module")
def y(physics) -> torch.Tensor:
    truth = torch.zeros(GRID.shape)
    truth[:, 4:10, 4:10] = 1.0
    truth[:, 5:7, 7:9] = 3.0
    return physics.sample(truth, np.random.default_rng(2))


def cost(physics: Physics, y: torch.Tensor, x: torch.Tensor) -> float:
    return float(physics.nll(x, y)) + BETA * float(PRIOR.energy(x))


def test_bsrem_in_one_piece_goes_downhill(physics, y):
    values: list[float] = []
    bsrem(physics, y, PRIOR, BETA, 25, 1, progress=lambda _, x: values.append(cost(physics, y, x)), fade=0.0)
    assert all(b <= a + 1e-6 * abs(a) for a, b in itertools.pairwise(values))


def test_all_methods_go_to_one_maximum(physics, y):
    best = bsrem(physics, y, PRIOR, BETA, 400, 1, fade=0.0)
    reached = cost(physics, y, best)
    start = cost(physics, y, osem(physics, y, 1, 4))
    for name, image in {
        "bsrem": bsrem(physics, y, PRIOR, BETA, 60, 4),
        "svrg": svrg(physics, y, PRIOR, BETA, 60, 4, tolerance=0.0),
        "osl": osl(physics, y, PRIOR, BETA, 150, 1),
    }.items():
        assert cost(physics, y, image) - reached < 0.01 * (start - reached), name
        assert float((image - best).norm() / best.norm()) < 0.05, name


def test_svrg_stops_by_itself(physics, y):
    seen: list[int] = []
    svrg(physics, y, PRIOR, BETA, 200, 4, progress=lambda i, _: seen.append(i), tolerance=1e-3)
    assert 3 < len(seen) < 100


def test_the_prior_takes_noise_away_and_keeps_the_counts(physics, y):
    noisy, smooth = osem(physics, y, 40, 4), bsrem(physics, y, PRIOR, 3.0, 40, 4)
    flat = (slice(None), slice(8, 10), slice(4, 10))
    assert float(smooth[flat].std()) < 0.7 * float(noisy[flat].std())
    assert float(physics.mean(smooth).sum()) == pytest.approx(float(y.sum()), rel=0.02)


def test_a_prior_without_weight_is_no_prior(physics, y):
    assert torch.allclose(osl(physics, y, PRIOR, 0.0, 3, 4), osem(physics, y, 3, 4), rtol=1e-5)


def test_a_prior_too_strong_for_one_step_late_is_refused(physics, y):
    with pytest.raises(PhotopeakError, match="bsrem"):
        osl(physics, y, PRIOR, 1e3, 5, 1)
    with pytest.raises(PhotopeakError, match="beta"):
        bsrem(physics, y, PRIOR, -1.0, 5)


def test_sart_solves_what_has_no_noise(physics):
    truth = torch.zeros(GRID.shape)
    truth[:, 4:10, 5:9] = 1.0
    clean = physics.mean(truth)
    residuals: list[float] = []
    image = sart(physics, clean, 30, 4, progress=lambda _, x: residuals.append(float((physics.mean(x) - clean).norm())))
    assert residuals[-1] < 0.01 * float(clean.norm())
    assert residuals[-1] < residuals[0]
    assert float((image - truth).norm() / truth.norm()) < 0.35
    with pytest.raises(PhotopeakError, match="relax"):
        sart(physics, clean, 2, relax=2.5)
