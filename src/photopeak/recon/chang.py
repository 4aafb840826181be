"""First-order attenuation correction of an image that was made without one.

    C(r) = 1 / mean_θ exp(−∫_r^head μ)

:cite:`chang1978`. It is exact for a point and a fair approximation for extended activity.
"""

from __future__ import annotations

import torch
from jaxtyping import Float

from photopeak.physics.spect import SpectCamera
from photopeak.physics.spect_operator import SpectOperator, spect_operator

Tensor = torch.Tensor


def chang(operator: SpectOperator) -> Float[Tensor, "z y x"]:
    """The factor for every voxel; 1 where the operator knows no attenuation."""
    scene = operator.scene
    if scene.mu is None:
        return torch.ones(scene.grid.shape)
    ones = torch.ones(operator.range.shape)
    ideal = SpectCamera(collimator=None)
    clear = spect_operator(ideal, scene.grid, scene.orbit, None, "auto").adjoint(ones)
    dimmed = spect_operator(ideal, scene.grid, scene.orbit, scene.mu, "auto").adjoint(ones)
    return torch.where(dimmed > 0, clear / dimmed.clamp_min(1e-12), 1.0)
