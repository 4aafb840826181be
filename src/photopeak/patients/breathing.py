"""Breathing: organs under and above the diaphragm go up and down, ribs and spine stay.

At a phase φ of the cycle a point lies

    s(φ) = b w(z) m,    s above its place at the end of a breath out: −b w m cos⁴(πφ) :cite:`lujan1999`,

with the amplitude b at the dome of the liver, m = 1 in the organs that move, fading to 0 over a centimetre towards
bones and the body's wall, and w = 1 from the dome to the lower end of the liver, falling to 0 at the top of the lungs
and 12 cm below the liver. Tumours of lower lobes were seen to go 12 mm and those of upper ones 2 mm
:cite:`seppenwoolde2002`. The body as painted is where it is on average; the CT was taken at one moment. After a breath
in, the dome of the CT lies lower than that of the emission, which is then corrected there for lung: too little
:cite:`osman2003`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np
from jaxtyping import Float32

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
FADE_MM, BELOW_MM = 10.0, 120.0
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
        if self.breath.amplitude_mm == 0.0:
            return values
        phases = (np.arange(PHASES) + 0.5) / PHASES / 2.0  # the second half of the cycle repeats the first backwards
        lower = self.breath.amplitude_mm * (np.cos(np.pi * phases) ** 4 - MEAN)
        total = np.zeros_like(values)
        for each in lower:
            total += self._lowered(values, float(each))
        return np.asarray(total / np.float32(PHASES))

    def in_ct(self, values: Volume) -> Volume:
        """At the moment of the CT."""
        return self._lowered(values, self.breath.ct_below_mm)

    @cached_property
    def share(self) -> Volume:
        """w · m of every voxel."""
        from scipy.ndimage import gaussian_filter

        body = self.body
        still = [n in STILL or is_bone(n) for n in body.names]
        moves = ~np.array([*still, *([True] * (256 - len(still)))])[body.label]
        fading = gaussian_filter(moves.astype(np.float32), FADE_MM / body.voxel_mm / 2.0)
        rows = {n: self._rows(n) for n in ("liver", "left lung")}
        (low, dome), (_, top) = rows["liver"], rows["left lung"]
        z = np.arange(len(body.label), dtype=np.float32)
        upwards = np.clip((top - z) / (top - dome), 0.0, 1.0)
        downwards = np.clip(1.0 - (low - z) * body.voxel_mm / BELOW_MM, 0.0, 1.0)
        fading = np.clip(2.0 * fading - 1.0, 0.0, 1.0)  # 0 where what stays begins
        return np.asarray(fading * np.minimum(upwards, downwards)[:, None, None], np.float32)

    def _rows(self, name: str) -> tuple[int, int]:
        rows = np.flatnonzero((self.body.label == self.body.names.index(name)).any((1, 2)))
        return int(rows[0]), int(rows[-1])

    def _lowered(self, values: Volume, by_mm: float) -> Volume:
        """Everything ``by_mm`` times its share further down; straight lines between slices."""
        if by_mm == 0.0:
            return values
        first, last = np.flatnonzero(self.share.any((1, 2)))[[0, -1]]
        rows = slice(int(first), int(last) + 1)
        there, slices = values[rows], int(last - first) + 1
        at = np.arange(slices, dtype=np.float32)[:, None, None]
        at = np.clip(at + np.float32(by_mm / self.body.voxel_mm) * self.share[rows], 0.0, slices - 1.0)
        below = np.minimum(at.astype(np.int64), slices - 2)
        low, high = (np.take_along_axis(there, k, 0) for k in (below, below + 1))
        out = values.copy()
        out[rows] = low + (at - below).astype(np.float32) * (high - low)
        return out
