"""Signed distances (mm, negative inside) of the shapes a head is made of, and waves that vary them.

Points are three arrays of coordinates of one shape: x to the patient's left, y to the back, z up, in mm from a
point between the striata.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

Array = Float32[np.ndarray, " *points"]
Vector = tuple[float, float, float]
CACHED = 8_192  # points whose waves fit in a cache together


class Points(NamedTuple):
    """Where something is asked."""

    x: Array
    y: Array
    z: Array

    def at(self, where: Any) -> Points:
        """Some of them: a mask, or slices."""
        return Points(self.x[where], self.y[where], self.z[where])

    def moved(self, centre_mm: Vector) -> Points:
        """As seen from another origin."""
        return Points(*(v - np.float32(c) for v, c in zip(self, centre_mm, strict=True)))

    def turned(self, about_z_deg: float) -> Points:
        """In axes that were turned about z, from x towards y."""
        c, s = np.float32(math.cos(math.radians(about_z_deg))), np.float32(math.sin(math.radians(about_z_deg)))
        return Points(c * self.x + s * self.y, c * self.y - s * self.x, self.z)

    def on_the_left(self) -> Points:
        """The right half laid on the left one."""
        return Points(np.abs(self.x), self.y, self.z)


def ellipsoid(p: Points, centre_mm: Vector, axes_mm: Vector) -> Array:
    """k (k − 1) / |∇k| with k = |p / a|: exact on the surface and nearly so beside it."""
    q = p.moved(centre_mm)
    a, b, c = (np.float32(v) for v in axes_mm)
    u, v, w = q.x / a, q.y / b, q.z / c
    k = np.sqrt(u * u + v * v + w * w)
    steep = np.sqrt((u / a) ** 2 + (v / b) ** 2 + (w / c) ** 2)
    out: Array = k * (k - np.float32(1)) / np.maximum(steep, np.float32(1e-6))
    return out


def tube(p: Points, line_mm: Sequence[tuple[float, float, float, float]]) -> Array:
    """Around a polyline of (x, y, z, radius), the radius changing evenly from one point to the next."""
    out = np.full(np.broadcast_shapes(*(v.shape for v in p)), np.inf, np.float32)
    for start, stop in pairwise(line_mm):
        along = np.array(stop[:3], np.float32) - np.array(start[:3], np.float32)
        q = p.moved(start[:3])
        t = (q.x * along[0] + q.y * along[1] + q.z * along[2]) / np.float32(max(float(along @ along), 1e-6))
        t = np.clip(t, np.float32(0), np.float32(1))
        off = (q.x - t * along[0]) ** 2 + (q.y - t * along[1]) ** 2 + (q.z - t * along[2]) ** 2
        radius = np.float32(start[3]) + t * np.float32(stop[3] - start[3])
        np.minimum(out, np.sqrt(off) - radius, out=out)
    return out


def joined(one: Array, other: Array, fillet_mm: float) -> Array:
    """The union of two shapes, their seam filled with a fillet."""
    h = np.maximum(np.float32(fillet_mm) - np.abs(one - other), np.float32(0)) / np.float32(fillet_mm)
    out: Array = np.minimum(one, other) - h * h * np.float32(0.25 * fillet_mm)
    return out


def beyond(sheet: Array, *past: Array) -> Array:
    """Distance from the part of a sheet at which none of ``past`` is above 0: Pythagoras with what is."""
    total = sheet * sheet
    for one in past:
        total = total + np.square(np.maximum(one, np.float32(0)))
    out: Array = np.sqrt(total)
    return out


def share(distance: Array, edge_mm: float) -> Array:
    """How much of a voxel of this edge lies inside a surface at this signed distance from its centre."""
    return np.clip(np.float32(0.5) - distance / np.float32(edge_mm), np.float32(0), np.float32(1))


class Waves(NamedTuple):
    """A random field of one wavelength: Σ √(2/n) cos(k·p + φ), with unit variance."""

    k: Float32[np.ndarray, "3 n"]
    phase: Float32[np.ndarray, " n"]

    @staticmethod
    def draw(rng: np.random.Generator, wavelength_mm: float, number: int = 40, spread: float = 0.12) -> Waves:
        """Wave vectors in all directions, their lengths within ``spread`` of 2π / λ."""
        direction = rng.standard_normal((3, number))
        length = 2.0 * math.pi / wavelength_mm * (1.0 + spread * rng.uniform(-1.0, 1.0, number))
        k = direction / np.linalg.norm(direction, axis=0) * length
        return Waves(k.astype(np.float32), rng.uniform(0.0, 2.0 * math.pi, number).astype(np.float32))

    def at(self, p: Points) -> Float32[np.ndarray, " points"]:
        """The field, of points in one row."""
        q, value = np.stack(p, axis=1), np.empty(len(p.x), np.float32)
        for a in range(0, len(q), CACHED):
            value[a : a + CACHED] = np.cos(q[a : a + CACHED] @ self.k + self.phase).sum(1)
        return value * np.float32(math.sqrt(2.0 / len(self.phase)))

    def with_slope(self, p: Points) -> tuple[Float32[np.ndarray, " points"], Float32[np.ndarray, "points 3"]]:
        """The field and its gradient per mm, of points in one row."""
        q = np.stack(p, axis=1)
        value, slope = np.empty(len(q), np.float32), np.empty((len(q), 3), np.float32)
        scale = np.float32(math.sqrt(2.0 / len(self.phase)))
        for a in range(0, len(q), CACHED):
            angle = q[a : a + CACHED] @ self.k + self.phase
            value[a : a + CACHED] = scale * np.cos(angle).sum(1)
            slope[a : a + CACHED] = -scale * (np.sin(angle) @ self.k.T)
        return value, slope
