"""Left against right: nothing is left of what is symmetric, wherever the body lies."""

import numpy as np
import pytest

from photopeak.classify.symmetry import asymmetry, midline


def body(middle: float) -> np.ndarray:
    """Two shoulders and a spine about a column."""
    y, x = np.mgrid[:64, :64].astype(float)
    spine = np.exp(-((x - middle) ** 2) / 8)
    shoulders = sum(np.exp(-((x - middle - s) ** 2 + (y - 20) ** 2) / 10) for s in (-14, 14))
    return np.asarray(spine + shoulders)


@pytest.mark.parametrize("middle", [31.5, 29.0, 34.5])
def test_the_midline_is_found_and_a_symmetric_body_cancels(middle: float) -> None:
    assert midline(body(middle)) == middle
    assert np.abs(asymmetry(body(middle))).max() < 1e-9


def test_a_lesion_stays_and_has_a_negative_twin() -> None:
    image = body(31.5)
    image[40, 45] += 5.0
    difference = asymmetry(image)
    assert midline(image) == 31.5  # the lesion does not move it
    assert difference[40, 45] == pytest.approx(5.0)
    assert difference[40, 63 - 45] == pytest.approx(-5.0)
    np.testing.assert_allclose(asymmetry(image[:, ::-1]), difference[:, ::-1])
