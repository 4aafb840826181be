"""Facts a file states that no field of ``Acquisition`` has: kept by DICOM keyword, read and written alike.

Private elements that SUV needs are kept too, under "CREATOR (gggg,ee)", as in
"GEMS_PETD_01 (0009,0D)" (GE: moment the scan started, to which START corrects) and
"Philips PET Private Group (7053,00)" (SUV scale factor) and "(7053,09)" (activity scale factor).
"""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.valuerep import VR

from photopeak.core.study import Json
from photopeak.dicom.elements import Elements, tag_of
from photopeak.dicom.subject import decimal
from photopeak.dicom.times import date_text, parse_date, parse_datetime, parse_time, time_text

TEXTS: Final = (
    "AccessionNumber",
    "AcquisitionTerminationCondition",
    "AttenuationCorrectionMethod",
    "BodyPartExamined",
    "ContentDate",
    "ContentTime",
    "CountsSource",
    "DeviceSerialNumber",
    "ImageComments",
    "ImageID",
    "PatientOrientation",
    "ProtocolName",
    "RandomsCorrectionMethod",
    "ReconstructionMethod",
    "ReferringPhysicianName",
    "ScatterCorrectionMethod",
    "SeriesDate",
    "SeriesDescription",
    "SeriesTime",
    "SeriesType",
    "SoftwareVersions",
    "StationName",
    "StudyDate",
    "StudyID",
    "StudyTime",
    "TimezoneOffsetFromUTC",
    "TypeOfDetectorMotion",
    "Units",
    "WholeBodyTechnique",
)
NUMBERS: Final = (
    "CountsAccumulated",
    "DecayFactor",
    "DoseCalibrationFactor",
    "FrameReferenceTime",
    "InstanceNumber",
    "SeriesNumber",
    "SliceThickness",
    "TableHeight",
    "TableTraverse",
)
PRIVATE: Final = (
    (0x0009, "GEMS_PETD_01", 0x0D),
    (0x0009, "GEMS_PETD_01", 0x3D),
    (0x7053, "Philips PET Private Group", 0x00),
    (0x7053, "Philips PET Private Group", 0x09),
)
PRIVATE_VRS: Final = {0x0009: "DT", 0x7053: "DS"}


def private_key(group: int, creator: str, element: int) -> str:
    """The name of a private fact.

    >>> private_key(0x0009, "GEMS_PETD_01", 0x0D)
    'GEMS_PETD_01 (0009,0D)'
    """
    return f"{creator} ({group:04X},{element:02X})"


def read_facts(e: Elements) -> dict[str, Json]:
    """Every fact that the file states."""
    there = [keyword for keyword, tag in _tags().items() if tag in e.elements]
    facts: dict[str, Json] = {k: text for k in there if k not in NUMBERS and (text := _today(k, e.text(k)))}
    facts |= {k: number for k in there if k in NUMBERS and (number := e.number(k)) is not None}
    for group, creator, element in PRIVATE:
        if values := e.private(group, creator, element):
            facts[private_key(group, creator, element)] = _plain(values[0], PRIVATE_VRS[group])
    return facts


@cache
def _tags() -> dict[str, int]:
    return {keyword: tag_of(keyword) for keyword in (*TEXTS, *NUMBERS)}


def _today(keyword: str, text: str) -> str:
    """Dates and times in today's form (old files write 1993.11.24); what is none is no fact."""
    try:
        if text and keyword.endswith("Date"):
            return date_text(parse_date(text))
        if text and keyword.endswith("Time"):
            return time_text(dt.datetime.combine(dt.date.min, parse_time(text)))
    except ValueError:
        return ""
    return text


def _plain(value: Any, vr: str) -> Json:
    """A private value as its creator means it; what is no number where one belongs stays text."""
    if isinstance(value, bytes):  # implicit VR says nothing of a private element's type
        value = value.decode("ascii", "replace").strip(" \0")
    try:
        return float(value) if vr == "DS" else str(value)
    except ValueError:
        return str(value)


def moment_of(facts: dict[str, Json], key: str) -> Any:
    """A fact that is a moment, or None; one that cannot be read is no evidence."""
    text = facts.get(key)
    try:
        return parse_datetime(text) if isinstance(text, str) and text else None
    except ValueError:
        return None


def put_facts(ds: Dataset, facts: dict[str, Json]) -> None:
    """Write facts back under their keywords, where nothing else has."""
    for keyword in (*TEXTS, *NUMBERS):
        value = facts.get(keyword)
        if value is None or ds.get(keyword) not in (None, ""):
            continue
        if isinstance(value, (int, float)):
            setattr(ds, keyword, _number(ds, keyword, value))
        elif isinstance(value, str):
            setattr(ds, keyword, value)
    for group, creator, element in PRIVATE:
        value = facts.get(private_key(group, creator, element))
        if isinstance(value, (str, int, float)):
            vr = PRIVATE_VRS[group]
            ds.private_block(group, creator, create=True).add_new(
                element, vr, decimal(value) if isinstance(value, (int, float)) else value
            )


def _number(_ds: Dataset, keyword: str, value: float) -> str | int:
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    vr = dictionary_VR(tag_for_keyword(keyword) or 0)
    return round(value) if vr == VR.IS else decimal(value)
