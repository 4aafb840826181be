"""dSPIC and the networks it was compared with, built from the published tables."""

from __future__ import annotations

import dataclasses
from typing import Literal

import torch
from jaxtyping import Float
from torch import nn

from photopeak.core import PhotopeakError
from photopeak.networks.added import Attention, Residual
from photopeak.networks.layers import convolution, glorot_, out_size
from photopeak.networks.tables import DESIGNS, Conv, Design

Tensor = torch.Tensor
Head = Literal["literal", "pooled", "adaptive"]

#: rows and columns that the adaptive head averages to, AlexNet's
ADAPTIVE = (6, 6)
CLASSES = 3


@dataclasses.dataclass(frozen=True)
class Options:
    """What the paper leaves open, or is only a way to compute.

    ``pooling=False`` leaves every maximum pooling out (Table 9). ``cbam=True`` lets spatial attention weigh F′, not F.
    ``fast=False`` takes the plain convolutions: same weights, same numbers, slower.
    """

    pooling: bool = True
    cbam: bool = False
    fast: bool = True


class Dspic(nn.Module):
    """A network of :cite:`lin2021dspic`: ``design`` is a name of ``tables.DESIGNS``, or a design of one's own.

    In: a batch of one-channel images of ``size`` rows × columns. Out: one logit for each of three classes; the softmax
    of Eq 10 is left to the loss and to the reader. ``head`` says what the first fully connected layer sees:

    - ``literal``: all features, as Table 3 has it (1.7·10⁹ parameters for dSPIC at 1024 × 256);
    - ``pooled``: the same after one more 3 × 3 maximum pooling with stride 2;
    - ``adaptive``: their averages over 6 × 6 fields; only this head takes images of any size.

    Initialised after Glorot (``layers.glorot_``), without dropout.
    """

    def __init__(
        self,
        design: str | Design,
        size: tuple[int, int] = (1024, 256),
        head: Head = "literal",
        options: Options | None = None,
    ) -> None:
        super().__init__()
        options = options or Options()
        if isinstance(design, str) and design not in DESIGNS:
            raise PhotopeakError(f"no network is named {design!r}. Remedy: use one of {', '.join(DESIGNS)}.")
        design = DESIGNS[design] if isinstance(design, str) else design
        if not options.pooling:
            if head != "adaptive":
                raise PhotopeakError(
                    f"head={head!r} without pooling: dSPIC would have up to 19.6 billion weights. "
                    "Remedy: take head='adaptive'."
                )
            design = dataclasses.replace(design, layers=tuple(x for x in design.layers if x != "pool"))
        if head == "pooled":
            design = dataclasses.replace(design, layers=(*design.layers, "pool"))
        self.features, channels = _features(design, options)
        rows, columns = features_size(design, size)
        if head == "adaptive":
            rows, columns = ADAPTIVE
            self.features.append(nn.AdaptiveAvgPool2d(ADAPTIVE))
        self.head = nn.Sequential(
            nn.Linear(channels * rows * columns, design.hidden),
            nn.ReLU(),
            nn.Linear(design.hidden, design.hidden),
            nn.ReLU(),
            nn.Linear(design.hidden, CLASSES),
        )
        glorot_(self)

    def forward(self, images: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 3"]:
        logits: Tensor = self.head(self.features(images).flatten(1))
        return logits


def _features(design: Design, options: Options) -> tuple[nn.Sequential, int]:
    """The convolutional part of a design, and its channels."""
    channels, layers = 1, nn.Sequential()
    for layer in design.layers:
        if isinstance(layer, Conv):
            layers.append(
                convolution(channels, layer.channels, layer.kernel, layer.stride, layer.padding, options.fast)
            )
            layers.append(nn.ReLU())
            channels = layer.channels
        elif layer == "pool":
            layers.append(nn.MaxPool2d(3, 2))
        else:
            layers.append(Attention(channels, options.cbam) if layer == "attention" else Residual(channels))
    return layers, channels


def features_size(design: Design, size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns that leave the convolutional part.

    >>> features_size(DESIGNS["dspic-am"], (1024, 256))
    (71, 23)
    """
    rows, columns = size
    for layer in design.layers:
        if isinstance(layer, Conv):
            shape = layer.kernel, layer.stride, layer.padding
        elif layer == "pool":
            shape = 3, 2, 0
        else:
            continue
        rows, columns = out_size(rows, *shape), out_size(columns, *shape)
        if min(rows, columns) < 1:
            raise PhotopeakError(
                f"size={size} is too small: a layer of {shape[0]} × {shape[0]} has nothing left. "
                "Remedy: take larger images."
            )
    return rows, columns
