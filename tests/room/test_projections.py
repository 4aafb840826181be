from __future__ import annotations

import numpy as np
import pytest

from photopeak.core import Axis, Grid, Image, PhotopeakError, scaling
from photopeak.room.projections import projections


def volume(values: np.ndarray, spacing: tuple[float, float, float]) -> Image:
    axes = tuple(Axis(n, s) for n, s in zip("zyx", values.shape, strict=True))
    return Image(values.astype(np.float32), Grid(axes, scaling(spacing)), "{counts}")


def test_the_first_projection_looks_from_the_front_with_the_head_above():
    values = np.random.default_rng(1).random((5, 7, 6))
    made = projections(volume(values, (4.0, 4.0, 4.0)), 4)
    assert made.shape == (4, 5, 6)
    np.testing.assert_allclose(made[0], values[::-1].max(axis=1), rtol=1e-6)


def test_half_a_turn_shows_the_same_from_behind():
    values = np.random.default_rng(2).random((3, 8, 8))
    made = projections(volume(values, (4.0, 4.0, 4.0)), 2)
    np.testing.assert_allclose(made[1], made[0][:, ::-1], rtol=1e-6)


def test_a_hot_voxel_stays_as_hot_all_around_and_pixels_are_square():
    values = np.zeros((4, 9, 9))
    values[1, 4, 4] = 7.0
    made = projections(volume(values, (2.0, 2.0, 6.0)), 12)
    assert made.shape == (12, 12, 9)
    assert (made.max(axis=(1, 2)) == 7.0).all()


def test_a_planar_image_has_none():
    image = Image(np.ones((2, 2)), Grid((Axis("y", 2), Axis("x", 2)), scaling((1.0, 1.0, 1.0))), "1")
    with pytest.raises(PhotopeakError, match="needs a volume"):
        projections(image, 4)
