"""Sums over a body in one pass."""

from __future__ import annotations

from typing import Any

from photopeak.physics.engines import kernel

Array = Any  # numba sees concrete arrays; their shapes stand in the docstrings


@kernel
def total_where(uptake: Array, label: Array, wanted: Array) -> float:
    """Σ uptake over the voxels (z, y, x) whose structure is wanted (one flag a label), in double precision.

    Four running sums hide the adder's latency; their order is fixed, so the bits are.
    """
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    n = uptake.shape[2]
    for z in range(uptake.shape[0]):
        for y in range(uptake.shape[1]):
            row, names = uptake[z, y], label[z, y]
            for x in range(0, n - 3, 4):
                a += row[x] * wanted[names[x]]
                b += row[x + 1] * wanted[names[x + 1]]
                c += row[x + 2] * wanted[names[x + 2]]
                d += row[x + 3] * wanted[names[x + 3]]
            for x in range(n - n % 4, n):
                a += row[x] * wanted[names[x]]
    return (a + b) + (c + d)
