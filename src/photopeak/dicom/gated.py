"""Gated studies: R-R intervals and time slots."""

from __future__ import annotations

import dataclasses
from typing import Final

from photopeak.core import Acquisition, Axis
from photopeak.core.study import Json
from photopeak.dicom.axes import Layout, Places, Source, energy_axis, view_axis
from photopeak.dicom.frames import ranked
from photopeak.dicom.tomo import angular

#: numbers that each R-R interval's item states, kept as facts with one value an interval
INTERVAL_FACTS: Final = ("NominalInterval", "LowRRValue", "HighRRValue", "IntervalsAcquired", "IntervalsRejected")


def planar(s: Source) -> Layout:
    """(energy?, view, rr?, gate)."""
    (energy, energies), (view, detectors) = energy_axis(s), view_axis(s)
    axes, places, acquisition = slots(s)
    found = {"energy": energies, "view": detectors, **places}
    return Layout((energy, view, *axes), found, acquisition, frozenset({"view", "gate"}))


def tomographic(s: Source) -> Layout:
    """(energy?, rr?, gate, rotation?, angle)."""
    energy, energies = energy_axis(s)
    turned, turned_places, acquisition = angular(s)
    axes, places, acquisition = slots(dataclasses.replace(s, acquisition=acquisition))
    found = {"energy": energies, **places, **turned_places}
    return Layout((energy, *axes, *turned), found, acquisition, frozenset({"gate", "angle"}))


def volume(s: Source) -> Layout:
    """(energy?, rr?, gate, z)."""
    energy, energies = energy_axis(s)
    axes, places, acquisition = slots(s)
    place, size = ranked(s.frames.numbers["slice"])
    found = {"energy": energies, **places, "z": (place, size)}
    return Layout((energy, *axes, Axis("z", size)), found, acquisition, frozenset({"gate", "z"}))


def slots(s: Source) -> tuple[tuple[Axis, Axis], Places, Acquisition]:
    """The axes rr and gate; the gate's values are the slots' starts in ms where all intervals share them."""
    rr, gate = ranked(s.frames.numbers["rr"]), ranked(s.frames.numbers["gate"])
    intervals = [i for g in s.e.items("GatedInformationSequence") for i in g.items("DataInformationSequence")]
    lengths = {interval.positive("FrameTime") for interval in intervals}
    length = lengths.pop() if len(lengths) == 1 else None
    starts = () if length is None else tuple(length * k for k in range(gate[1]))
    facts: dict[str, Json] = dict(s.acquisition.facts)
    for keyword in INTERVAL_FACTS:
        numbers = [interval.number(keyword) for interval in intervals]
        if numbers and None not in numbers:
            facts[keyword] = [n for n in numbers if n is not None]
    axes = Axis("rr", rr[1]), Axis("gate", gate[1], (), starts, "ms" if starts else "")
    return axes, {"rr": rr, "gate": gate}, dataclasses.replace(s.acquisition, facts=facts)
