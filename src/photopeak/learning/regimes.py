"""Regimes: how a network is taught. The loop (``fit``) is one; only what happens between its steps differs.

optimisers(networks, learning_rate)   a name and an optimiser for each turn
steps(networks, batch, rng)           yields (optimiser's name, loss); ``fit`` goes backward and steps between
                                      two yields, so that a turn sees what the turn before has changed
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import nn
from torch.nn import functional

from photopeak.learning.plan import Batch

Networks = Mapping[str, nn.Module]
Loss = Callable[[nn.Module, Batch], torch.Tensor]
Optimisers = dict[str, torch.optim.Optimizer]


@runtime_checkable
class Regime(Protocol):
    """What ``fit`` needs of a regime."""

    def optimisers(self, networks: Networks, learning_rate: float) -> Optimisers: ...

    def steps(self, networks: Networks, batch: Batch, rng: torch.Generator) -> Iterator[tuple[str, torch.Tensor]]: ...


@dataclass(frozen=True)
class Supervised:
    """One network, one loss: ``loss(network, batch)``."""

    loss: Loss
    weight_decay: float = 0.0

    def optimisers(self, networks: Networks, learning_rate: float) -> Optimisers:
        (network,) = networks.values()
        adam = torch.optim.AdamW if self.weight_decay else torch.optim.Adam
        weights = network.parameters()
        # Fused: one pass over the weights; dSPIC's fully connected layers make that a quarter of a step's time.
        return {"network": adam(weights, lr=learning_rate, weight_decay=self.weight_decay, fused=True)}

    def steps(
        self,
        networks: Networks,
        batch: Batch,
        rng: torch.Generator,  # noqa: ARG002  (the protocol's)
    ) -> Iterator[tuple[str, torch.Tensor]]:
        (network,) = networks.values()
        yield "network", self.loss(network, batch)


@dataclass(frozen=True)
class Adversarial:
    """A generator g against a discriminator d, in turns :cite:`goodfellow2014`.

        L_d = −log d(x) − log(1 − d(g(z))),    L_g = −log d(g(z))

    with x the batch's ``images`` and z drawn from a normal distribution of ``latent`` dimensions.
    """

    latent: int
    betas: tuple[float, float] = (0.5, 0.999)

    def optimisers(self, networks: Networks, learning_rate: float) -> Optimisers:
        return {
            name: torch.optim.Adam(networks[name].parameters(), lr=learning_rate, betas=self.betas)
            for name in ("discriminator", "generator")
        }

    def steps(self, networks: Networks, batch: Batch, rng: torch.Generator) -> Iterator[tuple[str, torch.Tensor]]:
        generator, discriminator = networks["generator"], networks["discriminator"]
        images = batch["images"]
        z = torch.randn(len(images), self.latent, generator=rng, device=images.device)
        made = generator(z)
        real, false = discriminator(images), discriminator(made.detach())
        yield "discriminator", functional.softplus(-real).mean() + functional.softplus(false).mean()
        yield "generator", functional.softplus(-discriminator(made)).mean()
