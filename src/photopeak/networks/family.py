"""A family of small convolutional networks for cropped scans: plain, residual and densely connected."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import torch
from jaxtyping import Float
from torch import nn
from torch.nn import functional

from photopeak.core import PhotopeakError
from photopeak.networks.reader import Block, pooled

Tensor = torch.Tensor
WIDTHS: Final = (16, 32, 64)
GROWTH: Final = 8


class Plain(nn.Module):
    """Two 3 × 3 convolutions after each other :cite:`simonyan2015`."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_layer(a, b), *_layer(b, b))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        out: Tensor = self.layers(x)
        return out


class Dense(nn.Module):
    """Three 3 × 3 convolutions, each of which sees all before it, and a 1 × 1 convolution :cite:`huang2017`."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Sequential(*_layer(a + k * GROWTH, GROWTH)) for k in range(3))
        self.joined = nn.Sequential(nn.Conv2d(a + 3 * GROWTH, b, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU())

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        for layer in self.layers:
            x = torch.cat((x, layer(x)), 1)
        out: Tensor = self.joined(x)
        return out


def _layer(a: int, b: int) -> list[nn.Module]:
    return [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]


BLOCKS: Final = {"plain": Plain, "residual": Block, "dense": Dense}


class FamilyCnn(nn.Module):
    """Three blocks of one kind, each with a maximum pooling behind it; mean and maximum of each feature decide.

    2 × 2 pixels become four channels first, which keeps every pixel and a quarter of the work. Only the connections
    within the blocks differ between ``plain``, ``residual`` :cite:`he2016` and ``dense``.
    """

    def __init__(self, kind: str, classes: int = 2, dropout: float = 0.3) -> None:
        super().__init__()
        if kind not in BLOCKS:
            raise PhotopeakError(f"no network of the family is called {kind!r}. Remedy: {', '.join(BLOCKS)}.")
        layers: list[nn.Module] = []
        for a, b in pairwise((4, *WIDTHS)):
            layers += [BLOCKS[kind](a, b), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)
        self.judge = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * WIDTHS[-1], classes))

    def forward(self, images: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b k"]:
        """Logits."""
        logits: Tensor = self.judge(pooled(self.features(functional.pixel_unshuffle(images, 2))))
        return logits
