"""Free response on made-up boxes whose answers are known."""

import numpy as np
import pytest

from photopeak.evaluate.free_response import Response, average_precision, overlaps, respond, sensitivity_at

TRUE = np.array([[0.0, 0, 10, 10], [20, 20, 30, 30]])


def test_overlap_is_that_of_areas() -> None:
    shifted = TRUE + np.array([0.0, 5, 0, 5])
    np.testing.assert_allclose(np.diag(overlaps(TRUE, shifted)), 50 / 150)
    np.testing.assert_allclose(overlaps(TRUE, TRUE), np.eye(2))


def test_a_lesion_is_found_once_by_the_most_probable_box() -> None:
    found = np.array([[0.0, 0, 9, 9], [0, 0, 10, 10], [20, 20, 30, 30], [50, 50, 60, 60]])
    r = respond(found, np.array([0.9, 0.8, 0.7, 0.95]), TRUE, 0.3)
    assert r.right.tolist() == [True, False, True, False]
    assert r.true == 2


def test_precision_and_sensitivity_follow_from_the_order() -> None:
    one = Response(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 2)
    none = Response(np.zeros(0), np.zeros(0, bool), 1)
    assert average_precision([one]) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision([one, none]) == pytest.approx((1 + 2 / 3) / 3)  # the missed one counts
    assert sensitivity_at([one], 0.0) == 0.5
    assert sensitivity_at([one], 1.0) == 1.0
    assert sensitivity_at([one, none], 0.5) == pytest.approx(2 / 3)
    perfect = respond(TRUE, np.array([0.6, 0.5]), TRUE, 0.3)
    assert average_precision([perfect]) == 1.0


def test_nothing_to_find_is_no_figure() -> None:
    empty = respond(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 4)), 0.3)
    assert np.isnan(average_precision([empty]))
    assert np.isnan(sensitivity_at([empty], 1.0))
