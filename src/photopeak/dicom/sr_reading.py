"""DICOM Structured Reports, from us and from others: the outlines that their findings have on planar images.

A finding is a measurement group of TID 1500 (or any container that holds a coded finding and its region, TID 1410):
its code, its site with the side, and spatial coordinates on one frame, whose (0, 0) is the outer corner of the first
pixel (PS3.3 C.18.6).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from pydicom.dataset import Dataset

from photopeak.core import DicomError
from photopeak.dicom import reading_codes as codes
from photopeak.dicom.checked import CONVERSION_ERRORS, quiet_conversion

REPORTS: Final = (
    "1.2.840.10008.5.1.4.1.1.88.22",
    "1.2.840.10008.5.1.4.1.1.88.33",
    "1.2.840.10008.5.1.4.1.1.88.34",
    "1.2.840.10008.5.1.4.1.1.88.35",
)
"""Enhanced, Comprehensive, Comprehensive 3D and Extensible SR: those that may hold coordinates."""
CORNERS: Final = 36
"""Of a circle or an ellipse."""
_FINDING: Final = ("DCM", "121071")
_SITE: Final = (("SCT", "363698007"), ("SRT", "G-C0E3"))
_SIDE: Final = (("SCT", "272741003"), ("SRT", "G-C171"))
_OBSERVER: Final = ("DCM", "121005")
_DEVICE: Final = ("DCM", "121007")
_ALGORITHM: Final = ("DCM", "111001")
_TRACKING: Final = ("DCM", "112039")


@dataclass(frozen=True)
class Outline:
    """What a finding marks on one frame; ``finding`` and ``region`` are empty where their codes are none we know."""

    label: str
    finding: str
    region: str
    sop: str
    frame: int
    """Of the image that it lies on, from 1 on."""
    points_px: tuple[tuple[float, float], ...]
    """Corners (column, row); fewer than three where only a place was marked and no area."""


def read_outlines(dataset: Dataset, name: str) -> tuple[Outline, ...]:
    """Every outline on an image, in the order of the report."""
    if str(dataset.get("SOPClassUID", "")) not in REPORTS:
        raise DicomError(name, "SOPClassUID", "this is no report with coordinates.", "choose a structured report.")
    with quiet_conversion():
        try:
            return tuple(o for item in _items(dataset) for o in _outlines(item, name))
        except CONVERSION_ERRORS as error:
            raise DicomError(
                name, "ContentSequence", f"the report cannot be understood ({error}).", "export it again."
            ) from error


def by_a_device(dataset: Dataset) -> bool:
    """Whether a device observed, or an algorithm is named anywhere in the report."""
    with quiet_conversion():
        return any(
            _name(item) == _ALGORITHM or (_name(item) == _OBSERVER and _value(item) == _DEVICE)
            for item in _items(dataset)
        )


def _items(root: Dataset) -> Iterator[Dataset]:
    """The items of a content tree, each before what it contains."""
    waiting = list(reversed(root.get("ContentSequence") or []))
    while waiting:
        item = waiting.pop()
        yield item
        waiting += reversed(item.get("ContentSequence") or [])


def _outlines(group: Dataset, name: str) -> Iterator[Outline]:
    """Of one container that holds a finding and its regions."""
    items = list(group.get("ContentSequence") or [])
    found = [i for i in items if _name(i) == _FINDING and i.get("ValueType") == "CODE"]
    if group.get("ValueType") != "CONTAINER" or not found:
        return
    finding, region = codes.finding_of(*_value(found[0])), _region(items)
    tracked = [str(i.get("TextValue", "")) for i in items if _name(i) == _TRACKING]
    said = found[0].get("ConceptCodeSequence") or [Dataset()]
    label = next(filter(None, tracked), str(said[0].get("CodeMeaning", "")))
    for item in items:
        if item.get("ValueType") == "SCOORD":
            sop, frame = _source(item, name)
            yield Outline(label, finding, region, sop, frame, _points(item, name))


def _source(item: Dataset, name: str) -> tuple[str, int]:
    """The image and frame that coordinates were selected from."""
    for image in item.get("ContentSequence") or []:
        if image.get("ValueType") == "IMAGE":
            reference = image.ReferencedSOPSequence[0]
            frames = reference.get("ReferencedFrameNumber") or 1
            number = int(frames[0]) if hasattr(frames, "__getitem__") else int(frames)
            return str(reference.ReferencedSOPInstanceUID), number
    raise DicomError(
        name,
        "ReferencedSOPSequence",
        "coordinates do not say on which image they lie.",
        "export the report with references to its images.",
    )


def _points(item: Dataset, name: str) -> tuple[tuple[float, float], ...]:
    """Corners of an area; what is closed by repeating its first corner has it once."""
    kind = str(item.get("GraphicType", ""))
    given = np.asarray(item.GraphicData, float).reshape(-1, 2)
    if not np.isfinite(given).all():
        raise DicomError(name, "GraphicData", "a coordinate is no finite number.", "export the report again.")
    if kind == "CIRCLE" and len(given) == 2:
        radius = float(np.hypot(*(given[1] - given[0])))
        given = _ellipse(given[0], np.array([radius, 0.0]), np.array([0.0, radius]))
    elif kind == "ELLIPSE" and len(given) == 4:
        given = _ellipse(given.mean(0), 0.5 * (given[1] - given[0]), 0.5 * (given[3] - given[2]))
    elif kind == "POLYLINE" and len(given) > 1 and (given[0] == given[-1]).all():
        given = given[:-1]
    elif kind != "POLYLINE":
        given = given[:1]  # points, however many, hold no area
    return tuple((float(x), float(y)) for x, y in given)


def _ellipse(middle: np.ndarray, major: np.ndarray, minor: np.ndarray) -> np.ndarray:
    """Corners around ``middle`` of an ellipse with these half axes (column, row)."""
    angle = 2 * np.pi * np.arange(CORNERS)[:, None] / CORNERS
    return np.asarray(middle + np.cos(angle) * major + np.sin(angle) * minor)


def _region(items: list[Dataset]) -> str:
    for item in items:
        if _name(item) in _SITE:
            side = [_value(i) for i in item.get("ContentSequence") or [] if _name(i) in _SIDE]
            return codes.region_of(_value(item), side[0] if side else ("", ""))
    return ""


def _name(item: Dataset) -> tuple[str, str]:
    return codes.key_of(item.get("ConceptNameCodeSequence"))


def _value(item: Dataset) -> tuple[str, str]:
    return codes.key_of(item.get("ConceptCodeSequence"))
