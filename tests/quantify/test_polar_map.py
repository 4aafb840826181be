"""Polar maps of shells that are known: uniform where they are uniform, and low where something was taken out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from photopeak.cli import root
from photopeak.core import Acquisition, Grid, Image, Patient, PhotopeakError, Radiopharmaceutical, Study, scaling
from photopeak.dicom import write
from photopeak.patients.ventricle import SEGMENTS, Shell, segment_of
from photopeak.quantify.perfusion_picture import Shown, as_disc, planes
from photopeak.quantify.perfusion_scores import Limits, difference, key_of, load_limits, misfit, scored, shipped
from photopeak.quantify.polar_map import (
    ANGLES,
    RINGS,
    areas,
    numbers,
    of_segments,
    percent_of_greatest,
    places,
    polar_map,
    reoriented,
)
from photopeak.quantify.ventricle_fit import fitted, given

pytestmark = pytest.mark.untraced

EDGE, N = 6.6, 48
TRUE = Shell.towards((22.0, -15.0, 8.0), 48.0, 27.0, 25.0, 56.0, 19.0)
GRID = Grid.volume((N, N, N), scaling((EDGE,) * 3, (-0.5 * (N - 1) * EDGE,) * 3), "1.2.3")


def image(shell=TRUE, weight=None, liver=0.0, blur_mm=13.0, unit="{counts}"):
    """A wall of 10 mm at a camera's resolution, and a ball of liver under it."""
    from scipy.ndimage import gaussian_filter

    fine = np.arange(2 * N) * EDGE / 2 - 0.5 * (2 * N - 1) * EDGE / 2
    z, y, x = np.meshgrid(fine, fine, fine, indexing="ij")
    points = np.stack([x, y, z], -1)
    h, rho, phi = shell.along(points)
    wall = np.clip(0.5 + (5.0 - np.abs(shell.outside(h, rho, (0.0, 0.0)))) / 3.3, 0, 1) * (h > -shell.base_mm)
    if weight is not None:
        wall = wall * weight(shell.share(h, rho), phi)
    ball = np.linalg.norm(points - np.array([-60.0, -10.0, -75.0]), axis=-1) < 55.0
    values = gaussian_filter(100.0 * wall + 100.0 * liver * ball + 4.0, blur_mm / 2.355 / (EDGE / 2))
    values = values.reshape(N, 2, N, 2, N, 2).mean((1, 3, 5)).astype(np.float32)
    return Image(values, GRID, unit)


@pytest.fixture(scope="module")
def uniform():
    return image()


@pytest.fixture(scope="module")
def found(uniform):
    return fitted(uniform)


def test_the_map_of_a_uniform_shell_is_uniform(uniform):
    u, _ = places()
    share = polar_map(uniform, TRUE)
    inner = u < 0.75  # the base ends, and blurs into nothing
    assert share[inner].std() / share[inner].mean() < 0.06
    segments = of_segments(share)[6:]
    assert np.abs(segments / segments.mean() - 1.0).max() < 0.08


def test_the_ventricle_is_found(found):
    apex, base = (np.array(s.centre_mm) + np.array(s.axis) * s.length_mm for s in (TRUE, found)), found.base_mm
    true_apex, found_apex = apex
    assert np.linalg.norm(true_apex - found_apex) < 7.0
    assert np.degrees(np.arccos(np.dot(TRUE.axis, found.axis))) < 6.0
    assert found.radius_mm == pytest.approx(TRUE.radius_mm, abs=3.0)
    valve = [
        (np.array(s.centre_mm) - b * np.array(s.axis)) @ TRUE.axis for s, b in ((TRUE, TRUE.base_mm), (found, base))
    ]
    assert abs(valve[0] - valve[1]) < 8.0


def test_a_liver_as_hot_as_the_wall_does_not_mislead():
    shell = fitted(image(liver=1.2))
    assert np.linalg.norm(np.array(shell.centre_mm) - np.array(TRUE.centre_mm)) < 15.0
    assert np.degrees(np.arccos(np.dot(TRUE.axis, shell.axis))) < 12.0


def test_noise_alone_is_no_ventricle():
    rng = np.random.default_rng(3)
    with pytest.raises(PhotopeakError, match="no left ventricle"):
        fitted(Image(rng.poisson(20.0, (N, N, N)).astype(np.float32), GRID, "{counts}"))


def test_a_given_axis_is_kept(uniform):
    d = np.array(TRUE.axis)
    apex, base = (tuple((np.array(TRUE.centre_mm) + k * d).tolist()) for k in (TRUE.length_mm, -TRUE.base_mm))
    shell = given(uniform, apex, base)
    assert np.allclose(shell.axis, TRUE.axis)
    assert shell.radius_mm == pytest.approx(TRUE.radius_mm, abs=2.5)
    with pytest.raises(PhotopeakError, match="apart"):
        given(uniform, (0.0, 0.0, 0.0), (0.0, 0.0, 5.0))


@pytest.mark.parametrize("segment", [1, 3, 4, 8, 10, 11, 14, 16, 17])
def test_a_planted_defect_is_lowest_in_its_segment(uniform, segment):
    shell, hole = TRUE, image(weight=lambda u, phi: np.where(segment_of(u, phi) == segment, 0.2, 1.0))
    share = of_segments(polar_map(hole, shell)) / of_segments(polar_map(uniform, shell))
    assert int(share.argmin()) + 1 == segment
    assert share.min() < 0.75
    assert np.median(share) > 0.97


def limits(uniform):
    """Of maps that differ by some per cent from place to place."""
    rng = np.random.default_rng(8)
    one = polar_map(uniform, TRUE)
    return Limits.of([one * (1.0 + 0.04 * rng.standard_normal(one.shape)) for _ in range(12)])


def test_scores_find_what_is_missing_and_nothing_else(uniform):
    normal, of = polar_map(uniform, TRUE), limits(uniform)
    assert scored(7.0 * normal, of).summed == 0
    assert scored(normal, of).deficit_percent < 0.5
    low = image(weight=lambda u, phi: np.where((u < 0.65) & (np.abs(phi - 150.0) < 45.0), 0.3, 1.0))
    stress = scored(polar_map(low, TRUE), of)
    assert {9, 10, 15} <= set(np.flatnonzero(stress.scores) + 1)
    assert not {1, 6, 7, 12} & set(np.flatnonzero(stress.scores) + 1)
    assert stress.summed >= 4
    assert 5.0 < stress.deficit_percent < stress.extent_percent < 35.0
    assert stress.percent[6] == pytest.approx(100.0, abs=3.0)
    assert difference(stress, scored(normal, of)).sum() == stress.summed
    assert difference(stress, stress).sum() == 0
    assert difference(scored(normal, of), stress).sum() == 0


def test_limits_survive_their_file(uniform, tmp_path):
    of = limits(uniform)
    path = tmp_path / "limits.json"
    path.write_text(json.dumps({"limits": {"F corrected": of.to_json()}}))
    again = load_limits("F corrected", path)
    assert again.mean == pytest.approx(of.mean, abs=1e-4)
    assert again.patients == 12
    with pytest.raises(PhotopeakError, match="no limits for 'M corrected'"):
        load_limits("M corrected", path)
    with pytest.raises(PhotopeakError, match="at least 4"):
        Limits.of([np.ones((RINGS, ANGLES))] * 3)


def test_whose_limits_are_taken():
    study = Study({}, Patient(sex="M"), Acquisition("NM"))
    assert key_of(study) == "M uncorrected"
    with pytest.raises(PhotopeakError, match=r"\(0010,0040\)"):
        key_of(Study({}, Patient(), Acquisition("NM")))


def test_shipped_limits_say_how_they_were_made_and_hold_for_nothing_else():
    document = json.loads(shipped().read_text())
    assert document["made"] == "photopeak polar-limits --patients 10 --seed 101"
    of = {
        f"{sex} {way}": load_limits(f"{sex} {way}", shipped()) for sex in "FM" for way in ("corrected", "uncorrected")
    }
    for one in of.values():
        assert one.patients == 10
        assert np.abs(one.segment_mean - 1.0).max() < 0.25
        assert (one.segment_sd < 0.13 * one.segment_mean).all()
    # A breast shades the anterior wall (13), a diaphragm the inferior one (4): correction gives back what they took.
    shaded = {k: one.segment_mean for k, one in of.items()}
    assert (
        shaded["F uncorrected"][12] / shaded["M uncorrected"][12]
        < shaded["F corrected"][12] / shaded["M corrected"][12]
    )
    assert shaded["M uncorrected"][3] < 0.9 * shaded["M corrected"][3]
    tracer = (Radiopharmaceutical("Sestamibi", "Tc-99m"),)
    alike = Acquisition("NM", radiopharmaceuticals=tracer, facts={"SeriesDescription": "OSEM 4i8s PSF 8mm"})
    assert misfit(Study({}, Patient(sex="F"), alike), shipped()) == ""
    for patient, other, says in (
        (Patient(), alike, r"(0010,0040)"),
        (Patient(sex="F"), replace(alike, radiopharmaceuticals=()), "no stated nuclide"),
        (Patient(sex="F"), replace(alike, corrections=("ATTN",)), "AC SC 8mm"),
        (Patient(sex="F"), replace(alike, facts={}), "SeriesDescription (0008,103E)"),
    ):
        assert says in misfit(Study({}, patient, other), shipped())


def test_the_disc_has_anterior_above_and_the_septum_at_the_left():
    values = np.zeros((RINGS, ANGLES))
    u, phi = places()
    values[(np.abs(phi - 90.0) < 30.0) & (u > 0.65)] = 1.0  # septal, basal
    disc = as_disc(values, 101)
    rows, columns = np.nonzero(disc > 0.5)
    assert columns.mean() < 20
    assert abs(rows.mean() - 50) < 3
    assert np.isnan(disc[0, 0])
    assert float(areas().sum()) == pytest.approx(1.0)
    assert sorted(set(numbers().ravel().tolist())) == list(range(1, 18))


def test_slices_have_the_usual_orientation():
    low = image(weight=lambda u, phi: np.where((np.abs(phi - 270.0) < 45.0) & (u > 0.1), 0.1, 1.0))
    shown = Shown("stress", reoriented(low, TRUE), polar_map(low, TRUE), TRUE.length_mm + TRUE.base_mm)
    rows = planes(shown)
    ring = rows["short axis"][4]
    middle = ring.shape[0] // 2
    assert ring[middle, :middle].max() > 2.0 * ring[middle, middle + 3 :].max()  # lateral, gone, is at the right
    level = rows["vertical long axis"][3]
    top = level[:, middle:].max(1).argmax(), level.sum(0).argmax()
    assert level[middle, middle + 5 :].max() > 2.0 * level[middle, : middle - 5].max()  # apex at the right
    assert 0 <= top[0] < len(level)
    horizontal = rows["horizontal long axis"][4]
    assert horizontal[: middle - 5, middle].max() > 2.0 * horizontal[middle + 5 :, middle].max()  # apex above
    assert percent_of_greatest(shown.polar).max() < 110.0


def test_the_command_writes_scores_and_picture(tmp_path: Path):
    paths = []
    for name, weight in (("stress", lambda u, phi: np.where(np.abs(phi - 150.0) < 40.0, 0.3, 1.0)), ("rest", None)):
        one = image(weight=weight)
        acquisition = Acquisition(
            "NM", "RECON TOMO", manufacturer="SIEMENS", corrections=("ATTN", "SCAT"),
            facts={"SeriesDescription": "OSEM 4i8s PSF AC SC 8mm"},
            radiopharmaceuticals=(Radiopharmaceutical("Sestamibi", "Tc-99m"),) if name == "stress" else (),
        )  # fmt: skip
        study = Study({"counts": one}, Patient("HEART", sex="F", age_years=60.0), acquisition)
        paths.append(str(write(study, tmp_path / f"{name}.dcm")))
    file = tmp_path / "limits.json"
    file.write_text(json.dumps({"limits": {"F corrected": limits(image()).to_json()}}))
    done = CliRunner().invoke(root, ["polar-map", *paths, "--limits", str(file), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "out" / "polar-map.json").read_text())
    assert told["SSS"] > told["SRS"]
    assert told["SDS"] > 3
    worst = min(told["stress"]["segments"], key=lambda row: row["percent_of_normal"])
    assert worst["name"] in SEGMENTS
    assert "inf" in worst["name"]
    assert (tmp_path / "out" / "polar-map.png").stat().st_size > 20_000
    d = np.array(TRUE.axis)  # stated, which is quicker than found
    ends = {"--apex": TRUE.length_mm, "--base": -TRUE.base_mm}
    axis = [w for name, k in ends.items() for w in (name, *map(str, np.array(TRUE.centre_mm) + k * d))]
    bare = CliRunner().invoke(root, ["polar-map", paths[0], *axis, "--out", str(tmp_path / "bare")])
    assert bare.exit_code == 0, bare.output
    assert "shipped: F corrected, 10 normal patients" in bare.output
    assert json.loads((tmp_path / "bare" / "polar-map.json").read_text())["SSS"] > 3
    other = CliRunner().invoke(root, ["polar-map", paths[1], *axis, "--out", str(tmp_path / "other")])
    assert other.exit_code == 0, other.output
    assert "no scores (the limits hold for Tc-99m, the image is of no stated nuclide)" in other.output
    told = json.loads((tmp_path / "other" / "polar-map.json").read_text())
    assert told["stress"]["limits"] is None
    assert "SSS" not in told
    half = CliRunner().invoke(root, ["polar-map", paths[0], "--out", str(tmp_path / "o"), "--apex", "1", "2", "3"])
    assert isinstance(half.exception, PhotopeakError)
    assert "two ends" in str(half.exception)
