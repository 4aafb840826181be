"""Kernel of direct planes: the weights of every transaxial line, ray by ray."""

from __future__ import annotations

from photopeak.physics.engines import Array, kernel
from photopeak.physics.pet_kernels import Ring, cell_of, ray_of


@kernel
def count(ring: Ring, shape: tuple[int, int], samples: Array) -> None:
    """How many samples each line [angle, radial] takes in an image of rows and columns."""
    for angle in range(samples.shape[0]):
        for radial in range(samples.shape[1]):
            ray = ray_of(ring, angle, radial, shape)
            samples[angle, radial] = max(0, ray.last - ray.first)


@kernel
def weigh(ring: Ring, shape: tuple[int, int], begin: Array, pixel: Array, weight: Array) -> None:
    """Two pixels a sample and their weights in mm; line [angle, radial] begins at 2·begin."""
    for angle in range(begin.shape[0]):
        for radial in range(begin.shape[1]):
            ray = ray_of(ring, angle, radial, shape)
            at = 2 * begin[angle, radial]
            for k in range(ray.first, ray.last):
                i0, j0, i1, j1, w0, w1 = cell_of(ray, k, shape)
                pixel[at], weight[at] = i0 * shape[1] + j0, w0 * ray.sample_mm
                pixel[at + 1], weight[at + 1] = i1 * shape[1] + j1, w1 * ray.sample_mm
                at += 2
