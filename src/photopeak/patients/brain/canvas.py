"""Voxels into which structures are painted, each border with its partial volume.

Every voxel holds at most two structures and the share of the one that was painted last. Any picture of the head,
of a tracer, of attenuation, of a magnetic resonance, is then one table of numbers by structure.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, UInt8
from scipy.spatial.transform import Rotation

from photopeak.patients.brain.shapes import Array, Points, share
from photopeak.patients.brain.structures import NUMBER
from photopeak.patients.brain.variation import Pose

Volume = Float32[np.ndarray, " _z _y _x"]
Box = tuple[slice, slice, slice]
Vector = tuple[float, float, float]


class Canvas:
    """A grid of cubic voxels in the camera's axes, and the head's own coordinates at each of them."""

    def __init__(self, shape: tuple[int, int, int], edge_mm: float, origin_mm: Vector) -> None:
        self.shape, self.edge_mm, self.origin_mm = shape, edge_mm, origin_mm
        self.upper: UInt8[np.ndarray, "z y x"] = np.zeros(shape, np.uint8)
        self.lower: UInt8[np.ndarray, "z y x"] = np.zeros(shape, np.uint8)
        self.share: Float32[np.ndarray, "z y x"] = np.ones(shape, np.float32)

    def lay(self, pose: Pose, scale: Vector) -> None:
        """Put a head into the grid: ``scale`` times the standard one, turned and moved by ``pose``."""
        turn = Rotation.from_euler("xyz", pose.turns_deg, degrees=True).as_matrix()
        self._out = turn @ np.diag(scale)
        self._shift = np.array(pose.shift_mm)
        self.size = float(np.cbrt(np.prod(scale)))
        back = np.linalg.inv(self._out).astype(np.float32)
        x, y, z = (
            (o + self.edge_mm * np.arange(n) - s).astype(np.float32)
            for o, n, s in zip(self.origin_mm, self.shape[::-1], self._shift, strict=True)
        )
        self.points = Points(
            *(row[0] * x + row[1] * y[:, None] + row[2] * z[:, None, None] for row in back)  # z, y, x by broadcasting
        )

    def smooth(self, distance: Callable[[Points], Array]) -> Array:
        """A distance all over the grid, asked at every second voxel: off by h² / 8R, microns for a head's radii."""
        out = distance(self.points.at((slice(None, None, 2),) * 3))
        for axis, size in enumerate(self.shape):
            out = _between(out, axis, size)
        return out

    def box(self, low_mm: Vector, high_mm: Vector) -> Box:
        """The voxels that hold a box of the head's coordinates."""
        corners = np.array([[(low_mm, high_mm)[i >> k & 1][k] for k in range(3)] for i in range(8)])
        seen = (corners @ self._out.T + self._shift - self.origin_mm) / self.edge_mm
        first, last = np.floor(seen.min(0)).astype(int), np.ceil(seen.max(0)).astype(int) + 1
        ends = zip(first[::-1], last[::-1], self.shape, strict=True)
        z, y, x = (slice(max(0, min(int(a), n)), max(0, min(int(b), n))) for a, b, n in ends)
        return z, y, x

    def paint(self, structure: str | UInt8[np.ndarray, " *points"], distance: Array, box: Box | None = None) -> None:
        """Lay a structure over what is there; an array names one for each voxel of the box."""
        where = box or (slice(None),) * 3
        inside = share(distance * np.float32(self.size), self.edge_mm)
        touched = inside > 0
        upper, lower, part = self.upper[where], self.lower[where], self.share[where]
        lower[touched] = np.where(part[touched] >= 0.5, upper[touched], lower[touched])
        upper[touched] = NUMBER[structure] if isinstance(structure, str) else structure[touched]
        part[touched] = inside[touched]


def _between(values: Volume, axis: int, size: int) -> Volume:
    """Every second sample along an axis, the others by straight lines."""
    v = np.moveaxis(values, axis, 0)
    out = np.empty((size, *v.shape[1:]), np.float32)
    out[::2] = v
    pairs = np.float32(0.5) * (v[:-1] + v[1:])
    out[1::2][: len(pairs)] = pairs
    if size % 2 == 0:
        out[-1] = np.float32(1.5) * v[-1] - np.float32(0.5) * v[-2]
    return np.ascontiguousarray(np.moveaxis(out, 0, axis))
