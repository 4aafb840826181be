"""What every benchmark shares: rounds, figures with their spread, and the file they are written to.

from harness import figure, rounds, write
def main() -> None:
    seconds = rounds(lambda: simulate(0), n=20)
    write("simulate", {"both_views": figure([1e3 * s for s in seconds], "ms", floor=34.0)}, seeds=[7])
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
_STARTED = time.perf_counter()

#: from this many values on, low and high are the 2.5th and 97.5th percentiles; below, least and greatest
ENOUGH_FOR_PERCENTILES = 40


def rounds(
    fn: Callable[[], object], n: int, warmup: int = 1, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Seconds of each of ``n`` calls, after ``warmup`` calls that are not counted (compilation, caches).

    ``clock=time.process_time`` counts the processor alone: right for single-threaded code on a shared machine.
    """
    for _ in range(warmup):
        fn()
    seconds = []
    for _ in range(n):
        start = clock()
        fn()
        seconds.append(clock() - start)
    return seconds


def figure(values: float | Sequence[float], unit: str, **extra: Any) -> dict[str, Any]:
    """The median of repeated measurements with its spread; ``extra`` stands beside it (floor, source, published …).

    >>> figure([3.0, 1.0, 2.0], "ms", floor=0.5)
    {'value': 2.0, 'low': 1.0, 'high': 3.0, 'unit': 'ms', 'n': 3, 'floor': 0.5}
    """
    numbers = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if numbers.size == 0 or not np.isfinite(numbers).all():
        raise ValueError(f"a figure needs finite values, not {numbers}.")
    spread = (2.5, 97.5) if numbers.size >= ENOUGH_FOR_PERCENTILES else (0.0, 100.0)
    low, high = np.percentile(numbers, spread)
    middle = float(np.median(numbers))
    return {"value": middle, "low": float(low), "high": float(high), "unit": unit, "n": int(numbers.size), **extra}


def write(
    name: str,
    figures: Mapping[str, Mapping[str, Any]],
    preset: str = "default",
    seeds: Sequence[int] = (),
    cohort: Any = None,
) -> Path:
    """Write ``results/bench/NAME.json`` (or ``NAME-PRESET.json``) with what is needed to make it again."""
    record = {
        "id": name,
        "preset": preset,
        "command": " ".join(["benchmarks/run", Path(sys.argv[0]).stem, *sys.argv[1:]]),
        "commit": commit(),
        "seeds": list(seeds),
        "cohort": cohort,
        "hardware": hardware(),
        "wall_s": round(time.perf_counter() - _STARTED, 2),
        "figures": {key: dict(value) for key, value in figures.items()},
    }
    path = ROOT / "results" / "bench" / (f"{name}.json" if preset == "default" else f"{name}-{preset}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    _print(record, path)
    return path


def commit() -> str:
    """The commit that was measured, with ``-dirty`` where the source differs from it."""
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "src", "benchmarks"], check=False).returncode
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("-dirty" if changed else "")


def hardware() -> dict[str, Any]:
    """What it ran on, and how busy that was: a load above the cores means that times are too long."""
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "cores": allowed,
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "load": round(psutil.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _print(record: Mapping[str, Any], path: Path) -> None:
    for key, f in record["figures"].items():
        beside = ", ".join(f"{k} {v}" for k, v in f.items() if k not in {"value", "low", "high", "unit", "n"})
        print(f"{key}: {f['value']:.4g} {f['unit']} ({f['low']:.4g} to {f['high']:.4g}, n={f['n']}) {beside}".rstrip())
    print(f"wrote {path.relative_to(ROOT)}")
