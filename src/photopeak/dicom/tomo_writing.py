"""Tomographic projections, out: the angle axis as detectors and rotations with one step each."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from photopeak.core import Axis, Image, PhotopeakError, Study
from photopeak.dicom.frames import Numbers
from photopeak.dicom.layouts import Plan, counters, require
from photopeak.dicom.subject import decimal

EVEN_DEG = 1e-3


@dataclass
class Run:
    """Angles of one detector in one rotation."""

    detector: int
    start_deg: float
    step_deg: float = 0.0
    views: int = 1

    def takes(self, detector: int, angle_deg: float) -> bool:
        """Add an angle if it continues the run."""
        step = angle_deg - (self.start_deg + (self.views - 1) * self.step_deg)
        if detector != self.detector or (self.views > 1 and abs(step - self.step_deg) > EVEN_DEG):
            return False
        if self.views == 1:
            self.step_deg = step
        self.views += 1
        return True


def plan(study: Study, image: Image) -> Plan:
    """(energy?, rotation?, angle)."""
    require(image.grid, "TOMO", ("energy?", "rotation?", "angle", "y", "x"))
    n = counters(image.grid, "energy", "rotation", "angle")
    vectors, starts, module = angular(study, image, n)
    return Plan(
        {"energy": n["energy"], **vectors}, len(starts), starts_deg=starts, module=module, detector=place(study)
    )


def angular(study: Study, image: Image, n: dict[str, Numbers]) -> tuple[dict[str, Numbers], tuple[float, ...], Dataset]:
    """Vectors of detector, rotation and angular view, the detectors' start angles, and the tomo module."""
    found = runs(image.grid.axis("angle"))
    order = _rotations(found)
    per_turn = max(order)
    rotation_of = np.repeat(order, [r.views for r in found])
    detector_of = np.repeat([r.detector for r in found], [r.views for r in found])
    view_of = np.concatenate([np.arange(1, r.views + 1) for r in found])
    at = n["angle"] - 1
    vectors = {
        "detector": detector_of[at],
        "rotation": rotation_of[at] + (n["rotation"] - 1) * per_turn,
        "angle": view_of[at],
    }
    turns = image.grid.axis("rotation").size if "rotation" in image.grid.names else 1
    leaders = [next(r for r, turn in zip(found, order, strict=True) if turn == t) for t in range(1, per_turn + 1)]
    module = Dataset()
    module.NumberOfRotations = turns * per_turn
    module.RotationInformationSequence = [_item(r, study, turns * per_turn) for _ in range(turns) for r in leaders]
    starts = tuple(r.start_deg for r, turn in zip(found, order, strict=True) if turn == 1)
    return vectors, starts, module


def place(study: Study) -> Dataset:
    """Where the first projection lies, as the study's facts have it."""
    detector = Dataset()
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient"):
        stated = study.acquisition.facts.get(keyword)
        if isinstance(stated, list):
            setattr(detector, keyword, [decimal(v) for v in stated if isinstance(v, (int, float))])
    return detector


def runs(axis: Axis) -> list[Run]:
    """The angles gathered into runs of one detector and one step."""
    if len(axis.values) != axis.size:
        raise PhotopeakError("the angle axis has no angles. Remedy: give its values in degrees.")
    found: list[Run] = []
    for label, angle in zip(axis.labels or ("detector 1",) * axis.size, axis.values, strict=True):
        detector = _detector(label)
        if not found or not found[-1].takes(detector, angle):
            found.append(Run(detector, angle))
    return found


def _detector(label: str) -> int:
    found = re.fullmatch(r"detector (\d{1,2})", label)
    if found is None:
        raise PhotopeakError(f"the angle axis is labelled {label!r}. Remedy: label it 'detector 1', 'detector 2', ….")
    return int(found[1])


def _rotations(found: list[Run]) -> list[int]:
    """The rotation of each run; every rotation must have all detectors, with as many views and the same step."""
    seen: dict[int, int] = {}
    order = []
    for run in found:
        seen[run.detector] = seen.get(run.detector, 0) + 1
        order.append(seen[run.detector])
    first = found[0]
    complete = set(seen) == set(range(1, len(seen) + 1)) and len(set(seen.values())) == 1
    alike = all(r.views == first.views and abs(r.step_deg - first.step_deg) <= EVEN_DEG for r in found)
    if not complete or not alike or order != sorted(order):
        raise PhotopeakError(
            "the angles do not form rotations in which every detector makes the same equal steps. "
            "Remedy: order them by rotation, then detector, with one angular step."
        )
    return order


def _item(run: Run, study: Study, rotations: int) -> Dataset:
    item = Dataset()
    item.StartAngle = decimal(run.start_deg)
    item.AngularStep = decimal(abs(run.step_deg))
    item.RotationDirection = "CC" if run.step_deg >= 0 else "CW"
    item.ScanArc = decimal(abs(run.step_deg) * run.views)
    item.NumberOfFramesInRotation = run.views
    item.ActualFrameDuration = str(_frame_ms(run, study, rotations))
    radii = study.acquisition.facts.get("RadialPosition")
    if isinstance(radii, list) and radii:
        share = len(radii) // rotations if len(radii) % rotations == 0 else len(radii)
        item.RadialPosition = [decimal(r) for r in radii[:share] if isinstance(r, (int, float))]
    return item


def _frame_ms(run: Run, study: Study, rotations: int) -> int:
    stated = study.acquisition.facts.get("ActualFrameDuration")
    if isinstance(stated, (int, float)) and not isinstance(stated, bool):
        return round(stated)
    if study.acquisition.duration_s is None:
        raise PhotopeakError(
            "nothing says how long a projection took. Remedy: set acquisition.duration_s or "
            'facts["ActualFrameDuration"] (ms).'
        )
    return round(study.acquisition.duration_s * 1000 / (run.views * rotations))
