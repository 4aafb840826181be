"""Dynamic studies: phases of equal frames, and when each frame starts."""

from __future__ import annotations

import dataclasses

import numpy as np

from photopeak.core import Axis
from photopeak.core.study import Json
from photopeak.dicom.axes import Layout, Source, energy_axis, view_axis
from photopeak.dicom.elements import Elements
from photopeak.dicom.frames import Numbers, ranked


def layout(s: Source) -> Layout:
    """(energy?, view, time): time runs through the phases one after the other."""
    (energy, energies), (view, detectors) = energy_axis(s), view_axis(s)
    phases, times = s.frames.numbers["phase"], s.frames.numbers["time"]
    place, size = ranked(phases * (int(times.max()) + 1) + times)
    phase_at = _phase_at(place, phases, size)
    starts, durations, names = _timed(s.e, phase_at)
    acquisition = s.acquisition
    if durations:
        facts: dict[str, Json] = {**acquisition.facts, "ActualFrameDuration": [float(d) for d in durations]}
        total = starts[-1] + durations[-1] / 1000.0 - starts[0]
        acquisition = dataclasses.replace(acquisition, facts=facts, duration_s=total)
    several = len(names) > 1 or names[0] != "phase 1"
    labels = tuple(names[p - 1] for p in phase_at.tolist()) if several else ()
    axis = Axis("time", size, labels, tuple(starts), "s" if starts else "")
    places = {"energy": energies, "view": detectors, "time": (place, size)}
    return Layout((energy, view, axis), places, acquisition, frozenset({"view", "time"}))


def _phase_at(place: Numbers, phases: Numbers, size: int) -> Numbers:
    phase_at = np.zeros(size, dtype=np.int64)
    phase_at[place] = phases
    return phase_at


def _timed(e: Elements, phase_at: Numbers) -> tuple[list[float], list[float], list[str]]:
    """(starts in s, durations in ms, names of the phases); no times where the file does not have them all."""
    items = e.items("PhaseInformationSequence")
    count = int(phase_at.max())
    if not items:
        return [], [], [f"phase {n}" for n in range(1, count + 1)]
    if len(items) < count:
        raise e.refuse("PhaseInformationSequence", f"describes {len(items)} phases, but frames have {count}.")
    names = [_name(items[n], n + 1) for n in range(count)]
    starts, durations, end = [], [], 0.0
    for number in range(1, count + 1):
        item, frames = items[number - 1], int((phase_at == number).sum())
        _check_count(item, frames)
        duration = item.positive("ActualFrameDuration")
        if duration is None:
            return [], [], names
        at = end + (item.number("PhaseDelay") or 0.0)
        step = duration + (item.number("PauseBetweenFrames") or 0.0)
        starts += [(at + step * k) / 1000.0 for k in range(frames)]
        durations += [duration] * frames
        end = at + step * (frames - 1) + duration
    return starts, durations, names


def _name(item: Elements, number: int) -> str:
    return item.text("PhaseDescription") or f"phase {number}"


def _check_count(item: Elements, frames: int) -> None:
    stated = item.integer("NumberOfFramesInPhase")
    if stated is not None and stated != frames:
        raise item.refuse("NumberOfFramesInPhase", f"is {stated}, but the phase has {frames} frames.")
