"""Dynamic studies, out: frames of equal length and spacing are gathered into phases."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from pydicom.dataset import Dataset

from photopeak.core import Axis, Image, PhotopeakError, Study
from photopeak.dicom.layouts import Plan, counters, require


@dataclass
class Phase:
    """Frames one after the other; all in whole milliseconds."""

    label: str
    start_ms: int
    duration_ms: int
    step_ms: int | None = None
    frames: int = 1

    def takes(self, label: str, start_ms: int, duration_ms: int) -> bool:
        """Add a frame if it continues the phase."""
        step = start_ms - self.start_ms - (self.frames - 1) * (self.step_ms or 0)
        if label != self.label or duration_ms != self.duration_ms or self.step_ms not in (None, step):
            return False
        self.step_ms, self.frames = step, self.frames + 1
        return True


def plan(study: Study, image: Image) -> Plan:
    """(energy?, view, time)."""
    require(image.grid, "DYNAMIC", ("energy?", "view", "time", "y", "x"))
    n = counters(image.grid, "energy", "view", "time")
    found = phases(image.grid.axis("time"), study)
    phase_of = np.repeat(np.arange(1, len(found) + 1), [p.frames for p in found])
    slice_of = np.concatenate([np.arange(1, p.frames + 1) for p in found])
    vectors = {
        "energy": n["energy"],
        "detector": n["view"],
        "phase": phase_of[n["time"] - 1],
        "time": slice_of[n["time"] - 1],
    }
    module = Dataset()
    module.PhaseInformationSequence = _items(found) if image.grid.axis("time").values else []
    return Plan(vectors, image.grid.axis("view").size, image.grid.labels("view"), module=module)


def phases(time: Axis, study: Study) -> list[Phase]:
    """The frames gathered into phases; one phase where nothing is known of their times."""
    labels = time.labels or ("",) * time.size
    if not time.values:
        durations, starts = [0] * time.size, [0] * time.size
    else:
        starts = [round(v * 1000) for v in time.values]
        durations = _durations(starts, study)
    found: list[Phase] = []
    for label, start, duration in zip(labels, starts, durations, strict=True):
        if not found or not found[-1].takes(label, start, duration):
            found.append(Phase(label, start, duration))
    return found


def _durations(starts: list[int], study: Study) -> list[int]:
    stated = study.acquisition.facts.get("ActualFrameDuration")
    if isinstance(stated, list) and len(stated) == len(starts):
        return [round(d) for d in stated if isinstance(d, (int, float))]
    if len(starts) == 1 and study.acquisition.duration_s:
        return [round(study.acquisition.duration_s * 1000)]
    if len(starts) == 1:
        raise PhotopeakError("nothing says how long the only frame is. Remedy: set acquisition.duration_s.")
    steps = [b - a for a, b in pairwise(starts)]
    return [*steps, steps[-1]]  # without stated durations frames are taken to follow each other at once


def _items(found: list[Phase]) -> list[Dataset]:
    items, end = [], 0
    for number, phase in enumerate(found, 1):
        step = phase.step_ms if phase.step_ms is not None else phase.duration_ms
        if phase.duration_ms <= 0 or phase.start_ms < end or step < phase.duration_ms:
            raise PhotopeakError(
                f"frame times overlap or are not in order at {phase.start_ms} ms. Remedy: give starts in seconds, "
                'rising, and facts["ActualFrameDuration"] in ms that fit between them.'
            )
        item = Dataset()
        if phase.label not in ("", f"phase {number}"):
            item.PhaseDescription = _term(phase.label)
        item.PhaseDelay = str(phase.start_ms - end)
        item.ActualFrameDuration = str(phase.duration_ms)
        item.PauseBetweenFrames = str(step - phase.duration_ms)
        item.NumberOfFramesInPhase = phase.frames
        items.append(item)
        end = phase.start_ms + step * (phase.frames - 1) + phase.duration_ms
    return items


def _term(label: str) -> str:
    if not re.fullmatch(r"[A-Z0-9_ ]{1,16}", label):
        raise PhotopeakError(f"phase {label!r}: DICOM writes names of phases in at most 16 capitals, such as FLOW.")
    return label
