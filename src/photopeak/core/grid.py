"""What the axes of an array mean.

A ``Grid`` names every axis of an array, says what stands at each index (view names, energy windows,
times) and where the spatial axes lie in millimetres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from photopeak.core.errors import PhotopeakError

#: axis name -> meaning. Spatial axes are always the last ones of an array, in the order z, y, x.
AXES = {
    "energy": "energy window",
    "view": "camera view (anterior, posterior, …)",
    "phase": "dynamic phase",
    "time": "time frame",
    "rr": "R-R interval",
    "gate": "cardiac or respiratory gate",
    "rotation": "gantry rotation",
    "angle": "projection angle, degrees",
    "channel": "network channel",
    "lesion": "one lesion each",
    "event": "one coincidence each",
    "z": "patient axis, towards the head unless the affine says otherwise",
    "y": "row",
    "x": "column",
}
SPATIAL = ("z", "y", "x")


@dataclass(frozen=True)
class Axis:
    """One axis: its name, its size, and what stands at each index.

    ``labels`` are words ("anterior"), ``values`` are coordinates in ``unit`` (times, angles).
    """

    name: str
    size: int
    labels: tuple[str, ...] = ()
    values: tuple[float, ...] = ()
    unit: str = ""

    def __post_init__(self) -> None:
        if self.name not in AXES:
            raise PhotopeakError(f"unknown axis {self.name!r}. Remedy: use one of {', '.join(AXES)}.")
        for what in (self.labels, self.values):
            if what and len(what) != self.size:
                raise PhotopeakError(
                    f"axis {self.name!r} has size {self.size} but {len(what)} labels or values. "
                    "Remedy: give one for each index, or none."
                )


Affine = tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True)
class Grid:
    """Meaning of an array: its axes, its place in millimetres and its frame of reference.

    ``affine_mm`` is a 4×4 matrix that takes index coordinates (x, y, z, 1) to millimetres. For a volume
    these are DICOM patient coordinates (x to the patient's left, y to the back, z to the head). For a
    planar image x runs along a row and y along a column of the detector, and nothing is known of depth.
    ``frame`` is the DICOM frame of reference UID; two grids with different frames are not aligned.

    >>> g = Grid.planar(views=("anterior", "posterior"), shape=(1024, 256), pixel_mm=(2.4, 2.4))
    >>> g.shape, g.spacing_mm, g.labels("view")
    ((2, 1024, 256), {'y': 2.4, 'x': 2.4}, ('anterior', 'posterior'))
    """

    axes: tuple[Axis, ...]
    affine_mm: Affine
    frame: str = ""

    def __post_init__(self) -> None:
        names = [a.name for a in self.axes]
        if len(set(names)) != len(names):
            raise PhotopeakError(f"axes {names} repeat a name. Remedy: name each axis once.")
        spatial = [n for n in names if n in SPATIAL]
        if names[len(names) - len(spatial) :] != [n for n in SPATIAL if n in spatial]:
            raise PhotopeakError(f"axes {names} must end with the spatial ones in the order z, y, x.")
        matrix = np.asarray(self.affine_mm, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
            raise PhotopeakError("affine_mm must be a finite 4×4 matrix, index (x, y, z, 1) to millimetres.")

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(a.size for a in self.axes)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(a.name for a in self.axes)

    @property
    def matrix_mm(self) -> NDArray[np.float64]:
        return np.asarray(self.affine_mm, dtype=np.float64)

    @property
    def spacing_mm(self) -> dict[str, float]:
        """Distance between neighbours along each spatial axis present."""
        column = {"x": 0, "y": 1, "z": 2}
        lengths = np.linalg.norm(self.matrix_mm[:3, :3], axis=0)
        return {n: float(lengths[column[n]]) for n in self.names if n in SPATIAL}

    def axis(self, name: str) -> Axis:
        for a in self.axes:
            if a.name == name:
                return a
        raise PhotopeakError(f"no axis {name!r} among {', '.join(self.names)}.")

    def labels(self, name: str) -> tuple[str, ...]:
        return self.axis(name).labels

    def without(self, name: str) -> Grid:
        """The grid after one axis was summed or indexed away."""
        self.axis(name)
        return Grid(tuple(a for a in self.axes if a.name != name), self.affine_mm, self.frame)

    @staticmethod
    def planar(views: Sequence[str], shape: tuple[int, int], pixel_mm: tuple[float, float]) -> Grid:
        """Views of one planar acquisition; ``pixel_mm`` is (row distance, column distance)."""
        axes = (Axis("view", len(views), tuple(views)), Axis("y", shape[0]), Axis("x", shape[1]))
        return Grid(axes, scaling((pixel_mm[1], pixel_mm[0], 1.0)))

    @staticmethod
    def volume(shape: tuple[int, int, int], affine_mm: Affine, frame: str = "") -> Grid:
        """A volume of shape (z, y, x)."""
        return Grid(tuple(Axis(n, s) for n, s in zip(SPATIAL, shape, strict=True)), affine_mm, frame)


def scaling(spacing_mm: tuple[float, float, float], origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Affine:
    """The affine of an axis-parallel grid: spacing and first-voxel centre in the order x, y, z."""
    (sx, sy, sz), (ox, oy, oz) = spacing_mm, origin_mm
    return ((sx, 0.0, 0.0, ox), (0.0, sy, 0.0, oy), (0.0, 0.0, sz, oz), (0.0, 0.0, 0.0, 1.0))
