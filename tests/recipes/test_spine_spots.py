"""Hot spots of the spine: the axis they are mirrored about, and their segments in predictions."""

import numpy as np

from photopeak.recipes import body_parts as bp
from photopeak.recipes import spine_spots


def test_the_axis_is_that_of_a_bent_spine() -> None:
    spine = np.zeros((60, 40), bool)
    for row in range(10, 50):
        spine[row, 15 + row // 10 : 20 + row // 10] = True  # it leans
    assert spine_spots.axis_at(spine, (14.6, 22.0)) == 18.0
    assert spine_spots.axis_at(spine, (45.0, 22.0)) == 21.0
    assert spine_spots.axis_at(spine, (57.0, 22.0)) == 22.0  # no spine there: its own column


def test_the_hot_spots_of_one_segment_are_told_by_their_names() -> None:
    cases = [("P", f"anterior, {s}, hot spot {k}") for k, s in enumerate(bp.SPINE)]
    these = bp.told_of(cases, "clean-0", [True, False, True], np.array([0.9, 0.2, 0.4]))
    part = spine_spots.of_segment(these, "lumbar spine")
    assert part.views == ("anterior, lumbar spine, hot spot 2",)
    assert part.labels == ("M",)
    assert part.scores[0, 1] == 0.4
