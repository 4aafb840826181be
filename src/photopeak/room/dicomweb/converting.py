"""A stored object in the transfer syntax that a caller wants (PS3.18 section 8.7.3.5)."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from photopeak.core import DicomError
from photopeak.dicom.checked import CheckedDataset, quiet_conversion
from photopeak.dicom.encoding import IMPLEMENTATION_UID
from photopeak.dicom.parse import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, parse
from photopeak.dicom.pixels import COMPRESSED, PIXEL_DATA, decode
from photopeak.room.dicomweb.jsonmodel import binary

NATIVE: Final = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
"""What an object can be converted to."""
UNPACKED: Final = frozenset({*NATIVE, DEFLATED, EXPLICIT_BIG, ""})
_TABLES: Final = (0x7FE00001, 0x7FE00002, 0x7FE00003)
"""Extended offsets, their lengths, and the length of the pixels: of compressed pixels alone."""


def syntaxes_of(stored: str) -> list[str]:
    """The transfer syntaxes in which an object can be given; as stored comes first."""
    convertible = stored in UNPACKED or stored in COMPRESSED
    return [s for s in dict.fromkeys((stored, *(NATIVE if convertible else ()))) if s]


def converted(data: bytes, syntax: str, source: str) -> bytes:
    """A file in another transfer syntax, its pixels decompressed; ``DicomError`` where that is impossible.

    The values stay what they are; only their encoding changes.
    """
    ds = parse(data, source)
    stored = str(ds.file_meta.get("TransferSyntaxUID", "") or "")
    if stored == syntax:
        return data
    if stored not in UNPACKED:
        _decompress(ds, source)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    meta.TransferSyntaxUID, meta.ImplementationClassUID = UID(syntax), IMPLEMENTATION_UID
    for tag in list(ds.keys()):
        if int(tag) & 0xFFFF == 0:
            del ds[tag]  # the length of a group changes with the encoding
    out = io.BytesIO()
    with quiet_conversion():
        file: Dataset = ds
        if stored == EXPLICIT_BIG:
            _turn(ds, ds)
            file = Dataset(ds)  # without the memory of the order that it was read in
        file.file_meta, file.preamble = meta, bytes(128)
        file.save_as(out, implicit_vr=syntax == IMPLICIT_LITTLE, little_endian=True, enforce_file_format=True)
    return out.getvalue()


def _turn(ds: Dataset, root: Dataset) -> None:
    """Every value of a big-endian dataset read as a value, and binary ones turned to little endian."""
    for tag in list(ds.keys()):
        element = ds[tag]
        if element.VR == "SQ":
            for item in element.value:
                _turn(item, root)
        elif isinstance(element.value, bytes):
            element.value = binary(element, root)


def _decompress(ds: CheckedDataset, source: str) -> None:
    if PIXEL_DATA not in ds:
        raise DicomError(source, "(7FE0,0010)", "a compressed object without pixels.", "ask for transfer-syntax=*.")
    frames = decode(ds, source)
    for tag in _TABLES:
        if tag in ds:
            del ds[tag]
    ds.HighBit = int(ds.BitsStored) - 1  # where decode puts the stored bits
    pixels = np.ascontiguousarray(frames).astype(frames.dtype.newbyteorder("<"), copy=False).tobytes()
    ds.add_new(PIXEL_DATA, "OB" if frames.dtype.itemsize == 1 else "OW", pixels + b"\0" * (len(pixels) % 2))
    ds[PIXEL_DATA].is_undefined_length = False
