"""Readers' marks as LabelMe files, in and out: a mark says what, where, in which view, and has an outline.

LabelMe writes one JSON file an image. Ours may hold both views of a whole-body scan, as each shape's flags name its
view. A label is the finding's code and the site, ``M left ribs``; points are x, y in pixels from the upper left corner
of the view's upper left pixel.

The bytes may come from anybody: what is too large, no number, or of another type than LabelMe's is refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from photopeak.core.errors import PhotopeakError
from photopeak.dicom.codes import VIEWS

VERSION: Final = "5.5.0"
CODES: Final = {"metastasis": "M", "arthritis": "A"}
"""The letters by which cohorts, labels and the simulated readers name their classes."""
SHAPES: Final = {"polygon": (3, 1000), "rectangle": (2, 2), "circle": (2, 2)}
"""How many points each may have. A rectangle's are opposite corners, a circle's its centre and one on it."""

MAX_FILE_BYTES: Final = 8 * 2**20  # LabelMe puts the image into the file unless told not to
MAX_SHAPES: Final = 500
MAX_POINTS: Final = 20_000  # of all shapes of a file
FARTHEST_PX: Final = 65_535.0  # the most rows and columns that an image in DICOM can have
LONGEST_SITE: Final = 64
LONGEST_COMMENT: Final = 2000
CIRCLE_CORNERS: Final = 64  # encloses 99.8 % of the circle

Points = tuple[tuple[float, float], ...]
_SAVE_AGAIN: Final = "Remedy: open it in LabelMe 5 and save it again."


@dataclass(frozen=True)
class Mark:
    """One marked lesion.

    ``finding``: ``metastasis`` or ``arthritis``; ``site``: a body part in words, or ""; ``view``: as in ``anterior``;
    ``shape``: ``polygon``, ``rectangle`` or ``circle``; ``points_px``: x, y of each as LabelMe has them for that shape.
    """

    finding: str
    site: str
    view: str
    shape: str
    points_px: Points
    comment: str = ""

    def __post_init__(self) -> None:
        for what, value, known in (("finding", self.finding, CODES), ("view", self.view, VIEWS)):
            if value not in known:
                raise PhotopeakError(f"its {what} is {value[:40]!r}. Remedy: use one of {', '.join(known)}.")
        if self.site != self.site.strip() or not self.site.isprintable() or len(self.site) > LONGEST_SITE:
            raise PhotopeakError(
                f"its site {self.site[:40]!r} is no plain text of at most {LONGEST_SITE} characters. "
                "Remedy: name the body part in a few words."
            )
        if len(self.comment) > LONGEST_COMMENT or not all(_writable(c) for c in self.comment):
            raise PhotopeakError(
                f"its comment has more than {LONGEST_COMMENT} characters, or control characters. Remedy: shorten it."
            )
        self._check_points()

    def _check_points(self) -> None:
        if self.shape not in SHAPES:
            raise PhotopeakError(
                f"a shape of the type {self.shape[:40]!r} encloses nothing that can be compared. "
                f"Remedy: draw a {', a '.join(SHAPES)}."
            )
        fewest, most = SHAPES[self.shape]
        if not fewest <= len(self.points_px) <= most:
            number = f"{fewest}" if fewest == most else f"{fewest} to {most}"
            raise PhotopeakError(
                f"a {self.shape} has {number} points, and this one {len(self.points_px)}. Remedy: draw it again."
            )
        if not all(abs(x) <= FARTHEST_PX and abs(y) <= FARTHEST_PX for x, y in self.points_px):  # NaN is not ≤ either
            raise PhotopeakError("one of its points lies on no image. Remedy: draw it again.")

    def outline(self) -> Points:
        """The corners of the polygon that stands for it, whatever its shape; of a circle 64.

        >>> Mark("metastasis", "skull", "anterior", "rectangle", ((1.0, 2.0), (3.0, 5.0))).outline()
        ((1.0, 2.0), (3.0, 2.0), (3.0, 5.0), (1.0, 5.0))
        """
        if self.shape == "polygon":
            return self.points_px
        (x, y), (u, v) = self.points_px
        if self.shape == "rectangle":
            return ((x, y), (u, y), (u, v), (x, v))
        radius, turn = math.hypot(u - x, v - y), 2 * math.pi / CIRCLE_CORNERS
        angles = [turn * i for i in range(CIRCLE_CORNERS)]
        return tuple((x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles)


def read_labelme(data: bytes, name: str, shape: tuple[int, int] | None = None, view: str = "") -> tuple[Mark, ...]:
    """The marks of a LabelMe file, in its order.

    ``name`` stands in messages. ``shape``, (rows, columns) of the view: a file drawn on an image of another size is
    refused, as its outlines would lie elsewhere. ``view`` is that of shapes whose flags name none: LabelMe itself knows
    one image and no views.
    """
    name = name[:200]
    document = _document(data, name)
    _check_size(document, name, shape)
    shapes = document.get("shapes")
    if not isinstance(shapes, list) or len(shapes) > MAX_SHAPES:
        raise PhotopeakError(f"{name}: it has no list of at most {MAX_SHAPES} shapes. {_SAVE_AGAIN}")
    marks: list[Mark] = []
    for i, one in enumerate(shapes, 1):
        try:
            marks.append(_mark(one, view))
        except PhotopeakError as error:
            raise PhotopeakError(f"{name}, shape {i}: {error}") from None
    if sum(len(mark.points_px) for mark in marks) > MAX_POINTS:
        raise PhotopeakError(f"{name}: its shapes have over {MAX_POINTS} points. Remedy: draw with fewer.")
    return tuple(marks)


def image_of(data: bytes, name: str) -> str:
    """The ``imagePath`` of a LabelMe file: what it was drawn on, as seen from where it lies."""
    path = _document(data, name[:200]).get("imagePath")
    if not isinstance(path, str) or not path or not path.isprintable():
        raise PhotopeakError(f"{name[:200]}: its imagePath names no image. {_SAVE_AGAIN}")
    return path


def write_labelme(marks: Sequence[Mark], shape: tuple[int, int], image: str = "planar.dcm") -> bytes:
    """A LabelMe file that reads back as these marks; ``shape`` is (rows, columns) of a view, ``image`` its file."""
    if len(marks) > MAX_SHAPES or sum(len(mark.points_px) for mark in marks) > MAX_POINTS:
        raise PhotopeakError(
            f"{len(marks)} marks are too many for one file ({MAX_SHAPES} shapes, {MAX_POINTS} points). "
            "Remedy: write a file for each view."
        )
    found = {mark.finding for mark in marks}
    document = {
        "version": VERSION,
        "flags": {"normal": not found, **{finding: finding in found for finding in CODES}},
        "shapes": [_shape(mark) for mark in marks],
        "imagePath": image,
        "imageData": None,
        "imageHeight": shape[0],
        "imageWidth": shape[1],
    }
    return json.dumps(document, indent=1).encode("ascii")


def _shape(mark: Mark) -> dict[str, Any]:
    flags = {view: view == mark.view for view in dict.fromkeys(("anterior", "posterior", mark.view))}
    out: dict[str, Any] = {
        "label": f"{CODES[mark.finding]} {mark.site}".rstrip(),
        "points": [list(point) for point in mark.points_px],
        "group_id": None,
        "shape_type": mark.shape,
        "flags": flags,
    }
    return {**out, "description": mark.comment} if mark.comment else out


def _document(data: bytes, name: str) -> dict[str, Any]:
    if len(data) > MAX_FILE_BYTES:
        raise PhotopeakError(
            f"{name}: it has over {MAX_FILE_BYTES // 2**20} MiB. "
            "Remedy: save it in LabelMe without the image in it (File, Save With Image Data)."
        )
    try:
        document: Any = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise PhotopeakError(f"{name}: it is no JSON file. {_SAVE_AGAIN}") from None
    version = document.get("version") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(version, str) or not version.startswith("5."):
        raise PhotopeakError(f"{name}: it is no file of LabelMe 5. {_SAVE_AGAIN}")
    return document


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _check_size(document: dict[str, Any], name: str, shape: tuple[int, int] | None) -> None:
    stated = [document.get(key) for key in ("imageHeight", "imageWidth")]
    if shape is None or (stated == list(shape) and bool not in map(type, stated)):
        return
    said = f"{stated[0]} × {stated[1]}" if all(type(n) is int and 0 < n < 10**6 for n in stated) else "no"
    raise PhotopeakError(
        f"{name}: it was drawn on an image of {said} rows and columns, and the view has {shape[0]} × {shape[1]}: its "
        "outlines would lie elsewhere. Remedy: draw on the view in its own size."
    )


def _mark(shape: Any, view: str) -> Mark:
    if not isinstance(shape, dict):
        raise PhotopeakError(f"it is no shape of LabelMe's. {_SAVE_AGAIN}")
    label, comment = shape.get("label"), shape.get("description")
    kind = shape.get("shape_type", "polygon")  # what LabelMe takes it for
    comment = "" if comment is None else comment
    if not (isinstance(label, str) and isinstance(comment, str) and isinstance(kind, str)):
        raise PhotopeakError(f"its label, type or description is no text. {_SAVE_AGAIN}")
    code, _, site = label.strip().partition(" ")
    finding = {c: f for f, c in CODES.items()}.get(code)
    if finding is None:
        codes = " or ".join(f"{c} ({f})" for f, c in CODES.items())
        raise PhotopeakError(
            f"its label {label[:40]!r} does not begin with {codes}. Remedy: name it as in 'M left ribs'."
        )
    return Mark(finding, site.strip(), _view(shape.get("flags"), view), kind, _points(shape.get("points")), comment)


def _view(flags: Any, otherwise: str) -> str:
    flags = {} if flags is None else flags
    if not isinstance(flags, dict) or not all(isinstance(flag, bool) for flag in flags.values()):
        raise PhotopeakError(f"its flags are not true or false. {_SAVE_AGAIN}")
    views = [view for view in VIEWS if flags.get(view)] or [otherwise]
    if len(views) > 1 or not views[0]:
        raise PhotopeakError(
            "its flags name no view, or two, so it has no place. Remedy: set one of its flags, anterior or posterior."
        )
    return views[0]


def _points(points: Any) -> Points:
    if not isinstance(points, list) or not all(isinstance(p, list) and len(p) == 2 for p in points):
        raise PhotopeakError(f"its points are no list of x, y. {_SAVE_AGAIN}")
    # An int can be too large for a float; true and false are ints as well, and no places.
    if not all(type(c) in (int, float) and abs(c) <= FARTHEST_PX for p in points for c in p):
        raise PhotopeakError("one of its points is no place on an image. Remedy: draw it again.")
    return tuple((float(x), float(y)) for x, y in points)


def _writable(character: str) -> bool:
    """False for control characters but those of lines, and for halves of characters, which no database keeps."""
    return character in "\n\r\t" or not (
        character < " " or "\x7f" <= character < "\xa0" or "\ud800" <= character < "\ue000"
    )
