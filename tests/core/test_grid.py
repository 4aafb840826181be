"""Grids: what an array's axes mean, and what cannot be meant."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photopeak.core import Axis, Grid, PhotopeakError, scaling

spacing = st.floats(0.1, 20.0)


@given(spacing, spacing)
def test_planar_grid_knows_its_pixels(row_mm: float, column_mm: float) -> None:
    grid = Grid.planar(("anterior", "posterior"), (4, 6), (row_mm, column_mm))
    assert grid.shape == (2, 4, 6)
    assert grid.spacing_mm == pytest.approx({"y": row_mm, "x": column_mm})
    x, y = grid.matrix_mm[:2] @ [5, 3, 0, 1]
    assert (x, y) == pytest.approx((5 * column_mm, 3 * row_mm))


def test_spacing_is_the_length_of_a_step_however_the_grid_is_turned() -> None:
    turn = np.eye(4)
    turn[:2, :2] = [[0.6, -0.8], [0.8, 0.6]]
    affine = turn @ np.asarray(scaling((2.0, 3.0, 4.0)))
    grid = Grid.volume((5, 6, 7), tuple(tuple(row) for row in affine.tolist()))
    assert grid.spacing_mm == pytest.approx({"x": 2.0, "y": 3.0, "z": 4.0})


def test_without_drops_one_axis_and_keeps_the_place() -> None:
    grid = Grid.volume((5, 6, 7), scaling((2.0, 3.0, 4.0), (10.0, 20.0, 30.0)), frame="1.2.3")
    flat = grid.without("z")
    assert flat.names == ("y", "x")
    assert flat.affine_mm == grid.affine_mm
    assert flat.frame == "1.2.3"


def test_labels_and_values_belong_to_indices() -> None:
    times = Axis("time", 3, values=(0.0, 10.0, 20.0), unit="s")
    grid = Grid((times, Axis("y", 2), Axis("x", 2)), scaling((1.0, 1.0, 1.0)))
    assert grid.axis("time").values == (0.0, 10.0, 20.0)
    assert grid.labels("y") == ()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Axis("depth", 3), "unknown axis"),
        (lambda: Axis("view", 2, ("anterior",)), "size 2 but 1"),
        (lambda: Grid((Axis("x", 2), Axis("x", 2)), scaling((1, 1, 1))), "repeat a name"),
        (lambda: Grid((Axis("x", 2), Axis("y", 2)), scaling((1, 1, 1))), "order z, y, x"),
        (lambda: Grid((Axis("x", 2), Axis("view", 2)), scaling((1, 1, 1))), "must end with the spatial"),
        (lambda: Grid((Axis("x", 2),), ((1.0, 0.0, 0.0, 0.0),)), "4×4"),
        (lambda: Grid((Axis("x", 2),), scaling((float("nan"), 1, 1))), "finite"),
        (lambda: Grid.planar(("anterior",), (2, 2), (1, 1)).axis("time"), "no axis 'time'"),
    ],
)
def test_a_grid_that_means_nothing_is_refused(make, message) -> None:
    with pytest.raises(PhotopeakError, match=message):
        make()
