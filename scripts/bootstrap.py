"""Make .venv hold what pyproject.toml asks for. Called by scripts/bootstrap.sh; needs only Python's own library.

Torch comes through pip (which knows where this machine keeps its build of torch), everything else through uv
(which is fast and leaves an installed torch alone), or through pip where uv has no wheel. ``uv sync`` and
``uv run`` are never used: they would replace torch.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UNFINISHED = VENV / ".unfinished"


def main(extras: str) -> None:
    """Bring .venv up to date for ``extras``; at once where nothing changed since."""
    if sys.version_info < (3, 11):  # noqa: UP036 (an older one may well start this file)
        sys.exit(f"Photopeak needs Python 3.11 or newer; this is {platform.python_version()}.")
    if is_ready(extras):
        return
    with (ROOT / ".venv.lock").open("w") as lock:
        # Released by the system when this process ends, however it ends.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_ready(extras):
            install(extras)


def is_ready(extras: str) -> bool:
    """True where the stamp of these extras, or of a set that holds them, is that of the present files."""
    wanted = set(filter(None, extras.split(",")))
    for stamp in VENV.glob(".ready*"):
        held = set(stamp.name.split("+")[1:])
        if wanted <= held | {""} and stamp.read_text(encoding="utf-8") == fingerprint():
            return PYTHON.exists()
    return False


def fingerprint() -> str:
    """What decides the content of .venv: what is asked for, which versions, and which Python."""
    files = [ROOT / "pyproject.toml", ROOT / "constraints.txt", Path(__file__)]
    digest = hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()
    return f"{digest} {platform.python_version()}"


def install(extras: str) -> None:
    """Create .venv and install; the stamp is written last, so a killed run is begun anew."""
    start = time.monotonic()
    print("setting up .venv (once; a later start is instant) …", file=sys.stderr, flush=True)
    if UNFINISHED.exists() or not works(PYTHON) or version_of(PYTHON) != platform.python_version():
        shutil.rmtree(VENV, ignore_errors=True)
    VENV.mkdir(exist_ok=True)
    UNFINISHED.touch()
    for stamp in VENV.glob(".ready*"):
        stamp.unlink()
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    say_cpu_build()
    try:
        install_packages(extras)
    except subprocess.CalledProcessError:
        UNFINISHED.unlink()  # refused, not killed: what is there is whole
        sys.exit("the installation failed; what pip said stands above.")
    name = "+".join([".ready", *sorted(filter(None, extras.split(",")))])
    (VENV / name).write_text(fingerprint(), encoding="utf-8")
    UNFINISHED.unlink()
    print(f"ready after {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)


def install_packages(extras: str) -> None:
    """Torch by pip, the rest by uv; by pip alone where uv cannot be had."""
    pip = [str(PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", "constraints.txt"]
    # uv would read this and could then take torch from another place than pip does.
    environment = {k: v for k, v in os.environ.items() if k != "UV_FIND_LINKS"}
    project = f".[{extras}]" if extras else "."
    subprocess.run([*pip, "torch==2.13.0"], cwd=ROOT, check=True)
    if subprocess.run([*pip, "--only-binary=:all:", "uv"], cwd=ROOT, check=False).returncode == 0:
        uv = [str(VENV / "bin" / "uv"), "pip", "install", "-q", "--python", str(PYTHON), "-c", "constraints.txt"]
        if subprocess.run([*uv, "-e", project], cwd=ROOT, env=environment, check=False).returncode == 0:
            return
        print("uv could not install; pip tries", file=sys.stderr, flush=True)
    subprocess.run([*pip, "-e", project], cwd=ROOT, check=True)


def say_cpu_build() -> None:
    """On Linux without an NVIDIA driver, pip's usual torch brings CUDA for nothing: say how to avoid it."""
    if platform.system() != "Linux" or shutil.which("nvidia-smi"):
        return
    settings = subprocess.run([str(PYTHON), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    if any(word in settings.stdout for word in ("find-links", "index-url")):
        return
    print(
        "No NVIDIA driver here: torch may come with 2 GB of CUDA that stay unused. To avoid that, stop now, set "
        "PIP_EXTRA_INDEX_URL to PyTorch's index of CPU builds (see its installation page) and start again.",
        file=sys.stderr,
    )


def works(python: Path) -> bool:
    """True where this interpreter starts and has pip."""
    if not python.exists():
        return False
    return subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def version_of(python: Path) -> str:
    """The version of an interpreter, such as 3.11.7."""
    code = "import platform; print(platform.python_version())"
    return subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
