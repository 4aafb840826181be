"""Kernels of cameras whose rays spread: read a volume at given places, and the transpose."""

from __future__ import annotations

import numba

from photopeak.physics.engines import Array, parallel_kernel
from photopeak.physics.trilinear_kernels import around, give_to, value_at


@parallel_kernel
def sample(volume: Array, z: Array, y: Array, x: Array, out: Array) -> None:
    """out[d, w, u] = volume at (z[d, w], y[d, u], x[d, u]) by trilinear interpolation; nothing lies outside."""
    shape = volume.shape
    for d in numba.prange(out.shape[0]):
        for w in range(out.shape[1]):
            slices = around(z[d, w], shape[0])
            for u in range(out.shape[2]):
                out[d, w, u] = value_at(volume, slices, around(y[d, u], shape[1]), around(x[d, u], shape[2]))


@parallel_kernel
def spread(values: Array, z: Array, y: Array, x: Array, parts: Array) -> None:
    """parts[group] += the transpose of ``sample`` for every fourth plane; their sum is the volume."""
    for group in numba.prange(parts.shape[0]):
        part = parts[group]
        for d in range(group, values.shape[0], parts.shape[0]):
            for w in range(values.shape[1]):
                slices = around(z[d, w], part.shape[0])
                for u in range(values.shape[2]):
                    rows, columns = around(y[d, u], part.shape[1]), around(x[d, u], part.shape[2])
                    give_to(part, slices, rows, columns, values[d, w, u])
