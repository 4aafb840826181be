"""Covering what stands out: the spots of a bone scan, and what lies around each to cover it with.

All of it works on x, the square root of the counts over that of typical bone, as the network sees it: the posterior
view mirrored, so that one pixel of either view is the same part of the body. A spot is covered in both views at once,
as a lesion that is not there is seen from neither side.

Bones are long and thin, so what is usual at a pixel is judged along lines: the median along each of four lines through
the pixel, and the greatest of the four. A vertebra is as bright as its spine along the spine; a lesion shorter than
half a line is brighter than every line through it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

Views = Float[np.ndarray, "2 row column"]

LINE: Final = 25
"""Pixels of 4.6 mm: 115 mm, so that spots of up to 55 mm stand out."""
SMOOTH: Final = 1.0
"""Pixels; the counts' noise is then a tenth of x or less."""
STANDS_OUT: Final = 0.2
"""By how much x must be above the usual: at typical bone by 44 % of the counts."""
FOOT: Final = 0.08
"""Where a spot ends."""
APART: Final = 4
"""Pixels between the peaks of two spots."""
MARGIN: Final = 2
"""Pixels by which a spot is widened: the camera's blur carries it further than it can be seen."""
MOST: Final = 40
"""Spots of a scan, those that stand out most: each costs one question to the network."""
FEWEST: Final = 5
"""Pixels of a line that are no spot's, for the line to say what is around."""


@dataclass(frozen=True, eq=False)
class Spots:
    """What stands out of a scan, and the scan as it would be without."""

    number: Int[np.ndarray, "row column"]
    """1, 2, …, the first stands out most; 0 is no spot. Of both views together."""
    excess: Views
    """x, smoothed, less the usual."""
    shown: Bool[np.ndarray, "2 row column"]
    """Where a view shows a spot; one that lies deep may be seen from one side alone."""
    surroundings: Views
    """x with nothing that stands out."""

    def __len__(self) -> int:
        return int(self.number.max(initial=0))

    def masks(self) -> Iterator[Bool[np.ndarray, "row column"]]:
        """Where each spot is."""
        for i in range(1, len(self) + 1):
            yield self.number == i


def spots_of(x: Views) -> Spots:
    """The spots of a scan, found by watershed from the peaks of what exceeds the usual."""
    from scipy import ndimage
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    smooth = smoothed(x)
    excess = smooth - np.stack([usual(view) for view in smooth])
    height = excess.max(0)
    peaks = peak_local_max(height, min_distance=APART, threshold_abs=STANDS_OUT, exclude_border=False, num_peaks=MOST)  # type: ignore[no-untyped-call]
    number = np.zeros(height.shape, np.int32)
    number[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    number = watershed(-height, number, mask=height > FOOT)  # type: ignore[no-untyped-call]
    wide = ndimage.binary_dilation(number > 0, iterations=MARGIN)
    number = np.asarray(watershed(-height, number, mask=wide), np.int32)  # type: ignore[no-untyped-call]
    shown = (number > 0) & ndimage.binary_dilation(excess > FOOT, iterations=MARGIN, axes=(1, 2))
    return Spots(number, excess, shown, np.stack([around(view, number == 0) for view in smooth]))


def covered(x: Views, spots: Spots, where: Bool[np.ndarray, "row column"]) -> Views:
    """x with its surroundings in the place of what lies ``where``, in both views."""
    return np.where(where, spots.surroundings, x).astype(np.float32)


def smoothed(x: Views) -> Views:
    """x without most of its noise."""
    from scipy import ndimage

    out: Views = ndimage.gaussian_filter(x, (0.0, SMOOTH, SMOOTH))
    return out


def usual(view: Float[np.ndarray, "row column"]) -> Float[np.ndarray, "row column"]:
    """The greatest of the medians along the four lines through each pixel."""
    from scipy import ndimage

    medians: Float[np.ndarray, "row column"] = np.max([ndimage.median_filter(view, footprint=k) for k in lines()], 0)
    return medians


def around(
    view: Float[np.ndarray, "row column"], free: Bool[np.ndarray, "row column"]
) -> Float[np.ndarray, "row column"]:
    """The greatest of the means along the four lines, over the pixels that are free; 0 where no line has enough."""
    from scipy import ndimage

    best = np.zeros_like(view)
    weight = free.astype(view.dtype)
    for k in lines():
        pixels = ndimage.correlate(weight, k.astype(view.dtype), mode="constant")
        total = ndimage.correlate(weight * view, k.astype(view.dtype), mode="constant")
        best = np.where(pixels > FEWEST - 0.5, np.maximum(best, total / np.maximum(pixels, 1)), best)
    return best


def lines() -> list[Bool[np.ndarray, "k k"]]:
    """Lines of one length through the middle: across, down, and both diagonals."""
    middle, out = LINE // 2, []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        reach = round(middle / np.hypot(down, right))
        line = np.zeros((LINE, LINE), bool)
        for t in range(-reach, reach + 1):
            line[middle + down * t, middle + right * t] = True
        out.append(line)
    return out
