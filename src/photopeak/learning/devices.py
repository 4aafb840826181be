"""Where networks run."""

from __future__ import annotations

import functools
import os

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


def placed(network: nn.Module, where: torch.device) -> None:
    """Move a network there, with its images' channels last, which bfloat16 convolutions are fastest with."""
    network.to(where).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


@functools.cache
def fast_bfloat16(where: str) -> bool:
    """Whether bfloat16 pays on a kind of device ("cpu", "cuda").

    On a card, and on processors with instructions for it (AMX, AVX-512 BF16, Arm BF16), it does. Elsewhere each number
    is converted on the way, and single precision is faster (``benchmarks/run dspic`` compares both).
    """
    if where != "cpu":
        return True
    able = torch.cpu.get_capabilities()
    return any(bool(able.get(name)) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def cores() -> int:
    """How many processors this process may use; macOS does not say, and has them all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
