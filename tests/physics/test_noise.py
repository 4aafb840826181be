"""Counting noise: the generator against its published answers, the distribution against Poisson's law."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from photopeak.core import PhotopeakError
from photopeak.physics import poisson_kernels
from photopeak.physics.noise import Gaussian, Poisson, as_uint16, poisson_counts


def stream(seed=1):
    return np.random.Generator(np.random.Philox(seed))


#: counter, key -> words: the known answers that Random123 publishes for philox4x32-10
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_philox_gives_the_published_words(counter, key, words):
    assert tuple(int(w) for w in poisson_kernels.philox(*key, *counter)) == words


@pytest.mark.parametrize("mean", [0.05, 0.7, 3.0, 9.99, 10.0, 25.0, 140.0, 2500.0])
def test_counts_follow_poissons_law(mean):
    """χ² over the values, at 1e-4 with a fixed seed; and mean = variance within five standard errors."""
    n = 200_000
    counts = poisson_counts(np.full(n, mean, np.float32), stream(int(mean * 100)))
    law = stats.poisson(float(np.float32(mean)))
    edges = np.unique(law.ppf(np.linspace(0.0, 1.0, 41)[1:-1]))
    expected = np.diff(np.concatenate([[0.0], law.cdf(edges), [1.0]])) * n
    observed = np.bincount(np.searchsorted(edges, counts), minlength=len(expected))
    assert stats.chisquare(observed[expected > 5], expected[expected > 5], sum_check=False).pvalue > 1e-4
    assert counts.mean() == pytest.approx(mean, abs=5 * math.sqrt(mean / n))
    spread = math.sqrt((mean + 2 * mean**2) / n)  # standard error of the variance of a Poisson sample
    assert counts.var() == pytest.approx(mean, abs=5 * spread)


def test_neighbours_are_independent():
    counts = poisson_counts(np.full((500, 400), 4.0, np.float32), stream()).astype(float)
    for a, b in ((counts[:, 1:], counts[:, :-1]), (counts[1:], counts[:-1]), (counts[:, 4:], counts[:, :-4])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5 / math.sqrt(a.size)


def test_same_stream_same_counts_whatever_the_neighbours():
    mean = stream(5).uniform(0, 40, (64, 33)).astype(np.float32)
    once, again = poisson_counts(mean, stream()), poisson_counts(mean, stream())
    assert np.array_equal(once, again)
    assert not np.array_equal(once, poisson_counts(mean, stream(2)))
    changed = mean.copy()
    changed[0] = 0.0
    assert np.array_equal(poisson_counts(changed, stream())[1:], once[1:])


def test_one_draw_takes_a_fixed_part_of_the_stream():
    small, large = stream(), stream()
    poisson_counts(np.ones(3, np.float32), small)
    poisson_counts(np.full(5000, 99.0, np.float32), large)
    assert small.integers(2**63) == large.integers(2**63)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf, 2e9])
def test_impossible_means_are_refused(bad):
    with pytest.raises(PhotopeakError, match="finite"):
        poisson_counts(np.array([1.0, bad], np.float32), stream())


def test_no_pixels_no_counts_and_zero_stays_zero():
    assert poisson_counts(np.zeros((0, 4), np.float32), stream()).shape == (0, 4)
    assert not poisson_counts(np.zeros(1000, np.float32), stream()).any()


def test_sixteen_bits_are_held_at_their_greatest():
    assert as_uint16(np.array([0, 7, 65535, 70000], np.int32)).tolist() == [0, 7, 65535, 65535]


def test_likelihood_is_poissons():
    mean = torch.tensor([0.5, 3.0, 20.0], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0.0, 4.0, 17.0], dtype=torch.float64)
    nll = Poisson().nll(mean, y)
    law = -stats.poisson.logpmf(y.numpy(), mean.detach().numpy()).sum()
    constant = sum(math.lgamma(v + 1) for v in y.tolist())
    assert nll.item() == pytest.approx(law - constant)
    nll.backward()
    assert mean.grad.tolist() == pytest.approx((1 - y / mean.detach()).tolist())
    assert torch.isfinite(Poisson().nll(torch.zeros(3), torch.zeros(3)))


def test_gaussian_noise():
    noise = Gaussian(2.0)
    mean = torch.full((200, 200), 5.0)
    drawn = noise.sample(mean, stream())
    assert drawn.std().item() == pytest.approx(2.0, rel=0.02)
    assert drawn.mean().item() == pytest.approx(5.0, abs=0.05)
    assert noise.nll(mean, mean + 2.0).item() == pytest.approx(mean.numel() / 2)
    with pytest.raises(PhotopeakError, match="positive"):
        Gaussian(0.0)
