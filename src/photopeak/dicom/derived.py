"""What objects made from an image share: its patient and study, a moment, and text that the standard takes."""

from __future__ import annotations

import datetime as dt
import re
from copy import copy
from typing import Final

from pydicom.dataset import Dataset

from photopeak.core import PhotopeakError
from photopeak.dicom.modules import UTF8
from photopeak.dicom.times import date_text, time_text

#: what every object of a study must have, be it empty
REQUIRED: Final = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
)
SEXES: Final = ("", "M", "F", "O")
MOMENTS: Final = ("InstanceCreation", "Content")
LONGEST_STRING: Final = 64
"""Characters of a long string (LO), and of one group of a person's name (PN)."""
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def header_of(source: Dataset) -> Dataset:
    """Who and which study an image is of, as Unicode; what the standard requires and the file lacks is empty."""
    out = Dataset()
    for element in source:
        if element.tag.group in (0x0008, 0x0010, 0x0020) and element.VR != "SQ":
            out.add(copy(element))  # an element is shared by datasets, and the source's must stay
    for keyword in REQUIRED:
        if keyword not in out:
            setattr(out, keyword, "")
    if out.PatientSex not in SEXES:
        out.PatientSex = ""
    out.SpecificCharacterSet = UTF8
    return out


def stamp(ds: Dataset, moment: dt.datetime, source: Dataset) -> None:
    """Date an object with the moment of its signature, in the source's time zone where that states one, else in UTC.

    Libraries take the clock instead, which would make the same object another one each time it is written.
    """
    offset = str(source.get("TimezoneOffsetFromUTC", "") or "")
    local = moment.astimezone(zone_of(offset))
    for name in MOMENTS:
        setattr(ds, f"{name}Date", date_text(local))
        setattr(ds, f"{name}Time", time_text(local))
    for item in ds.get("ContributingEquipmentSequence", [])[-1:]:
        item.ContributionDateTime = moment_text(moment)  # the last is the library that wrote it
    if offset:
        ds.TimezoneOffsetFromUTC = offset
    ds.SpecificCharacterSet = UTF8


def zone_of(offset: str) -> dt.timezone:
    """The time zone of an offset such as +0200.

    >>> str(zone_of("-0330")), str(zone_of(""))
    ('UTC-03:30', 'UTC')
    """
    found = re.fullmatch(r"([+-])(\d\d)([0-5]\d)", offset)
    if found is None or int(found[2]) > 14:
        return dt.UTC
    east = dt.timedelta(hours=int(found[2]), minutes=int(found[3]))
    return dt.timezone(-east if found[1] == "-" else east)


def moment_text(moment: dt.datetime) -> str:
    """A date and time (DT) in UTC, with its offset; a moment without time zone is refused.

    >>> moment_text(dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC))
    '20260102030405+0000'
    """
    if moment.tzinfo is None:
        raise PhotopeakError(f"{moment} has no time zone, so nobody knows when that was. Remedy: state it in UTC.")
    utc = moment.astimezone(dt.UTC)
    return f"{date_text(utc)}{time_text(utc)}+0000"


def plain_text(text: str) -> str:
    """Text without the control characters that no value may hold; line breaks stay.

    >>> plain_text("one\\x1b\\x00\\ntwo")
    'one\\ntwo'
    """
    return _CONTROL.sub("", text)


def long_string(text: str) -> str:
    """Text as one long string (LO): on one line, without the sign that separates values, and short enough.

    >>> long_string("Clinic A\\\\B\\nGhent")
    'Clinic A/B Ghent'
    """
    return " ".join(plain_text(text).replace("\\", "/").split())[:LONGEST_STRING].strip()


def person_name(text: str) -> str:
    """A name as a person's name (PN); which word of it is the family's is not guessed.

    >>> person_name("Dr. Jane Doe"), person_name("Doe^Jane"), person_name("Yamada^Tarou=山田^太郎")
    ('Dr. Jane Doe^', 'Doe^Jane', 'Yamada^Tarou=山田^太郎')
    """
    groups = [long_string(group)[: LONGEST_STRING - 1] for group in text.split("=")[:3]]
    groups = ["^".join(group.split("^")[:5]) for group in groups]
    return "=".join(groups) if "^" in groups[0] else "=".join([groups[0] + "^", *groups[1:]])
