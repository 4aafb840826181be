"""The networks of the dSPIC paper: as many parameters as published, and the fast form equal to the plain one."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.nn import functional

from photopeak.core import PhotopeakError
from photopeak.core.contracts import check_network
from photopeak.networks.dspic import Dspic, Options
from photopeak.networks.tables import DESIGNS

SMALL = (96, 64)


def small(name: str, head="adaptive", **options) -> Dspic:
    """With narrow fully connected layers, so that a test takes a moment."""
    return Dspic(dataclasses.replace(DESIGNS[name], hidden=16), SMALL, head, Options(**options))


def images(n: int = 2, size: tuple[int, int] = SMALL) -> torch.Tensor:
    return torch.rand((n, 1, *size), generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(
    ("name", "head", "size", "count"),
    [
        ("dspic-am", "literal", (1024, 256), 1_732_847_525),
        ("dspic-rm", "literal", (1024, 256), 1_733_012_355),
        ("dspic-am", "pooled", (1024, 256), 424_224_677),
        ("dspic-am", "adaptive", (1024, 256), 58_271_653),
        ("dspic-am", "adaptive", (512, 128), 58_271_653),
        ("si-clf", "literal", (1024, 256), 80_614_787),
        ("si-clf-am", "literal", (1024, 256), 80_614_787 + 610 + 8_290),
        ("si-clf-rm", "literal", (1024, 256), 80_614_787 + 73_856),
        ("si-clf-am-rm", "literal", (1024, 256), 80_614_787 + 73_856 + 610 + 8_290),
        ("alexnet", "literal", (1024, 256), 645_805_699),
    ],
)
def test_parameters_are_as_many_as_the_tables_say(name, head, size, count) -> None:
    with torch.device("meta"):
        network = Dspic(name, size, head)
    assert sum(p.numel() for p in network.parameters()) == count
    assert network(torch.empty((2, 1, *size), device="meta")).shape == (2, 3)


def test_the_convolutional_part_has_3_725_218_weights() -> None:
    with torch.device("meta"):
        network = Dspic("dspic-am", head="adaptive")
    assert sum(p.numel() for p in network.features.parameters()) == 3_725_218


def test_without_pooling_only_the_adaptive_head_is_built() -> None:
    with torch.device("meta"):
        network = Dspic("dspic-am", head="adaptive", options=Options(pooling=False))
        assert sum(p.numel() for p in network.parameters()) == 58_271_653
        assert not [m for m in network.modules() if isinstance(m, torch.nn.MaxPool2d)]
        with pytest.raises(PhotopeakError, match=r"19\.6 billion"):
            Dspic("dspic-am", options=Options(pooling=False))


@pytest.mark.parametrize("name", list(DESIGNS))
def test_every_network_keeps_the_contract(name) -> None:
    check_network(lambda: small(name), images())


@pytest.mark.parametrize(("head", "options"), [("literal", {}), ("pooled", {}), ("adaptive", {"pooling": False})])
def test_every_head_keeps_the_contract(head, options) -> None:
    check_network(lambda: small("dspic-am", head, **options), images())


@pytest.mark.parametrize("name", list(DESIGNS))
def test_the_fast_form_has_the_numbers_and_the_weights_of_the_plain_one(name) -> None:
    torch.manual_seed(0)
    # In double precision: in single, libraries sum in another order on another processor.
    plain, fast = small(name, fast=False).double(), small(name).double()
    assert {k: v.shape for k, v in plain.state_dict().items()} == {k: v.shape for k, v in fast.state_dict().items()}
    fast.load_state_dict(plain.state_dict())
    x, classes = images().double(), torch.tensor([0, 2])
    a, b = plain(x), fast(x)
    assert (a - b).norm() <= 1e-12 * a.norm()
    for logits in (a, b):
        torch.autograd.backward(functional.cross_entropy(logits, classes))
    for (key, p), q in zip(plain.named_parameters(), fast.parameters(), strict=True):
        assert p.grad is not None, key
        assert q.grad is not None, key
        assert (p.grad - q.grad).norm() <= 1e-12 * p.grad.norm(), key


def test_the_adaptive_head_takes_other_sizes() -> None:
    assert small("dspic-rm")(images(1, (131, 77))).shape == (1, 3)


def test_an_initialised_network_is_glorots() -> None:
    torch.manual_seed(0)
    first = small("dspic-am").features[0]
    limit = (6 / (121 * (1 + 96))) ** 0.5
    assert 0.99 * limit < float(first.weight.detach().abs().max()) <= limit
    assert not first.bias.any()


def test_what_cannot_be_built_is_refused_with_what_can() -> None:
    with pytest.raises(PhotopeakError, match="si-clf-am-rm"):
        Dspic("vgg")
    with pytest.raises(PhotopeakError, match="too small"):
        Dspic("dspic-am", (16, 16))
