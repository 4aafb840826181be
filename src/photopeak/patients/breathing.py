"""Breathing: organs under and above the diaphragm go up and down, ribs, spine and the body's wall stay.

At a phase φ of the cycle an organ's point at the height z lies below where it is after a breath out by

    s(φ) = b w(z) cos⁴(πφ)                                                                           :cite:`lujan1999`

with the amplitude b at the dome of the liver, and w = 1 from the dome to the lower end of the liver, falling to 0 at
the top of the lungs and 12 cm below the liver. Tumours of lower lobes were seen to go 12 mm and those of upper ones
2 mm :cite:`seppenwoolde2002`. The body as painted is where it is on average; the CT was taken at one moment. After a
breath in, the dome of the CT lies lower than that of the emission, which is then corrected there for lung: too little
:cite:`osman2003`.

Organs slide along what stays; where soft tissue lies between organs, it stays too. No rib is raised.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, Float, Float32

from photopeak.patients.body import Body
from photopeak.patients.lesions import is_bone

CtBreath = Literal["mixed", "free", "in"]
PHASES: Final = 6
DEPTH_SPREAD: Final = 0.3
"""Of ln b between people; a judgement."""
INSPIRED: Final = 0.25
"""Share of patients whose CT caught a breath in, where that is not set; a judgement."""
DEEPER: Final = (1.2, 2.0)
"""How far a breath in for a CT goes, relative to a quiet one; a judgement."""
BELOW_MM, FILL_MM = 120.0, 8.0
STILL: Final = ("", "soft tissue", "fat", "brain", "bladder", "genitals", "testis", "thyroid", "vessels")
#: mean of cos⁴
MEAN: Final = 0.375
Volume = Float32[np.ndarray, "z y x"]


@dataclass(frozen=True)
class Breath:
    """Amplitude at the dome (mm), and how far below its mean the dome lay when the CT was taken (mm)."""

    amplitude_mm: float
    ct_below_mm: float


def draw_breath(usual_mm: float, ct: CtBreath, rng: np.random.Generator) -> Breath:
    """One person's breathing; ``usual_mm`` 0: none, and the CT fits."""
    deep = usual_mm * float(np.exp(DEPTH_SPREAD * np.clip(rng.standard_normal(), -2.0, 2.0)))
    chance, phase, further = rng.random(), rng.random(), float(rng.uniform(*DEEPER))
    inspired = ct == "in" or (ct == "mixed" and chance < INSPIRED)
    moment = further if inspired else float(np.cos(np.pi * phase)) ** 4
    return Breath(round(deep, 2), round(deep * (moment - MEAN), 2))


@dataclass(frozen=True, eq=False)
class Moved:
    """A body that breathes: what is painted in it as it is on average over the cycle, and as the CT found it."""

    body: Body
    breath: Breath

    def on_average(self, values: Volume) -> Volume:
        """The mean over the cycle."""
        phases = (np.arange(PHASES) + 0.5) / PHASES / 2.0  # the second half of the cycle repeats the first backwards
        return self._lowered(values, self.breath.amplitude_mm * (np.cos(np.pi * phases) ** 4 - MEAN))

    def in_ct(self, values: Volume) -> Volume:
        """At the moment of the CT."""
        return self._lowered(values, np.array([self.breath.ct_below_mm]))

    @cached_property
    def moves(self) -> Bool[np.ndarray, "z y x"]:
        """Whose voxels breathe."""
        still = [n in STILL or is_bone(n) for n in self.body.names]
        return np.asarray(~np.array([*still, *([True] * (256 - len(still)))])[self.body.label])

    @cached_property
    def share(self) -> Float[np.ndarray, " z"]:
        """w of every slice."""
        (low, dome), (_, top) = self._rows("liver"), self._rows("left lung")
        z = np.arange(len(self.body.label), dtype=np.float64)
        upwards = np.clip((top - z) / (top - dome), 0.0, 1.0)
        return np.minimum(upwards, np.clip(1.0 - (low - z) * self.body.voxel_mm / BELOW_MM, 0.0, 1.0))

    def _rows(self, name: str) -> tuple[int, int]:
        rows = np.flatnonzero((self.body.label == self.body.names.index(name)).any((1, 2)))
        return int(rows[0]), int(rows[-1])

    def _lowered(self, values: Volume, by_mm: Float[np.ndarray, " moment"]) -> Volume:
        """The mean over moments at which what breathes lies ``by_mm`` times its share further down."""
        if not by_mm.any():
            return values
        first, last = np.flatnonzero(self.share)[[0, -1]]
        rows = slice(int(first), int(last) + 1)
        organs, share, moves = self._organs(values[rows], self.moves[rows]), self.share[rows], self.moves[rows]
        total = np.zeros_like(organs)
        for each in by_mm / self.body.voxel_mm:
            at = np.clip(np.arange(len(share)) + each * share, 0.0, len(share) - 1.0)
            below = np.minimum(at.astype(np.int64), len(share) - 2)
            part = (at - below).astype(np.float32)[:, None, None]
            total += organs[below] + part * (organs[below + 1] - organs[below])
        out = values.copy()
        out[rows][moves] = total[moves] / np.float32(len(by_mm))
        return out

    def _organs(self, values: Volume, moves: Bool[np.ndarray, "z y x"]) -> Volume:
        """What breathes, and behind what stays the mean of its neighbours, so that no rib is drawn out."""
        from scipy.ndimage import gaussian_filter

        sigma = FILL_MM / self.body.voxel_mm
        near = gaussian_filter(moves.astype(np.float32), sigma)
        mean = gaussian_filter(np.where(moves, values, np.float32(0)), sigma) / np.maximum(near, np.float32(1e-6))
        return np.where(moves, values, np.where(near > 1e-3, mean, values))
