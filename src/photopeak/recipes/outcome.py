"""What a study leaves behind: ``results/<ID>/<preset>.json`` with its figures, and the predictions they come from."""

from __future__ import annotations

import json
import math
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from photopeak import __version__
from photopeak.core.writing import whole_file
from photopeak.learning.devices import cores
from photopeak.patients.anatomy import EDITION

Figure = dict[str, Any]
"""``value, low, high, unit, n``, and whatever stands beside it: ``published``, ``baseline`` …"""


@dataclass
class Outcome:
    """The record of one study, filled as it runs."""

    id: str
    preset: str
    seeds: Sequence[int]
    cohort: Mapping[str, Any]
    leaky: bool = False
    figures: dict[str, Figure] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def known(self) -> dict[str, Figure]:
        """The figures that are numbers: a class without a case, as in a smoke run, has none."""
        return {k: f for k, f in self.figures.items() if all(map(math.isfinite, _numbers(f)))}

    def write(self, folder: Path, wall_s: float, device: torch.device) -> Path:
        """``<folder>/<id>/<preset>.json``, in one move."""
        record = {
            "id": self.id,
            "preset": self.preset,
            "command": command(),
            "commit": commit(),
            "seeds": list(self.seeds),
            "cohort": dict(self.cohort),
            "anatomy": EDITION,
            "hardware": hardware(device),
            "wall_s": round(wall_s, 1),
            **({"leaky": True} if self.leaky else {}),
            **self.notes,
            "figures": self.known,
        }
        path = folder / self.id / f"{self.preset}.json"
        with whole_file(path) as work:
            text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
            work.write_text(text + "\n", encoding="utf-8")
        return path


def _numbers(one: Figure) -> list[float]:
    return [float(one[k]) for k in ("value", "low", "high")]


def figure(value: float, low: float, high: float, unit: str = "1", n: int = 1, **beside: Any) -> Figure:
    """One figure with its interval."""
    return {"value": value, "low": low, "high": high, "unit": unit, "n": n, **beside}


def commit() -> str:
    """The commit the study ran at, or that nobody knows."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def provenance() -> dict[str, str]:
    """The command, the commit and the machine, in words."""
    machine = hardware(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    return {
        "command": command(),
        "photopeak": f"{__version__}, commit {commit()}",
        "machine": ", ".join(f"{k} {v}" for k, v in machine.items() if v is not None),
    }


def command() -> str:
    """The command line as it was given."""
    return " ".join(["photopeak", *sys.argv[1:]])


def hardware(device: torch.device) -> dict[str, Any]:
    """What it ran on."""
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": cores(),
        "card": card,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
