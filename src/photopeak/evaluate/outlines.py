"""What readers drew on one view: outlines, the pixels inside them, how far two of them overlap, and back to an outline.

What a pixel is, and which ones are inside, stands in ``photopeak.core.polygon``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from photopeak.core import PhotopeakError
from photopeak.core.polygon import Points as Points
from photopeak.core.polygon import Shape as Shape
from photopeak.core.polygon import filled as filled
from photopeak.core.polygon import pixels_inside


@dataclass(frozen=True)
class Outline:
    """One marked lesion: what it is (``metastasis``), where (``left ribs``), and its corners x, y in pixels."""

    finding: str
    site: str
    points: Points


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


def _incidence(outlines: Sequence[Outline], shape: Shape) -> Any:
    """A sparse matrix: outline by pixel, 1 inside. Lesions are small, and there may be a hundred of them."""
    from scipy.sparse import csr_array

    pixels = [pixels_inside(o.points, shape) for o in outlines]
    starts = np.cumsum([0, *map(len, pixels)])
    numbers = np.concatenate([np.zeros(0, dtype=np.int64), *pixels])
    size = (len(outlines), shape[0] * shape[1])
    return csr_array((np.ones(len(numbers), dtype=np.int64), numbers, starts), shape=size)
