"""Penalised likelihood: images that fit the counts and please a prior.

    x = argmax_{x ≥ 0}  L(y | x) − β U(x)

- ``osl``, one step late: EM with the prior's gradient at the last image in the denominator,
  x ← x / (A_k* 1 + β/n ∇U(x)) · A_k*[y_k / (A_k x + b_k)] :cite:`green1990`. Fast; need not converge.
- ``bsrem``: preconditioned subset ascent with steps that fade, which converges to the maximum
  :cite:`ahn2003`:  x ← [x + α_i D (n ∇L_k(x) − β ∇U(x))]_+,  D = (x + ε) / A* 1,  α_i = α / (1 + ζ i).
- ``svrg``: the same ascent with the noise of the subsets taken out by a full gradient kept at an anchor,
  so that the step need not fade; it stops by itself :cite:`twyman2023`.

``done`` of the iterations are in ``start`` already: a run that was cut goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float

from photopeak.core import PhotopeakError
from photopeak.physics.physics import Physics
from photopeak.recon.em import Part, em_gain, osem, parts
from photopeak.recon.priors import Prior

Tensor = torch.Tensor
Watch = Callable[[int, Tensor], None]
LEAST = 0.1
"""What a prior leaves at least of the denominator, which it could otherwise turn negative where little is counted."""
BEARABLE = 0.02
"""The share of the activity for which that may be needed."""


def osl(
    physics: Physics,
    y: Float[Tensor, "angle *rest"],
    prior: Prior,
    beta: float,
    iterations: int,
    subsets: int = 1,
    start: Tensor | None = None,
    progress: Watch | None = None,
    done: int = 0,
) -> Float[Tensor, "z y x"]:
    """MAP by one step late; ``beta`` weighs the prior. A β that is too strong for the method is refused."""
    _check(beta, iterations)
    taken = parts(physics, y, subsets)
    x = _first(taken, y, start)
    for i in range(done, iterations):
        for part in taken:
            below = part.sensitivity + beta / subsets * prior.gradient(x)
            least = LEAST * part.sensitivity
            if float(x[below < least].sum()) > BEARABLE * float(x.sum()):
                raise PhotopeakError(
                    f"one step late with beta={beta:g} would divide by next to nothing or less. "
                    "Remedy: use a smaller beta, or bsrem, which has no such limit."
                )
            below = torch.maximum(below, least).clamp_min(torch.finfo(x.dtype).tiny)
            updated = x * em_gain(part, x) / below
            x = torch.where(part.sensitivity > 0, updated, x)
        if progress is not None:
            progress(i + 1, x)
    return x


def bsrem(
    physics: Physics,
    y: Float[Tensor, "angle *rest"],
    prior: Prior,
    beta: float,
    iterations: int,
    subsets: int = 1,
    start: Tensor | None = None,
    progress: Watch | None = None,
    done: int = 0,
    step: float = 1.0,
    fade: float = 0.1,
) -> Float[Tensor, "z y x"]:
    """Block-sequential regularised EM: α = ``step``, ζ = ``fade``. Starts from one pass of OSEM."""
    _check(beta, iterations)
    taken = parts(physics, y, subsets)
    x = osem(physics, y, 1, subsets) if start is None else _first(taken, y, start)
    whole = _sensitivity(taken)
    for i in range(done, iterations):
        rate = step / (1.0 + fade * i)
        for part in taken:
            uphill = subsets * (em_gain(part, x) - part.sensitivity) - beta * prior.gradient(x)
            x = _climb(x, uphill, whole, rate)
        if progress is not None:
            progress(i + 1, x)
    return x


def svrg(
    physics: Physics,
    y: Float[Tensor, "angle *rest"],
    prior: Prior,
    beta: float,
    iterations: int,
    subsets: int = 1,
    start: Tensor | None = None,
    progress: Watch | None = None,
    done: int = 0,
    step: float = 0.5,
    anchor_every: int = 2,
    tolerance: float = 1e-4,
) -> Float[Tensor, "z y x"]:
    """Variance-reduced ascent; it ends when an iteration moves the image by less than ``tolerance`` of its norm.

    A run that goes on takes a new anchor at once, so that its image is near the uncut one's and not equal to it.
    """
    _check(beta, iterations)
    taken = parts(physics, y, subsets)
    x = osem(physics, y, 1, subsets) if start is None else _first(taken, y, start)
    whole = _sensitivity(taken)
    kept: list[Tensor] = []
    for i in range(done, iterations):
        before = x
        if i == done or i % anchor_every == 0:
            kept = [em_gain(part, x) for part in taken]
            mean = torch.stack(kept).sum(0)
        for k, part in enumerate(taken):
            likelihood = subsets * (em_gain(part, x) - kept[k]) + mean - whole
            x = _climb(x, likelihood - beta * prior.gradient(x), whole, step)
        if progress is not None:
            progress(i + 1, x)
        if float((x - before).norm()) <= tolerance * float(x.norm()):
            break
    return x


def _climb(x: Tensor, uphill: Tensor, whole: Tensor, rate: float) -> Tensor:
    """One preconditioned step that stays at or above 0. ε lets voxels leave 0 again."""
    floor = 1e-3 * x.mean()
    scale = torch.where(whole > 0, (x + floor) / whole.clamp_min(torch.finfo(x.dtype).tiny), 0.0)
    return (x + rate * scale * uphill).clamp_min(0.0)


def _sensitivity(taken: Sequence[Part]) -> Tensor:
    total = taken[0].sensitivity
    for part in taken[1:]:  # one after the other: a stack would be as many volumes at once
        total = total + part.sensitivity
    return total


def _first(taken: Sequence[Part], y: Tensor, start: Tensor | None) -> Tensor:
    seen = _sensitivity(taken) > 0
    return seen.to(y) if start is None else start.to(y) * seen


def _check(beta: float, iterations: int) -> None:
    if beta < 0 or iterations < 1:
        raise PhotopeakError(f"beta={beta:g} and {iterations} iterations: give beta of at least 0 and 1 iteration.")
