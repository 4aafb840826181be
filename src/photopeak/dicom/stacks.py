"""Slices to a volume: sorted along their normal, gaps and duplicates found, placed in the patient.

Slices of one series that differ in orientation, matrix or pixel size form stacks of their own. Within a
stack positions must follow a straight line in equal steps; a tilted gantry shears the affine, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from photopeak.core.grid import Affine
from photopeak.dicom.assumptions import Assumptions
from photopeak.dicom.elements import Elements
from photopeak.dicom.geometry import affine, directions, pixel_spacing

EQUAL_STEPS: Final = 0.02
"""How far a slice may be from its place, in parts of the step: what decimal strings and table feeds lose."""


@dataclass(frozen=True)
class Slice:
    """One slice: its file, where its first pixel lies and how far along the normal that is."""

    e: Elements
    position: NDArray[np.float64]
    along_mm: float


@dataclass(frozen=True)
class Stack:
    """Slices by place: ``places[k]`` holds every slice (of several times or gates) at the k-th position."""

    places: list[list[Slice]]
    affine_mm: Affine

    @property
    def slices(self) -> list[Slice]:
        return [s for place in self.places for s in place]


def key_of(e: Elements) -> tuple[Any, ...]:
    """What the slices of one stack share."""
    cosines = tuple(round(c, 3) + 0.0 for c in _cosines(e))
    spacing = tuple(round(v, 4) for v in e.numbers("PixelSpacing"))
    return e.text("SeriesInstanceUID"), cosines, e.integer("Rows"), e.integer("Columns"), spacing


def build(slices: list[Elements], assume: Assumptions) -> Stack:
    """The stack of slices that share a key."""
    first = slices[0]
    row, column, normal = directions(first, _cosines(first))
    placed = [_placed(e, normal) for e in _unrepeated(slices)]
    placed.sort(key=lambda s: s.along_mm)
    dy, dx = pixel_spacing(first, assume)
    places = _grouped(placed, 0.01 * min(dy, dx))
    step = _step(places, normal, assume)
    origin = places[0][0].position
    return Stack(places, affine(origin, (row * dx, column * dy, step)))


def _cosines(e: Elements) -> tuple[float, ...]:
    cosines = e.numbers("ImageOrientationPatient", 6)
    if not cosines:
        raise e.refuse("ImageOrientationPatient", "is missing, so the slice cannot be placed in the patient.")
    return cosines


def _placed(e: Elements, normal: NDArray[np.float64]) -> Slice:
    position = e.numbers("ImagePositionPatient", 3)
    if not position:
        raise e.refuse("ImagePositionPatient", "is missing, so the slice cannot be placed in the patient.")
    return Slice(e, np.array(position), float(np.array(position) @ normal))


def _unrepeated(slices: list[Elements]) -> list[Elements]:
    """Each instance once: a folder may hold a file twice."""
    by_uid: dict[str, Elements] = {}
    for e in slices:
        by_uid.setdefault(e.text("SOPInstanceUID") or e.path, e)
    return list(by_uid.values())


def _grouped(placed: list[Slice], tolerance_mm: float) -> list[list[Slice]]:
    """Slices at one position together; every position must have as many."""
    places = [[placed[0]]]
    for s in placed[1:]:
        if s.along_mm - places[-1][0].along_mm <= tolerance_mm:
            places[-1].append(s)
        else:
            places.append([s])
    most = max(map(len, places))
    for place in places:
        if len(place) != most:
            where = f"{place[0].along_mm:.2f} mm along the normal"
            meaning = f"{len(place)} slices lie {where}, {most} elsewhere: slices are missing, or two series are mixed."
            raise place[0].e.refuse("ImagePositionPatient", meaning, "give the complete series alone.")
    return places


def _step(places: list[list[Slice]], normal: NDArray[np.float64], assume: Assumptions) -> NDArray[np.float64]:
    """From each slice to the next, in mm."""
    first = places[0][0]
    if len(places) == 1:
        thickness = first.e.positive("SpacingBetweenSlices") or first.e.positive("SliceThickness")
        thickness = assume.settle("slice_mm", thickness, first.e, "SliceThickness")
        if thickness is None:
            meaning = "is missing, and a single slice does not say otherwise how thick it is."
            raise first.e.refuse("SliceThickness", meaning, "state it with --assume slice_mm=3 if you know it.")
        return np.asarray(normal * thickness, dtype=np.float64)
    positions = np.array([place[0].position for place in places])
    step = (positions[-1] - positions[0]) / (len(places) - 1)
    expected = positions[0] + np.arange(len(places))[:, None] * step
    away = np.linalg.norm(positions - expected, axis=1)
    if away.max() > EQUAL_STEPS * np.linalg.norm(step):
        raise _uneven(places)
    return np.asarray(step, dtype=np.float64)


def _uneven(places: list[list[Slice]]) -> Exception:
    """Slices that are not equally far apart: most often some are missing."""
    along = np.array([place[0].along_mm for place in places])
    steps = np.diff(along)
    worst = int(np.argmax(steps))
    meaning = (
        f"slices are {np.median(steps):.2f} mm apart, but {steps[worst]:.2f} mm between "
        f"{along[worst]:.2f} and {along[worst + 1]:.2f} mm: slices are missing or unequally spaced."
    )
    return places[worst + 1][0].e.refuse("ImagePositionPatient", meaning, "give the complete series.")
