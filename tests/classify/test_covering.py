"""Spots stand out of the bone they lie in, and are covered with that bone."""

import numpy as np
import pytest

from photopeak.classify.covering import LINE, Spots, covered, lines, spots_of, usual

HEIGHT, WIDTH = 96, 48
LESION = (40, 24)


def body(lesion: float = 0.0, seen: tuple[int, ...] = (0, 1)) -> np.ndarray:
    """Soft tissue of 0.4 with a spine of 1, eight pixels wide, and a lesion of Gaussian shape on it."""
    x = np.zeros((2, HEIGHT, WIDTH), np.float32)
    x[:, 4:-4, 6:-6] = 0.4
    x[:, 4:-4, 20:28] = 1.0
    y, u = np.mgrid[:HEIGHT, :WIDTH]
    for view in seen:
        x[view] += lesion * np.exp(-((y - LESION[0]) ** 2 + (u - LESION[1]) ** 2) / 18.0).astype(np.float32)
    return x + np.random.default_rng(1).normal(0, 0.03, x.shape).astype(np.float32) * (x > 0)


def test_bone_does_not_stand_out_of_itself() -> None:
    assert len(spots_of(body())) == 0
    assert usual(body()[0])[40, 24] == pytest.approx(1.0, abs=0.05)  # the spine, along its own line
    assert usual(body()[0])[40, 12] == pytest.approx(0.4, abs=0.05)


def test_a_lesion_on_the_spine_is_covered_with_spine() -> None:
    x = body(2.0)
    spots = spots_of(x)
    assert len(spots) == 1
    assert spots.number[LESION] == 1
    without = covered(x, spots, spots.number == 1)
    assert x[0][LESION] > 2.5
    assert without[0][LESION] == pytest.approx(1.0, abs=0.1)
    assert (without[:, spots.number == 0] == x[:, spots.number == 0]).all()


def test_a_lesion_that_one_view_shows_is_shown_there_alone() -> None:
    spots = spots_of(body(2.0, seen=(1,)))
    assert not spots.shown[0].any()
    assert spots.shown[1][LESION]


def test_covering_nothing_is_the_scan_itself() -> None:
    x = body(2.0)
    assert np.array_equal(covered(x, spots_of(x), np.zeros((HEIGHT, WIDTH), bool)), x)


def test_nothing_has_no_spots() -> None:
    spots = spots_of(np.zeros((2, HEIGHT, WIDTH), np.float32))
    assert isinstance(spots, Spots)
    assert len(spots) == 0
    assert not list(spots.masks())


def test_the_lines_are_of_one_length() -> None:
    step = (1.0, 1.0, np.sqrt(2), np.sqrt(2))
    assert [round((k.sum() - 1) * s) for k, s in zip(lines(), step, strict=True)] == pytest.approx(
        [LINE - 1] * 4, abs=2
    )
