"""Kernels of the SPECT camera: rotate, attenuate, blur and add up, plane by plane from the head inwards.

Volumes come as [y, x, z], z contiguous, so that every inner loop runs along z. The forward kernel shares the
angles out over the threads, the transpose blocks of z: no two threads ever add to one number, and results do
not depend on their count.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from photopeak.physics.elementary_kernels import half_transmission
from photopeak.physics.engines import Array, kernel, parallel_kernel

BLOCK = 32  # slices that one thread of the transpose carries at once


class Turn(NamedTuple):
    """Directions, blur and voxel size: cos θ and sin θ, half bells [angle, depth, tap], voxel edge in cm."""

    cosine: Array
    sine: Array
    bell: Array
    edge_cm: float


@kernel
def _where(turn: Turn, angle: int, depth: int, u: int, shape: tuple[int, int], columns: int) -> tuple[float, float]:
    """Index coordinates (y, x) of column u on a plane of depth, counted from the head inwards."""
    across = u - 0.5 * (columns - 1)
    toward = 0.5 * (turn.bell.shape[1] - 1) - depth
    c, s = turn.cosine[angle], turn.sine[angle]
    return (0.5 * (shape[0] - 1) + s * across + c * toward, 0.5 * (shape[1] - 1) - c * across + s * toward)


@kernel
def _corner(y: float, x: float, k: int, shape: tuple[int, int]) -> tuple[int, int, float]:
    """Corner k of the cell around (y, x) and its weight; weight 0 outside the slice."""
    row, column = math.floor(y), math.floor(x)
    fy, fx = y - row, x - column
    i, j = row + k // 2, column + k % 2
    if i < 0 or j < 0 or i >= shape[0] or j >= shape[1]:
        return 0, 0, 0.0
    return i, j, (fy if k // 2 else 1.0 - fy) * (fx if k % 2 else 1.0 - fx)


@kernel
def _crosses(turn: Turn, angle: int, depth: int, shape: tuple[int, int], columns: int) -> bool:
    """True where a plane has a point inside the slice: corners of the square seen at an angle have none."""
    for u in range(columns):
        y, x = _where(turn, angle, depth, u, shape, columns)
        if -1.0 < y < shape[0] and -1.0 < x < shape[1]:
            return True
    return False


@kernel
def _gather(volume: Array, y: float, x: float, low: int, row: Array) -> bool:
    """row = Σ weight × volume[corner, low:]; False where the point lies outside the slice."""
    inside = False
    row[:] = 0.0
    for k in range(4):
        i, j, weight = _corner(y, x, k, volume.shape[:2])
        if weight > 0.0:
            inside = True
            w = np.float32(weight)
            for z in range(row.size):
                row[z] += w * volume[i, j, low + z]
    return inside


@kernel
def _scatter(volume: Array, y: float, x: float, low: int, row: Array) -> None:
    """The transpose of ``_gather``."""
    for k in range(4):
        i, j, weight = _corner(y, x, k, volume.shape[:2])
        if weight > 0.0:
            w = np.float32(weight)
            for z in range(row.size):
                volume[i, j, low + z] += w * row[z]


@kernel
def _absorb(mu: Array, edge_cm: float, through: Array, half: Array, seen: Array) -> None:
    """Dim ``seen`` by the transmission from the middle of its plane, and move ``through`` on to behind it."""
    half_transmission(mu, edge_cm, half)
    for z in range(mu.size):
        here = through[z] * half[z]
        seen[z] *= here
        through[z] = here * half[z]


@kernel
def _taps(half: Array) -> int:
    """How many taps of a half bell are used."""
    used = half.size
    while used > 1 and half[used - 1] == 0.0:
        used -= 1
    return used


@kernel
def _blur_z(plane: Array, low: int, half: Array, taps: int, out: Array) -> None:
    """out[u + margin, :] = bell ∗ plane[u, :] at low, low + 1, …; both have a margin of empty cells, here along z."""
    margin = half.size - 1
    for u in range(plane.shape[0]):
        row, to = plane[u], out[u + margin]
        at = low + margin
        for z in range(to.size):
            to[z] = half[0] * row[at + z]
        for t in range(1, taps):
            w = half[t]
            for z in range(to.size):
                to[z] += w * (row[at + z - t] + row[at + z + t])


@kernel
def _blur_u(plane: Array, half: Array, taps: int, out: Array) -> None:
    """out += bell ∗ plane along u, where plane has the margin."""
    margin = half.size - 1
    for u in range(out.shape[0]):
        to, middle = out[u], plane[u + margin]
        for z in range(to.size):
            to[z] += half[0] * middle[z]
        for t in range(1, taps):
            w, before, after = half[t], plane[u + margin - t], plane[u + margin + t]
            for z in range(to.size):
                to[z] += w * (before[z] + after[z])


@parallel_kernel
def project(activity: Array, mu: Array, turn: Turn, image: Array) -> None:
    """image[angle, u, z] += the projection of activity[y, x, z]; an empty ``mu`` attenuates nothing."""
    shape = activity.shape[:2]
    for angle in numba.prange(image.shape[0]):
        columns, n_z = image.shape[1:]
        margin = turn.bell.shape[2] - 1
        through = np.ones((columns, n_z), np.float32)
        plane = np.zeros((columns, n_z + 2 * margin), np.float32)
        blurred = np.zeros((columns + 2 * margin, n_z), np.float32)
        row, dim = np.empty(n_z, np.float32), np.empty(n_z, np.float32)
        for depth in range(turn.bell.shape[1]):
            shines = False
            for u in range(columns):
                y, x = _where(turn, angle, depth, u, shape, columns)
                seen = plane[u, margin : margin + n_z]
                if not _gather(activity, y, x, 0, seen):
                    continue
                shines = True
                if mu.size:
                    _gather(mu, y, x, 0, row)
                    _absorb(row, turn.edge_cm, through[u], dim, seen)
            if shines:
                half = turn.bell[angle, depth]
                taps = _taps(half)
                _blur_z(plane, 0, half, taps, blurred)
                _blur_u(blurred, half, taps, image[angle])


@parallel_kernel
def back_project(image: Array, mu: Array, turn: Turn, activity: Array) -> None:
    """The transpose of ``project``: activity[y, x, z] += its image of ``image``, which has a margin along z."""
    shape, n_z = activity.shape[:2], activity.shape[2]
    for block in numba.prange((n_z + BLOCK - 1) // BLOCK):
        low = block * BLOCK
        size = min(BLOCK, n_z - low)
        columns, margin = image.shape[1], turn.bell.shape[2] - 1
        blurred = np.zeros((columns + 2 * margin, size), np.float32)
        plane = np.zeros((columns, size), np.float32)
        row, dim = np.empty(size, np.float32), np.empty(size, np.float32)
        for angle in range(image.shape[0]):
            through = np.ones((columns, size), np.float32)
            for depth in range(turn.bell.shape[1]):
                if not _crosses(turn, angle, depth, shape, columns):
                    continue
                half = turn.bell[angle, depth]
                taps = _taps(half)
                _blur_z(image[angle], low, half, taps, blurred)
                plane[:] = 0.0
                _blur_u(blurred, half, taps, plane)
                for u in range(columns):
                    y, x = _where(turn, angle, depth, u, shape, columns)
                    if mu.size:
                        if not _gather(mu, y, x, low, row):
                            continue
                        _absorb(row, turn.edge_cm, through[u], dim, plane[u])
                    _scatter(activity, y, x, low, plane[u])
