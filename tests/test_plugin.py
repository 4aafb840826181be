"""A package of a stranger: its Step is listed, runs, is recorded and cited, with nothing of ours changed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from photopeak.core import Acquisition, Grid, Image, Patient, Study

PAGE = Path(__file__).resolve().parents[1] / "docs" / "how-to" / "write-a-plugin.md"
PHOTOPEAK = Path(sys.executable).with_name("photopeak")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The plugin of the documentation, installed by pip into a folder of its own."""
    work = tmp_path_factory.mktemp("plugin")
    info = "halo-1.0.dist-info"
    entry_points = re.sub(r'\[project\.entry-points\."(.+)"\]', r"[\1]", blocks("toml")[0]).replace('"', "")
    wheel = work / "halo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as z:
        z.writestr("halo.py", blocks("python")[0])
        z.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: halo\nVersion: 1.0\nRequires-Dist: photopeak\n")
        z.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr(f"{info}/entry_points.txt", entry_points)
        z.writestr(f"{info}/RECORD", "".join(f"{n},,\n" for n in [*z.namelist(), f"{info}/RECORD"]))
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(work / "site")]
    subprocess.run([*pip, str(wheel)], check=True)
    return work / "site"


@pytest.fixture(scope="module")
def scan(tmp_path_factory) -> Path:
    """A small whole-body scan in a file; 6 counts in all."""
    import numpy as np

    from photopeak.dicom import write

    grid = Grid.planar(("anterior", "posterior"), (4, 4), (2.4, 2.4))
    values = np.zeros(grid.shape, dtype=np.uint16)
    values[0, 1, 1], values[1, 2, 2] = 2, 4
    study = Study({"counts": Image(values, grid, "{counts}")}, Patient("P1"), Acquisition("NM", "WHOLE BODY"))
    return write(study, tmp_path_factory.mktemp("scan") / "planar.dcm")


def run(site: Path, *command: object) -> str:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_step_is_listed(site: Path) -> None:
    assert re.search(r"halo-total +Step from halo", run(site, PHOTOPEAK, "--help"))
    assert "halo-total\n  needs counts\n  gives halo/total\n" in run(site, PHOTOPEAK, "steps")


def test_its_step_is_a_command_with_its_fields_as_options(site: Path, scan: Path, tmp_path: Path) -> None:
    assert "--scale FLOAT" in run(site, PHOTOPEAK, "halo-total", "--help")
    output = run(site, PHOTOPEAK, "halo-total", scan, "--scale", 2, "--out", tmp_path)
    assert "halo/total: 12 {counts}" in output
    assert '"value": 12.0' in (tmp_path / "halo_total.json").read_text(encoding="utf-8")


def test_what_it_did_is_recorded_and_cited(site: Path, scan: Path, tmp_path: Path) -> None:
    code = """
import sys, halo
from photopeak.core import run
from photopeak.dicom import read, write
(study,) = read(sys.argv[1])
done = run(halo.Total(), study)
write(done.only("counts"), sys.argv[2])
print(done.history[-1].step)
"""
    assert run(site, sys.executable, "-c", code, scan, tmp_path / "done.dcm") == "halo-total\n"
    assert "@misc{halo2026" in run(site, PHOTOPEAK, "cite", tmp_path / "done.dcm")


def test_without_it_nothing_is_left(tmp_path: Path) -> None:
    assert "halo" not in run(tmp_path, PHOTOPEAK, "--help")
