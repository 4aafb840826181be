"""The few attributes an index needs, from the first kilobytes of a file.

A plain walk over explicit or implicit little-endian elements that stops after the last tag wanted. Whatever it
does not expect (other transfer syntaxes, sequences of undefined length, a header longer than what was
read) goes to ``parse``, which reads the whole file and is right where this is merely quick.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Final

from pydicom import Dataset
from pydicom.charset import convert_encodings, decode_bytes, python_encoding
from pydicom.multival import MultiValue

from photopeak.core.errors import DicomError
from photopeak.dicom.files import read_bytes
from photopeak.dicom.parse import DEFLATED, EXPLICIT_BIG, IMPLICIT_LITTLE, LONG_VRS, SHORT_VRS, looks_like_dicom, parse

#: tag -> column of the index
COLUMNS: Final = {
    0x00020010: "transfer_syntax",
    0x00080008: "image_type",
    0x00080016: "sop_class_uid",
    0x00080018: "sop_instance_uid",
    0x00080020: "study_date",
    0x00080060: "modality",
    0x00080070: "manufacturer",
    0x00081030: "study_description",
    0x0008103E: "series_description",
    0x00081090: "model",
    0x00100010: "patient_name",
    0x00100020: "patient_id",
    0x00100021: "issuer",
    0x00100040: "sex",
    0x0020000D: "study_uid",
    0x0020000E: "series_uid",
    0x00200013: "instance_number",
    0x00280008: "frames",
    0x00280010: "rows",
    0x00280011: "columns",
}
NAMES: Final = tuple(COLUMNS.values())

FIRST_BYTES: Final = 16_384
LAST_TAG: Final = max(COLUMNS)
CHARACTER_SET: Final = 0x00080005
_NUMBERS: Final = frozenset({0x00280010, 0x00280011})
_EXPLICIT: Final = struct.Struct("<HH2sH").unpack_from
_IMPLICIT: Final = struct.Struct("<HHI").unpack_from
_LONG: Final = struct.Struct("<I").unpack_from

Header = dict[str, str | int]


class _Odd(Exception):
    """The quick walk met something it does not know."""


def read_header(path: Path) -> Header | None:
    """Column -> value; None where the file is no DICOM file; ``DicomError`` where it is a broken one."""
    try:
        file = os.open(path, os.O_RDONLY)
        try:
            data = os.read(file, FIRST_BYTES)
        finally:
            os.close(file)
    except OSError as error:
        raise DicomError(path, "", f"the file cannot be read ({error.strerror}).", "check its rights.") from error
    if not looks_like_dicom(data[:132]):
        return None
    try:
        return _texts(quick_scan(data))
    except (_Odd, struct.error, IndexError, UnicodeError, LookupError, ValueError):
        return header_of(parse(read_bytes(path), str(path)))


def quick_scan(data: bytes) -> dict[int, bytes]:
    """tag -> raw value of the wanted tags that are there."""
    if data[128:132] != b"DICM":
        raise _Odd
    found: dict[int, bytes] = {}
    at, implicit = 132, False
    size = len(data)
    wanted = COLUMNS
    while at + 8 <= size:
        group, element, code, length = _EXPLICIT(data, at)
        if implicit and group > 2:
            length = _LONG(data, at + 4)[0]
            at += 8
        elif code in SHORT_VRS:
            at += 8
        elif code in LONG_VRS:
            length = _LONG(data, at + 8)[0]
            at += 12
        elif IMPLICIT_LITTLE.encode() == found.get(0x00020010, b"").rstrip(b"\0 "):
            implicit = True
            continue
        else:
            raise _Odd
        tag = group << 16 | element
        if tag > LAST_TAG:
            return found
        if tag in wanted or tag == CHARACTER_SET:
            if at + length > size:
                raise _Odd
            found[tag] = data[at : at + length]
            if tag == 0x00020010 and found[tag].rstrip(b"\0 ").decode() in (DEFLATED, EXPLICIT_BIG):
                raise _Odd
        at += length  # an undefined length leads beyond the data and so to parse
    raise _Odd


def _texts(raw: dict[int, bytes]) -> Header:
    encodings = None
    if CHARACTER_SET in raw:
        terms = [t.strip() for t in raw.pop(CHARACTER_SET).decode("ascii").rstrip("\0 ").split("\\")]
        if not all(t in python_encoding for t in terms):
            raise _Odd
        encodings = terms
    header: Header = {}
    for tag, value in raw.items():
        if tag in _NUMBERS:
            header[COLUMNS[tag]] = struct.unpack("<H", value)[0]
        elif value.isascii() and b"\x1b" not in value:
            header[COLUMNS[tag]] = value.rstrip(b"\0 ").decode("ascii")
        elif encodings is None:
            raise _Odd
        else:
            text = decode_bytes(value.rstrip(b"\0 "), convert_encodings(encodings), set(b"\\^="))
            header[COLUMNS[tag]] = text
    return header


def header_of(dataset: Dataset) -> Header:
    """The same columns from a parsed dataset."""
    header: Header = {}
    meta = getattr(dataset, "file_meta", {})
    for tag, name in COLUMNS.items():
        place = meta if tag >> 16 == 2 else dataset
        element = place.get(tag)
        value = None if element is None else element.value
        if value is None or value == "":
            continue
        if tag in _NUMBERS:
            header[name] = int(value)
        else:
            header[name] = (
                "\\".join(map(str, value)) if isinstance(value, (list, tuple)) or _several(value) else str(value)
            )
    return header


def _several(value: object) -> bool:

    return isinstance(value, MultiValue)
