"""From lesion maps to lesions: connected pieces, each with where it lies and how likely it is one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, UInt8

from photopeak.classify.scans import LESIONS
from photopeak.classify.views import VIEWS

#: where a piece begins, and how likely its best pixels must be for it to be a lesion
EDGE: Final = 0.3
EIGHT: Final = np.ones((3, 3), bool)
BEST: Final = 4
"""Pixels whose mean is a lesion's probability."""
URINE: Final = ("bladder", "left kidney", "right kidney")
"""Regions that shine with urine: what is seen there is not bone."""


@dataclass(frozen=True, eq=False)
class Lesion:
    """One piece of a lesion map."""

    view: str
    kind: str
    region: str
    probability: float
    peak: tuple[int, int]
    """Row and column of its best pixel."""
    mask: Bool[np.ndarray, "row column"]
    """On the whole image."""


def lesions_of(
    maps: Float[np.ndarray, "view kind row column"],
    regions: UInt8[np.ndarray, "view row column"],
    names: tuple[str, ...],
    at_least: float,
) -> list[Lesion]:
    """Every lesion of one scan with a probability of ``at_least``, the most probable first; none in urine."""
    found = []
    for v, view in enumerate(VIEWS):
        for k, kind in enumerate(LESIONS):
            for mask, probability in pieces(maps[v, k]):
                if probability < at_least:
                    continue
                site = region_at(mask, regions[v], names)
                if site not in URINE:
                    row, column = np.unravel_index(np.argmax(np.where(mask, maps[v, k], -1)), mask.shape)
                    found.append(Lesion(view, kind, site, probability, (int(row), int(column)), mask))
    return sorted(found, key=lambda x: -x.probability)


def pieces(p: Float[np.ndarray, "row column"]) -> list[tuple[Bool[np.ndarray, "row column"], float]]:
    """The connected pieces above ``EDGE``, each with the mean of its best pixels."""
    from scipy import ndimage

    number, _ = ndimage.label(p > EDGE, EIGHT)
    out = []
    for i, box in enumerate(ndimage.find_objects(number), 1):
        here: Bool[np.ndarray, "r c"] = number[box] == i
        best = np.sort(p[box][here])[-BEST:]
        mask = np.zeros(p.shape, bool)
        mask[box] = here
        out.append((mask, float(best.mean())))
    return out


def region_at(
    mask: Bool[np.ndarray, "row column"], regions: UInt8[np.ndarray, "row column"], names: tuple[str, ...]
) -> str:
    """The region that holds most of a piece; of a piece in none, the nearest one within 3 pixels, or ""."""
    from scipy import ndimage

    inside = Counter(int(r) for r in regions[mask] if r)
    if not inside:
        around = ndimage.binary_dilation(mask, EIGHT, iterations=3)
        inside = Counter(int(r) for r in regions[around] if r)
    return names[inside.most_common(1)[0][0] - 1] if inside else ""


def outline(mask: Bool[np.ndarray, "row column"]) -> list[tuple[float, float]]:
    """The outline of a piece as (x, y) in pixels from the upper left corner of the upper left pixel."""
    from skimage import measure

    contour = max(measure.find_contours(np.pad(mask, 1).astype(float), 0.5), key=len)  # type: ignore[no-untyped-call]
    # The padding moves by one pixel, and a pixel's centre lies half a pixel from its corner.
    return [(float(c - 0.5), float(r - 0.5)) for r, c in contour[:-1]]


def matched(
    found: Sequence[Lesion], truth: Bool[np.ndarray, "row column"]
) -> tuple[list[bool], Float[np.ndarray, " true"]]:
    """Found lesions of one kind and view against the truth: whether each is true, and how probable each true one is.

    A found lesion is true where its peak lies in a true one or it covers at least a tenth of the union with one. A true
    lesion is as probable as the best that hit it, and 0 where none did.
    """
    from scipy import ndimage

    number, n = ndimage.label(truth, EIGHT)
    best, right = np.zeros(n), []
    for one in found:
        touched = {int(t) for t in np.unique(number[one.mask]) if t}
        hits = {t for t in touched if t == number[one.peak] or _overlap(one.mask, number == t) >= 0.1}
        for t in hits:
            best[t - 1] = max(best[t - 1], one.probability)
        right.append(bool(hits))
    return right, best


def _overlap(a: Bool[np.ndarray, "row column"], b: Bool[np.ndarray, "row column"]) -> float:
    return float((a & b).sum() / (a | b).sum())
