"""The images of a report: views side by side as physicians are used to them, lesions outlined and numbered.

Counts are shown dark on white, linearly from 0 to the 99.5th percentile of what is not empty. In an anterior view the
patient's right is on the left of the image, in a posterior view on the right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from jaxtyping import Shaped, UInt8

from photopeak.core.report import SignedLesion
from photopeak.core.typesetting import BOLD, LATIN
from photopeak.room.display import top_of

COLOURS: Final = {"metastasis": "#c62828", "arthritis": "#1565c0"}
OTHER: Final = "#6a1b9a"
TALLEST: Final = 330.0
"""Points that an image may take of a page's height."""
GAP: Final = 14.0
CAPTION: Final = 14.0
#: what is seen on the left and on the right of a view
SIDES: Final = {"anterior": ("R", "L"), "posterior": ("L", "R")}


def grey(counts: Shaped[np.ndarray, "row column"]) -> UInt8[np.ndarray, "row column"]:
    """Counts as grey, dark where there are many.

    >>> grey(np.array([[0, 1], [1, 1]])).tolist()
    [[255, 0], [0, 0]]
    """
    values = np.nan_to_num(np.asarray(counts, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    share = np.clip(values / top_of(values), 0, 1)
    return np.asarray(np.rint(255 * (1 - share)), np.uint8)


def key_images(
    lesions: Sequence[SignedLesion],
    pictures: Mapping[str, Shaped[np.ndarray, "row column"]],
    spacing: tuple[float, float],
    width: float,
) -> Any:
    """All views in one row, at one scale, the anterior first."""
    from reportlab.platypus import Flowable

    order = sorted(pictures, key=lambda view: (_plain(view) not in SIDES, view))
    heights = [pictures[view].shape[0] * spacing[0] for view in order]
    widths = [pictures[view].shape[1] * spacing[1] for view in order]
    scale = min(TALLEST / max(heights), (width - GAP * (len(order) - 1)) / sum(widths))

    class KeyImages(Flowable):  # type: ignore[misc]
        def wrap(self, _width: float, _height: float) -> tuple[float, float]:
            return width, scale * max(heights) + CAPTION

        def draw(self) -> None:
            x = (width - scale * sum(widths) - GAP * (len(order) - 1)) / 2
            for view, tall, wide in zip(order, heights, widths, strict=True):
                box = (x, scale * (max(heights) - tall), scale * wide, scale * tall)
                _draw_view(self.canv, view, pictures[view], lesions, box)
                x += scale * wide + GAP

    return KeyImages()


def _plain(view: str) -> str:
    """``2nd anterior``, as the second image of a study is called, is an anterior view."""
    return view.rsplit(" ", 1)[-1] if view[:1].isdigit() else view


def _draw_view(
    canvas: Any,
    view: str,
    counts: Shaped[np.ndarray, "row column"],
    lesions: Sequence[SignedLesion],
    box: tuple[float, float, float, float],
) -> None:
    """One view in its box (left, bottom, width, height), its name above."""
    from PIL import Image
    from reportlab.lib.utils import ImageReader

    left, bottom, width, height = box
    canvas.drawImage(ImageReader(Image.fromarray(grey(counts))), left, bottom, width, height)
    canvas.setStrokeColor("#8a97a3")
    canvas.setLineWidth(0.5)
    canvas.rect(left, bottom, width, height)
    canvas.setFillColor("#1b2733")
    canvas.setFont(BOLD, 8.5)
    canvas.drawCentredString(left + width / 2, bottom + height + 4, view.capitalize())
    canvas.setFont(BOLD, 9)
    if (sides := SIDES.get(_plain(view))) is not None:
        canvas.drawString(left + 4, bottom + height - 12, sides[0])
        canvas.drawRightString(left + width - 4, bottom + height - 12, sides[1])
    rows, columns = counts.shape
    canvas.saveState()
    clip = canvas.beginPath()
    clip.rect(*box)
    canvas.clipPath(clip, stroke=0)
    for number, lesion in enumerate(lesions, 1):
        if lesion.view == view:
            corners = [(left + width * x / columns, bottom + height * (1 - y / rows)) for x, y in lesion.outline_px]
            _draw_lesion(canvas, number, lesion.finding, corners, box)
    canvas.restoreState()


def _draw_lesion(
    canvas: Any,
    number: int,
    finding: str,
    corners: Sequence[tuple[float, float]],
    box: tuple[float, float, float, float],
) -> None:
    """An outline, and its number beside it inside the image."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    colour = COLOURS.get(finding, OTHER)
    canvas.setStrokeColor(colour)
    canvas.setLineWidth(0.8)
    path = canvas.beginPath()
    path.moveTo(*corners[0])
    for corner in corners[1:]:
        path.lineTo(*corner)
    path.close()
    canvas.drawPath(path)
    label, size = str(number), 7.0
    wide = stringWidth(label, LATIN, size)
    left, bottom, width, height = box
    x = max(px for px, _ in corners) + 1.5
    if x + wide > left + width:
        x = min(px for px, _ in corners) - 1.5 - wide
    y = min(max(max(py for _, py in corners) - 4, bottom + 2), bottom + height - size)
    canvas.setFillColor("#ffffff", alpha=0.75)
    canvas.rect(x - 0.8, y - 1.2, wide + 1.6, size, stroke=0, fill=1)
    canvas.setFillColor(colour, alpha=1)
    canvas.setFont(BOLD, size)
    canvas.drawString(x, y, label)
