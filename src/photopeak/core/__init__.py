"""The core words: Grid, entries, Study, Step, vocabulary, units, contracts, errors."""

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
from photopeak.core.step import Step, check_chain, load, registered, run, run_chain
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
