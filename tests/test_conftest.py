"""A missing tool is counted aloud, and is a failure where it could have been installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.untraced


@pytest.mark.parametrize(("tools", "status"), [("", 0), ("required", 1)])
@pytest.mark.parametrize("workers", ["0", "2"])
def test_tests_without_their_tool_are_counted(tmp_path: Path, tools: str, status: int, workers: str) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    for name in ("conftest.py", "typechecker.py"):
        shutil.copy(Path(__file__).with_name(name), folder / name)
    (folder / "test_tool.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('n', [1, 2])\n"
        "def test_needs_it(dciodvfy, n): pass\n"
        "def test_needs_nothing(): pass\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pytest", "-q", "-n", workers, "-p", "no:cacheprovider", str(folder)]
    environment = {**os.environ, "PATH": str(tmp_path), "PHOTOPEAK_TOOLS": tools}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    lines = done.stdout.splitlines()
    assert "2 tests skipped because: dciodvfy is missing: install Debian's dicom3tools" in lines
    assert lines[-1].startswith("1 passed, 2 skipped")
    assert ("Here a missing tool is a failure: it could have been installed." in lines) == bool(status)
    assert done.returncode == status, done.stdout
