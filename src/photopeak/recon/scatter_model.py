"""Scatter from photons: what an image under reconstruction would itself scatter into the photopeak window.

The image is reconstructed roughly, photons are followed through it and the attenuation map, and what they leave in
the window becomes the background of the next, less rough image. An image made without enough background is too
bright, and so is its scatter: both are scaled so that primary and scatter together are what was counted, and then two
rounds settle it. Only the line that is imaged is followed: scatter of a nuclide's higher lines is not in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float

from photopeak.core import Grid
from photopeak.physics.operator import Operator
from photopeak.physics.physics import Physics
from photopeak.physics.spect import Orbit, SpectCamera
from photopeak.physics.spect_scatter import simulated_scatter
from photopeak.recon.em import osem

Tensor = torch.Tensor
ROUNDS: Final = 2
ROUGH_ITERATIONS: Final = 2
PHOTONS_A_VIEW: Final = 10_000
COARSE_MM: Final = 9.0
SEED: Final = 1


@dataclass(frozen=True, eq=False)
class Scattering:
    """A patient before a camera, for photons; ``camera.window_kev`` is the photopeak's."""

    camera: SpectCamera
    grid: Grid
    orbit: Orbit
    mu: Tensor

    def of(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, "angle row column"]:
        """What an image in Bq/ml scatters into the photopeak window of every projection."""
        coarse = max(1, math.ceil(COARSE_MM / self.grid.spacing_mm["x"]))
        photons = PHOTONS_A_VIEW * len(self.orbit.angles_deg)
        windows = [self.camera.window_kev]
        images = simulated_scatter(self.camera, self.grid, self.orbit, self.mu, x, windows, photons, SEED, coarse)
        first: Tensor = images[0]
        return first


def settled(
    scattering: Scattering, operator: Operator, weights: Tensor, y: Float[Tensor, "angle row column"], subsets: int
) -> Float[Tensor, "angle row column"]:
    """The background that agrees with the image it leaves; ``weights`` turn the camera's counts into ``operator``'s."""
    background: Tensor | float = 0.0
    for _ in range(ROUNDS):
        x = osem(Physics(operator, background), y, ROUGH_ITERATIONS, subsets)
        scatter = weights * scattering.of(x)
        background = scatter * (y.sum() / (operator(x).sum() + scatter.sum()))
    assert isinstance(background, torch.Tensor)
    return background
