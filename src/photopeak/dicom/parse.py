"""Bytes to dataset, bounded: every length is held against the bytes that are there before it is used.

The elements are found here and converted by pydicom when they are first read (see ``checked``); a
file that claims more than it holds, nests too deep or repeats an element is refused with the tag.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from pydicom._dicom_dict import DicomDictionary
from pydicom.charset import python_encoding
from pydicom.datadict import repeater_has_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from photopeak.core.errors import DicomError
from photopeak.dicom.checked import CheckedDataset, CheckedItem, tag_name, tag_text
from photopeak.dicom.limits import FREE_EXPANSION_BYTES, MAX_DEPTH, MAX_EXPANSION, MAX_HEADER_ELEMENTS

IMPLICIT_LITTLE: Final = "1.2.840.10008.1.2"
EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG: Final = "1.2.840.10008.1.2.2"
STANDARD_SYNTAXES: Final = "1.2.840.10008.1.2."  # all of them but the first

LONG_VRS: Final = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
SHORT_VRS: Final = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL"}
    | {b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}
)
VRS: Final = {code: code.decode() for code in LONG_VRS | SHORT_VRS}

UNDEFINED: Final = 0xFFFFFFFF
ITEM: Final = 0xFFFEE000
ITEM_END: Final = 0xFFFEE00D
SEQUENCE_END: Final = 0xFFFEE0DD
TRAILING_PADDING: Final = 0xFFFCFFFC
PIXEL_DATA: Final = 0x7FE00010
CHARACTER_SET: Final = 0x00080005

Elements = dict[BaseTag, DataElement | RawDataElement]

_RETRY = "export or copy the file again."


@dataclass
class Budget:
    """How many elements may still be read; the files of one zip share it."""

    elements: int = MAX_HEADER_ELEMENTS


def parse(data: bytes, source: str, budget: Budget | None = None) -> CheckedDataset:
    """The dataset in a file's bytes; ``source`` is what messages call the file."""
    budget = budget or Budget()
    meta, start = _file_meta(data, source, budget)
    syntax = str(meta.get("TransferSyntaxUID", "") or "")
    if syntax == DEFLATED:
        data, start = _inflate(data[start:], source), 0
    implicit, little = _encoding(data, start, syntax, source)
    walk = _Walk(data, source, little, budget)
    elements, _ = walk.elements(start, len(data), implicit, 0)
    if not elements:
        raise DicomError(source, "", "the file holds no data element.", _RETRY)
    return _dataset(elements, meta, walk, implicit)


def looks_like_dicom(head: bytes) -> bool:
    """True where the first 132 bytes are a DICOM file's: the prefix, or a first element without one.

    Old exports lack the 128-byte preamble; they begin with an element of group 0002 or 0008.

    >>> looks_like_dicom(bytes(128) + b"DICM"), looks_like_dicom(b"# a text file, not an image")
    (True, False)
    """
    if head[128:132] == b"DICM":
        return True
    if len(head) < 12:
        return False
    for order in ("<", ">"):
        group, element = struct.unpack_from(order + "HH", head)
        known = group in (0x0002, 0x0008) and (element == 0 or (group << 16 | element) in DicomDictionary)
        if known and (head[4:6] in VRS or _plausible_implicit(head, order)):
            return True
    return False


def _plausible_implicit(head: bytes, order: str) -> bool:
    length: int = struct.unpack_from(order + "I", head, 4)[0]
    return order == "<" and length <= 1024


def _file_meta(data: bytes, source: str, budget: Budget) -> tuple[FileMetaDataset, int]:
    """The file meta information (always explicit little endian) and where the dataset begins."""
    start = 132 if data[128:132] == b"DICM" else 0
    if start == 0 and not looks_like_dicom(data[:132]):
        raise DicomError(
            source,
            "",
            "this is not a DICOM file: it has neither the prefix DICM nor a first element.",
            "choose another.",
        )
    if data[start : start + 2] != b"\x02\x00":
        return FileMetaDataset(), start
    walk = _Walk(data, source, True, budget)
    implicit = data[start + 4 : start + 6] not in VRS
    elements, end = walk.elements(start, len(data), implicit, 0, last_group=2)
    stray = next((tag for tag in elements if tag >> 16 != 2), None)
    if stray is not None:
        raise walk.fault(stray, "does not belong into the file meta information.")
    meta = _dataset(elements, FileMetaDataset(), walk, implicit)
    return FileMetaDataset({tag: meta[tag] for tag in elements}), end


def _encoding(data: bytes, start: int, syntax: str, source: str) -> tuple[bool, bool]:
    """(implicit VR, little endian), from the transfer syntax, else from the first element's looks."""
    if syntax == IMPLICIT_LITTLE:
        return True, True
    if syntax == EXPLICIT_BIG:
        return False, False
    if syntax:
        if not syntax.startswith(STANDARD_SYNTAXES):
            raise DicomError(source, "(0002,0010)", f"unknown transfer syntax {syntax[:64]!r}.", _RETRY)
        return False, True
    explicit = data[start + 4 : start + 6] in VRS
    return not explicit, not (explicit and data[start : start + 1] == b"\x00")


def _inflate(packed: bytes, source: str) -> bytes:
    """A deflated dataset, up to the size that its own allows."""
    limit = max(FREE_EXPANSION_BYTES, MAX_EXPANSION * len(packed))
    try:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        data = inflater.decompress(packed, limit)
    except zlib.error as error:
        raise DicomError(source, "(0002,0010)", f"the deflated dataset is damaged ({error}).", _RETRY) from error
    if inflater.unconsumed_tail:
        meaning = f"the deflated dataset expands to more than {limit} bytes, as no image does."
        raise DicomError(source, "(0002,0010)", meaning, "send it uncompressed if it is genuine.")
    if not inflater.eof:
        raise DicomError(source, "(0002,0010)", "the deflated dataset is cut off.", _RETRY)
    return data


def _dataset(elements: Elements, meta: FileMetaDataset, walk: _Walk, implicit: bool) -> CheckedDataset:
    dataset = CheckedDataset("", elements, file_meta=meta, is_implicit_VR=implicit, is_little_endian=walk.little)
    dataset.__dict__["source"] = walk.source
    dataset.set_original_encoding(implicit, walk.little, walk.encodings)
    return dataset


@dataclass
class _Walk:
    """One pass over a file's bytes."""

    data: bytes
    source: str
    little: bool

    budget: Budget

    def __post_init__(self) -> None:
        self.encodings: list[str] = ["iso8859"]
        order = "<" if self.little else ">"
        self.tag_and_vr = struct.Struct(order + "HH2sH").unpack_from
        self.tag_and_length = struct.Struct(order + "HHI").unpack_from
        self.long = struct.Struct(order + "I").unpack_from

    def fault(self, tag: int, fault: str) -> DicomError:
        name = f"{tag_name(tag)}: " if tag else ""
        return DicomError(self.source, tag_text(tag) if tag else "", f"{name}{fault}", _RETRY)

    def only_zeros(self, at: int, end: int) -> bool:
        return self.data.count(0, at, end) == end - at

    def count(self, tag: int) -> None:
        """One more element or item."""
        self.budget.elements -= 1
        if self.budget.elements < 0:
            raise self.fault(tag, "more elements than an image has, or than a zip of this size can hold.")

    def elements(self, at: int, end: int, implicit: bool, depth: int, last_group: int = 0xFFFF) -> tuple[Elements, int]:
        """Elements from ``at`` on, to ``end`` or an item's delimiter or a group beyond ``last_group``."""
        found: Elements = {}
        while at < end:
            if end - at < 8:
                if self.only_zeros(at, end):
                    return found, end
                raise self.fault(_last(found), "the file ends within the element after this one.")
            group, element, code, length = self.tag_and_vr(self.data, at)
            if group > last_group:
                return found, at
            number = group << 16 | element  # plain: pydicom compares its tags in Python
            if number == ITEM_END:
                return found, at + 8
            if number == TRAILING_PADDING or (number == 0 and self.only_zeros(at, end)):
                return found, end
            tag = BaseTag(number)
            self.count(tag)
            if tag in found:
                raise self.fault(tag, "occurs twice in one dataset.")
            vr, length, at = self._head(at, end, tag, implicit, code, length)
            found[tag], at = self._element(tag, vr, length, at, end, implicit, depth)
            if number == CHARACTER_SET:
                self._charset(found[tag])
        return found, at

    def _head(
        self, at: int, end: int, tag: BaseTag, implicit: bool, code: bytes, length: int
    ) -> tuple[str | None, int, int]:
        """(VR, length, start of the value) of the element at ``at``."""
        if implicit:
            return _vr_of(tag), self.long(self.data, at + 4)[0], at + 8
        if code in SHORT_VRS:
            return VRS[code], length, at + 8
        if code in LONG_VRS:
            if end - at < 12:
                raise self.fault(tag, "the file ends within this element's head.")
            return VRS[code], self.long(self.data, at + 8)[0], at + 12
        raise self.fault(tag, f"its value representation {code!r} does not exist.")

    def _element(
        self, tag: BaseTag, vr: str | None, length: int, at: int, end: int, implicit: bool, depth: int
    ) -> tuple[DataElement | RawDataElement, int]:
        if tag >> 16 == 0xFFFE:
            raise self.fault(tag, "a delimiter stands where an element should.")
        if vr == "SQ" or (vr in (None, "UN") and (length == UNDEFINED or _vr_of(tag) == "SQ")):
            # Written as of unknown VR, a sequence is in implicit VR (PS3.5, 6.2.2).
            return self._sequence(tag, length, at, end, implicit or vr == "UN", depth + 1)
        if length == UNDEFINED:
            if tag != PIXEL_DATA:
                raise self.fault(tag, "only sequences and compressed pixels may be of undefined length.")
            stop = self._fragments(at, end)
            return RawDataElement(tag, vr, UNDEFINED, self.data[at:stop], at, implicit, self.little), stop + 8
        if length > end - at:
            raise self.fault(tag, _beyond(length, end - at))
        return RawDataElement(tag, vr, length, self.data[at : at + length], at, implicit, self.little), at + length

    def _fragments(self, at: int, end: int) -> int:
        """Where the fragments of compressed pixels end."""
        while end - at >= 8:
            group, element, length = self.tag_and_length(self.data, at)
            tag = group << 16 | element
            if tag == SEQUENCE_END:
                return at
            if tag != ITEM or length > end - at - 8:
                raise self.fault(PIXEL_DATA, "a fragment of the compressed pixels is cut off or damaged.")
            at += 8 + length
        raise self.fault(PIXEL_DATA, "the compressed pixels do not end: the file is cut off.")

    def _sequence(
        self, tag: BaseTag, length: int, at: int, end: int, implicit: bool, depth: int
    ) -> tuple[DataElement, int]:
        if depth > MAX_DEPTH:
            raise self.fault(tag, f"sequences nested deeper than {MAX_DEPTH}.")
        if length != UNDEFINED and length > end - at:
            raise self.fault(tag, _beyond(length, end - at))
        start, stop = at, end if length == UNDEFINED else at + length
        items: list[CheckedItem] = []
        while at < stop:
            if stop - at < 8:
                raise self.fault(tag, "the file ends within this sequence.")
            group, element, size = self.tag_and_length(self.data, at)
            inner, at = group << 16 | element, at + 8
            if inner == SEQUENCE_END:
                break
            if inner != ITEM or (size != UNDEFINED and size > stop - at):
                raise self.fault(tag, "an item of this sequence is cut off or damaged.")
            self.count(tag)
            item, at = self._item(at, stop if size == UNDEFINED else at + size, implicit, depth)
            items.append(item)
        else:
            if length == UNDEFINED:
                raise self.fault(tag, "this sequence does not end: the file is cut off.")
        sequence = DataElement(tag, "SQ", Sequence(items), start, length == UNDEFINED, already_converted=True)
        return sequence, at

    def _item(self, at: int, end: int, implicit: bool, depth: int) -> tuple[CheckedItem, int]:
        outer = self.encodings
        elements, at = self.elements(at, end, implicit, depth)
        item = CheckedItem.of(elements, self.source, (implicit, self.little, self.encodings))
        self.encodings = outer
        return item, at

    def _charset(self, element: DataElement | RawDataElement) -> None:
        """The character sets of this dataset; an unknown one leaves ASCII, so that nothing is misread."""
        terms = (element.value or b"").decode("latin-1").strip(" \x00").split("\\")
        self.encodings = [python_encoding.get(term.strip(), "ascii") for term in terms]


def _vr_of(tag: BaseTag) -> str | None:
    """The VR that the standard gives; None leaves a private element to pydicom."""
    entry = DicomDictionary.get(int(tag))
    if entry is not None:
        return str(entry[0])
    if tag.is_private:
        return None
    if tag.element == 0:
        return "UL"
    return None if repeater_has_tag(tag) else "UN"


def _beyond(claimed: int, there: int) -> str:
    return f"claims {claimed} bytes, but {max(there, 0)} follow: the file is cut off or damaged."


def _last(found: Elements) -> int:
    return int(next(reversed(found))) if found else 0
