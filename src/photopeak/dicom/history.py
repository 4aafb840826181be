"""A Study's history in its file: standard where the standard has a place, exact in a private block.

The Contributing Equipment Sequence tells any reader that Photopeak made or changed the image; the
private block "PHOTOPEAK" in group 0065 holds the records themselves as JSON, so that they read back equal.
"""

from __future__ import annotations

import json
from typing import Any, Final

from pydicom.dataset import Dataset

from photopeak.core import Record, Study
from photopeak.dicom.codes import Code
from photopeak.dicom.coding import code_item
from photopeak.dicom.elements import Elements

GROUP: Final = 0x0065
CREATOR: Final = "PHOTOPEAK"
HISTORY: Final = 0x01
ASSUMED: Final = 0x02
PROCESSING: Final = Code("109102", (), "Processing Equipment", "DCM")
_LIMIT: Final = 4 * 2**20


def put_history(ds: Dataset, study: Study) -> None:
    """Write who had a hand in it and what was done."""
    from photopeak import __version__

    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [code_item(PROCESSING)]
    item.Manufacturer = "Photopeak"
    item.ManufacturerModelName = "photopeak"
    item.SoftwareVersions = __version__
    item.ContributionDescription = "; ".join(record.step for record in study.history)[:1024] or "image written"
    ds.ContributingEquipmentSequence = [item]
    block = ds.private_block(GROUP, CREATOR, create=True)
    block.add_new(HISTORY, "UT", _dumped([record.to_json() for record in study.history]))
    block.add_new(ASSUMED, "UT", _dumped(dict(study.acquisition.assumed)))


def read_history(e: Elements) -> tuple[tuple[Record, ...], dict[str, str]]:
    """(history, assumed facts) of a file of ours; nothing for any other."""
    records = _loaded(e, HISTORY, list)
    assumed = _loaded(e, ASSUMED, dict)
    try:
        history = tuple(Record.from_json(record) for record in records)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(e, str(error)) from None
    return history, {str(k): str(v) for k, v in assumed.items()}


def _dumped(value: Any) -> str:
    # Pure ASCII needs no character set; UT is one value, so that JSON's backslashes separate nothing.
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"))


def _loaded(e: Elements, element: int, kind: type) -> Any:
    values = e.private(GROUP, CREATOR, element)
    if not values:
        return kind()
    text = values[0].decode("utf-8", "replace") if isinstance(values[0], bytes) else str(values[0])
    try:
        if len(text) > _LIMIT:
            raise ValueError("it is too long")
        value = json.loads(text.rstrip(" \0"))
    except (ValueError, RecursionError) as error:
        raise _damaged(e, str(error)) from None
    if not isinstance(value, kind):
        raise _damaged(e, f"it is no {kind.__name__}")
    return value


def _damaged(e: Elements, fault: str) -> Exception:
    from photopeak.core import DicomError

    return DicomError(
        e.path, f"({GROUP:04X},1001)", f"the history Photopeak wrote is damaged ({fault[:80]}).", "remove the element."
    )
