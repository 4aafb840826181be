"""A network with one branch for each patch of a hot spot."""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Float
from torch import nn

Tensor = torch.Tensor
WIDTHS: Final = (12, 24)
HIDDEN: Final = 48


class PatchBranches(nn.Module):
    """As many branches as patches, none shared: twice convolution 3 × 3, normalisation, ReLU and pooling 2 × 2.

    What the branches find is put side by side and judged by one hidden layer with dropout. Patches are the channels of
    the input, and of one size.
    """

    def __init__(self, patches: int = 5, size: int = 16, classes: int = 2, dropout: float = 0.4) -> None:
        super().__init__()
        self.branches = nn.ModuleList(_branch() for _ in range(patches))
        seen = patches * WIDTHS[-1] * (size // 4) ** 2
        self.judge = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(seen, HIDDEN), nn.ReLU(), nn.Dropout(dropout), nn.Linear(HIDDEN, classes)
        )

    def forward(self, images: Float[Tensor, "b patch h w"]) -> Float[Tensor, "b k"]:
        """Logits."""
        found = [branch(images[:, k : k + 1]) for k, branch in enumerate(self.branches)]
        logits: Tensor = self.judge(torch.cat(found, 1))
        return logits


def _branch() -> nn.Sequential:
    layers: list[nn.Module] = []
    before = 1
    for width in WIDTHS:
        layers += [
            nn.Conv2d(before, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
        before = width
    return nn.Sequential(*layers, nn.Flatten())
