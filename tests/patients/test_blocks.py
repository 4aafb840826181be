"""Blocks of voxels: means keep the sum, parts keep their place, the most active structure names a block."""

import numpy as np
import pytest

from photopeak.patients.blocks import cut, halved, most_active, paired


def test_means_of_blocks_keep_the_mean():
    values = np.random.default_rng(1).random((8, 6, 4)).astype(np.float32)
    assert halved(values).shape == (4, 3, 2)
    assert halved(values)[0, 0, 0] == pytest.approx(values[:2, :2, :2].mean())
    assert paired(values)[1] == pytest.approx(values[2:4].mean(0))


def test_a_part_that_reaches_beyond_holds_nothing_there():
    values = np.arange(8.0).reshape(2, 2, 2)
    part = cut(values, (-1, 0, 1), (3, 2, 2))
    assert part.shape == (3, 2, 2)
    assert (part[0] == 0).all()
    assert (part[:, :, 1] == 0).all()
    assert (part[1:, :, 0] == values[:, :, 1]).all()


def test_a_block_is_what_shines_most_in_it():
    label, uptake = np.ones((2, 2, 2), np.uint8), np.full((2, 2, 2), 1.0, np.float32)
    label[1, 0, 1], uptake[1, 0, 1] = 7, 2.0
    assert most_active(label, uptake).tolist() == [[[7]]]
