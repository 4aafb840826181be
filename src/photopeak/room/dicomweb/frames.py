"""Frames of stored objects, decoded once and kept for a while: who asks for one asks for the next."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from fastapi import HTTPException
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from photopeak.core import DicomError
from photopeak.dicom.elements import Elements
from photopeak.dicom.parse import parse
from photopeak.dicom.pixels import PIXEL_DATA, decode
from photopeak.dicom.reading import is_nm
from photopeak.room.dicomweb.resources import Item
from photopeak.room.room import Room

KEPT_BYTES: Final = 256 * 2**20
MOST_FRAMES: Final = 4096
"""Frames of one request."""


@dataclass(frozen=True, eq=False)
class Picture:
    """The frames of an object, and what its header says of how they are looked at."""

    frames: NDArray[Any]
    """frame, row, column; in colour as the file has them, the three samples last or before rows and columns."""
    nm: bool
    photometric: str
    slope: float
    intercept: float
    window: tuple[float, float] | None
    samples_last: bool = True

    @property
    def colour(self) -> bool:
        return self.frames.ndim == 4

    def frame_bytes(self, number: int) -> bytes:
        """A frame in little endian; the first is 1."""
        frame = self.frames[number - 1]
        return np.ascontiguousarray(frame).astype(frame.dtype.newbyteorder("<"), copy=False).tobytes()


class Recent:
    """The objects decoded last, under the hash of their bytes; so many as fit."""

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self._most = most_bytes
        self._kept: OrderedDict[str, Picture] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, room: Room, item: Item) -> Picture:
        """The frames of an instance."""
        with self._lock:
            if item.sha256 in self._kept:
                self._kept.move_to_end(item.sha256)
                return self._kept[item.sha256]
        made = picture_of(parse(room.objects.get(item.sha256), item.sop_uid), item.sop_uid)
        if made.frames.nbytes <= self._most:
            with self._lock:
                self._kept[item.sha256] = made
                while sum(p.frames.nbytes for p in self._kept.values()) > self._most:
                    self._kept.popitem(last=False)
        return made


RECENT: Final = Recent()


def picture_of(ds: Dataset, source: str) -> Picture:
    """The frames of a dataset."""
    e = Elements(ds, source)
    window = None
    center, width = e.numbers("WindowCenter"), e.numbers("WindowWidth")
    if center and width and width[0] >= 1:
        window = (center[0], width[0])
    slope, intercept = e.numbers("RescaleSlope"), e.numbers("RescaleIntercept")
    colour = int(ds.get("SamplesPerPixel") or 1) == 3
    return Picture(
        _colours(ds, source) if colour else decode(ds, source),
        is_nm(e),
        e.text("PhotometricInterpretation"),
        slope[0] if slope else 1.0,
        intercept[0] if intercept else 0.0,
        window,
        int(ds.get("PlanarConfiguration") or 0) == 0,
    )


def _colours(ds: Dataset, source: str) -> NDArray[Any]:
    """Pictures in colour, such as a workstation's screens: uncompressed, of 8 bits."""
    rows, columns = int(ds.get("Rows") or 0), int(ds.get("Columns") or 0)
    count = int(ds.get("NumberOfFrames") or 1)
    element = ds.get_item(PIXEL_DATA)
    data = ds[PIXEL_DATA].value if element is not None else b""
    size = count * rows * columns * 3
    if size <= 0 or int(ds.get("BitsAllocated") or 0) != 8 or not size <= len(data) <= size + 1:
        raise DicomError(
            source,
            "(7FE0,0010)",
            "pixels in colour that are compressed, cut off or not of 8 bits; these are not decoded.",
            "ask for the object itself with transfer-syntax=*, or send it uncompressed.",
        )
    last = int(ds.get("PlanarConfiguration") or 0) == 0
    shape = (count, rows, columns, 3) if last else (count, 3, rows, columns)
    return np.frombuffer(data, np.uint8, count=size).reshape(shape)


def numbers_of(text: str, picture: Picture) -> list[int]:
    """The frames that an address lists, from 1 on; 400 where it lists none, 404 where there is no such frame."""
    words = text.split(",")
    if len(words) > MOST_FRAMES or not all(w.isascii() and w.isdigit() and len(w) <= 9 for w in words):
        raise HTTPException(400, f"frames are named by at most {MOST_FRAMES} numbers from 1 on: /frames/1,2,3.")
    numbers = [int(w) for w in words]
    if not all(1 <= n <= len(picture.frames) for n in numbers):
        raise HTTPException(404, f"The object has the frames 1 to {len(picture.frames)}.")
    return numbers
