"""A tumour in a hemisphere: an ellipsoid with a wavy surface, and in large ones of high grade a dead core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from photopeak.patients.brain.canvas import Canvas
from photopeak.patients.brain.shapes import Points, Waves, ellipsoid
from photopeak.patients.brain.structures import BRAIN

WAVE_MM, WAVELENGTH_MM = 1.6, 24.0
Vector = tuple[float, float, float]
DEEPEST: Final = 9.0  # mm: any distance that is outside


@dataclass(frozen=True)
class Tumour:
    """Where it lies in a head of standard size, its semi-axes, and how much of each its dead core has (0: none)."""

    centre_mm: Vector
    axes_mm: Vector
    core: float
    surface: int


def paint_tumour(canvas: Canvas, tumour: Tumour) -> None:
    """It takes the place of brain alone: skull, fluid and the other structures stay what they are."""
    reach = [a + 3.0 * WAVE_MM + 2.0 * canvas.edge_mm for a in tumour.axes_mm]
    x, y, z = tumour.centre_mm
    box = canvas.box((x - reach[0], y - reach[1], z - reach[2]), (x + reach[0], y + reach[1], z + reach[2]))
    p = canvas.points.at(box)
    waves = Waves.draw(np.random.default_rng(tumour.surface), WAVELENGTH_MM)
    rows = Points(*(np.broadcast_to(v, p.y.shape).ravel() for v in p))
    wavy = np.float32(WAVE_MM) * waves.at(rows).reshape(p.y.shape)
    label = np.where(canvas.share[box] >= 0.5, canvas.upper[box], canvas.lower[box])
    brain = np.isin(label, BRAIN)
    distance = ellipsoid(p, tumour.centre_mm, tumour.axes_mm) + wavy
    canvas.paint("tumour", np.where(brain, distance, np.float32(DEEPEST)), box)
    if tumour.core > 0:
        a, b, c = (tumour.core * v for v in tumour.axes_mm)
        inner = ellipsoid(p, tumour.centre_mm, (a, b, c)) + wavy
        canvas.paint("necrosis", np.where(brain, inner, np.float32(DEEPEST)), box)
