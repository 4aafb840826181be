"""What a dataset states, each value in the type that its reader needs.

An element that is absent, empty or holds the zero that stands for "not entered" is one not stated:
``""``, ``None`` or ``()``, never a default. What is there and cannot be read is refused with its tag
(``checked`` sees to the types; here dates, times and counts of values are held against the standard).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from photopeak.core.errors import DicomError
from photopeak.dicom.checked import tag_text
from photopeak.dicom.times import parse_date, parse_datetime, parse_time

_T = TypeVar("_T")

RE_EXPORT = "export the file again, or correct the element."


@cache
def tag_of(keyword: str) -> int:
    """The tag of an attribute of the standard.

    >>> hex(tag_of("PixelSpacing"))
    '0x280030'
    """
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return tag


class Elements:
    """A dataset (or an item of a sequence) and the file it came from."""

    __slots__ = ("data", "path")

    def __init__(self, data: Dataset, path: str) -> None:
        self.data = data
        self.path = path

    def refuse(self, keyword: str, meaning: str, remedy: str = RE_EXPORT) -> DicomError:
        """The error that names this element; the caller raises it."""
        name = dictionary_description(tag_of(keyword))
        return DicomError(self.path, tag_text(tag_of(keyword)), f"{name}: {meaning}", remedy)

    def values(self, keyword: str) -> list[Any]:
        """Every value of an element, the empty ones left out."""
        tag = tag_of(keyword)
        if tag not in self.data:
            return []
        value = self.data[tag].value
        if isinstance(value, (MultiValue, list, tuple)):
            return [v for v in value if v is not None and v != ""]
        return [] if value is None or value == "" else [value]

    def words(self, keyword: str) -> tuple[str, ...]:
        return tuple(word for v in self.values(keyword) if (word := str(v).strip(" \0")))

    def text(self, keyword: str) -> str:
        return "\\".join(self.words(keyword))

    def numbers(self, keyword: str, count: int = 0) -> tuple[float, ...]:
        """Every number; where ``count`` is given, that many or none."""
        numbers = tuple(self._number(keyword, v) for v in self.values(keyword))
        if count and len(numbers) not in (0, count):
            raise self.refuse(keyword, f"has {len(numbers)} values where {count} belong.")
        return numbers

    def number(self, keyword: str) -> float | None:
        numbers = self.numbers(keyword)
        if len(numbers) > 1:
            raise self.refuse(keyword, f"has {len(numbers)} values where one belongs.")
        return numbers[0] if numbers else None

    def positive(self, keyword: str) -> float | None:
        """A quantity that cannot be zero: scanners write 0 where nobody entered it."""
        value = self.number(keyword)
        if value is not None and value < 0:
            raise self.refuse(keyword, f"is {value:g}, and cannot be negative.")
        return value or None

    def integer(self, keyword: str) -> int | None:
        value = self.number(keyword)
        if value is not None and value != int(value):
            raise self.refuse(keyword, f"is {value:g}, not a whole number.")
        return None if value is None else int(value)

    def items(self, keyword: str) -> list[Elements]:
        tag = tag_of(keyword)
        if tag not in self.data:
            return []
        value = self.data[tag].value
        if not all(isinstance(item, Dataset) for item in value or ()):
            raise self.refuse(keyword, "is not a sequence.")
        return [Elements(item, self.path) for item in value or ()]

    def item(self, keyword: str) -> Elements | None:
        items = self.items(keyword)
        return items[0] if items else None

    def date(self, keyword: str) -> dt.date | None:
        if not self.text(keyword).strip("0."):
            return None  # all zeros is how some cameras write an unknown birth date
        return self._parsed(keyword, parse_date)

    def time(self, keyword: str) -> dt.time | None:
        return self._parsed(keyword, parse_time)

    def datetime(self, keyword: str) -> dt.datetime | None:
        offset = self.text("TimezoneOffsetFromUTC")
        return self._parsed(keyword, lambda text: parse_datetime(text, offset))

    def moment(self, name: str) -> dt.datetime | None:
        """``nameDateTime``, else ``nameDate`` with ``nameTime``; a date without a time is not a moment."""
        if f"{name}DateTime" in _WITH_DATETIME and (moment := self.datetime(f"{name}DateTime")):
            return moment
        date, time = self.date(f"{name}Date"), self.time(f"{name}Time")
        return dt.datetime.combine(date, time) if date and time else None

    def code(self, keyword: str) -> tuple[str, str, str]:
        """(value, scheme, meaning) of a code sequence's first item, or three empty words."""
        item = self.item(keyword)
        if item is None:
            return "", "", ""
        return item.text("CodeValue"), item.text("CodingSchemeDesignator"), item.text("CodeMeaning")

    def private(self, group: int, creator: str, element: int) -> list[Any]:
        """Values of a private element, if that creator's block is there."""
        for block in range(0x10, 0x20):  # writers take the first free block; none has been seen beyond these
            reservation = group << 16 | block
            if reservation not in self.data or str(self.data[reservation].value).strip() != creator:
                continue
            tag = group << 16 | block << 8 | element
            value = self.data[tag].value if tag in self.data else None
            if isinstance(value, (MultiValue, list)):
                return list(value)
            return [] if value is None or value == "" else [value]
        return []

    def _number(self, keyword: str, value: Any) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        if isinstance(value, str) and _NUMBER.match(value.strip()):
            return float(value)
        raise self.refuse(keyword, f"is {str(value)[:40]!r}, not a number.")

    def _parsed(self, keyword: str, parse: Callable[[str], _T]) -> _T | None:
        text = self.text(keyword)
        if not text:
            return None
        try:
            return parse(text)
        except ValueError as error:
            raise self.refuse(keyword, f"is {text[:40]!r}: {error}.") from None


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
_WITH_DATETIME = frozenset({"AcquisitionDateTime", "RadiopharmaceuticalStartDateTime"})
