"""Reading between voxels, compiled and in torch, against scipy; giving back is the exact transpose."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from photopeak.physics import trilinear
from photopeak.physics.trilinear_kernels import around, give_to, value_at

SHAPE = (5, 6, 7)


@pytest.fixture
def volume() -> np.ndarray:
    return np.random.default_rng(1).random(SHAPE)


@pytest.fixture
def places() -> np.ndarray:
    """Places in voxels: inside, on voxels, half outside, wholly outside."""
    places = np.random.default_rng(2).uniform(-2.0, np.array(SHAPE) + 1.0, (300, 3))
    places[:50] = np.round(places[:50])
    return places


def read(volume: np.ndarray, place: np.ndarray) -> float:
    pairs = [around(float(p), n) for p, n in zip(place, volume.shape, strict=True)]
    return value_at(volume, *pairs)


def test_between_voxels_as_scipy_does_with_zero_outside(volume: np.ndarray, places: np.ndarray) -> None:
    expected = map_coordinates(np.pad(volume, 3), (places + 3).T, order=1)
    np.testing.assert_allclose([read(volume, p) for p in places], expected, atol=1e-12)


def test_a_voxel_reads_itself(volume: np.ndarray) -> None:
    assert read(volume, np.array([2.0, 3.0, 4.0])) == volume[2, 3, 4]
    assert read(volume, np.array([4.0, 5.0, 6.0])) == volume[4, 5, 6]  # the last on every axis


def test_giving_is_the_transpose_of_reading(volume: np.ndarray, places: np.ndarray) -> None:
    values = np.random.default_rng(3).random(len(places))
    given = np.zeros(SHAPE)
    for place, value in zip(places, values, strict=True):
        give_to(given, *(around(float(p), n) for p, n in zip(place, SHAPE, strict=True)), value)
    there = sum(v * read(volume, p) for p, v in zip(places, values, strict=True))
    assert np.vdot(given, volume) == pytest.approx(there, rel=1e-12)


def test_torch_reads_and_gives_the_same(volume: np.ndarray, places: np.ndarray) -> None:
    at, x = torch.from_numpy(places).unbind(1), torch.from_numpy(volume)
    values = trilinear.read_at(x, at)
    np.testing.assert_allclose(values.numpy(), [read(volume, p) for p in places], atol=1e-12)
    given = trilinear.given_to(values, at, SHAPE)
    assert float((given * x).sum()) == pytest.approx(float((values * values).sum()), rel=1e-12)
