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
from photopeak.core.units import FWHM_PER_SIGMA
from photopeak.dicom import write
from photopeak.quantify.nema_phantom import DIAMETERS_MM, Pose, image_quality, located

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
        image = ndimage.gaussian_filter(image, fwhm_mm / FWHM_PER_SIGMA / fine)
    n = [k // times for k in image.shape]
    return image.reshape(n[0], times, n[1], times, n[2], times).mean((1, 3, 5))


HERE = Pose(72.0, 165.0, 195.0, 40.0, 1)


def over_disc(plane: np.ndarray, centre: np.ndarray, diameter_mm: float) -> float:
    """The mean of a plane over a disc, each pixel by the share of it that lies inside (400 points a pixel)."""
    at = (np.arange(20) - 9.5) / 20 * EDGE_MM
    y, x = ((np.arange(n)[:, None] * EDGE_MM + at).ravel() for n in plane.shape)
    inside = np.hypot(y[:, None] - centre[0], x - centre[1]) <= diameter_mm / 2
    share = inside.reshape(plane.shape[0], 20, plane.shape[1], 20).mean((1, 3))
    return float((plane * share).sum() / share.sum())


def known(image: np.ndarray, pose: Pose, cold: tuple[float, ...] = ()) -> list[float]:
    """Contrast recovery in per cent where the phantom was laid, against a background of 1."""
    plane = image[round(pose.z_mm / EDGE_MM)]
    seen = [over_disc(plane, c, d) for c, d in zip(pose.centres(), DIAMETERS_MM, strict=True)]
    hot = [100.0 * (v - 1.0) / (RATIO - 1.0) for v in seen]
    return [100.0 * (1.0 - v) if d in cold else h for v, h, d in zip(seen, hot, DIAMETERS_MM, strict=True)]


def measured(image: np.ndarray, cold: tuple[float, ...] = ()) -> list[float]:
    figures = image_quality(image, (EDGE_MM,) * 3, RATIO, cold).figures
    return [figures[f"contrast recovery, {d:g} mm, {'cold' if d in cold else 'hot'}"].value for d in DIAMETERS_MM]


def test_sharp_spheres_lose_what_pixels_across_their_edge_lose() -> None:
    image = phantom(HERE)
    figures = image_quality(image, (EDGE_MM,) * 3, RATIO).figures
    assert measured(image) == pytest.approx(known(image, HERE), abs=1.0)
    assert measured(image)[-1] > 93.0
    for d in DIAMETERS_MM:
        assert figures[f"background variability, {d:g} mm"].value < 1e-6
    assert figures["lung residual"].value == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("pose", "cold"),
    [(Pose(60.0, 175.0, 180.0, 250.0, -1), ()), (Pose(90.0, 150.0, 205.0, 5.0, 1), (28.0, 37.0))],
)
def test_blur_costs_small_spheres_most_wherever_the_phantom_lies(pose: Pose, cold: tuple[float, ...]) -> None:
    image = phantom(pose, cold, fwhm_mm=8.0)
    recovered = measured(image, cold)
    assert recovered == sorted(recovered)
    assert recovered == pytest.approx(known(image, pose, cold), abs=0.5)


@pytest.mark.parametrize("pose", [HERE, Pose(71.3, 164.2, 196.1, 213.7, -1)])
def test_it_is_found_between_voxels(pose: Pose) -> None:
    image = phantom(pose, fwhm_mm=5.0)
    found = located(image, image > 0.5, (EDGE_MM,) * 3, np.ones(6))
    assert found.sense == pose.sense
    assert found[:3] == pytest.approx(pose[:3], abs=0.2)
    assert found.turn_deg % 360 == pytest.approx(pose.turn_deg, abs=0.2)


def test_a_sphere_that_leaves_the_image_is_said() -> None:
    cut = phantom(HERE, fwhm_mm=8.0)[:, :, 65:]
    with pytest.raises(PhotopeakError, match=r"cut off|no ring of six|no room"):
        image_quality(cut, (EDGE_MM,) * 3, RATIO)


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
