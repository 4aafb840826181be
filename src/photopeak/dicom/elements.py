"""What a dataset states, each value in the type that its reader needs.

An element that is absent, empty or holds the zero that stands for "not entered" is one not stated:
``""``, ``None`` or ``()``, never a default. What is there and cannot be read is refused with its tag
(``checked`` sees to the types; here dates, times and counts of values are held against the standard).
"""

from __future__ import annotations

import datetime as dt
import math
import re
import struct
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataelem import RawDataElement
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
    """A dataset, or an item of a sequence in the dataset ``root``, and the file it came from."""

    __slots__ = ("data", "elements", "path", "root")

    def __init__(self, data: Dataset, path: str, root: Elements | None = None) -> None:
        self.data = data
        self.path = path
        self.root = root or self
        # Plain numbers as keys: pydicom compares its tags in Python, which takes most of a reading's time.
        self.elements: dict[int, Any] = {int(tag): element for tag, element in data._dict.items()}

    def refuse(self, keyword: str, meaning: str, remedy: str = RE_EXPORT) -> DicomError:
        """The error that names this element; the caller raises it."""
        name = dictionary_description(tag_of(keyword))
        return DicomError(self.path, tag_text(tag_of(keyword)), f"{name}: {meaning}", remedy)

    def values(self, keyword: str) -> list[Any]:
        """Every value of an element, the empty ones left out; numbers in text are still text."""
        return self._values(tag_of(keyword))

    def _values(self, tag: int) -> list[Any]:
        element = self.elements.get(tag)
        if element is None:
            return []
        if isinstance(element, RawDataElement) and (plain := plain_values(element)) is not None:
            return plain
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
        element = self.elements.get(tag)
        if element is None:
            return []
        value = self.data[tag].value if isinstance(element, RawDataElement) else element.value
        if not all(isinstance(item, Dataset) for item in value or ()):
            raise self.refuse(keyword, "is not a sequence.")
        return [Elements(item, self.path, self.root) for item in value or ()]

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
        offset = self.root.text("TimezoneOffsetFromUTC")
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
            if group << 16 | block in self.elements and self._values(group << 16 | block) == [creator]:
                return self._values(group << 16 | block << 8 | element)
        return []

    def _number(self, keyword: str, value: Any) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        if isinstance(value, str) and _NUMBER.match(value) and math.isfinite(float(value)):
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


_TEXT_VRS = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "PN", "SH", "TM", "UI"})
_ONE_TEXT_VRS = frozenset({"LT", "ST", "UT"})
_BINARY_VRS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}


def plain_values(raw: RawDataElement) -> list[Any] | None:
    """The values of an element of plain text or numbers, without pydicom; None leaves another to it."""
    data, vr = raw.value, raw.VR
    if not data:
        return []
    expected = DicomDictionary.get(int(raw.tag))
    if expected is not None and expected[0] != vr:
        return None  # another VR than the standard's: ``checked`` says whether it will do
    if vr in _TEXT_VRS and data.isascii() and b"\x1b" not in data:
        return [v for part in data.decode("ascii").split("\\") if (v := part.strip(" \0"))]
    if vr in _ONE_TEXT_VRS and data.isascii() and b"\x1b" not in data:
        return [data.decode("ascii").rstrip(" \0")]
    order = "<" if raw.is_little_endian else ">"
    if vr == "AT" and len(data) % 4 == 0:
        halves = struct.unpack(f"{order}{len(data) // 2}H", data)
        return [group << 16 | number for group, number in zip(halves[::2], halves[1::2], strict=True)]
    code = _BINARY_VRS.get(vr or "")
    if code is None or len(data) % (size := struct.calcsize(code)):
        return None
    return list(struct.unpack(f"{order}{len(data) // size}{code}", data))


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
_WITH_DATETIME = frozenset({"AcquisitionDateTime", "RadiopharmaceuticalStartDateTime"})
