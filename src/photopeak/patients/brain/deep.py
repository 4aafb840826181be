"""What lies deep in the brain: ventricles, striatum, pallidum, thalamus, hippocampus, brain stem.

Places are those of textbook atlases, rounded, in mm of a head of standard size; sizes give the volumes of
:cite:`potvin2016`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from photopeak.patients.brain.shapes import Array, Points, ellipsoid, tube
from photopeak.patients.brain.variation import Change, Variation

Line = tuple[tuple[float, float, float, float], ...]
Vector = tuple[float, float, float]

#: head, body and the beginning of the tail: (x, y, z, radius), on the left
CAUDATE: Final[Line] = (
    (11.8, -18.0, -2.0, 5.0),
    (12.6, -15.0, 5.0, 5.9),
    (13.6, -8.0, 11.5, 5.1),
    (14.8, 3.0, 17.0, 3.8),
    (18.0, 17.0, 18.0, 2.7),
    (23.0, 29.0, 12.0, 1.8),
)
#: frontal horn, body, atrium; temporal horn; occipital horn
VENTRICLE: Final[tuple[Line, ...]] = (
    ((4.5, -29.0, 5.0, 2.2), (5.5, -20.0, 10.5, 3.2), (6.8, -6.0, 17.0, 3.4), (10.0, 10.0, 20.0, 3.4)),
    ((10.0, 10.0, 20.0, 3.4), (16.0, 26.0, 17.5, 4.2), (22.0, 37.0, 8.0, 4.6)),
    ((22.0, 37.0, 8.0, 4.6), (29.0, 27.0, -6.0, 2.2), (29.5, 8.0, -14.0, 1.2)),
    ((22.0, 37.0, 8.0, 4.6), (21.0, 58.0, 4.0, 1.8)),
)
HIPPOCAMPUS: Final[Line] = ((23.5, 3.0, -18.0, 6.0), (26.0, 18.0, -14.5, 5.2), (25.0, 33.0, -4.0, 3.8))
PUTAMEN: Final[tuple[Vector, Vector]] = ((25.6, -0.5, 1.5), (5.1, 18.8, 11.8))
PALLIDUM: Final[tuple[Vector, Vector]] = ((19.4, 3.0, 0.0), (4.8, 11.0, 9.2))
THALAMUS: Final[tuple[Vector, Vector]] = ((10.4, 16.0, 7.5), (9.3, 15.5, 10.6))
TURN_DEG: Final = 12.0
"""The lentiform nucleus diverges backwards by this angle."""
BEND: Final = 2.2  # mm by which the putamen's ends lie further in than its middle


def changed(p: Points, centre_mm: Vector, change: Change, turn_deg: float = 0.0) -> Points:
    """The left structure's own axes: its centre as origin, turned, moved and resized."""
    shifted = tuple(c + s for c, s in zip(centre_mm, change.shift_mm, strict=True))
    q = p.moved((shifted[0], shifted[1], shifted[2])).turned(-turn_deg - change.turn_deg)
    return Points(*(v / np.float32(change.size) for v in q))


def caudate(left: Points, change: Change) -> Array:
    """Head, body and the beginning of the tail."""
    middle = (14.0, -5.0, 10.0)
    return tube(changed(left, middle, change), _about(CAUDATE, middle)) * np.float32(change.size)


def putamen(left: Points, change: Change) -> tuple[Array, Array]:
    """Its distance, and how far behind its middle a point lies (mm)."""
    q = changed(left, PUTAMEN[0], change, TURN_DEG)
    bent = Points(q.x + np.float32(BEND) * (q.y / np.float32(PUTAMEN[1][1])) ** 2, q.y, q.z)
    return ellipsoid(bent, (0.0, 0.0, 0.0), PUTAMEN[1]) * np.float32(change.size), q.y


def pallidum(left: Points, change: Change) -> Array:
    """Both of its parts, at the putamen's inner side."""
    q = changed(left, PALLIDUM[0], change, TURN_DEG + 6.0)
    return ellipsoid(q, (0.0, 0.0, 0.0), PALLIDUM[1]) * np.float32(change.size)


def thalamus(left: Points, change: Change) -> Array:
    """Its back lies further out than its front."""
    q = changed(left, THALAMUS[0], change, 18.0)
    return ellipsoid(q, (0.0, 0.0, 0.0), THALAMUS[1]) * np.float32(change.size)


def hippocampus(left: Points, change: Change) -> Array:
    """From its head, low in front, to its tail under the splenium."""
    middle = (25.0, 18.0, -13.0)
    return tube(changed(left, middle, change), _about(HIPPOCAMPUS, middle)) * np.float32(change.size)


def lateral_ventricle(left: Points, v: Variation, change: Change) -> Array:
    """Widened by ``v.ventricle`` in radius: it makes room for itself outwards and upwards, not across the midline."""
    wide = v.ventricle * change.size
    out = np.full(left.x.shape, np.inf, np.float32)
    for line in VENTRICLE:
        grown = tuple((x + 0.6 * r * (wide - 1.0), y, z + 0.2 * r * (wide - 1.0), r * wide) for x, y, z, r in line)
        np.minimum(out, tube(left, grown), out=out)
    return np.maximum(out, np.float32(0.7) - left.x)  # the septum


def third_ventricle(p: Points, v: Variation) -> Array:
    """The slit between the thalami."""
    return ellipsoid(p, (0.0, 6.0, -1.0), (v.third_mm, 17.0, 10.0))


def fourth_ventricle(p: Points) -> Array:
    """Between pons and cerebellum."""
    return ellipsoid(p, (0.0, 36.5, -32.0), (6.5, 4.5, 11.0))


def midbrain(p: Points) -> Array:
    """Both peduncles and the tectum in one."""
    return ellipsoid(p, (0.0, 17.0, -12.0), (14.5, 11.5, 13.0))


def pons(p: Points) -> Array:
    """With the middle peduncles."""
    out: Array = np.minimum(
        ellipsoid(p, (0.0, 18.5, -31.0), (15.5, 12.0, 14.0)),
        # the middle peduncles, into the cerebellum
        tube(p.on_the_left(), ((10.0, 22.0, -31.0, 7.0), (20.0, 40.0, -34.0, 5.5))),
    )
    return out


def medulla(p: Points) -> Array:
    """Down to the cord in the neck."""
    return tube(
        p, ((0.0, 24.0, -42.0, 8.5), (0.0, 31.0, -62.0, 6.5), (0.0, 37.0, -85.0, 5.5), (0.0, 47.0, -215.0, 5.5))
    )


def _about(line: Line, middle: Vector) -> Line:
    return tuple((x - middle[0], y - middle[1], z - middle[2], r) for x, y, z, r in line)
