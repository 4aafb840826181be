"""The Centiloid scale: amyloid PET of any tracer in one unit.

    CL = a · SUVR + b

with the ratio SUVR of association cortex to the whole cerebellum. PiB, 50–70 min after injection, defines the scale:
CL = 100 (SUVR − 1.009) / 1.067 :cite:`klunk2015`; florbetaben, 90–110 min, :cite:`rowe2017`; flutemetamol, 90–110 min,
:cite:`battle2018`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Line:
    """a and b of one tracer."""

    slope: float
    offset: float

    def centiloid(self, suvr: float) -> float:
        """CL of a ratio to the whole cerebellum.

        >>> round(CENTILOID["pib"].centiloid(2.076))
        100
        """
        return self.slope * suvr + self.offset

    def suvr(self, centiloid: float) -> float:
        """The ratio that has this CL."""
        return (centiloid - self.offset) / self.slope


CENTILOID: Final[Mapping[str, Line]] = {
    "pib": Line(93.7, -94.6),
    "florbetaben": Line(153.4, -154.9),
    "flutemetamol": Line(121.42, -121.16),
}
