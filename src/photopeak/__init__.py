"""Photopeak: deep learning for nuclear medicine, from the camera's DICOM file to a signed reading.

Research software, not a medical device.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_LAZY = (
    "classify",
    "core",
    "dicom",
    "evaluate",
    "learning",
    "networks",
    "patients",
    "physics",
    "quantify",
    "recipes",
    "recon",
    "room",
)


def __getattr__(name: str) -> Any:
    # Rooms load when first used, so that `import photopeak` stays instant and torch waits its turn.
    if name in _LAZY:
        return importlib.import_module(f"photopeak.{name}")
    raise AttributeError(f"module 'photopeak' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*_LAZY, "__version__"]
