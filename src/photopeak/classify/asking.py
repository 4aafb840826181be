"""Asking the reader's network: batches of scans in, arrays out, everything the right way round."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8, UInt16
from torch import nn

from photopeak.learning.devices import has_bfloat16
from photopeak.networks.reader import Reading

BATCH = 16


@dataclass(frozen=True, eq=False)
class Answers:
    """What the network says of n scans. Maps lie on the scans' own views: the posterior one is mirrored back."""

    diagnoses: Float[np.ndarray, "n 2"]
    """Logits of metastasis and arthritis."""
    lesions: Float[np.ndarray, "n 2 kind row column"]
    """Probabilities."""
    regions: UInt8[np.ndarray, "n 2 row column"]
    """The number of the most probable region; 0 is none."""
    man: Float[np.ndarray, " n"]
    """Probability that the patient is a man."""
    age: Float[np.ndarray, " n"]
    """Years."""
    wrong: Float[np.ndarray, "n 2"]
    """Probabilities that the views are exchanged, and that the patient stands on the head."""


def diagnoses(network: nn.Module, counts: UInt16[np.ndarray, "n 2 row column"]) -> Float[np.ndarray, "n 2"]:
    """The diagnoses' logits alone."""
    return np.concatenate([part.diagnoses.float().cpu().numpy() for part in _readings(network, counts)])


def answers(network: nn.Module, counts: UInt16[np.ndarray, "n 2 row column"]) -> Iterator[Answers]:
    """Everything, batch by batch: a scan takes 0.7 MB."""
    for reading in _readings(network, counts):
        # max() finds the index in two thirds of argmax()'s time.
        lesions, regions = torch.sigmoid(reading.lesions.float()), reading.regions.max(2).indices.to(torch.uint8)
        yield Answers(
            reading.diagnoses.float().cpu().numpy(),
            _as_imaged(lesions).cpu().numpy(),
            _as_imaged(regions).cpu().numpy(),
            torch.sigmoid(reading.sex.float()).cpu().numpy(),
            (55.0 + 10.0 * reading.age.float()).cpu().numpy(),
            torch.sigmoid(reading.wrong.float()).cpu().numpy(),
        )


def _readings(network: nn.Module, counts: UInt16[np.ndarray, "n 2 row column"]) -> Iterator[Reading]:
    where = next(network.parameters()).device
    network.eval()
    for start in range(0, len(counts), BATCH):
        batch = torch.from_numpy(counts[start : start + BATCH].astype(np.float32)).to(where)
        with torch.inference_mode(), torch.autocast(where.type, torch.bfloat16, has_bfloat16(where.type)):
            yield network(batch)


def _as_imaged(maps: torch.Tensor) -> torch.Tensor:
    return torch.stack((maps[:, 0], maps[:, 1].flip(-1)), 1)
