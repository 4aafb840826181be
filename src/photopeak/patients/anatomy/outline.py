"""The body's surface: trunk and legs as lofts, arms, hands and feet as cones, head and breasts as ellipsoids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from photopeak.patients.anatomy.pose import Posed
from photopeak.patients.anatomy.scaling import REFERENCE_WEIGHT_KG
from photopeak.patients.anatomy.skeleton import document

SIDE_NAMES = ("left", "right")


@dataclass(frozen=True, eq=False)
class Outline:
    """In millimetres, posed. A loft row is z, centre x, centre y, a, b, e, lean dx/dy."""

    lofts: tuple[Float[np.ndarray, "rows 7"], ...]
    cones: Int[np.ndarray, "cones"]
    point_mm: Float[np.ndarray, "points 3"]
    radius_mm: Float[np.ndarray, "points"]
    centre_mm: Float[np.ndarray, "ells 3"]
    axes_mm: Float[np.ndarray, "ells 3 3"]

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
    return max(0.82, float(np.sqrt(scaling.person.weight_kg / REFERENCE_WEIGHT_KG / scaling.f)))


def outline(posed: Posed) -> Outline:
    """The surface of one posed person."""
    source, girth = document()["outline"], fatness(posed)
    legs = [_leg(posed, source["leg"]["rows"], girth, side) for side in SIDE_NAMES]
    lofts = [_within(_trunk(posed, source["trunk"]["rows"], girth), legs), *legs]
    points: list[Any] = []
    cones: list[int] = []
    centres, axes = [], []
    breasts = [document()["scale"]["female"]["breast"]] if posed.scaling.female else []
    parts = [p for key in ("head", "arm", "fore", "hand", "foot") for p in source[key]]
    for part in [*parts, *breasts]:
        for side in SIDE_NAMES if part.get("lr") else ("",):
            if part["t"] == "chain":
                first = sum(len(p) for p in points)
                points.append(_chain(posed, part, girth, side))
                cones += range(first, first + len(part["p"]) - 1)
            else:
                grow = girth**2 if part in breasts else _grow(part["k"], girth)
                centre, axis = posed.ellipsoid(part["c"], [grow * s for s in part["s"]], part["k"], side)
                centres.append(centre)
                axes.append(axis)
    xyzr = np.vstack(points)
    return Outline(tuple(lofts), np.array(cones), xyzr[:, :3], xyzr[:, 3].copy(), np.array(centres), np.array(axes))


def _grow(group: str, girth: float) -> float:
    """How much of the girth a part takes on: hands, feet and head little."""
    share = {"head": 0.25, "hand": 0.3, "finger": 0.2, "foot": 0.3, "fore": 0.7}.get(group, 1.0)
    return 1.0 + share * (girth - 1.0)


def _chain(posed: Posed, part: dict[str, Any], girth: float, side: str) -> Float[np.ndarray, "n 4"]:
    p = np.asarray(part["p"], dtype=np.float64)
    size = posed.scaling.f_head if part["k"] == "head" else posed.scaling.f_xy
    return np.column_stack([posed.place(p[:, :3], part["k"], side), p[:, 3] * size * _grow(part["k"], girth)])


def _trunk(posed: Posed, rows: Any, girth: float) -> Float[np.ndarray, "n 7"]:
    """Heavy people are heavy at the belly (men) and hips (women), less at shoulders, least at the neck."""
    r, scaling = np.asarray(rows, dtype=np.float64), posed.scaling
    centre = posed.place(r[:, :3][:, [1, 2, 0]], "trunk")
    z = r[:, 0]
    belly = np.exp(-(((z - 1110) / 130) ** 2))
    share = np.interp(z, [835, 1000, 1100, 1250, 1400, 1480, 1560], [0.95, 1.0, 1.1, 1.0, 0.8, 0.5, 0.4])
    grow = 1 + share * (girth - 1) + belly * (scaling.build.belly - 1)
    sex = document()["scale"]["female" if scaling.female else "male"]
    a = r[:, 3] * grow * scaling.f_xy * np.interp(z, sex["z"], sex["out"])
    a *= 1 + 0.6 * (scaling.build.thorax_width - 1)
    b = r[:, 4] * grow * scaling.f_xy * (1 + 0.5 * belly * (girth - 1))
    lean = np.full(len(z), -np.tan(np.radians(posed.pose.roll)))
    return np.column_stack(
        [centre[:, 2], centre[:, 0], centre[:, 1] - 0.6 * (b - r[:, 4] * scaling.f_xy), a, b, r[:, 5], lean]
    )


def _within(trunk: Float[np.ndarray, "n 7"], legs: list[Float[np.ndarray, "m 7"]]) -> Float[np.ndarray, "n 7"]:
    """The trunk no wider than the thighs where it sits on them, so that the hip has no ledge."""
    for leg in legs:
        side = 1.0 if leg[-1, 1] > 0 else -1.0
        reach = np.interp(trunk[:, 0], leg[:, 0], side * leg[:, 1] + leg[:, 3]) - side * trunk[:, 1] - 3.0
        trunk[:, 3] = np.where(trunk[:, 0] < leg[-1, 0], np.minimum(trunk[:, 3], reach), trunk[:, 3])
    return trunk


def _leg(posed: Posed, rows: Any, girth: float, side: str) -> Float[np.ndarray, "n 7"]:
    r, scaling = np.asarray(rows, dtype=np.float64), posed.scaling
    centre = posed.place(r[:, :3][:, [1, 2, 0]], "leg", side)
    share = np.interp(r[:, 0], [60, 300, 480, 800], [0.4, 0.75, 0.7, 1.0])
    grow = scaling.f_xy * (1 + share * (girth - 1))
    outward = 0.7 * r[:, 3] * (grow - scaling.f_xy) * np.interp(r[:, 0], [300, 700], [0.3, 1.0])
    centre[:, 0] += outward * (1 if side == "left" else -1)
    return np.column_stack([centre[:, 2], centre[:, :2], r[:, 3] * grow, r[:, 4] * grow, r[:, 5], np.zeros(len(r))])
