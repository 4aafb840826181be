"""Physics: operator, background, count rate and noise as one object, for simulating and for inferring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float

from photopeak.physics.noise import Noise, Poisson
from photopeak.physics.operator import Operator

Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class Physics:
    """y ~ noise( count_rate( A x + b ) ).

    Built for one patient, never changed. ``background`` b is what is measured without x (scatter known
    beforehand, randoms), a number or a tensor on the operator's range; ``count_rate`` the camera's
    response to high rates, or None.
    """

    operator: Operator
    background: Tensor | float = 0.0
    count_rate: Callable[[Tensor], Tensor] | None = None
    noise: Noise = field(default_factory=Poisson)

    def mean(self, x: Float[Tensor, " ..."]) -> Float[Tensor, " ..."]:
        """The expected measurement of x."""
        linear = self.operator(x) + self.background
        return linear if self.count_rate is None else self.count_rate(linear)

    def sample(self, x: Float[Tensor, " ..."], rng: np.random.Generator) -> Float[Tensor, " ..."]:
        """One measurement of x."""
        return self.noise.sample(self.mean(x), rng)

    def nll(self, x: Float[Tensor, " ..."], y: Float[Tensor, " ..."]) -> Float[Tensor, ""]:
        """Negative log-likelihood of x given the measurement y, up to a constant; differentiable in x."""
        return self.noise.nll(self.mean(x), y)
