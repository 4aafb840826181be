"""The "added layer" of dSPIC: an attention module or a residual module; both keep the shape of what they are given."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import nn
from torch.nn import functional

Tensor = torch.Tensor

#: channels per hidden unit of the channel attention's perceptron, as in CBAM; dSPIC states none
RATIO = 16


class Attention(nn.Module):
    """Channel, then spatial attention (Eqs 6–8 of :cite:`lin2021dspic`, after :cite:`woo2018`).

    F′ = f_C(F) ⊗ F, with f_C(F) = σ(MLP(AvgPool(F)) + MLP(MaxPool(F))) over the pixels, one bias-free MLP for both

    f_S(F′) = σ(f^{7×7}([AvgPool(F′); MaxPool(F′)])) over the channels

    M = f_S(F′) ⊗ F, literally Eq 6; CBAM itself has M = f_S(F′) ⊗ F′ (``cbam=True``). The weights are the same.
    """

    def __init__(self, channels: int, cbam: bool = False) -> None:
        super().__init__()
        self.cbam = cbam
        hidden = max(1, channels // RATIO)
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, channels, bias=False)
        )
        self.spatial = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        pooled = self.mlp(features.mean((2, 3))) + self.mlp(features.amax((2, 3)))
        weighted = torch.sigmoid(pooled)[:, :, None, None] * features
        maps = torch.cat([weighted.mean(1, keepdim=True), weighted.amax(1, keepdim=True)], 1)
        return torch.sigmoid(self.spatial(maps)) * (weighted if self.cbam else features)


class Residual(nn.Module):
    """R = δ(f^{3×3}(δ(f^{3×3}(F))) + F), with δ the ReLU (Eq 9 of :cite:`lin2021dspic`)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return functional.relu(self.second(functional.relu(self.first(features))) + features)
