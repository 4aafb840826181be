"""Joint dictionary: patches of the image and of an anatomical image are coded together by few atoms.

A patch p of the image x and the same patch of the anatomical image m, each without its mean and in units of its
spread in the training pairs, are one vector; one sparse code a_p stands for both halves of it,

    ( x_p − x̄_p ) / s_x   ≈  D_x a_p
    √γ ( m_p − m̄_p ) / s_m  ≈  D_m a_p,        ‖a_p‖₀ ≤ K,

so that anatomy helps to choose the atoms and PET or SPECT says how much of them there is :cite:`sudarshan2020`. A
voxel's x̂ is the mean of what the patches over it say, x̄_p + s_x D_x a_p, and the image maximises

    L(y | x) − w/2 Σ (x − x̂)²,      w = β · (mean of A* 1) / (mean of x at the start).

Codes are found by orthogonal matching pursuit :cite:`pati1993` before every pass; with x̂ held, the update of each voxel
is the root of a quadratic equation, which with one subset never lowers the objective :cite:`depierro1995`. Dictionaries
are learned from pairs of images by the method of optimal directions :cite:`engan1999`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch.nn.functional import pad

from photopeak.core import PhotopeakError
from photopeak.physics.physics import Physics
from photopeak.recon.em import em_gain, osem, parts

Tensor = torch.Tensor
Volume = Float[Tensor, "z y x"]
MOST_LEARNED = 5_000
"""Patches of the training pairs that are taken, evenly from those with more in them than half have."""


@dataclass(frozen=True, eq=False)
class JointDictionary:
    """Atoms of unit norm, image above anatomy; edge of a patch, atoms of a code; what the halves are divided by."""

    both: Float[Tensor, "row atom"]
    size: int
    sparsity: int
    scale: float
    scale_like: float
    gamma: float

    def approximate(self, x: Volume, like: Float[Tensor, "z1 y1 x1"]) -> Volume:
        """x̂: what codes of few atoms make of the image beside its anatomy."""
        vectors, means = self._vectors(x, like)
        index, code = matched(self.both, vectors, self.sparsity)
        rows = self.size**3
        said = means[:, None] + self.scale * torch.einsum("rpk,pk->pr", self.both[:rows][:, index], code)
        return _averaged(said, x.shape, self.size)

    def _vectors(
        self, x: Volume, like: Float[Tensor, "z1 y1 x1"]
    ) -> tuple[Float[Tensor, "patch row"], Float[Tensor, " patch"]]:
        if x.shape != like.shape:
            raise PhotopeakError(
                f"the image has shape {tuple(x.shape)}, the anatomical one {tuple(like.shape)}. "
                "Remedy: resample the anatomical image onto the image's grid."
            )
        (mine, means), (other, _) = (_patches(v.float(), self.size) for v in (x, like))
        return torch.cat([mine / self.scale, self.gamma**0.5 * other / self.scale_like], 1), means


def learned(
    pairs: Sequence[tuple[Volume, Volume]],
    atoms: int = 160,
    size: int = 5,
    sparsity: int = 8,
    gamma: float = 1.0,
    rounds: int = 6,
) -> JointDictionary:
    """From pairs (image, anatomical image) with little noise, such as simulated patients of the same protocol."""
    if size < 3 or size % 2 == 0 or not 1 <= sparsity < 2 * size**3 or atoms <= sparsity or gamma < 0 or not pairs:
        raise PhotopeakError(
            f"{len(pairs)} pairs, {atoms} atoms, size {size}, sparsity {sparsity}, gamma {gamma:g} make no dictionary. "
            "Remedy: give pairs, an odd size of at least 3, more atoms than a code has, and gamma ≥ 0."
        )
    halves = [torch.cat([_patches(pair[k].float(), size)[0] for pair in pairs]) for k in (0, 1)]
    scale, scale_like = (float(h.std()) for h in halves)
    if min(scale, scale_like) <= 0.0:
        raise PhotopeakError("the training pairs are flat: nothing is to be learned. Remedy: give images of patients.")
    # In double precision: the last bits of single would choose other atoms on another machine.
    vectors = torch.cat([halves[0] / scale, gamma**0.5 * halves[1] / scale_like], 1).double()
    order = vectors.norm(dim=1).argsort(descending=True, stable=True)
    order = order[: len(order) // 2]  # flat ones need no atoms
    vectors = vectors[order[torch.linspace(0, len(order) - 1, min(len(order), MOST_LEARNED)).long()]]
    both = _unit(vectors[torch.linspace(0, len(vectors) - 1, atoms).long()].T.contiguous())
    for _ in range(rounds):
        index, code = matched(both, vectors, sparsity)
        a = torch.zeros(len(vectors), atoms).to(vectors).scatter_(1, index, code)
        both = torch.linalg.solve(a.T @ a + 1e-4 * torch.eye(atoms).to(a), a.T @ vectors).T
        unused = both.norm(dim=0) < 1e-6
        worst = (vectors - a @ both.T).norm(dim=1).argsort(descending=True, stable=True)
        both[:, unused] = vectors[worst[: int(unused.sum())]].T
        both = _unit(both)
    return JointDictionary(both.float(), size, sparsity, scale, scale_like, gamma)


def joint_dictionary(
    physics: Physics,
    y: Float[Tensor, "angle *rest"],
    anatomy: tuple[JointDictionary, Volume],
    beta: float,
    iterations: int,
    subsets: int = 1,
    start: Tensor | None = None,
    progress: Callable[[int, Tensor], None] | None = None,
) -> Volume:
    """``iterations`` passes from ``start``, or from two of OSEM; ``anatomy`` is the dictionary and the image beside."""
    if beta < 0 or iterations < 1:
        raise PhotopeakError(f"beta={beta:g} and {iterations} iterations: give beta of at least 0 and 1 iteration.")
    dictionary, like = anatomy
    taken = parts(physics, y, subsets)
    x = osem(physics, y, 2, subsets) if start is None else start.to(y)
    seen = x > 0
    weight = beta * float(taken[0].sensitivity[seen].mean()) / float(x[seen].mean())
    for i in range(iterations):
        towards = dictionary.approximate(x, like).to(x)
        for part in taken:
            x = pulled(x * em_gain(part, x), part.sensitivity, weight, towards)
        if progress is not None:
            progress(i + 1, x)
    return x


def pulled(counted: Volume, sensitivity: Volume, weight: float, towards: Volume) -> Volume:
    """The x ≥ 0 that maximises c ln x − s x − w/2 (x − x̂)² in every voxel, c the last x times A*[y / (A x + b)]."""
    if weight == 0.0:
        return torch.where(sensitivity > 0, counted / sensitivity.clamp_min(torch.finfo(counted.dtype).tiny), 0.0)
    half = 0.5 * (sensitivity - weight * towards)
    root = torch.sqrt(half**2 + weight * counted)
    # Of the two ways to write the root, the one that takes no difference of like numbers.
    found = torch.where(
        half > 0, counted / (half + root).clamp_min(torch.finfo(counted.dtype).tiny), (root - half) / weight
    )
    return torch.where(sensitivity > 0, found, 0.0)


def matched(
    atoms: Float[Tensor, "row atom"], vectors: Float[Tensor, "patch row"], sparsity: int
) -> tuple[Int[Tensor, "patch k"], Float[Tensor, "patch k"]]:
    """Orthogonal matching pursuit of all patches at once: the atoms of each and how much there is of them."""
    gram, first = atoms.T @ atoms, vectors @ atoms
    left, index = first.abs(), torch.zeros((len(vectors), 0), dtype=torch.int64)
    code = first[:, :0]
    for _ in range(sparsity):
        index = torch.cat([index, left.argmax(1, keepdim=True)], 1)
        small = gram[index[:, :, None], index[:, None, :]] + 1e-6 * torch.eye(index.shape[1]).to(gram)
        code = torch.linalg.solve(small, first.gather(1, index))
        left = (first - torch.einsum("pk,pka->pa", code, gram[index])).abs().scatter(1, index, -1.0)
    return index, code


def _patches(x: Volume, size: int) -> tuple[Float[Tensor, "patch row"], Float[Tensor, " patch"]]:
    """Around every voxel, without their means; and these."""
    wide = pad(x[None, None], (size // 2,) * 6, mode="replicate")[0, 0]
    cubes = wide.unfold(0, size, 1).unfold(1, size, 1).unfold(2, size, 1).reshape(x.numel(), size**3)
    means = cubes.mean(1)
    return cubes - means[:, None], means


def _averaged(patches: Float[Tensor, "patch row"], shape: torch.Size, size: int) -> Volume:
    """The mean of what all patches that hold a voxel say of it."""
    reach = size // 2
    total = torch.zeros([n + 2 * reach for n in shape])
    count = torch.zeros_like(total)
    for k, at in enumerate(itertools.product(range(size), repeat=3)):
        here = tuple(slice(a, a + n) for a, n in zip(at, shape, strict=True))
        total[here] += patches[:, k].reshape(shape)
        count[here] += 1.0
    inner = tuple(slice(reach, reach + n) for n in shape)
    return total[inner] / count[inner]


def _unit(atoms: Float[Tensor, "row atom"]) -> Float[Tensor, "row atom"]:
    norms: Tensor = atoms.norm(dim=0)
    return atoms / norms.clamp_min(1e-12)
