"""Checkpoints: weights, optimisers and the best weights so far, in safetensors, replaced in one move.

No pickle: a checkpoint from a stranger can be wrong but cannot run code.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from photopeak.core import PhotopeakError
from photopeak.core.writing import whole_file

NAME = "checkpoint.safetensors"
Optimisers = Mapping[str, torch.optim.Optimizer]


def save_checkpoint(
    folder: Path,
    networks: Mapping[str, nn.Module],
    optimisers: Optimisers,
    best: Mapping[str, torch.Tensor],
    epoch: int,
) -> None:
    """Write ``checkpoint.safetensors``: the state after ``epoch`` epochs."""
    tensors = {"epoch": torch.tensor(epoch)}
    tensors |= {f"best/{k}": v for k, v in best.items()}
    for name, network in networks.items():
        tensors |= {f"network/{name}/{k}": v for k, v in network.state_dict().items()}
    for name, optimiser in optimisers.items():
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{name}/{index}/{k}": torch.as_tensor(v) for k, v in state.items()}
    with whole_file(folder / NAME) as work:
        # Contiguous copies: safetensors refuses tensors that share memory or are channels_last.
        save_file({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, work)


def load_checkpoint(
    folder: Path, networks: Mapping[str, nn.Module], optimisers: Optimisers, best: dict[str, torch.Tensor]
) -> int:
    """Take up the state in ``folder`` and give the epochs done; 0 where there is no checkpoint."""
    path = folder / NAME
    if not path.exists():
        return 0
    device = next(next(iter(networks.values())).parameters()).device
    tensors = load_file(path, device=str(device))
    try:
        for name, network in networks.items():
            network.load_state_dict(_under(tensors, f"network/{name}/"))
        for name, optimiser in optimisers.items():
            _load_optimiser(optimiser, _under(tensors, f"optimiser/{name}/"))
    except (RuntimeError, KeyError, ValueError) as error:
        raise PhotopeakError(
            f"{path} is of another network than this one: {str(error).splitlines()[0]} Remedy: name another folder."
        ) from error
    best |= _under(tensors, "best/")
    return int(tensors["epoch"])


def _load_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split("/")
        # Adam keeps its step count on the CPU.
        state.setdefault(int(index), {})[name] = value.cpu() if name == "step" else value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def _under(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
