"""Dead time: how a camera's count rate falls behind the true one.

It stands between the mean and the noise: not linear, so outside the operator and its adjoint.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch.nn import functional

from photopeak.core import PhotopeakError

Tensor = torch.Tensor


@dataclass(frozen=True)
class DeadTime:
    """Observed rate m of a true rate n, each event blinding the camera for τ :cite:`knoll2010`.

    Non-paralysable: m = n/(1 + nτ). Paralysable: m = n e^{−nτ}. ``events_per_count`` is how many events of
    any energy the crystal sees for each one in the window, since all of them blind it. ``duration_s`` is how
    long each point was in view. For a scanning camera ``rows_in_view`` is the detector's length in rows:
    the live share of a row is the mean over the positions at which the detector covers it.
    """

    tau_s: float
    duration_s: float
    paralysable: bool = False
    rows_in_view: int | None = None
    events_per_count: float = 1.0

    def __post_init__(self) -> None:
        if self.tau_s < 0 or self.duration_s <= 0 or self.events_per_count < 1:
            raise PhotopeakError("dead time needs τ ≥ 0, a positive duration and at least one event a count.")

    def live(self, rate: Float[Tensor, " ..."]) -> Float[Tensor, " ..."]:
        """The share of events that is counted at a true event rate in 1/s."""
        load = rate * self.tau_s
        return torch.exp(-load) if self.paralysable else 1.0 / (1.0 + load)

    def observed(self, rate: Float[Tensor, " ..."]) -> Float[Tensor, " ..."]:
        """m(n)."""
        return rate * self.live(rate)

    def derivative(self, rate: Float[Tensor, " ..."]) -> Float[Tensor, " ..."]:
        """dm/dn: 1/(1 + nτ)², or (1 − nτ) e^{−nτ}, which turns negative past the paralysable maximum."""
        load = rate * self.tau_s
        return (1.0 - load) * torch.exp(-load) if self.paralysable else 1.0 / (1.0 + load) ** 2

    def __call__(self, mean: Float[Tensor, "*batch row column"]) -> Float[Tensor, "*batch row column"]:
        """Expected counts after dead time; differentiable."""
        per_row = mean.sum(-1) * (self.events_per_count / self.duration_s)
        if self.rows_in_view is None:
            return mean * self.live(per_row.sum(-1))[..., None, None]
        length = self.rows_in_view
        lines = functional.pad(per_row.reshape(-1, 1, per_row.shape[-1]), (length - 1, length - 1))
        rate = functional.avg_pool1d(lines, length, 1) * length
        live = functional.avg_pool1d(self.live(rate), length, 1)
        return mean * live.reshape(*per_row.shape, 1)
