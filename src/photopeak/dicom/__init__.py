"""Bytes to Study and Study to bytes.

>>> from photopeak.dicom import read, write, save, parse_assumptions
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from photopeak.dicom.assumptions import parse_assumptions
    from photopeak.dicom.reading import read
    from photopeak.dicom.saving import save
    from photopeak.dicom.writing import write

#: name -> module; loaded when first used, since pydicom takes its time
_PUBLIC = {
    "parse_assumptions": "photopeak.dicom.assumptions",
    "read": "photopeak.dicom.reading",
    "save": "photopeak.dicom.saving",
    "write": "photopeak.dicom.writing",
}

__all__ = ["parse_assumptions", "read", "save", "write"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'photopeak.dicom' has no attribute {name!r}")
