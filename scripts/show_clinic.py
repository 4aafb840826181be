"""What ./run does: simulate a small clinic and show its contact sheet."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

DEFAULT = ["--patients", "12", "--seed", "7"]


def main(arguments: list[str]) -> int:
    """Simulate, say where the sheet is, and open it where there is a display."""
    out = Path(arguments[arguments.index("--out") + 1]) if "--out" in arguments[:-1] else Path("demo")
    where = [] if "--out" in arguments else ["--out", str(out)]
    photopeak = Path(sys.executable).with_name("photopeak")
    done = subprocess.run([photopeak, "simulate", "bone-scan", *(arguments or DEFAULT), *where], check=False)
    if done.returncode:
        return done.returncode
    for sheet in sorted(out.glob("*.png")):
        print(f"to look at: {sheet.resolve()}")
        show(sheet)
    return 0


def show(picture: Path) -> None:
    """Open a picture in the system's viewer; without a display or a viewer, do nothing."""
    if platform.system() == "Darwin":
        viewer = "open"
    elif os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        viewer = "xdg-open"
    else:
        return
    if shutil.which(viewer):
        subprocess.run([viewer, str(picture)], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
