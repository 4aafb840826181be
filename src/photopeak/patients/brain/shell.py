"""What is around the brain: skull, scalp, face, glands, airways and neck.

Simple bodies, at the places and of the sizes of an adult's: enough for photons to be attenuated and scattered as in a
head, and for a CT to look like one.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from photopeak.patients.brain.canvas import Canvas
from photopeak.patients.brain.cerebrum import envelope
from photopeak.patients.brain.shapes import Array, Points, ellipsoid, joined, tube
from photopeak.patients.brain.structures import SIDES
from photopeak.patients.brain.variation import Variation

FLUID_MM: Final = 1.0  # from the envelope to the inner table
TABLE_MM: Final = 1.6
#: corners of the boxes that hold parts of the face and the neck, mm
BONES: Final = ((-75.0, -100.0, -112.0), (75.0, 32.0, -2.0))
ORBITS: Final = ((-58.0, -86.0, -50.0), (58.0, -28.0, -4.0))
AIRWAYS: Final = ((-40.0, -90.0, -216.0), (40.0, 22.0, -10.0))
SPINE: Final = ((-20.0, 12.0, -216.0), (20.0, 96.0, -56.0))
#: the left gland of each pair: centre and semi-axes, mm
GLANDS: Final = {
    "parotid gland": ((54.0, 2.0, -62.0), (9.0, 16.0, 23.0)),
    "submandibular gland": ((27.0, -30.0, -99.0), (8.0, 14.0, 9.0)),
}


def paint_shell(canvas: Canvas, v: Variation) -> None:
    """Everything from the skin to the fluid around the brain."""
    p = canvas.points
    inner = canvas.smooth(lambda q: envelope(q) - np.float32(FLUID_MM))
    outer = inner - np.float32(v.skull_mm)
    skin = canvas.smooth(lambda q: _head(q, envelope(q) - np.float32(FLUID_MM + v.skull_mm + v.scalp_mm)))
    canvas.paint("skin", skin)
    canvas.paint("soft tissue", skin + np.float32(2.0))
    vault = p.z > np.float32(-18) + np.float32(0.35) * (-p.y)
    canvas.paint("scalp", np.where(vault, np.maximum(skin + np.float32(1.6), -outer - np.float32(1.0)), np.float32(9)))
    _paint_face(canvas, skin)
    neck = np.maximum(inner, np.float32(-72.0) - p.z)
    canvas.paint("skull", np.maximum(outer, np.float32(-66.0) - p.z))
    diploe = np.maximum(outer + np.float32(TABLE_MM), np.float32(TABLE_MM) - inner)
    canvas.paint("diploe", np.maximum(diploe, np.float32(-30.0) - p.z))
    canvas.paint("cerebrospinal fluid", neck)
    _paint_base(canvas)


def _head(p: Points, vault: Array) -> Array:
    """The skin of head and neck."""
    face = _rounded(p, (0.0, -27.0, -58.0), (63.0, 58.0, 62.0))
    chin = ellipsoid(p, (0.0, -66.0, -104.0), (24.0, 22.0, 17.0))
    whole = joined(joined(vault, face, 18.0), chin, 16.0)
    nose = np.minimum(
        ellipsoid(p, (0.0, -84.0, -55.0), (14.0, 19.0, 12.0)),
        tube(p, ((0.0, -78.0, -26.0, 7.0), (0.0, -90.0, -52.0, 8.0))),
    )
    whole = joined(whole, nose, 10.0)
    middle = np.float32(27) + np.float32(0.12) * (np.float32(-80) - p.z)
    round_ = np.sqrt((p.x / np.float32(61)) ** 2 + ((p.y - middle) / np.float32(64)) ** 2)
    neck = np.maximum((round_ - 1) * np.float32(62), p.z + np.float32(40))
    ears = ellipsoid(p.on_the_left(), (76.0, 14.0, -28.0), (5.0, 15.0, 28.0))
    out: Array = np.minimum(joined(whole, neck, 22.0), ears)
    return out


def _rounded(p: Points, centre: tuple[float, float, float], axes: tuple[float, float, float]) -> Array:
    """A superellipsoid of exponent 2.6, its distance only near enough."""
    q = p.moved(centre)
    power = np.float32(2.6)
    total = sum((np.abs(v) / np.float32(a)) ** power for v, a in zip(q, axes, strict=True))
    out: Array = (np.asarray(total) ** (1 / power) - np.float32(1)) * np.float32(min(axes))
    return out


def _paint_face(canvas: Canvas, skin: Array) -> None:
    box = canvas.box(*BONES)
    inside = skin[box] + np.float32(3.0)
    for bone in _bones(canvas.points.at(box)):
        canvas.paint("skull", np.maximum(bone, inside), box)
    _paint_spine(canvas)
    box = canvas.box(*ORBITS)
    p = canvas.points.at(box)
    orbit = ellipsoid(p.on_the_left(), (31.0, -56.0, -27.0), (19.5, 23.0, 18.0))
    canvas.paint("fat", np.maximum(orbit, skin[box] + np.float32(4.0)), box)
    _paint_airways(canvas)
    for side, sign in zip(SIDES, (1, -1), strict=True):
        canvas.paint(f"{side} eye", ellipsoid(p, (sign * 31.0, -66.0, -27.0), (12.0, 12.0, 12.0)), box)
        for gland, ((x, y, z), (a, b, c)) in GLANDS.items():
            held = canvas.box(
                (sign * x - a - 3.0, y - b - 3.0, z - c - 3.0), (sign * x + a + 3.0, y + b + 3.0, z + c + 3.0)
            )
            shape = ellipsoid(canvas.points.at(held), (sign * x, y, z), (a, b, c))
            canvas.paint(f"{side} {gland}", np.maximum(shape, skin[held] + np.float32(4.0)), held)


def _bones(p: Points) -> list[Array]:
    left = p.on_the_left()
    palate = np.maximum(np.maximum(np.abs(p.z + 62) - 2, np.abs(p.x) - 27), np.maximum(-72 - p.y, p.y + 22))
    zygoma = ((33.0, -66.0, -48.0, 5.0), (52.0, -52.0, -42.0, 5.0), (65.0, -20.0, -36.0, 3.5), (66.0, 4.0, -34.0, 3.5))
    return [
        _arch(p, (0.0, -28.0, -93.0), (43.0, 49.0), 5.5, 12.0),  # mandible
        tube(left, ((45.0, -18.0, -88.0, 6.0), (50.0, -4.0, -66.0, 5.0), (51.0, 2.0, -44.0, 5.0))),
        _arch(p, (0.0, -40.0, -71.0), (29.0, 36.0), 6.5, 9.0),  # maxilla and teeth
        tube(left, zygoma),
        np.abs(ellipsoid(left, (31.0, -56.0, -27.0), (20.5, 24.0, 19.0))) - np.float32(1.3),  # orbit
        palate,
        tube(p, ((0.0, -74.0, -20.0, 4.0), (0.0, -82.0, -38.0, 3.0))),  # nasal bone
    ]


def _arch(
    p: Points, centre: tuple[float, float, float], axes: tuple[float, float], half_mm: float, high_mm: float
) -> Array:
    """A horseshoe that is open to the back: a band of this half width and half height along half an ellipse."""
    q = p.moved(centre)
    k = np.sqrt((q.x / np.float32(axes[0])) ** 2 + (q.y / np.float32(axes[1])) ** 2)
    band = np.abs(k - 1) * np.float32(min(axes)) - np.float32(half_mm)
    out: Array = np.maximum(np.maximum(band, np.abs(q.z) - np.float32(high_mm)), q.y - np.float32(8))
    return out


def _paint_spine(canvas: Canvas) -> None:
    """Vertebral bodies and arches of the neck, a disc between each two."""
    box = canvas.box(*SPINE)
    p = canvas.points.at(box)
    middle = np.float32(27) + np.float32(0.11) * (np.float32(-70) - p.z)
    y = p.y - middle
    low = p.z > np.float32(-70)
    phase = np.abs(np.mod(p.z + np.float32(70), np.float32(18)) - np.float32(9)) - np.float32(6.8)
    body = np.maximum((np.sqrt((p.x / 12) ** 2 + (y / 9) ** 2) - 1) * 9, phase)
    canal = np.sqrt((p.x / np.float32(11)) ** 2 + ((y - 17) / np.float32(9)) ** 2)
    arch = np.maximum(np.abs((canal - 1) * 9 - 2.0) - 2.5, np.maximum(phase - 1.0, -y + 6))
    spinous = np.maximum(np.maximum(np.abs(p.x) - 3.5, np.abs(y - 36) - 10), phase)
    bone = np.minimum(np.minimum(body, arch), spinous).astype(np.float32)
    canvas.paint("skull", np.where(low, np.float32(9), bone), box)
    canvas.paint("diploe", np.where(low, np.float32(9), (body + 1.5).astype(np.float32)), box)
    fluid = np.maximum((canal - 1) * 9, p.z + np.float32(60)).astype(np.float32)
    canvas.paint("cerebrospinal fluid", fluid, box)


def _paint_airways(canvas: Canvas) -> None:
    box = canvas.box(*AIRWAYS)
    p = canvas.points.at(box)
    left = p.on_the_left()
    nasal = ellipsoid(p, (0.0, -56.0, -46.0), (13.0, 27.0, 15.0))
    sinus = np.minimum(
        ellipsoid(left, (25.0, -53.0, -51.0), (10.5, 14.0, 11.0)), ellipsoid(p, (0.0, -36.0, -24.0), (11.0, 20.0, 8.0))
    )
    throat = tube(
        p, ((0.0, -26.0, -50.0, 8.0), (0.0, -8.0, -66.0, 7.0), (0.0, -2.0, -110.0, 8.0), (0.0, 8.0, -215.0, 9.0))
    )
    canvas.paint("skull", sinus - np.float32(1.4), box)
    canvas.paint("nasal mucosa", np.minimum(nasal - np.float32(1.5), throat - np.float32(2.0)), box)
    # The conchae fill half of the nose.
    concha = np.abs(np.abs(p.x) - np.float32(6.5)) - np.float32(2.2)
    canvas.paint("airways", np.maximum(nasal, -concha), box)
    canvas.paint("airways", np.minimum(sinus, throat), box)


def _paint_base(canvas: Canvas) -> None:
    """The petrous bones, between the middle and the posterior fossa, and the spongy mastoids."""
    box = canvas.box((-75.0, -5.0, -62.0), (75.0, 60.0, -8.0))
    left = canvas.points.at(box).on_the_left()
    petrous = tube(left, ((19.0, 4.0, -39.0, 4.0), (40.0, 16.0, -34.0, 7.0), (60.0, 22.0, -36.0, 9.0)))
    canvas.paint("skull", petrous, box)
    canvas.paint("diploe", tube(left, ((48.0, 19.0, -36.0, 4.0), (61.0, 25.0, -44.0, 8.0))), box)
