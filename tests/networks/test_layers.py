"""The rewritten convolutions, against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from photopeak.networks.layers import Folded, WidelyPadded, convolution


@pytest.mark.parametrize("size", [(64, 32), (65, 33), (66, 47), (67, 30)])
@pytest.mark.parametrize(
    "shape", [(1, 8, 11, 4, 2), (3, 4, 7, 2, 3), (2, 4, 3, 2, 0), (2, 5, 3, 1, 3), (2, 3, 5, 1, 3)]
)
def test_a_rewritten_convolution_has_the_same_numbers(shape, size) -> None:
    torch.manual_seed(0)
    fast, plain = convolution(*shape, fast=True), convolution(*shape, fast=False)
    assert type(fast) is (Folded if shape[3] > 1 else WidelyPadded)
    assert type(plain) is nn.Conv2d
    plain.load_state_dict(fast.state_dict())
    x = torch.randn(2, shape[0], *size)
    torch.testing.assert_close(fast(x), plain(x), rtol=1e-5, atol=1e-6)


def test_a_common_convolution_is_left_alone() -> None:
    assert type(convolution(4, 4, 3, 1, 1, fast=True)) is nn.Conv2d
    assert type(convolution(4, 4, 5, 1, 2, fast=True)) is nn.Conv2d
