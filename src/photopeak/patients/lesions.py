"""What does not belong to a healthy body, and painting it in.

A ``Lesion`` is a rough ellipsoid with an uptake; ``deposit`` turns it into voxels: a metastasis grows inside
the bone it started in, arthritis crosses its joint, a contamination lies on the skin. ``paint`` adds
deposits to a body. Deposits are computed on the body before any of them, so their order does not matter,
and what the camera sees of one lesion is the projection of its own deposit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from photopeak.core import PhotopeakError
from photopeak.patients.anatomy.skeleton import skeleton
from photopeak.patients.body import Body
from photopeak.patients.paint_kernels import grow

DISEASES = ("metastasis", "arthritis")
#: Where a lesion may be that is confined to nothing.
ANYWHERE = ("*",)

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Lesion:
    """One finding: a metastasis, an arthritic joint, a mimic, a normal variant or an artefact.

    ``axes_mm`` holds the three semi-axes as vectors. Uptake inside becomes ``factor``·u + ``added``, where
    u is what was there (a normal vertebra is 1). ``hollow`` > 0 makes a rim around a centre of that relative
    radius, whose uptake is multiplied by ``core`` (a lytic metastasis, a prosthesis); ``mu_per_cm`` replaces
    attenuation (metal), in the hollow where there is one. ``within`` names the structures it may occupy:
    empty means any bone, ("*",) anything, air included.
    """

    id: int
    kind: str
    site: str
    region: str
    side: str
    centre_mm: Vector
    axes_mm: tuple[Vector, Vector, Vector]
    added: float = 0.0
    factor: float = 1.0
    within: tuple[str, ...] = ()
    hollow: float = 0.0
    core: float = 1.0
    mu_per_cm: float | None = None
    roughness: float = 0.15
    crosses_joint: bool = False
    part: str = ""  # of the site, in words: "proximal", "pedicle"

    @property
    def lytic(self) -> bool:
        return self.kind == "metastasis" and self.hollow > 0

    @cached_property
    def semi_axes_mm(self) -> Vector:
        """Lengths of the three semi-axes, longest first."""
        a, b, c = sorted((math.hypot(*axis) for axis in self.axes_mm), reverse=True)
        return a, b, c


@dataclass(frozen=True, eq=False)
class Deposit:
    """What a lesion adds to a body: a box of uptake and, for metal, of attenuation, from voxel ``start`` on."""

    lesion: Lesion
    start: tuple[int, int, int]
    uptake: Float32[np.ndarray, "z y x"]
    mu_per_cm: Float32[np.ndarray, "z y x"] | None = None

    @property
    def box(self) -> tuple[slice, slice, slice]:
        z, y, x = (slice(s, s + n) for s, n in zip(self.start, self.uptake.shape, strict=True))
        return z, y, x

    def scaled(self, factor: float) -> Deposit:
        """The same lesion with ``factor`` times the excess uptake."""
        lesion = replace(self.lesion, added=self.lesion.added * factor)
        return Deposit(lesion, self.start, self.uptake * np.float32(factor), self.mu_per_cm)


def deposit(body: Body, lesion: Lesion, rng: np.random.Generator) -> Deposit:
    """The voxels of one lesion; empty where it may grow nowhere."""
    box = _box(body, lesion)
    shape = tuple(s.stop - s.start for s in box)
    reach, core = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    origin = np.asarray(body.origin_mm) + body.voxel_mm * np.array([box[2].start, box[1].start, box[0].start])
    waves = _waves(rng)
    inverse = _inverse(lesion.axes_mm)
    grow(
        body.label[box], allowed(body, lesion.within), body.voxel_mm, origin - np.array(lesion.centre_mm), inverse,
        lesion.roughness, waves, reach, core, lesion.hollow,
    )  # fmt: skip
    there = body.uptake[box]
    change = reach * (np.float32(lesion.added) + np.float32(lesion.factor - 1.0) * there)
    change += core * np.float32(lesion.core - 1.0) * there
    metal = None
    if lesion.mu_per_cm is not None:
        where = core if lesion.hollow > 0 else reach
        metal = where * (np.float32(lesion.mu_per_cm) - body.mu_per_cm[box])
    return Deposit(lesion, (box[0].start, box[1].start, box[2].start), change, metal)


def paint(body: Body, deposits: Sequence[Deposit], *, take_over: bool = False) -> Body:
    """The body with the deposits added; uptake and attenuation stay ≥ 0, and nothing else changes.

    ``take_over`` writes into the given body's arrays instead of copies.
    """
    metal = any(d.mu_per_cm is not None for d in deposits)
    uptake = body.uptake.copy() if deposits and not take_over else body.uptake
    mu = body.mu_per_cm.copy() if metal and not take_over else body.mu_per_cm
    for one in deposits:
        here = uptake[one.box]
        np.maximum(here + one.uptake, 0.0, out=here)
        if one.mu_per_cm is not None:
            np.maximum(mu[one.box] + one.mu_per_cm, 0.0, out=mu[one.box])
    return replace(body, uptake=uptake, mu_per_cm=mu)


def allowed(body: Body, within: tuple[str, ...]) -> UInt8[np.ndarray, "labels"]:
    """For each structure number, 1 where a lesion confined to ``within`` may be."""
    out = np.zeros(256, np.uint8)
    if within == ANYWHERE:
        out[:] = 1
        return out
    for number, name in enumerate(body.names):
        out[number] = name in within if within else is_bone(name)
    return out


@lru_cache(maxsize=1)
def not_bone() -> frozenset[str]:
    """The anatomy's structures that are not bone, without their side."""
    anatomy = skeleton()
    organs = {bare(anatomy.names[n]) for n in anatomy.prim_label[anatomy.prim_organ]}
    return frozenset({"", "soft tissue", *organs})


def is_bone(name: str) -> bool:
    """True for the name of a bone or cartilage, with or without its side.

    >>> is_bone("left rib 5"), is_bone("right kidney"), is_bone("L3")
    (True, False, True)
    """
    return bare(name) not in not_bone()


def bare(name: str) -> str:
    """A structure's name without its side."""
    return name.removeprefix("left ").removeprefix("right ")


def side_of(name: str) -> str:
    """ "left", "right" or "" from a structure's name."""
    first = name.split(" ", 1)[0]
    return first if first in ("left", "right") else ""


def _box(body: Body, lesion: Lesion) -> tuple[slice, slice, slice]:
    """Voxels within 1.5 semi-axes along each axis (the roughness may reach beyond 1.15), inside the grid."""
    half = 1.5 * np.sqrt((np.array(lesion.axes_mm) ** 2).sum(axis=0))
    origin, h = np.asarray(body.origin_mm), body.voxel_mm
    low = np.floor((np.array(lesion.centre_mm) - half - origin) / h).astype(int).tolist()
    high = (np.ceil((np.array(lesion.centre_mm) + half - origin) / h).astype(int) + 1).tolist()
    z, y, x = body.uptake.shape
    limit = (x, y, z)
    slices = [slice(min(max(0, a), n), max(0, min(b, n))) for a, b, n in zip(low, high, limit, strict=True)]
    return slices[2], slices[1], slices[0]


def vector(xyz: Iterable[float]) -> Vector:
    """Three numbers to a thousandth of a millimetre: the last bits of libraries do not reach the counts."""
    x, y, z = (round(float(v), 3) for v in xyz)
    return x, y, z


def vectors(rows: Iterable[Iterable[float]]) -> tuple[Vector, Vector, Vector]:
    """Three vectors, rounded alike."""
    a, b, c = (vector(row) for row in rows)
    return a, b, c


def ball(radius_mm: float) -> tuple[Vector, Vector, Vector]:
    """The semi-axes of a ball."""
    return vectors(radius_mm * np.eye(3))


def _inverse(axes: tuple[Vector, Vector, Vector]) -> Float64[np.ndarray, "3 3"]:
    """The matrix that takes millimetres to multiples of the three semi-axes, by cofactors (no LAPACK: same bits)."""
    a, b, c = axes
    rows = [(p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0])
            for p, q in ((b, c), (c, a), (a, b))]  # fmt: skip
    volume = a[0] * rows[0][0] + a[1] * rows[0][1] + a[2] * rows[0][2]
    if volume == 0:
        raise PhotopeakError(f"semi-axes {axes} span no volume. Remedy: give three independent ones.")
    return np.array(rows) / volume


def _waves(rng: np.random.Generator) -> Float64[np.ndarray, "6 4"]:
    """Six waves of 0.4 to 1.2 cycles per semi-axis in random directions, each with a phase."""
    direction = rng.standard_normal((6, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    cycles = rng.uniform(0.4, 1.2, (6, 1))
    return np.round(np.hstack([direction * cycles, rng.random((6, 1))]), 6)
