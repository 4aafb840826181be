"""What readers drew on one view: outlines, the pixels inside them, how far two of them overlap, and back to an outline.

x and y are counted in pixels from the upper left corner of the upper left pixel, so that the centre of the pixel in
row i and column j lies at x = j + 1/2, y = i + 1/2. A pixel is inside where its centre is; a centre on the outline
itself may count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float, Int

from photopeak.core import PhotopeakError

Points = tuple[tuple[float, float], ...]
Shape = tuple[int, int]
"""Rows and columns of the view."""
FARTHEST_PX: Final = 1e6
"""No image is that large; not-a-number is not within it either."""


@dataclass(frozen=True)
class Outline:
    """One marked lesion: what it is (``metastasis``), where (``left ribs``), and its corners x, y in pixels."""

    finding: str
    site: str
    points: Points


def filled(points: Points, shape: Shape) -> Bool[np.ndarray, "row column"]:
    """The pixels inside an outline.

    >>> filled(((1, 0), (3, 0), (3, 2), (1, 2)), (2, 4)).astype(int).tolist()
    [[0, 1, 1, 0], [0, 1, 1, 0]]
    """
    inside = np.zeros(shape, dtype=bool)
    inside.flat[_numbers(points, shape)] = True
    return inside


def common(
    a: Sequence[Outline], b: Sequence[Outline], shape: Shape
) -> tuple[Int[np.ndarray, "a b"], Int[np.ndarray, " a"], Int[np.ndarray, " b"]]:
    """How many pixels each of ``a`` shares with each of ``b``, and how many each has."""
    one, other = _incidence(a, shape), _incidence(b, shape)
    shared: Int[np.ndarray, "a b"] = (one @ other.T).toarray()
    return shared, np.diff(one.indptr), np.diff(other.indptr)


def ious(a: Sequence[Outline], b: Sequence[Outline], shape: Shape) -> Float[np.ndarray, "a b"]:
    """Intersection over union, |A ∩ B| / |A ∪ B|, of each of ``a`` with each of ``b``; 0 where both hold no pixel."""
    shared, of_a, of_b = common(a, b, shape)
    out: Float[np.ndarray, "a b"] = shared / np.maximum(of_a[:, None] + of_b - shared, 1)
    return out


def contour(inside: Bool[np.ndarray, "row column"]) -> Points:
    """The outline of the largest piece of a mask, its holes filled; empty where the mask is.

    It runs midway between the pixels inside and their neighbours outside, so that filling it gives the piece again.
    """
    from skimage.measure import find_contours

    pieces = find_contours(np.pad(inside, 1).astype(float), 0.5)  # type: ignore[no-untyped-call]
    if not pieces:
        return ()
    # Pixel centres have whole numbers there: half a pixel is added, and the padding's pixel taken away.
    row, column = (max(pieces, key=_area)[:-1] - 0.5).T
    return tuple(zip(column.tolist(), row.tolist(), strict=True))


def check_threshold(threshold: float) -> None:
    """Refuse a share of overlap that matches everything or nothing."""
    if not 0 < threshold <= 1:
        raise PhotopeakError(
            f"outlines cannot be matched from an overlap of {threshold} on. "
            "Remedy: state an intersection over union above 0 and at most 1."
        )


def _area(closed: Float[np.ndarray, "n 2"]) -> float:
    x, y = closed.T
    return abs(float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))) / 2


def _numbers(points: Points, shape: Shape) -> Int[np.ndarray, " p"]:
    """The pixels inside, numbered row by row."""
    from skimage.draw import polygon

    if len(points) < 3 or not all(abs(x) <= FARTHEST_PX and abs(y) <= FARTHEST_PX for x, y in points):
        raise PhotopeakError(
            f"an outline of {len(points)} points encloses nothing, or one of its points is no place on an image. "
            "Remedy: draw at least three points on the image."
        )
    x, y = np.array(points, dtype=float).T
    rows, columns = polygon(y - 0.5, x - 0.5, shape)  # type: ignore[no-untyped-call]
    return np.asarray(rows * shape[1] + columns)


def _incidence(outlines: Sequence[Outline], shape: Shape) -> Any:
    """A sparse matrix: outline by pixel, 1 inside. Lesions are small, and there may be a hundred of them."""
    from scipy.sparse import csr_array

    pixels = [_numbers(o.points, shape) for o in outlines]
    starts = np.cumsum([0, *map(len, pixels)])
    numbers = np.concatenate([np.zeros(0, dtype=np.int64), *pixels])
    size = (len(outlines), shape[0] * shape[1])
    return csr_array((np.ones(len(numbers), dtype=np.int64), numbers, starts), shape=size)
