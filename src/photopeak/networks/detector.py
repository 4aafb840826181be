"""A single-stage detector: every cell of a grid says whether a lesion's middle lies in it, and the lesion's box.

After YOLO :cite:`redmon2016`, with one box a cell and no anchors. Of each cell the network gives five numbers o, x, y,
h, w; the box's middle lies at (row + σ(y), column + σ(x)) cells, it is e^h cells high and e^w wide, and its probability
is σ(o).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import nn
from torch.nn import functional

from photopeak.networks.reader import Block

Tensor = torch.Tensor
CELL: Final = 4
"""Pixels along the side of a cell."""
WIDTHS: Final = (16, 32, 48)
RARE: Final = 4.0
"""The weight of a cell with a lesion: most have none."""
LARGEST: Final = 3.0
"""h and w are cut here: 20 cells."""


class BoxDetector(nn.Module):
    """Blocks at 2, 4 and 8 pixels; the coarsest is added to the cells' own, so that each sees its surroundings."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c = WIDTHS
        self.fine = nn.Sequential(Block(4, a), Block(a, b, stride=2))
        self.coarse = nn.Sequential(Block(b, c, stride=2), Block(c, c), nn.Conv2d(c, b, 1))
        self.joined = Block(b, b)
        self.boxes = nn.Conv2d(b, 5, 1)
        nn.init.constant_(self.boxes.bias[:1], -4.0)  # type: ignore[index]

    def forward(self, images: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 5 y x"]:
        """o, x, y, h, w of each cell."""
        fine = self.fine(functional.pixel_unshuffle(images, 2))
        around = functional.interpolate(self.coarse(fine), scale_factor=2.0, mode="nearest")
        out: Tensor = self.boxes(self.joined(fine + around))
        return out


def encoded(boxes: Float[np.ndarray, "n 4"], size: tuple[int, int]) -> Float32[np.ndarray, "6 y x"]:
    """What the network should say of boxes (top, left, bottom, right in pixels): o, weight, x, y, h, w.

    Cells of a lesion that do not hold its middle have no weight: neither answer would be wrong.
    """
    out = np.zeros((6, size[0] // CELL, size[1] // CELL), np.float32)
    out[1] = 1.0
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2 / CELL
    for box in boxes:
        top, left, bottom, right = (box / CELL).tolist()
        out[1, int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))] = 0.0
    for (y, x), box in zip(middles.tolist(), boxes, strict=True):
        height, width = ((box[2:] - box[:2]) / CELL).tolist()
        row, column = min(int(y), out.shape[1] - 1), min(int(x), out.shape[2] - 1)
        out[:, row, column] = 1.0, RARE, x - column, y - row, np.log(height), np.log(width)
    return out


def mirrored(target: Float[Tensor, "b 6 y x"]) -> Float[Tensor, "b 6 y x"]:
    """What should be said of the mirrored images."""
    out = target.flip(-1).clone()
    out[:, 2] = torch.where(out[:, 0] > 0, 1 - out[:, 2], out[:, 2])
    return out


def detector_loss(said: Float[Tensor, "b 5 y x"], target: Float[Tensor, "b 6 y x"]) -> Tensor:
    """Cross-entropy of o over all cells, and the absolute errors of the boxes, both over the number of lesions."""
    there, weight = target[:, 0], target[:, 1]
    n = there.sum().clamp_min(1)
    o = functional.binary_cross_entropy_with_logits(said[:, 0], there, weight, reduction="sum")
    middle = (torch.sigmoid(said[:, 1:3]) - target[:, 2:4]).abs().sum(1)
    size = (said[:, 3:5] - target[:, 4:6]).abs().sum(1)
    loss: Tensor = (o + ((middle + size) * there).sum()) / n
    return loss


def decoded(
    said: Float[np.ndarray, "5 y x"], at_least: float
) -> tuple[Float[np.ndarray, "n 4"], Float[np.ndarray, " n"]]:
    """Boxes in pixels and their probabilities, of cells with a probability of ``at_least``."""
    from scipy.special import expit

    p = expit(said[0])
    rows, columns = np.nonzero(p >= at_least)
    x, y = (expit(said[k, rows, columns]) for k in (1, 2))
    half = np.exp(np.clip(said[3:, rows, columns], -LARGEST, LARGEST)) / 2
    middle = np.stack((rows + y, columns + x))
    return CELL * np.concatenate((middle - half, middle + half)).T, p[rows, columns]
