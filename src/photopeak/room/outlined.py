"""Segmentations and structured reports that came with a study, as marks a reader may take into a read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.ndimage import label

from photopeak.dicom.seg_reading import Segment
from photopeak.dicom.sr_reading import Outline
from photopeak.evaluate.outlines import contour
from photopeak.room.api.forms import Mark
from photopeak.room.display import Picture

LEAST_PIXELS: Final = 3
MOST_CORNERS: Final = 1000


@dataclass(frozen=True)
class Taken:
    """Marks, and in words what could not become one."""

    marks: tuple[dict[str, Any], ...]
    left_out: tuple[str, ...]


def marks_of(found: Sequence[Segment | Outline], pictures: Iterable[Picture], sop: str) -> Taken:
    """Each outline, or piece of a segment, as a polygon on the view that it was drawn on."""
    frames = {
        (str(p["sop"]), int(p["frame"])): (picture.name, view, (int(p["rows"]), int(p["columns"])))
        for picture in pictures
        for view, p in picture.places.items()
    }
    marks: list[dict[str, Any]] = []
    left_out: list[str] = []
    for number, one in enumerate(found, 1):
        called = one.label or f"number {number}"
        place = frames.get((one.sop, one.frame))
        if not one.finding:
            left_out.append(f"{called}: its code is none of our findings")
        elif place is None or not _fits(one, place[2]):
            left_out.append(f"{called}: it lies on no view of this study")
        elif isinstance(one, Outline) and len(one.points_px) < 3:
            left_out.append(f"{called}: it marks a place and no area")
        else:
            marks += [_mark(one, place[:2], points, f"{sop}/{len(marks) + i}") for i, points in _pieces(one)]
    return Taken(tuple(marks), tuple(left_out))


def _fits(one: Segment | Outline, shape: tuple[int, int]) -> bool:
    """A segment has the pixels of its view; the corners of an outline lie in it."""
    if isinstance(one, Segment):
        return one.inside.shape == shape
    rows, columns = shape
    return all(0 <= x <= columns and 0 <= y <= rows for x, y in one.points_px)


def _pieces(one: Segment | Outline) -> list[tuple[int, list[tuple[float, float]]]]:
    """The outline of every piece; an outline with too many corners keeps every n-th."""
    if isinstance(one, Outline):
        return [(1, list(one.points_px[:: 1 + len(one.points_px) // MOST_CORNERS]))]
    numbered, n = label(one.inside, np.ones((3, 3)))
    found = []
    for k in range(1, n + 1):
        piece = numbered == k
        if piece.sum() >= LEAST_PIXELS:
            points = contour(piece)
            found.append([(float(x), float(y)) for x, y in points[:: 1 + len(points) // MOST_CORNERS]])
    return list(enumerate(found, 1))


def _mark(
    one: Segment | Outline, place: tuple[str, str], points: list[tuple[float, float]], name: str
) -> dict[str, Any]:
    kind = "report" if isinstance(one, Outline) else "segmentation"
    mark = Mark(
        id=f"from-{name}"[-64:],
        origin="drawn",
        state="accepted",
        number=None,
        finding=one.finding,
        site=one.region,
        image=place[0],
        view=place[1],
        shape="polygon",
        points_px=points,
        comment=f"from the {kind}: {one.label}"[:2000],
    )
    return mark.model_dump(mode="json")
