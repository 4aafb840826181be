"""Maximum likelihood by expectation maximisation, whole and in ordered subsets.

With y ~ Poisson(A x + b), one pass over subset k is

    x ← x / (A_k* 1) · A_k* [ y_k / (A_k x + b_k) ]

:cite:`shepp1982`, :cite:`hudson1994`. With one subset the likelihood never falls; with several it rises about
that many times faster at first and ends in a cycle near the maximum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float

from photopeak.core import PhotopeakError
from photopeak.physics.operator import Operator
from photopeak.physics.physics import Physics

Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class Part:
    """One subset: its operator, what was measured there, its background, and A_k* 1."""

    operator: Operator
    y: Tensor
    background: Tensor | float
    sensitivity: Tensor


def parts(physics: Physics, y: Float[Tensor, "angle *rest"], subsets: int) -> list[Part]:
    """The measurement in ``subsets`` interleaved parts, refused where it cannot be a Poisson measurement."""
    if physics.count_rate is not None:
        raise PhotopeakError("EM assumes a linear camera. Remedy: correct the counts for dead time first.")
    if tuple(y.shape) != physics.operator.range.shape:
        raise PhotopeakError(
            f"y has shape {tuple(y.shape)}; {physics.operator!r} gives another. Remedy: check the orbit."
        )
    counts = y.detach()
    if not bool(torch.isfinite(counts).all()) or float(counts.min()) < 0.0:
        raise PhotopeakError("projections must be finite counts of at least 0. Remedy: give them before any filter.")
    if float(counts.max()) == 0.0:
        raise PhotopeakError("all projections are empty: there is nothing to reconstruct.")
    found = []
    for k in range(subsets):
        operator = physics.operator.subset(k, subsets)
        b = physics.background
        background = b[k::subsets] if isinstance(b, torch.Tensor) and b.ndim else b
        found.append(Part(operator, y[k::subsets], background, operator.adjoint(torch.ones_like(y[k::subsets]))))
    return found


def osem(
    physics: Physics,
    y: Float[Tensor, "angle *rest"],
    iterations: int,
    subsets: int = 1,
    start: Tensor | None = None,
    progress: Callable[[int, Tensor], None] | None = None,
    done: int = 0,
) -> Float[Tensor, "z y x"]:
    """``iterations`` passes over all ``subsets``, from a uniform image or from ``start``, which has ``done`` of them.

    ``progress(i, x)`` is called after every pass. Differentiable in ``y`` and ``start``. Voxels that no
    projection sees stay 0.
    """
    if iterations < 1 or subsets < 1:
        raise PhotopeakError(f"{iterations} iterations of {subsets} subsets do nothing. Remedy: give at least 1.")
    taken = parts(physics, y, subsets)
    seen = taken[0].sensitivity > 0
    for part in taken[1:]:
        seen = seen | (part.sensitivity > 0)
    x = seen.to(y) if start is None else start.to(y) * seen
    for i in range(done, iterations):
        for part in taken:
            x = em_update(part, x)
        if progress is not None:
            progress(i + 1, x)
    return x


def mlem(
    physics: Physics,
    y: Float[Tensor, "angle *rest"],
    iterations: int,
    start: Tensor | None = None,
    progress: Callable[[int, Tensor], None] | None = None,
) -> Float[Tensor, "z y x"]:
    """``osem`` with one subset: every iteration raises the likelihood."""
    return osem(physics, y, iterations, 1, start, progress)


def em_update(part: Part, x: Float[Tensor, "z y x"]) -> Float[Tensor, "z y x"]:
    """One update; the layer an unrolled network repeats. A voxel that the subset does not see is left alone."""
    gain = em_gain(part, x) / part.sensitivity.clamp_min(torch.finfo(x.dtype).tiny)
    return torch.where(part.sensitivity > 0, x * gain, x)


def em_gain(part: Part, x: Float[Tensor, "z y x"]) -> Float[Tensor, "z y x"]:
    """A_k* [ y_k / (A_k x + b_k) ], which is A_k* 1 where the image explains the counts."""
    mean = part.operator(x) + part.background
    # Where nothing is expected, every voxel on the ray is 0 already: the ratio cannot matter, but must be finite.
    ratio = torch.where(mean > 0, part.y / mean.clamp_min(torch.finfo(mean.dtype).tiny), 0.0)
    return part.operator.adjoint(ratio)
