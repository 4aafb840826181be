"""Interfile: what is written reads back, what others wrote is read, what is broken is named."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from photopeak.cli import root
from photopeak.core import Grid, Image, PhotopeakError
from photopeak.core.grid import scaling
from photopeak.dicom import read
from photopeak.recon.interfile import read_interfile, write_interfile

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "phantoms_benauer"
HEADER = """!INTERFILE :=
!name of data file := d.i33
imagedata byte order := LITTLEENDIAN
!matrix size [1] := 3
!matrix size [2] := 2
!number format := unsigned integer
!number of bytes per pixel := 2
scaling factor (mm/pixel) [1] :=+2.000000+00
scaling factor (mm/pixel) [2] := 2.0
!number of slices := 2
slice thickness (pixels) := 1.5
!END OF INTERFILE :=
"""


def volume() -> Image:
    values = np.random.default_rng(1).normal(size=(4, 5, 6)).astype(np.float32)
    return Image(values, Grid.volume((4, 5, 6), scaling((2.0, 2.5, 3.25), (-5.0, -6.0, 100.0))), "{counts}")


def made(folder: Path, header: str = HEADER, size: int = 24) -> Path:
    (folder / "d.i33").write_bytes(bytes(range(size)))
    (folder / "h.h33").write_text(header)
    return folder / "h.h33"


def test_what_is_written_reads_back(tmp_path: Path):
    image = volume()
    back = read_interfile(write_interfile(image, tmp_path / "x.hv"), unit="{counts}")["uptake"]
    assert isinstance(back, Image)
    assert np.array_equal(back.values, image.values)
    assert back.grid.matrix_mm == pytest.approx(image.grid.matrix_mm)


def test_numbers_come_in_their_order_and_slices_in_pixels_or_as_stated(tmp_path: Path):
    image = read_interfile(made(tmp_path))["uptake"]
    assert image.values[0, 0].tolist() == [0x0100, 0x0302, 0x0504]
    assert image.values.shape == (2, 2, 3)
    assert image.grid.spacing_mm == {"z": 3.0, "y": 2.0, "x": 2.0}
    assert read_interfile(made(tmp_path), slice_mm=1.5)["uptake"].grid.spacing_mm["z"] == 1.5
    big = read_interfile(made(tmp_path, HEADER.replace("LITTLE", "BIG")))["uptake"]
    assert big.values[0, 0].tolist() == [0x0001, 0x0203, 0x0405]


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("!INTERFILE", "INTERNET", "does not begin"),
        ("d.i33", "../d.i33", "beside the header"),
        ("d.i33", "e.i33", "is missing"),
        ("matrix size [1] := 3", "matrix size [1] := 9", "holds 24"),
        ("matrix size [1] := 3", "matrix size [1] := many", "no number"),
        ("unsigned integer", "ascii", "number format"),
        ("LITTLEENDIAN", "MIDDLE", "byte order"),
        ("slice thickness (pixels) := 1.5\n", "", "state slice_mm"),
        ("[2] := 2.0", "[2] := 0", "cannot be"),
        ("!number of bytes per pixel := 2\n", "", "number of bytes per pixel: is missing"),
    ],
)
def test_what_is_broken_is_named(tmp_path: Path, old: str, new: str, match: str):
    with pytest.raises(PhotopeakError, match=match):
        read_interfile(made(tmp_path, HEADER.replace(old, new)))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_no_header_escapes(tmp_path_factory: pytest.TempPathFactory, noise: bytes):
    path = tmp_path_factory.mktemp("h") / "x.hv"
    path.write_bytes(b"!INTERFILE :=\n" + noise)
    with pytest.raises(PhotopeakError):
        read_interfile(path)


def test_the_command_goes_both_ways(tmp_path: Path):
    header = made(tmp_path)
    done = CliRunner().invoke(root, ["convert", str(header), str(tmp_path / "x.dcm"), "--unit", "{counts}"])
    assert done.exit_code == 0, done.output
    (study,) = read(tmp_path / "x.dcm")
    assert study.acquisition.kind == "RECON TOMO"
    done = CliRunner().invoke(root, ["convert", str(tmp_path / "x.dcm"), str(tmp_path / "y.hv")])
    assert done.exit_code == 0, done.output
    one, other = (read_interfile(p)["uptake"] for p in (header, tmp_path / "y.hv"))
    assert np.allclose(one.values, other.values)
    assert one.grid.spacing_mm == pytest.approx(other.grid.spacing_mm)
    done = CliRunner().invoke(root, ["convert", str(header), str(tmp_path / "x.png")])
    assert isinstance(done.exception, PhotopeakError)


@pytest.mark.skipif(not REAL.is_dir(), reason="the digital phantoms are not here")
def test_published_phantoms_are_read(tmp_path: Path):
    with zipfile.ZipFile(REAL / "patient_LuDOTATATE_phantoms.zip") as z:
        z.extractall(tmp_path)
    image = read_interfile(tmp_path / "patient15_LuDOTATATE_src.h33", slice_mm=4.4196)["uptake"]
    assert image.values.shape == (90, 70, 108)
    assert image.values.max() > 0
    with zipfile.ZipFile(REAL / "DaT_phantom.zip") as z:
        z.extractall(tmp_path)
    brain = read_interfile(tmp_path / "DaT_Attenuation_72x90x77.h33", slice_mm=2.0)["uptake"]
    assert set(np.unique(brain.values)) <= {0, 1, 2, 3}
    assert brain.grid.spacing_mm == {"z": 2.0, "y": 2.0, "x": 2.0}
