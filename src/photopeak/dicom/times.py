"""DICOM dates and times: DA, TM and DT, the old ACR-NEMA forms too, as naive local time.

A time zone is kept out of every moment: a DT with an offset is brought to the file's own offset
(0008,0201) where it states one, else its wall-clock time stands. So differences of moments of one
file are right, and no machine's zone enters.
"""

from __future__ import annotations

import datetime as dt
import re

_DATE = re.compile(r"(\d{4})[.\-/]?(\d{2})[.\-/]?(\d{2})$")
_TIME = re.compile(r"(\d{2}):?(?:(\d{2}):?(?:(\d{2})(?:\.(\d{1,}))?)?)?$")
_DATETIME = re.compile(r"(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?(?:\.(\d{1,}))?\s*([+-]\d{4})?$")


def parse_date(text: str) -> dt.date:
    """A date.

    >>> parse_date("19970806"), parse_date("1993.11.24")
    (datetime.date(1997, 8, 6), datetime.date(1993, 11, 24))
    """
    found = _DATE.match(text.strip())
    if found is None:
        raise ValueError("not a date, YYYYMMDD")
    return dt.date(*(int(part) for part in found.groups()))


def parse_time(text: str) -> dt.time:
    """A time of day; hours alone and hours with minutes are complete times too.

    >>> parse_time("122931.25"), parse_time("09:53:00"), parse_time("07")
    (datetime.time(12, 29, 31, 250000), datetime.time(9, 53), datetime.time(7, 0))
    """
    found = _TIME.match(text.strip())
    if found is None:
        raise ValueError("not a time, HHMMSS.FFFFFF")
    hour, minute, second = (int(part or 0) for part in found.groups()[:3])
    # A leap second has no place in Python's time; it counts as the second before.
    return dt.time(hour, minute, min(second, 59), _microseconds(found[4]))


def parse_datetime(text: str, file_offset: str = "") -> dt.datetime:
    """A moment; one given to the day only is midnight.

    >>> parse_datetime("20210908101927.236+0200", "+0000")
    datetime.datetime(2021, 9, 8, 8, 19, 27, 236000)
    """
    found = _DATETIME.match(text.strip())
    if found is None:
        raise ValueError("not a date and time, YYYYMMDDHHMMSS.FFFFFF&ZZXX")
    year, month, day, hour, minute, second = (int(p) if p else 0 for p in found.groups()[:6])
    moment = dt.datetime(year, month or 1, day or 1, hour, minute, min(second, 59), _microseconds(found[7]))
    if found[8] and file_offset:
        moment += _offset(file_offset) - _offset(found[8])
    return moment


def _microseconds(fraction: str | None) -> int:
    return int((fraction or "0").ljust(6, "0")[:6])


def _offset(text: str) -> dt.timedelta:
    found = re.match(r"([+-])(\d{2})(\d{2})$", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not an offset from UTC, &HHMM")
    size = dt.timedelta(hours=int(found[2]), minutes=int(found[3]))
    return -size if found[1] == "-" else size


def date_text(moment: dt.date | None) -> str:
    """YYYYMMDD."""
    return "" if moment is None else f"{moment.year:04d}{moment.month:02d}{moment.day:02d}"


def time_text(moment: dt.datetime | None) -> str:
    """HHMMSS, with a fraction only where there is one."""
    if moment is None:
        return ""
    fraction = f".{moment.microsecond:06d}" if moment.microsecond else ""
    return f"{moment.hour:02d}{moment.minute:02d}{moment.second:02d}{fraction}"
