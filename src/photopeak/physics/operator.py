"""Linear operators between grids, with their adjoints, and gradients through them.

An Operator is what a measurement does to a distribution before noise: y = A x. Tensors in, tensors out,
on any device; leading batch dimensions are carried along. ``A @ B`` is one after the other, ``A.H`` the
adjoint, ``A.subset(k, n)`` the k-th of n parts of the range, for methods that take them in turn.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float

from photopeak.core import Grid, PhotopeakError

Tensor = torch.Tensor


class Operator(ABC):
    """A linear map from ``domain`` to ``range``.

    A new operator writes ``apply`` and ``apply_adjoint`` for one sample, shaped exactly as its grids; batch
    dimensions, shape checks and gradients come with this base. ⟨A x, y⟩ = ⟨x, A* y⟩ must hold
    (``photopeak.core.contracts.check_operator``).
    """

    domain: Grid
    range: Grid

    @abstractmethod
    def apply(self, x: Float[Tensor, "*domain"]) -> Float[Tensor, "*range"]:
        """A x for one sample."""

    @abstractmethod
    def apply_adjoint(self, y: Float[Tensor, "*range"]) -> Float[Tensor, "*domain"]:
        """A* y for one sample."""

    def __call__(self, x: Float[Tensor, "*batch_domain"]) -> Float[Tensor, "*batch_range"]:
        _check(self, x, self.domain, "domain")
        result: Tensor = _Linear.apply(x, self, False)  # type: ignore[no-untyped-call]
        return result

    def adjoint(self, y: Float[Tensor, "*batch_range"]) -> Float[Tensor, "*batch_domain"]:
        _check(self, y, self.range, "range")
        result: Tensor = _Linear.apply(y, self, True)  # type: ignore[no-untyped-call]
        return result

    @property
    def H(self) -> Operator:
        return Adjoint(self)

    def __matmul__(self, other: Operator) -> Operator:
        return Composition(self, other)

    def subset(self, k: int, n: int) -> Operator:
        """The k-th of n interleaved parts of the range; the whole where n = 1."""
        if n == 1 and k == 0:
            return self
        raise PhotopeakError(
            f"{type(self).__name__} cannot be split into {n} subsets. Remedy: use one subset, which is the whole."
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.domain.shape} → {self.range.shape})"


class Adjoint(Operator):
    """A* as an operator of its own."""

    def __init__(self, of: Operator) -> None:
        self.of, self.domain, self.range = of, of.range, of.domain

    def apply(self, x: Tensor) -> Tensor:
        return self.of.apply_adjoint(x)

    def apply_adjoint(self, y: Tensor) -> Tensor:
        return self.of.apply(y)

    @property
    def H(self) -> Operator:
        return self.of


class Composition(Operator):
    """(A B) x = A (B x)."""

    def __init__(self, outer: Operator, inner: Operator) -> None:
        if outer.domain.shape != inner.range.shape:
            raise PhotopeakError(
                f"{inner!r} gives {inner.range.shape}, but {outer!r} takes {outer.domain.shape}. "
                "Remedy: compose operators whose grids meet."
            )
        self.outer, self.inner, self.domain, self.range = outer, inner, inner.domain, outer.range

    def apply(self, x: Tensor) -> Tensor:
        return self.outer.apply(self.inner.apply(x))

    def apply_adjoint(self, y: Tensor) -> Tensor:
        return self.inner.apply_adjoint(self.outer.apply_adjoint(y))

    def subset(self, k: int, n: int) -> Operator:
        return Composition(self.outer.subset(k, n), self.inner)


class Weighted(Operator):
    """(W A) x with weights on the range: decay and duration of a projection, efficiency, pixels that do not count.

    ``weights`` broadcasts to the range; its first axis has the range's length, or 1 where all are alike.
    """

    def __init__(self, of: Operator, weights: Tensor) -> None:
        shape = of.range.shape
        if weights.ndim != len(shape) or any(w not in (1, n) for w, n in zip(weights.shape, shape, strict=True)):
            raise PhotopeakError(f"{of!r}: weights of shape {tuple(weights.shape)} do not broadcast to {shape}.")
        self.of, self.weights, self.domain, self.range = of, weights, of.domain, of.range

    def apply(self, x: Tensor) -> Tensor:
        return self.of.apply(x) * self.weights.to(x)

    def apply_adjoint(self, y: Tensor) -> Tensor:
        return self.of.apply_adjoint(y * self.weights.to(y))

    def subset(self, k: int, n: int) -> Operator:
        return Weighted(self.of.subset(k, n), self.weights[k::n] if len(self.weights) > 1 else self.weights)


class _Linear(torch.autograd.Function):
    """Applies an operator to every sample of a batch; the gradient of A is A*."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, operator: Operator, transposed: bool) -> Tensor:
        ctx.operator, ctx.transposed = operator, transposed
        source, target = operator.domain, operator.range
        if transposed:
            source, target = target, source
        batch = x.shape[: x.ndim - len(source.shape)]
        singles = x.detach().reshape(-1, *source.shape)
        samples = [operator.apply_adjoint(s) if transposed else operator.apply(s) for s in singles]
        if not samples:
            return x.new_zeros((*batch, *target.shape))
        return torch.stack(samples).reshape(*batch, *target.shape)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        result: Tensor = _Linear.apply(grads[0].contiguous(), ctx.operator, not ctx.transposed)  # type: ignore[no-untyped-call]
        return result, None, None


def _check(operator: Operator, x: Tensor, grid: Grid, which: str) -> None:
    if x.shape[x.ndim - len(grid.shape) :] != grid.shape:
        raise PhotopeakError(
            f"{operator!r} got a tensor of shape {tuple(x.shape)}; its {which} has the axes {grid.names} of "
            f"sizes {grid.shape}. Remedy: put batch dimensions first and these last."
        )
