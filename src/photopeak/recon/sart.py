"""Algebraic reconstruction: least squares by corrections that are spread back over the rays.

    x ← [ x + λ / (A_k* 1) · A_k*( (y_k − b_k − A_k x) / (A_k 1) ) ]_+

:cite:`andersen1984`. With one projection a subset it is the algebraic technique that began computed
tomography; with all of them in one it is SIRT. It knows nothing of counting noise, so it is stopped early.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float

from photopeak.core import PhotopeakError
from photopeak.physics.physics import Physics
from photopeak.recon.em import parts

Tensor = torch.Tensor


def sart(
    physics: Physics,
    y: Float[Tensor, "angle *rest"],
    iterations: int,
    subsets: int = 1,
    start: Tensor | None = None,
    progress: Callable[[int, Tensor], None] | None = None,
    done: int = 0,
    relax: float = 1.0,
) -> Float[Tensor, "z y x"]:
    """``relax`` is λ, between 0 and 2; ``done`` of the iterations are in ``start`` already."""
    if not 0.0 < relax < 2.0 or iterations < 1:
        raise PhotopeakError(f"relax={relax:g}, {iterations} iterations: give 0 < relax < 2 and at least 1 iteration.")
    taken = parts(physics, y, subsets)
    x = torch.zeros_like(taken[0].sensitivity) if start is None else start.to(y)
    rays = [part.operator(torch.ones_like(x)) for part in taken]
    for i in range(done, iterations):
        for part, length in zip(taken, rays, strict=True):
            missing = part.y - part.background - part.operator(x)
            spread = part.operator.adjoint(torch.where(length > 0, missing / length.clamp_min(1e-12), 0.0))
            step = torch.where(part.sensitivity > 0, spread / part.sensitivity.clamp_min(1e-12), 0.0)
            x = (x + relax * step).clamp_min(0.0)
        if progress is not None:
            progress(i + 1, x)
    return x
