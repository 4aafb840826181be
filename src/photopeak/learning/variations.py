"""Parameter variation: mirrored, shifted and turned copies of images (Eqs 2–4 of :cite:`lin2021dspic`).

The paper gives neither the shift *t* nor the angle *r*, nor which copies of which image were taken, only how many of
each class. Here t = 8 pixels of the 256 × 1024 matrix and r = 5°, every image of a class has as many copies as any
other or one more, and no copy is made twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

from photopeak.core import PhotopeakError

SHIFT_PX = 8
"""t, in pixels of a 1024 × 256 image; smaller images are shifted in proportion."""
TURN_DEG = 5.0
"""r, in degrees."""
ROWS = 1024


@dataclass(frozen=True)
class Variation:
    """Mirrored or not, then one of: nothing, a shift in pixels (row, column), or a turn in degrees."""

    mirror: bool = False
    shift_px: tuple[int, int] = (0, 0)
    turn_deg: float = 0.0


ITSELF = Variation()
_MOVES = (
    *((shift, 0.0) for shift in ((0, 0), (SHIFT_PX, 0), (-SHIFT_PX, 0), (0, SHIFT_PX), (0, -SHIFT_PX))),
    ((0, 0), TURN_DEG),
    ((0, 0), -TURN_DEG),
)
VARIATIONS = tuple(v for m in (False, True) for v in (Variation(m, *move) for move in _MOVES) if v != ITSELF)
"""The thirteen copies that an image can have."""


@dataclass(frozen=True)
class Sample:
    """One image of a varied data set: which image it comes from, and how it was varied."""

    parent: int
    variation: Variation = ITSELF


def vary(image: Shaped[np.ndarray, "row column"], variation: Variation) -> Shaped[np.ndarray, "row column"]:
    """The varied image; what comes in from outside is 0.

    >>> vary(np.array([[1, 2, 3]]), Variation(mirror=True)).tolist()
    [[3, 2, 1]]
    """
    from scipy import ndimage

    if variation.mirror:
        image = image[:, ::-1]
    if variation.shift_px != (0, 0):
        rows, columns = (round(s * len(image) / ROWS) for s in variation.shift_px)
        image = _shifted(image, rows, columns)
    if variation.turn_deg:
        image = ndimage.rotate(image, variation.turn_deg, reshape=False, order=1, mode="constant")
    return image


def _shifted(image: Shaped[np.ndarray, "row column"], rows: int, columns: int) -> Shaped[np.ndarray, "row column"]:
    moved = np.zeros_like(image)
    height, width = image.shape
    moved[max(rows, 0) : height + min(rows, 0), max(columns, 0) : width + min(columns, 0)] = image[
        max(-rows, 0) : height + min(-rows, 0), max(-columns, 0) : width + min(-columns, 0)
    ]
    return moved


def varied(labels: Sequence[str], added: Mapping[str, int], seed: int) -> list[Sample]:
    """The images themselves, in order, and then ``added[class]`` copies of the images of each class.

    >>> [s.parent for s in varied(["N", "M", "M"], {"M": 3}, seed=0)][:3]
    [0, 1, 2]
    """
    rng = np.random.default_rng(seed)
    samples = [Sample(i) for i in range(len(labels))]
    for label, wanted in added.items():
        images = [i for i, one in enumerate(labels) if one == label]
        if not 0 <= wanted <= len(VARIATIONS) * len(images):
            raise PhotopeakError(
                f"{wanted} copies of {len(images)} images of class {label}: each has {len(VARIATIONS)} at most. "
                "Remedy: ask for fewer."
            )
        orders = {i: rng.permutation(len(VARIATIONS)) for i in images}
        turn = rng.permutation(images)
        for k in range(wanted):  # round by round: every image has its k-th copy before any has its next
            parent = int(turn[k % len(turn)])
            samples.append(Sample(parent, VARIATIONS[orders[parent][k // len(turn)]]))
    return samples
