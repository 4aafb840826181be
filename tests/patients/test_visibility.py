"""What a view sees of one lesion is what the whole camera sees of it."""

import numpy as np
import pytest

from photopeak.patients.lesions import deposit, paint
from photopeak.patients.truth_kernels import add_seen, look, spread, through_half
from photopeak.patients.visibility import CLUTTER, MASK_LEVEL, Footprint, Viewing, footprints
from photopeak.physics.planar import expected_counts
from tests.patients.disease_bodies import MBQ_PER_UNIT, healthy, viewing
from tests.patients.test_lesions import metastasis


@pytest.fixture(scope="module")
def seen():
    body = healthy()
    one = deposit(body, metastasis(body, "L3", 20.0), np.random.default_rng(1))
    return body, one, footprints(body, one, viewing(body))


def primary_camera(view):
    from dataclasses import replace

    return replace(view.camera, photopeak=replace(view.camera.photopeak, scatter=()))


def test_the_footprint_is_the_difference_of_two_whole_projections(seen):
    body, one, feet = seen
    view = viewing(body)
    camera = primary_camera(view)
    with_it, without = (
        expected_counts(b.uptake, b.mu_per_cm, view.placement, camera, MBQ_PER_UNIT) for b in (paint(body, [one]), body)
    )
    for v, foot in enumerate(feet):
        rows, columns = foot.lesion.shape
        window = (v, slice(foot.row, foot.row + rows), slice(foot.column, foot.column + columns))
        difference = (with_it - without)[window]
        assert np.abs(foot.lesion - difference).max() < 0.05 * difference.max()
        assert foot.lesion.sum() == pytest.approx(float(difference.sum()), rel=0.03)
        around = foot.background[foot.mask] / (1 + view.scatter)
        assert around.sum() == pytest.approx(float(without[window][foot.mask].sum()), rel=0.08)


def test_the_mask_lies_over_the_lesion_and_the_cnr_is_its_formula(seen):
    _, _, feet = seen
    for foot in feet:
        mask = foot.mask
        assert mask.sum() > 10
        assert foot.lesion[mask].min() >= MASK_LEVEL * foot.lesion.max() * 0.999
        b = float(foot.background[mask].sum())
        assert foot.cnr == pytest.approx(float(foot.lesion[mask].sum()) / np.sqrt(b + (CLUTTER * b) ** 2), rel=1e-5)
        assert foot.scaled(0.5).cnr == pytest.approx(foot.cnr / 2, rel=1e-4)


def test_a_spine_lesion_shows_better_from_behind_a_sternal_one_from_the_front():
    body = healthy()
    view = viewing(body)
    spine = footprints(body, deposit(body, metastasis(body, "T10"), np.random.default_rng(1)), view)
    breast = footprints(body, deposit(body, metastasis(body, "sternum"), np.random.default_rng(1)), view)
    assert spine[1].lesion.sum() > 1.5 * spine[0].lesion.sum()
    assert breast[0].lesion.sum() > 1.5 * breast[1].lesion.sum()


def test_more_counts_and_more_uptake_raise_the_cnr():
    body = healthy()
    one = deposit(body, metastasis(body, "L2", 14.0, added=0.4), np.random.default_rng(1))
    few, many = (footprints(body, one, Viewing.of(body, viewing(body).camera, m))[1].cnr for m in (1e-4, 1e-2))
    assert few < many


def test_what_the_detector_does_not_cover_is_not_seen(seen):
    body, one, feet = seen
    view = viewing(body)
    outside = Viewing(view.camera, view.placement, view.counts_per_unit, rows=(0, feet[0].row))
    dark = footprints(body, one, outside)[0]
    assert dark.lesion.size == 0
    assert dark.cnr == 0.0
    part = Viewing(view.camera, view.placement, view.counts_per_unit, columns=(0, feet[0].column + 8))
    assert footprints(body, one, part)[0].lesion.shape[1] == 8


def test_an_empty_footprint_has_no_mask():
    nothing = Footprint(0, 0, np.zeros((3, 3), np.float32), np.ones((3, 3), np.float32))
    assert not nothing.mask.any()
    assert nothing.cnr == 0.0


def test_look_against_plain_numpy():
    rng = np.random.default_rng(2)
    uptake, mu = (rng.random((5, 7, 6)).astype(np.float32) for _ in range(2))
    mu *= 0.4
    uptake[:, 0], mu[:, 0], uptake[2], mu[2] = 0, 0, 0, 0  # air
    lesion = rng.random((2, 3, 2)).astype(np.float32)
    whole = np.zeros((5, 7, 6))
    whole[1:3, 2:5, 3:5] = lesion
    got = [np.zeros((2, 5, 6), np.float32), np.zeros(2), np.zeros((2, 5, 6), np.float32)]
    look(uptake, mu, 0.5, lesion, (1, 2, 3), *got)
    for view in (0, 1):
        m, u, w = (a[:, ::-1] if view else a for a in (mu.astype(float), uptake, whole))
        through = np.exp(-0.5 * (np.cumsum(m, axis=1) - 0.5 * m))
        np.testing.assert_allclose(got[2][view], (u * through).sum(axis=1), rtol=1e-5)
        np.testing.assert_allclose(got[0][view], (w * through).sum(axis=1), rtol=1e-5)
        y = np.arange(7)[::-1] if view else np.arange(7)
        assert got[1][view] == pytest.approx(float((w * through * y[None, :, None]).sum()), rel=1e-5)


def test_half_voxels_cut_at_metal_and_add_up():
    out = np.zeros(3, np.float32)
    through_half(np.array([0.0, 0.2, 99.0], np.float32), 0.5, out)
    np.testing.assert_allclose(out, np.exp([0.0, -0.05, -0.75]), rtol=1e-3)
    through, total = np.ones(3, np.float32), np.zeros(3, np.float32)
    add_seen(np.full(3, 2.0, np.float32), through, out, total)
    np.testing.assert_allclose(total, 2 * out, rtol=1e-6)
    np.testing.assert_allclose(through, out**2, rtol=1e-6)


def test_spread_against_dense_matrices():
    rng = np.random.default_rng(6)
    columns = rng.random((4, 5)) * (rng.random((4, 5)) > 0.3)
    zs, xs = np.array([2, 4, 5, 7], np.int32), np.array([-1, 0, 3, 5, 8], np.int32)
    zw, xw = rng.random((4, 3)).astype(np.float32), rng.random((5, 4)).astype(np.float32)
    out = np.zeros((6, 7))
    spread(columns, zs, zw, xs, xw, 3, 1, out)
    rows, cols = np.zeros((20, 4)), np.zeros((20, 5))
    for i in range(4):
        rows[zs[i] : zs[i] + 3, i] = zw[i]
    for i in range(5):
        for j in range(4):
            if xs[i] + j >= 0:
                cols[xs[i] + j, i] = xw[i, j]
    np.testing.assert_allclose(out, (rows @ columns @ cols.T)[3:9, 1:8], rtol=1e-6)
