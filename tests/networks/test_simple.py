"""The simple network: its size, and that it tells places apart."""

import pytest
import torch
from torch.nn import functional

from photopeak.core import PhotopeakError
from photopeak.networks.simple import HIDDEN, WIDTHS, SimpleCnn


def test_its_weights_are_counted() -> None:
    network = SimpleCnn((256, 64), channels=2)
    before, n = 2, 0
    for width in WIDTHS:
        n += width * (9 * before + 1)
        before = width
    n += HIDDEN * (16 * 4 * before + 1) + 3 * (HIDDEN + 1)
    assert sum(p.numel() for p in network.parameters()) == n
    assert network(torch.zeros(2, 2, 256, 64)).shape == (2, 3)


def test_it_learns_where_a_spot_lies() -> None:
    torch.manual_seed(0)
    images = torch.zeros(8, 1, 32, 16)
    images[:4, 0, 6, 8] = 1.0
    images[4:, 0, 24, 8] = 1.0
    labels = torch.tensor([0] * 4 + [1] * 4)
    network = SimpleCnn((32, 16), classes=2, dropout=0.0)
    adam = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(40):
        adam.zero_grad()
        loss = functional.cross_entropy(network(images), labels)
        torch.autograd.backward(loss)
        adam.step()
    assert network(images).argmax(1).tolist() == labels.tolist()


def test_an_image_that_is_too_small_is_refused() -> None:
    with pytest.raises(PhotopeakError, match="at least 16 pixels"):
        SimpleCnn((32, 8))
