"""A parametric head: brain with folded cortex, skull, face and neck, on voxels with partial volume.

``draw_variation`` says how this head differs from the textbook's, ``make_head`` paints it::

    head = make_head(draw_variation(np.random.default_rng(7), "F", 67.0))
    head.volumes_ml()["left caudate"]
"""

from photopeak.patients.brain.head import Head, make_head
from photopeak.patients.brain.structures import NAMES, NUMBER, STRIATUM
from photopeak.patients.brain.variation import Pose, Variation, draw_variation

__all__ = ["NAMES", "NUMBER", "STRIATUM", "Head", "Pose", "Variation", "draw_variation", "make_head"]
