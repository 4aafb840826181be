"""Kernel EM: the image as a mixture of each voxel's likes in another image, x = K α.

Each row of K holds the ``neighbours`` voxels in a cube around j whose patches f in the other image (CT, MR,
or a sum over time: HYPR) are most like j's, with weights exp(−|f_j − f_k|² / 2σ²), which sum to 1
:cite:`wang2015`. EM runs on α with the operator A K.
"""

from __future__ import annotations

import itertools

import torch
from jaxtyping import Float, Int
from torch.nn.functional import avg_pool3d, pad

from photopeak.core import Grid, PhotopeakError
from photopeak.physics.operator import Composition, Operator
from photopeak.physics.physics import Physics

Tensor = torch.Tensor


class Kernel(Operator):
    """K: coefficients to an image, on one grid."""

    def __init__(self, grid: Grid, index: Int[Tensor, "neighbour voxel"], weight: Float[Tensor, "neighbour voxel"]):
        self.domain = self.range = grid
        self.index, self.weight = index, weight

    def apply(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, "z y x"]:
        flat, out = x.reshape(-1), torch.zeros_like(x).reshape(-1)
        for i, w in zip(self.index, self.weight.to(x), strict=True):
            out += w * flat[i]
        return out.reshape(x.shape)

    def apply_adjoint(self, y: Float[Tensor, "z y x"]) -> Float[Tensor, "z y x"]:
        flat, out = y.reshape(-1), torch.zeros_like(y).reshape(-1)
        for i, w in zip(self.index, self.weight.to(y), strict=True):
            out.index_add_(0, i, w * flat)
        return out.reshape(y.shape)


def kernel(
    grid: Grid, like: Float[Tensor, "z y x"], neighbours: int = 32, reach: int = 3, sigma: float = 1.0
) -> Kernel:
    """K from an image on the same grid.

    Patches are a voxel and the mean of the 3 × 3 × 3 around it, each divided by its standard deviation over
    the image; ``reach`` is half the cube's edge in voxels, ``sigma`` the width in such units.
    """
    if tuple(like.shape) != grid.shape:
        raise PhotopeakError(f"the image has shape {tuple(like.shape)}, its grid {grid.shape}.")
    cube = list(itertools.product(range(-reach, reach + 1), repeat=3))
    if not 1 <= neighbours <= len(cube):
        raise PhotopeakError(f"a cube of {len(cube)} voxels has no {neighbours} neighbours. Remedy: widen reach.")
    image = like.detach().float().cpu()
    mean = avg_pool3d(pad(image[None, None], (1,) * 6, mode="replicate"), 3, 1)[0, 0]
    features = torch.stack([f / f.std().clamp_min(1e-12) for f in (image, mean)])
    numbers = torch.arange(image.numel()).reshape(image.shape)
    best = torch.full((neighbours, image.numel()), torch.inf)
    index = numbers.reshape(1, -1).repeat(neighbours, 1)
    outside = pad(torch.zeros_like(image), (reach,) * 6, value=torch.inf)
    wide = pad(features[None], (reach,) * 6)[0]
    wide_numbers = pad(numbers[None, None].double(), (reach,) * 6)[0, 0].long()
    for shift in cube:
        at = tuple(slice(reach + s, reach + s + n) for s, n in zip(shift, image.shape, strict=True))
        unlike = ((wide[:, *at] - features) ** 2).sum(0) + outside[at]
        worst, place = best.max(0)
        nearer = unlike.reshape(-1) < worst
        rows = place[nearer]
        columns = nearer.nonzero()[:, 0]
        best[rows, columns] = unlike.reshape(-1)[nearer]
        index[rows, columns] = wide_numbers[at].reshape(-1)[nearer]
    weight = torch.exp(-0.5 * best / sigma**2)
    return Kernel(grid, index, weight / weight.sum(0))


def through(physics: Physics, likes: Kernel) -> Physics:
    """The same measurement, of coefficients: reconstruct α with ``em.osem``, and K α is the image."""
    return Physics(Composition(physics.operator, likes), physics.background, physics.count_rate, physics.noise)
