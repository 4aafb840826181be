"""What is known to name nobody: the profile's table, and vocabularies of harmless words and codes.

``harmless.txt`` lists words of technique and anatomy, defined terms of coded strings in NM, PET, CT and the
modules they share, and the free-text attributes whose harmless words stay.

``confidentiality.csv`` holds PS3.15 Table E.1-1 (attribute confidentiality profiles, as of 2024): an action of the
basic profile, and what each option does instead. Actions: X remove, Z empty, D dummy, U map the UID, K keep,
C clean; X/Z and the like leave a choice, taken here so that the object stays valid.
"""

from __future__ import annotations

import csv
import re
from functools import cache
from importlib.resources import files
from typing import Any, Final, cast

from photopeak.dicom.codes import NUCLIDES, POSTURES, VIEW_MODIFIERS, VIEWS

#: The profile's choices, taken: a type 2 attribute may be empty and a type 1 must hold something.
CHOICES: Final = {"X/Z": "Z", "X/D": "D", "X/Z/D": "D", "Z/D": "D", "X/Z/U": "U"}

#: Private attributes that hold numbers only and that no quantification can do without: (creator, element) -> VR.
SAFE_PRIVATE: Final = {
    ("Philips PET Private Group", 0x00): "DS",  # SUV scale factor
    ("Philips PET Private Group", 0x09): "DS",  # activity concentration scale factor
    ("GEMS_PETD_01", 0x0D): "DT",  # scan date and time, to which GE corrects decay
}

NUMBER: Final = re.compile(r" *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? *\Z")
_TOKEN: Final = re.compile(r"[A-Za-z0-9+%]+|[^A-Za-z0-9+%]+")
_SMALL_NUMBER: Final = re.compile(r"\d{1,3}[a-z%]{0,3}\Z")


@cache
def _vocabularies() -> dict[str, frozenset[str]]:
    text = files("photopeak.dicom").joinpath("harmless.txt").read_text(encoding="utf-8")
    sections = re.split(r"^\[(.+)\]\n", text, flags=re.MULTILINE)[1:]
    return {name: frozenset(body.split()) for name, body in zip(sections[::2], sections[1::2], strict=True)}


def technical_text() -> frozenset[str]:
    """Attributes of free text about technique, which the table leaves alone: their harmless words stay."""
    return _vocabularies()["technical text"]


@cache
def table() -> dict[int, tuple[str, dict[str, str]]]:
    """tag -> (action of the basic profile, {option: action})."""
    text = files("photopeak.dicom").joinpath("confidentiality.csv").read_text(encoding="utf-8")
    return {
        int(row["tag"], 16): (
            CHOICES.get(row["basic"], row["basic"]),
            dict(word.split(":") for word in row["options"].split()),
        )
        for row in csv.DictReader(text.splitlines())
    }


def safe_text(text: str) -> str:
    """The harmless words and small numbers of a text; everything else is left out.

    >>> safe_text("Whole Body Bone, Miller Jane 19520302"), safe_text("Tc-99m MDP")
    ('Whole Body Bone', 'Tc-99m MDP')
    """
    words = _vocabularies()["words"]
    kept: list[str] = []
    gap = ""
    for token in _TOKEN.findall(text.replace("\\", " ")):
        lower = token.lower()
        if not token[0].isalnum():
            gap = token if len(token) == 1 and token in " -/." else " "
        elif lower in words or _SMALL_NUMBER.match(lower):
            kept.append((gap if kept else "") + token)
            gap = " "
        else:
            gap = " "
    return "".join(kept)


@cache
def known_codes() -> dict[str, dict[str, str]]:
    """scheme -> {code value: meaning}, of the codes that the standard publishes."""
    from pydicom.sr._concepts_dict import concepts
    from pydicom.sr._snomed_dict import mapping

    known = {scheme: _meanings(cast(Any, entries)) for scheme, entries in concepts.items()}
    sct = known["SCT"]
    old = {value: sct[new] for value, new in mapping["SRT"].items() if new in sct}
    for place in (VIEWS, VIEW_MODIFIERS, NUCLIDES, POSTURES):
        for code in place.values():
            sct.setdefault(code.value, code.meaning)
            old.update(dict.fromkeys(code.legacy, code.meaning))
    return {**known, "SRT": old, "SNM3": old, "99SDM": old}


def _meanings(entries: dict[str, dict[str, tuple[str, list[int]]]]) -> dict[str, str]:
    return {value: meaning for codes in entries.values() for value, (meaning, _) in codes.items()}


_SETS: Final = re.compile(r"(ISO_IR|ISO 2022 IR) \d{1,3}|GB18030|GBK\Z")


def safe_term(value: str) -> bool:
    """True for a defined term, or a code of one or two letters such as a sex or an orientation."""
    value, terms = value.strip(), _vocabularies()["terms"]
    parts = value.split(" ")
    return len(value) <= 2 or all(p in terms or (p.isdigit() and len(p) < 3) for p in parts) or bool(_SETS.match(value))
