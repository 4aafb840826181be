"""Equations 6 to 9, against their symbols written out."""

from __future__ import annotations

import torch
from torch.nn import functional

from photopeak.networks.added import Attention, Residual


def features() -> torch.Tensor:
    return torch.randn((2, 32, 9, 7), generator=torch.Generator().manual_seed(5))


def test_attention_is_equation_6_and_cbam_weighs_the_weighted() -> None:
    torch.manual_seed(1)
    f, literal, cbam = features(), Attention(32), Attention(32, cbam=True)
    cbam.load_state_dict(literal.state_dict())
    w0, w1 = literal.mlp[0].weight, literal.mlp[2].weight
    mlp = lambda v: functional.relu(v @ w0.T) @ w1.T  # noqa: E731
    average = functional.adaptive_avg_pool2d(f, 1).flatten(1)
    greatest = functional.adaptive_max_pool2d(f, 1).flatten(1)
    f_prime = torch.sigmoid(mlp(average) + mlp(greatest)).reshape(2, 32, 1, 1) * f
    both = torch.stack([f_prime.mean(1), f_prime.max(1).values], 1)
    f_s = torch.sigmoid(functional.conv2d(both, literal.spatial.weight, padding=3))
    torch.testing.assert_close(literal(f), f_s * f)
    torch.testing.assert_close(cbam(f), f_s * f_prime)


def test_attention_has_no_bias_and_a_ratio_of_16() -> None:
    assert {k: tuple(v.shape) for k, v in Attention(96).state_dict().items()} == {
        "mlp.0.weight": (6, 96),
        "mlp.2.weight": (96, 6),
        "spatial.weight": (1, 2, 7, 7),
    }


def test_a_residual_module_without_weights_passes_what_is_positive() -> None:
    f, module = features(), Residual(32)
    for p in module.parameters():
        torch.nn.init.zeros_(p)
    assert torch.equal(module(f), f.relu())


def test_the_residual_module_is_equation_9() -> None:
    torch.manual_seed(2)
    f, module = features(), Residual(32)
    inner = module.first(f).clamp_min(0)
    torch.testing.assert_close(module(f), (module.second(inner) + f).clamp_min(0))
