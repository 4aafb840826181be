"""A study with two whole-body images: one patient's scan early and late, as two series."""

from __future__ import annotations

import io

import pydicom
from pydicom.uid import ExplicitVRLittleEndian

CALLED = ("Early whole body", "Late whole body")
NAMES = ("2.25.889", "2.25.888")
"""The images' instance UIDs, whose order is not that of the series."""


def image(planar: bytes, number: int) -> bytes:
    """The ``number``-th of the two, from 0 on, made of one scan: three hours later with a third more counts."""
    ds = pydicom.dcmread(io.BytesIO(planar))
    ds.SeriesInstanceUID = f"2.25.77{number}"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = NAMES[number]
    ds.SeriesNumber, ds.SeriesDescription = number + 1, CALLED[number]
    ds.AcquisitionTime = f"{9 + 3 * number:02d}0000"
    if number:
        pixels = ds.pixel_array
        ds.PixelData = (pixels + pixels // 3).astype(pixels.dtype).tobytes()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()
