"""dSPIC and the networks it was compared with: trained and tested as published, and without the leak.

The paper is silent on loss, initialisation and checkpoint; TensorFlow's defaults of its time are taken: cross-entropy,
Glorot, the last epoch :cite:`lin2021dspic`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from jaxtyping import Float, Float16
from torch import nn
from torch.nn import functional

from photopeak.classify.scans import Scans
from photopeak.learning.devices import fast_bfloat16, placed
from photopeak.learning.fit import fit
from photopeak.learning.plan import Batch, Plan
from photopeak.learning.regimes import Supervised
from photopeak.networks.dspic import Dspic, Options
from photopeak.recipes.dspic_data import D_1, D_2, Entered, apart, as_published, clean, images, numbers

SplitName = Literal["as-published", "apart", "clean"]
SPLITS: Final[Mapping[str, Callable[[Scans, Mapping[str, int], int], tuple[list[Entered], list[Entered]]]]] = {
    "as-published": as_published,
    "apart": apart,
    "clean": clean,
}
DATA: Final = {"D_1": D_1, "D_2": D_2}


@dataclass(frozen=True)
class Run:
    """One training: which network, on which data set, split how."""

    design: str = "dspic-am"
    data: str = "D_2"
    split: SplitName = "as-published"
    pooling: bool = True
    seed: int = 0
    shrink: int = 1
    """Pixels along each side that are averaged to one, after the copies are made."""

    @property
    def name(self) -> str:
        pooling = "" if self.pooling else "-no-pooling"
        shrunk = "" if self.shrink == 1 else f"-shrunk-{self.shrink}"
        return f"{self.design}{pooling}{shrunk}_{self.data}_{self.split}_{self.seed}"


@dataclass(frozen=True)
class Outcome:
    """What the network says of the test images."""

    entered: list[Entered]
    scores: Float[np.ndarray, "n 3"]


def train(run: Run, scans: Scans, plan: Plan, device: torch.device, folder: Path | None = None) -> Outcome:
    """Train one network and ask it for its test images; with ``folder`` the run can be taken up again."""
    training, testing = SPLITS[run.split](scans, DATA[run.data], run.seed)
    torch.manual_seed(run.seed)
    shown = _shrunk(images(scans, training), run.shrink)
    size = (int(shown.shape[2]), int(shown.shape[3]))
    network = Dspic(run.design, size, "adaptive", Options(pooling=run.pooling))
    placed(network, device)
    examples = {"images": torch.from_numpy(shown), "labels": torch.from_numpy(numbers(training))}
    fit(network, Supervised(cross_entropy), examples, plan, folder=folder)
    return Outcome(testing, probabilities(network, _shrunk(images(scans, testing), run.shrink)))


def _shrunk(these: Float16[np.ndarray, "n 1 row column"], k: int) -> Float16[np.ndarray, "n 1 y x"]:
    """Means of k × k pixels."""
    n, _, rows, columns = these.shape
    blocks = these.reshape(n, 1, rows // k, k, columns // k, k)
    return np.asarray(blocks.mean((3, 5), dtype=np.float32), np.float16)


def cross_entropy(network: nn.Module, batch: Batch) -> torch.Tensor:
    """−log of the probability that the network gives to the class entered."""
    return functional.cross_entropy(network(batch["images"].float()), batch["labels"])


def probabilities(network: nn.Module, these: Float[np.ndarray, "n c row column"]) -> Float[np.ndarray, "n k"]:
    """The softmax of the network's answers, 64 images at a time."""
    device = next(network.parameters()).device
    network.eval()
    out = []
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, fast_bfloat16(device.type)):
        for start in range(0, len(these), 64):
            batch = torch.from_numpy(these[start : start + 64]).to(device).float()
            out.append(torch.softmax(network(batch).float(), 1).cpu())
    return torch.cat(out).double().numpy()


def top_two(outcome: Outcome) -> tuple[float, float]:
    """Of the distinct M&A test images: the shares with M or A first, and with M and A as the first two."""
    seen: dict[tuple[int, int, str], Sequence[float]] = {}
    for e, row in zip(outcome.entered, outcome.scores.tolist(), strict=True):
        if e.label == "M&A":
            seen[e.patient, e.view, e.name.split(" as ")[0]] = row
    if not seen:
        return float("nan"), float("nan")
    order = np.argsort(-np.array(list(seen.values())), axis=1)
    return float(np.mean(order[:, 0] != 0)), float(np.mean(order[:, 2] == 0))
