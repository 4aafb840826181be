"""The body's surface: trunk and legs as lofts, arms, hands and feet as cones, head and breasts as ellipsoids."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from photopeak.patients.anatomy.curves import Array
from photopeak.patients.anatomy.pose import Posed
from photopeak.patients.anatomy.scaling import REFERENCE_WEIGHT_KG
from photopeak.patients.anatomy.skeleton import GROUPS, SIDES, document

SIDE_NAMES = ("left", "right")
BREAST_UPTAKE = 0.7
WAVE_SHARE = np.array([0.08, 0.6, 1.2])
PARTS = ("head", "arm", "fore", "hand", "foot")


@dataclass(frozen=True, eq=False)
class Outline:
    """In millimetres, posed. A loft row is z, centre x, centre y, a, b, boxiness, lean dx/dy."""

    lofts: tuple[Float[np.ndarray, "_ 7"], ...]
    cones: Int[np.ndarray, "cones"]
    point_mm: Float[np.ndarray, "points 3"]
    radius_mm: Float[np.ndarray, "points"]
    centre_mm: Float[np.ndarray, "ells 3"]
    axes_mm: Float[np.ndarray, "ells 3 3"]
    fat_mm: float
    shine: Float[np.ndarray, "ells"]  # uptake of each ellipsoid relative to muscle

    def extent(self) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
        """Corners of the box around everything."""
        low = [(self.point_mm - self.radius_mm[:, None]).min(axis=0)]
        high = [(self.point_mm + self.radius_mm[:, None]).max(axis=0)]
        reach = np.linalg.norm(self.axes_mm, axis=2)
        low.append((self.centre_mm - reach).min(axis=0))
        high.append((self.centre_mm + reach).max(axis=0))
        for rows in self.lofts:
            low.append(np.array([(rows[:, 1] - rows[:, 3]).min(), (rows[:, 2] - rows[:, 4]).min(), rows[:, 0].min()]))
            high.append(np.array([(rows[:, 1] + rows[:, 3]).max(), (rows[:, 2] + rows[:, 4]).max(), rows[:, 0].max()]))
        return np.min(low, axis=0), np.max(high, axis=0)


def fatness(posed: Posed) -> float:
    """√((W/73 kg)/f), the girth of the body relative to the reference, at least 0.82 so that skin covers bone."""
    scaling = posed.scaling
    sex = 1.04 if scaling.female else 1.0
    return max(0.82, sex * float(np.sqrt(scaling.person.weight_kg / REFERENCE_WEIGHT_KG / scaling.f)))


@dataclass(frozen=True, eq=False)
class _Reference:
    """The file's outline as flat points, so that one call poses them all.

    ``kind`` of each part is "loft", "chain", "ell" or "breast"; its points are ``first[i]`` to ``first[i + 1]``.
    """

    kind: tuple[str, ...]
    group: tuple[str, ...]
    side: tuple[str, ...]
    rows: tuple[Array, ...]  # loft rows; chain radii
    first: tuple[int, ...]
    point_mm: Float[np.ndarray, "n 3"]
    point_group: Int[np.ndarray, "n"]
    point_side: Int[np.ndarray, "n"]


def _parts() -> list[dict[str, Any]]:
    source = document()["outline"]
    breast = {**document()["scale"]["female"]["breast"], "t": "breast"}
    return [source["trunk"], source["leg"], *(p for key in PARTS for p in source[key]), breast]


@lru_cache(maxsize=1)
def _reference() -> _Reference:
    kind: list[str] = []
    group: list[str] = []
    side: list[str] = []
    rows: list[Array] = []
    points: list[Array] = []
    for part in _parts():
        for where in SIDE_NAMES if part.get("lr") else ("",):
            if part["t"] == "loft":
                table = np.asarray(part["rows"], dtype=np.float64)
                xyz = table[:, [1, 2, 0]]
            elif part["t"] == "chain":
                table = np.asarray(part["p"], dtype=np.float64)
                xyz = table[:, :3]
            else:
                table = np.asarray([part["c"], *(part["c"] + np.diag(part["s"]))], dtype=np.float64)
                xyz = table
            kind.append(part["t"])
            group.append(part["k"])
            side.append(where)
            rows.append(table)
            points.append(xyz)
    count = [len(p) for p in points]
    numbers = np.repeat([GROUPS.index(g) for g in group], count), np.repeat([SIDES[s] for s in side], count)
    first = (0, *(int(n) for n in np.cumsum(count)))
    return _Reference(tuple(kind), tuple(group), tuple(side), tuple(rows), first, np.vstack(points), *numbers)


def outline(posed: Posed, contour: Float[np.ndarray, "lofts waves 4"]) -> Outline:
    """The surface of one posed person; ``contour`` holds N(0, 1) draws for its unevenness."""
    reference, girth = _reference(), fatness(posed)
    placed = posed.transform(reference.point_mm, reference.point_group, reference.point_side)
    lofts, chains, centres, axes, shine = [], [], [], [], []
    for i, kind in enumerate(reference.kind):
        p, rows = placed[reference.first[i] : reference.first[i + 1]], reference.rows[i]
        grow = _grow(reference.group[i], girth)
        if kind == "loft":
            trunk = reference.group[i] == "trunk"
            lofts.append(_trunk(posed, rows, p, girth) if trunk else _leg(posed, rows, p, girth, reference.side[i]))
        elif kind == "chain":
            size = posed.scaling.f_head if reference.group[i] == "head" else posed.scaling.f_xy
            chains.append(np.column_stack([p, rows[:, 3] * size * grow]))
        elif kind == "ell" or posed.scaling.female:
            shine.append(BREAST_UPTAKE if kind == "breast" else 1.0)
            centres.append(p[0])
            axes.append((p[1:] - p[0]).T * (girth**2 if kind == "breast" else grow))
    xyzr, ends = np.vstack(chains), np.cumsum([len(c) for c in chains])
    cones = np.setdiff1d(np.arange(len(xyzr)), ends - 1)
    lofts = [_uneven(rows, waves) for rows, waves in zip(lofts, contour, strict=True)]
    lofts[0] = _within(lofts[0], lofts[1:])
    fat = float(np.clip(9.0 + 70.0 * (girth - 1.0), 5.0, 30.0))
    return Outline(
        tuple(lofts), cones, xyzr[:, :3], xyzr[:, 3].copy(), np.array(centres), np.array(axes), fat, np.array(shine)
    )


def _grow(group: str, girth: float) -> float:
    """How much of the girth a part takes on: hands, feet and head little."""
    share = {"head": 0.25, "hand": 0.3, "finger": 0.2, "foot": 0.3, "fore": 0.6, "arm": 0.85}.get(group, 1.0)
    return 1.0 + share * (girth - 1.0)


def _trunk(posed: Posed, r: Array, centre: Array, girth: float) -> Float[np.ndarray, "n 7"]:
    """Heavy people are heavy at the belly (men) and hips (women), less at shoulders, least at the neck."""
    scaling, z = posed.scaling, r[:, 0]
    belly = np.exp(-(((z - 1110) / 130) ** 2))
    share = np.interp(z, [835, 1000, 1100, 1250, 1400, 1480, 1560], [1.05, 1.05, 1.1, 1.0, 0.8, 0.5, 0.4])
    grow = 1 + share * (girth - 1) + belly * (scaling.build.belly - 1)
    sex = document()["scale"]["female" if scaling.female else "male"]
    a = r[:, 3] * grow * scaling.f_xy * np.interp(z, sex["z"], sex["out"])
    a *= 1 + 0.6 * (scaling.build.thorax_width - 1)
    b = r[:, 4] * grow * scaling.f_xy * (1 + 0.5 * belly * (girth - 1))
    lean = np.full(len(z), -np.tan(np.radians(posed.pose.roll)))
    return np.column_stack(
        [centre[:, 2], centre[:, 0], centre[:, 1] - 0.6 * (b - r[:, 4] * scaling.f_xy), a, b, r[:, 5], lean]
    )


def _uneven(rows: Array, waves: Float[np.ndarray, "waves 4"]) -> Array:
    """Folds and bulges: a loft's centre and width swing by some mm over waves of 90, 170 and 320 mm.

    Σₖ (pₖ sin + qₖ cos)(2π z/λₖ), p and q drawn once for the centre and once for the width.
    """
    z = np.arange(rows[0, 0], rows[-1, 0], 15.0)
    fine = np.column_stack([z, *(np.interp(z, rows[:, 0], rows[:, j]) for j in range(1, 7))])
    phase = 2 * np.pi * z[:, None] / np.array([90.0, 170.0, 320.0])
    swing = np.stack([np.sin(phase), np.cos(phase)], axis=-1)
    swing = swing * WAVE_SHARE[:, None] * (1.0 if abs(rows[0, 1]) < 20 else 0.6)  # legs are smoother
    fine[:, 1] += 2.6 * np.einsum("zwc,wc->z", swing, waves[:, :2])
    fine[:, 3] *= 1.0 + 0.022 * np.einsum("zwc,wc->z", swing, waves[:, 2:])
    return fine


def _within(trunk: Float[np.ndarray, "n 7"], legs: list[Float[np.ndarray, "_ 7"]]) -> Float[np.ndarray, "n 7"]:
    """The trunk no wider than the thighs where it sits on them, so that the hip has no ledge."""
    for leg in legs:
        side = 1.0 if leg[-1, 1] > 0 else -1.0
        outer = side * leg[:, 1] + leg[:, 3]
        widest = int(outer.argmax())
        reach = np.interp(trunk[:, 0], leg[: widest + 1, 0], outer[: widest + 1]) - side * trunk[:, 1] - 3.0
        reach += 0.1 * np.clip(trunk[:, 0] - leg[widest, 0], 0.0, None)
        trunk[:, 3] = np.minimum(trunk[:, 3], reach)
    return trunk


def _leg(posed: Posed, r: Array, placed: Array, girth: float, side: str) -> Float[np.ndarray, "n 7"]:
    scaling, centre = posed.scaling, placed.copy()
    share = np.interp(r[:, 0], [60, 300, 480, 800], [0.25, 0.5, 0.5, 0.85])
    sex = np.interp(r[:, 0], [450, 700], [1.0, 1.05]) if scaling.female else 1.0
    grow = scaling.f_xy * (1 + share * (girth - 1)) * sex
    outward = 0.55 * r[:, 3] * (grow - scaling.f_xy) * np.interp(r[:, 0], [300, 700], [0.3, 1.0])
    centre[:, 0] += outward * (1 if side == "left" else -1)
    return np.column_stack([centre[:, 2], centre[:, :2], r[:, 3] * grow, r[:, 4] * grow, r[:, 5], np.zeros(len(r))])
