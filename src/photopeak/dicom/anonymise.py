"""De-identification by DICOM PS3.15, Annex E: the basic application level confidentiality profile, with options.

What the table names is treated as it says. What it does not name stays only where it cannot name anybody: numbers,
defined terms, codes the standard publishes, words of technique. Every other text, every private element, every
curve and overlay is removed. UIDs and dates change by a keyed hash, alike in all files made with one key, so
that the files of a cohort stay linked and nobody without the key can go back.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydicom import Dataset
from pydicom.charset import python_encoding
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag
from pydicom.uid import UID, ImplicitVRLittleEndian

from photopeak import __version__
from photopeak.core.errors import DicomError
from photopeak.dicom.checked import tag_text
from photopeak.dicom.confidentiality import (
    NUMBER,
    SAFE_PRIVATE,
    known_codes,
    safe_term,
    safe_text,
    table,
    technical_text,
)

LONGEST_SHIFT_DAYS: Final = 3650
REMOVED: Final = "ANONYMISED"
"""What stands where a text was and something must stand."""

DATE_VRS: Final = frozenset({"DA", "DT", "TM"})
TEXT_VRS: Final = frozenset({"LO", "SH", "ST", "LT", "UT", "UC", "UR", "AE", "PN"})
NUMBER_TEXT_VRS: Final = frozenset({"DS", "IS"})
NUMBER_VRS: Final = frozenset({"US", "SS", "UL", "SL", "UV", "SV", "FL", "FD", "AT", "US or SS"})
PIXELS: Final = frozenset({0x7FE00001, 0x7FE00002, 0x7FE00008, 0x7FE00009, 0x7FE00010})
LOOKUP_TABLES: Final = frozenset({*range(0x00281101, 0x00281105), *range(0x00281201, 0x00281224), 0x00283006})
CODE_KEYWORDS: Final = ("CodeValue", "LongCodeValue", "URNCodeValue")

_DATE: Final = re.compile(r"\d{8}\Z")
_TIME: Final = re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?\Z")
_DATETIME: Final = re.compile(r"(\d{8})(\d{0,6}(\.\d{1,6})?([+-]\d{4})?)\Z")
_OFFSET: Final = re.compile(r"[+-]\d{4}\Z")
_AGE: Final = re.compile(r"\d{3}[DWMY]\Z")
_UID: Final = re.compile(r"[0-9.]{1,64}\Z")

#: option -> (its code in CID 7050, what it is called)
METHODS: Final = {
    "basic": ("113100", "Basic Application Confidentiality Profile"),
    "descriptors": ("113105", "Clean Descriptors Option"),
    "dates": ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    "patient": ("113108", "Retain Patient Characteristics Option"),
    "device": ("113109", "Retain Device Identity Option"),
    "uids": ("113110", "Retain UIDs Option"),
    "private": ("113111", "Retain Safe Private Option"),
}

_DUMMIES: Final[dict[str, Any]] = {
    "DA": "19000101",
    "TM": "000000",
    "DT": "19000101000000",
    "AS": "000Y",
    "DS": "0",
    "IS": "0",
    "UR": "urn:anonymised",
    "PN": REMOVED,
}


@dataclass(frozen=True)
class Options:
    """What is kept beyond the basic profile; all of it is PS3.15's, under its names."""

    dates: bool = False
    """Retain longitudinal temporal information with modified dates: one shift for all dates of a patient."""
    patient: bool = False
    """Retain patient characteristics: sex, age, height, weight, which SUV needs."""
    device: bool = False
    """Retain device identity: station name, serial number."""
    descriptors: bool = False
    """Clean descriptors: keep the harmless words of descriptions."""
    uids: bool = False
    """Retain UIDs."""
    private: bool = False
    """Retain the private elements known to be safe."""

    def names(self) -> tuple[str, ...]:
        return tuple(name for name in METHODS if name == "basic" or getattr(self, name))


@dataclass(frozen=True)
class Anonymiser:
    """De-identifies datasets with one key; whoever has the key can link old and new."""

    key: bytes
    options: Options = Options()

    def __call__(self, dataset: Dataset, path: object) -> Dataset:
        """A new, de-identified dataset, ready to be saved. The pixels stay as they are."""
        refuse_visible_identity(dataset, path)
        patient = self.patient_key(dataset)
        clean = self._dataset(dataset, patient)
        _remove_empty_groups(clean)
        clean.PatientName = clean.PatientID = self.pseudonym(patient)
        self._say_so(clean)
        _file_format(clean, dataset)
        return clean

    def patient_key(self, dataset: Dataset) -> str:
        """What stands for the patient: ID and issuer, or, where there is no ID, the study."""
        patient_id = _text(dataset, "PatientID").strip()
        if patient_id:
            return f"{_text(dataset, 'IssuerOfPatientID').strip()}\\{patient_id}"
        return f"study\\{_text(dataset, 'StudyInstanceUID')}"

    def pseudonym(self, patient: str) -> str:
        return "PP-" + self._hash("patient", patient).hex()[:12].upper()

    def shift_days(self, patient: str) -> int:
        """How far back this patient's dates are moved, 1 to 3650 days."""
        return 1 + int.from_bytes(self._hash("shift", patient)[:8], "big") % LONGEST_SHIFT_DAYS

    def uid(self, old: str) -> str:
        """The UID that replaces another, of the kind made from a UUID (PS3.5, B.2)."""
        number = bytearray(self._hash("uid", old)[:16])
        number[6] = number[6] & 0x0F | 0x80  # UUID version 8, variant 1: made from a hash (RFC 9562)
        number[8] = number[8] & 0x3F | 0x80
        return f"2.25.{int.from_bytes(number, 'big')}"

    def _hash(self, purpose: str, text: str) -> bytes:
        return hmac.new(self.key, f"{purpose}\0{text}".encode(), hashlib.sha256).digest()

    def _item(self, item: Dataset, patient: str) -> Dataset:
        if any(keyword in item for keyword in CODE_KEYWORDS):
            return _clean_code(item)
        return self._dataset(item, patient)

    def _dataset(self, dataset: Dataset, patient: str) -> Dataset:
        clean = Dataset()
        for tag in sorted(dataset.keys()):
            new = self._element(dataset, int(tag), patient)
            if new is not None:
                clean.add(new)
        return clean

    def _element(self, dataset: Dataset, tag: int, patient: str) -> DataElement | None:
        if tag >> 16 <= 0x0007 or tag & 0xFFFF == 0 or tag >> 24 in (0x50, 0x60):
            return None  # file meta, group lengths, curves and overlays
        try:
            element = dataset[tag]
        except DicomError:
            return None  # what cannot be read cannot be vouched for
        if (tag >> 16) & 1:
            return self._private(dataset, element, patient)
        action = self._action(tag)
        if action == "X":
            return None
        return self._kept(element, action, patient)

    def _action(self, tag: int) -> str:
        """The table's action under these options, or "" where the table does not name the attribute."""
        basic, options = table().get(tag, ("", {}))
        for option, action in options.items():
            if getattr(self.options, option, False):
                # What is kept of the patient are numbers and codes: of a text only its harmless words.
                return "C" if option == "patient" else action
        return basic

    def _kept(self, element: DataElement, action: str, patient: str) -> DataElement | None:
        vr = element.VR
        if vr == "SQ":
            items = [] if action == "Z" else [self._item(item, patient) for item in element.value]
            return DataElement(element.tag, "SQ", items)
        if action == "Z":
            return DataElement(element.tag, vr, None)
        if action == "D":
            return _dummy(element)
        if vr == "UI":
            keep = action == "K" and self.options.uids
            return _each(element, lambda uid: uid if _UID.match(uid) and (keep or registered(uid)) else self.uid(uid))
        if vr in DATE_VRS:
            return self._date(element, patient)
        return _checked_value(element, action)

    def _date(self, element: DataElement, patient: str) -> DataElement | None:
        if not self.options.dates:
            return None
        days = self.shift_days(patient)
        return _each(element, lambda text: shifted(str(text), str(element.VR), days))

    def _private(self, dataset: Dataset, element: DataElement, patient: str) -> DataElement | None:
        if not self.options.private:
            return None
        if element.tag.is_private_creator:
            return element if any(str(element.value).strip() == creator for creator, _ in SAFE_PRIVATE) else None
        block = dataset.get((element.tag.group, element.tag.element >> 8))
        creator = str(block.value).strip() if block is not None else ""
        vr = SAFE_PRIVATE.get((creator, element.tag.element & 0xFF))
        if vr is None:
            return None
        value = element.value.decode("latin-1") if isinstance(element.value, bytes) else element.value
        text = str(value).strip(" \0")
        if vr in NUMBER_TEXT_VRS:
            return DataElement(element.tag, vr, text) if NUMBER.match(text) else None
        moved = shifted(text, vr, self.shift_days(patient)) if self.options.dates else None
        return DataElement(element.tag, vr, moved) if moved else None

    def _say_so(self, clean: Dataset) -> None:
        clean.PatientIdentityRemoved = "YES"
        names = self.options.names()
        clean.DeidentificationMethod = [f"Photopeak {__version__}", *(METHODS[name][1][:64] for name in names)]
        clean.DeidentificationMethodCodeSequence = [_method(name) for name in names]
        clean.LongitudinalTemporalInformationModified = "MODIFIED" if self.options.dates else "REMOVED"


def refuse_visible_identity(dataset: Dataset, path: object) -> None:
    """Identity in the pixels cannot be removed by changing the header."""
    for keyword, tag in (("BurnedInAnnotation", "(0028,0301)"), ("RecognizableVisualFeatures", "(0028,0302)")):
        if _text(dataset, keyword).strip() == "YES":
            meaning = f"{keyword} is YES: the pixels themselves show who the patient is."
            raise DicomError(path, tag, meaning, "blacken the pixels first, or leave this file out.")
    overlays: list[BaseTag] = [t for t in dataset.keys() if 0x6000 <= t.group <= 0x60FF]  # noqa: SIM118
    for overlay in overlays:
        if overlay.element == 0x0102 and dataset[overlay].value not in (0, None):
            meaning = "an overlay is hidden in unused bits of the pixels and may hold text."
            raise DicomError(path, tag_text(overlay), meaning, "export the image without overlays.")


def may_show_identity(dataset: Dataset) -> bool:
    """True for a screenshot-like image whose file does not say that it is free of burned-in annotation."""
    capture = _text(dataset, "SOPClassUID").startswith("1.2.840.10008.5.1.4.1.1.7")
    return capture and _text(dataset, "BurnedInAnnotation").strip() != "NO"


def anonymise_file(dataset: Dataset, name: str, anonymiser: Anonymiser, folder: Path) -> Path:
    """Write the de-identified file as FOLDER/PATIENT/UID.dcm, whole or not at all; no old name is used."""
    clean = anonymiser(dataset, name)
    target = folder / str(clean.PatientID) / f"{clean.SOPInstanceUID}.dcm"
    target.parent.mkdir(parents=True, exist_ok=True)
    work = target.with_suffix(".part")
    try:
        clean.save_as(work, enforce_file_format=True)
        work.replace(target)
    except ValueError as error:
        raise DicomError(name, "(0002,0010)", f"it cannot be written again ({error}).", "convert it first.") from error
    finally:
        work.unlink(missing_ok=True)
    return target


def shifted(text: str, vr: str, days: int) -> str | None:
    """A date or time moved back by whole days; None where it is none.

    >>> shifted("20240301", "DA", 1), shifted("20240301083000.5", "DT", 366), shifted("083000", "TM", 9)
    ('20240229', '20230301083000.5', '083000')
    """
    text = text.strip()
    if vr == "TM":
        return text if _TIME.match(text) else None
    match = (_DATE if vr == "DA" else _DATETIME).match(text)
    if match is None:
        return None
    try:
        day = dt.datetime.strptime(text[:8], "%Y%m%d").date() - dt.timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return f"{day.year:04d}{day.month:02d}{day.day:02d}{text[8:]}"


def _checked_value(element: DataElement, action: str) -> DataElement | None:
    """The element where its value cannot name anybody; its harmless part; or None."""
    vr, keyword = element.VR, keyword_for_tag(element.tag)
    if keyword == "SpecificCharacterSet":
        return _each(element, lambda term: term if str(term).strip() in python_encoding else None)
    if vr == "AS":
        return _each(element, _age)
    if vr == "CS":
        return _each(element, lambda term: term if safe_term(str(term)) else "")
    if keyword == "TimezoneOffsetFromUTC":
        return _each(element, lambda offset: offset if _OFFSET.match(str(offset)) else None)
    if vr in NUMBER_TEXT_VRS:
        return _each(element, lambda number: number if NUMBER.match(str(number)) else None)
    if vr in NUMBER_VRS:
        return element
    if vr in TEXT_VRS:
        if action == "K":
            return element
        if action == "C" or keyword in technical_text():
            return _each(element, lambda text: safe_text(str(text)) or REMOVED)
        return None
    return element if element.tag in PIXELS or element.tag in LOOKUP_TABLES else None


def _each(element: DataElement, change: Callable[[Any], Any]) -> DataElement | None:
    """The element with each value changed; without it where a value does not survive."""
    value = element.value
    if value is None or value == "":
        return DataElement(element.tag, element.VR, None)
    values = list(value) if isinstance(value, (MultiValue, list)) else [value]
    changed = [change(v) if v not in (None, "") else v for v in values]
    if any(c is None for c in changed):
        return None
    return DataElement(element.tag, element.VR, changed if len(changed) > 1 else changed[0])


def _age(text: str) -> str | None:
    """An age; above 89 years it is given as 90, since so few live that long."""
    if not _AGE.match(text):
        return None
    return "090Y" if text.endswith("Y") and int(text[:3]) > 89 else text


def _dummy(element: DataElement) -> DataElement | None:
    vr = str(element.VR)
    if vr in _DUMMIES:
        return DataElement(element.tag, vr, _DUMMIES[vr])
    if vr in TEXT_VRS or vr == "CS":
        return DataElement(element.tag, vr, REMOVED)
    return DataElement(element.tag, vr, 0) if vr in NUMBER_VRS else None


def _clean_code(item: Dataset) -> Dataset:
    """A code that the standard publishes, with its own meaning; any other is replaced, since anyone can make one."""
    value = next((_text(item, k).strip() for k in CODE_KEYWORDS if k in item), "")
    scheme = _text(item, "CodingSchemeDesignator").strip()
    meaning = known_codes().get(scheme, {}).get(value)
    clean = Dataset()
    if meaning is None:
        value, scheme, meaning = REMOVED, "99PHOTOPEAK", "removed"
    clean.CodeValue, clean.CodingSchemeDesignator, clean.CodeMeaning = value, scheme, meaning[:64]
    for tag, element in ((t, item[t]) for t in item.keys() if dictionary_is(t, "SQ")):  # noqa: SIM118
        if keyword_for_tag(tag).endswith("ModifierCodeSequence"):
            clean.add(DataElement(tag, "SQ", [_clean_code(i) for i in element.value]))
    return clean


def registered(uid: str) -> bool:
    """True for a UID that DICOM itself defines, such as a SOP class."""
    return UID(uid, validation_mode=0).name != uid


def dictionary_is(tag: int, vr: str) -> bool:
    """True where the standard gives the attribute this value representation."""
    try:
        return bool(dictionary_VR(tag) == vr)
    except KeyError:
        return False


def _method(name: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodeMeaning = METHODS[name]
    item.CodingSchemeDesignator = "DCM"
    item.CodeMeaning = METHODS[name][1][:64]
    return item


def _remove_empty_groups(clean: Dataset) -> None:
    """Private creators whose block was emptied reserve nothing."""
    tags: list[BaseTag] = list(clean.keys())
    for creator in [t for t in tags if t.is_private_creator]:
        if not any(t.group == creator.group and t.element >> 8 == creator.element for t in tags):
            del clean[creator]


def _file_format(clean: Dataset, original: Dataset) -> None:
    old = getattr(original, "file_meta", {}).get("TransferSyntaxUID", None)
    clean.file_meta = FileMetaDataset()
    clean.file_meta.TransferSyntaxUID = UID(str(old), validation_mode=0) if old else _spoken(original)
    clean.file_meta.MediaStorageSOPClassUID = clean.get("SOPClassUID", "")
    clean.file_meta.MediaStorageSOPInstanceUID = clean.get("SOPInstanceUID", "")
    clean.preamble = b"\0" * 128


def _spoken(original: Dataset) -> UID:
    implicit, _ = original.original_encoding
    return ImplicitVRLittleEndian if implicit else UID("1.2.840.10008.1.2.1")


def _text(dataset: Dataset, keyword: str) -> str:
    try:
        return str(dataset.get(keyword, "") or "")
    except DicomError:
        return ""
