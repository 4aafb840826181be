"""The published data sets D_1 and D_2 of bone-scan images, and their two splits :cite:`lin2021dspic`.

Three outputs and four classes: each image that shows both metastases and arthritis is entered twice, once as M and once
as A. (Inferred: every accuracy the paper gives for D_2 is a whole number of 475 images, 30 % of 1502 + 80.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float16, Int

from photopeak.classify.scans import Scans
from photopeak.classify.views import VIEWS
from photopeak.learning.splits import split_patients
from photopeak.learning.variations import ITSELF, Sample, Variation, varied, vary
from photopeak.quantify.normalise import normalise

CLASSES: Final = ("N", "M", "A")
D_1: Final = {"N": 334, "M": 174, "A": 252, "M&A": 8}
D_2: Final = {"N": 334, "M": 520, "A": 568, "M&A": 80}
D_2_ENTRIES: Final = 1582
"""Of D_2, with M&A entered twice."""
TEST_SHARE: Final = 0.3


@dataclass(frozen=True)
class Entered:
    """One image as it enters training or testing: of which patient and view, how varied, as which class."""

    patient: int
    view: int
    variation: Variation
    label: str
    """The image's own class, which may be M&A."""
    entered_as: str

    @property
    def name(self) -> str:
        """The view, as a table of predictions names it; copies and double entries are told apart."""
        v = self.variation
        copy = "" if v == ITSELF else f" {'mirrored ' * v.mirror}{v.shift_px[0]:+d} {v.shift_px[1]:+d} {v.turn_deg:+g}"
        return f"{VIEWS[self.view]}{copy}{f' as {self.entered_as}' if self.label == 'M&A' else ''}"


def growth(data: Mapping[str, int]) -> dict[str, float]:
    """By how much a data set grows each class of D_1."""
    return {label: data.get(label, n) / n for label, n in D_1.items()}


def as_published(scans: Scans, data: Mapping[str, int], seed: int) -> tuple[list[Entered], list[Entered]]:
    """Training and testing as the text says: augmented first, then 30 % of the images drawn at random.

    This split leaks. Copies of one image, the two views of one patient, and the two entries of one M&A image fall on
    both sides. It exists to measure by how much.
    """
    entered = copied(scans, data, seed)
    order = np.random.default_rng([seed, 1]).permutation(len(entered))
    held = set(order[: round(TEST_SHARE * len(entered))].tolist())
    return [e for i, e in enumerate(entered) if i not in held], [e for i, e in enumerate(entered) if i in held]


def apart(scans: Scans, data: Mapping[str, int], seed: int) -> tuple[list[Entered], list[Entered]]:
    """Augmented first, as published, and then split by patient: as many images of the same kinds, without the leak.

    What ``as_published`` gains over this split is the leak alone: both test on copies as well as on originals.
    """
    split = split_patients(scans.patients, scans.classes, TEST_SHARE, seed)
    held = set(split.test.tolist())
    entered = copied(scans, data, seed)
    return [e for e in entered if e.patient not in held], [e for e in entered if e.patient in held]


def copied(scans: Scans, data: Mapping[str, int], seed: int, double: bool = True) -> list[Entered]:
    """Every image and its copies, as many as the data set grew by; ``double`` enters M&A twice."""
    labels = _image_labels(scans)
    return _entered(varied(labels, _added(labels, data), seed), labels, double)


def clean(scans: Scans, data: Mapping[str, int], seed: int) -> tuple[list[Entered], list[Entered]]:
    """Training and testing by patient: 30 % of the patients of each class are held out, and only the rest augmented.

    The test images are the originals alone.
    """
    split = split_patients(scans.patients, scans.classes, TEST_SHARE, seed)
    labels = _image_labels(scans)
    train = [2 * int(p) + v for p in split.train for v in (0, 1)]
    mine = [labels[i] for i in train]
    samples = [Sample(train[s.parent], s.variation) for s in varied(mine, _added(mine, data), seed)]
    test = [Sample(2 * int(p) + v) for p in split.test for v in (0, 1)]
    return _entered(samples, labels), _entered(test, labels)


def _added(labels: Sequence[str], data: Mapping[str, int]) -> dict[str, int]:
    """How many copies a class needs to grow as it grew in the paper; exactly as many for the published cohort."""
    return {label: round((factor - 1) * labels.count(label)) for label, factor in growth(data).items()}


def _image_labels(scans: Scans) -> list[str]:
    return [label for label in scans.classes for _ in VIEWS]


def _entered(samples: Sequence[Sample], labels: Sequence[str], double: bool = True) -> list[Entered]:
    return [
        Entered(s.parent // 2, s.parent % 2, s.variation, labels[s.parent], one)
        for s in samples
        for one in labels[s.parent].split("&")[: None if double else 1]
    ]


def images(scans: Scans, entered: Sequence[Entered]) -> Float16[np.ndarray, "n 1 row column"]:
    """The images, each normalised by its own extremes (Eq 1) and then varied."""
    out = np.empty((len(entered), 1, *scans.counts.shape[2:]), np.float16)
    for i, e in enumerate(entered):
        out[i, 0] = vary(normalise(scans.counts[e.patient, e.view], (0, 1)), e.variation)
    return out


def numbers(entered: Sequence[Entered]) -> Int[np.ndarray, " n"]:
    """The class that each image is entered as: 0 N, 1 M, 2 A."""
    return np.array([CLASSES.index(e.entered_as) for e in entered], np.int64)
