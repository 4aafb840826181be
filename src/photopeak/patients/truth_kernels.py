"""Kernels behind the truth: what each camera view sees of one lesion and of the body around it."""

from __future__ import annotations

import numpy as np

from photopeak.physics.engines import Array, kernel


@kernel
def through_half(mu_per_cm: Array, length_cm: float, out: Array) -> None:
    """out = e^(−μL/2) of one row, its series to the fifth degree; exponents above 0.75 (metal) are cut there."""
    scale = np.float32(0.5 * length_cm)
    for x in range(out.size):
        u = -min(mu_per_cm[x] * scale, np.float32(0.75))
        p = np.float32(1.0) + u * np.float32(1 / 5)
        p = np.float32(1.0) + p * u * np.float32(1 / 4)
        p = np.float32(1.0) + p * u * np.float32(1 / 3)
        p = np.float32(1.0) + p * u * np.float32(1 / 2)
        out[x] = np.float32(1.0) + p * u


@kernel
def add_seen(uptake: Array, through: Array, half: Array, total: Array) -> None:
    """One row: half a voxel in, what it sends, half a voxel out."""
    for x in range(total.size):
        t = through[x] * half[x]
        total[x] += uptake[x] * t
        through[x] = t * half[x]


@kernel
def look(
    uptake: Array,
    mu: Array,
    length_cm: float,
    lesion: Array,
    box: tuple[int, int, int],
    lesion_sum: Array,
    depth_sum: Array,
    body_sum: Array,
) -> None:
    """Attenuated column sums over y of a window of the body, from the front (0) and from the back (1).

    ``uptake`` and ``mu`` are (z, all y, x); ``lesion`` is the deposit, whose first voxel lies at ``box`` in
    the window. ``lesion_sum``, ``body_sum`` are [view, z, x]; ``depth_sum`` is Σ y·lesion for the mean depth.
    """
    nz, ny, nx = uptake.shape
    bz, by, bx = box
    half, through = np.empty((ny, nx), np.float32), np.empty(nx, np.float32)
    filled = np.zeros(ny, np.bool_)
    for z in range(nz):
        for y in range(ny):
            filled[y] = uptake[z, y].any() or mu[z, y].any()
            if filled[y]:
                through_half(mu[z, y], length_cm, half[y])
            else:
                half[y] = 1.0
        for view in range(2):
            through[:] = 1.0
            for step in range(ny):
                y = step if view == 0 else ny - 1 - step
                if 0 <= z - bz < lesion.shape[0] and 0 <= y - by < lesion.shape[1]:
                    for x in range(lesion.shape[2]):
                        seen = lesion[z - bz, y - by, x] * through[bx + x] * half[y, bx + x]
                        lesion_sum[view, z, bx + x] += seen
                        depth_sum[view] += abs(seen) * y
                if filled[y]:
                    add_seen(uptake[z, y], through, half[y], body_sum[view, z])


@kernel
def spread(
    columns: Array,
    z_start: Array,
    z_weight: Array,
    x_start: Array,
    x_weight: Array,
    first_row: int,
    first_column: int,
    out: Array,
) -> None:
    """Blur column sums (z, x) onto pixels: out[r, c] += Σ w_z w_x columns, for pixels inside ``out``."""
    across = np.zeros((columns.shape[0], out.shape[1]))
    for z in range(columns.shape[0]):
        for x in range(columns.shape[1]):
            if columns[z, x] != 0.0:
                first = x_start[x] - first_column
                for j in range(max(0, -first), min(x_weight.shape[1], out.shape[1] - first)):
                    across[z, first + j] += columns[z, x] * x_weight[x, j]
    for z in range(columns.shape[0]):
        for i in range(z_weight.shape[1]):
            r = z_start[z] + i - first_row
            if 0 <= r < out.shape[0]:
                for c in range(out.shape[1]):
                    out[r, c] += across[z, c] * z_weight[z, i]


@kernel
def strongest_region(uptake: Array, label: Array, region_of: Array, regions: int, weight: Array, seen: Array) -> None:
    """seen[view, z, x] = the region that sends most to the view along y; 0 where the ray meets none.

    ``region_of`` gives the region of each structure number (0: seen through) and ``weight[view, y]`` the
    attenuation of plane y in soft tissue: on one ray only the difference of two depths matters.
    """
    nz, ny, nx = label.shape
    total = np.zeros((2, nx, regions + 1), np.float32)
    met = np.zeros(nx, np.bool_)
    for z in range(nz):
        total[:] = 0.0
        met[:] = False
        for y in range(ny):
            front, back = weight[0, y], weight[1, y]
            for x in range(nx):
                region = region_of[label[z, y, x]]
                if region != 0:
                    u = uptake[z, y, x] + np.float32(1e-6)
                    total[0, x, region] += u * front
                    total[1, x, region] += u * back
                    met[x] = True
        for x in range(nx):
            if met[x]:
                seen[0, z, x] = np.argmax(total[0, x])
                seen[1, z, x] = np.argmax(total[1, x])


@kernel
def close_gaps(seen: Array, out: Array) -> None:
    """Copy a map of regions, filling empty points that have five neighbours or more of one region."""
    rows, columns = seen.shape
    for r in range(rows):
        for c in range(columns):
            out[r, c] = seen[r, c]
            if seen[r, c] != 0 or r == 0 or c == 0 or r == rows - 1 or c == columns - 1:
                continue
            # Five of eight neighbours include one of the four nearest: most empty points end here.
            if seen[r - 1, c] == 0 and seen[r + 1, c] == 0 and seen[r, c - 1] == 0 and seen[r, c + 1] == 0:
                continue
            for k in range(9):
                region = seen[r - 1 + k // 3, c - 1 + k % 3]
                if region == 0:
                    continue
                same = 0
                for m in range(9):
                    same += seen[r - 1 + m // 3, c - 1 + m % 3] == region
                if same >= 5:
                    out[r, c] = region
