"""Electrons through water: steps of equal loss, each with one turn at a random place along it (a random hinge).

Lengths in cm, energies in keV. Every electron has its own stream of random numbers, as photons have.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from photopeak.physics.elementary_kernels import exp, log
from photopeak.physics.engines import Array, kernel
from photopeak.physics.transport_kernels import between, isotropic, on_circle, turned, uniform4


class Steps(NamedTuple):
    """By energy, ``kev`` falling by a constant factor: the way to the next energy, and what a turn there adds up to.

    ``cm`` is the length of the step and ``turn`` the mean of (1 − cos θ)/2 over it.
    """

    kev: Array
    cm: Array
    turn: Array


@kernel
def follow(
    electrons: tuple[int, int, int], key: Array, source: tuple[Array, Array], steps: Steps, per_cm: float,
    shells: Array,
) -> None:  # fmt: skip
    """Follow electrons ``first`` to ``last`` of ``total`` from a point; add up the keV left in shells of 1/``per_cm``.

    ``source`` is the spectrum summed up (as shares of 1) and its energies. What lies beyond goes into the last shell.
    """
    first, last, total = electrons
    cumulative, energies = source
    at, way = np.zeros(3), np.zeros(3)
    nodes = steps.kev.size
    ratio = log(steps.kev[1] / steps.kev[0])
    for electron in range(first, last):
        a, b, _, _ = uniform4(key, electron, 0)
        energy = energies[np.searchsorted(cumulative, (electron + a) / total)]
        at[:] = 0.0
        draw = isotropic(key, electron, 1, way)
        place = log(energy / steps.kev[0]) / ratio
        while place < nodes - 2:
            lost = energy * (1.0 - exp(ratio))
            length = between(steps.cm, place)
            mean = between(steps.turn, place)
            a, b, c, _ = uniform4(key, electron, draw)
            u, v, draw = on_circle(key, electron, draw + 1)
            half = -mean * log(b)  # of (1 − cos θ)/2: many small turns add up to an exponential
            left = c * length  # the loss lies anywhere along the step, before or after its turn
            before = min(left, a * length)
            for k in range(3):
                at[k] += before * way[k]
            if left <= a * length:
                _score(at, lost, per_cm, shells)
            for k in range(3):
                at[k] += (a * length - before) * way[k]
            turned(way, 1.0 - 2.0 * min(half, 1.0), u, v)
            after = max(left - a * length, 0.0)
            for k in range(3):
                at[k] += after * way[k]
            if left > a * length:
                _score(at, lost, per_cm, shells)
            for k in range(3):
                at[k] += ((1.0 - a) * length - after) * way[k]
            energy -= lost
            place += 1.0
        _score(at, energy, per_cm, shells)


@kernel
def _score(at: Array, kev: float, per_cm: float, shells: Array) -> None:
    r = math.sqrt(at[0] ** 2 + at[1] ** 2 + at[2] ** 2)
    shells[min(int(r * per_cm), shells.size - 1)] += kev
