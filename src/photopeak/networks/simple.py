"""A small convolutional network of the kind that read bone scans before larger ones did."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import nn

from photopeak.core import PhotopeakError

WIDTHS = (8, 16, 32, 64)
HIDDEN = 64


class SimpleCnn(nn.Module):
    """Four times convolution 3 × 3, ReLU and pooling 2 × 2; then one hidden layer with dropout.

    Published with a few convolutions and one or two dense layers
    :cite:`papandrianos2020prostate`; the widths here are ours. Places keep their own weights (the last maps are
    flattened, not averaged), so that a knee is not a vertebra.
    """

    def __init__(self, size: tuple[int, int], channels: int = 1, classes: int = 3, dropout: float = 0.4) -> None:
        super().__init__()
        if min(size) < 2 ** len(WIDTHS):
            raise PhotopeakError(
                f"an image of {size[0]} × {size[1]} pixels is halved {len(WIDTHS)} times and nothing is left of it. "
                f"Remedy: at least {2 ** len(WIDTHS)} pixels each way."
            )
        layers: list[nn.Module] = []
        before = channels
        for width in WIDTHS:
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            before = width
        self.features = nn.Sequential(*layers)
        fields = (size[0] // 2 ** len(WIDTHS)) * (size[1] // 2 ** len(WIDTHS))
        self.judge = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(fields * before, HIDDEN),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(HIDDEN, classes),
        )

    def forward(self, images: Float[torch.Tensor, "b c h w"]) -> Float[torch.Tensor, "b k"]:
        """Logits."""
        logits: Float[torch.Tensor, "b k"] = self.judge(self.features(images))
        return logits
