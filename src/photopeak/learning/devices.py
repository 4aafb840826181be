"""Where networks run."""

from __future__ import annotations

import os
import platform
from functools import cache

import torch
from torch import nn

from photopeak.core import PhotopeakError


def device(name: str) -> torch.device:
    """``auto`` is a CUDA card where there is one, else the processor; ``cpu`` and ``cuda`` are themselves."""
    if name not in ("auto", "cpu", "cuda"):
        raise PhotopeakError(f"no device is called {name!r}. Remedy: auto, cpu or cuda.")
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise PhotopeakError(
            "--device cuda: torch sees no CUDA card. Remedy: --device auto, or install torch for CUDA."
        )
    return torch.device("cuda" if there and name != "cpu" else "cpu")


@cache
def has_bfloat16(kind: str) -> bool:
    """Whether a device computes in bfloat16 itself. An x86 processor without the instructions is five times slower."""
    if kind != "cpu" or platform.machine().lower() not in ("x86_64", "amd64"):
        return True
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def placed(network: nn.Module, where: torch.device) -> None:
    """Move a network there, with its images' channels last, which bfloat16 convolutions are fastest with."""
    network.to(where).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def cores() -> int:
    """How many processors this process may use; macOS does not say, and has them all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
