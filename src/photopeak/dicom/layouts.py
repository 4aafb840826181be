"""Grid to frame vectors: the reverse of ``axes``, one planner for each kind of image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from pydicom.dataset import Dataset

from photopeak.core import Grid, Image, PhotopeakError, Study
from photopeak.dicom.frames import Numbers


def _nothing(_ds: Dataset) -> None:
    """Most kinds have no module of their own."""


@dataclass(frozen=True)
class Plan:
    """The vectors of the frames, how many detectors and which views, and what else the kind's module needs."""

    vectors: dict[str, Numbers]
    detectors: int
    views: tuple[str, ...] = ()
    finish: Callable[[Dataset], None] = field(default=_nothing)


def require(grid: Grid, kind: str, wanted: tuple[str, ...], optional: tuple[str, ...]) -> None:
    """Refuse a grid whose axes are not those of its kind, in their order."""
    order = [name for name in grid.names if name in (*wanted, *optional)]
    allowed = [name for name in (*optional, *wanted) if name in grid.names]
    if set(grid.names) - {*wanted, *optional} or set(wanted) - set(grid.names) or sorted(order) != sorted(allowed):
        axes = ", ".join(f"{n}?" for n in optional) + ", " + ", ".join(wanted)
        raise PhotopeakError(f"a {kind} image has axes ({axes}), not ({', '.join(grid.names)}). Remedy: see dicom.axes.")


def counters(grid: Grid) -> dict[str, Numbers]:
    """For each axis before y and x (z included), the number from 1 of every frame."""
    leading = grid.axes[:-2]
    places = np.indices([a.size for a in leading]).reshape(len(leading), -1) + 1
    return {axis.name: places[i].astype(np.int64) for i, axis in enumerate(leading)}


def ones(numbers: dict[str, Numbers]) -> Numbers:
    return np.ones(len(next(iter(numbers.values()))), dtype=np.int64)


def planar(study: Study, image: Image) -> Plan:
    """STATIC and WHOLE BODY."""
    require(image.grid, study.acquisition.kind, ("view", "y", "x"), ("energy",))
    numbers = counters(image.grid)
    vectors = {"energy": numbers.get("energy", ones(numbers)), "detector": numbers["view"]}
    return Plan(vectors, image.grid.axis("view").size, image.grid.labels("view"))


Planner = Callable[[Study, Image], Plan]
PLANNERS: Final[dict[str, Planner]] = {"STATIC": planar, "WHOLE BODY": planar}
