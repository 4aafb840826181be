"""Grid to frame vectors: the reverse of ``axes``, one planner for each kind of image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from pydicom.dataset import Dataset

from photopeak.core import Grid, Image, PhotopeakError, Study
from photopeak.dicom.frames import Numbers
from photopeak.dicom.subject import decimal


@dataclass(frozen=True)
class Plan:
    """The vectors of the frames, the detectors with their views and start angles, and the kind's own elements.

    ``module`` goes into the object, ``detector`` into the first item of its detector sequence.
    """

    vectors: dict[str, Numbers]
    detectors: int = 1
    views: tuple[str, ...] = ()
    starts_deg: tuple[float, ...] = ()
    module: Dataset = field(default_factory=Dataset)
    detector: Dataset = field(default_factory=Dataset)


def require(grid: Grid, kind: str, axes: tuple[str, ...]) -> None:
    """Refuse a grid whose axes are not those of its kind, in their order; ``?`` marks one that may be absent."""
    names = [name.rstrip("?") for name in axes]
    missing = [name for name in axes if not name.endswith("?") and name not in grid.names]
    if missing or list(grid.names) != [name for name in names if name in grid.names]:
        raise PhotopeakError(
            f"a {kind} image has axes ({', '.join(axes)}), not ({', '.join(grid.names)}). "
            "Remedy: lay the image out as photopeak.dicom.axes says."
        )


def counters(grid: Grid, *wanted: str) -> dict[str, Numbers]:
    """For each wanted axis the number, from 1, of every frame; all ones where the grid lacks the axis."""
    leading = grid.axes[:-2]
    places = np.indices([a.size for a in leading]).reshape(len(leading), -1) + 1
    found = {axis.name: places[i].astype(np.int64) for i, axis in enumerate(leading)}
    return {name: found.get(name, np.ones(places.shape[1], dtype=np.int64)) for name in wanted}


def planar(study: Study, image: Image) -> Plan:
    """STATIC and WHOLE BODY."""
    require(image.grid, study.acquisition.kind, ("energy?", "view", "y", "x"))
    n = counters(image.grid, "energy", "view")
    vectors = {"energy": n["energy"], "detector": n["view"]}
    return Plan(vectors, image.grid.axis("view").size, image.grid.labels("view"))


def volume(study: Study, image: Image) -> Plan:
    """RECON TOMO."""
    require(image.grid, study.acquisition.kind, ("energy?", "z", "y", "x"))
    n = counters(image.grid, "energy", "z")
    energy = {"energy": n["energy"]} if "energy" in image.grid.names else {}
    module, detector = placed(image.grid, study)
    return Plan({**energy, "slice": n["z"]}, module=module, detector=detector)


def placed(grid: Grid, study: Study) -> tuple[Dataset, Dataset]:
    """Reconstruction module, and where the first slice lies; a volume that nobody placed stays unplaced."""
    module, detector = Dataset(), Dataset()
    spacing = grid.spacing_mm
    axes = grid.matrix_mm[:3, :3] / np.linalg.norm(grid.matrix_mm[:3, :3], axis=0)
    normal = np.cross(axes[:, 0], axes[:, 1])
    along = float(normal @ axes[:, 2])
    if abs(abs(along) - 1.0) > 1e-6 or abs(float(axes[:, 0] @ axes[:, 1])) > 1e-6:
        raise PhotopeakError(
            "the volume's axes are not perpendicular, and NM has no place for that. Remedy: resample it."
        )
    module.SpacingBetweenSlices = decimal(spacing["z"] * (1.0 if along > 0 else -1.0))
    if "SliceThickness" not in study.acquisition.facts:
        module.SliceThickness = decimal(spacing["z"])
    module.NumberOfRotations = 1
    module.RotationInformationSequence = []
    unplaced = study.acquisition.facts.get("ImageOrientationPatient", "") is None
    if not unplaced:
        detector.ImageOrientationPatient = [decimal(float(c)) for c in (*axes[:, 0], *axes[:, 1])]
        detector.ImagePositionPatient = [decimal(float(c)) for c in grid.matrix_mm[:3, 3]]
    return module, detector


Planner = Callable[[Study, Image], Plan]


def plan(study: Study, image: Image) -> Plan:
    """The plan of the study's kind of image."""
    from photopeak.dicom import dynamic_writing, gated_writing, tomo_writing

    planners: Final[dict[str, Planner]] = {
        "STATIC": planar,
        "WHOLE BODY": planar,
        "DYNAMIC": dynamic_writing.plan,
        "GATED": gated_writing.planar,
        "TOMO": tomo_writing.plan,
        "GATED TOMO": gated_writing.tomographic,
        "RECON TOMO": volume,
        "RECON GATED TOMO": gated_writing.volume,
    }
    kind = study.acquisition.kind
    if kind not in planners:
        raise PhotopeakError(
            f"the study's acquisition.kind is {kind!r}. Remedy: set it to one of {', '.join(planners)}, "
            "so that the frames have a meaning."
        )
    return planners[kind](study, image)
