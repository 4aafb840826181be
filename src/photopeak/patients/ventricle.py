"""The left ventricle as every room measures it: a shell with an axis, and the 17 segments on it.

The wall lies round half an ellipsoid of revolution that is cut off at the mitral valve. With the unit vectors d
from base to apex, a at right angles to it towards the head (the anterior wall) and s = d × a (the septum),

    h = (p − c)·d,   ρ (cos φ, sin φ) = ((p − c)·a, (p − c)·s),   (ρ/R)² + (h/L)² = 1,   h ≥ −b,

so φ runs from anterior (0°) by septum (90°) and inferior (180°) to lateral (270°). The other coordinate is u, the share
of the surface between a point and the apex: a polar map whose radius is √u has true areas. Segments are those of
the American Heart Association :cite:`cerqueira2002`: basal and mid-ventricular rings 35 % each, 30 % for the apical
ring and the apex.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

SEGMENTS: Final = (
    "basal anterior", "basal anteroseptal", "basal inferoseptal", "basal inferior", "basal inferolateral",
    "basal anterolateral", "mid anterior", "mid anteroseptal", "mid inferoseptal", "mid inferior",
    "mid inferolateral", "mid anterolateral", "apical anterior", "apical septal", "apical inferior",
    "apical lateral", "apex",
)  # fmt: skip
"""Names of the segments 1 to 17."""
TERRITORIES: Final = {
    "LAD": (1, 2, 7, 8, 13, 14, 17),
    "RCA": (3, 4, 9, 10, 15),
    "LCx": (5, 6, 11, 12, 16),
}
"""Which segments each coronary artery usually supplies."""
APEX_UP_TO, APICAL_UP_TO, MID_UP_TO = 0.06, 0.30, 0.65
"""u at the outer borders of apex, apical and mid-ventricular ring."""
_STEPS: Final = 721


def segment_of(u: Float[np.ndarray, " ..."], phi_deg: Float[np.ndarray, " ..."]) -> Int[np.ndarray, " ..."]:
    """The number of the segment, 1 to 17.

    >>> segment_of(np.array([0.9, 0.9, 0.5, 0.2, 0.0]), np.array([0.0, 60.0, 180.0, 270.0, 0.0])).tolist()
    [1, 2, 10, 16, 17]
    """
    sixth = np.floor(np.mod(phi_deg + 30.0, 360.0) / 60.0).astype(np.int64)
    fourth = np.floor(np.mod(phi_deg + 45.0, 360.0) / 90.0).astype(np.int64)
    number = np.where(u < MID_UP_TO, 7 + sixth, 1 + sixth)
    number = np.where(u < APICAL_UP_TO, 13 + fourth, number)
    return np.asarray(np.where(u < APEX_UP_TO, 17, number))


def territory_of(segment: int) -> str:
    """The artery that usually supplies a segment.

    >>> territory_of(10)
    'RCA'
    """
    return next(name for name, numbers in TERRITORIES.items() if segment in numbers)


@dataclass(frozen=True)
class Shell:
    """The middle of a left ventricle's wall: ``centre_mm`` of the ellipsoid, ``axis`` to the apex, R, L and b in mm."""

    centre_mm: tuple[float, float, float]
    axis: tuple[float, float, float]
    radius_mm: float
    length_mm: float
    base_mm: float

    @staticmethod
    def towards(
        centre_mm: Sequence[float], azimuth_deg: float, down_deg: float, radius_mm: float, length_mm: float,
        base_mm: float,
    ) -> Shell:  # fmt: skip
        """By the axis' angles: from straight to the front towards the patient's left, and down from the horizontal."""
        left, down = math.radians(azimuth_deg), math.radians(down_deg)
        x, y, z = (float(v) for v in centre_mm)
        axis = (math.cos(down) * math.sin(left), -math.cos(down) * math.cos(left), -math.sin(down))
        return Shell((x, y, z), axis, radius_mm, length_mm, base_mm)

    @property
    def angles_deg(self) -> tuple[float, float]:
        """Azimuth and descent, as ``towards`` takes them."""
        x, y, z = self.axis
        return math.degrees(math.atan2(x, -y)), math.degrees(math.asin(-z))

    @cached_property
    def frame(self) -> NDArray[np.float64]:
        """Rows: to the apex, to the anterior wall, to the septum."""
        d = np.array(self.axis) / np.linalg.norm(self.axis)
        a = np.array([0.0, 0.0, 1.0]) - d[2] * d
        a /= np.linalg.norm(a)
        return np.stack([d, a, np.cross(d, a)])

    @cached_property
    def _table(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The angle θ with h = L cos θ, ρ = R sin θ, and the surface between the apex and it."""
        theta = np.linspace(0.0, math.acos(-min(self.base_mm / self.length_mm, 0.99)), _STEPS)
        s, c = np.sin(theta), np.cos(theta)
        ring = 2.0 * math.pi * self.radius_mm * s * np.hypot(self.radius_mm * c, self.length_mm * s)
        steps = 0.5 * (ring[1:] + ring[:-1]) * np.diff(theta)
        return theta, np.concatenate([[0.0], np.cumsum(steps)])

    @property
    def area_mm2(self) -> float:
        return float(self._table[1][-1])

    def along(self, points_mm: Float[np.ndarray, "*n 3"]) -> tuple[NDArray[np.float64], ...]:
        """h, ρ (mm) and φ (deg, 0 to 360) of points."""
        h, a, s = np.moveaxis((points_mm - np.array(self.centre_mm)) @ self.frame.T, -1, 0)
        return h, np.hypot(a, s), np.mod(np.rad2deg(np.arctan2(s, a)), 360.0)

    def share(self, h: Float[np.ndarray, " ..."], rho: Float[np.ndarray, " ..."]) -> NDArray[np.float64]:
        """u of points in or off the wall: of the place on the surface in the same direction, 1 beyond the base."""
        theta, area = self._table
        return np.asarray(np.interp(np.arctan2(rho / self.radius_mm, h / self.length_mm), theta, area / area[-1]))

    def surface(
        self, u: Float[np.ndarray, "*n"], phi_deg: Float[np.ndarray, "*n"]
    ) -> tuple[Float[np.ndarray, "*n 3"], Float[np.ndarray, "*n 3"]]:
        """Points of the middle of the wall, and the normals there, outwards."""
        table, area = self._table
        theta, phi = np.interp(u, area / area[-1], table), np.deg2rad(phi_deg)
        h, rho = self.length_mm * np.cos(theta), self.radius_mm * np.sin(theta)
        local = np.stack([h, rho * np.cos(phi), rho * np.sin(phi)], -1)
        steep = local / np.array([self.length_mm, self.radius_mm, self.radius_mm]) ** 2
        normal = steep / np.linalg.norm(steep, axis=-1, keepdims=True)
        return local @ self.frame + np.array(self.centre_mm), normal @ self.frame

    def outside(
        self, h: Float[np.ndarray, " ..."], rho: Float[np.ndarray, " ..."], grown_mm: tuple[float, float]
    ) -> NDArray[np.float64]:
        """Distance (mm, negative inside) to the ellipsoid grown by so much at the equator and at the apex.

        d = q (q − 1) / |∇q²/2|, with q the point's radius in the ellipsoid's own unit; exact on the surface.
        """
        r, length = self.radius_mm + grown_mm[0], self.length_mm + grown_mm[1]
        q = np.hypot(rho / r, h / length)
        slope = np.hypot(rho / r**2, h / length**2)
        return np.asarray(np.where(slope > 0, q * (q - 1.0) / np.maximum(slope, 1e-9), -min(r, length)))

    def volume_ml(self, grown_mm: tuple[float, float]) -> float:
        """What the grown ellipsoid holds up to the valve: π R² (2 L/3 + b − b³/(3 L²))."""
        r, length, b = self.radius_mm + grown_mm[0], self.length_mm + grown_mm[1], self.base_mm
        return math.pi * r**2 * (2.0 * length / 3.0 + b - b**3 / (3.0 * length**2)) / 1000.0
