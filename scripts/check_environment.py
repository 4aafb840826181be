"""Is the torch that is installed the one we mean, and does everything installed fit together?"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distributions, version

WANTED = "2.13.0"


def faults() -> list[str]:
    """What is wrong with this environment, in sentences."""
    torch = version("torch")
    installed = {d.name.lower() for d in distributions()}
    found = []
    if torch.split("+")[0] != WANTED:
        found.append(f"torch is {torch}, not {WANTED}: something replaced it (was uv sync or uv run called?)")
    nvidia = sorted(n for n in installed if n.startswith("nvidia-"))
    if torch.endswith("+cpu") and nvidia:
        found.append(f"torch is a CPU build, yet CUDA packages are installed: {', '.join(nvidia)}")
    if "torchvision" in installed:
        found.append("torchvision is installed; its build breaks beside this torch")
    check = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    if check.returncode:
        found.append(check.stdout.strip())
    return found


if __name__ == "__main__":
    problems = faults()
    print("\n".join(problems) or f"torch {version('torch')}, {sys.version.split()[0]}, nothing in conflict")
    sys.exit(bool(problems))
