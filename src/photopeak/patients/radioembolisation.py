"""Radioembolisation of liver tumours with Y-90 microspheres: who is treated, and where the spheres lodge.

Spheres given into a hepatic artery stay where they lodge: in tumours, ``ratio`` times as many in each ml as in the
liver around them; in the treated lobe, unevenly; and, by shunts, in the lungs :cite:`weber2022`. With the lungs' share
L, the treated volume V outside tumours and the tumours' V_t

    c = A (1 − L) / (V + ratio · V_t),      c_t = ratio · c,      c_lung = A L / V_lung.

A mean tumour-to-normal ratio of 3.6 was seen by PET :cite:`piasecki2015`. How ratios and shunts spread, how many
tumours there are and how large is a judgement.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from photopeak.patients.anatomy.texture import SIDE, tile
from photopeak.patients.body import Body
from photopeak.patients.lesions import Deposit, Lesion, deposit, vector, vectors
from photopeak.patients.streams import stream

TARGETS: Final = ("right lobe", "left lobe", "whole liver")
RATIO: Final = (3.4, 0.35)
"""Median, and spread of ln, between patients; tumours of one patient spread by half as much about it."""
SHUNT: Final = (0.05, 0.5)
MOST_SHUNT: Final = 0.18
TUMOURS: Final = {"right lobe": (1, 4), "left lobe": (1, 2), "whole liver": (3, 6)}
DIAMETER_MM: Final = (34.0, 0.35, 16.0, 75.0)  # median, spread of ln, least, greatest
NECROTIC_MM, CORE, CORE_LEFT = 45.0, 0.5, 0.2
AGE_YEARS, WOMEN = (65.0, 10.0), 0.3
CLUSTERED: Final = 2.0
"""Power of the soft tissues' texture: spheres lodge in clusters."""
GALL_BLADDER, CAVA = (-48.0, -84.0, 1196.0), (-20.0, 8.0, 1240.0)  # between them runs the border of the lobes
REGIONS: Final = ("", "treated liver", "spared liver", "left lung", "right lung")


@dataclass(frozen=True)
class SpheresPlan:
    """Who is treated where; ``tumours`` lists diameter (mm) and ratio to the treated liver of each."""

    target: str
    tumours: tuple[tuple[float, float], ...]
    shunt: float
    sex: str
    age_years: float


@dataclass(frozen=True, eq=False)
class Embolised:
    """Share of the given activity in each ml, the numbers of ``REGIONS``, and of tumours where they fill half."""

    body: Body
    per_ml: Float32[np.ndarray, "z y x"]
    region: UInt8[np.ndarray, "z y x"]
    lesion: UInt8[np.ndarray, "z y x"]
    names: Mapping[int, str]


def draw_plan(seed: int, index: int, shares: Mapping[str, float]) -> SpheresPlan:
    """Plan ``index`` of a cohort, which depends on nobody else's."""
    rng = stream(seed, index, "plan")
    target = str(rng.choice(TARGETS, p=[shares[t] for t in TARGETS]))
    own = RATIO[0] * math.exp(RATIO[1] * float(np.clip(rng.standard_normal(), -2.0, 2.0)))
    shunt = round(min(MOST_SHUNT, SHUNT[0] * math.exp(SHUNT[1] * rng.standard_normal())), 4)
    fewest, most = TUMOURS[target]
    median, spread, low, high = DIAMETER_MM
    tumours = tuple(
        (
            round(float(np.clip(median * math.exp(spread * rng.standard_normal()), low, high)), 1),
            round(max(1.0, own * math.exp(0.5 * RATIO[1] * rng.standard_normal())), 2),
        )
        for _ in range(int(rng.integers(fewest, most + 1)))
    )
    age = round(float(np.clip(rng.normal(*AGE_YEARS), 35.0, 88.0)), 1)
    return SpheresPlan(target, tumours, shunt, "F" if rng.random() < WOMEN else "M", age)


def embolised(body: Body, plan: SpheresPlan, rng: np.random.Generator) -> Embolised:
    """Spheres in a body that has liver, gall bladder and lungs; tumours that find no room are left out."""
    region = _regions(body, plan.target)
    treated = region == REGIONS.index("treated liver")
    ratio, lesion = np.ones(treated.shape, np.float32), np.zeros(treated.shape, np.uint8)
    names: dict[int, str] = {}
    for diameter, times in plan.tumours:
        _grow(body, (diameter, times), treated & (lesion == 0), (ratio, lesion, names), rng)
    z, y, x = (np.arange(n) & (SIDE - 1) for n in treated.shape)
    patchy = tile(body.voxel_mm, "soft")[z[:, None, None], y[None, :, None], x[None, None]] ** np.float32(CLUSTERED)
    inside, ml = treated | (lesion > 0), body.voxel_mm**3 / 1000.0
    per_ml = np.where(inside, ratio * patchy, np.float32(0))
    per_ml *= np.float32((1.0 - plan.shunt) / (ml * float(per_ml.sum(dtype=np.float64))))
    lungs = np.isin(region, [REGIONS.index(n) for n in ("left lung", "right lung")])
    per_ml[lungs] = np.float32(plan.shunt / (ml * float(lungs.sum())))
    region[lesion > 0] = 0
    return Embolised(body, per_ml, region, lesion, names)


def _regions(body: Body, target: str) -> UInt8[np.ndarray, "z y x"]:
    """The lobes meet in the plane through the gall bladder and the vena cava."""
    table = np.zeros(256, np.uint8)
    for name in ("left lung", "right lung"):
        table[body.names.index(name)] = REGIONS.index(name)
    region: UInt8[np.ndarray, "z y x"] = table[body.label]
    liver = body.label == body.names.index("liver")
    if target == "whole liver":
        region[liver] = REGIONS.index("treated liver")
        return region
    front, back = body.placement.place([GALL_BLADDER, CAVA], "chest")
    y = body.origin_mm[1] + body.voxel_mm * np.arange(liver.shape[1])
    x = body.origin_mm[0] + body.voxel_mm * np.arange(liver.shape[2])
    border = front[0] + (y - front[1]) * (back[0] - front[0]) / (back[1] - front[1])
    right = np.broadcast_to(x[None, None] < border[None, :, None], liver.shape)
    mine = right if target == "right lobe" else ~right
    region[liver & mine] = REGIONS.index("treated liver")
    region[liver & ~mine] = REGIONS.index("spared liver")
    return region


def _grow(
    body: Body,
    what: tuple[float, float],
    free: Bool[np.ndarray, "z y x"],
    arrays: tuple[Float32[np.ndarray, "z y x"], UInt8[np.ndarray, "z y x"], dict[int, str]],
    rng: np.random.Generator,
) -> None:
    """One tumour, as deep in the treated liver as its size asks or the liver allows."""
    from scipy.ndimage import distance_transform_edt

    ratio, lesion, names = arrays
    if not free.any():
        return
    (diameter, times), radius = what, 0.5 * what[0]
    box = tuple(slice(k.min(), k.max() + 1) for k in free.nonzero())
    depth = distance_transform_edt(np.pad(free[box], 1))[1:-1, 1:-1, 1:-1] * body.voxel_mm
    if depth.max() < 0.5 * radius:
        return
    places = np.argwhere(depth >= min(0.8 * radius, 0.9 * float(depth.max())))
    at = places[rng.integers(len(places))] + [s.start for s in box]
    centre = np.array(body.origin_mm) + body.voxel_mm * at[::-1]
    axes = radius * np.exp(0.12 * np.clip(rng.standard_normal(3), -2.0, 2.0))
    number = len(names) + 1
    one = Lesion(
        number, "metastasis", "liver", "", "", vector(centre), vectors(axes[:, None] * np.eye(3)), 1.0, 1.0,
        ("liver",), roughness=0.08,
    )  # fmt: skip
    filled = _lay(body, one, times, ratio, rng)
    half = (filled.uptake >= 0.5) & (lesion[filled.box] == 0)
    lesion[filled.box][half] = number
    if diameter > NECROTIC_MM:
        inner = dataclasses.replace(one, axes_mm=vectors(CORE * np.array(one.axes_mm)))
        _lay(body, inner, CORE_LEFT * times, ratio, rng)
    names[number] = f"tumour {number}"


def _lay(
    body: Body, one: Lesion, times: float, ratio: Float32[np.ndarray, "z y x"], rng: np.random.Generator
) -> Deposit:
    """``added`` 1 and ``factor`` 1 make of the uptake how full of the lesion a voxel is."""
    laid = deposit(body, one, rng)
    share = np.clip(laid.uptake, 0.0, 1.0)
    here = ratio[laid.box]
    here += share * (np.float32(times) - here)
    return laid


def report(plan: SpheresPlan, gbq: float, names: Mapping[int, str], doses: Mapping[str, float]) -> str:
    """What a physician would dictate after the scan."""
    lines = [f"Y-90 PET/CT after radioembolisation of the {plan.target}, {gbq:.2f} GBq of microspheres."]
    found = ", ".join(f"{n} ({doses[n]:.0f} Gy)" for n in names.values() if n in doses)
    lines.append(f"Spheres lie in the treated liver and in {len(names)} tumours: {found}.")
    lines.append(f"Mean dose of the treated liver outside of tumours {doses['treated liver']:.0f} Gy.")
    lines.append(f"Shunt to the lungs {100.0 * plan.shunt:.0f} %. No activity elsewhere in the abdomen.")
    return "\n".join([*lines, "Impression: activity within the planned territory.", ""])
