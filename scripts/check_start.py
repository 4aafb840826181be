"""Is Photopeak there at once? ``import photopeak`` under 0.3 s, without torch; ``photopeak --help`` under 0.5 s."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 9
HEAVY = ("torch", "numba", "scipy", "gdcm", "skimage", "matplotlib", "pydicom", "xraylib")
LIMITS_S = {
    "import photopeak": (0.3, [sys.executable, "-c", "import photopeak"]),
    "photopeak --help": (0.5, [str(Path(sys.executable).with_name("photopeak")), "--help"]),
}


def seconds(command: list[str]) -> float:
    """Wall time of a command, the shortest of several: what else the machine does can only add to it."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)


def loaded_early() -> list[str]:
    """Heavy modules that are imported before anything asked for them."""
    first = "import sys, photopeak, photopeak.cli; from photopeak.core import *"
    code = f"{first}; print(*[m for m in {HEAVY} if m in sys.modules])"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()


if __name__ == "__main__":
    failed = False
    for name, (limit_s, command) in LIMITS_S.items():
        took_s = seconds(command)
        failed |= took_s > limit_s
        print(f"{name}: {took_s:.3f} s (limit {limit_s} s)")
    if early := loaded_early():
        failed = True
        print(f"loaded before they are needed: {', '.join(early)}")
    sys.exit(failed)
