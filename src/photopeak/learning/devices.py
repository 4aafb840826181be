"""Where networks run."""

from __future__ import annotations

import torch

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
