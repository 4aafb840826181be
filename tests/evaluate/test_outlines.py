"""Which pixels an outline holds, and the outline of pixels."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photopeak.core import PhotopeakError
from photopeak.evaluate.outlines import Outline, check_threshold, common, contour, filled, ious

SHAPE = (40, 30)


def box(x0: float, y0: float, x1: float, y1: float, finding: str = "metastasis", site: str = "skull") -> Outline:
    return Outline(finding, site, ((x0, y0), (x1, y0), (x1, y1), (x0, y1)))


def test_a_pixel_is_inside_where_its_centre_is() -> None:
    one = filled(box(2, 3, 5, 4).points, SHAPE)
    assert np.argwhere(one).tolist() == [[3, 2], [3, 3], [3, 4]]  # row 3, columns 2 to 4: x counts columns
    assert not filled(box(2.6, 3.6, 3.4, 4.4).points, SHAPE).any()  # between the centres
    assert filled(box(2.4, 3.4, 2.6, 3.6).points, SHAPE).sum() == 1  # around one


def test_what_lies_beside_the_image_is_cut_off() -> None:
    assert filled(box(-50, -50, 3, 2).points, SHAPE).sum() == 6
    assert filled(box(-1e6, -1e6, 1e6, 1e6).points, SHAPE).all()
    assert not filled(box(100, 100, 120, 120).points, SHAPE).any()


def test_a_circle_holds_its_area() -> None:
    t = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    points = tuple(zip((15 + 10 * np.cos(t)).tolist(), (20 + 10 * np.sin(t)).tolist(), strict=True))
    assert filled(points, SHAPE).sum() == pytest.approx(math.pi * 100, rel=0.02)


@pytest.mark.parametrize(
    "points", [(), ((1.0, 1.0), (2.0, 2.0)), ((1.0, 1.0), (2.0, 2.0), (math.nan, 3.0)), ((0, 0), (math.inf, 1), (1, 1))]
)
def test_no_outline_is_refused(points: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(PhotopeakError, match="Remedy: draw at least three points"):
        filled(points, SHAPE)


def test_overlaps_are_those_of_the_masks() -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(-5, 35, (7, 3, 2))
    outlines = [Outline("", "", tuple((float(x), float(y)) for x, y in c)) for c in corners]
    masks = [filled(o.points, SHAPE) for o in outlines]
    shared, of_a, of_b = common(outlines[:4], outlines[4:], SHAPE)
    assert shared.tolist() == [[int((a & b).sum()) for b in masks[4:]] for a in masks[:4]]
    assert [*of_a, *of_b] == [int(m.sum()) for m in masks]
    wanted = [[(a & b).sum() / max(1, (a | b).sum()) for b in masks] for a in masks]
    assert ious(outlines, outlines, SHAPE) == pytest.approx(np.array(wanted))


def test_no_outlines_have_no_overlaps() -> None:
    assert ious([], [box(0, 0, 2, 2)], SHAPE).shape == (0, 1)
    beside = box(100, 100, 120, 120)
    assert ious([beside], [beside], SHAPE).tolist() == [[0.0]]


@given(st.lists(st.tuples(st.integers(0, 39), st.integers(0, 29), st.integers(1, 12), st.integers(1, 12)), max_size=4))
def test_filling_a_contour_gives_a_piece_of_the_mask(boxes: list[tuple[int, int, int, int]]) -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    for row, column, height, width in boxes:
        mask[row : row + height, column : column + width] = True
    points = contour(mask)
    assert bool(points) == mask.any()
    if points:
        from scipy.ndimage import binary_fill_holes, label

        again = filled(points, SHAPE)
        pieces, n = label(mask)
        assert any((again == binary_fill_holes(pieces == i)).all() for i in range(1, n + 1))


def test_the_contour_is_that_of_the_largest_piece() -> None:
    mask = filled(box(1, 1, 4, 4).points, SHAPE) | filled(box(10, 10, 20, 30).points, SHAPE)
    assert (filled(contour(mask), SHAPE) == filled(box(10, 10, 20, 30).points, SHAPE)).all()


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.1, math.nan])
def test_a_threshold_is_a_share(threshold: float) -> None:
    with pytest.raises(PhotopeakError, match="above 0 and at most 1"):
        check_threshold(threshold)
