"""Philips PET in counts: scaled by the factors that the camera leaves in private elements.

Philips writes PET in units of counts (CNTS) with two private factors: (7053,1000) takes the rescaled values
to SUV by body weight, (7053,1009) to Bq/ml. Which of them is there depends on what the operator entered; QIBA's
recipe uses the first and, where it is missing, the second :cite:`kinahan2010`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from photopeak.core import Entry, Image, Kind, MissingEntry, Study

SUV_FACTOR: Final = "Philips PET Private Group (7053,00)"
ACTIVITY_FACTOR: Final = "Philips PET Private Group (7053,09)"


@dataclass(frozen=True)
class PhilipsActivity:
    """Activity concentration of a Philips PET in counts, by its private factor (7053,1009) :cite:`kinahan2010`."""

    needs: ClassVar[Mapping[str, Kind]] = {"counts": Kind("image", "{counts}")}
    gives: ClassVar[Mapping[str, Kind]] = {"activity": Kind("image", "Bq/ml")}

    def __call__(self, study: Study) -> dict[str, Entry]:
        return {"activity": scaled(study, ACTIVITY_FACTOR, "(7053,1009)", "Bq/ml")}


@dataclass(frozen=True)
class PhilipsSuv:
    """SUV by body weight of a Philips PET in counts, by its private factor (7053,1000) :cite:`kinahan2010`."""

    needs: ClassVar[Mapping[str, Kind]] = {"counts": Kind("image", "{counts}")}
    gives: ClassVar[Mapping[str, Kind]] = {"suv/bw": Kind("image", "g/ml{SUVbw}")}

    def __call__(self, study: Study) -> dict[str, Entry]:
        return {"suv/bw": scaled(study, SUV_FACTOR, "(7053,1000)", "g/ml{SUVbw}")}


def scaled(study: Study, fact: str, tag: str, unit: str) -> Image:
    """The counts times a private factor; a factor that is absent or not positive is refused."""
    value = study.acquisition.facts.get(fact)
    try:
        factor = float(value) if isinstance(value, (int, float, str)) else 0.0
    except ValueError:
        factor = 0.0
    if not 0.0 < factor < float("inf"):
        raise MissingEntry(
            f"{tag} of the Philips PET Private Group is {'missing' if value is None else value}: without it counts "
            f"cannot be brought to {unit}. Remedy: export the series with its private elements, or in BQML."
        )
    counts = study["counts"]
    assert isinstance(counts, Image)
    return Image((counts.values * np.float64(factor)).astype(np.float32), counts.grid, unit)
