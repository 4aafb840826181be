"""Pixel data to an array of frames; nothing is believed about its size until it has been counted."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from jaxtyping import Shaped
from pydicom import Dataset

from photopeak.core.errors import DicomError
from photopeak.dicom.checked import tag_text
from photopeak.dicom.decoder import DECODER, DecodingFailed
from photopeak.dicom.limits import (
    FREE_EXPANSION_BYTES,
    MAX_DECODED_BYTES,
    MAX_FRAME_BYTES,
    expansion_allowed,
)

#: Transfer syntaxes of compressed pixels that are decoded, with the standard's names.
COMPRESSED: Final = {
    "1.2.840.10008.1.2.4.50": "JPEG baseline",
    "1.2.840.10008.1.2.4.51": "JPEG extended",
    "1.2.840.10008.1.2.4.57": "JPEG lossless",
    "1.2.840.10008.1.2.4.70": "JPEG lossless, first-order",
    "1.2.840.10008.1.2.4.80": "JPEG-LS lossless",
    "1.2.840.10008.1.2.4.81": "JPEG-LS near-lossless",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.5": "RLE",
}

PIXEL_DATA: Final = 0x7FE00010
FLOAT_PIXELS: Final = {0x7FE00008: "f4", 0x7FE00009: "f8"}
EXTENDED_OFFSETS: Final = 0x7FE00001
UNDEFINED: Final = 0xFFFFFFFF

Frames = Shaped[np.ndarray, "frames rows columns"]


@dataclass(frozen=True)
class _Layout:
    """What the header says of the pixels."""

    frames: int
    rows: int
    columns: int
    bits: int
    bits_stored: int
    high_bit: int
    signed: bool

    @property
    def frame_bytes(self) -> int:
        return self.rows * self.columns * self.bits // 8

    @property
    def all_bytes(self) -> int:
        return self.frames * self.frame_bytes


def decode(dataset: Dataset, path: object) -> Frames:
    """Stored values (before any rescale) of every frame, (frames, rows, columns).

    Integers come in the container of the file (8, 16 or 32 bits, signed or not), with unused high bits
    cleared or sign-extended; float pixel data come as floats.
    """
    tag = _pixel_tag(dataset, path)
    layout = _layout(dataset, path, tag)
    element = dataset[tag]
    if not isinstance(element.value, (bytes, bytearray, memoryview)):
        raise _refuse(path, tag, "the pixel data are not bytes.")
    if element.is_undefined_length:
        return _compressed(dataset, path, layout)
    if _syntax(dataset) in COMPRESSED:
        raise _refuse(path, tag, "the transfer syntax says compressed, but the pixel data are not.")
    return _native(dataset, path, layout, tag)


def _pixel_tag(dataset: Dataset, path: object) -> int:
    for tag in (PIXEL_DATA, *FLOAT_PIXELS):
        if tag in dataset:
            return tag
    raise _refuse(path, PIXEL_DATA, "the file holds no pixel data: it is no image.", "choose an image file.")


def _layout(dataset: Dataset, path: object, tag: int) -> _Layout:
    if _whole(dataset, path, "SamplesPerPixel", 1) != 1:
        raise _refuse(path, 0x00280002, "the pixels are in colour; counts are one number each.", "export counts.")
    bits = _whole(dataset, path, "BitsAllocated") if tag == PIXEL_DATA else int(FLOAT_PIXELS[tag][1]) * 8
    stored = _whole(dataset, path, "BitsStored", bits) if tag == PIXEL_DATA else bits
    layout = _Layout(
        frames=_whole(dataset, path, "NumberOfFrames", 1),
        rows=_whole(dataset, path, "Rows"),
        columns=_whole(dataset, path, "Columns"),
        bits=bits,
        bits_stored=stored,
        high_bit=_whole(dataset, path, "HighBit", stored - 1) if tag == PIXEL_DATA else bits - 1,
        signed=bool(_whole(dataset, path, "PixelRepresentation", 0)),
    )
    _check(layout, path, tag)
    return layout


def _check(layout: _Layout, path: object, tag: int) -> None:
    for name, number, value in (
        ("Rows", 0x00280010, layout.rows),
        ("Columns", 0x00280011, layout.columns),
        ("Number of Frames", 0x00280008, layout.frames),
    ):
        if value < 1:
            raise _refuse(path, number, f"{name} is {value}: there is no image.")
    if tag == PIXEL_DATA and layout.bits not in (8, 16, 32):
        raise _refuse(path, 0x00280100, f"{layout.bits} bits are allocated to a pixel; images have 8, 16 or 32.")
    if not 1 <= layout.bits_stored <= layout.bits:
        raise _refuse(path, 0x00280101, f"{layout.bits_stored} bits are stored in {layout.bits}.")
    if not layout.bits_stored - 1 <= layout.high_bit < layout.bits:
        raise _refuse(path, 0x00280102, f"the high bit is {layout.high_bit}, which does not fit the bits stored.")
    if layout.all_bytes > MAX_DECODED_BYTES:
        meaning = f"the pixels would take {layout.all_bytes} bytes; more than {MAX_DECODED_BYTES} are not decoded."
        raise _refuse(path, tag, meaning, "export the series as single images.")


def _whole(dataset: Dataset, path: object, keyword: str, default: int | None = None) -> int:
    value = dataset.get(keyword)
    if value is None or value == "":
        if default is None:
            from pydicom.datadict import tag_for_keyword

            raise _refuse(path, tag_for_keyword(keyword) or 0, f"{keyword} is missing; the pixels cannot be read.")
        return default
    return int(value)


def _native(dataset: Dataset, path: object, layout: _Layout, tag: int) -> Frames:
    data = dataset[tag].value
    if not layout.all_bytes <= len(data) <= layout.all_bytes + 1:  # a byte of padding makes the length even
        meaning = (
            f"{layout.frames} frames of {layout.rows}×{layout.columns} pixels of {layout.bits} bits take "
            f"{layout.all_bytes} bytes, but {len(data)} are there."
        )
        raise _refuse(path, tag, meaning)
    order = "<" if dataset.original_encoding[1] is not False else ">"
    kind = FLOAT_PIXELS.get(tag, f"u{layout.bits // 8}")
    if order == ">" and layout.bits == 8 and dataset[tag].VR == "OW":
        data = np.frombuffer(data, ">u2").astype("<u2").tobytes()  # bytes are swapped within words (PS3.5, 8.1.1)
    values = np.frombuffer(data, order + kind, count=layout.frames * layout.rows * layout.columns)
    values = values.reshape(layout.frames, layout.rows, layout.columns)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    return values if tag in FLOAT_PIXELS else _stored(values, layout)


def _stored(values: Frames, layout: _Layout) -> Frames:
    """The stored bits of each container, as signed or unsigned numbers."""
    signed = np.dtype(f"i{layout.bits // 8}")
    if layout.bits_stored == layout.bits:
        return values.view(signed) if layout.signed else values
    up, down = layout.bits - 1 - layout.high_bit, layout.bits - layout.bits_stored
    topmost = values << up if up else values  # the stored bits' highest is now the container's
    return topmost.view(signed) >> down if layout.signed else topmost >> down


def _compressed(dataset: Dataset, path: object, layout: _Layout) -> Frames:
    syntax = _syntax(dataset)
    if syntax not in COMPRESSED:
        names = ", ".join(COMPRESSED.values())
        meaning = f"no decoder for transfer syntax {syntax or '(none given)'}."
        raise _refuse(path, 0x00020010, meaning, f"convert it to an uncompressed one, or to {names}.")
    value = dataset[PIXEL_DATA].value
    if layout.frame_bytes > MAX_FRAME_BYTES or not expansion_allowed(len(value), layout.all_bytes):
        meaning = f"{len(value)} compressed bytes claim to hold {layout.all_bytes} bytes of pixels, as no image does."
        raise _refuse(path, PIXEL_DATA, meaning, "send it uncompressed if it is genuine.")
    frames = _frames(dataset, path, value, layout.frames)
    head = {
        "syntax": syntax,
        "rows": layout.rows,
        "columns": layout.columns,
        "bits": layout.bits,
        "bits_stored": layout.bits_stored,
    }
    return _stored(_decoded(frames, head, layout, path), layout)


def _decoded(frames: list[bytes], head: dict[str, Any], layout: _Layout, path: object) -> Frames:
    """Frames through the decoding process, a few at a time so that its memory stays small."""
    values = np.empty((layout.frames, layout.rows, layout.columns), f"<u{layout.bits // 8}")
    step = max(1, FREE_EXPANSION_BYTES // 2 // layout.frame_bytes)
    for first in range(0, layout.frames, step):
        some = frames[first : first + step]
        try:
            pixels = DECODER.decode(some, head, len(some) * layout.frame_bytes)
            part = np.frombuffer(pixels, values.dtype).reshape(len(some), layout.rows, layout.columns)
        except (DecodingFailed, ValueError) as error:
            meaning = f"the {COMPRESSED[str(head['syntax'])]} pixels cannot be decoded ({error})."
            raise _refuse(path, PIXEL_DATA, meaning, "send the file uncompressed.") from error
        values[first : first + len(some)] = part
    return values


def _frames(dataset: Dataset, path: object, value: bytes, count: int) -> list[bytes]:
    """The compressed bytes of each frame: fragments grouped by the offset table where they are several."""
    places = _fragments(value)
    if not places:
        raise _refuse(path, PIXEL_DATA, "the compressed pixels lack their offset table.")
    table, fragments = places[0], places[1:]
    if len(fragments) == count:
        return [value[start:stop] for start, stop in fragments]
    if count == 1 and fragments:
        return [b"".join(value[start:stop] for start, stop in fragments)]
    offsets = _offsets(dataset, value[table[0] : table[1]])
    if len(offsets) != count or len(fragments) < count:
        meaning = f"{len(fragments)} fragments of compressed pixels for {count} frames, and no table that sorts them."
        raise _refuse(path, PIXEL_DATA, meaning)
    base = fragments[0][0] - 8
    starts = [base + o for o in offsets] + [len(value)]
    grouped = [b"".join(value[a:b] for a, b in fragments if start <= a - 8 < end) for start, end in pairwise(starts)]
    if not all(grouped):
        raise _refuse(path, PIXEL_DATA, "the offset table of the compressed pixels does not fit them.")
    return grouped


def _fragments(value: bytes) -> list[tuple[int, int]]:
    """(start, stop) of every fragment; their lengths were checked when the file was parsed."""
    places, at = [], 0
    while at + 8 <= len(value):
        length: int = struct.unpack_from("<I", value, at + 4)[0]
        places.append((at + 8, at + 8 + length))
        at += 8 + length
    return places


def _offsets(dataset: Dataset, table: bytes) -> list[int]:
    extended = dataset.get(EXTENDED_OFFSETS)
    if extended is not None and isinstance(extended.value, bytes):
        return list(struct.unpack(f"<{len(extended.value) // 8}Q", extended.value[: len(extended.value) // 8 * 8]))
    return list(struct.unpack(f"<{len(table) // 4}I", table[: len(table) // 4 * 4]))


def _syntax(dataset: Dataset) -> str:
    return str(getattr(dataset, "file_meta", {}).get("TransferSyntaxUID", "") or "")


def _refuse(path: object, tag: int, meaning: str, remedy: str = "export or copy the file again.") -> DicomError:
    return DicomError(path, tag_text(tag), meaning, remedy)
