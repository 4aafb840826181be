"""The 17 segments have their areas, walls and arteries, and the shell's coordinates are those of a heart."""

from __future__ import annotations

import numpy as np
import pytest

from photopeak.patients.ventricle import SEGMENTS, TERRITORIES, Shell, segment_of, territory_of

HEART = Shell.towards((30.0, -20.0, 1300.0), 45.0, 25.0, 26.0, 60.0, 20.0)


def test_segments_have_the_areas_of_the_standard():
    u, phi = np.meshgrid((np.arange(1000) + 0.5) / 1000, np.arange(720) / 2.0, indexing="ij")
    share = np.bincount(segment_of(u, phi).ravel(), minlength=18)[1:] / u.size
    assert share[:6] == pytest.approx(0.35 / 6, rel=0.01)
    assert share[6:12] == pytest.approx(0.35 / 6, rel=0.01)
    assert share[12:16] == pytest.approx(0.24 / 4, rel=0.01)
    assert share[16] == pytest.approx(0.06, rel=0.02)


@pytest.mark.parametrize(
    ("phi", "wall"), [(0, "anterior"), (60, "anteroseptal"), (120, "inferoseptal"), (180, "inferior"),
                      (240, "inferolateral"), (300, "anterolateral")]
)  # fmt: skip
def test_walls_go_round_from_anterior_by_the_septum(phi, wall):
    for u, ring in ((0.9, "basal"), (0.5, "mid")):
        assert SEGMENTS[int(segment_of(np.array(u), np.array(float(phi)))) - 1] == f"{ring} {wall}"
    four = {0: "anterior", 90: "septal", 180: "inferior", 270: "lateral"}
    for angle, name in four.items():
        assert SEGMENTS[int(segment_of(np.array(0.2), np.array(float(angle)))) - 1] == f"apical {name}"


def test_every_segment_has_one_artery():
    assert sorted(n for numbers in TERRITORIES.values() for n in numbers) == list(range(1, 18))
    assert [territory_of(n) for n in (1, 17, 4, 15, 11, 16)] == ["LAD", "LAD", "RCA", "RCA", "LCx", "LCx"]


def test_the_axes_are_those_of_a_heart_in_a_chest():
    apex, anterior, septum = HEART.frame
    assert apex[0] > 0 > apex[1]  # to the left and the front
    assert apex[2] < 0  # and down
    assert anterior[2] > 0.8
    assert septum[0] < -0.5  # to the right
    assert septum[1] < -0.5  # and the front
    assert HEART.frame @ HEART.frame.T == pytest.approx(np.eye(3), abs=1e-12)
    assert HEART.angles_deg == pytest.approx((45.0, 25.0))


def test_points_of_the_surface_have_their_coordinates():
    rng = np.random.default_rng(2)
    u, phi = rng.uniform(0.01, 0.99, 300), rng.uniform(0.0, 360.0, 300)
    points, normals = HEART.surface(u, phi)
    h, rho, angle = HEART.along(points)
    assert HEART.share(h, rho) == pytest.approx(u, abs=2e-4)
    assert angle == pytest.approx(phi, abs=1e-6)
    assert np.abs(HEART.outside(h, rho, (0.0, 0.0))).max() < 0.02
    assert h.min() > -HEART.base_mm
    out, far, _ = HEART.along(points + 4.0 * normals)
    assert HEART.outside(out, far, (0.0, 0.0)) == pytest.approx(4.0, abs=0.4)


def test_volume_and_area_are_what_counting_gives():
    axis = np.arange(-80.0, 81.0, 1.0)
    x, y, z = np.meshgrid(axis + 30.0, axis - 20.0, axis + 1300.0, indexing="ij")
    h, rho, _ = HEART.along(np.stack([x, y, z], -1))
    inside = (HEART.outside(h, rho, (5.0, 4.0)) < 0) & (h > -HEART.base_mm)
    assert HEART.volume_ml((5.0, 4.0)) == pytest.approx(inside.sum() / 1000.0, rel=0.01)
    # A shell of 1 mm has a millilitre for every 1000 mm² of surface.
    thin = (np.abs(HEART.outside(h, rho, (0.0, 0.0))) < 1.5) & (h > -HEART.base_mm)
    assert HEART.area_mm2 == pytest.approx(thin.sum() / 3.0, rel=0.03)
