"""Splits by patient. A patient's images, both views and every augmented copy, fall on one side.

The functions take the patient of each example and nothing else, so there is no way to ask for a split by image. (The
one published split that leaks lives in the recipe that reproduces it.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from photopeak.core import PhotopeakError

Indices = Int[np.ndarray, " _"]  # each side of a split has its own number


@dataclass(frozen=True, eq=False)
class Split:
    """Which examples are for training and which for testing; made only where no patient is in both."""

    patients: tuple[str, ...]
    train: Indices
    test: Indices

    def __post_init__(self) -> None:
        both = {self.patients[i] for i in self.train} & {self.patients[i] for i in self.test}
        if both:
            some = ", ".join(sorted(both)[:5])
            raise PhotopeakError(
                f"{len(both)} patients are on both sides of the split ({some}): what is measured would be memory. "
                "Remedy: split with split_patients, and give augmented images their parent's patient."
            )


def split_patients(patients: Sequence[str], classes: Sequence[str], share: float, seed: int, fewest: int = 1) -> Split:
    """A random share of the patients of each class for testing, at least ``fewest`` of each; the rest for training.

    ``classes`` is the class of each example; a patient's class is that of its first example.
    """
    if not 0 < share < 1:
        raise PhotopeakError(f"share={share}: the test share lies between 0 and 1. Remedy: 0.3, for example.")
    held = set[str]()
    for members in _by_class(patients, classes, seed).values():
        held.update(members[: max(fewest, round(share * len(members)))])
    return _split(patients, held)


def folds(patients: Sequence[str], classes: Sequence[str], k: int, seed: int) -> tuple[Split, ...]:
    """k splits; each patient is for testing in exactly one of them, each class spread evenly."""
    distinct = len(set(patients))
    if not 2 <= k <= distinct:
        raise PhotopeakError(f"{k} folds of {distinct} patients. Remedy: take from 2 to {distinct} folds.")
    order = [p for members in _by_class(patients, classes, seed).values() for p in members]
    return tuple(_split(patients, set(order[i::k])) for i in range(k))


def _by_class(patients: Sequence[str], classes: Sequence[str], seed: int) -> dict[str, list[str]]:
    """The patients of each class in random order."""
    if len(patients) != len(classes):
        raise PhotopeakError(f"{len(patients)} patients but {len(classes)} classes: one of each for every example.")
    class_of: dict[str, str] = {}
    for patient, label in zip(patients, classes, strict=True):
        class_of.setdefault(patient, label)
    rng = np.random.default_rng(seed)
    groups: dict[str, list[str]] = {}
    for patient in sorted(class_of):
        groups.setdefault(class_of[patient], []).append(patient)
    return {label: [str(p) for p in rng.permutation(groups[label])] for label in sorted(groups)}


def _split(patients: Sequence[str], held: set[str]) -> Split:
    test = np.array([p in held for p in patients])
    return Split(tuple(patients), np.flatnonzero(~test), np.flatnonzero(test))
