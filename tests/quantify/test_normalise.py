"""Normalisation: the equation, view by view, and the cases where it divides by nothing."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from photopeak.core import Axis, Grid, Image, Study, run, scaling
from photopeak.core.contracts import check_step
from photopeak.quantify.normalise import Normalise, normalise


def study_of(values: np.ndarray, names: tuple[str, ...]) -> Study:
    grid = Grid(tuple(Axis(n, s) for n, s in zip(names, values.shape, strict=True)), scaling((2.0, 2.0, 2.0)))
    return Study({"counts": Image(values, grid, "{counts}")})


def test_each_view_spans_zero_to_one_on_its_own() -> None:
    values = np.array([[[0, 5], [10, 20]], [[100, 300], [200, 500]]], dtype=np.uint16)
    result = run(Normalise(), study_of(values, ("view", "y", "x")))["normalised"]
    assert result.values.dtype == np.float32
    np.testing.assert_allclose(result.values[0], [[0, 0.25], [0.5, 1]])
    np.testing.assert_allclose(result.values[1], [[0, 0.5], [0.25, 1]])


def test_a_view_of_one_value_becomes_zero() -> None:
    values = np.full((1, 3, 3), 7, dtype=np.uint16)
    assert not run(Normalise(), study_of(values, ("view", "y", "x")))["normalised"].values.any()


def test_time_frames_of_one_view_share_their_extremes() -> None:
    values = np.arange(2 * 3 * 2 * 2, dtype=np.uint16).reshape(2, 3, 2, 2)
    result = run(Normalise(), study_of(values, ("view", "time", "y", "x")))["normalised"].values
    assert result[0, 0].max() < result[0, 2].max() == 1.0  # kinetics survive
    assert result[1, 0].min() == 0.0


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16, np.int16, np.int32, np.float32]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
        elements=st.integers(0, 120),
    )
)
def test_it_is_the_equation(x: np.ndarray) -> None:
    low, high = x.min(), x.max()
    expected = np.zeros(x.shape) if low == high else (x - float(low)) / (float(high) - float(low))
    np.testing.assert_allclose(normalise(x, over=(0, 1)), expected, atol=1e-6)


def test_signed_extremes_do_not_overflow() -> None:
    x = np.array([[-32768, 0, 32767]], dtype=np.int16)
    np.testing.assert_allclose(normalise(x, over=(0, 1)), [[0, 32768 / 65535, 1]], rtol=1e-6)


def test_it_keeps_the_contract_of_steps() -> None:
    check_step(Normalise(), study_of(np.arange(8, dtype=np.uint16).reshape(2, 2, 2), ("view", "y", "x")))
