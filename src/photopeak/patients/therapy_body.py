"""The trunk of a patient under therapy with Lu-177: organs, tumours, and how much of which voxel each holds.

The body is the same coded one that every protocol has, with a left lobe of the liver, the renal sinus and bowel put
in. Neuroendocrine tumours sit in the liver and as nodes before the spine, prostate cancer in vertebrae and the same
nodes. Tumours are ellipsoids with soft edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from photopeak.patients.anatomy.texture import SIDE, tile
from photopeak.patients.body import Body
from photopeak.patients.therapy_kinetics import Agent
from photopeak.physics.materials import mu_per_cm

ENERGY_OF_BODY_KEV: Final = 140.5
MUSCLE = mu_per_cm("muscle", ENERGY_OF_BODY_KEV)
LEFT_LOBE: Final = ((20.0, -50.0, 1240.0), (60.0, 42.0, 34.0))  # centre and semi-axes, mm, in the reference body
BOWEL: Final = (
    ((-28.0, -44.0, 1158.0), (30.0, 20.0, 18.0)),
    ((30.0, -62.0, 1150.0), (34.0, 20.0, 16.0)),
    ((66.0, -50.0, 1128.0), (26.0, 22.0, 24.0)),
    ((8.0, -66.0, 1112.0), (40.0, 20.0, 16.0)),
    ((-42.0, -58.0, 1098.0), (28.0, 20.0, 20.0)),
)
SINUS: Final = (0.5, 0.55, 0.42)  # semi-axes of the renal sinus, of the kidney's half extents (z, y, x)
KINDS: Final[dict[str, dict[str, tuple[int, int]]]] = {
    "dotatate": {"liver": (2, 5), "node": (1, 3)},
    "psma": {"vertebra": (2, 5), "node": (2, 4)},
}
RADIUS_MM: Final = {"liver": (14.0, 0.35), "node": (9.0, 0.25), "vertebra": (12.0, 0.2)}  # median, spread of the log
BONES: Final = ("T11", "T12", "L1", "L2", "L3", "L4", "L5")
MARROW: Final = ("T11", "T12", "L1", "L2", "L3", "L4")
"""Vertebrae whose marrow the truth tells of, where no tumour lies."""
APART_MM: Final = 6.0  # between two tumours


@dataclass(frozen=True)
class Tumour:
    """Where one tumour lies, in the body's frame (x, y, z)."""

    number: int
    site: str
    centre_mm: tuple[float, float, float]
    semi_axes_mm: tuple[float, float, float]

    @property
    def name(self) -> str:
        return f"tumour {self.number}: {self.site}"


@dataclass(frozen=True, eq=False)
class Laid:
    """A body whose voxels say which organ's curve they follow, and how much of a tumour they are.

    ``organ`` numbers ``ORGANS``; ``inside`` is the tumour that holds most of a voxel, and ``share`` how much of it.
    ``patch`` multiplies every concentration: organs are not even.
    """

    body: Body
    organ: UInt8[np.ndarray, "z y x"]
    inside: UInt8[np.ndarray, "z y x"]
    share: Float32[np.ndarray, "z y x"]
    patch: Float32[np.ndarray, "z y x"]
    tumours: tuple[Tumour, ...]


ORGANS: Final = ("", "muscle", "left kidney", "right kidney", "liver", "spleen", "marrow", "bowel", "bone")
CURVES: Final = {"left kidney": "kidney", "right kidney": "kidney", "bone": "marrow"}


def laid(body: Body, agent: Agent, rng: np.random.Generator) -> Laid:
    """Organs and tumours in a body."""
    told = {"left lung": 1, "right lung": 1, **{name: ORGANS.index(name) for name in ORGANS[2:6]}}
    told |= {name: ORGANS.index("marrow") for name in MARROW} | {"": 0}
    soft = ("soft tissue", "vessels", "heart", "brain", "bladder", "thyroid", "genitals", "nasopharynx")
    table = np.full(256, ORGANS.index("bone"), np.uint8)
    table[: len(body.names)] = [told.get(n, 1 if n in soft else ORGANS.index("bone")) for n in body.names]
    organ = table[body.label]
    where = _Where(body)
    liver, muscle = ORGANS.index("liver"), organ == 1
    lungs = np.isin(body.label, [body.names.index(f"{side} lung") for side in ("left", "right")])
    free = muscle & ~lungs
    organ[free & (where.ellipsoid(*LEFT_LOBE) < 1.0)] = liver
    for place in BOWEL:
        organ[free & (organ == 1) & (where.ellipsoid(*place) < 1.0)] = ORGANS.index("bowel")
    for side, way in (("left", -1.0), ("right", 1.0)):
        _hollow(organ, ORGANS.index(f"{side} kidney"), way)
    tumours = draw_tumours(body, organ, agent, rng)
    inside, share = _filled(where, tumours)
    patch = np.ones(organ.shape, np.float32)
    z, y, x = (np.arange(n) & (SIDE - 1) for n in organ.shape)
    patch *= tile(body.voxel_mm, "soft")[z[:, None, None], y[None, :, None], x[None, None]]
    # Where the skin's voxels are half full, so is the tracer; lungs hold as much as their blood.
    full = np.minimum(body.mu_per_cm / np.float32(MUSCLE), 1.0)
    np.multiply(patch, full, out=patch, where=organ == 1)
    return Laid(body, organ, inside, share, patch, tumours)


def _hollow(organ: UInt8[np.ndarray, "z y x"], kidney: int, way: float) -> None:
    """The renal sinus, at the side that looks to the spine, holds no more than muscle does."""
    z, y, x = np.nonzero(organ == kidney)
    if not len(z):
        return
    middle = np.array([0.5 * (k.min() + k.max()) for k in (z, y, x)])
    half = np.array([0.5 * (k.max() - k.min()) + 0.5 for k in (z, y, x)])
    centre = middle + np.array([0.0, -0.15, 0.75 * way]) * half
    r = [(k - c) / (s * h) for k, c, s, h in zip((z, y, x), centre, SINUS, half, strict=True)]
    gone = r[0] ** 2 + r[1] ** 2 + r[2] ** 2 < 1.0
    organ[z[gone], y[gone], x[gone]] = 1


def draw_tumours(
    body: Body, organ: UInt8[np.ndarray, "z y x"], agent: Agent, rng: np.random.Generator
) -> tuple[Tumour, ...]:
    """Tumours one after the other, each where there is room for it."""
    found: list[Tumour] = []
    for site, (fewest, most) in KINDS[agent].items():
        for _ in range(int(rng.integers(fewest, most + 1))):
            median, spread = RADIUS_MM[site]
            radius = median * float(np.exp(spread * np.clip(rng.standard_normal(), -2.0, 2.0)))
            axes = radius * np.exp(0.12 * np.clip(rng.standard_normal(3), -2.0, 2.0))
            centre, name = _place(body, organ, site, float(axes.max()), rng)
            near = any(
                np.linalg.norm(np.subtract(centre, t.centre_mm)) < axes.max() + max(t.semi_axes_mm) + APART_MM
                for t in found
            )
            if not near:
                x, y, z = (round(float(c), 2) for c in centre)
                a, b, c = (round(float(v), 2) for v in axes)
                found.append(Tumour(len(found) + 1, name, (x, y, z), (a, b, c)))
    return tuple(found)


def _place(
    body: Body, organ: UInt8[np.ndarray, "z y x"], site: str, radius_mm: float, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "3"], str]:
    """A place for a tumour, and what it is called."""
    if site == "liver":
        from scipy.ndimage import distance_transform_edt

        whole = organ == ORGANS.index("liver")
        box = tuple(slice(k.min(), k.max() + 1) for k in whole.nonzero())
        depth = distance_transform_edt(np.pad(whole[box], 1))[1:-1, 1:-1, 1:-1] * body.voxel_mm
        deep = np.argwhere(depth > min(radius_mm, 0.6 * float(depth.max())))
        index = deep[int(rng.integers(len(deep)))] + [s.start for s in box]
        return np.asarray(body.origin_mm + body.voxel_mm * index[::-1]), "liver"
    name = str(rng.choice(BONES if site == "vertebra" else BONES[2:]))
    points = np.argwhere(body.label == body.names.index(name))[:, ::-1]
    middle = body.origin_mm + body.voxel_mm * points.mean(0)
    front = body.origin_mm[1] + body.voxel_mm * float(np.percentile(points[:, 1], 3.0))
    if site == "vertebra":
        depth = front + float(rng.uniform(10.0, 18.0))
        return np.array([middle[0] + rng.uniform(-8.0, 8.0), depth, middle[2]]), name
    aside = float(rng.choice((-1.0, 1.0))) * rng.uniform(8.0, 24.0)
    return np.array([middle[0] + aside, front - radius_mm - rng.uniform(0.0, 8.0), middle[2]]), f"node at {name}"


def _filled(
    where: _Where, tumours: tuple[Tumour, ...]
) -> tuple[UInt8[np.ndarray, "z y x"], Float32[np.ndarray, "z y x"]]:
    """Of each voxel the tumour that holds most of it, and how much: edges are one voxel wide."""
    shape = where.body.label.shape
    inside, share = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)
    for one in tumours:
        box, r = where.around(one.centre_mm, one.semi_axes_mm)
        mean = float(np.prod(one.semi_axes_mm)) ** (1.0 / 3.0)
        held = np.clip(0.5 + (1.0 - r) * mean / where.body.voxel_mm, 0.0, 1.0).astype(np.float32)
        more = held > share[box]
        share[box] = np.where(more, held, share[box])
        inside[box] = np.where(more, one.number, inside[box])
    return inside, share


@dataclass(frozen=True)
class _Where:
    """Distances of voxels from places of a body."""

    body: Body

    def ellipsoid(
        self, centre_mm: tuple[float, float, float], semi_axes_mm: tuple[float, float, float]
    ) -> Float32[np.ndarray, "z y x"]:
        """Distance from the centre in units of the semi-axes, of a place of the reference body in the chest's group."""
        centre, axes = self.body.placement.ellipsoid(centre_mm, semi_axes_mm, "chest", "")
        reach = np.abs(axes).sum(1)
        box, offsets = self._box(centre, reach)
        away = np.full(self.body.label.shape, 9.0, np.float32)
        inverse = np.linalg.inv(axes)
        away[box] = np.sqrt(sum(sum(row[k] * offsets[k] for k in range(3)) ** 2 for row in inverse))
        return away

    def around(
        self, centre_mm: tuple[float, float, float], semi_axes_mm: tuple[float, float, float]
    ) -> tuple[tuple[slice, ...], Float[np.ndarray, "_z _y _x"]]:
        """The box around an ellipsoid along the axes, and each voxel's distance in it."""
        reach = np.array(semi_axes_mm) + 2.0 * self.body.voxel_mm
        box, offsets = self._box(np.array(centre_mm), reach)
        return box, np.sqrt(sum((offsets[k] / semi_axes_mm[k]) ** 2 for k in range(3)))

    def _box(
        self, centre: Float[np.ndarray, "3"], reach: Float[np.ndarray, "3"]
    ) -> tuple[tuple[slice, ...], list[Float[np.ndarray, "..."]]]:
        """Slices (z, y, x), and offsets from the centre along x, y and z that broadcast over the box."""
        edge, slices, offsets = self.body.voxel_mm, [], []
        for k, axis in ((0, 2), (1, 1), (2, 0)):
            at = (centre[k] - self.body.origin_mm[k]) / edge
            low = max(0, int(np.floor(at - reach[k] / edge)))
            high = min(self.body.label.shape[axis], int(np.ceil(at + reach[k] / edge)) + 1)
            slices.append(slice(low, max(low, high)))
            shape = [1, 1, 1]
            shape[axis] = -1
            offsets.append(((np.arange(low, max(low, high)) - at) * edge).reshape(shape))
        return (slices[2], slices[1], slices[0]), offsets


def of_organ(laid_: Laid, name: str) -> Bool[np.ndarray, "z y x"]:
    """Voxels of an organ that no tumour holds half of."""
    return np.asarray((laid_.organ == ORGANS.index(name)) & (laid_.share < 0.5))
