"""The SPECT camera against known answers: where a point appears, how wide, through how much water."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from photopeak.core import Grid, PhotopeakError
from photopeak.core.contracts import check_operator
from photopeak.core.grid import scaling
from photopeak.core.units import FWHM_PER_SIGMA
from photopeak.physics.spect import Orbit, SpectCamera, blur

IDEAL = SpectCamera(collimator=None)
CUBE = Grid.volume((9, 33, 33), scaling((4.0, 4.0, 4.0)))


def point(z: int, y: int, x: int, grid: Grid = CUBE) -> torch.Tensor:
    volume = torch.zeros(grid.shape)
    volume[z, y, x] = 1.0
    return volume


def test_a_point_at_the_left_front_near_the_head_appears_where_a_reader_expects_it():
    # Patient coordinates grow to the left (x), to the back (y) and to the head (z).
    images = IDEAL.physics(CUBE, Orbit((0.0, 90.0, 180.0, 270.0), 200.0)).operator(point(7, 6, 26))
    peaks = [divmod(int(image.argmax()), 33) for image in images]
    assert [row for row, _ in peaks] == [1] * 4  # z = 7 of 9: the second row from the top
    behind, left, front, right = (column - 16 for _, column in peaks)
    assert (behind, front) == (-10, 10)  # the patient's left is at the left from behind, at the right from the front
    assert (left, right) == (-10, 10)  # from the left the front is at the left


@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_nothing_is_made_or_lost_between_volume_and_projections(engine):
    rng = np.random.default_rng(2)
    blob = torch.zeros(CUBE.shape, dtype=torch.float64)
    blob[2:7, 9:24, 9:24] = torch.from_numpy(rng.random((5, 15, 15)))
    camera = SpectCamera(frame_s=10.0)
    images = camera.physics(CUBE, Orbit.circle(8, 150.0, 11.0), None, engine).operator(blob)
    expected = float(blob.sum()) * camera.counts_per_bq_ml(4.0)
    # Rows and columns that the blur carries beyond the detector are lost; the field here is 36 mm long.
    wide = IDEAL.physics(CUBE, Orbit.circle(8, 150.0, 11.0), None, engine).operator(blob)
    assert wide.sum((1, 2)).numpy() == pytest.approx(float(blob.sum()) * 4.0, rel=0.02)
    assert (images.sum((1, 2)) < 1.02 * expected).all()


def test_counts_follow_the_formula():
    grid = Grid.volume((41, 41, 41), scaling((4.0, 4.0, 4.0)))
    camera = SpectCamera(frame_s=30.0)
    counts = camera.physics(grid, Orbit((0.0,), 100.0)).operator(point(20, 20, 20, grid) * 1e9)
    mbq = 1e9 * 0.064 * 1e-6  # 1e9 Bq/ml in a voxel of 64 mm³
    assert float(counts.sum()) == pytest.approx(97 * 0.9 * mbq * 30.0, rel=0.06)  # the table's sensitivity


@pytest.mark.parametrize("distance_mm", [40.0, 100.0, 200.0])
def test_the_point_spread_has_the_formulas_width(distance_mm):
    grid = Grid.volume((63, 3, 63), scaling((1.5, 1.5, 1.5)))
    camera = SpectCamera()
    image = camera.physics(grid, Orbit((180.0,), distance_mm)).operator(point(31, 1, 31, grid))[0].double()
    axis = (torch.arange(63) - 31) * 1.5
    for profile in (image.sum(0), image.sum(1)):
        sigma = math.sqrt(float((profile * axis**2).sum() / profile.sum()))
        assert sigma * FWHM_PER_SIGMA == pytest.approx(FWHM_PER_SIGMA * camera.sigma_mm(distance_mm), rel=0.02)


def test_every_whole_bell_sums_to_one_and_a_perfect_camera_does_not_blur():
    half = blur(SpectCamera(), CUBE, Orbit((0.0, 90.0), (120.0, 260.0))).planes.astype(float)
    assert 2 * half.sum(-1) - half[..., 0] == pytest.approx(1.0, rel=1e-6)
    assert blur(IDEAL, CUBE, Orbit((0.0,), 100.0)).bell.tolist() == [[[1.0]]]


def test_mixed_widths_have_every_planes_variance_and_are_off_by_little():
    grid, orbit = Grid.volume((8, 64, 64), scaling((4.8, 4.8, 4.8))), Orbit((0.0, 70.0), (200.0, 260.0))
    mixed, exact = SpectCamera(), SpectCamera(blur_nodes=None)
    one, other = (blur(camera, grid, orbit).planes.astype(float) for camera in (mixed, exact))
    tap = np.arange(max(one.shape[-1], other.shape[-1]))
    spread = [2 * (w * tap[: w.shape[-1]] ** 2).sum(-1) for w in (one, other)]
    assert spread[0] == pytest.approx(spread[1], rel=0.02)
    x = torch.rand(grid.shape, generator=torch.Generator().manual_seed(1))
    a, b = (camera.physics(grid, orbit).operator(x) for camera in (mixed, exact))
    assert 0.0 < float((a - b).norm() / b.norm()) < 1e-3


def test_water_takes_what_beer_and_lambert_say():
    mu = torch.full(CUBE.shape, 0.15)
    source = point(4, 20, 16)
    bare = IDEAL.physics(CUBE, Orbit((0.0, 180.0), 100.0)).operator(source)
    dimmed = IDEAL.physics(CUBE, Orbit((0.0, 180.0), 100.0), mu).operator(source)
    seen = dimmed.amax((1, 2)) / bare.amax((1, 2))
    behind_cm, front_cm = (12.5 * 0.4, 20.5 * 0.4)  # half the voxel, then the rows between it and the edge
    assert seen.tolist() == pytest.approx([math.exp(-0.15 * behind_cm), math.exp(-0.15 * front_cm)], rel=1e-3)


def test_a_cylinder_projects_to_its_chords_from_every_side():
    n, radius = 65, 24.0
    grid = Grid.volume((1, n, n), scaling((2.0, 2.0, 2.0)))
    fine = (np.arange(n * 8) - (n * 8 - 1) / 2) / 8
    inside = (fine[:, None] ** 2 + fine**2 <= radius**2).reshape(n, 8, n, 8).mean((1, 3))
    images = IDEAL.physics(grid, Orbit.circle(7, 150.0)).operator(torch.from_numpy(inside[None]).float())
    u = np.arange(n) - (n - 1) / 2
    chord = 2 * 2.0 * np.sqrt(np.clip(radius**2 - u**2, 0, None))
    within = np.abs(u) < radius - 2
    assert np.abs(images[:, 0].numpy() - chord)[:, within].max() < 1.0  # mm


@pytest.mark.parametrize("camera", [SpectCamera(), IDEAL], ids=["blur", "perfect"])
@pytest.mark.parametrize("attenuated", [False, True])
def test_engines_agree_and_transposes_are_exact(camera, attenuated):
    grid = Grid.volume((19, 12, 14), scaling((6.0, 6.0, 6.0)))  # 19 slices: a whole block and a part of one
    generator = torch.Generator().manual_seed(3)
    mu = 0.15 * torch.rand(grid.shape, generator=generator) if attenuated else None
    orbit = Orbit((13.0, 90.0, 201.0), (80.0, 95.0, 70.0))
    x, kernel = torch.rand(grid.shape, generator=generator), camera.physics(grid, orbit, mu, "numba").operator
    y, plain = torch.rand(kernel.range.shape, generator=generator), camera.physics(grid, orbit, mu, "torch").operator
    assert check_operator(kernel, x, y) < 1e-6
    assert check_operator(plain, x.double(), y.double()) < 1e-12
    for ours, theirs in ((kernel(x), plain(x.double())), (kernel.adjoint(y), plain.adjoint(y.double()))):
        assert float((ours - theirs).norm() / theirs.norm()) < 1e-5


def test_subsets_are_interleaved_and_unequal_where_they_must_be():
    operator = SpectCamera().physics(CUBE, Orbit.circle(7, 150.0)).operator
    x = torch.rand(CUBE.shape)
    whole, parts = operator(x), [operator.subset(k, 3)(x) for k in range(3)]
    assert [part.shape[0] for part in parts] == [3, 2, 2]
    for k, part in enumerate(parts):
        assert torch.equal(part, whole[k::3])
    with pytest.raises(PhotopeakError, match="7 angles"):
        operator.subset(0, 8)


def test_the_kernels_do_not_depend_on_the_number_of_threads():
    from photopeak.physics import engines

    operator = SpectCamera().physics(CUBE, Orbit.circle(6, 150.0), torch.full(CUBE.shape, 0.12)).operator
    x, y = torch.rand(CUBE.shape), torch.rand(operator.range.shape)
    before = torch.get_num_threads()
    try:
        engines.threads(2)
        both = operator(x), operator.adjoint(y)
        engines.threads(1)
        assert torch.equal(operator(x), both[0])
        assert torch.equal(operator.adjoint(y), both[1])
    finally:
        engines.threads(before)


def test_what_cannot_be_is_refused():
    with pytest.raises(PhotopeakError, match="2 radii"):
        Orbit((0.0,), (100.0, 100.0))
    with pytest.raises(PhotopeakError, match="positive"):
        Orbit((0.0,), -1.0)
    orbit = Orbit((0.0,), 100.0)
    with pytest.raises(PhotopeakError, match="cubic voxels"):
        SpectCamera().physics(Grid.volume((3, 3, 3), scaling((4.0, 4.0, 5.0))), orbit)
    with pytest.raises(PhotopeakError, match="mu has shape"):
        SpectCamera().physics(CUBE, orbit, torch.zeros(3, 3, 3))
    with pytest.raises(PhotopeakError, match="at least 0"):
        SpectCamera().physics(CUBE, orbit, torch.full(CUBE.shape, math.nan))
    with pytest.raises(PhotopeakError, match="auto, numba or torch"):
        SpectCamera().physics(CUBE, orbit, engine="tpu")
