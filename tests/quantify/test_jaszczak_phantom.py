"""The Jaszczak phantom: rods and spheres of known blur, found however it lies, and counted by the product's camera."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy import ndimage
from scipy.special import j1

from photopeak.cli import root
from photopeak.core import Acquisition, Grid, Image, Patient, PhotopeakError, Study, scaling
from photopeak.core.units import FWHM_PER_SIGMA
from photopeak.dicom import write
from photopeak.physics.materials import mu_per_cm
from photopeak.physics.noise import poisson_counts
from photopeak.physics.physics import Physics
from photopeak.physics.spect import Orbit, SpectCamera
from photopeak.quantify.jaszczak_geometry import LONG_MM, MODELS, gaps_of, is_water, rods_of
from photopeak.quantify.jaszczak_phantom import jaszczak
from photopeak.recon.em import osem

EDGE_MM = 3.0
DELUXE = MODELS["deluxe"]


def water(edge_mm: float, across: int, slices: int, times: int) -> np.ndarray:
    """The share of water in every voxel, from ``times``³ points in each."""
    fine = edge_mm / times
    z = (np.arange(times * slices) - (times - 1) / 2) * fine - 0.5 * (slices * edge_mm - LONG_MM)
    at = (np.arange(times * across) - (times * across - 1) / 2) * fine
    inside = is_water(DELUXE, z, at, at)
    return inside.reshape(slices, times, across, times, across, times).mean((1, 3, 5))


@pytest.fixture(scope="module")
def sharp() -> np.ndarray:
    return water(EDGE_MM, 80, 68, 2)


def blurred(image: np.ndarray, fwhm_mm: float) -> np.ndarray:
    return ndimage.gaussian_filter(image, fwhm_mm / FWHM_PER_SIGMA / EDGE_MM)


def figures(image: np.ndarray) -> dict[str, float]:
    return {name: m.value for name, m in jaszczak(image, (EDGE_MM,) * 3).figures.items()}


def contrast_of_an_endless_lattice(d: float, fwhm_mm: float) -> float:
    """In per cent, by its Fourier series: rods of diameter d at corners of triangles of side 2d, read by discs."""
    a, cell, sigma = 0.5 * d, 2.0 * np.sqrt(3.0) * d**2, fwhm_mm / FWHM_PER_SIGMA
    first, second = np.pi / d * np.array([1.0, -1.0 / np.sqrt(3.0)]), np.pi / d * np.array([0.0, 2.0 / np.sqrt(3.0)])
    seen = {"rod": 1.0 - np.pi * a**2 / cell, "gap": 1.0 - np.pi * a**2 / cell}
    for m, n in np.ndindex(13, 13):
        g = (m - 6) * first + (n - 6) * second
        size = np.hypot(*g)
        if size > 0.0:
            rods = 2.0 * np.pi * a / size * j1(size * a) / cell
            read = rods * np.exp(-0.5 * (sigma * size) ** 2) * 2.0 * j1(size * a) / (size * a)
            seen["rod"] -= read
            seen["gap"] -= read * np.cos(g @ np.array([d, d / np.sqrt(3.0)]))
    return 100.0 * (1.0 - seen["rod"] / seen["gap"])


def test_a_gap_is_as_far_from_all_its_rods():
    for d in DELUXE.rods_mm:
        rods, gaps = rods_of(d), gaps_of(d)
        apart = np.sort(np.hypot(*(gaps[:, None] - rods).transpose(2, 0, 1)), 1)
        assert np.allclose(apart[:, :3], 2.0 * d / np.sqrt(3.0))
        assert np.diff(np.sort(rods[:, 0])).max() == pytest.approx(np.sqrt(3.0) * d)


@pytest.mark.parametrize("fwhm_mm", [5.0, 10.0])
def test_rods_lose_what_blur_takes_from_their_lattice(sharp, fwhm_mm):
    """Sectors are small and their rims are brighter, so within a few per cent."""
    found = figures(blurred(sharp, fwhm_mm))
    for d in DELUXE.rods_mm[1:]:
        # Voxels blur as well: by the variance of an edge, twice (painted, and read from whole voxels).
        total = np.hypot(fwhm_mm, FWHM_PER_SIGMA * EDGE_MM * np.sqrt(2.0 / 12.0))
        assert found[f"rod contrast, {d:g} mm"] == pytest.approx(contrast_of_an_endless_lattice(d, total), abs=3.5)


def test_smaller_rods_and_spheres_are_lost_first(sharp):
    fine, coarse = figures(blurred(sharp, 6.0)), figures(blurred(sharp, 14.0))
    assert fine["smallest rods resolved"] < coarse["smallest rods resolved"]
    for found in (fine, coarse):
        for kind, sizes in (("rod contrast", DELUXE.rods_mm[2:]), ("sphere contrast", DELUXE.spheres_mm)):
            values = [found[f"{kind}, {d:g} mm"] for d in sizes]
            assert values == sorted(values)
    assert fine["integral uniformity"] < 0.5
    assert fine["greatest ring"] < 0.1
    assert fine["middle over rim"] == pytest.approx(1.0, abs=0.002)


def test_it_is_found_however_it_lies(sharp):
    image = blurred(sharp, 6.0)
    lying = np.roll(ndimage.rotate(image[::-1], 37.0, (1, 2), reshape=False, order=3), (2, -3, 4), (0, 1, 2))
    here, there = figures(image), figures(lying)
    assert there["smallest rods resolved"] == here["smallest rods resolved"]
    for name in (n for n in here if "contrast," in n):
        assert there[name] == pytest.approx(here[name], abs=3.0), name


def test_a_ring_and_an_uncorrected_middle_are_told(sharp):
    at = (np.arange(80) - 39.5) * EDGE_MM
    radius = np.hypot(at[:, None], at)
    ring = figures(blurred(sharp, 6.0) * (1.0 + 0.06 * (np.abs(radius - 40.0) < 1.5)))
    assert 3.0 < ring["greatest ring"] < 6.0
    dim = figures(blurred(sharp, 6.0) * (1.0 - 0.3 * np.exp(-((radius / 40.0) ** 2))))
    assert dim["middle over rim"] < 0.8
    assert dim["integral uniformity"] > 12.0


def test_noise_alone_resolves_no_rods(sharp):
    noisy = blurred(sharp, 22.0)
    noisy += 0.02 * np.random.default_rng(1).standard_normal(noisy.shape)
    checked = jaszczak(noisy, (EDGE_MM,) * 3)
    assert "smallest rods resolved" not in checked.figures
    assert "no rods are resolved" in checked.notes


def test_what_is_no_such_phantom_is_refused(sharp):
    with pytest.raises(PhotopeakError, match="model 'other'"):
        jaszczak(sharp, (EDGE_MM,) * 3, "other")
    with pytest.raises(PhotopeakError, match="no end of the phantom holds rods"):
        jaszczak(np.repeat(sharp[56:57], 68, 0), (EDGE_MM,) * 3)
    with pytest.raises(PhotopeakError, match="no cylinder of 216 mm"):
        jaszczak(sharp[:24], (EDGE_MM,) * 3)
    spheres_gone = sharp.copy()
    spheres_gone[36:] = sharp[-6]
    with pytest.raises(PhotopeakError, match="no ring of six cold spheres"):
        jaszczak(spheres_gone, (EDGE_MM,) * 3)


def counted() -> tuple[np.ndarray, Grid]:
    """The phantom on the product's own camera, attenuation and blur corrected; counted on voxels half as wide."""
    edge, times, views = 4.8, 2, 30
    fine = water(edge / times, 48 * times, 42 * times, 1).astype(np.float32)
    coarse = fine.reshape(42, times, 48, times, 48, times).mean((1, 3, 5))
    grids = [Grid.volume(w.shape, scaling((e,) * 3), "2.25.7") for w, e in ((fine, edge / times), (coarse, edge))]
    orbit, mu = Orbit.circle(views, 130.0), mu_per_cm("water", SpectCamera().energy_kev)
    truth, model = (
        SpectCamera().physics(g, orbit, torch.from_numpy(mu * w)).operator
        for g, w in zip(grids, (fine, coarse), strict=True)
    )
    expected = truth(torch.from_numpy(fine)).reshape(views, 42, times, 48, times).sum((2, 4))
    y = poisson_counts((expected * 2e7 / expected.sum()).numpy(), np.random.default_rng(2))
    return osem(Physics(model), torch.from_numpy(y.astype(np.float32)), 4, 6).numpy(), grids[1]


def test_counted_by_the_camera_from_file_to_report(tmp_path: Path):
    image, grid = counted()
    kept = Acquisition("NM", kind="RECON TOMO", corrections=("ATTN",))
    write(Study({"uptake": Image(image, grid, "{counts}")}, Patient("J"), kept), tmp_path / "image.dcm")
    done = CliRunner().invoke(root, ["qc", "jaszczak", str(tmp_path / "image.dcm"), "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    (record,) = tmp_path.glob("jaszczak-phantom-*.json")
    told = {name: m["value"] for name, m in json.loads(record.read_text())["figures"].items()}
    assert record.with_suffix(".pdf").stat().st_size > 5000
    # A low-energy high-resolution collimator blurs by some 9 mm at the axis; OSEM gives part of that back.
    assert 6.4 <= told["smallest rods resolved"] <= 11.1
    wide = contrast_of_an_endless_lattice(12.7, 14.0), contrast_of_an_endless_lattice(12.7, 8.0)
    assert wide[0] < told["rod contrast, 12.7 mm"] < wide[1]
    assert told["sphere contrast, 31.8 mm"] > told["sphere contrast, 15.9 mm"] > 20.0
    assert told["middle over rim"] == pytest.approx(1.0, abs=0.05)  # attenuation is corrected
