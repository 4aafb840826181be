"""A cohort of one patient by command, and what is read back from it."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from photopeak.cli import root
from photopeak.core import Image, Study
from photopeak.dicom.cohort import Cohort


def simulated(out: Path, protocol: str, *options: str) -> Path:
    """``photopeak simulate``: one patient of seed 3 in ``out``."""
    done = CliRunner().invoke(
        root, ["simulate", protocol, "--patients", "1", "--seed", "3", *options, "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    return out


def only(folder: Path) -> Study:
    (one,) = Cohort(folder)
    return one


def image(study: Study, name: str) -> Image:
    entry = study[name]
    assert isinstance(entry, Image)
    return entry
