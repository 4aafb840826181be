"""Parts of the body in bone scans: the chest, the pelvis and the spine, and the lesions and hot spots in them.

Where a part lies is told by the regions of the skeleton. Ways that read a part are taught with the truth's regions; of
the tests, which nobody has drawn, they are those that the shipped reader's region head finds in both views.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped, UInt8
from torch.nn import functional

from photopeak.classify.asking import answers
from photopeak.classify.lesions import EIGHT, region_at
from photopeak.classify.reader import load_model
from photopeak.classify.scans import LESIONS, Scans
from photopeak.core import PhotopeakError
from photopeak.core.writing import whole_file
from photopeak.evaluate.predictions import Predictions
from photopeak.learning.plan import Batch, Plan
from photopeak.recipes import hot_spot_reading, older
from photopeak.recipes.dspic_data import Entered

SPINE: Final = ("cervical spine", "thoracic spine", "lumbar spine")
PARTS: Final = {
    "chest": (
        "thoracic spine", "sternum", "left ribs", "right ribs", "left clavicle", "right clavicle", "left scapula",
        "right scapula",
    ),
    "pelvis": ("sacrum", "left pelvis", "right pelvis"),
    "spine": SPINE,
}  # fmt: skip
"""The regions each part is made of."""
FEWEST_PX: Final = 20
"""A part of fewer pixels has not been found."""
OUTER_PERCENT: Final = 1.0
"""Of a part's pixels on each side that do not count for where it lies: a stray one must not move it."""
NEAR_PX: Final = 3
M_OR_NOT: Final = ("N", "M")
"""The classes of a question about metastases alone; N is: none."""

Regions = UInt8[np.ndarray, "n 2 row column"]


@dataclass(frozen=True)
class Moved(Plan):
    """Each batch mirrored with probability one half and shifted by up to ``shift_px`` each way, its edges repeated."""

    shift_px: int = 3

    def augment(self, batch: Batch, rng: torch.Generator) -> Batch:
        x, s = batch["images"], self.shift_px
        flip, rows, columns = torch.rand(3, generator=rng, device=rng.device).tolist()
        x = x.flip(-1) if flip < 0.5 else x
        if s:
            top, left = (round(2 * s * r) for r in (rows, columns))
            padded = functional.pad(x, [s] * 4, mode="replicate")
            x = padded[..., top : top + x.shape[-2], left : left + x.shape[-1]]
        return {**batch, "images": x}


@dataclass(frozen=True)
class Piece:
    """One lesion as a view shows it: a connected piece of the truth's mask."""

    image: int
    """Its place among ``older.every_image``."""
    kind: str
    region: str
    box: tuple[int, int, int, int]
    """First row, first column, and those after the last."""


@dataclass(frozen=True, eq=False)
class Division:
    """One split: each image once, and the regions that may be known of it."""

    seed: int
    training: list[Entered]
    testing: list[Entered]
    regions: Regions


def found_regions(scans: Scans, kept: Path) -> Regions:
    """The regions that the shipped reader finds, kept in a file."""
    if kept.exists():
        with np.load(kept, allow_pickle=False) as f:
            return np.asarray(f["regions"])
    model = load_model()
    if model.regions != scans.region_names:
        raise PhotopeakError(
            "the shipped reader names other regions than the truth of these scans. Remedy: simulate them anew."
        )
    regions = np.concatenate([a.regions for a in answers(model.network, scans.counts)])
    with whole_file(kept) as work:
        np.savez_compressed(work, regions=regions)
    return regions


def division(scans: Scans, found: Regions, seed: int) -> Division:
    """The split of the other ways."""
    training, testing = (once(e) for e in older.divided(scans, seed))
    return Division(seed, training, testing, regions_of_split(scans, found, training))


def regions_of_split(scans: Scans, found: Regions, training: Sequence[Entered]) -> Regions:
    """The truth's regions of the patients who are taught with, and the found ones of all others."""
    regions, mine = found.copy(), sorted({e.patient for e in training})
    regions[mine] = scans.regions[mine]
    return regions


def numbers_of(names: Sequence[str], part: str) -> list[int]:
    """The numbers that the regions of a part have in the masks."""
    return [names.index(region) + 1 for region in PARTS[part]]


def box_of(regions: UInt8[np.ndarray, "row column"], names: Sequence[str], part: str) -> tuple[int, int, int, int]:
    """First row, first column, and those after the last of a part; a few stray pixels do not widen it."""
    rows, columns = np.nonzero(np.isin(regions, numbers_of(names, part)))
    if len(rows) < FEWEST_PX:
        raise PhotopeakError(
            f"the {part} is not found in this view ({len(rows)} pixels). Remedy: read a scan of the whole body."
        )
    ends = (OUTER_PERCENT, 100 - OUTER_PERCENT)
    (top, bottom), (left, right) = (np.percentile(x, ends).round().astype(int).tolist() for x in (rows, columns))
    return top, left, bottom + 1, right + 1


def window(
    image: Shaped[np.ndarray, "row column"], middle: tuple[float, float], size: tuple[int, int]
) -> Shaped[np.ndarray, "y x"]:
    """``size`` pixels about a point, zeros beyond the image.

    >>> window(np.array([[1, 2], [3, 4]]), (0.5, 1.5), (2, 2)).tolist()
    [[2, 0], [4, 0]]
    """
    top, left = corner(middle, size)
    out = np.zeros(size, image.dtype)
    height, width = image.shape
    r0, r1, c0, c1 = max(top, 0), min(top + size[0], height), max(left, 0), min(left + size[1], width)
    if r0 < r1 and c0 < c1:
        out[r0 - top : r1 - top, c0 - left : c1 - left] = image[r0:r1, c0:c1]
    return out


def corner(middle: tuple[float, float], size: tuple[int, int]) -> tuple[int, int]:
    """First row and column of a window about a point (the middle of a pixel is its number)."""
    row, column = (int(np.ceil(m - (n - 1) / 2)) for m, n in zip(middle, size, strict=True))
    return row, column


def middle_of(box: tuple[int, int, int, int]) -> tuple[float, float]:
    """The middle of a box."""
    top, left, bottom, right = box
    return (top + bottom - 1) / 2, (left + right - 1) / 2


def pieces(scans: Scans, kind: str = LESIONS[0]) -> list[Piece]:
    """Every lesion of one kind in every view, with the true region that holds most of it."""
    from scipy import ndimage

    out = []
    for i, e in enumerate(older.every_image(scans)):
        number, _ = ndimage.label(scans.lesions[e.patient, e.view] == LESIONS.index(kind) + 1, EIGHT)
        for k, (rows, columns) in enumerate(ndimage.find_objects(number), 1):
            site = region_at(number == k, scans.regions[e.patient, e.view], scans.region_names)
            out.append(Piece(i, kind, site, (rows.start, columns.start, rows.stop, columns.stop)))
    return out


def sites_of(
    image: Int[np.ndarray, " spot"], box: Int[np.ndarray, "spot 4"], scans: Scans, regions: Regions
) -> tuple[str, ...]:
    """The region of each hot spot: the one in its middle, else the most frequent within ``NEAR_PX``, else ""."""
    found = list[str]()
    for i, one in zip(image.tolist(), box.tolist(), strict=True):
        row, column = (round(x) for x in middle_of((one[0], one[1], one[2], one[3])))
        here = regions[i // 2, i % 2]
        near = here[max(row - NEAR_PX, 0) : row + NEAR_PX + 1, max(column - NEAR_PX, 0) : column + NEAR_PX + 1]
        counted = np.bincount(near[near > 0], minlength=1)
        number = int(here[row, column]) or int(counted.argmax())
        found.append(scans.region_names[number - 1] if number else "")
    return tuple(found)


def once(entered: Sequence[Entered]) -> list[Entered]:
    """Each image once: one that shows both diseases is entered twice, as M and as A."""
    return list({(e.patient, e.view): e for e in entered}.values())


def told_of(
    cases: Sequence[tuple[str, str]], fold: str, yes: Sequence[bool], p: Float[np.ndarray, " n"]
) -> Predictions:
    """Predictions of a question about metastases: patient and view of each case, the answer and its probability."""
    patients, views = zip(*cases, strict=True)
    labels = tuple(M_OR_NOT[int(y)] for y in yes)
    scores = np.stack((1 - p, p), 1)
    return Predictions(patients, views, (fold,) * len(cases), labels, M_OR_NOT, scores)


def weighed_loss(yes: Sequence[bool]) -> Any:
    """Cross-entropy in which both answers weigh the same in sum, however rare one is."""
    share = float(np.clip(np.mean(yes), 0.01, 0.99))
    weight = torch.tensor([0.5 / (1 - share), 0.5 / share])

    def loss(network: torch.nn.Module, batch: Batch) -> torch.Tensor:
        images = batch["images"].float()
        return functional.cross_entropy(network(images).float(), batch["labels"], weight.to(images.device))

    return loss


def regressed(
    x: Float[np.ndarray, "m f"], yes: Bool[np.ndarray, " m"], asked: Float[np.ndarray, "n f"]
) -> Float[np.ndarray, " n"]:
    """A logistic regression's probability of yes; where all that was taught has one answer, that answer."""
    if len(np.unique(yes)) < 2:
        return np.full(len(asked), float(yes[0]))
    return np.asarray(hot_spot_reading.regression().fit(x, yes).predict_proba(asked)[:, 1])
