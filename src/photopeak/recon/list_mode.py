"""Expectation maximisation from single coincidences.

Each event k is one bin with one count, and what no event tells stands in the sensitivity, which needs every line of
the scanner:

    x ← x / s · L* [ 1 / (L x + b) ],     s = A* 1,

with L the lines of the events and A those of the whole sinogram :cite:`barrett1997`, :cite:`reader1998`. In ordered
subsets each n-th event takes its turn, and s/n the place of s.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float

from photopeak.core import PhotopeakError
from photopeak.physics.physics import Physics
from photopeak.recon.em import Part, em_update

Tensor = torch.Tensor


def list_mode_em(
    physics: Physics,
    sensitivity: Float[Tensor, "z y x"],
    iterations: int,
    subsets: int = 1,
    start: Tensor | None = None,
    progress: Callable[[int, Tensor], None] | None = None,
) -> Float[Tensor, "z y x"]:
    """``physics`` is of the events (``Weighted(ListOperator(events, grid), attenuation)``, say), ``sensitivity`` is

    the whole scanner's, with the same weights. Differentiable in ``sensitivity`` and ``start``.
    """
    if iterations < 1 or subsets < 1:
        raise PhotopeakError(f"{iterations} iterations of {subsets} subsets do nothing. Remedy: give at least 1.")
    if tuple(sensitivity.shape) != physics.operator.domain.shape:
        raise PhotopeakError(
            f"the sensitivity has shape {tuple(sensitivity.shape)}, the image {physics.operator.domain.shape}."
        )
    if not bool(torch.isfinite(sensitivity).all()) or float(sensitivity.min()) < 0.0:
        raise PhotopeakError("the sensitivity must be finite and at least 0. Remedy: it is the adjoint of ones.")
    taken = [_part(physics, sensitivity / subsets, k, subsets) for k in range(subsets)]
    x = (sensitivity > 0).to(sensitivity) if start is None else start * (sensitivity > 0)
    for i in range(iterations):
        for part in taken:
            x = em_update(part, x)
        if progress is not None:
            progress(i + 1, x)
    return x


def _part(physics: Physics, sensitivity: Tensor, k: int, n: int) -> Part:
    operator = physics.operator.subset(k, n)
    b = physics.background
    background = b[k::n] if isinstance(b, torch.Tensor) and b.ndim else b
    return Part(operator, torch.ones(operator.range.shape).to(sensitivity), background, sensitivity)
