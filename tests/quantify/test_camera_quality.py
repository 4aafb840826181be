"""Quality control against cameras whose faults are known, and on a real camera's images."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from photopeak.cli import root
from photopeak.core import Acquisition, Axis, Grid, Image, PhotopeakError, Radiopharmaceutical, Study, scaling
from photopeak.dicom import write
from photopeak.quantify.camera_quality import (
    central,
    centre_of_rotation,
    half_width,
    linearity,
    noise_percent,
    resolution,
    sensitivity,
    uniformity,
)

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "qc_mediso_nmqc"


def flood(level: float, seed: int = 1, pixels: int = 96) -> np.ndarray:
    mean = np.zeros((pixels, pixels))
    mean[12:84, 6:90] = level
    return np.random.default_rng(seed).poisson(mean)


def test_a_flat_flood_is_uniform_to_its_counting_noise():
    checked = uniformity(flood(40_000.0), 6.4)
    integral = checked.figures["integral uniformity, useful field"].value
    assert not checked.notes
    assert integral == pytest.approx(noise_percent(40_000.0, 70 * 82), rel=0.25)
    assert checked.figures["differential uniformity, useful field"].value < integral
    assert "counting noise" in uniformity(flood(400.0), 6.4).notes[0]


def test_a_dim_patch_is_found_by_the_figure_it_should_have():
    image = flood(200_000.0).astype(float)
    image[40:50, 40:50] *= 0.9
    checked = uniformity(image, 6.4)
    expected = 100 * (1.0 - 0.9) / (1.0 + 0.9)
    assert checked.figures["integral uniformity, central field"].value == pytest.approx(expected, abs=0.5)
    assert checked.figures["differential uniformity, central field"].value == pytest.approx(expected, abs=0.5)


def test_fine_images_are_rebinned_to_the_standards_pixel():
    fine = np.random.default_rng(2).poisson(np.pad(np.full((288, 336), 2500.0), 20))
    checked = uniformity(fine, 1.6)
    assert not checked.notes
    assert checked.figures["counts"].value == fine.sum()


def test_the_central_field_is_three_quarters_wide():
    field = np.zeros((60, 100), bool)
    field[10:50, 10:90] = True
    rows, columns = (np.flatnonzero(central(field).any(k)) for k in (1, 0))
    assert len(rows) == pytest.approx(30, abs=1)
    assert len(columns) == pytest.approx(60, abs=1)


def slits(
    shift_mm: np.ndarray | None = None, fwhm: float = 4.0, pixel: float = 1.0, turned: bool = False
) -> np.ndarray:
    """Lines 30 mm apart, each of which may be moved."""
    x = np.arange(320) * pixel
    sigma = fwhm / 2.3548
    places = 25.0 + 30.0 * np.arange(10) + (0.0 if shift_mm is None else shift_mm)
    profile = sum(1000.0 * np.exp(-0.5 * ((x - p) / sigma) ** 2) for p in places)
    image = np.random.default_rng(3).poisson(np.tile(profile, (300, 1)))
    return image.T if turned else image


@pytest.mark.parametrize("turned", [False, True])
def test_straight_lines_are_linear(turned):
    figures = linearity(slits(turned=turned), 1.0).figures
    assert figures["absolute linearity"].value < 0.05
    assert figures["differential linearity"].value < 0.05
    assert figures["distance of lines"].value == pytest.approx(30.0, abs=0.01)
    assert abs(figures["tilt of lines"].value) < 0.05


def test_a_line_out_of_place_is_told():
    shift = np.zeros(10)
    shift[4] = 1.0
    figures = linearity(slits(shift), 1.0).figures
    assert figures["absolute linearity"].value == pytest.approx(0.9, abs=0.1)
    with pytest.raises(PhotopeakError, match="slit mask"):
        linearity(flood(100.0), 1.0)


@pytest.mark.parametrize("fwhm", [4.0, 8.0])
def test_widths_of_lines_come_back(fwhm):
    figures = resolution(slits(fwhm=fwhm, pixel=0.6), 0.6).figures
    assert figures["FWHM"].value == pytest.approx(fwhm, rel=0.03)
    assert figures["FWTM"].value == pytest.approx(1.823 * fwhm, rel=0.03)


def test_a_peak_that_does_not_fall_has_no_width():
    assert np.isnan(half_width(np.array([0.0, 0.6, 1.0, 0.8, 0.7]), 2))
    with pytest.raises(PhotopeakError, match="line source"):
        resolution(np.zeros((64, 64)) + 1.0, 1.0)


def test_the_axis_is_where_the_source_turns():
    angles = np.arange(0, 360, 6.0)
    u = 63.5 + 1.25 + 20.0 * np.cos(np.deg2rad(angles - 30.0))
    y, x = np.indices((64, 128))
    images = np.stack([1e4 * np.exp(-0.5 * ((x - c) ** 2 + (y - 31) ** 2) / 4.0) for c in u])
    figures = centre_of_rotation(images, angles, 4.0).figures
    assert figures["centre of rotation, offset"].value == pytest.approx(5.0, abs=0.02)
    assert figures["centre of rotation, greatest deviation"].value < 0.05
    assert figures["distance of the source from the axis"].value == pytest.approx(80.0, abs=0.1)
    assert figures["axial deviation"].value < 0.05


def test_sensitivity_is_counts_a_second_and_mbq():
    figure = sensitivity(np.full((10, 10), 900), 300.0, 40.0, 0.9).figures["sensitivity"]
    assert figure.value == pytest.approx(90_000 / (300 * 36))
    assert figure.sd == pytest.approx(figure.value / 300.0)


def test_the_command_writes_paper_and_json(tmp_path: Path):
    grid = Grid((Axis("view", 1, ("anterior",)), Axis("y", 96), Axis("x", 96)), scaling((6.4, 6.4, 1.0)))
    tracer = (Radiopharmaceutical("", "Tc-99m", 40.0, half_life_s=21626.0),)
    acquisition = Acquisition("NM", "STATIC", "ACME", "One", duration_s=300.0, radiopharmaceuticals=tracer)
    study = Study({"counts": Image(flood(20_000.0).astype(np.uint16)[None], grid, "{counts}")}, acquisition=acquisition)
    write(study, tmp_path / "flood.dcm")
    out = tmp_path / "out"
    done = CliRunner().invoke(root, ["qc", "uniformity", str(tmp_path / "flood.dcm"), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "integral uniformity, useful field" in done.output
    told = json.loads((out / "uniformity-detector-1,-anterior.json").read_text())
    assert told["camera"] == "ACME One"
    assert told["figures"]["integral uniformity, useful field"]["unit"] == "%"
    assert (out / "uniformity-detector-1,-anterior.pdf").read_bytes().startswith(b"%PDF")
    done = CliRunner().invoke(root, ["qc", "sensitivity", str(tmp_path / "flood.dcm")])
    assert "counts/s/MBq" in done.output
    done = CliRunner().invoke(root, ["qc", "centre-of-rotation", str(tmp_path / "flood.dcm")])
    assert isinstance(done.exception, PhotopeakError)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real camera's images are not here")
def test_a_real_camera_passes_as_its_maker_says(tmp_path: Path):
    for test, name, figure, low, high in (
        ("uniformity", "UNIFORMIDAD_1.dcm", "integral uniformity, central field", 2.0, 5.0),
        ("linearity", "Lin_X.dcm.xz", "absolute linearity", 0.05, 1.0),
        ("linearity", "Lin_Y.dcm.xz", "differential linearity", 0.02, 0.6),
        ("resolution", "Spatial_Resol_X.dcm", "FWHM", 6.0, 9.0),
    ):
        path = REAL / name
        if path.suffix == ".xz":
            plain = tmp_path / path.stem
            plain.write_bytes(lzma.decompress(path.read_bytes()))
            path = plain
        done = CliRunner().invoke(root, ["qc", test, str(path), "--out", str(tmp_path / test / path.stem)])
        assert done.exit_code == 0, done.output
        (record,) = (tmp_path / test / path.stem).glob("*.json")
        assert low < json.loads(record.read_text())["figures"][figure]["value"] < high
