"""Convolutions of the published tables, written so that bfloat16 does not take a slow path; same numbers, same weights.

Two forms are rewritten. Both keep ``weight`` and ``bias`` as ``torch.nn.Conv2d`` has them, so that a state_dict fits
either form.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import nn
from torch.nn import functional

Tensor = torch.Tensor


class WidelyPadded(nn.Conv2d):
    """A convolution whose padding p exceeds half its kernel k: zeros first, then a convolution with padding ⌊k/2⌋.

    A 3×3 convolution with padding 3 is valid but unusual, and CPU libraries have no fast bfloat16 kernel for it.
    """

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d y x"]:
        half, padding = self.kernel_size[0] // 2, int(self.padding[0])
        padded = functional.pad(input, [padding - half] * 4)
        return functional.conv2d(padded, self.weight, self.bias, self.stride, half)


class Folded(nn.Conv2d):
    """A strided convolution with few input channels, as an unstrided one over s × s blocks (space to depth).

    With stride s and kernel k, the image becomes s² channels per channel and the kernel, with zeros up to a multiple
    of s, ⌈k/s⌉ × ⌈k/s⌉ taps: 11 × 11 over 1 channel with stride 4 is 3 × 3 over 16.
    """

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d y x"]:
        stride, kernel, padding = self.stride[0], self.kernel_size[0], int(self.padding[0])
        taps = -(-kernel // stride)
        after = [stride * (out_size(n, kernel, stride, padding) + taps - 1) - n - padding for n in input.shape[-2:]]
        padded = functional.pad(input, [padding, after[1], padding, after[0]])  # negative: pixels no tap reaches
        weight = functional.pad(self.weight, [0, taps * stride - kernel] * 2)
        blocks, folded = (functional.pixel_unshuffle(x, stride) for x in (padded, weight))
        return functional.conv2d(blocks, folded, self.bias)


def convolution(c: int, d: int, kernel: int, stride: int, padding: int, fast: bool) -> nn.Conv2d:
    """A convolution from ``c`` to ``d`` channels; ``fast=False`` is the plain form, to compare with."""
    form = nn.Conv2d
    if fast and padding > kernel // 2 and stride == 1:
        form = WidelyPadded
    elif fast and stride > 1:
        form = Folded
    return form(c, d, kernel, stride, padding)


def out_size(n: int, kernel: int, stride: int, padding: int = 0) -> int:
    """Pixels that leave a convolution or pooling: ⌊(n + 2p − k)/s⌋ + 1.

    >>> out_size(1024, 11, 4, 2), out_size(255, 3, 2)
    (255, 127)
    """
    return (n + 2 * padding - kernel) // stride + 1


def glorot_(network: nn.Module) -> None:
    """Weights of convolutions and fully connected layers uniform in ±√(6/(fan in + fan out)), biases zero.

    :cite:`glorot2010`; TensorFlow's default, which the paper, silent on initialisation, most likely used.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
