"""How long and how fast a network is taught, and what happens to a batch on the way.

A plan is a frozen dataclass. To change what happens to a batch, subclass it and write ``augment``: batched tensor
operations on whatever device the batch is on, drawing from the generator it is given and from nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

Batch = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Plan:
    """Epochs, batch, learning rate and its course; ``patience`` epochs without a better score end the training.

    ``course``: the learning rate stays ("constant"), or rises over the first 3 % of the steps and then falls along a
    half cosine to nothing ("cosine").
    """

    epochs: int
    batch: int = 16
    learning_rate: float = 1e-4
    course: Literal["constant", "cosine"] = "constant"
    patience: int | None = None
    seed: int = 0
    bf16: bool | None = None
    """Whether to compute in bfloat16; unless told, where the device is fast at it."""

    def augment(self, batch: Batch, rng: torch.Generator) -> Batch:  # noqa: ARG002  (for those who subclass)
        """The batch as the network sees it in training."""
        return batch
