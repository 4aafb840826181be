"""Noise models: how counts scatter about their mean, and how likely a measurement is."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32, UInt16
from numpy.typing import NDArray

from photopeak.core import PhotopeakError
from photopeak.physics.poisson_kernels import poisson

Tensor = torch.Tensor


@runtime_checkable
class Noise(Protocol):
    """Draws a measurement from its mean, and weighs a measurement against a mean."""

    def sample(self, mean: Tensor, rng: np.random.Generator) -> Tensor: ...

    def nll(self, mean: Tensor, y: Tensor) -> Tensor: ...


class Poisson:
    """Counting statistics: p(y | m) = m^y e^{−m} / y!."""

    def sample(self, mean: Tensor, rng: np.random.Generator) -> Tensor:
        """Whole counts with this mean, from ``rng``'s stream."""
        drawn = poisson_counts(mean.detach().cpu().float().contiguous().numpy(), rng)
        return torch.from_numpy(drawn.astype(np.float32)).to(mean)

    def nll(self, mean: Tensor, y: Tensor) -> Tensor:
        """Σ m − y ln m, the negative log-likelihood up to Σ ln y!, which no reconstruction can change."""
        return (mean - torch.xlogy(y, mean.clamp_min(torch.finfo(mean.dtype).tiny))).sum()


class Gaussian:
    """Independent normal noise of one standard deviation, for data that are no longer counts."""

    def __init__(self, sd: float) -> None:
        if sd <= 0:
            raise PhotopeakError(f"a standard deviation of {sd} is no noise. Remedy: give a positive one.")
        self.sd = sd

    def sample(self, mean: Tensor, rng: np.random.Generator) -> Tensor:
        return mean + self.sd * torch.from_numpy(rng.standard_normal(tuple(mean.shape))).to(mean)

    def nll(self, mean: Tensor, y: Tensor) -> Tensor:
        """Σ (y − m)²/2σ², up to a constant."""
        return ((y - mean) ** 2).sum() / (2.0 * self.sd**2)


def poisson_counts(mean: Float32[np.ndarray, " ..."], rng: np.random.Generator) -> NDArray[np.int32]:
    """Poisson counts, each from a counter-based stream of its own.

    ``rng`` gives a 96-bit key once; element i then draws from Philox4x32-10 at counters of its own
    :cite:`salmon2011`. Its count therefore does not depend on threads, order or its neighbours' means.
    """
    key = rng.integers(0, 2**32, size=3, dtype=np.uint32)
    flat = np.ascontiguousarray(mean, np.float32).reshape(-1)
    if flat.size and not (flat.min() >= 0.0 and flat.max() < 1e9):  # False for NaN as well
        raise PhotopeakError("a Poisson mean must be finite, at least 0 and below 1e9. Remedy: check the counts model.")
    counts = np.empty(flat.size, np.int32)
    poisson(flat, key, counts)
    return counts.reshape(mean.shape)


def as_uint16(counts: NDArray[np.int32]) -> UInt16[np.ndarray, " ..."]:
    """Counts as a camera stores them: 16 bits, held at 65,535."""
    return np.minimum(counts, 65535).astype(np.uint16)
