"""Hot spots: what is short in every direction and brighter than what surrounds it, and nothing else."""

import numpy as np
import pytest

from photopeak.classify.hot_spots import FEATURES, GRID, look, of_grid, of_hot_spots

ROWS, COLUMNS = 512, 128


def scan(*spots: tuple[int, int, float], scale: float = 1.0) -> np.ndarray:
    """Soft tissue, a spine and a thigh bone as lines, and round spots of 5 pixels (row, column, counts)."""
    counts = np.zeros((ROWS, COLUMNS))
    counts[40:480, 24:104] = 6.0
    counts[80:280, 62:66] += 24.0
    counts[300:460, 40:43] += 20.0
    y, x = np.mgrid[:ROWS, :COLUMNS]
    for row, column, height in spots:
        counts += height * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * 2.0**2))
    return np.rint(scale * counts).astype(np.uint16)


def named(row: np.ndarray) -> dict[str, float]:
    return dict(zip(FEATURES, row.tolist(), strict=True))


def test_bones_are_no_hot_spots_but_what_sits_on_them_is() -> None:
    assert look(scan(), False).number.max() == 0
    seen = look(scan((180, 64, 90.0), (380, 41, 80.0)), False)
    assert seen.number.max() == 2
    assert seen.number[180, 64] != seen.number[380, 41] > 0
    assert seen.number[100:160].max() == 0  # the spine above


def test_a_spot_is_as_wide_as_at_half_its_height() -> None:
    (row,) = of_hot_spots(look(scan((180, 90, 120.0)), False))
    sigma = np.hypot(2.0, 1.0)  # the spot's and that of the smoothing
    half = np.pi * 2 * np.log(2) * sigma**2  # pixels within the half-way contour of a Gaussian
    assert np.exp(named(row)["area"]) == pytest.approx(half, rel=0.2)
    assert named(row)["elongation"] < 0.5


def test_features_say_where_a_spot_lies_and_whether_it_has_a_twin() -> None:
    lonely = named(of_hot_spots(look(scan((180, 90, 90.0)), True))[0])
    assert lonely["height"] == pytest.approx((180 - 40) / 440, abs=0.02)
    assert lonely["distance"] == pytest.approx(2 * (90 - 63.5) / 80, abs=0.05)
    assert lonely["posterior"] == 1.0
    assert lonely["neighbours"] == 0
    assert lonely["mirror"] < 0.3
    twins = of_hot_spots(look(scan((180, 90, 90.0), (180, 37, 90.0)), False))
    assert [named(t)["mirror"] for t in twins] == pytest.approx([1.0, 1.0], abs=0.05)


def test_more_counts_change_no_feature() -> None:
    one, ten = (of_hot_spots(look(scan((180, 90, 90.0), scale=s), False)) for s in (1.0, 10.0))
    np.testing.assert_allclose(one, ten, rtol=0.05, atol=0.02)


def test_the_grid_holds_a_spot_in_the_cell_where_it_is() -> None:
    plain, spotted = (of_grid(look(s, False)) for s in (scan(), scan((180, 86, 90.0))))
    assert len(plain) == 2 * GRID[0] * GRID[1] + 3
    changed = np.flatnonzero(spotted[: 2 * GRID[0] * GRID[1]] - plain[: 2 * GRID[0] * GRID[1]])
    row, column = int((180 - 40) / 440 * GRID[0]), int((86 - 24) / 80 * GRID[1])
    assert set(changed // 2) == {row * GRID[1] + column}
    assert spotted[-3] == 1


def test_an_empty_view_has_nothing() -> None:
    seen = look(np.zeros((ROWS, COLUMNS), np.uint16), False)
    assert of_hot_spots(seen).shape == (0, len(FEATURES))
    assert not of_grid(seen).any()
