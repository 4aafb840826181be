"""What the smallest studies share: the first patients of the published cohort, simulated once."""

import shutil
from pathlib import Path

import pytest

from photopeak.recipes import older


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of their scans, as a study keeps it in its work folder."""
    folder, preset = tmp_path_factory.mktemp("published"), older.PRESETS["smoke"]
    older.cohort(preset, folder)
    return folder / f"published-{preset.patients}.npz"


@pytest.fixture
def begun(published: Path, tmp_path: Path) -> Path:
    """A study's work folder that holds these scans already."""
    folder = tmp_path / "work"
    folder.mkdir()
    shutil.copy(published, folder)
    shutil.copy(published, folder / "published.npz")  # as R1 calls it
    return folder
