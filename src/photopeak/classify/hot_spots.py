"""Hot spots of a bone scan found without learning, and what the older ways measured of them.

Before networks, a scan was cut into hot spots and each was described by a handful of numbers, which a small classifier
then weighed; or the body was laid under a grid and each cell described :cite:`aslantas2016cadboss`. Definitions, on
pixels of 4.6 mm:

    c        counts after a Gaussian of σ = 1 pixel
    b        the surroundings: the greatest of four grey openings of c by lines of 13 pixels (6 cm) in four directions
    level    the median of c where it exceeds its mean: what much of the bone shines with
    seed     a local maximum of c with c > 0.8 level and c > 1.25 b
    extent   the pixels that drain to the seed (watershed of −c) and exceed (c_seed + b_seed)/2

An opening by a line keeps what is at least as long in that direction: shafts, ribs and the spine stay in b, and only
what is short in all four directions rises above it. The half-way contour is where a straight edge lies after a blur,
whatever the contrast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float, Int, UInt16

SHARP_PX, LINE_PX = 1.0, 13
LEAST_LEVEL, LEAST_CONTRAST = 0.8, 1.25
LEAST_AREA_PX = 4
BODY_LEVEL: Final = 0.15
"""Of ``level``: what shines less lies beside the body."""
GRID: Final = (16, 6)
"""Rows and columns of the grid that is laid over the body."""

FEATURES: Final = (
    "peak", "mean", "contrast", "area", "elongation", "solidity", "height", "distance", "mirror", "neighbours",
    "posterior",
)  # fmt: skip
"""Of one hot spot. Peak and mean counts over ``level``; peak over surroundings; area in pixels (logarithm);
eccentricity of its ellipse; area over that of its hull; how far down the body its middle lies (0 vertex, 1 sole); its
distance from the midline over half the body's width; counts at the mirrored place over its own; hot spots within ten
pixels; whether the view is the posterior one."""

LINES: Final = tuple(
    line > 0 for line in (np.ones((1, LINE_PX)), np.ones((LINE_PX, 1)), np.eye(LINE_PX), np.eye(LINE_PX)[::-1])
)

Plane = Float[np.ndarray, "row column"]


@dataclass(frozen=True, eq=False)
class Seen:
    """One view, smoothed, with its body and its hot spots."""

    sharp: Plane
    around: Plane
    level: float
    body: Bool[np.ndarray, "row column"]
    number: Int[np.ndarray, "row column"]
    """The number of the hot spot in each pixel, from 1 on; 0 is none."""
    posterior: bool

    @property
    def box(self) -> tuple[int, int, int, int]:
        """First row, last row, first column and last column of the body."""
        rows, columns = (np.flatnonzero(self.body.any(axis)) for axis in (1, 0))
        if not rows.size:
            return 0, self.body.shape[0] - 1, 0, self.body.shape[1] - 1
        return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])

    @property
    def boxes(self) -> list[tuple[int, int, int, int]]:
        """First row and column of each hot spot, and those after its last, in the order of their numbers."""
        from scipy import ndimage

        return [(r.start, c.start, r.stop, c.stop) for r, c in ndimage.find_objects(self.number)]

    @property
    def midline(self) -> float:
        """The column about which the body's pixels lie evenly."""
        columns = np.nonzero(self.body)[1]
        return float(columns.mean()) if columns.size else (self.body.shape[1] - 1) / 2


def look(counts: UInt16[np.ndarray, "row column"], posterior: bool) -> Seen:
    """Find the body and the hot spots of one view."""
    from scipy import ndimage

    sharp = ndimage.gaussian_filter(counts.astype(np.float64), SHARP_PX)
    around = np.max([ndimage.grey_opening(sharp, footprint=line) for line in LINES], axis=0)
    bright = sharp[sharp > sharp.mean()]
    level = float(np.median(bright)) if bright.size else 1.0
    body = _largest(sharp > BODY_LEVEL * level)
    return Seen(sharp, around, level, body, _segmented(sharp, around, level, body), posterior)


def _largest(mask: Bool[np.ndarray, "row column"]) -> Bool[np.ndarray, "row column"]:
    """The largest connected piece, without its holes."""
    from scipy import ndimage

    number, n = ndimage.label(mask)
    if n == 0:
        return mask
    largest: Bool[np.ndarray, "row column"] = number == 1 + np.argmax(np.bincount(number.ravel())[1:])
    filled: Bool[np.ndarray, "row column"] = ndimage.binary_fill_holes(largest)
    return filled


def _segmented(
    sharp: Plane, around: Plane, level: float, body: Bool[np.ndarray, "row column"]
) -> Int[np.ndarray, "row column"]:
    """Seeds, their basins, and of each basin what exceeds half the seed's height above its surroundings."""
    from scipy import ndimage
    from skimage.segmentation import watershed

    top = sharp == ndimage.maximum_filter(sharp, 3)
    seeds = top & body & (sharp > LEAST_LEVEL * level) & (sharp > LEAST_CONTRAST * around)
    markers, n = ndimage.label(seeds, np.ones((3, 3)))
    if n == 0:
        return np.zeros(sharp.shape, np.int64)
    basin = watershed(-sharp, markers, mask=body & (sharp > around))  # type: ignore[no-untyped-call]
    at = ndimage.maximum_position(sharp, markers, np.arange(1, n + 1))
    rows, columns = np.array(at, np.int64).T
    half = np.append(np.inf, 0.5 * (sharp[rows, columns] + around[rows, columns]))
    number = np.where(sharp >= half[basin], basin, 0)
    sizes = np.bincount(number.ravel(), minlength=n + 1)
    kept = np.flatnonzero(sizes >= LEAST_AREA_PX)
    renumbered = np.zeros(n + 1, np.int64)
    renumbered[kept[kept > 0]] = np.arange(1, np.count_nonzero(kept > 0) + 1)
    return renumbered[number]


def of_hot_spots(seen: Seen) -> Float[np.ndarray, "spot feature"]:
    """``FEATURES`` of each hot spot, in the order of their numbers."""
    from skimage.measure import regionprops

    spots: list[Any] = regionprops(seen.number, seen.sharp)  # type: ignore[no-untyped-call]
    if not spots:
        return np.zeros((0, len(FEATURES)))
    middles = np.array([s.centroid for s in spots])
    near = (((middles[:, None] - middles[None]) ** 2).sum(-1) < 100).sum(1) - 1
    return np.array([_row(seen, s, int(n)) for s, n in zip(spots, near, strict=True)])


def _row(seen: Seen, spot: Any, neighbours: int) -> list[float]:
    top, bottom, left, right = seen.box
    y, x = spot.centroid
    mirrored = np.clip(np.rint(2 * seen.midline - spot.coords[:, 1]).astype(int), 0, seen.body.shape[1] - 1)
    mean = float(spot.intensity_mean)
    return [
        float(spot.intensity_max) / seen.level,
        mean / seen.level,
        float(spot.intensity_max) / max(float(seen.around[round(y), round(x)]), 1e-9),
        float(np.log(spot.area)),
        float(spot.eccentricity),
        float(spot.area / max(spot.area_convex, 1.0)),
        (y - top) / max(1, bottom - top),
        2 * abs(x - seen.midline) / max(1, right - left),
        float(seen.sharp[spot.coords[:, 0], mirrored].mean()) / mean,
        float(neighbours),
        float(seen.posterior),
    ]


def of_grid(seen: Seen) -> Float[np.ndarray, " cell_features"]:
    """For each cell of a grid over the body: the share of it that hot spots take, and the highest contrast in them.

    Last come the number of hot spots, their share of the body, and whether the view is the posterior one.
    """
    top, bottom, left, right = seen.box
    hot = seen.number > 0
    contrast = np.where(hot, seen.sharp / np.maximum(seen.around, 1e-9), 0.0)
    rows = np.linspace(top, bottom + 1, GRID[0] + 1).round().astype(int)
    columns = np.linspace(left, right + 1, GRID[1] + 1).round().astype(int)
    out = list[float]()
    for r0, r1 in zip(rows[:-1], np.maximum(rows[1:], rows[:-1] + 1), strict=True):
        for c0, c1 in zip(columns[:-1], np.maximum(columns[1:], columns[:-1] + 1), strict=True):
            out += [float(hot[r0:r1, c0:c1].mean()), float(contrast[r0:r1, c0:c1].max(initial=0.0))]
    share = float(hot.sum()) / max(1, int(seen.body.sum()))
    return np.array([*out, float(seen.number.max(initial=0)), share, float(seen.posterior)])
