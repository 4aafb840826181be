"""A network of three stages for both views of a bone scan: features, aggregation, classification."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import torch
from jaxtyping import Float
from torch import nn
from torch.nn import functional

from photopeak.networks.added import Attention
from photopeak.networks.reader import Block, pooled

Tensor = torch.Tensor
FOLD: Final = 4
"""4 × 4 pixels become sixteen channels first: every pixel is kept, and the maps are small."""
WIDTHS: Final = (16, 32, 48)


class TwoViews(nn.Module):
    """Features of each view by one and the same sub-network, an aggregation of all, and a classification.

    The three sub-networks and attention over places in the aggregation are those of :cite:`pi2020`, whose layers are
    many more; widths and blocks here are ours :cite:`he2016`. Each view is a channel of the input, and views lie over
    each other: the posterior one is mirrored. With one view the aggregation has only that one.
    """

    def __init__(self, views: int = 2, classes: int = 2, dropout: float = 0.3) -> None:
        super().__init__()
        first, last = WIDTHS[0], WIDTHS[-1]
        blocks = [Block(a, b, stride=2) for a, b in pairwise(WIDTHS)]
        self.features = nn.Sequential(Block(FOLD**2, first), *blocks)
        self.weighed = Attention(last, cbam=True)
        self.joined = nn.Sequential(nn.Conv2d(views * last, last, 1), nn.ReLU(), Block(last, last))
        self.judge = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * last, classes))

    def forward(self, images: Float[Tensor, "b view h w"]) -> Float[Tensor, "b k"]:
        """Logits."""
        b, views, h, w = images.shape
        each = self.features(functional.pixel_unshuffle(images.reshape(b * views, 1, h, w), FOLD))
        weighed = self.weighed(each)
        all_views = weighed.reshape(b, views * weighed.shape[1], *weighed.shape[2:])
        logits: Tensor = self.judge(pooled(self.joined(all_views)))
        return logits
