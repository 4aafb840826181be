"""Kernels of the warp: read a volume where the tissue came from, and the transpose, which gives back to it."""

from __future__ import annotations

import numba

from photopeak.physics.engines import Array, kernel, parallel_kernel
from photopeak.physics.trilinear_kernels import Pair, around, give_to, value_at


@kernel
def _place(offset: Array, z: int, y: int, x: int, shape: tuple[int, int, int]) -> tuple[Pair, Pair, Pair]:
    return (
        around(z + offset[0, z, y, x], shape[0]),
        around(y + offset[1, z, y, x], shape[1]),
        around(x + offset[2, z, y, x], shape[2]),
    )


@parallel_kernel
def pull(volume: Array, offset: Array, out: Array) -> None:
    """out[r] = volume(r + offset[:, r]) by trilinear interpolation; nothing lies outside the volume."""
    shape = volume.shape
    for z in numba.prange(shape[0]):
        for y in range(shape[1]):
            for x in range(shape[2]):
                here = _place(offset, z, y, x, shape)
                out[z, y, x] = value_at(volume, here[0], here[1], here[2])


@parallel_kernel
def push(values: Array, offset: Array, parts: Array, out: Array) -> None:
    """The transpose of ``pull``; ``parts`` are ``GROUPS`` volumes to work in."""
    shape = values.shape
    for group in numba.prange(parts.shape[0]):
        part = parts[group]
        part[:] = 0.0
        for z in range(group, shape[0], parts.shape[0]):
            for y in range(shape[1]):
                for x in range(shape[2]):
                    here = _place(offset, z, y, x, shape)
                    give_to(part, here[0], here[1], here[2], values[z, y, x])
    for z in numba.prange(shape[0]):
        out[z] = parts[0, z]
        for group in range(1, parts.shape[0]):
            out[z] += parts[group, z]
