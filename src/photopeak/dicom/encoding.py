"""Values to stored pixels, and datasets to files: exact where 16 bits allow it, atomic always."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import config
from pydicom.datadict import dictionary_has_tag, dictionary_VM
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)
from pydicom.valuerep import validate_value

from photopeak import __version__
from photopeak.core.errors import DicomError, PhotopeakError
from photopeak.dicom.checked import tag_text
from photopeak.dicom.subject import decimal

TRANSFER_SYNTAXES: Final = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg-ls": JPEGLSLossless,
    "jpeg2000": JPEG2000Lossless,
}
SMALLEST_JPEG_2000: Final = 32  # its five wavelet levels halve the image as often
IMPLEMENTATION_UID: Final = UID("2.25.174296182073420398466120933317046915585")


def syntax_uid(name: str) -> UID:
    """The transfer syntax of a name."""
    if name not in TRANSFER_SYNTAXES:
        raise PhotopeakError(f"unknown transfer syntax {name!r}. Remedy: use one of {', '.join(TRANSFER_SYNTAXES)}.")
    return TRANSFER_SYNTAXES[name]


def quantised(values: NDArray[Any], signed: bool = False) -> tuple[NDArray[Any], float]:
    """(stored 16-bit numbers, slope) with values ≈ slope · stored.

    Whole numbers that fit 16 bits are stored as they are, with slope 1. Others are rounded to the nearest
    of 65536 (or, with a sign, ±32767) levels: the error is at most half a slope.
    """
    if not np.isfinite(values).all():
        raise PhotopeakError("the image holds values that are not finite. Remedy: mend them before writing.")
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    signed = signed or low < 0
    limits = (-32768, 32767) if signed else (0, 65535)
    dtype = np.int16 if signed else np.uint16
    if limits[0] <= low and high <= limits[1] and _whole(values):
        return values.astype(dtype), 1.0
    slope = float(decimal(max(abs(low), abs(high)) / limits[1]))  # as PT will write it
    return np.rint(values.astype(np.float64) / slope).astype(dtype), slope


def _whole(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "iub" or bool((values == np.rint(values)).all())


def put_pixels(ds: Dataset, stored: NDArray[Any]) -> None:
    """The Image Pixel module, for (row, column) or (frame, row, column)."""
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = stored.shape[-2:]
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit = 15
    ds.PixelRepresentation = int(stored.dtype.kind == "i")
    ds.add_new(0x7FE00010, "OW", np.ascontiguousarray(stored).astype(stored.dtype.newbyteorder("<")).tobytes())


def save_dataset(ds: Dataset, path: Path, syntax: UID) -> None:
    """Write one file so that it appears whole or not at all."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax.is_compressed else syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.ImplementationClassUID = IMPLEMENTATION_UID
    ds.file_meta.ImplementationVersionName = f"PHOTOPEAK {__version__}"[:16]
    if syntax.is_compressed:
        _compress(ds, path, syntax)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, work = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            ds.save_as(file, enforce_file_format=True)
        Path(work).chmod(0o644)
        Path(work).replace(path)
    except BaseException:
        Path(work).unlink(missing_ok=True)
        raise


def _compress(ds: Dataset, path: Path, syntax: UID) -> None:
    if syntax == JPEG2000Lossless and min(ds.Rows, ds.Columns) < SMALLEST_JPEG_2000:
        raise PhotopeakError(
            f"{path}: the JPEG 2000 encoder takes images from {SMALLEST_JPEG_2000} pixels a side, and this has "
            f"{ds.Rows}×{ds.Columns}. Remedy: use another transfer syntax."
        )
    try:
        ds.compress(syntax, generate_instance_uid=False)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise PhotopeakError(
            f"{path}: the pixels cannot be compressed as {syntax.name} ({reason}). Remedy: use another transfer syntax."
        ) from error


def check_values(ds: Dataset, path: object) -> None:
    """Refuse values that their value representation cannot hold, before any byte is written."""
    for element in ds:
        if element.VR == "SQ":
            for item in element.value:
                check_values(item, path)
            continue
        values = element.value if isinstance(element.value, (list, tuple, MultiValue)) else [element.value]
        if len(values) > 1 and dictionary_has_tag(element.tag) and dictionary_VM(element.tag) == "1":
            meaning = f"{element.name}: a backslash in {str(values[0])[:30]!r}… would make several values of one."
            raise DicomError(path, tag_text(int(element.tag)), meaning, "change it in the Study.")
        for value in values:
            fault = _fault(element.VR, value)
            if fault:
                meaning = f"{element.name}: {str(value)[:30]!r} {fault}."
                raise DicomError(path, tag_text(int(element.tag)), meaning, "change it in the Study.")


def _fault(vr: str, value: Any) -> str:
    """What is wrong with a value, or nothing."""
    if isinstance(value, (bytes, int, float)) or value is None or value == "":
        return ""
    text = str(value)
    if any(ord(c) < 32 for c in text) and vr not in ("LT", "ST", "UT"):
        return "holds control characters"
    try:
        validate_value(vr, text, config.RAISE)
    except ValueError:
        return f"does not fit the value representation {vr}"
    return ""
