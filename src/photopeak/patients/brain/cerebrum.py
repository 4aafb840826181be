"""Cerebrum and cerebellum: envelopes, fissures, and a cortex folded over sulci.

A point's distance q to the fluid outside the brain decides what it is: fluid below 0, cortex up to its
thickness, white matter beyond. q is the least of the distances to the hull, to the great fissures, and to sulci,

    u = |N| / |∇N|,    q_s = √(u² + max(0, s − D)²) − w,

the sheets on which a random field N of one wavelength vanishes. N is asked near the hull, on the line from the middle
of the hemisphere through the point, so that sheets go in at right angles to the surface; s is the depth below it,
D the depth to which the sulcus goes there, and w half its width. A field of one wavelength crosses zero along winding
lines of even distance, as gyri run. Everything is bent by a smooth random field of some millimetres, so that no two
hemispheres are alike.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float32

from photopeak.patients.brain.shapes import Array, Points, Waves, beyond, ellipsoid, joined
from photopeak.patients.brain.variation import Variation

Row = Float32[np.ndarray, " points"]
WAVELENGTH_MM: Final = 21.0
DEPTH_MM: Final = (14.5, 4.0)  # of sulci: mean and standard deviation over the surface
OUTWARDS: Final = 0.85  # by this share of its depth a point is moved to the hull before N is asked
BEND_MM, BEND_WAVE_MM = 1.3, 42.0
FISSURE_MM: Final = 0.7  # half the width of the great fissures in the young
FILLET_MM: Final = 8.0


class Axis(NamedTuple):
    """The line in the middle of a part from which its folds radiate, on the left."""

    start_mm: tuple[float, float, float]
    stop_mm: tuple[float, float, float]


HEMISPHERE: Final = Axis((27.0, -34.0, 18.0), (27.0, 60.0, 14.0))
TEMPORAL: Final = Axis((42.0, -22.0, -18.0), (41.0, 44.0, -12.0))


def hemispheres(p: Points) -> Array:
    """Frontal, parietal and occipital lobes without their folds."""
    left = p.on_the_left()
    back = np.maximum(left.y - np.float32(15), np.float32(0))
    wide = np.float32(1) + np.float32(0.0011) * (left.y - np.float32(16))
    egg = Points(left.x / wide, left.y, left.z + np.float32(0.07) * back)
    body = ellipsoid(egg, (0.0, 15.0, 19.0), (64.5, 81.0, 56.0))
    # The underside: the orbital roofs in front, the tentorium behind, which rises to the middle, and the sella.
    behind = np.clip((left.y - np.float32(8)) / np.float32(26), np.float32(0), np.float32(1))
    sella = np.float32(15) * np.exp(
        -((left.x / np.float32(17)) ** 4) - ((left.y - np.float32(14)) / np.float32(26)) ** 4
    )
    floor = (1 - behind) * np.float32(-23) + behind * (np.float32(-8) - np.float32(0.20) * left.x) + sella
    out: Array = np.maximum(body, floor - left.z)
    return out


def temporal_lobes(p: Points) -> Array:
    """Both of them, without their folds; their poles lie lower than their backs."""
    left = p.on_the_left()
    level = Points(left.x, left.y, left.z - np.float32(0.16) * (left.y - np.float32(14)))
    return ellipsoid(level, (43.0, 13.0, -17.0), (18.5, 45.0, 21.0))


def cerebellum_hull(p: Points) -> Array:
    """Two hemispheres and the vermis between them."""
    left = p.on_the_left()
    sides = ellipsoid(left, (24.5, 55.0, -33.0), (28.0, 31.0, 22.5))
    return joined(sides, ellipsoid(p, (0.0, 48.0, -25.0), (15.0, 26.0, 22.0)), 8.0)


def envelope(p: Points) -> Array:
    """What the inner table of the skull follows, before it is widened."""
    cerebral = joined(hemispheres(p), temporal_lobes(p), FILLET_MM)
    stem = ellipsoid(p, (0.0, 20.0, -34.0), (20.0, 15.0, 26.0))
    tentorium = ellipsoid(p, (0.0, 42.0, -11.0), (46.0, 36.0, 14.0))
    return joined(np.minimum(joined(cerebral, cerebellum_hull(p), 12.0), tentorium), stem, 12.0)


def to_fluid(straight: Points, v: Variation) -> tuple[Row, Row]:
    """q of every point (of one row) of the cerebrum, and its distance from the insula's cleft."""
    rng = np.random.Generator(np.random.Philox(v.folds))
    p = _bent(straight, rng)
    left = p.on_the_left()
    upper, lower = hemispheres(p), temporal_lobes(p)
    hull = -np.minimum(upper, lower) - np.float32(v.gap_mm)
    w = np.float32(FISSURE_MM - 0.34 + v.sulcus_mm)
    medial, lateral, insula = _fissures(left)
    outer = np.minimum(hull, medial)
    s = np.minimum(outer, np.minimum(lateral, insula))
    deep = -ellipsoid(p, (0.0, 5.0, 8.0), (40.0, 50.0, 27.0))
    reached = (outer < np.float32(26)) & (deep < np.float32(4))  # no sulcus goes further
    folded = np.full(p.x.shape, np.float32(9))
    u, depth = _sulci(p.at(reached), (lower < upper)[reached], outer[reached], rng)
    folded[reached] = beyond(u, s[reached] - depth, deep[reached]) - np.float32(v.sulcus_mm)
    q = np.minimum(np.minimum(hull, folded), np.minimum(medial, np.minimum(lateral, insula)) - w)
    return q, insula


def _bent(p: Points, rng: np.random.Generator) -> Points:
    waves = [Waves.draw(rng, BEND_WAVE_MM, 8) for _ in range(3)]
    return Points(*(v + np.float32(BEND_MM) * wave.at(p) for v, wave in zip(p, waves, strict=True)))


def _fissures(left: Points) -> tuple[Array, Array, Array]:
    """Distances from the interhemispheric fissure, the Sylvian fissure, and the cleft over the insula."""
    # The hemispheres are joined inside an ellipse: callosum, thalami, hypothalamus.
    y, z = (left.y - np.float32(5)) / np.float32(38), (left.z - np.float32(6)) / np.float32(22)
    inside = (np.float32(1) - np.sqrt(y * y + z * z)) * np.float32(26)
    medial = beyond(left.x, inside)
    slope = np.float32(0.4)
    hooked = np.float32(0.016) * np.square(left.x - np.float32(40))
    above = (left.z + np.float32(2) - slope * left.y + hooked) / np.sqrt(1 + slope * slope)
    aside = left.x - np.float32(37.5) + np.float32(0.004) * (left.y - np.float32(6)) ** 2
    along = np.abs(left.y - np.float32(10)) - np.float32(30)
    lateral = beyond(above, -aside, along)
    insula = beyond(aside, np.abs(left.y - np.float32(6)) - np.float32(22), np.abs(above) - np.float32(12))
    return medial, lateral, insula


def _sulci(p: Points, temporal: np.ndarray, depth: Row, rng: np.random.Generator) -> tuple[Row, Row]:
    """u, the distance from the sheets of sulci, and D, how deep they go."""
    fine, coarse = Waves.draw(rng, WAVELENGTH_MM, 28), Waves.draw(rng, 2.2 * WAVELENGTH_MM, 10)
    direction, along, radius = _from_the_middle(p, temporal)
    outwards = np.float32(OUTWARDS) * np.maximum(depth, np.float32(0))
    asked = Points(*(v + outwards * direction[:, k] for k, v in enumerate(p)))
    value, slope = fine.with_slope(asked)
    # Moving outwards spreads what lies across the line, keeps what lies along the axis, and shrinks the rest.
    radial = (slope * direction).sum(1)
    axial = (slope * along).sum(1)
    across = np.maximum(np.square(slope).sum(1) - radial**2 - axial**2, np.float32(0))
    spread = np.float32(1) + outwards / radius
    steep = np.sqrt(axial**2 + spread**2 * across + np.float32((1 - OUTWARDS) ** 2) * radial**2)
    mean, sd = (np.float32(v) for v in DEPTH_MM)
    return np.abs(value) / np.maximum(steep, np.float32(1e-4)), np.clip(mean + sd * coarse.at(asked), 4.0, 22.0)


def _from_the_middle(p: Points, temporal: np.ndarray) -> tuple[np.ndarray, np.ndarray, Row]:
    """From the axis of a point's part to the point: the direction; the axis; the distance, at least 6 mm."""
    where = np.stack(p, axis=1)
    direction, axes = np.zeros_like(where), np.zeros_like(where)
    radius = np.zeros(len(where), np.float32)
    for part, chosen in ((HEMISPHERE, ~temporal), (TEMPORAL, temporal)):
        for sign in (1.0, -1.0):
            mine = chosen & ((p.x >= 0) if sign > 0 else (p.x < 0))
            start, stop = (np.array(v, np.float32) * np.array((sign, 1, 1), np.float32) for v in part)
            length = float(np.linalg.norm(stop - start))
            axis = (stop - start) / np.float32(length)
            off = where[mine] - start
            off -= np.clip(off @ axis, np.float32(0), np.float32(length))[:, None] * axis
            r = np.maximum(np.linalg.norm(off, axis=1), np.float32(6))
            direction[mine], axes[mine], radius[mine] = off / r[:, None], axis, r
    return direction, axes, radius


def cerebellum(p: Points, v: Variation) -> Row:
    """q of every point of the cerebellum: fissures run around the roof of the fourth ventricle."""
    s = -cerebellum_hull(p) - np.float32(0.5 * v.gap_mm)
    y, z = p.y - np.float32(38), p.z + np.float32(31)
    angle = np.arctan2(z, y) + np.float32(0.012) * np.abs(p.x)
    u = np.abs(np.sin(np.float32(9) * angle)) * np.sqrt(y * y + z * z) / np.float32(9)
    return np.minimum(s, beyond(u, s - np.float32(13)) - np.float32(0.6 * v.sulcus_mm))
