"""Left against right: a person is symmetric, and a metastasis is not."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

Plane = Float[np.ndarray, "row column"]
SHIFTS = 24
"""How many half pixels from the middle of the image the midline may lie."""


def midline(image: Plane) -> float:
    """The column (in halves) about which the image is most like its mirror image.

        m = arg max_m Σ_x,y √I(y, x) √I(y, 2m − x)

    The root keeps the bladder and a hot lesion from deciding.
    """
    root = np.sqrt(np.maximum(image, 0.0))
    centre = image.shape[1] - 1  # of 2m
    likeness: list[float] = [float((root * _mirrored(root, centre + s)).sum()) for s in range(-SHIFTS, SHIFTS + 1)]
    best = likeness.index(max(likeness)) - SHIFTS
    return float(centre + best) / 2


def _mirrored(image: Plane, twice: int) -> Plane:
    """I(y, 2m − x); 0 from beyond the edge."""
    columns = twice - np.arange(image.shape[1])
    inside = (columns >= 0) & (columns < image.shape[1])
    mirrored: Plane = np.where(inside, image[:, np.clip(columns, 0, image.shape[1] - 1)], 0.0).astype(image.dtype)
    return mirrored


def asymmetry(image: Plane) -> Plane:
    """I(y, x) − I(y, 2m − x): what one side has and the other has not."""
    difference: Plane = image - _mirrored(image, round(2 * midline(image)))
    return difference
