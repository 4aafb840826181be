"""A heart in the body: left and right ventricle in their pose, and how full every voxel is of each.

Sizes: the cavity of the ungated image is the mean over the beat, between the end-diastolic and the end-systolic volume
of gated perfusion SPECT, whose upper normal limits are 149 and 75 ml in men, 102 and 46 ml in women
:cite:`sharir2006`. The long axis points to the left, the front and down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Float32
from numpy.typing import NDArray

from photopeak.patients.body import Body
from photopeak.patients.ventricle import Shell

CAVITY_ML: Final = {"M": (72.0, 13.0), "F": (52.0, 9.0)}
WALL_MM: Final = {"M": (10.4, 0.8), "F": (9.4, 0.7)}
APICAL_WALL: Final = 0.78  # of the wall's thickness at the equator
SLENDER, BASE = 2.75, 0.36  # length over radius of the cavity; valve plane behind the equator, over its length
AZIMUTH_DEG, DOWN_DEG = (44.0, 7.0), (24.0, 6.0)
PLACE_MM: Final = (31.0, -30.0, 1343.0)
"""The middle of the left ventricle's equator, in the reference body."""
RIGHT_WALL_MM: Final = 3.2
SEPTUM_SHORTER: Final = 0.35  # of the base's distance: the membranous septum takes up nothing
GRIP_MM: Final = 4.0


@dataclass(frozen=True)
class Heart:
    """The left ventricle's middle wall, its thickness at the equator and the apex, and low-order normal variation."""

    shell: Shell
    wall_mm: float
    ripple: tuple[float, float, float]

    @property
    def apical_mm(self) -> float:
        return APICAL_WALL * self.wall_mm

    def grown(self, side: float) -> tuple[float, float]:
        """From the middle of the wall to its inner (−½) or outer (½) surface."""
        return side * self.wall_mm, side * self.apical_mm

    @property
    def cavity_ml(self) -> float:
        return self.shell.volume_ml(self.grown(-0.5))

    @property
    def myocardium_ml(self) -> float:
        return self.shell.volume_ml(self.grown(0.5)) - self.cavity_ml

    def uneven(self, phi_deg: Float[np.ndarray, " ..."], u: Float[np.ndarray, " ..."]) -> Float[np.ndarray, " ..."]:
        """How uptake varies over a normal wall: by some per cent, slowly."""
        a, b, c = self.ripple
        phi = np.deg2rad(phi_deg)
        return np.asarray(1.0 + np.sqrt(u) * (a * np.cos(phi) + b * np.sin(phi)) + c * (u - 0.5))


def draw_heart(body: Body, rng: np.random.Generator) -> Heart:
    """This person's heart, in the frame of the body."""
    sex = body.person.sex
    z = np.clip(rng.standard_normal(9), -2.0, 2.0)
    # Hearts grow with their bodies, a third of the spread of the table's.
    size = (body.person.height_m / (1.76 if sex == "M" else 1.63)) ** 2
    cavity = (CAVITY_ML[sex][0] + CAVITY_ML[sex][1] * float(z[0])) * size
    wall = WALL_MM[sex][0] + WALL_MM[sex][1] * float(z[1])
    slender = SLENDER * (1.0 + 0.05 * float(z[2]))
    inner = (cavity * 1000.0 / (np.pi * slender * (2.0 / 3.0 + BASE - BASE**3 / 3.0))) ** (1.0 / 3.0)
    radius, length = inner + 0.5 * wall, slender * inner + 0.5 * APICAL_WALL * wall
    azimuth, down = AZIMUTH_DEG[0] + AZIMUTH_DEG[1] * float(z[3]), DOWN_DEG[0] + DOWN_DEG[1] * float(z[4])
    place = np.array(PLACE_MM) + np.array([3.0 * z[5], 2.0 * z[6], 5.0 * z[7]])
    x, y, z_mm = (float(v) for v in body.placement.place(place[None], "chest")[0])
    shell = Shell.towards((x, y, z_mm), azimuth, down, radius, length, BASE * slender * inner)
    ripple = tuple(float(v) for v in 0.025 * np.clip(rng.standard_normal(3), -2.0, 2.0))
    return Heart(shell, wall, (ripple[0], ripple[1], ripple[2]))


@dataclass(frozen=True, eq=False)
class Chambers:
    """On a box of voxels around the heart: shares of each voxel, and the place in the left ventricle's wall."""

    start: tuple[int, int, int]
    wall: Float32[np.ndarray, "z y x"]  # left ventricle
    cavity: Float32[np.ndarray, "z y x"]
    right_wall: Float32[np.ndarray, "z y x"]
    right_cavity: Float32[np.ndarray, "z y x"]
    u: Float[np.ndarray, "z y x"]
    phi_deg: Float[np.ndarray, "z y x"]
    depth: Float[np.ndarray, "z y x"]  # 0 inside, 1 outside

    @property
    def box(self) -> tuple[slice, slice, slice]:
        a, b, c = (slice(s, s + n) for s, n in zip(self.start, self.wall.shape, strict=True))
        return a, b, c


def chambers(heart: Heart, body: Body) -> Chambers:
    """Rasterise with partial volume: occupancy is clip(½ − d, 0, 1), d the distance to a surface in voxels."""
    edge, shell = body.voxel_mm, heart.shell
    reach = shell.length_mm + 2.0 * shell.radius_mm
    low = [round((shell.centre_mm[k] - reach - body.origin_mm[k]) / edge) for k in (2, 1, 0)]
    start = tuple(max(0, v) for v in low)
    stop = [min(n, v + round(2.0 * reach / edge)) for n, v in zip(body.uptake.shape, low, strict=True)]
    z, y, x = (body.origin_mm[k] + edge * np.arange(a, b) for k, a, b in zip((2, 1, 0), start, stop, strict=True))
    points = np.stack(np.broadcast_arrays(x[None, None], y[None, :, None], z[:, None, None]), -1)
    h, rho, phi = shell.along(points)
    u = shell.share(h, rho)
    inner, outer = (shell.outside(h, rho, heart.grown(side)) for side in (-0.5, 0.5))
    short = 1.0 - SEPTUM_SHORTER * np.clip(np.sin(np.deg2rad(phi)), 0.0, None)
    open_ = _full(-(h + shell.base_mm * short), edge)
    whole, hollow = _full(outer, edge) * open_, _full(inner, edge) * open_
    right = _right(heart, points)
    right_whole, right_hollow = (
        _full(right + grown, edge) * _full(-(h + 0.6 * shell.base_mm), edge) * (1.0 - whole)
        for grown in (-RIGHT_WALL_MM, 0.0)
    )
    depth = np.clip(-inner / np.minimum(outer - inner, -1e-6), 0.0, 1.0)
    made = (whole - hollow, hollow, right_whole - right_hollow, right_hollow)
    shares = [np.clip(v, 0.0, 1.0).astype(np.float32) for v in made]
    return Chambers((start[0], start[1], start[2]), shares[0], shares[1], shares[2], shares[3], u, phi, depth)


def _right(heart: Heart, points: Float[np.ndarray, "z y x 3"]) -> NDArray[np.float64]:
    """Distance to the right ventricle's cavity: a shorter ellipsoid before and to the right of the left one's."""
    shell = heart.shell
    d, a, s = shell.frame
    aside = np.cos(np.deg2rad(82.0)) * a + np.sin(np.deg2rad(82.0)) * s
    centre = np.array(shell.centre_mm) + 0.95 * (shell.radius_mm + 0.5 * heart.wall_mm) * aside - 4.0 * d
    away = (points - centre) @ shell.frame.T
    axes = np.array([0.78 * shell.length_mm, 1.12 * shell.radius_mm, 0.82 * shell.radius_mm])
    q = np.linalg.norm(away / axes, axis=-1)
    slope = np.linalg.norm(away / axes**2, axis=-1)
    return np.asarray(np.where(slope > 0, q * (q - 1.0) / np.maximum(slope, 1e-9), -axes.min()))


def _full(outside_mm: Float[np.ndarray, " ..."], edge_mm: float) -> NDArray[np.float64]:
    return np.asarray(np.clip(0.5 - outside_mm / edge_mm, 0.0, 1.0))
