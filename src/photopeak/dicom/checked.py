"""Datasets whose elements are checked when they are read.

pydicom converts an element's bytes at the first look, and where they do not fit it guesses another value
representation, warns, or raises one of a dozen exceptions. Here the element either has the type and the
number of values that the standard gives it, or a ``DicomError`` names it.
"""

from __future__ import annotations

import math
import struct
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from pydicom import config
from pydicom._dicom_dict import DicomDictionary
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import BytesLengthException
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

from photopeak.core.errors import DicomError

INTEGER_VRS: Final = frozenset({"US", "SS", "UL", "SL", "UV", "SV", "IS", "US or SS"})
FLOAT_VRS: Final = frozenset({"DS", "FL", "FD"})
BYTE_VRS: Final = frozenset({"OB", "OW", "OB or OW", "OF", "OD", "OL", "OV", "UN", "US or OW", "US or SS or OW"})

#: What pydicom's converters raise on bytes that do not fit (found by fuzzing); KeyError is kept apart because
#: Dataset raises it for an element that is not there.
CONVERSION_ERRORS: Final = (
    ValueError,
    TypeError,
    ArithmeticError,
    struct.error,
    LookupError,
    NotImplementedError,
    AttributeError,
    AssertionError,
    EOFError,
    RecursionError,
    MemoryError,
    BytesLengthException,
)

_quiet_lock = threading.Lock()
_quiet_depth = 0
_quiet_before: int = config.WARN


@contextmanager
def quiet_conversion() -> Iterator[None]:
    """Convert without pydicom's own validation, whose warnings our checks replace; other users keep theirs."""
    global _quiet_depth, _quiet_before
    with _quiet_lock:
        if _quiet_depth == 0:
            _quiet_before = config.settings.reading_validation_mode
            config.settings.reading_validation_mode = config.IGNORE
        _quiet_depth += 1
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth -= 1
            if _quiet_depth == 0:
                config.settings.reading_validation_mode = _quiet_before


def tag_text(tag: int) -> str:
    """A tag as people write it.

    >>> tag_text(0x00540016)
    '(0054,0016)'
    """
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def tag_name(tag: int) -> str:
    """What the standard calls an attribute, or ``private``/``unknown``."""
    entry = DicomDictionary.get(int(tag))
    if entry is not None:
        return str(entry[2])
    return "a private element" if (tag >> 16) & 1 else "an element the standard does not know"


Encoding = tuple[bool, bool, list[str]]
"""Implicit VR, little endian, character sets."""


class _Checked(Dataset):
    """Checks an element when it is first converted."""

    source: str = ""

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return super().__getitem__(key)
        element = self._dict.get(key)
        if element.__class__ is DataElement:
            return element
        if not isinstance(element, RawDataElement):
            return super().__getitem__(key)
        return self._convert(element)

    def _convert(self, raw: RawDataElement) -> DataElement:
        try:
            with quiet_conversion():
                if raw.value is not None and (not raw.value.isascii() or b"\x1b" in raw.value):
                    with warnings.catch_warnings():
                        warnings.simplefilter("error")  # an undecodable name is not replaced by question marks
                        element: DataElement = super().__getitem__(raw.tag)
                else:
                    element = super().__getitem__(raw.tag)
        except DicomError:
            raise
        except (*CONVERSION_ERRORS, Warning) as error:
            raise self._refusal(raw, f"cannot be decoded ({_short(error)})") from error
        if element.VR == "SQ":
            adopt(element.value, self.source)
        fault = fault_of(int(raw.tag), element.value)
        if fault:
            self._dict[raw.tag] = raw
            raise self._refusal(raw, fault)
        return element

    def _refusal(self, raw: RawDataElement, fault: str) -> DicomError:
        return DicomError(
            self.source,
            tag_text(raw.tag),
            f"{tag_name(raw.tag)} {fault}; the file is damaged or was written wrongly.",
            "export it again from the camera or archive.",
        )


class CheckedDataset(_Checked, FileDataset):
    """A file's dataset."""


class CheckedItem(_Checked):
    """An item of a sequence."""

    @staticmethod
    def of(elements: dict[BaseTag, DataElement | RawDataElement], source: str, how: Encoding) -> CheckedItem:
        """An item of these elements.

        Files may have tens of thousands of items, and ``Dataset.__init__`` takes ten times as long as this.
        """
        item = CheckedItem.__new__(CheckedItem)
        state = item.__dict__
        state.update(_BLANK)
        state["_dict"], state["source"] = elements, source
        state["_read_implicit"], state["_read_little"], state["_read_charset"] = how
        state["_private_blocks"], state["_pixel_array_opts"], state["_pixel_id"] = {}, {"use_pdh": False}, {}
        return item


_BLANK: Final = dict(CheckedItem().__dict__)


def adopt(items: Sequence[Dataset], source: str) -> None:
    """Make checked items of the plain ones that pydicom parses itself (private sequences in implicit VR)."""
    for item in items:
        item.__class__ = CheckedItem
        item.__dict__["source"] = source
        for element in item._dict.values():
            if isinstance(element, DataElement) and element.VR == "SQ":
                adopt(element.value, source)


def fault_of(tag: int, value: Any) -> str:
    """What is wrong with a value, given what the standard says of its attribute; ``""`` where nothing is."""
    entry = DicomDictionary.get(tag)
    if entry is None or value is None or value == "":
        return ""
    vr, multiplicity = entry[0], entry[1]
    if vr in INTEGER_VRS or vr in FLOAT_VRS:
        return _number_fault(vr, multiplicity, value)
    if vr == "SQ":
        return "" if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else "is not a sequence"
    if vr in BYTE_VRS:
        return ""
    texts = value if isinstance(value, (MultiValue, list)) else [value]
    if vr == "AT":
        return "" if all(isinstance(v, int) for v in texts) else "does not hold tags (VR AT)"
    if any(isinstance(v, (bytes, int, float)) for v in texts) or (texts and isinstance(texts[0], Dataset)):
        return f"is not text (VR {vr})"
    return ""


def _number_fault(vr: str, multiplicity: str, value: Any) -> str:
    several = isinstance(value, (MultiValue, list))
    numbers = value if several else [value]
    wanted = int if vr in INTEGER_VRS else (int, float)
    for number in numbers:
        if number is None or number == "":
            continue
        if isinstance(number, BaseTag) or not isinstance(number, wanted):
            return f"is {_short(number)!r}, not a number (VR {vr})"
        if not math.isfinite(number):
            return f"is {number}, not a finite number"
    if multiplicity.isdigit() and len(numbers) != int(multiplicity):
        return f"has {len(numbers)} values where the standard has {multiplicity}"
    return ""


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "…"
