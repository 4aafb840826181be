"""The image-quality phantom, made with known spheres, found wherever it lies, and measured."""

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import ndimage

from photopeak.cli import root
from photopeak.core import Acquisition, Grid, Image, Patient, PhotopeakError, Study, scaling
from photopeak.dicom import write
from photopeak.quantify.nema_phantom import DIAMETERS_MM, Pose, image_quality

EDGE_MM = 3.0
RATIO = 4.0


def phantom(pose: Pose, cold: tuple[float, ...] = (), fwhm_mm: float = 0.0, edge_mm: float = EDGE_MM) -> np.ndarray:
    """1 in the body, ``RATIO`` in hot spheres, 0 in cold ones and the lung insert; means of finer voxels."""
    times = 2
    fine = edge_mm / times
    z, y, x = ((np.arange(times * n) - (times - 1) / 2) * fine for n in (50, 110, 128))
    body = ((x - pose.x_mm) / 147.0) ** 2 + ((y[:, None] - pose.y_mm) / 117.0) ** 2 < 1.0
    body &= np.hypot(y[:, None] - pose.y_mm, x - pose.x_mm) > 25.0
    image = np.repeat(body[None].astype(float), len(z), 0)
    image[(z < 10.0) | (z > 135.0)] = 0.0
    for (cy, cx), d in zip(pose.centres(), DIAMETERS_MM, strict=True):
        inside = (z[:, None, None] - pose.z_mm) ** 2 + (y[:, None] - cy) ** 2 + (x - cx) ** 2 < (d / 2) ** 2
        image[inside] = 0.0 if d in cold else RATIO
    if fwhm_mm:
        image = ndimage.gaussian_filter(image, fwhm_mm / 2.355 / fine)
    n = [k // times for k in image.shape]
    return image.reshape(n[0], times, n[1], times, n[2], times).mean((1, 3, 5))


HERE = Pose(72.0, 165.0, 195.0, 40.0, 1)


def test_sharp_spheres_are_recovered_whole() -> None:
    figures = image_quality(phantom(HERE), (EDGE_MM,) * 3, RATIO).figures
    for d in DIAMETERS_MM:
        # A pixel across the edge is a part of the sphere: the smaller it is, the more of its disc.
        assert figures[f"contrast recovery, {d:g} mm, hot"].value == pytest.approx(100.0, abs=1.0 + 230.0 / d)
        assert figures[f"background variability, {d:g} mm"].value < 1e-6
    assert figures["lung residual"].value == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("pose", "cold"),
    [(Pose(60.0, 175.0, 180.0, 250.0, -1), ()), (Pose(90.0, 150.0, 205.0, 5.0, 1), (28.0, 37.0))],
)
def test_blur_costs_small_spheres_most_wherever_the_phantom_lies(pose: Pose, cold: tuple[float, ...]) -> None:
    image = phantom(pose, cold, fwhm_mm=8.0)
    checked = image_quality(image, (EDGE_MM,) * 3, RATIO, cold)
    recovered = [checked.figures[f"contrast recovery, {d:g} mm, {'cold' if d in cold else 'hot'}"].value
                 for d in DIAMETERS_MM]  # fmt: skip
    assert recovered == sorted(recovered)
    y, x = (np.arange(n) * EDGE_MM for n in image.shape[1:])
    for (cy, cx), d, value in zip(pose.centres(), DIAMETERS_MM, recovered, strict=True):
        disc = np.hypot(y[:, None] - cy, x - cx) <= d / 2
        seen = float(image[round(pose.z_mm / EDGE_MM)][disc].mean())
        known = 1.0 - seen if d in cold else (seen - 1.0) / (RATIO - 1.0)
        assert value == pytest.approx(100.0 * known, abs=6.0)


def test_noise_is_the_variability_of_the_background() -> None:
    rng = np.random.default_rng(3)
    image = phantom(HERE, fwhm_mm=6.0)
    noisy = np.clip(image + 0.2 * (image > 0.2) * rng.standard_normal(image.shape), 0.0, None)
    figures = image_quality(noisy, (EDGE_MM,) * 3, RATIO).figures
    for d in (22.0, 37.0):
        pixels = np.pi * (d / 2 / EDGE_MM) ** 2
        assert figures[f"background variability, {d:g} mm"].value == pytest.approx(20.0 / pixels**0.5, rel=0.35)


def test_a_cylinder_is_no_phantom() -> None:
    y, x = (np.arange(128) - 63.5) * EDGE_MM, (np.arange(128) - 63.5) * EDGE_MM
    image = np.repeat((np.hypot(y[:, None], x) < 100.0)[None].astype(float), 40, 0)
    image += 0.05 * np.random.default_rng(1).standard_normal(image.shape)
    with pytest.raises(PhotopeakError, match="no ring of six spheres"):
        image_quality(image, (EDGE_MM,) * 3, RATIO)
    with pytest.raises(PhotopeakError, match="no sphere has a diameter of 12"):
        image_quality(image, (EDGE_MM,) * 3, RATIO, (12.0,))
    with pytest.raises(PhotopeakError, match="ratio=1"):
        image_quality(image, (EDGE_MM,) * 3, 1.0)


def test_from_a_file_to_a_report(tmp_path: Path) -> None:
    image = phantom(HERE, fwhm_mm=8.0)
    grid = Grid.volume((50, 110, 128), scaling((EDGE_MM,) * 3), "2.25.7")
    entries = {"activity": Image((5000.0 * image).astype(np.float32), grid, "Bq/ml")}
    study = Study(
        entries,
        Patient("IQ"),
        Acquisition(
            "PT",
            started_at=datetime(2026, 3, 2, 9, 30),
            duration_s=600.0,
            decay_correction="NONE",
            corrections=("ATTN", "SCAT"),
        ),
    )
    write(study, tmp_path / "iq")
    done = CliRunner().invoke(
        root, ["qc", "image-quality", str(tmp_path / "iq"), "--ratio", "4", "--out", str(tmp_path)]
    )
    assert done.exit_code == 0, done.output
    (record,) = tmp_path.glob("image-quality-*.json")
    told = json.loads(record.read_text())["figures"]
    assert told["contrast recovery, 37 mm, hot"]["value"] > told["contrast recovery, 10 mm, hot"]["value"]
    assert record.with_suffix(".pdf").stat().st_size > 5000
