"""How the reader is taught: what happens to a batch of scans, and the loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import nn
from torch.nn import functional

from photopeak.classify.scans import Scans
from photopeak.learning.plan import Batch, Plan
from photopeak.networks.reader import Reading

Tensor = torch.Tensor
LESION_WEIGHT = 8.0
"""A lesion's pixel weighs as much as this many others: one in two hundred is a lesion's."""


@dataclass(frozen=True)
class TeachReader(Plan):
    """The reader's plan: scans mirrored, turned, stretched, shifted, thinned, and some with one view alone."""

    mirrored: tuple[int, ...] = ()
    """The number of the region that each region becomes in the mirror; regions count from 0, which is nothing."""
    turn_deg: float = 4.0
    stretch: float = 0.06
    shift: float = 0.04
    """The most, as a share of the image's height; three times as much of its width, which is a quarter of that."""
    fewest_counts: float = 0.25
    """The least share of a scan's counts that is kept."""
    one_view: float = 0.1
    wrong: float = 0.04
    """Share of the scans with exchanged views, and share with the feet up: to be told, not read."""

    def augment(self, batch: Batch, rng: torch.Generator) -> Batch:
        batch = moved(batch, self, rng)
        batch = mirrored(batch, torch.tensor(self.mirrored, device=batch["counts"].device), rng)
        batch["counts"] = thinned(batch["counts"], self.fewest_counts, rng)
        batch = spoilt(batch, self.wrong, rng)
        batch["counts"] = covered(batch["counts"], self.one_view, rng)
        return batch


def examples(scans: Scans) -> dict[str, Tensor]:
    """Scans as tensors: what the reader is taught with. Unknown sex and age are NaN."""
    sex = [{"M": 1.0, "F": 0.0}.get(s, np.nan) for s in scans.sexes]
    return {
        "counts": torch.from_numpy(np.minimum(scans.counts, 32767).astype(np.int16)),
        "lesions": torch.from_numpy(scans.lesions),
        "regions": torch.from_numpy(scans.regions),
        "labels": torch.from_numpy(scans.labels).float(),
        "sex": torch.tensor(sex, dtype=torch.float32),
        "age": torch.from_numpy((scans.age - 55.0) / 10.0).float(),
    }


def mirror_of(region_names: tuple[str, ...]) -> tuple[int, ...]:
    """The number of the region that each becomes in the mirror.

    >>> mirror_of(("skull", "left ribs", "right ribs"))
    (0, 1, 3, 2)
    """
    swap = {"left": "right", "right": "left"}
    there = [" ".join(swap.get(w, w) for w in name.split()) for name in region_names]
    return (0, *(region_names.index(t) + 1 for t in there))


def _chance(n: int, p: float, rng: torch.Generator, like: Tensor) -> Tensor:
    return torch.rand(n, generator=rng, device=like.device) < p


def _uniform(n: int, low: float, high: float, rng: torch.Generator, like: Tensor) -> Tensor:
    return low + (high - low) * torch.rand(n, generator=rng, device=like.device)


def moved(batch: Batch, plan: TeachReader, rng: torch.Generator) -> Batch:
    """Each patient turned, stretched and shifted, both views alike (the posterior one as in a mirror)."""
    counts = batch["counts"].float()
    n, _, rows, columns = counts.shape
    angle = torch.deg2rad(_uniform(n, -plan.turn_deg, plan.turn_deg, rng, counts))
    sy, sx = (1 + _uniform(n, -plan.stretch, plan.stretch, rng, counts) for _ in range(2))
    ty, tx = (_uniform(n, -f * plan.shift, f * plan.shift, rng, counts) for f in (2.0, 6.0))
    # In grid_sample's coordinates, where the half width and the half height are both 1.
    ratio = rows / columns
    cos, sin = torch.cos(angle), torch.sin(angle)
    first = torch.stack((torch.stack((cos * sx, -sin * ratio, tx), 1), torch.stack((sin / ratio, cos * sy, ty), 1)), 1)
    second = first * torch.tensor([[1.0, -1.0, -1.0], [-1.0, 1.0, 1.0]], device=counts.device)
    out = dict(batch)
    grids = [functional.affine_grid(a, [n, 1, rows, columns], align_corners=False) for a in (first, second)]
    for name, mode in (("counts", "bilinear"), ("lesions", "nearest"), ("regions", "nearest")):
        views = [
            functional.grid_sample(batch[name][:, v, None].float(), grids[v], mode, align_corners=False)
            for v in range(2)
        ]
        out[name] = torch.cat(views, 1) if name == "counts" else torch.cat(views, 1).to(torch.uint8)
    return out


def mirrored(batch: Batch, mirror: Tensor, rng: torch.Generator) -> Batch:
    """Half of the patients as in a mirror, with left and right exchanged in the regions' names."""
    some = _chance(len(batch["counts"]), 0.5, rng, batch["counts"])[:, None, None, None]
    out = dict(batch)
    for name in ("counts", "lesions", "regions"):
        flipped = batch[name].flip(-1)
        if name == "regions":
            flipped = mirror[flipped.long()].to(torch.uint8)
        out[name] = torch.where(some, flipped, batch[name])
    return out


def thinned(counts: Float[Tensor, "b 2 h w"], fewest: float, rng: torch.Generator) -> Float[Tensor, "b 2 h w"]:
    """Half of the patients with a share p of their counts: each photon kept with probability p, so Poisson stays."""
    share = _uniform(len(counts), fewest, 1.0, rng, counts)
    share = torch.where(_chance(len(counts), 0.5, rng, counts), share, torch.ones_like(share))[:, None, None, None]
    whole = counts.round()
    # Binomial by its normal approximation where counts are many; exact would cost more than the network.
    noise = torch.randn(counts.shape, generator=rng, device=counts.device) * (whole * share * (1 - share)).sqrt()
    return torch.minimum((whole * share + noise).round().clamp_min(0), whole)


def spoilt(batch: Batch, share: float, rng: torch.Generator) -> Batch:
    """Some scans with exchanged views, some upside down; ``wrong`` says which."""
    counts = batch["counts"]
    wrong = torch.stack([_chance(len(counts), share, rng, counts) for _ in range(2)], 1)
    exchanged, turned = wrong[:, 0, None, None, None], wrong[:, 1, None, None, None]
    counts = torch.where(exchanged, counts.flip(1), counts)
    return {**batch, "counts": torch.where(turned, counts.flip((-2, -1)), counts), "wrong": wrong.float()}


def covered(counts: Float[Tensor, "b 2 h w"], share: float, rng: torch.Generator) -> Float[Tensor, "b 2 h w"]:
    """Some patients with one view alone; the other is all zeros."""
    gone = _chance(len(counts), share, rng, counts)
    which = _chance(len(counts), 0.5, rng, counts)
    keep = torch.stack((~(gone & which), ~(gone & ~which)), 1)
    return counts * keep[:, :, None, None]


def teach_labels(network: nn.Module, batch: Batch) -> Tensor:
    """Loss of the diagnoses alone."""
    return diagnosis_loss(network(batch["counts"].float()), batch)


def teach_judgement(network: nn.Module, batch: Batch) -> Tensor:
    """Loss of everything that is said of a scan as a whole; the statistics of the layers that see stay as they are."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    return _whole_loss(network(batch["counts"].float()), batch)


def teach_marks(network: nn.Module, batch: Batch) -> Tensor:
    """Loss of the diagnoses and of marked lesions, where nobody drew bones; the layers' statistics stay."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    reading: Reading = network(batch["counts"].float())
    there = (batch["counts"].flatten(2).amax(2) > 0) & (batch["wrong"].amax(1) == 0)[:, None]
    return _whole_loss(reading, batch) + 2.0 * _lesions_loss(reading, batch, there)


def teach_all(network: nn.Module, batch: Batch) -> Tensor:
    """Loss of everything that is known of a scan, each part a mean over the batch."""
    counts = batch["counts"].float()
    reading: Reading = network(counts)
    sound = batch["wrong"].amax(1) == 0
    there = (counts.flatten(2).amax(2) > 0) & sound[:, None]
    return (
        _whole_loss(reading, batch) + _regions_loss(reading, batch, there) + 2.0 * _lesions_loss(reading, batch, there)
    )


def _whole_loss(reading: Reading, batch: Batch) -> Tensor:
    """Diagnoses, person, and whether the scan is the right way round."""
    wrong = functional.binary_cross_entropy_with_logits(reading.wrong.float(), batch["wrong"])
    return diagnosis_loss(reading, batch) + 0.2 * _person_loss(reading, batch) + wrong


def diagnosis_loss(reading: Reading, batch: Batch) -> Tensor:
    """Cross-entropy of metastasis and arthritis, of the scans that are the right way round."""
    sound = (batch["wrong"].amax(1) == 0).float()[:, None]
    each = functional.binary_cross_entropy_with_logits(reading.diagnoses.float(), batch["labels"], reduction="none")
    return (each * sound).sum() / (2 * sound.sum().clamp_min(1))


def _as_read(maps: Tensor) -> Tensor:
    """Truth as the network sees it: the posterior view mirrored."""
    return torch.stack((maps[:, 0], maps[:, 1].flip(-1)), 1)


def _regions_loss(reading: Reading, batch: Batch, there: Tensor) -> Tensor:
    truth = _as_read(batch["regions"]).long()
    each = functional.cross_entropy(reading.regions.flatten(0, 1).float(), truth.flatten(0, 1), reduction="none")
    each = each.mean((-2, -1)) * there.flatten()
    return each.sum() / there.sum().clamp_min(1)


def _lesions_loss(reading: Reading, batch: Batch, there: Tensor) -> Tensor:
    """Weighted cross-entropy and one minus the overlap (Dice) of each kind, over the batch."""
    truth = _as_read(batch["lesions"])
    target = torch.stack([(truth == k + 1) for k in range(reading.lesions.shape[2])], 2).float()
    logits = reading.lesions.float()
    weight = (1 + (LESION_WEIGHT - 1) * target) * there[:, :, None, None, None]
    entropy = functional.binary_cross_entropy_with_logits(logits, target, weight, reduction="sum") / weight.sum()
    p = torch.sigmoid(logits) * there[:, :, None, None, None]
    both, either = (p * target).sum((0, 1, 3, 4)), (p + target).sum((0, 1, 3, 4))
    overlap = (2 * both + 1) / (either + 1)
    return 4.0 * entropy + 0.5 * (1 - overlap).mean()


def _person_loss(reading: Reading, batch: Batch) -> Tensor:
    """Sex and age where they are known."""
    sex, age = batch["sex"], batch["age"]
    known = ~torch.isnan(sex) & ~torch.isnan(age) & (batch["wrong"].amax(1) == 0)
    if not bool(known.any()):
        return reading.sex.sum() * 0.0
    right = functional.binary_cross_entropy_with_logits(reading.sex[known].float(), sex[known])
    return right + functional.smooth_l1_loss(reading.age[known].float(), age[known])
