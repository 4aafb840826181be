"""What is expected of an image before it is measured: energies U(x), low where neighbours agree.

Every prior but total variation is a sum over pairs of neighbours,

    U(x) = Σ_{j<k} w_jk ψ(x_j, x_k),

over the 26 voxels around each one, with w_jk one over their distance. With d = x_j − x_k, ψ is

    quadratic            d²/2
    huber                d²/2 for |d| ≤ δ, δ|d| − δ²/2 beyond
    relative difference  d² / (x_j + x_k + γ|d| + ε)                    :cite:`nuyts2002`

Bowsher's prior lets a voxel look only at those of its neighbours that are most like it in an anatomical
image, with any of these ψ :cite:`bowsher2004`. Smoothed total variation is Σ_j √(|∇x|² + ε²)
:cite:`rudin1992`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import torch
from jaxtyping import Float

from photopeak.core import PhotopeakError

Tensor = torch.Tensor
Shift = tuple[int, int, int]

#: One of each pair of opposite neighbours.
SHIFTS: Final[tuple[Shift, ...]] = tuple(
    (z, y, x) for z, y, x in itertools.product((-1, 0, 1), repeat=3) if (z, y, x) > (0, 0, 0)
)
POTENTIALS: Final = ("quadratic", "huber", "relative")


@runtime_checkable
class Prior(Protocol):
    """An energy, its gradient, and a bound on its curvature along each voxel."""

    def energy(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, ""]: ...

    def gradient(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, "z y x"]: ...


@dataclass(frozen=True, eq=False)
class Pairwise:
    """A sum over pairs of neighbours.

    ``edge`` is δ of huber in the image's unit, or γ of the relative difference. ``weights`` (shift, z, y, x)
    multiply the pair of a voxel and its neighbour at each of ``SHIFTS``.
    """

    potential: str = "relative"
    edge: float = 2.0
    weights: Tensor | None = None

    def __post_init__(self) -> None:
        if self.potential not in POTENTIALS:
            raise PhotopeakError(f"unknown potential {self.potential!r}. Remedy: use {', '.join(POTENTIALS)}.")
        if not self.edge > 0 or not math.isfinite(self.edge):
            raise PhotopeakError(f"the edge of a prior is above 0, not {self.edge}.")

    def energy(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, ""]:
        total = x.new_zeros(())
        for w, a, b in self._pairs(x):
            total = total + (w * self._psi(a, b)).sum()
        return total

    def gradient(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, "z y x"]:
        out = torch.zeros_like(x)
        for (w, a, b), shift in zip(self._pairs(x), SHIFTS, strict=True):
            toward_a, toward_b = self._slopes(a, b)
            here, there = _ends(shift, x.shape)
            out[here] += w * toward_a
            out[there] += w * toward_b
        return out

    def _pairs(self, x: Tensor) -> Iterator[tuple[Tensor | float, Tensor, Tensor]]:
        for i, shift in enumerate(SHIFTS):
            here, there = _ends(shift, x.shape)
            w: Tensor | float = 1.0 / math.hypot(*shift)
            if self.weights is not None:
                w = w * self.weights[i][here]
            yield w, x[here], x[there]

    def _psi(self, a: Tensor, b: Tensor) -> Tensor:
        d = a - b
        if self.potential == "quadratic":
            return 0.5 * d * d
        size = d.abs()
        if self.potential == "huber":
            return torch.where(size <= self.edge, 0.5 * d * d, self.edge * (size - 0.5 * self.edge))
        return d * d / (a + b + self.edge * size + _floor(a))

    def _slopes(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """∂ψ/∂a and ∂ψ/∂b."""
        d = a - b
        if self.potential == "quadratic":
            return d, -d
        if self.potential == "huber":
            slope = d.clamp(-self.edge, self.edge)
            return slope, -slope
        size = d.abs()
        below = a + b + self.edge * size + _floor(a)
        common = d * (2.0 * (a + b + _floor(a)) + self.edge * size) / below**2
        share = (d / below) ** 2
        return common - share, -common - share


@dataclass(frozen=True)
class TotalVariation:
    """Σ √(|∇x|² + ε²), with forward differences; ``smooth`` is ε in the image's unit."""

    smooth: float = 1e-2

    def energy(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, ""]:
        return torch.sqrt(torch.stack(_forward(x)).square().sum(0) + self.smooth**2).sum()

    def gradient(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, "z y x"]:
        steps = _forward(x)
        length = torch.sqrt(torch.stack(steps).square().sum(0) + self.smooth**2)
        out = torch.zeros_like(x)
        for axis, d in enumerate(steps):
            flow = d / length
            out = out - flow + flow.roll(1, axis)
        return out


def bowsher(
    anatomy: Float[Tensor, "z y x"],
    neighbours: int = 7,
    potential: str = "relative",
    edge: float = 2.0,
) -> Pairwise:
    """A prior in which each voxel looks at the ``neighbours`` of its 26 that are most like it in ``anatomy``.

    A pair in which both choose each other counts twice as much as one in which only one does: the sum over
    voxels of each one's own choice.
    """
    if not 1 <= neighbours <= 2 * len(SHIFTS):
        raise PhotopeakError(f"a voxel has 1 to 26 neighbours to choose from, not {neighbours}.")
    shifts = (*SHIFTS, *((-z, -y, -x) for z, y, x in SHIFTS))
    unlike = torch.full((len(shifts), *anatomy.shape), torch.inf)
    for i, shift in enumerate(shifts):
        here, there = _ends(shift, anatomy.shape)
        unlike[i][here] = (anatomy[here] - anatomy[there]).abs().float().cpu()
    # Ties go to the nearer neighbour, so that a flat region stays isotropic.
    near = torch.tensor([math.hypot(*s) for s in shifts])[:, None, None, None]
    order = torch.argsort(unlike + 1e-6 * near * anatomy.std().cpu().clamp_min(1e-6), dim=0)
    chosen = torch.zeros_like(unlike, dtype=torch.bool).scatter_(0, order[:neighbours], True) & unlike.isfinite()
    weights = torch.zeros((len(SHIFTS), *anatomy.shape))
    for i, shift in enumerate(SHIFTS):
        here, there = _ends(shift, anatomy.shape)
        weights[i][here] = chosen[i][here].float() + chosen[i + len(SHIFTS)][there].float()
    return Pairwise(potential, edge, weights.to(anatomy.device))


def _forward(x: Tensor) -> list[Tensor]:
    """x_{k+1} − x_k along each axis, 0 at the end."""
    return [torch.diff(x, dim=k, append=x.narrow(k, x.shape[k] - 1, 1)) for k in range(3)]


def _floor(a: Tensor) -> float:
    """ε that keeps 0/0 out of the relative difference."""
    return 1e-9 if a.dtype == torch.float64 else 1e-6


def _ends(shift: Shift, shape: torch.Size) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where pairs begin and where they end, inside the volume."""
    here = tuple(slice(max(0, -s), n - max(0, s)) for s, n in zip(shift, shape, strict=True))
    there = tuple(slice(max(0, s), n - max(0, -s)) for s, n in zip(shift, shape, strict=True))
    return here, there
