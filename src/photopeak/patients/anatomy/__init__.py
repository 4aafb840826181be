"""A parametric adult: skeleton, organs, outline, posture and the tracer's normal appearance.

``draw_person`` says who, ``draw_variation`` how this one differs from the textbook, ``make_body`` puts
both on a voxel grid. Every number is drawn from one generator, so a seed is a body::

    rng = np.random.default_rng(7)
    person = draw_person(rng)
    body = make_body(person, draw_variation(rng, person))
    body.placement.place([[60.0, -93.0, 1283.0]], "chest", "left")   # rib 5, costochondral, in this body
"""

from photopeak.patients.anatomy.build import Mu, make_body
from photopeak.patients.anatomy.person import draw_person
from photopeak.patients.anatomy.pose import Pose, Posed
from photopeak.patients.anatomy.scaling import Proportions
from photopeak.patients.anatomy.skeleton import sites
from photopeak.patients.anatomy.variation import Tracer, Variation, draw_variation

EDITION = 2
"""Counts up when the same seed becomes another body, so that a result can say whose patients it was measured on.

1: one textbook skeleton, scaled and posed. 2: each person's own shape, vertebrae that lean with the spine, finer
faces and knees, neighbouring bones that shine alike.
"""

__all__ = [
    "EDITION",
    "Mu",
    "Pose",
    "Posed",
    "Proportions",
    "Tracer",
    "Variation",
    "draw_person",
    "draw_variation",
    "make_body",
    "sites",
]
