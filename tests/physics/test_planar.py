"""The planar camera against known answers: resolution, attenuation, counts, scatter, orientation."""

import dataclasses
import math

import numpy as np
import pytest

from photopeak.core import PhotopeakError
from photopeak.physics.materials import mu_per_cm
from photopeak.physics.planar import (
    LOW_SCATTER,
    PHOTOPEAK,
    PlanarCamera,
    Window,
    body_planes,
    expected_counts,
    project_labels,
    transmission,
)
from photopeak.physics.planar_geometry import Placement
from photopeak.physics.scatter import FLOOR

NO_SCATTER = dataclasses.replace(PHOTOPEAK, scatter=())
FINE = PlanarCamera(photopeak=NO_SCATTER, pixel_mm=0.5, matrix=(400, 400), dead_time_s=0.0)
CAMERA = PlanarCamera(matrix=(300, 200), dead_time_s=0.0)


def volume(shape, *voxels):
    activity = np.zeros(shape, np.float32)
    for z, y, x in voxels:
        activity[z, y, x] = 1.0
    return activity


def centred(shape, voxel_mm=3.0, faces=(0.0, 360.0), camera=CAMERA):
    """The volume's middle at x = 0 and in the middle of the image; its first plane half a voxel behind y = 0."""
    origin = (-(shape[2] - 1) / 2 * voxel_mm, voxel_mm / 2, -(shape[0] - 1) / 2 * voxel_mm)
    return Placement(shape, voxel_mm, origin, faces, camera.matrix[0] * camera.pixel_mm / 2)


def fwhm(profile, step):
    half = profile.max() / 2
    i = int(profile.argmax())
    left = next(k for k in range(i, -1, -1) if profile[k] < half)
    right = next(k for k in range(i, len(profile)) if profile[k] < half)
    low = left + (half - profile[left]) / (profile[left + 1] - profile[left])
    high = right - (half - profile[right]) / (profile[right - 1] - profile[right])
    return (high - low) * step


@pytest.mark.parametrize("depth_mm", [0.0, 50.0, 100.0, 200.0])
@pytest.mark.parametrize("engine", ["nodes", "own width"])
def test_point_source_resolution_follows_the_formula(depth_mm, engine):
    """At 0, 5, 10 and 20 cm within 2 %, where the width is a node's as much as between nodes."""
    shape = (1, 119, 1)
    placement = centred(shape, 3.0, (-1e-3, 358.0), FINE)
    y = round((depth_mm - 1.5) / 3.0) if depth_mm else 0
    distance = float(placement.distances_mm()[0, y])
    depth = 2 if engine == "own width" else FINE.depth_nodes
    camera = dataclasses.replace(FINE, depth_nodes=depth)
    if engine == "own width":  # a grid of this one plane has its width as a node
        shape, y = (1, 1, 1), 0
        placement = Placement(shape, 3.0, (0.0, distance, 0.0), (0.0, 2 * distance), placement.top_mm)
    image = expected_counts(volume(shape, (0, y, 0)), np.zeros(shape, np.float32), placement, camera)[0]
    for axis in (0, 1):
        assert fwhm(image.sum(axis), 0.5) == pytest.approx(camera.fwhm_mm(distance), rel=0.02)


def test_interpolated_widths_stay_within_two_per_cent_at_every_depth():
    shape = (1, 100, 1)
    placement = centred(shape, 3.0, (-40.0, 340.0), FINE)
    for y in range(100):
        image = expected_counts(volume(shape, (0, y, 0)), np.zeros(shape, np.float32), placement, FINE)
        for view in range(2):
            distance = float(placement.distances_mm()[view, y])
            profile = image[view].sum(0).astype(float)
            assert fwhm(profile, 0.5) == pytest.approx(FINE.fwhm_mm(distance), rel=0.02)
            x = (np.arange(400) - 199.5) * 0.5
            variance = (profile * x**2).sum() / profile.sum() - 0.5**2 / 12
            assert math.sqrt(variance) == pytest.approx(FINE.sigma_mm(distance), rel=0.003)


def test_pixels_add_their_own_width():
    """A pixel integrates over itself: its variance, p²/12, adds to the blur's."""
    shape = (1, 1, 1)
    placement = Placement(shape, 3.0, (0.3, 100.0, 0.0), (0.0, 200.0), 360.0)
    camera = dataclasses.replace(CAMERA, photopeak=NO_SCATTER)
    profile = expected_counts(np.ones(shape, np.float32), np.zeros(shape, np.float32), placement, camera)[0].sum(0)
    x = (np.arange(200) - 99.5) * 2.4 - 0.3
    variance = (profile * x**2).sum() / profile.sum()
    assert variance == pytest.approx(camera.sigma_mm(100.0) ** 2 + 2.4**2 / 12, rel=0.005)


def test_counts_follow_the_formula():
    """counts = A · S · (field / speed), within 2 %; in air only the collimator scatters."""
    shape = (40, 20, 30)
    activity = np.random.default_rng(0).random(shape).astype(np.float32)
    activity *= 500.0 / activity.sum()
    image = expected_counts(activity, np.zeros(shape, np.float32), centred(shape), CAMERA)
    s, dwell = CAMERA.sensitivity_cps_per_mbq, 387.0 / CAMERA.speed_mm_s
    assert s == pytest.approx(90.0, rel=0.06)
    assert image.sum((1, 2)) == pytest.approx(500.0 * s * dwell * (1 + 0.35 * FLOOR), rel=0.02)
    half = expected_counts(activity, np.zeros(shape, np.float32), centred(shape), CAMERA, 0.5)
    assert half == pytest.approx(image / 2, rel=1e-5)
    fast = dataclasses.replace(CAMERA, speed_mm_s=2 * CAMERA.speed_mm_s)
    assert expected_counts(activity, np.zeros(shape, np.float32), centred(shape), fast).sum() == pytest.approx(
        image.sum() / 2, rel=1e-5
    )


def test_counts_are_conserved_when_voxels_become_pixels():
    """Whatever the voxel and pixel sizes and wherever the lattice falls, no counts are made or lost."""
    rng = np.random.default_rng(4)
    for voxel_mm, pixel_mm in ((2.4, 2.4), (3.5, 2.21), (3.0, 2.4), (2.1, 4.8)):
        camera = dataclasses.replace(CAMERA, photopeak=NO_SCATTER, pixel_mm=pixel_mm)
        placement = centred((20, 8, 30), voxel_mm, camera=camera)
        placement = dataclasses.replace(placement, top_mm=placement.top_mm + rng.uniform(-2, 2))
        activity = rng.random((20, 8, 30)).astype(np.float32)
        image = expected_counts(activity, np.zeros_like(activity), placement, camera)
        expected = float(activity.sum()) * camera.counts_per_mbq
        assert image.sum((1, 2)) == pytest.approx(expected, rel=1e-5)


def test_counts_beyond_the_image_are_lost_not_squeezed_in():
    shape = (1, 1, 1)
    edge = CAMERA.matrix[1] / 2 * CAMERA.pixel_mm
    placement = Placement(shape, 3.0, (edge, 100.0, 0.0), (0.0, 200.0), 360.0)
    camera = dataclasses.replace(CAMERA, photopeak=NO_SCATTER, field_mm=(387.0, 1e4))
    image = expected_counts(np.ones(shape, np.float32), np.zeros(shape, np.float32), placement, camera)
    assert image.sum((1, 2)) == pytest.approx(camera.counts_per_mbq / 2, rel=1e-3)
    far = dataclasses.replace(placement, origin_mm=(edge + 100.0, 100.0, 0.0))
    assert not expected_counts(np.ones(shape, np.float32), np.zeros(shape, np.float32), far, camera).any()


@pytest.mark.parametrize("material", ["water", "mineral bone", "lead"])
def test_a_slab_attenuates_by_its_thickness(material):
    shape = (3, 20, 3)
    mu = np.zeros(shape, np.float32)
    mu[:, 5:10] = mu_per_cm(material, 140.5)
    activity = volume(shape, (1, 15, 1))
    camera = dataclasses.replace(CAMERA, photopeak=NO_SCATTER)
    image = expected_counts(activity, mu, centred(shape), camera)
    free = expected_counts(activity, np.zeros(shape, np.float32), centred(shape), camera)
    through = math.exp(-mu_per_cm(material, 140.5) * 1.5)
    assert image[0].sum() / free[0].sum() == pytest.approx(through, rel=1e-4)
    assert image[1].sum() == pytest.approx(free[1].sum())
    shares = transmission(mu, 3.0, np.array([[1, 15, 1], [1, 7, 1], [0, 0, 0]]))
    assert shares[0] == pytest.approx([through, math.sqrt(through), 1.0], rel=1e-5)
    assert shares[1] == pytest.approx([1.0, math.sqrt(through), through], rel=1e-5)


def test_a_uniform_slab_sends_the_known_share():
    """Activity spread through a slab of depth D: (1 − e^{−μD})/μD of it reaches either view."""
    shape = (30, 40, 30)
    mu = np.full(shape, mu_per_cm("water", 140.5), np.float32)
    placement = centred(shape, 2.0)
    camera = dataclasses.replace(CAMERA, photopeak=NO_SCATTER)
    image = expected_counts(np.ones(shape, np.float32), mu, placement, camera)
    depth = float(mu[0, 0, 0]) * 8.0
    share = (1 - math.exp(-depth)) / depth
    assert image.sum((1, 2)) == pytest.approx(math.prod(shape) * CAMERA.counts_per_mbq * share, rel=1e-3)


def test_scatter_is_the_stated_share_and_width():
    shape = (1, 1, 1)
    placement = Placement(shape, 3.0, (0.0, 100.0, 0.0), (0.0, 200.0), 720.0)
    camera = PlanarCamera(matrix=(600, 600), field_mm=(387.0, 1e4), dead_time_s=0.0)
    air, point = np.zeros(shape, np.float32), np.ones(shape, np.float32)
    both = expected_counts(point, air, placement, camera).astype(float)
    without = expected_counts(point, air, placement, dataclasses.replace(camera, photopeak=NO_SCATTER)).astype(float)
    scatter = both - without
    assert scatter[0].sum() / without[0].sum() == pytest.approx(0.35 * FLOOR, rel=1e-3)
    x = (np.arange(600) - 299.5) * 2.4
    variance = (scatter[0].sum(0) * x**2).sum() / scatter[0].sum()
    assert variance == pytest.approx(0.6 * 33.0**2 + 0.4 * 13.0**2, rel=0.02)
    low = expected_counts(point, air, placement, camera, 1.0, LOW_SCATTER)
    assert low[0].sum() / without[0].sum() == pytest.approx(0.70 * FLOOR, rel=1e-3)
    assert low[0].max() < scatter[0].max() * 2


def test_scatter_comes_from_tissue():
    """Over 20 cm of water scatter is the stated share of the primary; beside the body next to none is left."""
    shape = (120, 30, 120)
    mu = np.zeros(shape, np.float32)
    mu[:, :, 20:100] = mu_per_cm("water", 140.5)
    activity = np.zeros(shape, np.float32)
    activity[:, 15, 20:100] = 1e-4  # few enough for the dead time not to matter
    placement = centred(shape, 20.0 / 3.0)
    wide = dataclasses.replace(CAMERA, matrix=(600, 600), field_mm=(387.0, 1e4))
    both = expected_counts(activity, mu, placement, wide)
    primary = expected_counts(activity, mu, placement, dataclasses.replace(wide, photopeak=NO_SCATTER))
    scatter = both - primary
    lit = primary[0] > 0.5 * primary[0].max()
    row, column = (int(np.nonzero(lit.any(axis=a))[0].mean()) for a in (1, 0))
    middle = (0, slice(row - 30, row + 30), slice(column - 30, column + 30))
    assert scatter[middle].sum() / primary[middle].sum() == pytest.approx(0.35, rel=0.02)
    edge = int(np.nonzero(lit[row])[0][-1])
    assert scatter[0, row, edge + 12] < 0.3 * scatter[0, row, edge - 12]


def test_scatter_stays_where_its_source_is():
    """The coarse lattice of the wide blurs neither moves nor widens it, wherever the source falls."""
    camera = PlanarCamera(matrix=(600, 600), field_mm=(387.0, 1e4), dead_time_s=0.0)
    only = Window("scatter alone", (0.0, 1.0), ((1.0, 13.0),), primary=False)
    shape, x = (1, 4, 41), (np.arange(600) - 299.5) * 2.4
    placement = Placement(shape, 3.0, (-60.0, 2.0, 0.0), (0.0, 200.0), 720.0)
    for voxel in (0, 7, 19, 20, 21, 40):
        image = expected_counts(volume(shape, (0, 2, voxel)), np.zeros(shape, np.float32), placement, camera, 1.0, only)
        profile = image[0].sum(0).astype(float) / image[0].sum()
        mean = (profile * x).sum()
        assert mean == pytest.approx(-60.0 + 3.0 * voxel, abs=0.02)
        assert (profile * (x - mean) ** 2).sum() == pytest.approx(13.0**2 + 2.4**2 / 12, rel=5e-3)


def test_views_are_mirrored_and_the_head_is_up():
    """Anterior: the patient's right (−x) on the image's left. Raw posterior: the patient's left. Row 0: the head."""
    shape = (40, 11, 41)
    placement = centred(shape, 3.0, (-50.0, 33.0 + 50.0))
    right = expected_counts(volume(shape, (30, 5, 5)), np.zeros(shape, np.float32), placement, CAMERA)
    row, column = np.unravel_index(right[0].argmax(), right[0].shape)
    assert column < 100 < np.unravel_index(right[1].argmax(), right[1].shape)[1]
    assert row < 150
    cut = 3e-5 * float(right.max())  # where a Gaussian is cut depends on which side of a pixel it starts
    # At equal distances the views are mirror images, and a left source is a right one mirrored.
    assert right[1] == pytest.approx(right[0][:, ::-1], rel=1e-5, abs=cut)
    left = expected_counts(volume(shape, (30, 5, 35)), np.zeros(shape, np.float32), placement, CAMERA)
    # the scatter's coarse lattice starts at the volume's edge, so that its shape differs a little between sides
    assert left[0] == pytest.approx(right[1], rel=1e-5, abs=2e-4 * float(right.max()))
    z = placement.origin_mm[2] + 30 * 3.0
    assert row == pytest.approx((placement.top_mm - z) / CAMERA.pixel_mm - 0.5, abs=1.0)


def test_front_is_brighter_in_front():
    shape = (20, 30, 20)
    mu = np.full(shape, 0.15, np.float32)
    image = expected_counts(volume(shape, (10, 3, 10)), mu, centred(shape), CAMERA)
    assert image[0].sum() / image[1].sum() == pytest.approx(math.exp(0.15 * 0.3 * (26 - 3)), rel=1e-3)


def test_heads_keep_their_gap_to_the_body():
    mu = np.zeros((5, 30, 5), np.float32)
    mu[2, 10:21, 2] = 0.15
    assert body_planes(mu) == (10, 20)
    placement = CAMERA.place(mu, 3.0, (0.0, 0.0, 0.0))
    assert placement.faces_mm == pytest.approx((28.5 - 50.0, 61.5 + 60.0))
    assert placement.top_mm == pytest.approx(13.5 + CAMERA.head_margin_mm)
    assert body_planes(np.zeros_like(mu)) == (0, 29)
    # heads that would stand inside the volume stand at its edge
    close = dataclasses.replace(CAMERA, gap_mm=(1.0, 1.0)).place(mu, 3.0, (0.0, 0.0, 0.0))
    assert close.faces_mm == pytest.approx((-1.5, 88.5))


def test_field_uniformity_and_dead_time():
    shape = (6, 4, 100)
    activity = np.full(shape, 0.5, np.float32)
    air = np.zeros(shape, np.float32)
    placement = centred(shape)
    plain = expected_counts(activity, air, placement, CAMERA)
    narrow = expected_counts(activity, air, placement, dataclasses.replace(CAMERA, field_mm=(387.0, 240.0)))
    assert not narrow[:, :, :50].any()
    assert not narrow[:, :, 150:].any()
    assert np.array_equal(narrow[:, :, 50:150], plain[:, :, 50:150])
    flood = np.linspace(0.97, 1.03, 200).astype(np.float32)
    uneven = expected_counts(activity, air, placement, dataclasses.replace(CAMERA, uniformity=flood))
    assert uneven == pytest.approx(plain * flood, rel=1e-6)
    slow = dataclasses.replace(CAMERA, dead_time_s=1.5e-6)
    lost = expected_counts(activity, air, placement, slow)
    rate = plain[0].sum() / CAMERA.dwell_s * 2.0  # all of it is in view at once, and twice as many events
    assert lost[0].sum() / plain[0].sum() == pytest.approx(1 / (1 + rate * 1.5e-6), rel=0.05)
    assert slow.count_rate() is not None
    assert CAMERA.count_rate() is None


def test_energy_window_takes_its_part_of_the_peak():
    crystal = CAMERA.crystal
    assert crystal.accepted(140.5, (126.45, 154.55)) == pytest.approx(0.983, abs=0.002)
    assert crystal.accepted(140.5, (130.0, 151.0)) == pytest.approx(0.925, abs=0.01)
    assert crystal.stopped(140.5) == pytest.approx(0.92, abs=0.005)
    assert crystal.stopped(208.4) == pytest.approx(0.65, abs=0.01)
    iodine = dataclasses.replace(CAMERA, nuclide="I-131", energy_kev=364.49)
    assert iodine.sensitivity_cps_per_mbq < CAMERA.sensitivity_cps_per_mbq / 2


def test_labels_are_what_each_pixel_sees():
    shape = (20, 30, 40)
    activity, mu = np.full(shape, 0.1, np.float32), np.full(shape, 0.15, np.float32)
    label = np.zeros(shape, np.uint8)
    label[:, 2:5, :] = 7  # a sheet in front
    activity[:, 2:5, :] = 1.0
    label[:, 25:28, 10:30] = 9  # a stronger one behind
    activity[:, 25:28, 10:30] = 2.0
    seen = project_labels(activity, mu, label, centred(shape), CAMERA)
    assert seen.shape == (2, 300, 200)
    assert set(np.unique(seen[0])) == {0, 7}
    assert set(np.unique(seen[1])) >= {0, 9}
    assert seen[0, 150, 100] == 7
    assert seen[1, 150, 100] == 9
    assert seen[0, 0, 0] == 0
    # beside the stronger sheet, the thick unnamed tissue outshines the far one
    assert seen[1, 150, round(100 + 18 * 3 / 2.4)] == 0


def test_labels_agree_with_a_plain_search():
    rng = np.random.default_rng(8)
    shape = (6, 12, 9)
    activity = rng.random(shape).astype(np.float32) * (rng.random(shape) > 0.3)
    activity[2] = 0.0
    mu = (rng.random(shape) * 0.4).astype(np.float32) * (rng.random(shape) > 0.5)
    mu[:, 4] = 0.0
    label = rng.integers(0, 4, shape).astype(np.uint8)
    from photopeak.physics import planar_kernels

    seen = np.full((2, 6, 9), 99, np.uint8)
    planar_kernels.project_labels(activity, mu, label, 3.0, seen)
    for view, z, x in np.ndindex(2, 6, 9):
        order = slice(None) if view == 0 else slice(None, None, -1)
        a, m, n = activity[z, order, x], mu[z, order, x] * 0.3, label[z, order, x]
        lit = a * np.exp(-(np.cumsum(m) - m / 2))
        best, winner, run, held = 0.0, 0, 0.0, 0
        for value, name, row in zip(lit, n, activity[z, order].any(1), strict=True):
            if not row:
                continue  # rows in which nothing shines do not break a run
            run = (run if name == held else 0.0) + value
            held = int(name)
            if run > best:
                best, winner = run, held
        assert seen[view, z, x] == winner


def test_nonsense_is_refused():
    with pytest.raises(PhotopeakError, match="depth_nodes"):
        dataclasses.replace(CAMERA, depth_nodes=1)
    with pytest.raises(PhotopeakError, match="positive"):
        dataclasses.replace(CAMERA, speed_mm_s=0.0)
    with pytest.raises(PhotopeakError, match=r"cut into the volume.*Remedy"):
        Placement((5, 5, 5), 3.0, (0.0, 0.0, 0.0), (3.0, 30.0), 100.0)
    with pytest.raises(PhotopeakError, match=r"Y-90 has no line"):
        _ = dataclasses.replace(CAMERA, nuclide="Y-90").sensitivity_cps_per_mbq
