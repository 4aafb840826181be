"""Smooth curves and sheets through control points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def catmull_rom(points: Array, steps: int) -> Array:
    """A curve through ``points`` along their first axis, ``steps`` parts to a span.

    Between p₁ and p₂, with neighbours p₀ and p₃ (extrapolated at the ends),
    c(t) = ½[2p₁ + (p₂−p₀)t + (2p₀−5p₁+4p₂−p₃)t² + (3p₁−p₀−3p₂+p₃)t³].
    """
    if len(points) < 3:
        t = np.linspace(0, 1, steps + 1).reshape(-1, *[1] * (points.ndim - 1))
        return np.asarray(points[0] + (points[-1] - points[0]) * t)
    padded = np.concatenate([[2 * points[0] - points[1]], points, [2 * points[-1] - points[-2]]])
    p0, p1, p2, p3 = padded[:-3, None], padded[1:-2, None], padded[2:-1, None], padded[3:, None]
    t = (np.arange(steps) / steps).reshape(1, -1, *[1] * (points.ndim - 1))
    cubic = 3 * p1 - p0 - 3 * p2 + p3
    curve = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + cubic * t**3)
    return np.concatenate([curve.reshape(-1, *points.shape[1:]), points[-1:]])


def smooth_chain(xyzr: Array) -> Array:
    """A smooth chain of (x, y, z, r) through the given ones, in steps about as long as it is thick."""
    span = np.linalg.norm(np.diff(xyzr[:, :3], axis=0), axis=1).mean()
    return catmull_rom(xyzr, int(np.clip(round(span / (1.2 * xyzr[:, 3].mean() + 4.0)), 1, 6)))


def smooth_grid(grid: Array, steps: int) -> Array:
    """A smooth sheet through a (rows, columns, 3) grid of points."""
    down = catmull_rom(grid, steps)
    return catmull_rom(down.swapaxes(0, 1), steps).swapaxes(0, 1)


def arc(c: Sequence[float], a: Sequence[float], b: Sequence[float], degrees: Sequence[float], r: float) -> Array:
    """Points (x, y, z, r) of c + a cos t + b sin t, one every 12°."""
    count = max(2, round(abs(degrees[1] - degrees[0]) / 12) + 1)
    t = np.radians(np.linspace(degrees[0], degrees[1], count))[:, None]
    xyz = np.asarray(c) + np.asarray(a) * np.cos(t) + np.asarray(b) * np.sin(t)
    return np.column_stack([xyz, np.full(count, r)])


def grid_triangles(rows: int, columns: int) -> list[tuple[int, int, int]]:
    """Two triangles for every cell of a grid whose points are numbered row by row."""
    cells = [(r * columns + c) for r in range(rows - 1) for c in range(columns - 1)]
    upper = [(i, i + 1, i + columns) for i in cells]
    return upper + [(i + columns + 1, i + columns, i + 1) for i in cells]


def rotation(degrees: ArrayLike) -> Array:
    """R = Rz Ry Rx for angles (x, y, z) in degrees, right-handed."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    rx = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    ry = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rz = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    rotated: NDArray[Any] = rz @ ry @ rx
    return rotated
