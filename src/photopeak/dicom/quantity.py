"""Stored values to a quantity: rescale, real-world value map, unit, and the entry that holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from photopeak.core.units import UNITS
from photopeak.dicom.assumptions import Assumptions
from photopeak.dicom.elements import Elements

#: (Units, SUV type) -> (entry, unit); the SUV type only matters for GML
UNIT_TERMS: Final = {
    ("CNTS", ""): ("counts", "{counts}"),
    ("BQML", ""): ("activity", "Bq/ml"),
    ("GML", "BW"): ("suv/bw", "g/ml{SUVbw}"),
    ("GML", "LBMJANMA"): ("suv/lbm", "g/ml{SUVlbm}"),
    ("CM2ML", ""): ("suv/bsa", "cm2/ml{SUVbsa}"),
    ("CPS", ""): ("uptake", "{counts}/s"),
    ("PCNT", ""): ("uptake", "%"),
    ("NONE", ""): ("uptake", "1"),
    # Lean body mass by James is another quantity than by Janmahasatian, which suv/lbm means.
    ("GML", "LBM"): ("uptake", "g/ml{SUVlbm}"),
    ("GML", "LBMJAMES128"): ("uptake", "g/ml{SUVlbm}"),
}
UNIT_ENTRIES: Final = {unit: entry for entry, unit in UNIT_TERMS.values() if entry != "uptake"}
LOSSY_SYNTAXES: Final = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"})
REMEDY: Final = "state it with --assume units=BQML (or CNTS, GML, CM2ML) if you know it."


@dataclass(frozen=True)
class Quantity:
    """Which entry the values make, in what unit, by value = slope · stored + intercept."""

    entry: str
    unit: str
    slope: float = 1.0
    intercept: float = 0.0

    def apply(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Values; whole numbers stay as stored where nothing scales them."""
        if self.slope == 1.0 and self.intercept == 0.0:
            return stored
        if self.slope == 1.0 and self.intercept == int(self.intercept) and stored.dtype.itemsize < 4:
            return stored.astype(np.int32) + np.int32(self.intercept)
        values = stored.astype(np.float64) * self.slope
        values += self.intercept
        return values.astype(np.float32)


def read_quantity(e: Elements, assume: Assumptions, default_units: str = "") -> Quantity:
    """The quantity of an NM or PT object. ``default_units`` holds where neither the file nor the user has one."""
    mapped = _mapped(e)
    units = e.text("Units")
    if mapped is not None and (not units or (units, "") not in UNIT_TERMS or mapped.entry != "uptake"):
        if units and (units, _suv_type(e, assume, units)) not in UNIT_TERMS and mapped.entry == "uptake":
            raise _unknown(e, units)
        return mapped
    units = assume.settle("units", units, e, "Units") or default_units
    if not units:
        raise e.refuse("Units", "is missing, so nothing says what the values measure.", REMEDY)
    term = (units, _suv_type(e, assume, units))
    if term not in UNIT_TERMS:
        raise _unknown(e, units)
    entry, unit = UNIT_TERMS[term]
    return Quantity(entry, unit, *rescale(e))


def check_lossless(e: Elements, assume: Assumptions) -> None:
    """Refuse values that lossy compression has altered: they are not what was measured."""
    syntax = str(getattr(e.data, "file_meta", {}).get("TransferSyntaxUID", ""))
    if e.text("LossyImageCompression") == "01" or syntax in LOSSY_SYNTAXES:
        if assume.settle("lossy", None, e, "LossyImageCompression"):
            return
        ratio = e.text("LossyImageCompressionRatio")
        meaning = (
            f"the pixels were compressed with loss{f' ({ratio}:1)' if ratio else ''}: values are not those measured."
        )
        raise e.refuse(
            "LossyImageCompression", meaning, "get the original; --assume lossy=accepted reads it all the same."
        )


def rescale(e: Elements) -> tuple[float, float]:
    """Rescale slope and intercept, 1 and 0 where there are none."""
    slope, intercept = e.number("RescaleSlope"), e.number("RescaleIntercept")
    if slope == 0.0:
        raise e.refuse("RescaleSlope", "is 0, which would make every value the same.")
    return (1.0 if slope is None else slope), intercept or 0.0


def _suv_type(e: Elements, assume: Assumptions, units: str) -> str:
    """The SUV type for GML; one not stated is by body weight, as PS3.3 has it."""
    if units != "GML":
        return ""
    stated = e.text("SUVType")
    return str(assume.settle("suv_type", stated, e, "SUVType") or "BW")


def _unknown(e: Elements, units: str) -> Exception:
    known = ", ".join(sorted({term for term, _ in UNIT_TERMS}))
    meaning = f"is {units[:16]!r}, a unit that Photopeak has no quantity for; it knows {known}."
    return e.refuse("Units", meaning, "have the source state the values in one of these.")


def _mapped(e: Elements) -> Quantity | None:
    """The first linear real-world value mapping whose unit has an entry, else one in a unit we know."""
    found = None
    for item in e.items("RealWorldValueMappingSequence"):
        slope, intercept = item.number("RealWorldValueSlope"), item.number("RealWorldValueIntercept")
        unit = item.code("MeasurementUnitsCodeSequence")[0]
        if slope is None or intercept is None or unit not in UNITS:
            continue  # a look-up table, or a unit that no entry has
        if slope == 0.0:
            raise item.refuse("RealWorldValueSlope", "is 0, which would make every value the same.")
        if unit in UNIT_ENTRIES:
            return Quantity(UNIT_ENTRIES[unit], unit, slope, intercept)
        found = found or Quantity("uptake", unit, slope, intercept)
    return found
