"""A reader's marks on an image: their outlines, the pixels inside, and what those hold."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Bool

from photopeak.core import PhotopeakError
from photopeak.evaluate.outlines import contour, filled

Points = Sequence[tuple[float, float]]
Outline = tuple[tuple[float, float], ...]
ELLIPSE_CORNERS: Final = 48


def outline_of(shape: str, points: Points) -> Outline:
    """The outline of a mark as a polygon, whatever it was drawn with."""
    if shape not in ("rectangle", "ellipse"):
        return tuple((float(x), float(y)) for x, y in points)
    (ax, ay), (bx, by) = points[0], points[1]
    if shape == "rectangle":
        return (ax, ay), (bx, ay), (bx, by), (ax, by)
    mx, my, rx, ry = (ax + bx) / 2, (ay + by) / 2, abs(bx - ax) / 2, abs(by - ay) / 2
    turns = (2 * math.pi * k / ELLIPSE_CORNERS for k in range(ELLIPSE_CORNERS))
    return tuple((mx + rx * math.cos(a), my + ry * math.sin(a)) for a in turns)


def statistics(plane: np.ndarray, shape: str, points: Points, pixel_mm2: float) -> dict[str, float]:
    """Area, sum, mean, greatest and least of the pixels whose centres lie inside."""
    inside = filled(outline_of(shape, points), plane.shape[:2])
    values = np.asarray(plane, np.float64)[inside]
    if not values.size:
        return {"pixels": 0, "area_mm2": 0.0, "sum": 0.0, "mean": 0.0, "maximum": 0.0, "minimum": 0.0, "sd": 0.0}
    return {
        "pixels": int(values.size),
        "area_mm2": float(values.size * pixel_mm2),
        "sum": float(values.sum()),
        "mean": float(values.mean()),
        "maximum": float(values.max()),
        "minimum": float(values.min()),
        "sd": float(values.std()),
    }


def brushed(stroke: Points, radius_px: float, base: Points, shape: tuple[int, int], erase: bool) -> list[list[float]]:
    """The outline after a brush went along ``stroke``: what lay under it is added to ``base``, or taken away."""
    mask = filled(outline_of("polygon", base), shape) if len(base) >= 3 else np.zeros(shape, bool)
    under = _under(stroke, radius_px, shape)
    mask = mask & ~under if erase else mask | under
    if not mask.any():
        raise PhotopeakError("nothing is left of the outline. Remedy: reject the mark instead.")
    return [[float(x), float(y)] for x, y in contour(mask)]


def _under(stroke: Points, radius_px: float, shape: tuple[int, int]) -> Bool[np.ndarray, "row column"]:
    """Pixels whose centres lie within the brush's radius of its way."""
    mask = np.zeros(shape, bool)
    for (ax, ay), (bx, by) in itertools.pairwise(stroke) if len(stroke) > 1 else [(stroke[0], stroke[0])]:
        # Only the rows and columns that the brush can reach.
        rows = _reach(ay, by, radius_px, shape[0])
        columns = _reach(ax, bx, radius_px, shape[1])
        y, x = np.mgrid[rows, columns] + 0.5
        dx, dy = bx - ax, by - ay
        t = np.clip(((x - ax) * dx + (y - ay) * dy) / max(dx * dx + dy * dy, 1e-12), 0, 1)
        mask[rows, columns] |= (x - ax - t * dx) ** 2 + (y - ay - t * dy) ** 2 <= radius_px**2
    return mask


def _reach(a: float, b: float, radius: float, size: int) -> slice:
    first, last = math.floor(min(a, b) - radius), math.ceil(max(a, b) + radius)
    return slice(min(max(first, 0), size), min(max(last, 0), size))


def mirrored_ratio(plane: np.ndarray, points: Outline, middle_px: float) -> float | None:
    """Mean inside over the mean of the same place on the other side of the body; none where that holds nothing."""
    inside = filled(points, plane.shape[:2])
    other = filled(tuple((2 * middle_px - x, y) for x, y in points), plane.shape[:2]) & ~inside
    if not inside.any() or not other.any():
        return None
    beside = float(np.asarray(plane, np.float64)[other].mean())
    return float(np.asarray(plane, np.float64)[inside].mean()) / beside if beside > 0 else None
