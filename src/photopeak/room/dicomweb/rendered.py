"""Frames as pictures for people (PS3.18 section 8.3.5, rendering parameters).

Nuclear medicine is shown dark on white up to the 99.5th percentile, as it is read; what else is shown has the file's
window (PS3.3 section C.11.2), or the whole range. A window that the caller names is the standard's, in its greys.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from fastapi import HTTPException
from numpy.typing import NDArray
from PIL import Image

from photopeak.dicom.picture import inverted_grey
from photopeak.room.dicomweb.frames import Picture

LARGEST_SIDE: Final = 4096
THUMBNAIL: Final = (128, 128)
FORMS: Final = {"image/jpeg": "JPEG", "image/png": "PNG"}
FUNCTIONS: Final = ("linear", "linear-exact", "sigmoid")


@dataclass(frozen=True)
class Manner:
    """How a frame is to be drawn."""

    window: tuple[float, float, str] | None = None
    viewport: tuple[int, int] | None = None
    region: tuple[float, float, float, float] | None = None
    quality: int = 90


def manner_of(parameters: Mapping[str, str], viewport: tuple[int, int] | None = None) -> Manner:
    """What the parameters of an address say; 400 where they say nothing sensible."""
    size, region = _viewport(parameters["viewport"]) if "viewport" in parameters else (viewport, None)
    quality = parameters.get("quality", "90")
    if not (quality.isascii() and quality.isdigit() and 1 <= int(quality[:4]) <= 100):
        raise HTTPException(400, "quality: is a whole number from 1 to 100.")
    return Manner(_window(parameters["window"]) if "window" in parameters else None, size, region, int(quality))


def _numbers(name: str, words: list[str]) -> list[float]:
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = [math.nan]
    if not all(map(math.isfinite, numbers)):
        raise HTTPException(400, f"{name}: {','.join(words)[:60]!r} holds what is no number.")
    return numbers


def _window(text: str) -> tuple[float, float, str]:
    words = text.split(",")
    function = words[2].strip().lower() if len(words) == 3 else "linear"
    if len(words) not in (2, 3) or function not in FUNCTIONS:
        raise HTTPException(400, f"window: is center,width,function, and the function one of {', '.join(FUNCTIONS)}.")
    center, width = _numbers("window", words[:2])
    if width < 1 if function == "linear" else width <= 0:
        raise HTTPException(400, "window: the width is at least 1 (linear), or above 0.")
    return center, width, function


def _viewport(text: str) -> tuple[tuple[int, int], tuple[float, float, float, float] | None]:
    words = text.split(",")
    if len(words) not in (2, 6):
        raise HTTPException(400, "viewport: is width,height or width,height,x,y,width,height.")
    width, height, *region = _numbers("viewport", words)
    if not (1 <= width <= LARGEST_SIDE and 1 <= height <= LARGEST_SIDE):
        raise HTTPException(400, f"viewport: its sides are 1 to {LARGEST_SIDE} pixels.")
    if region and not (min(region[:2]) >= 0 and min(region[2:]) >= 1):
        raise HTTPException(400, "viewport: the region lies in the picture and has a width and a height.")
    return (int(width), int(height)), (region[0], region[1], region[2], region[3]) if region else None


def drawn(picture: Picture, number: int, manner: Manner, kind: str) -> bytes:
    """A frame, the first is 1, as a file of this kind."""
    image = Image.fromarray(_colours(picture, number) if picture.colour else _greys(picture, number, manner.window))
    if manner.region is not None:
        x, y, width, height = manner.region
        if x >= image.width or y >= image.height:
            raise HTTPException(400, "viewport: the region lies beside the picture.")
        image = image.crop((int(x), int(y), min(int(x + width), image.width), min(int(y + height), image.height)))
    if manner.viewport is not None:
        scale = min(manner.viewport[0] / image.width, manner.viewport[1] / image.height)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BILINEAR)
    out = io.BytesIO()
    image.save(out, FORMS[kind], **({"quality": manner.quality} if kind == "image/jpeg" else {}))
    return out.getvalue()


def _colours(picture: Picture, number: int) -> NDArray[np.uint8]:
    frame = picture.frames[number - 1]
    frame = np.ascontiguousarray(frame if picture.samples_last else np.moveaxis(frame, 0, -1))
    if picture.photometric.startswith("YBR_FULL"):
        return np.asarray(Image.fromarray(frame, "YCbCr").convert("RGB"))
    return np.asarray(frame, np.uint8)


def _greys(picture: Picture, number: int, window: tuple[float, float, str] | None) -> NDArray[np.uint8]:
    stored = np.nan_to_num(picture.frames[number - 1].astype(np.float64))
    values = stored * picture.slope + picture.intercept
    if picture.nm and window is None:
        return inverted_grey(values)
    if window is None and picture.window is not None:
        window = (*picture.window, "linear")
    if window is None:
        low, high = float(values.min()), float(values.max())
        window = ((low + high) / 2, max(high - low, 1e-12), "linear-exact")
    shown = _windowed(values, *window)
    grey = np.round(255.0 * (1.0 - shown if picture.photometric == "MONOCHROME1" else shown))
    return np.asarray(grey, np.uint8)


def _windowed(values: NDArray[Any], center: float, width: float, function: str) -> NDArray[Any]:
    """0 to 1 by the function of a window (PS3.3 sections C.11.2.1.2.1, C.11.2.1.3.1 and C.11.2.1.3.2)."""
    if function == "sigmoid":
        return np.asarray(1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -700.0, 700.0))))
    if function == "linear-exact":
        return np.asarray(np.clip((values - center) / width + 0.5, 0.0, 1.0))
    if width == 1:
        return np.asarray(np.where(values > center - 0.5, 1.0, 0.0))
    return np.asarray(np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0.0, 1.0))
