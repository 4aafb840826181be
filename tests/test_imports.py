"""What is loaded when, and what is checked while tests run."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import jaxtyping
import numpy as np
import pytest

import photopeak

SRC = Path(__file__).resolve().parents[1] / "src"
KERNELS = [".".join(p.relative_to(SRC).with_suffix("").parts) for p in sorted(SRC.rglob("*_kernels.py"))]


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_photopeak_loads_nothing_heavy() -> None:
    loaded = python("import sys, photopeak; from photopeak.core import *; print(*sys.modules)").split()
    assert not {"torch", "numba", "scipy", "gdcm", "skimage", "matplotlib", "pydicom", "xraylib"} & set(loaded)
    assert "photopeak.core.study" in loaded


def test_the_command_line_starts_without_numpy() -> None:
    loaded = python("import sys, photopeak.cli, photopeak.core.registry, photopeak.core.errors; print(*sys.modules)")
    assert "numpy" not in loaded.split()
    assert "photopeak.core.registry" in loaded.split()


def test_every_word_of_the_core_is_where_the_package_says() -> None:
    assert sorted(photopeak.core.__all__) == sorted(set(dir(photopeak.core)) & set(photopeak.core.__all__))
    for name in photopeak.core.__all__:
        assert getattr(photopeak.core, name).__module__.startswith("photopeak.core.") or name in ("Entry",)
    with pytest.raises(AttributeError, match="no attribute 'Wort'"):
        photopeak.core.Wort  # noqa: B018


def test_rooms_are_there_when_asked_for() -> None:
    code = "import photopeak; print(photopeak.core.Study.__name__, photopeak.quantify.__name__)"
    assert python(code).split() == ["Study", "photopeak.quantify"]
    assert set(dir(photopeak)) >= {"core", "physics", "patients", "dicom", "quantify", "__version__"}
    with pytest.raises(AttributeError, match="no attribute 'no_such_room'"):
        photopeak.no_such_room  # noqa: B018


def test_every_room_on_disk_can_be_had_from_the_package() -> None:
    rooms = {p.parent.name for p in (SRC / "photopeak").glob("*/__init__.py")}
    assert rooms <= set(dir(photopeak))


def test_shapes_are_checked_while_tests_run() -> None:
    from photopeak.physics.planar import body_planes

    assert body_planes(np.ones((2, 3, 4), dtype=np.float32)) == (0, 2)
    with pytest.raises(jaxtyping.TypeCheckError):
        body_planes(np.ones((2, 3), dtype=np.float32))
    with pytest.raises(jaxtyping.TypeCheckError):
        body_planes(np.ones((2, 3, 4), dtype=np.float64))


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_are_compiled_as_they_stand(name: str) -> None:
    """numba cannot compile a function that a type checker has wrapped, so the kernels' files are left out."""
    loader = type(importlib.import_module(name).__spec__.loader)
    assert "Jaxtyping" not in loader.__name__
