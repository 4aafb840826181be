"""Tomographic projections: the angle of every frame."""

from __future__ import annotations

import dataclasses

import numpy as np

from photopeak.core import Acquisition, Axis
from photopeak.core.study import Json
from photopeak.dicom.axes import Layout, Places, Source, energy_axis
from photopeak.dicom.elements import Elements

SAME_ANGLE_DEG = 0.1
Key = tuple[int, int, int]  # rotation, detector, angular view


def layout(s: Source) -> Layout:
    """(energy?, rotation?, angle)."""
    energy, energies = energy_axis(s)
    axes, places, acquisition = angular(s)
    return Layout((energy, *axes), {"energy": energies, **places}, acquisition, frozenset({"angle"}))


def angular(s: Source) -> tuple[tuple[Axis, Axis], Places, Acquisition]:
    """The axes rotation and angle, where each frame lies along them, and the acquisition with its times."""
    n = s.frames.numbers
    keys = list(zip(n["rotation"].tolist(), n["detector"].tolist(), n["angle"].tolist(), strict=True))
    distinct = sorted(set(keys))
    angles = _angles(s.e, distinct)
    rotations = sorted({r for r, _, _ in distinct})
    turns = [[i for i, key in enumerate(distinct) if key[0] == r] for r in rotations]
    acquisition = _placed(s, _timed(s, turns))
    if len(turns) > 1 and _repeat(turns, angles):
        per_turn = len(turns[0])
        order = {key: (t, i) for t, turn in enumerate(turns) for i, key in enumerate(distinct[j] for j in turn)}
        first = [distinct[j] for j in turns[0]]
        axis = Axis("angle", per_turn, _labels(first), tuple(angles[j] for j in turns[0]) if angles else (), "deg")
        turn_place = np.array([order[key][0] for key in keys])
        angle_place = np.array([order[key][1] for key in keys])
        places = {"rotation": (turn_place, len(turns)), "angle": (angle_place, per_turn)}
        return (Axis("rotation", len(turns)), _unit(axis)), places, acquisition
    place = {key: i for i, key in enumerate(distinct)}
    at = np.array([place[key] for key in keys])
    axis = Axis("angle", len(distinct), _labels(distinct), tuple(angles), "deg")
    nowhere = np.zeros(len(keys), dtype=np.int64)
    return (Axis("rotation", 1), _unit(axis)), {"rotation": (nowhere, 1), "angle": (at, len(distinct))}, acquisition


def _unit(axis: Axis) -> Axis:
    return axis if axis.values else dataclasses.replace(axis, unit="")


def _labels(keys: list[Key]) -> tuple[str, ...]:
    return tuple(f"detector {detector}" for _, detector, _ in keys)


def _repeat(turns: list[list[int]], angles: list[float]) -> bool:
    """True where every rotation has the angles of the first."""
    if not angles or len({len(turn) for turn in turns}) > 1:
        return False
    first = np.array([angles[i] for i in turns[0]])
    others = (np.array([angles[i] for i in turn]) for turn in turns[1:])
    return all(np.abs((other - first + 180.0) % 360.0 - 180.0).max() < SAME_ANGLE_DEG for other in others)


def _angles(e: Elements, keys: list[Key]) -> list[float]:
    """Degrees for each (rotation, detector, view); nothing where the file does not state them.

    The angle grows counter-clockwise (CC) as seen from the patient's feet and falls clockwise (CW).
    """
    rotations, detectors = e.items("RotationInformationSequence"), e.items("DetectorInformationSequence")
    if not rotations:
        return []
    if max(r for r, _, _ in keys) > len(rotations):
        raise e.refuse(
            "RotationInformationSequence", f"describes {len(rotations)} rotations, fewer than the frames have."
        )
    angles = []
    for rotation, detector, view in keys:
        item = rotations[rotation - 1]
        start = _start(rotations, detectors, rotation, detector)
        step, direction = item.number("AngularStep"), item.text("RotationDirection")
        if start is None or step is None or direction not in ("CW", "CC"):
            return []
        angles.append(start + (view - 1) * abs(step) * (1.0 if direction == "CC" else -1.0))
    return angles


def _start(rotations: list[Elements], detectors: list[Elements], rotation: int, detector: int) -> float | None:
    """Start angle of a detector in a rotation: its own, moved on by what the rotation starts after the first."""
    turn, first = rotations[rotation - 1].number("StartAngle"), rotations[0].number("StartAngle")
    own = detectors[detector - 1].number("StartAngle") if detector <= len(detectors) else None
    if own is None:
        return turn if detector == 1 else None
    return own if turn is None or first is None else own + (turn - first)


def _timed(s: Source, turns: list[list[int]]) -> Acquisition:
    """Duration of one frame as a fact, of the whole as the acquisition's; detectors count at the same time."""
    items = s.e.items("RotationInformationSequence")[: len(turns)]
    durations = [item.positive("ActualFrameDuration") for item in items]
    views = len(set(s.frames.numbers["angle"].tolist()))
    if not durations or None in durations:
        return s.acquisition
    stated = [d for d in durations if d is not None]
    radii = [r for item in items for r in item.numbers("RadialPosition")]
    facts: dict[str, Json] = {**s.acquisition.facts, "ActualFrameDuration": stated[0], "RadialPosition": list(radii)}
    return dataclasses.replace(s.acquisition, facts=facts, duration_s=sum(stated) * views / 1000.0)


def _placed(s: Source, acquisition: Acquisition) -> Acquisition:
    """With the place of the first detector's first projection as facts, where the file states it."""
    head = s.e.item("DetectorInformationSequence")
    position = head.numbers("ImagePositionPatient", 3) if head is not None else ()
    cosines = head.numbers("ImageOrientationPatient", 6) if head is not None else ()
    if head is None or not position or not cosines:
        return acquisition
    place: dict[str, Json] = {"ImagePositionPatient": list(position), "ImageOrientationPatient": list(cosines)}
    return dataclasses.replace(acquisition, facts={**acquisition.facts, **place})
