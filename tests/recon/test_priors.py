"""Priors: gradients are those of the energies, flat images cost nothing, edges of the anatomy are let be."""

from __future__ import annotations

import pytest
import torch

from photopeak.core import PhotopeakError
from photopeak.recon.priors import SHIFTS, Pairwise, Prior, TotalVariation, bowsher

SHAPE = (5, 6, 7)


def image(seed: int = 0) -> torch.Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.1


def priors() -> list[Prior]:
    return [
        Pairwise("quadratic"),
        Pairwise("huber", 0.2),
        Pairwise("relative", 2.0),
        TotalVariation(0.05),
        bowsher(image(9), 5),
    ]


@pytest.mark.parametrize("prior", priors(), ids=lambda p: getattr(p, "potential", "tv"))
def test_the_gradient_is_that_of_the_energy(prior):
    assert isinstance(prior, Prior)
    x = image().requires_grad_(True)
    (by_autograd,) = torch.autograd.grad(prior.energy(x), x)
    assert torch.allclose(prior.gradient(x.detach()), by_autograd, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("prior", priors(), ids=lambda p: getattr(p, "potential", "tv"))
def test_a_flat_image_is_the_cheapest(prior):
    flat = torch.full(SHAPE, 0.7, dtype=torch.float64)
    assert float(prior.gradient(flat).abs().max()) < 1e-12
    assert float(prior.energy(flat)) < float(prior.energy(flat + 0.1 * image()))


def test_half_of_the_26_neighbours_make_all_pairs_once():
    assert len(SHIFTS) == 13
    assert not set(SHIFTS) & {(-z, -y, -x) for z, y, x in SHIFTS}
    two = torch.zeros((1, 1, 2), dtype=torch.float64)
    two[..., 1] = 3.0
    assert float(Pairwise("quadratic").energy(two)) == 4.5


def test_the_relative_difference_does_not_hang_on_the_scale():
    x, prior = image(), Pairwise("relative", 2.0)
    assert torch.allclose(prior.gradient(1000.0 * x), prior.gradient(x), rtol=1e-5)


def test_bowsher_looks_along_an_edge_and_not_across_it():
    anatomy = torch.zeros((3, 8, 8))
    anatomy[..., 4:] = 1.0
    step = 2.0 * anatomy.double() + 1.0
    assert float(bowsher(anatomy, 7).energy(step)) == pytest.approx(0.0, abs=1e-12)
    assert float(Pairwise("relative").energy(step)) > 1.0


def test_what_is_no_prior_is_refused():
    with pytest.raises(PhotopeakError, match="potential"):
        Pairwise("median")
    with pytest.raises(PhotopeakError, match="above 0"):
        Pairwise("huber", 0.0)
    with pytest.raises(PhotopeakError, match="1 to 26"):
        bowsher(image(), 0)
