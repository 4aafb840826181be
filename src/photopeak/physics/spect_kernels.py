"""Kernels of the SPECT camera: rotate, attenuate, blur and add up, plane by plane from the head inwards.

Volumes come as [y, x, z], z contiguous, so that every inner loop runs along z. The forward kernel shares the
angles out over the threads, the transpose groups of angles, each with a volume of its own: no two threads ever add
to one number, and results do not depend on their count.

Planes are blurred by nodes: a plane's bell is a mixture of its two neighbouring nodes' bells, so planes add up on
nodes and nodes are blurred. With a node for every plane the blur is exact.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba
import numpy as np

from photopeak.physics.elementary_kernels import half_through
from photopeak.physics.engines import Array, kernel, parallel_kernel

BLOCK = 128
Cell = tuple[int, int, int, int, Any]
GROUPS = 4


class Turn(NamedTuple):
    """Directions, blur and voxel size: cos θ and sin θ, half bells [angle, node, tap], voxel edge in cm.

    Plane ``depth`` of an angle has 1 − ``share`` of node ``low`` and ``share`` of the next; ``low`` never falls.
    """

    cosine: Array
    sine: Array
    bell: Array
    low: Array
    share: Array
    edge_cm: float


@kernel
def _where(turn: Turn, angle: int, depth: int, u: int, shape: tuple[int, int], columns: int) -> tuple[float, float]:
    """Index coordinates (y, x) of column u on a plane of depth, counted from the head inwards."""
    across = u - 0.5 * (columns - 1)
    toward = 0.5 * (turn.low.shape[1] - 1) - depth
    c, s = turn.cosine[angle], turn.sine[angle]
    return (0.5 * (shape[0] - 1) + s * across + c * toward, 0.5 * (shape[1] - 1) - c * across + s * toward)


@kernel
def _ends(turn: Turn, angle: int, depth: int, shape: tuple[int, int], columns: int) -> tuple[int, int]:
    """The first column of a plane that may lie inside the slice, and the one after the last."""
    y, x = _where(turn, angle, depth, 0, shape, columns)
    first, last = 0.0, columns - 1.0
    for at, step, n in ((y, turn.sine[angle], shape[0]), (x, -turn.cosine[angle], shape[1])):
        if abs(step) < 1e-12:
            if not -1.0 < at < n:
                return 0, 0
        else:
            one, other = (-1.0 - at) / step, (n - at) / step
            first, last = max(first, min(one, other)), min(last, max(one, other))
    return max(0, math.ceil(first)), min(columns, math.floor(last) + 1)


@kernel
def _corners(y: float, x: float, shape: tuple[int, int]) -> Cell:
    """Rows and columns of the cell around (y, x), and the four weights; weight 0 outside the slice."""
    row, column = math.floor(y), math.floor(x)
    fy, fx = y - row, x - column
    wy0, wy1 = (1.0 - fy if 0 <= row < shape[0] else 0.0), (fy if 0 <= row + 1 < shape[0] else 0.0)
    wx0, wx1 = (1.0 - fx if 0 <= column < shape[1] else 0.0), (fx if 0 <= column + 1 < shape[1] else 0.0)
    weights = (np.float32(wy0 * wx0), np.float32(wy0 * wx1), np.float32(wy1 * wx0), np.float32(wy1 * wx1))
    i0, i1 = min(max(row, 0), shape[0] - 1), min(max(row + 1, 0), shape[0] - 1)
    j0, j1 = min(max(column, 0), shape[1] - 1), min(max(column + 1, 0), shape[1] - 1)
    return i0, i1, j0, j1, weights


@kernel
def _gather(volume: Array, cell: Cell, row: Array) -> None:
    """row = Σ weight × volume[corner], in one pass."""
    i0, i1, j0, j1, (a, b, c, d) = cell
    p, q, r, s = volume[i0, j0], volume[i0, j1], volume[i1, j0], volume[i1, j1]
    for z in range(row.size):
        row[z] = (a * p[z] + b * q[z]) + (c * r[z] + d * s[z])


@kernel
def _absorb(mu: Array, edge_cm: float, through: Array, seen: Array) -> None:
    """Dim ``seen`` by the transmission from the middle of its plane, and move ``through`` on to behind it."""
    scale = np.float32(edge_cm / 32.0)
    for z in range(mu.size):
        half = half_through(mu[z], scale)
        here = through[z] * half
        seen[z] *= here
        through[z] = here * half


@kernel
def _taps(half: Array) -> int:
    """How many taps of a half bell are used."""
    used = half.size
    while used > 1 and half[used - 1] == 0.0:
        used -= 1
    return used


@kernel
def _blur_z(plane: Array, half: Array, taps: int, out: Array) -> None:
    """out[u + margin] = bell ∗ plane[u] along z; both have a margin of empty cells, the plane along z, out along u."""
    margin = half.size - 1
    for u in range(plane.shape[0]):
        row, to, at = plane[u], out[u + margin], margin
        for z in range(to.size):
            to[z] = half[0] * row[at + z]
        for t in range(1, taps, 2):  # two taps in one pass; behind the last there is one of weight 0
            v, w, s = half[t], half[t + 1] if t + 1 < taps else np.float32(0.0), min(t + 1, margin)
            for z in range(to.size):
                to[z] += v * (row[at + z - t] + row[at + z + t]) + w * (row[at + z - s] + row[at + z + s])


@kernel
def _blur_u(plane: Array, half: Array, taps: int, out: Array) -> None:
    """out += bell ∗ plane along u, where plane has the margin."""
    margin = half.size - 1
    for u in range(out.shape[0]):
        to, middle = out[u], plane[u + margin]
        for z in range(to.size):
            to[z] += half[0] * middle[z]
        for t in range(1, taps, 2):
            v, w, s = half[t], half[t + 1] if t + 1 < taps else np.float32(0.0), min(t + 1, margin)
            before, after = plane[u + margin - t], plane[u + margin + t]
            sooner, later = plane[u + margin - s], plane[u + margin + s]
            for z in range(to.size):
                to[z] += v * (before[z] + after[z]) + w * (sooner[z] + later[z])


@kernel
def _add(row: Array, share: float, plane: Array) -> None:
    w = np.float32(share)
    for z in range(row.size):
        plane[z] += w * row[z]


@kernel
def _flush(plane: Array, half: Array, blurred: Array, image: Array) -> None:
    """Blur what has been added up on a node onto the image, and empty the node."""
    taps = _taps(half)
    _blur_z(plane, half, taps, blurred)
    _blur_u(blurred, half, taps, image)
    plane[:] = 0.0


@parallel_kernel
def project(activity: Array, mu: Array, turn: Turn, image: Array) -> None:
    """image[angle, u, z] += the projection of activity[y, x, z]; an empty ``mu`` attenuates nothing."""
    shape = activity.shape[:2]
    for angle in numba.prange(image.shape[0]):
        columns, n_z = image.shape[1:]
        margin = turn.bell.shape[2] - 1
        through = np.ones((columns, n_z), np.float32)
        planes = np.zeros((2, columns, n_z + 2 * margin), np.float32)  # of an even and an odd node
        blurred = np.zeros((columns + 2 * margin, n_z), np.float32)
        seen, thick = np.empty(n_z, np.float32), np.empty(n_z, np.float32)
        node, used = 0, 0  # ``used`` nodes from ``node`` on hold something
        for depth in range(turn.low.shape[1]):
            first, last = _ends(turn, angle, depth, shape, columns)
            if first >= last:
                continue
            low, share = turn.low[angle, depth], turn.share[angle, depth]
            while used and node < low:
                _flush(planes[node % 2], turn.bell[angle, node], blurred, image[angle])
                node, used = node + 1, used - 1
            node, used = low, max(used, 2 if share > 0.0 else 1)
            for u in range(first, last):
                y, x = _where(turn, angle, depth, u, shape, columns)
                cell = _corners(y, x, shape)
                _gather(activity, cell, seen)
                if mu.size:
                    _gather(mu, cell, thick)
                    _absorb(thick, turn.edge_cm, through[u], seen)
                _add(seen, 1.0 - share, planes[low % 2, u, margin : margin + n_z])
                if share > 0.0:
                    _add(seen, share, planes[(low + 1) % 2, u, margin : margin + n_z])
        for k in range(used):
            _flush(planes[(node + k) % 2], turn.bell[angle, node + k], blurred, image[angle])


@kernel
def _node(image: Array, half: Array, blurred: Array, plane: Array) -> None:
    """plane = bell ∗ image, which has the margin along z."""
    taps = _taps(half)
    _blur_z(image, half, taps, blurred)
    plane[:] = 0.0
    _blur_u(blurred, half, taps, plane)


@kernel
def _mix(one: Array, other: Array, share: float, row: Array) -> None:
    a, b = np.float32(1.0 - share), np.float32(share)
    for z in range(row.size):
        row[z] = a * one[z] + b * other[z]


@kernel
def _back_planes(image: Array, mu: Array, turn: Turn, angle: int, stack: Array, ends: Array) -> None:
    """stack[depth, u] = what plane ``depth`` gets of the image; valid between its ``ends``."""
    shape, size = mu.shape[:2], stack.shape[2]
    columns, margin = image.shape[0], turn.bell.shape[2] - 1
    blurred = np.zeros((columns + 2 * margin, size), np.float32)
    planes = np.empty((2, columns, size), np.float32)
    held = np.full(2, -1, np.int64)  # which node each of the two planes holds
    thick = np.empty(size, np.float32)
    through = np.ones((columns, size), np.float32)
    for depth in range(turn.low.shape[1]):
        first, last = ends[depth, 0], ends[depth, 1]
        if first >= last:
            continue
        low, share = turn.low[angle, depth], turn.share[angle, depth]
        for node in range(low, low + (2 if share > 0.0 else 1)):
            if held[node % 2] != node:
                _node(image, turn.bell[angle, node], blurred, planes[node % 2])
                held[node % 2] = node
        for u in range(first, last):
            row = stack[depth, u]
            if share > 0.0:
                _mix(planes[low % 2, u], planes[(low + 1) % 2, u], share, row)
            else:
                row[:] = planes[low % 2, u]
            if mu.shape[2]:
                y, x = _where(turn, angle, depth, u, shape, columns)
                _gather(mu, _corners(y, x, shape), thick)
                _absorb(thick, turn.edge_cm, through[u], row)


@kernel
def _near(ends: Array, at_d: float, at_u: float, c: float, s: float, found: Array, weights: Array) -> int:
    """Points (depth, u) of the planes in whose cell a voxel at (at_d, at_u) is a corner, and how many there are.

    Their weights are those of ``_gather``, seen from the voxel: (1 − |Δy|) (1 − |Δx|). They lie within √2.
    """
    n = 0
    for depth in range(max(0, math.ceil(at_d - 1.4143)), min(len(ends) - 1, math.floor(at_d + 1.4143)) + 1):
        down = at_d - depth
        first = max(ends[depth, 0], math.ceil(at_u - 1.4143))
        for u in range(first, min(ends[depth, 1], math.floor(at_u + 1.4143) + 1)):
            along = u - at_u
            wy, wx = 1.0 - abs(s * along + c * down), 1.0 - abs(s * down - c * along)
            if wy > 0.0 and wx > 0.0:
                found[n, 0], found[n, 1], weights[n] = depth, u, wy * wx
                n += 1
    return n


@kernel
def _collect(stack: Array, ends: Array, c: float, s: float, columns: int, volume: Array) -> None:
    """volume[y, x] += Σ weight × stack[depth, u]: the transpose of ``_gather``, four points in one pass."""
    depths = stack.shape[0]
    found, weights = np.zeros((12, 2), np.int64), np.zeros(12, np.float32)
    for y in range(volume.shape[0]):
        for x in range(volume.shape[1]):
            dy, dx = y - 0.5 * (volume.shape[0] - 1), x - 0.5 * (volume.shape[1] - 1)
            at_u = s * dy - c * dx + 0.5 * (columns - 1)
            at_d = 0.5 * (depths - 1) - (c * dy + s * dx)
            n = _near(ends, at_d, at_u, c, s, found, weights)
            if n == 0:
                continue
            for k in range(n, 4):
                found[k], weights[k] = found[0], 0.0
            to = volume[y, x]
            p, q = stack[found[0, 0], found[0, 1]], stack[found[1, 0], found[1, 1]]
            r, t = stack[found[2, 0], found[2, 1]], stack[found[3, 0], found[3, 1]]
            w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
            for z in range(to.size):
                to[z] += (w0 * p[z] + w1 * q[z]) + (w2 * r[z] + w3 * t[z])
            for k in range(4, n):
                _add(stack[found[k, 0], found[k, 1]], weights[k], to)


def workspace(slices: int, plane: tuple[int, int], stack: tuple[int, int], threads: int) -> tuple[Array, Array]:
    """What ``back_project`` works in: a volume for each group, and planes for every thread.

    Kept from call to call, since fresh memory costs as much time here as the arithmetic.
    """
    return np.empty((GROUPS, *plane, slices), np.float32), np.empty((threads, *stack, slices), np.float32)


@parallel_kernel
def back_project(image: Array, mu: Array, turn: Turn, parts: Array, stacks: Array, activity: Array) -> None:
    """The transpose of ``project``: activity[z, y, x] = its image of ``image``, which has a margin along z.

    ``mu`` is [y, x, z], without slices where nothing attenuates; ``parts`` and ``stacks`` are a ``workspace``.
    """
    angles, columns, depths = image.shape[0], image.shape[1], turn.low.shape[1]
    groups = min(GROUPS, angles)
    for group in numba.prange(groups):
        part, stack = parts[group], stacks[numba.get_thread_id()]  # type: ignore[attr-defined]
        part[:] = 0.0
        ends = np.empty((depths, 2), np.int64)
        for angle in range(group, angles, groups):
            for depth in range(depths):
                ends[depth] = _ends(turn, angle, depth, part.shape[:2], columns)
            _back_planes(image[angle], mu, turn, angle, stack, ends)
            _collect(stack, ends, turn.cosine[angle], turn.sine[angle], columns, part)
    for y in numba.prange(activity.shape[1]):
        for z in range(activity.shape[0]):
            row = activity[z, y]
            for x in range(row.size):
                total = parts[0, y, x, z]
                for group in range(1, groups):
                    total += parts[group, y, x, z]
                row[x] = total
