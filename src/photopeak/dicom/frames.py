"""What each frame of an NM object is: its energy window, detector, time, gate, angle or slice.

The Frame Increment Pointer (0028,0009) names the vectors that index the frames; each holds one number a
frame. A vector may be absent where it has one value only, or where it is the only one that varies; what
contradicts itself is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from photopeak.dicom.checked import tag_text
from photopeak.dicom.elements import Elements, tag_of

#: dimension -> (vector, number of its values)
VECTORS: Final = {
    "energy": ("EnergyWindowVector", "NumberOfEnergyWindows"),
    "detector": ("DetectorVector", "NumberOfDetectors"),
    "phase": ("PhaseVector", "NumberOfPhases"),
    "rotation": ("RotationVector", "NumberOfRotations"),
    "rr": ("RRIntervalVector", "NumberOfRRIntervals"),
    "gate": ("TimeSlotVector", "NumberOfTimeSlots"),
    "slice": ("SliceVector", "NumberOfSlices"),
    "angle": ("AngularViewVector", ""),
    "time": ("TimeSliceVector", "NumberOfTimeSlices"),
}

#: kind of image -> the dimensions of its frames, slowest first
DIMENSIONS: Final = {
    "STATIC": ("energy", "detector"),
    "WHOLE BODY": ("energy", "detector"),
    "DYNAMIC": ("energy", "detector", "phase", "time"),
    "GATED": ("energy", "detector", "rr", "gate"),
    "TOMO": ("energy", "detector", "rotation", "angle"),
    "GATED TOMO": ("energy", "detector", "rr", "gate", "rotation", "angle"),
    "RECON TOMO": ("energy", "slice"),
    "RECON GATED TOMO": ("energy", "rr", "gate", "slice"),
}

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Frames:
    """For each dimension, the number (from 1) that every frame has."""

    count: int
    numbers: dict[str, Numbers]

    def constant(self, dimension: str) -> bool:
        return bool((self.numbers[dimension] == self.numbers[dimension][0]).all())


def read_frames(e: Elements, kind: str) -> Frames:
    """The frames of an object, checked against each other."""
    count = e.integer("NumberOfFrames")
    count = 1 if count is None else count
    if count < 1:
        raise e.refuse("NumberOfFrames", f"is {count}.")
    dimensions = DIMENSIONS[kind]
    pointed = _pointed(e, kind, count)
    vectors = {d: _vector(e, VECTORS[d][0], count) for d in VECTORS if d in dimensions or d in pointed}
    for d, vector in vectors.items():
        if d not in dimensions and vector is not None and (vector != vector[0]).any():
            raise e.refuse(VECTORS[d][0], f"varies, which frames of a {kind} image do not.")
    numbers = {d: v for d in dimensions if (v := vectors[d]) is not None}
    for d in dimensions:
        if d not in numbers:
            numbers[d] = _derived(e, d, count, {k: v for k, v in vectors.items() if v is not None})
        _check_limit(e, d, numbers[d])
    return Frames(count, numbers)


def _pointed(e: Elements, kind: str, count: int) -> set[str]:
    """The dimensions whose vectors the pointer names; vectors it does not name index nothing.

    Frames that something else than these vectors indexes would be misread, and are refused.
    """
    known = {tag_of(vector): dimension for dimension, (vector, _) in VECTORS.items()}
    tags = [int(tag) for tag in e.values("FrameIncrementPointer")]
    for tag in tags:
        if tag not in known and count > 1:
            meaning = f"frames are indexed by {tag_text(tag)}, which a {kind} image has no use for."
            raise e.refuse("FrameIncrementPointer", meaning)
    return {known[tag] for tag in tags if tag in known}


def _vector(e: Elements, keyword: str, count: int) -> Numbers | None:
    values = e.values(keyword)
    if not values:
        return None
    if len(values) != count:
        raise e.refuse(keyword, f"has {len(values)} numbers for {count} frames.")
    if min(values) < 1:
        raise e.refuse(keyword, f"counts from {min(values)}, not from 1.")
    return np.asarray(values, dtype=np.int64)


def _derived(e: Elements, dimension: str, count: int, given: dict[str, Numbers]) -> Numbers:
    """An absent vector: all ones, or the frames in order where nothing else tells them apart."""
    vector, number = VECTORS[dimension]
    size = (e.integer(number) if number else None) or 1
    if size == 1 and (number or count == 1 or any((v != v[0]).any() for v in given.values())):
        return np.ones(count, dtype=np.int64)
    if (size == count or not number) and all((v == v[0]).all() for v in given.values()):
        return np.arange(1, count + 1, dtype=np.int64)
    raise e.refuse(vector, f"is missing, and {count} frames cannot be told apart without it.")


def _check_limit(e: Elements, dimension: str, numbers: Numbers) -> None:
    vector, number = VECTORS[dimension]
    stated = e.integer(number) if number else None
    if stated and numbers.max() > stated and dimension in ("energy", "detector", "phase", "slice"):
        raise e.refuse(vector, f"names number {numbers.max()}, but {number} is {stated}.")


def ranked(numbers: Numbers) -> tuple[Numbers, int]:
    """Numbers as places from 0, and how many places there are."""
    distinct, place = np.unique(numbers, return_inverse=True)
    return place.astype(np.int64), len(distinct)


def arranged(e: Elements, places: dict[str, tuple[Numbers, int]]) -> tuple[tuple[int, ...], NDArray[np.int64] | None]:
    """The array's leading shape and the frames in its order; None where they are in order already.

    Frames must fill the grid: each place once.
    """
    sizes = tuple(size for _, size in places.values())
    count = len(next(iter(places.values()))[0])
    code = np.zeros(count, dtype=np.int64)
    for place, size in places.values():
        code = code * size + place
    if int(np.prod(sizes)) != count or len(np.unique(code)) != count:
        axes = " × ".join(f"{size} {name}" for name, (_, size) in places.items())
        raise e.refuse("FrameIncrementPointer", f"{count} frames do not fill {axes}, each once.")
    order = np.argsort(code)
    return sizes, None if (order == np.arange(count)).all() else order
