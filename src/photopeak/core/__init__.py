"""The core words: Grid, entries, Study, Step, vocabulary, units, contracts, errors."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from photopeak.core.entries import Entry, Image, Mask, Measurement, Text, unit_of
    from photopeak.core.errors import (
        ChainError,
        ContractError,
        DicomError,
        MissingEntry,
        MissingExtra,
        PhotopeakError,
        UndeclaredName,
        UnitError,
    )
    from photopeak.core.grid import Axis, Grid, scaling
    from photopeak.core.registry import registered
    from photopeak.core.step import Step, check_chain, load, run, run_chain
    from photopeak.core.study import (
        Acquisition,
        Detector,
        EnergyWindow,
        Patient,
        Radiopharmaceutical,
        Record,
        Study,
    )
    from photopeak.core.vocabulary import Kind, declare, kind_of

_HOME = {
    "entries": ("Entry", "Image", "Mask", "Measurement", "Text", "unit_of"),
    "errors": (
        "ChainError", "ContractError", "DicomError", "MissingEntry", "MissingExtra", "PhotopeakError",
        "UndeclaredName", "UnitError",
    ),
    "grid": ("Axis", "Grid", "scaling"),
    "registry": ("registered",),
    "step": ("Step", "check_chain", "load", "run", "run_chain"),
    "study": ("Acquisition", "Detector", "EnergyWindow", "Patient", "Radiopharmaceutical", "Record", "Study"),
    "vocabulary": ("Kind", "declare", "kind_of"),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "Acquisition",
    "Axis",
    "ChainError",
    "ContractError",
    "Detector",
    "DicomError",
    "EnergyWindow",
    "Entry",
    "Grid",
    "Image",
    "Kind",
    "Mask",
    "Measurement",
    "MissingEntry",
    "MissingExtra",
    "Patient",
    "PhotopeakError",
    "Radiopharmaceutical",
    "Record",
    "Step",
    "Study",
    "Text",
    "UndeclaredName",
    "UnitError",
    "check_chain",
    "declare",
    "kind_of",
    "load",
    "registered",
    "run",
    "run_chain",
    "scaling",
    "unit_of",
]


def __getattr__(name: str) -> Any:
    # Words load when first used: the command line wants the errors and the registry, which need no numpy.
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'photopeak.core' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"photopeak.core.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
