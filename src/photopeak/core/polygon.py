"""The pixels inside a polygon, for outlines that people and networks draw.

x and y are counted in pixels from the upper left corner of the upper left pixel, so that the centre of the pixel in
row i and column j lies at x = j + 1/2, y = i + 1/2. A pixel is inside where its centre is; a centre on the outline
itself may count.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, Int

from photopeak.core.errors import PhotopeakError

Points = tuple[tuple[float, float], ...]
Shape = tuple[int, int]
"""Rows and columns of the view."""
FARTHEST_PX: Final = 1e6
"""No image is that large; not-a-number is not within it either."""


def filled(points: Points, shape: Shape) -> Bool[np.ndarray, "row column"]:
    """The pixels inside an outline.

    >>> filled(((1, 0), (3, 0), (3, 2), (1, 2)), (2, 4)).astype(int).tolist()
    [[0, 1, 1, 0], [0, 1, 1, 0]]
    """
    inside = np.zeros(shape, dtype=bool)
    inside.flat[pixels_inside(points, shape)] = True
    return inside


def pixels_inside(points: Points, shape: Shape) -> Int[np.ndarray, " p"]:
    """The same pixels, numbered row by row."""
    from skimage.draw import polygon

    if len(points) < 3 or not all(abs(x) <= FARTHEST_PX and abs(y) <= FARTHEST_PX for x, y in points):
        raise PhotopeakError(
            f"an outline of {len(points)} points encloses nothing, or one of its points is no place on an image. "
            "Remedy: draw at least three points on the image."
        )
    x, y = np.array(points, dtype=float).T
    rows, columns = polygon(y - 0.5, x - 0.5, shape)  # type: ignore[no-untyped-call]
    return np.asarray(rows * shape[1] + columns)
