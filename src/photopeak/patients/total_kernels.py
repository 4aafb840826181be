"""Sums over a body in one pass."""

from __future__ import annotations

from typing import Any

from photopeak.physics.engines import kernel

Array = Any  # numba sees concrete arrays; their shapes stand in the docstrings


@kernel
def total_where(uptake: Array, label: Array, wanted: Array) -> float:
    """Σ uptake over the voxels (z, y, x) whose structure is wanted (one flag a label), in double precision."""
    total = 0.0
    for z in range(uptake.shape[0]):
        for y in range(uptake.shape[1]):
            for x in range(uptake.shape[2]):
                if wanted[label[z, y, x]]:
                    total += uptake[z, y, x]
    return total
