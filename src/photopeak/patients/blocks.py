"""Parts and blocks of a body's voxels: what every tomographic protocol cuts out and averages."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Shaped

Half = Float32[np.ndarray, " _z _y _x"]
Cut = Shaped[np.ndarray, " _z _y _x"]


def cut(values: Cut, start: tuple[int, int, int], shape: tuple[int, int, int]) -> Cut:
    """The part of an array that begins at ``start``; nothing where the array ends."""
    out = np.zeros(shape, values.dtype)
    low = [max(0, s) for s in start]
    high = [min(n, s + k) for n, s, k in zip(values.shape, start, shape, strict=True)]
    here = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    there = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))
    out[there] = values[here]
    return out


def blocks(values: Cut) -> Shaped[np.ndarray, " _z _y _x 8"]:
    """The eight voxels of every block, last."""
    z, y, x = (n // 2 for n in values.shape)
    return values.reshape(z, 2, y, 2, x, 2).transpose(0, 2, 4, 1, 3, 5).reshape(z, y, x, 8)


def halved(values: Half) -> Half:
    """Means of blocks of eight voxels, one axis after the other."""
    for axis in range(3):
        even, odd = (values[(slice(None),) * axis + (slice(k, None, 2),)] for k in (0, 1))
        values = np.float32(0.5) * (even + odd)
    return values


def paired(values: Half) -> Half:
    """Means of two slices."""
    return np.asarray(np.float32(0.5) * (values[0::2] + values[1::2]))


def most_active(label: Cut, uptake: Half) -> Cut:
    """In each block of eight voxels the structure of the one that holds the most uptake."""
    most = blocks(uptake + np.float32(1e-6) * (label > 0)).argmax(-1)[..., None]
    return np.ascontiguousarray(np.take_along_axis(blocks(label), most, -1)[..., 0])
