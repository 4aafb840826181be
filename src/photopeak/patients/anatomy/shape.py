"""The shape of one person: a smooth displacement of the textbook skeleton, different on both sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

LONG_MM, LONG_SD_MM = (260.0, 620.0), 3.6
SHORT_MM, SHORT_SD_MM = (85.0, 200.0), 1.5
WAVES = 14
"""Of each length. The strain of a wave is 2π sd/λ, so that lengths and widths of bones vary by some 8 %."""


@dataclass(frozen=True, eq=False)
class Shape:
    """d(p) = Σ aᵢ sin(kᵢ·p + φᵢ): plane waves of displacement over the whole neutral body.

    One field covers both sides, so that it is continuous over the midline and makes left and right differ.
    """

    k_per_mm: Float[np.ndarray, "waves 3"]
    phase: Float[np.ndarray, "waves"]
    amplitude_mm: Float[np.ndarray, "waves 3"]

    def displaced(self, points_mm: Float[np.ndarray, "n 3"], side: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n 3"]:
        """Reference points with their displacement; those of the right (side −1) come and go mirrored to the left."""
        mirror = np.where(side < 0, -1.0, 1.0)
        true = points_mm * np.column_stack([mirror, np.ones((len(mirror), 2))])
        d = np.sin(true @ self.k_per_mm.T + self.phase) @ self.amplitude_mm
        return np.asarray(points_mm + d * np.column_stack([mirror, np.ones((len(mirror), 2))]))


NO_SHAPE = Shape(np.zeros((0, 3)), np.zeros(0), np.zeros((0, 3)))


def draw_shape(seed: int | None) -> Shape:
    """Waves in all directions, long ones that bend and short ones that make each bone its own; None is the textbook."""
    if seed is None:
        return NO_SHAPE
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 1])))
    length = np.concatenate([rng.uniform(*LONG_MM, WAVES), rng.uniform(*SHORT_MM, WAVES)])
    sd = np.repeat([LONG_SD_MM, SHORT_SD_MM], WAVES) * np.sqrt(2.0 / WAVES)
    direction = rng.standard_normal((2 * WAVES, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    amplitude = sd[:, None] * np.clip(rng.standard_normal((2 * WAVES, 3)), -2.5, 2.5)
    return Shape(2 * np.pi * direction / length[:, None], rng.uniform(0, 2 * np.pi, 2 * WAVES), amplitude)
