"""The DICOM JSON model (PS3.18 annex F)."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filewriter import correct_ambiguous_vr_element
from pydicom.multival import MultiValue

LARGEST_INLINE: Final = 1024
"""Binary values beyond so many bytes are named by a URI."""
PIXELS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
CHARACTER_SET: Final = 0x00080005
#: binary value representations -> bytes of one number in them
BINARY: Final = {"OB": 1, "OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8, "UN": 1}
_WHOLE: Final = frozenset({"IS", "US", "SS", "UL", "SL", "UV", "SV"})
_REAL: Final = frozenset({"DS", "FL", "FD"})
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")

Model = dict[str, Any]
Uri = Callable[[str], str]


def dump(model: Any) -> bytes:
    """JSON text; every control character is escaped, so that a name stays a name."""
    return json.dumps(model, separators=(",", ":"), allow_nan=False).encode("ascii")


def attribute(keyword: str, values: Sequence[Any]) -> tuple[str, Model]:
    """(tag, attribute) of values that are known by their keyword.

    >>> attribute("PatientName", ["Doe^Jane"])
    ('00100010', {'vr': 'PN', 'Value': [{'Alphabetic': 'Doe^Jane'}]})
    """
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    vr = dictionary_VR(tag)
    return f"{tag:08X}", _valued(vr, [_value(vr, v) for v in values if v not in (None, "")])


def model_of(ds: Dataset, uri: Uri, path: str = "") -> Model:
    """A dataset; ``uri`` names the place of a large binary value by its path, such as 00540016/1/00181234."""
    model: Model = {}
    for tag in sorted(ds.keys()):
        number = int(tag)
        if number & 0xFFFF == 0 or number >> 16 == 2:
            continue  # group lengths and file meta information are of files (section F.2)
        element = correct_ambiguous_vr_element(ds[tag], ds, ds.original_encoding[1] is not False)
        assert isinstance(element, DataElement)
        model[f"{number:08X}"] = _element(element, ds, uri, f"{path}{number:08X}")
    if CHARACTER_SET in ds:
        model[f"{CHARACTER_SET:08X}"] = _valued("CS", ["ISO_IR 192"])  # JSON is UTF-8
    return model


def _element(element: DataElement, ds: Dataset, uri: Uri, path: str) -> Model:
    vr = "OW" if element.VR == "OB or OW" else str(element.VR)
    if vr == "SQ":
        items = [model_of(item, uri, f"{path}/{number}/") for number, item in enumerate(element.value)]
        return _valued(vr, items)
    if vr in BINARY or isinstance(element.value, bytes):
        vr = vr if vr in BINARY else "UN"
        data = binary(element, ds)
        if int(element.tag) in PIXELS or len(data) > LARGEST_INLINE:
            return {"vr": vr, "BulkDataURI": uri(path)}
        return {"vr": vr, "InlineBinary": base64.b64encode(data).decode("ascii")} if data else {"vr": vr}
    several = isinstance(element.value, (MultiValue, list, tuple))
    values = list(element.value) if several else [] if element.is_empty else [element.value]
    return _valued(vr, [_value(vr, v) for v in values])


def binary(element: DataElement, ds: Dataset) -> bytes:
    """A binary value in little endian, whatever the file's order."""
    data = bytes(element.value or b"")
    size = BINARY.get(str(element.VR), 2)
    order = getattr(ds, "original_encoding", (None, True))[1]
    if order is not False or size == 1 or len(data) % size:
        return data
    return np.frombuffer(data, f"u{size}").byteswap().tobytes()


def _valued(vr: str, values: list[Any]) -> Model:
    return {"vr": vr, "Value": values} if values else {"vr": vr}


def _value(vr: str, value: Any) -> Any:
    if value is None or value == "":
        return None
    if vr == "PN":
        return {name: group for name, group in zip(_GROUPS, str(value).split("="), strict=False) if group}
    if vr == "AT":
        return f"{int(value):08X}"
    if vr in _WHOLE:
        return int(value)
    if vr in _REAL:
        number = float(value)
        return number if math.isfinite(number) else str(number).replace("nan", "NaN")
    return str(value)
