"""Breathing: what moves keeps its activity and its mean place, what stays stays, and a breath in lowers the CT."""

from __future__ import annotations

import numpy as np
import pytest

from photopeak.patients.body import Body, Person
from photopeak.patients.breathing import Breath, Moved, draw_breath

EDGE_MM = 4.0
DOME = 30  # the liver's uppermost row


class Nowhere:
    """A placement that nobody asks."""

    def place(self, points_mm, group, side=""):
        raise NotImplementedError

    def ellipsoid(self, centre_mm, semi_axes_mm, group, side=""):
        raise NotImplementedError


@pytest.fixture(scope="module")
def body() -> Body:
    """A block of liver under a block of lung, a spine behind, in a wall of soft tissue."""
    names = ("", "soft tissue", "liver", "left lung", "T9")
    label = np.ones((70, 24, 24), np.uint8)
    label[10 : DOME + 1, 5:-5, 5:-5], label[DOME + 1 : 61, 5:-5, 5:-5] = 2, 3
    label[:, 18:21, 10:14] = 4
    uptake = np.array([0.0, 0.5, 2.0, 0.4, 1.5], np.float32)[label]
    mu = np.array([0.0, 0.096, 0.1, 0.03, 0.13], np.float32)[label]
    return Body(Person("M", 60.0, 1.76, 80.0), EDGE_MM, (0.0, 0.0, 0.0), uptake, mu, label, names, Nowhere())


def edge_mm(column: np.ndarray) -> float:
    """Where a column from liver to lung passes their middle."""
    part = column[15:50].astype(np.float64)
    return float(EDGE_MM * np.interp(-1.2, -part, np.arange(15, 50)))


def test_liver_moves_by_the_amplitude_and_is_where_it_was_on_average(body):
    moved = Moved(body, Breath(10.0, 6.25))
    middle = np.s_[:, 11, 11]
    lowered = moved._lowered(body.uptake, np.array([10.0]))[middle]
    assert edge_mm(body.uptake[middle]) - edge_mm(lowered) == pytest.approx(10.0, abs=0.5)
    blurred = moved.on_average(body.uptake)[middle]
    assert blurred.sum() == pytest.approx(body.uptake[middle].sum(), rel=0.005)
    assert 0.5 < blurred[DOME] < 1.99
    assert 0.41 < blurred[DOME + 1] < 1.5


def test_what_does_not_breathe_stays(body):
    moved = Moved(body, Breath(12.0, 7.0))
    still = np.isin(body.label, (1, 4))
    assert np.array_equal(moved.on_average(body.uptake)[still], body.uptake[still])
    assert np.array_equal(moved.in_ct(body.mu_per_cm)[still], body.mu_per_cm[still])
    assert moved.share[57:].max() < 0.15  # of the dome's
    assert moved.share[DOME] == 1.0
    beside = np.s_[:DOME, 16, 10:14]  # liver before the spine, of which it takes nothing on
    assert moved.on_average(body.uptake)[beside].max() == pytest.approx(2.0, abs=1e-5)


def test_who_does_not_breathe_is_left_as_painted(body):
    moved = Moved(body, draw_breath(0.0, "in", np.random.default_rng(1)))
    assert moved.on_average(body.uptake) is body.uptake
    assert moved.in_ct(body.uptake) is body.uptake


def test_a_breath_in_lies_lower_than_any_moment_of_the_scan():
    drawn = {ct: [draw_breath(10.0, ct, np.random.default_rng(k)) for k in range(60)] for ct in ("free", "in", "mixed")}
    for b in drawn["free"]:
        assert -0.376 * b.amplitude_mm <= b.ct_below_mm <= 0.626 * b.amplitude_mm
    for b in drawn["in"]:
        assert b.ct_below_mm > 0.8 * b.amplitude_mm
    deep = np.mean([b.ct_below_mm > 0.7 * b.amplitude_mm for b in drawn["mixed"]])
    assert 0.1 < deep < 0.4
    assert np.median([b.amplitude_mm for b in drawn["free"]]) == pytest.approx(10.0, abs=1.5)
