"""Polar maps of myocardial perfusion: the greatest count across the wall, ring by ring and angle by angle.

Rays stand on the middle of the wall; each gives the greatest value within ``ACROSS_MM`` of it, so that the map does
not hang on the last millimetre of the fit. The radius of the map is √u, u the share of the surface from the apex on:
equal areas of the map are equal areas of the wall. Segments are the 17 of the American Heart Association
:cite:`cerqueira2002`.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from photopeak.core import Image
from photopeak.patients.ventricle import SEGMENTS, Shell, segment_of
from photopeak.quantify.ventricle_fit import sampled, space_of, volume_of

RINGS, ANGLES = 20, 36
ACROSS_MM, STEP_MM = 10.0, 1.0
Polar = Float[np.ndarray, "ring angle"]


def places() -> tuple[Polar, Polar]:
    """u and φ (deg) of every place of the map: rings at even steps of √u."""
    root = (np.arange(RINGS) + 0.5) / RINGS
    u, phi = np.meshgrid(root**2, np.arange(ANGLES) * 360.0 / ANGLES, indexing="ij")
    return u, phi


def areas() -> Polar:
    """Share of the wall that each place stands for."""
    ring = (2.0 * np.arange(RINGS) + 1.0) / RINGS**2
    return np.repeat(ring[:, None] / ANGLES, ANGLES, axis=1)


def numbers() -> Int[np.ndarray, "ring angle"]:
    """The segment of every place."""
    return segment_of(*places())


def polar_map(image: Image, shell: Shell) -> Polar:
    """The greatest value along every ray, in the image's unit."""
    volume, grid = volume_of(image), space_of(image.grid)
    points, normals = shell.surface(*places())
    across = np.arange(-ACROSS_MM, ACROSS_MM + 0.5 * STEP_MM, STEP_MM)
    rays = np.stack([sampled(volume, grid, points + d * normals) for d in across])
    return np.asarray(rays.max(0))


def of_segments(values: Polar) -> Float[np.ndarray, " 17"]:
    """Means of the segments 1 to 17, by area.

    >>> bool(np.allclose(of_segments(np.full((RINGS, ANGLES), 3.0)), 3.0))
    True
    """
    number, area = numbers().ravel(), areas().ravel()
    total = np.bincount(number, area * values.ravel(), len(SEGMENTS) + 1)[1:]
    return np.asarray(total / np.bincount(number, area, len(SEGMENTS) + 1)[1:])


def percent_of_greatest(values: Polar) -> Polar:
    """Relative to the mean of the highest twentieth of the wall: one noisy pixel is no reference."""
    order = np.argsort(values, axis=None)[::-1]
    area = areas().ravel()[order]
    top = values.ravel()[order][np.cumsum(area) <= 0.05]
    return np.asarray(100.0 * values / top.mean())


def reoriented(image: Image, shell: Shell, edge_mm: float = 4.0, half: int = 18) -> NDArray[np.float64]:
    """The image on the ventricle's own axes (along, down, across): from base to apex, from anterior to inferior,
    from septal to lateral; cubes of ``edge_mm`` around the middle of the ventricle.
    """
    d, a, s = shell.frame
    middle = np.array(shell.centre_mm) + 0.5 * (shell.length_mm - shell.base_mm) * d
    at = edge_mm * np.arange(-half, half + 1)
    along, down, across = np.meshgrid(at, at, at, indexing="ij")
    points = middle + along[..., None] * d - down[..., None] * a - across[..., None] * s
    return sampled(volume_of(image), space_of(image.grid), points)
