"""DICOM Segmentations of planar images, from us and from others: what each segment is, and the pixels inside.

Only what refers to its image and frame is taken: a mask that has merely the same number of pixels might lie on
another view.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Bool
from pydicom.dataset import Dataset

from photopeak.core import DicomError
from photopeak.dicom import reading_codes as codes
from photopeak.dicom.checked import CONVERSION_ERRORS, quiet_conversion

SEGMENTATION: Final = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Segmentation and Label Map Segmentation Storage."""
MOST_PIXELS: Final = 2**28


@dataclass(frozen=True, eq=False)
class Segment:
    """One segment on one frame: ``finding`` and ``region`` are empty where its codes are none that we know."""

    number: int
    label: str
    finding: str
    region: str
    sop: str
    frame: int
    """Of the image that it lies on, from 1 on."""
    inside: Bool[np.ndarray, "row column"]


def read_segments(dataset: Dataset, name: str) -> tuple[Segment, ...]:
    """Every segment of a planar segmentation, on every frame that it marks."""
    if str(dataset.get("SOPClassUID", "")) not in SEGMENTATION:
        raise DicomError(name, "SOPClassUID", "this is no segmentation.", "choose a DICOM SEG object.")
    with quiet_conversion():
        try:
            return tuple(_segments(dataset, name))
        except CONVERSION_ERRORS as error:
            raise DicomError(
                name, "SegmentSequence", f"the segmentation cannot be understood ({error}).", "export it again."
            ) from error


def _segments(dataset: Dataset, name: str) -> Iterator[Segment]:
    meant = {int(s.SegmentNumber): s for s in dataset.SegmentSequence}
    planes = _planes(dataset, name)
    for plane, item in zip(planes, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        sop, frame = _source(dataset, item, name)
        for number, inside in _numbered(dataset, item, plane):
            if number not in meant:
                raise DicomError(
                    name, "SegmentSequence", f"segment {number} is used but not described.", "export it again."
                )
            if inside.any():
                said = meant[number]
                label = str(said.get("SegmentLabel", ""))
                yield Segment(number, label, _finding(said), _region(said, label), sop, frame, inside)


def _planes(dataset: Dataset, name: str) -> np.ndarray:
    """Frames (frame, row, column) as they are stored."""
    frames = int(dataset.get("NumberOfFrames", 1))
    if frames * int(dataset.Rows) * int(dataset.Columns) > MOST_PIXELS:
        raise DicomError(name, "NumberOfFrames", f"{frames} frames are more than a planar scan has.", "")
    values = np.asarray(dataset.pixel_array)
    return values.reshape(frames, int(dataset.Rows), int(dataset.Columns))


def _numbered(dataset: Dataset, item: Dataset, plane: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The segments of one frame: its own where it has one, every number of a label map."""
    kind = str(dataset.get("SegmentationType", "BINARY"))
    if kind == "LABELMAP":
        for number in np.unique(plane):
            if number:
                yield int(number), plane == number
        return
    number = int(item.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
    half = 0.5 * float(dataset.MaximumFractionalValue) if kind == "FRACTIONAL" else 0.5
    yield number, plane >= half


def _source(dataset: Dataset, item: Dataset, name: str) -> tuple[str, int]:
    """The image and frame that a frame of the segmentation was drawn on."""
    shared = dataset.get("SharedFunctionalGroupsSequence") or [Dataset()]
    for group in (item, shared[0]):
        for derivation in group.get("DerivationImageSequence") or []:
            for reference in derivation.get("SourceImageSequence") or []:
                number: Any = reference.get("ReferencedFrameNumber", 1)
                first = number[0] if isinstance(number, list | tuple) or hasattr(number, "__getitem__") else number
                return str(reference.ReferencedSOPInstanceUID), int(first)
    raise DicomError(
        name,
        "DerivationImageSequence",
        "the segmentation does not say which frame of which image it was drawn on.",
        "export it with references to its source images.",
    )


def _finding(segment: Dataset) -> str:
    return codes.finding_of(*codes.key_of(segment.get("SegmentedPropertyTypeCodeSequence")))


def _region(segment: Dataset, label: str) -> str:
    """The site with its side: the label's where it names one, since segments of ours keep the side there."""
    anatomy = segment.get("AnatomicRegionSequence") or []
    site = codes.region_of(codes.key_of(anatomy), ("", ""))
    if not site:
        return ""
    named = [f"{s} {site}" for s in codes.SIDES if f"{s} {site}" in label]
    side = codes.key_of(anatomy[0].get("AnatomicRegionModifierSequence"))
    return named[0] if named else codes.region_of(codes.key_of(anatomy), side)
