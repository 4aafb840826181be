"""Codes that nuclear medicine files carry, in the current scheme (SNOMED CT) and in the one before it.

Values are from PS3.16: CID 26 (projections), CID 18 and 4020 (nuclides), CID 19 to 21 (posture). Files
written before 2003 use SNOMED-RT codes under the designators SRT, SNM3 or 99SDM; some put those under SCT.
A code's value decides whatever its designator says, since no value stands for two concepts here.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Code(NamedTuple):
    """One concept: SNOMED CT value, SNOMED-RT value and the standard's meaning."""

    value: str
    legacy: tuple[str, ...]
    meaning: str
    scheme: str = "SCT"


VIEWS: Final = {
    "anterior": Code("399321004", ("G-5215", "R-10206"), "Anterior projection"),
    "posterior": Code("399001007", ("G-5216", "R-10214"), "Posterior projection"),
    "left lateral": Code("399118008", ("G-5223",), "Left lateral projection"),
    "right lateral": Code("399297009", ("G-5222",), "Right lateral projection"),
    "left anterior oblique": Code("399074003", ("G-5207",), "Left anterior oblique"),
    "right anterior oblique": Code("399108003", ("G-5206",), "Right anterior oblique"),
    "left posterior oblique": Code("399136008", ("G-5209",), "Left posterior oblique"),
    "right posterior oblique": Code("399075002", ("G-5208",), "Right posterior oblique"),
}

VIEW_MODIFIERS: Final = {
    "caudal": Code("3583002", ("G-A108",), "Caudal"),
    "cephalic": Code("66787007", ("G-A107",), "Cephalic"),
}

NUCLIDES: Final = {
    "C-11": Code("40565003", ("C-105A1",), "^11^Carbon"),
    "N-13": Code("21576001", ("C-107A1",), "^13^Nitrogen"),
    "O-15": Code("129504001", ("C-B1038",), "^15^Oxygen"),
    "F-18": Code("77004003", ("C-111A1",), "^18^Fluorine"),
    "Na-22": Code("71633006", ("C-155A1",), "^22^Sodium"),
    "P-32": Code("32505007", ("C-106A1",), "^32^Phosphorus"),
    "Sc-44": Code("126600", (), "^44^Scandium", "DCM"),
    "Cr-51": Code("52745005", ("C-129A2",), "^51^Chromium"),
    "Co-57": Code("27054007", ("C-144A3",), "^57^Cobalt"),
    "Cu-64": Code("3932008", ("C-127A2",), "^64^Copper"),
    "Cu-67": Code("53700003", ("C-127A3",), "^67^Copper"),
    "Ga-67": Code("2008008", ("C-131A2",), "^67^Gallium"),
    "Ga-68": Code("35337001", ("C-131A3",), "^68^Gallium"),
    "Se-75": Code("43239002", ("C-116A3",), "^75^Selenium"),
    "Kr-81m": Code("61716009", ("C-173A5",), "^81m^Krypton"),
    "Rb-82": Code("79197006", ("C-159A2",), "^82^Rubidium"),
    "Sr-89": Code("7770004", ("C-158A6",), "^89^Strontium"),
    "Y-86": Code("10738001", ("C-162A3",), "^86^Yttrium"),
    "Y-90": Code("14691008", ("C-162A7",), "^90^Yttrium"),
    "Zr-89": Code("63360001", ("C-168A4",), "^89^Zirconium"),
    "Tc-99m": Code("72454006", ("C-163A8",), "^99m^Technetium"),
    "In-111": Code("56609000", ("C-145A4",), "^111^Indium"),
    "I-123": Code("21572004", ("C-114A4",), "^123^Iodine"),
    "I-124": Code("40937006", ("C-114A5",), "^124^Iodine"),
    "I-125": Code("68630002", ("C-114A6",), "^125^Iodine"),
    "I-131": Code("1368003", ("C-114B1",), "^131^Iodine"),
    "Xe-127": Code("27081007", ("C-172A5",), "^127^Xenon"),
    "Xe-133": Code("80751004", ("C-172A8",), "^133^Xenon"),
    "Ba-133": Code("3027009", ("C-122A5",), "^133^Barium"),
    "Gd-153": Code("14529005", ("C-178A8",), "^153^Gadolinium"),
    "Sm-153": Code("419804008", ("C-B1134",), "^153^Samarium"),
    "Ho-166": Code("C1943", (), "^166^Holmium", "NCIt"),
    "Lu-177": Code("447553000", ("C-101ED",), "^177^Lutetium"),
    "Re-186": Code("395865006", ("C-11906",), "^186^Rhenium"),
    "Re-188": Code("423578007", ("C-1018D",), "^188^Rhenium"),
    "Tl-201": Code("60057003", ("C-138A9",), "^201^Thallium"),
    "Pb-203": Code("47588004", ("C-132A8",), "^203^Lead"),
    "Ra-223": Code("24853006", ("C-136A2",), "^223^Radium"),
}

POSTURES: Final = {
    "S": Code("40199007", ("F-10340",), "supine"),
    "P": Code("1240000", ("F-10310",), "prone"),
    "DL": Code("102536004", ("F-10319",), "left lateral decubitus"),
    "DR": Code("102535000", ("F-10317",), "right lateral decubitus"),
}
ENTRIES: Final = {
    "HF": Code("102540008", ("F-10470",), "headfirst"),
    "FF": Code("102541007", ("F-10480",), "feet-first"),
}
RECUMBENT: Final = Code("102538003", ("F-10450",), "recumbent")


def find(table: dict[str, Code], value: str, meaning: str) -> str:
    """The word a code stands for in a table, by its value, else by its meaning; ``""`` for another concept."""
    for word, code in table.items():
        if value and (value == code.value or value in code.legacy):
            return word
    plain = _plain(meaning)
    for word, code in table.items():
        if plain and plain in (_plain(word), _plain(code.meaning)):
            return word
    return ""


def _plain(meaning: str) -> str:
    return re.sub(r"[\W_]+", " ", meaning.lower()).replace("projection", "").strip()


_ELEMENTS: Final = {
    "carbon": "C", "nitrogen": "N", "oxygen": "O", "fluorine": "F", "fluor": "F", "sodium": "Na",
    "phosphorus": "P", "scandium": "Sc", "chromium": "Cr", "cobalt": "Co", "copper": "Cu", "gallium": "Ga",
    "selenium": "Se", "krypton": "Kr", "rubidium": "Rb", "strontium": "Sr", "yttrium": "Y", "zirconium": "Zr",
    "technetium": "Tc", "indium": "In", "iodine": "I", "xenon": "Xe", "barium": "Ba", "gadolinium": "Gd",
    "samarium": "Sm", "holmium": "Ho", "lutetium": "Lu", "rhenium": "Re", "thallium": "Tl", "lead": "Pb",
    "radium": "Ra", "terbium": "Tb", "actinium": "Ac", "bismuth": "Bi", "astatine": "At",
}  # fmt: skip
_SYMBOLS: Final = {symbol.lower(): symbol for symbol in _ELEMENTS.values()}
_FORMS: Final = (re.compile(r"([a-z]+) *(\d{1,3}) *(m?)$"), re.compile(r"(\d{1,3}) *(m?) *([a-z]+)$"))


def nuclide_of(text: str) -> str:
    """A nuclide written any usual way, as in "Tc-99m"; ``""`` where the text names none.

    >>> [nuclide_of(t) for t in ("Tc-99m", "99mTc", "TC99M", "^99m^Technetium", "18F", "Fluorine F^18^", "MDP")]
    ['Tc-99m', 'Tc-99m', 'Tc-99m', 'Tc-99m', 'F-18', 'F-18', '']
    """
    plain = re.sub(r"[\^_\-\[\]()/,.]+", " ", text.lower()).strip()
    words = plain.split()
    if len(words) == 3 and words[0] in _ELEMENTS and words[1] == _ELEMENTS[words[0]].lower():
        plain = " ".join(words[1:])  # "Fluorine F^18^" names the element twice
    if found := _FORMS[0].match(plain):
        element, mass, metastable = found.groups()
    elif found := _FORMS[1].match(plain):
        mass, metastable, element = found.groups()
    else:
        return ""
    symbol = _ELEMENTS.get(element) or _SYMBOLS.get(element, "")
    return f"{symbol}-{int(mass)}{metastable}" if symbol else ""
