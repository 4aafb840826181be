"""The Photopeak reader's network: both views of a bone scan in, regions, lesions and diagnoses out.

A U-shaped network :cite:`ronneberger2015` of residual blocks :cite:`he2016`. The posterior view is mirrored onto the
anterior one, so that one pixel of either is the same part of the body. Counts become

    x = √(c / s),   s = (mean of √c over the pixels above the view's mean)²

which makes Poisson noise nearly the same everywhere, and does not let one hot spot set the scale, as a division by the
maximum does.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import nn
from torch.nn import functional

Tensor = torch.Tensor
BRIGHTEST = 6.0
"""x is cut here: 36 times the typical bone."""


@dataclass(frozen=True)
class Reading:
    """The network's answers, as logits. Maps are anterior first; the posterior one is mirrored, as the input was."""

    regions: Float[Tensor, "b 2 region row column"]
    """Over nothing and the named regions."""
    lesions: Float[Tensor, "b 2 kind row column"]
    """Metastasis and arthritis, each on its own."""
    diagnoses: Float[Tensor, "b 2"]
    """Metastasis and arthritis, each on its own: both can be true."""
    sex: Float[Tensor, " b"]
    """A man's."""
    age: Float[Tensor, " b"]
    """In decades from 55 years; no logit."""
    wrong: Float[Tensor, "b 2"]
    """That the views are exchanged, and that the patient stands on the head."""


class Reader(nn.Module):
    """The network, for ``regions`` named regions."""

    def __init__(self, regions: int, widths: tuple[int, ...] = (32, 64, 128, 176, 208), dropout: float = 0.2) -> None:
        super().__init__()
        self.regions = regions
        self.stem = nn.Conv2d(8, widths[0], 3, padding=1, bias=False)
        self.first = Block(widths[0], widths[0])
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(nn.Sequential(Block(a, b, stride=2), Block(b, b)) for a, b in pairs)
        self.up = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in reversed(pairs))
        self.join = nn.ModuleList(Block(a, a) for a, _ in reversed(pairs))
        self.maps = nn.Conv2d(widths[0], 4 * 2 * (regions + 1 + 2), 1)
        seen = 2 * widths[-1] + 2 * widths[1] + 2 * 2 * 3
        self.judge = nn.Sequential(nn.Linear(seen, 128), nn.ReLU(), nn.Dropout(dropout), nn.Linear(128, 6))

    def forward(self, counts: Float[Tensor, "b 2 row column"]) -> Reading:
        """``counts`` of both views, anterior first, the posterior one not mirrored yet."""
        return self.of_standardised(overlaid(counts))

    def of_standardised(self, views: Float[Tensor, "b 2 row column"]) -> Reading:
        """The same from x itself, for who covers a part of it: a hot spot that is gone must not change the scale."""
        x = self.first(self.stem(functional.pixel_unshuffle(views, 2)))
        levels = [x]
        for down in self.down:
            levels.append(down(levels[-1]))
        rising = [levels.pop()]
        for up, join in zip(self.up, self.join, strict=True):
            larger = functional.interpolate(up(rising[-1]), scale_factor=2.0, mode="nearest")
            rising.append(join(larger + levels.pop()))
        maps = functional.pixel_shuffle(self.maps(rising[-1]), 2)
        maps = maps.reshape(len(views), 2, self.regions + 3, *maps.shape[2:])
        lesions = maps[:, :, :2]
        answers = self.judge(torch.cat((pooled(rising[0]), pooled(rising[-2]), evidence(lesions)), 1))
        return Reading(maps[:, :, 2:], lesions, answers[:, :2], answers[:, 2], answers[:, 3], answers[:, 4:])


class Block(nn.Module):
    """Two 3 × 3 convolutions beside a shortcut."""

    def __init__(self, a: int, b: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(a, b, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(b)
        self.conv2 = nn.Conv2d(b, b, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(b)
        self.shortcut = nn.Identity() if a == b and stride == 1 else nn.Conv2d(a, b, 1, stride)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d y x"]:
        y = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


def overlaid(counts: Float[Tensor, "b 2 row column"]) -> Float[Tensor, "b 2 row column"]:
    """What the network sees: x of both views, the posterior one mirrored."""
    return standardised(torch.stack((counts[:, 0], counts[:, 1].flip(-1)), 1))


def standardised(counts: Float[Tensor, "b 2 row column"]) -> Float[Tensor, "b 2 row column"]:
    """x = √(c / s), view by view; a view without counts stays 0."""
    root = counts.clamp_min(0).float().sqrt()
    bright = counts > counts.float().mean((-2, -1), keepdim=True)
    level = (root * bright).sum((-2, -1), keepdim=True) / bright.sum((-2, -1), keepdim=True).clamp_min(1)
    return (root / level.clamp_min(1e-6)).clamp_max(BRIGHTEST)


def pooled(features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
    """Mean and maximum of each feature."""
    return torch.cat((features.mean((-2, -1)), features.amax((-2, -1))), 1)


def evidence(lesions: Float[Tensor, "b 2 kind row column"]) -> Float[Tensor, "b d"]:
    """Of each lesion map: the highest logit, the mean of the 16 highest, and the extent (log of the expected area)."""
    flat = lesions.float().flatten(3)
    highest = flat.topk(16, dim=3).values
    area = torch.sigmoid(flat).sum(3)
    return torch.cat((highest[..., 0], highest.mean(3), torch.log1p(area)), 2).flatten(1)
