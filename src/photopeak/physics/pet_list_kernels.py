"""Kernels of list mode: the same samples as ``pet_kernels`` takes, one coincidence at a time.

``Ring.pairs`` [event, 1, 2] holds the crystals, ``where`` [event, 3] the ring of each and the time-of-flight bin.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from photopeak.physics.engines import Array, kernel, parallel_kernel
from photopeak.physics.pet_kernels import Ray, Ring, cell_of, chance_of, ray_of, reached


@kernel
def _weight(ring: Ring, ray: Ray, k: int, bin_: int) -> float:
    """The chance that a decay at a sample falls into the event's bin; 1 without time of flight."""
    if len(ring.edges) < 2:
        return 1.0
    from_middle = (ray.share + ray.share_step * k - 0.5) * ray.length_mm
    first, last = reached(ring, from_middle)
    return chance_of(ring, from_middle, bin_) if first <= bin_ < last else 0.0


@kernel
def _slice(ray: Ray, k: int, one: int, other: int, slices: int) -> tuple[int, int, float]:
    """The two slices beside a sample, and how far it is from the first."""
    at = 2.0 * (one + (ray.share + ray.share_step * k) * (other - one))
    low = min(max(math.floor(at), 0), slices - 1)
    return low, min(low + 1, slices - 1), at - low


@kernel
def _sample_mm(ring: Ring, ray: Ray, one: int, other: int) -> float:
    """From one sample of an event's line to the next."""
    return ray.sample_mm * math.sqrt(1.0 + ((other - one) * ring.ring_mm / ray.length_mm) ** 2)


@parallel_kernel
def project(activity: Array, ring: Ring, where: Array, values: Array) -> None:
    """values[event] = the integral along its line; ``activity`` as [y, x, z]."""
    shape, slices = activity.shape[:2], activity.shape[2]
    for event in numba.prange(len(values)):
        ray = ray_of(ring, event, 0, shape)
        one, other, bin_ = where[event, 0], where[event, 1], where[event, 2]
        total = 0.0
        for k in range(ray.first, ray.last):
            chance = _weight(ring, ray, k, bin_)
            if chance == 0.0:
                continue
            i0, j0, i1, j1, w0, w1 = cell_of(ray, k, shape)
            low, high, rest = _slice(ray, k, one, other, slices)
            near = w0 * activity[i0, j0, low] + w1 * activity[i1, j1, low]
            far = w0 * activity[i0, j0, high] + w1 * activity[i1, j1, high]
            total += chance * ((1.0 - rest) * near + rest * far)
        values[event] = total * _sample_mm(ring, ray, one, other)


@parallel_kernel
def back_project(values: Array, ring: Ring, where: Array, parts: Array) -> None:
    """The transpose of ``project``; parts[group, y, x, z] are to be added up."""
    for group in numba.prange(parts.shape[0]):
        part = parts[group]
        part[:] = 0.0
        shape, slices = part.shape[:2], part.shape[2]
        for event in range(group, len(values), parts.shape[0]):
            ray = ray_of(ring, event, 0, shape)
            one, other, bin_ = where[event, 0], where[event, 1], where[event, 2]
            value = values[event] * _sample_mm(ring, ray, one, other)
            for k in range(ray.first, ray.last):
                chance = _weight(ring, ray, k, bin_)
                if chance == 0.0:
                    continue
                i0, j0, i1, j1, w0, w1 = cell_of(ray, k, shape)
                low, high, rest = _slice(ray, k, one, other, slices)
                near, far = np.float32(value * chance * (1.0 - rest)), np.float32(value * chance * rest)
                a, b = np.float32(w0), np.float32(w1)
                part[i0, j0, low] += a * near
                part[i0, j0, high] += a * far
                part[i1, j1, low] += b * near
                part[i1, j1, high] += b * far
