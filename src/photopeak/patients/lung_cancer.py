"""Lung cancer as FDG shows it: who has it, how far it went, and its stage by the eighth edition :cite:`goldstraw2016`.

T is by the tumour's diameter alone (what it invades is not simulated), N by the furthest station, M by where
metastases are and how many. How often each occurs, sizes and uptake are judgements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from photopeak.patients.streams import stream

CLASSES: Final = ("normal", "local", "nodal", "metastatic")
#: T: diameters in mm, relative frequency
TUMOUR: Final[Mapping[str, tuple[float, float, float]]] = {
    "T1a": (8.0, 10.0, 0.05), "T1b": (11.0, 20.0, 0.22), "T1c": (21.0, 30.0, 0.22), "T2a": (31.0, 40.0, 0.18),
    "T2b": (41.0, 50.0, 0.12), "T3": (51.0, 70.0, 0.14), "T4": (71.0, 85.0, 0.07),
}  # fmt: skip
NODAL: Final = {"N1": 0.3, "N2": 0.45, "N3": 0.25}
SPREAD: Final = {"M1a": 0.25, "M1b": 0.25, "M1c": 0.5}
NODES_WHEN_METASTATIC: Final = {"N0": 0.2, "N1": 0.1, "N2": 0.4, "N3": 0.3}
AGE_YEARS: Final = {"normal": (61.0, 12.0), "cancer": (67.0, 9.0)}
WOMEN: Final = 0.45
EARLY: Final = {"T1a": "IA1", "T1b": "IA2", "T1c": "IA3", "T2a": "IB", "T2b": "IIA", "T3": "IIB", "T4": "IIIA"}


@dataclass(frozen=True)
class CancerPlan:
    """Who comes, and with what; ``t`` is "" for a normal examination. ``side`` is the tumour's."""

    index: int
    sex: str
    age_years: float
    label: str
    t: str = ""
    n: str = "N0"
    m: str = "M0"
    side: str = ""

    @property
    def tnm(self) -> str:
        return f"{self.t} {self.n} {self.m}" if self.t else ""

    @property
    def stage(self) -> str:
        return stage_of(self.t, self.n, self.m) if self.t else ""


def stage_of(t: str, n: str, m: str) -> str:
    """The stage group.

    >>> stage_of("T1b", "N0", "M0"), stage_of("T2a", "N2", "M0"), stage_of("T1a", "N0", "M1c")
    ('IA2', 'IIIA', 'IVB')
    """
    if m != "M0":
        return "IVB" if m == "M1c" else "IVA"
    large = t in ("T3", "T4")
    later = {"N1": "IIIA" if large else "IIB", "N2": "IIIB" if large else "IIIA", "N3": "IIIC" if large else "IIIB"}
    return EARLY[t] if n == "N0" else later[n]


def plan(index: int, seed: int, shares: Mapping[str, float]) -> CancerPlan:
    """Plan *i* depends on the seed, the shares and *i* alone."""
    rng = stream(seed, index, "plan")

    def one(table: Mapping[str, float]) -> str:
        weights = np.array(list(table.values()))
        return str(rng.choice(list(table), p=weights / weights.sum()))

    label = one({c: shares[c] for c in CLASSES})
    sex = "F" if rng.random() < WOMEN else "M"
    age = float(np.clip(rng.normal(*AGE_YEARS["normal" if label == "normal" else "cancer"]), 30.0, 88.0))
    t = one({name: frequency for name, (_, _, frequency) in TUMOUR.items()})
    nodes, late, spread = one(NODAL), one(NODES_WHEN_METASTATIC), one(SPREAD)
    side = "right" if rng.random() < 0.58 else "left"
    if label == "normal":
        return CancerPlan(index, sex, round(age, 1), label)
    n = {"local": "N0", "nodal": nodes, "metastatic": late}[label]
    return CancerPlan(index, sex, round(age, 1), label, t, n, spread if label == "metastatic" else "M0", side)
