"""Segmentations that came with a study, as marks a reader may take into a read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.ndimage import label

from photopeak.dicom.seg_reading import Segment
from photopeak.evaluate.outlines import contour
from photopeak.room.api.forms import Mark
from photopeak.room.display import Picture

LEAST_PIXELS: Final = 3
MOST_CORNERS: Final = 1000


@dataclass(frozen=True)
class Taken:
    """Marks of a segmentation, and in words what of it could not become one."""

    marks: tuple[dict[str, Any], ...]
    left_out: tuple[str, ...]


def marks_of(segments: Sequence[Segment], pictures: Iterable[Picture], sop: str) -> Taken:
    """Each piece of each segment as a polygon on the view that it was drawn on."""
    frames = {
        (str(p["sop"]), int(p["frame"])): (picture.name, view, (int(p["rows"]), int(p["columns"])))
        for picture in pictures
        for view, p in picture.places.items()
    }
    marks: list[dict[str, Any]] = []
    left_out: list[str] = []
    for segment in segments:
        called = segment.label or f"segment {segment.number}"
        place = frames.get((segment.sop, segment.frame))
        if not segment.finding:
            left_out.append(f"{called}: its code is none of our findings")
        elif place is None or place[2] != segment.inside.shape:
            left_out.append(f"{called}: it lies on no view of this study")
        else:
            marks += [_mark(segment, place[:2], points, f"{sop}/{len(marks) + i}") for i, points in _pieces(segment)]
    return Taken(tuple(marks), tuple(left_out))


def _pieces(segment: Segment) -> list[tuple[int, list[tuple[float, float]]]]:
    """The outline of every piece; an outline with too many corners keeps every n-th."""
    numbered, n = label(segment.inside, np.ones((3, 3)))
    found = []
    for k in range(1, n + 1):
        piece = numbered == k
        if piece.sum() >= LEAST_PIXELS:
            points = contour(piece)
            found.append([(float(x), float(y)) for x, y in points[:: 1 + len(points) // MOST_CORNERS]])
    return list(enumerate(found, 1))


def _mark(segment: Segment, place: tuple[str, str], points: list[tuple[float, float]], name: str) -> dict[str, Any]:
    mark = Mark(
        id=f"seg-{name}"[-64:],
        origin="drawn",
        state="accepted",
        number=None,
        finding=segment.finding,
        site=segment.region,
        image=place[0],
        view=place[1],
        shape="polygon",
        points_px=points,
        comment=f"from the segmentation: {segment.label}"[:2000],
    )
    return mark.model_dump(mode="json")
