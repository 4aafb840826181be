"""Trilinear interpolation in plain torch, on any device, in any precision: the sparse matrix, corner by corner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int

Tensor = torch.Tensor


def read_at(volume: Float[Tensor, "z y x"], places: Sequence[Tensor]) -> Tensor:
    """The volume at places (z, y, x) in voxels, which broadcast; nothing lies outside it."""
    flat = volume.reshape(-1)
    total = torch.zeros((), device=volume.device, dtype=volume.dtype)
    for index, weight in _corners(places, volume.shape):
        total = total + weight.to(volume) * flat[index]
    return total


def given_to(values: Tensor, places: Sequence[Tensor], shape: tuple[int, int, int]) -> Float[Tensor, "z y x"]:
    """The transpose of ``read_at``: each of the eight voxels around a place gets its share of the value there."""
    out = values.new_zeros(int(np.prod(shape)))
    for index, weight in _corners(places, shape):
        out.index_add_(0, index.reshape(-1), (weight.to(values) * values).reshape(-1))
    return out.reshape(shape)


def _corners(
    places: Sequence[Tensor], shape: Sequence[int]
) -> Iterator[tuple[Int[Tensor, " ..."], Float[Tensor, " ..."]]]:
    """Index and weight of each of the eight voxels around every place; weight 0 for one that lies outside."""
    low = [at.double().floor() for at in places]
    for corner in np.ndindex(2, 2, 2):
        weight = torch.ones((), device=places[0].device, dtype=torch.float64)
        index = torch.zeros((), device=places[0].device, dtype=torch.int64)
        for at, first, step, n in zip(places, low, corner, shape, strict=True):
            i = first + step
            weight = weight * (1.0 - (at - i).abs()) * ((i >= 0) & (i < n))
            index = index * n + i.clamp(0, n - 1).long()
        yield index, weight
