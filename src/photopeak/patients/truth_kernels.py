"""Kernels behind the truth: what each camera view sees of one lesion and of the body around it."""

from __future__ import annotations

import numpy as np

from photopeak.physics.engines import kernel


@kernel
def through_half(mu_per_cm, length_cm):  # type: ignore[no-untyped-def]
    """e^(−μL/2) by its series to the seventh degree; exponents above 1 (metal) are cut there."""
    u = -min(0.5 * mu_per_cm * length_cm, 1.0)
    p = 1.0
    for n in range(7, 0, -1):
        p = 1.0 + p * u / n
    return p


@kernel
def look(uptake, mu, length_cm, lesion, box, lesion_sum, depth_sum, body_sum):  # type: ignore[no-untyped-def]
    """Attenuated column sums over y of a window of the body, from the front (0) and from the back (1).

    ``uptake`` and ``mu`` are (z, all y, x); ``lesion`` is the deposit, whose first voxel lies at ``box`` in
    the window. ``lesion_sum``, ``body_sum`` are [view, z, x]; ``depth_sum`` is Σ y·lesion for the mean depth.
    """
    nz, ny, nx = uptake.shape
    bz, by, bx = box
    through = np.ones(nx)
    for z in range(nz):
        for view in range(2):
            through[:] = 1.0
            for step in range(ny):
                y = step if view == 0 else ny - 1 - step
                within = 0 <= z - bz < lesion.shape[0] and 0 <= y - by < lesion.shape[1]
                for x in range(nx):
                    half = through_half(mu[z, y, x], length_cm)
                    t = through[x] * half
                    body_sum[view, z, x] += uptake[z, y, x] * t
                    if within and 0 <= x - bx < lesion.shape[2]:
                        seen = lesion[z - bz, y - by, x - bx] * t
                        lesion_sum[view, z, x] += seen
                        depth_sum[view] += abs(seen) * y
                    through[x] = t * half


@kernel
def spread(columns, z_start, z_weight, x_start, x_weight, first_row, first_column, out):  # type: ignore[no-untyped-def]
    """Blur column sums (z, x) onto pixels: out[r, c] += Σ w_z w_x columns, for pixels inside ``out``."""
    across = np.zeros((columns.shape[0], out.shape[1]))
    for z in range(columns.shape[0]):
        for x in range(columns.shape[1]):
            if columns[z, x] != 0.0:
                for j in range(x_weight.shape[1]):
                    c = x_start[x] + j - first_column
                    if 0 <= c < out.shape[1]:
                        across[z, c] += columns[z, x] * x_weight[x, j]
    for z in range(columns.shape[0]):
        for i in range(z_weight.shape[1]):
            r = z_start[z] + i - first_row
            if 0 <= r < out.shape[0]:
                for c in range(out.shape[1]):
                    out[r, c] += across[z, c] * z_weight[z, i]
