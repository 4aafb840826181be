"""Where a volume's voxels fall on a planar camera's pixels, and how wide each depth is blurred there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from photopeak.core import PhotopeakError
from photopeak.physics.elementary_kernels import exp, log
from photopeak.physics.planar_kernels import gaussian_band

if TYPE_CHECKING:
    from photopeak.physics.planar import PlanarCamera

CUT_SIGMA = 4.0
"""A Gaussian is followed to this many standard deviations; what lies beyond (6e-5) is shared inside."""


@dataclass(frozen=True)
class Placement:
    """A voxel grid before the camera: sizes, the first voxel's centre, the detectors' faces, the image's top.

    ``faces_mm`` is y of the anterior and the posterior collimator face; ``top_mm`` is z of the image's
    upper edge; ``middle_mm`` is x of the image's middle. Axes are the patient's: x left, y back, z up.
    """

    shape: tuple[int, int, int]  # z, y, x
    voxel_mm: float
    origin_mm: tuple[float, float, float]  # x, y, z
    faces_mm: tuple[float, float]
    top_mm: float
    middle_mm: float = 0.0

    def __post_init__(self) -> None:
        first = self.origin_mm[1]
        last = first + (self.shape[1] - 1) * self.voxel_mm
        if not self.faces_mm[0] < first or not self.faces_mm[1] > last:
            raise PhotopeakError(
                f"the collimator faces at y = {self.faces_mm} mm cut into the volume, which reaches from {first} "
                f"to {last} mm. Remedy: move the faces out, or crop the volume to the body."
            )

    def distances_mm(self) -> Float64[np.ndarray, "2 y"]:
        """Distance of every plane y from either collimator's face."""
        y = self.origin_mm[1] + self.voxel_mm * np.arange(self.shape[1])
        return np.stack([y - self.faces_mm[0], self.faces_mm[1] - y])


class Nodes(NamedTuple):
    """The fixed widths between which every depth's blur is interpolated.

    A plane of width σ is laid as shares of its two neighbours, σ_k ≤ σ ≤ σ_{k+1}, such that the mixture has
    exactly its variance: share_k = (σ_{k+1}² − σ²)/(σ_{k+1}² − σ_k²). What is left over is the mixture's
    kurtosis, 3/4 (σ_{k+1}² − σ_k²)²/σ⁴ at most.
    """

    sigma_mm: Float64[np.ndarray, " k"]
    node: Int32[np.ndarray, "2 y"]
    share: Float32[np.ndarray, "2 y"]


def nodes(camera: PlanarCamera, placement: Placement) -> Nodes:
    """Nodes spaced evenly in ln σ over the depths that this volume has before this camera."""
    distances = placement.distances_mm()
    sigma = np.array([[camera.sigma_mm(float(d)) for d in view] for view in distances])
    low, high = float(sigma.min()) * (1 - 1e-9), float(sigma.max()) * (1 + 1e-9)
    count = camera.depth_nodes
    # Our own exp and log: numpy's power differs in the last bit between CPUs, and counts must not.
    ladder = np.array([low * exp(log(high / low) * k / (count - 1)) for k in range(count)])
    node = np.clip(np.searchsorted(ladder, sigma, side="right") - 1, 0, count - 2).astype(np.int32)
    near, far = ladder[node] ** 2, ladder[node + 1] ** 2
    share = np.clip((far - sigma**2) / (far - near), 0.0, 1.0).astype(np.float32)
    return Nodes(ladder, node, share)


class Bands(NamedTuple):
    """Banded matrices, one for each width: element ``[k, i, j]`` carries input i to pixel start[k, i] + j."""

    taps: Int32[np.ndarray, " k"]
    start: Int32[np.ndarray, "k i"]
    weight: Float32[np.ndarray, "k i taps"]


class Pixels(NamedTuple):
    """One row of pixels: centre of the first, signed pitch, number."""

    first_mm: float
    pitch_mm: float
    number: int


def rows(camera: PlanarCamera, top_mm: float) -> Pixels:
    """Image rows run from the head down."""
    return Pixels(top_mm - 0.5 * camera.pixel_mm, -camera.pixel_mm, camera.matrix[0])


def columns(camera: PlanarCamera, view: int, middle_mm: float) -> Pixels:
    """Anterior: the patient's right is on the image's left. Raw posterior: the patient's left is."""
    towards = 1.0 if view == 0 else -1.0
    n = camera.matrix[1]
    return Pixels(middle_mm - towards * 0.5 * (n - 1) * camera.pixel_mm, towards * camera.pixel_mm, n)


def bands(
    centres_mm: Float64[np.ndarray, " i"], pixels: Pixels, sigmas_mm: Float64[np.ndarray, " k"], share: float = 1.0
) -> Bands:
    """Bands that blur points at these centres onto a row of pixels, once for each width; all times ``share``."""
    pitch = abs(pixels.pitch_mm)
    reach = [math.sqrt(float(s) ** 2 + pitch**2 / 12.0) * CUT_SIGMA for s in sigmas_mm]
    taps = np.array([2 * math.ceil(r / pitch) + 1 for r in reach], np.int32)
    start = np.zeros((len(taps), len(centres_mm)), np.int32)
    weight = np.zeros((len(taps), len(centres_mm), int(taps.max())), np.float32)
    for k, sigma in enumerate(sigmas_mm):
        gaussian_band(centres_mm, pixels, float(sigma), share, start[k], weight[k, :, : taps[k]])
    return Bands(taps, start, weight)


def lattice_mm(placement: Placement, axis: int) -> Float64[np.ndarray, " i"]:
    """Centres of the voxels along x (0) or z (2)."""
    count = placement.shape[2 if axis == 0 else 0]
    return placement.origin_mm[axis] + placement.voxel_mm * np.arange(count)


def coarse_pitch_mm(sigma: float, voxel_mm: float) -> float:
    """The pitch of a lattice fit for a blur this wide: 0.8 σ, or the voxels' own where they are coarser."""
    return max(0.8 * sigma, voxel_mm)


def coarse(centres_mm: Float64[np.ndarray, " i"], pitch_mm: float) -> tuple[Float64[np.ndarray, " j"], Bands]:
    """A coarser lattice around these centres, and bands that share every centre among three of its points.

    The shares are those of a quadratic B-spline, ½(½ − u)², ¾ − u², ½(½ + u)² at u pitches from the nearest
    point: wherever a centre falls between the points, it stays where it is in the mean and widens by exactly
    pitch²/4 in variance.
    """
    first = float(centres_mm[0]) - pitch_mm
    position = (centres_mm - first) / pitch_mm
    middle = np.floor(position + 0.5)
    u = position - middle
    weight = np.stack([0.5 * (0.5 - u) ** 2, 0.75 - u**2, 0.5 * (0.5 + u) ** 2], -1).astype(np.float32)
    points = first + pitch_mm * np.arange(int(middle[-1]) + 2)
    return points, Bands(np.array([3], np.int32), (middle - 1).astype(np.int32)[None], weight[None])


def nearest(pixels: Pixels, placement: Placement, axis: int) -> Int64[np.ndarray, " out"]:
    """For every pixel of a row or column, the nearest voxel along x (0) or z (2); −1 where there is none."""
    position = pixels.first_mm + pixels.pitch_mm * np.arange(pixels.number)
    index = np.floor((position - placement.origin_mm[axis]) / placement.voxel_mm + 0.5).astype(np.int64)
    size = placement.shape[2 if axis == 0 else 0]
    return np.where((index >= 0) & (index < size), index, -1)
