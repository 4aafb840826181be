"""Organs of neck, chest, abdomen and pelvis that the skeleton's body lacks, as ellipsoids with their FDG uptake.

Places are of the 176 cm reference body, in its frame (x left, y back, z up, mm), moved with the person's trunk. Tubes
(bowel, ureters, great vessels) are beads along a path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from photopeak.patients.body import Body
from photopeak.patients.thorax import RAISED_MM

Path = tuple[tuple[float, float, float], ...]
ABOVE_MM: Final = 1210.0  # what lies higher moves with the diaphragm

#: label, SUV (median, spread), centre, semi-axes, kinematic group, paired; later ones lie over earlier
SOLID: Final = (
    ("visceral fat", (0.42, 0.15), (0.0, -22.0, 1085.0), (112.0, 70.0, 120.0), "trunk", False),
    ("visceral fat", (0.42, 0.15), (0.0, -12.0, 975.0), (88.0, 60.0, 80.0), "trunk", False),
    ("mediastinum", (1.0, 0.12), (2.0, -8.0, 1410.0), (30.0, 40.0, 62.0), "chest", False),
    ("diaphragm", (0.75, 0.15), (70.0, 12.0, 1240.0), (62.0, 78.0, 66.0), "chest", False),
    ("liver", (2.1, 0.13), (8.0, -46.0, 1258.0), (52.0, 40.0, 30.0), "chest", False),
    ("liver", (2.1, 0.13), (-66.0, -8.0, 1246.0), (74.0, 84.0, 66.0), "chest", False),
    ("liver", (2.1, 0.13), (-84.0, 0.0, 1195.0), (44.0, 62.0, 62.0), "chest", False),
    ("stomach", (1.5, 0.3), (66.0, -8.0, 1248.0), (34.0, 42.0, 40.0), "chest", False),
    ("stomach", (1.5, 0.3), (44.0, -42.0, 1206.0), (36.0, 26.0, 24.0), "chest", False),
    ("spleen", (1.75, 0.15), (100.0, 52.0, 1248.0), (24.0, 38.0, 44.0), "chest", False),
    ("gall bladder", (0.7, 0.2), (-48.0, -84.0, 1196.0), (13.0, 16.0, 24.0), "chest", False),
    ("adrenal", (1.4, 0.2), (34.0, 28.0, 1236.0), (9.0, 5.0, 12.0), "spine", True),
    ("parotid gland", (1.7, 0.3), (56.0, -22.0, 1606.0), (8.0, 14.0, 20.0), "head", True),
    ("submandibular gland", (1.9, 0.3), (28.0, -52.0, 1574.0), (8.0, 13.0, 9.0), "head", True),
    ("tonsil", (3.45, 0.35), (14.0, -42.0, 1594.0), (6.0, 8.0, 10.0), "head", True),
    ("sublingual gland", (2.2, 0.4), (0.0, -76.0, 1580.0), (14.0, 12.0, 7.0), "head", False),
)
#: label, SUV, path, radius, group
TUBES: Final = (
    ("blood pool", (1.6, 0.1), ((4, -22, 1385), (2, -28, 1412), (6, -18, 1432), (14, 4, 1436), (16, 18, 1420)), 13.0),
    ("blood pool", (1.6, 0.1), ((16, 18, 1420), (14, 20, 1380), (9, 18, 1280)), 11.0),
    ("blood pool", (1.6, 0.1), ((9, 17, 1280), (12, 6, 1180), (10, -2, 1085)), 9.5),
    ("blood pool", (1.6, 0.1), ((-22, -16, 1470), (-22, -16, 1420), (-22, -12, 1380)), 9.0),
    ("oesophagus", (1.3, 0.2), ((2, 6, 1480), (4, 8, 1400), (8, 6, 1320), (30, -2, 1270)), 6.0),
    ("pancreas", (1.35, 0.2), ((-22, -34, 1186), (8, -30, 1196), (40, -8, 1212), (72, 18, 1224)), 10.0),
)
COLON: Final = (
    ("caecum and ascending colon", ((-72, -30, 1008), (-80, -22, 1050), (-84, -10, 1100), (-78, -8, 1142)), 19.0),
    ("transverse colon", ((-72, -42, 1140), (-36, -66, 1112), (4, -72, 1104), (44, -62, 1122), (82, -20, 1176)), 15.0),
    ("descending colon", ((90, 0, 1176), (92, 8, 1110), (90, 0, 1050), (80, -16, 1010)), 12.0),
    ("sigmoid colon", ((78, -20, 1004), (50, -14, 962), (18, -4, 972), (-6, 14, 950), (0, 30, 925)), 12.0),
    ("rectum", ((0, 32, 925), (0, 44, 895), (0, 40, 862)), 13.0),
)
COLON_SUV, SEGMENT_SPREAD, SMALL_BOWEL_SUV = (1.0, 0.25), 0.33, (1.1, 0.25)
DIFFUSE_BOWEL: Final = (0.08, 4.0)
"""Share of patients whose bowel takes up intensely, as with metformin, and how many times more."""
COILS: Final = 26
CALYCES: Final = (((48, 27, 1178), (9, 8, 15)), ((57, 28, 1202), (5, 5, 8)), ((62, 29, 1160), (6, 5, 7)))
URETER: Final = (
    (46, 16, 1156),
    (40, 8, 1110),
    (40, 4, 1060),
    (52, 10, 1010),
    (56, 26, 960),
    (34, 10, 920),
    (16, 0, 906),
)
SCROTUM: Final = ((14.0, -70.0, 806.0), (22.0, 24.0, 30.0), (10.0, 12.0, 19.0))
"""Place, and semi-axes of the skin and of a testis."""
TESTES: Final = (2.57, 0.22)
BLADDER: Final = ((0.0, -24.0, 908.0), (31.0, 26.0, 22.0))
URINE_SUV: Final = (9.0, 0.45)


def draw(median: tuple[float, float], rng: np.random.Generator) -> float:
    """Log-normal about a median, at most two spreads away."""
    return median[0] * float(np.exp(median[1] * np.clip(rng.standard_normal(), -2.0, 2.0)))


@dataclass(frozen=True, eq=False)
class Blob:
    """An ellipsoid in the body's frame: its structure, SUV, centre, and semi-axes as columns."""

    name: str
    suv: float
    centre_mm: Float[np.ndarray, "3"]
    axes_mm: Float[np.ndarray, "3 3"]


def blobs(
    body: Body, anatomy: np.random.Generator, tracer: np.random.Generator, told: Mapping[str, float]
) -> list[Blob]:
    """All of them for one person, in the order in which they are painted; ``told`` has levels drawn before."""
    maker = _Maker(body, anatomy, tracer)
    maker.levels.update(told)
    for name, suv, centre, semi, group, paired in SOLID:
        for side in ("left", "right") if paired else ("",):
            maker.solid((name, maker.level(name, suv)), centre, semi, (group, side))
    for name, suv, path, radius in TUBES:
        maker.tube((name, maker.level(name, suv)), path, radius)
    maker.bowel()
    maker.urinary()
    if body.person.sex == "M":
        testes = maker.level("testis", TESTES)
        for side in ("left", "right"):
            maker.solid(("soft tissue", told["soft tissue"]), SCROTUM[0], SCROTUM[1], ("pelvis", side))
        for side in ("left", "right"):
            maker.solid(("testis", testes), SCROTUM[0], SCROTUM[2], ("pelvis", side))
    return maker.found


class _Maker:
    """Draws once for each structure, and places in this body."""

    def __init__(self, body: Body, anatomy: np.random.Generator, tracer: np.random.Generator) -> None:
        self.body, self.anatomy, self.tracer = body, anatomy, tracer
        low, spread = RAISED_MM[body.person.sex]
        self.up = low + spread * float(np.clip(anatomy.standard_normal(), -2.0, 2.0))
        self.levels: dict[str, float] = {}
        self.found: list[Blob] = []

    def level(self, name: str, suv: tuple[float, float]) -> float:
        if name not in self.levels:
            self.levels[name] = draw(suv, self.tracer)
        return self.levels[name]

    def solid(
        self, what: tuple[str, float], centre: tuple[float, ...], semi: tuple[float, ...], where: tuple[str, str]
    ) -> None:
        wobble = 2.0 * np.clip(self.anatomy.standard_normal(3), -2.0, 2.0)
        high = self.up if where[0] == "chest" and centre[2] > ABOVE_MM - 20.0 and centre[2] < 1300.0 else 0.0
        at, axes = self.body.placement.ellipsoid(np.array(centre) + wobble + [0.0, 0.0, high], semi, *where)
        self.found.append(Blob(what[0], what[1], at, axes))

    def tube(self, what: tuple[str, float], path: Path, radius_mm: float, side: str = "", uneven: float = 0.0) -> None:
        """Beads a third of the radius apart; what flows through a tube fills it unevenly, ``uneven`` ln units."""
        points = beads(path, radius_mm / 3.0)
        levels = what[1] * np.exp(uneven * _wander(len(points), self.tracer))
        _, axes = self.body.placement.ellipsoid(points[len(points) // 2], (radius_mm,) * 3, "trunk", side)
        placed = self.body.placement.place(points, "trunk", side)
        self.found += [Blob(what[0], float(v), at, axes) for v, at in zip(levels, placed, strict=True)]

    def bowel(self) -> None:
        """Coils of small bowel and the colon, whose segments differ."""
        hot = DIFFUSE_BOWEL[1] if self.tracer.random() < DIFFUSE_BOWEL[0] else 1.0
        small = self.level("small bowel", SMALL_BOWEL_SUV) * (1.0 + 0.3 * (hot - 1.0))
        for _ in range(COILS):
            self._coil(small * float(np.exp(0.2 * self.tracer.standard_normal())))
        base = self.level("colon", COLON_SUV) * hot
        for name, path, radius in COLON:
            away = self.anatomy.standard_normal((len(path), 3)) * [5.0, 3.0, 6.0]
            bent = tuple((x + dx, y + dy, z + dz) for (x, y, z), (dx, dy, dz) in zip(path, away, strict=True))
            own = base * float(np.exp(SEGMENT_SPREAD * np.clip(self.tracer.standard_normal(), -1.5, 1.8)))
            self.tube((name, own), bent, radius * float(self.anatomy.uniform(0.8, 1.05)), uneven=0.35)

    def _coil(self, suv: float) -> None:
        """A short bend somewhere in the middle of the belly."""
        u = self.anatomy.uniform(-1.0, 1.0, 3)
        middle = np.array([62.0 * u[0], -38.0 + 24.0 * u[1], 1048.0 + 78.0 * u[2]])
        turn, lean = self.anatomy.uniform(0.0, 2.0 * np.pi), self.anatomy.uniform(-0.5, 0.5)
        angle = turn + np.linspace(0.0, 2.2, 4)
        bend = [tuple(middle + 20.0 * np.array([np.cos(a), lean * np.sin(a), np.sin(a)])) for a in angle]
        self.tube(("small bowel", suv), tuple((float(x), float(y), float(z)) for x, y, z in bend), 9.0)

    def urinary(self) -> None:
        """The middle of the bladder, calyces and pelvis of each kidney, and what the ureters held."""
        self.solid(("bladder", self.levels["bladder"]), *BLADDER, ("pelvis", ""))
        for side in ("left", "right"):
            drop = -14.0 if side == "right" else 0.0
            urine = self.level(f"{side} urine", URINE_SUV)
            for centre, semi in CALYCES:
                x, y, z = centre
                self.solid((f"{side} renal pelvis", urine), (x, y, z + drop), semi, ("spine", side))
            length = len(URETER)
            for _ in range(int(self.tracer.integers(0, 4))):
                first = int(self.tracer.integers(0, length - 1))
                part = URETER[first : first + 2]
                share = float(self.tracer.uniform(0.4, 1.0))
                (x0, y0, z0), (x1, y1, z1) = part
                end = (x0 + share * (x1 - x0), y0 + share * (y1 - y0), z0 + share * (z1 - z0))
                level = urine * float(self.tracer.uniform(0.4, 1.0))
                self.tube((f"{side} ureter", level), (part[0], end), 3.2, side)


def _wander(count: int, rng: np.random.Generator) -> Float[np.ndarray, " n"]:
    """A smooth random walk of unit variance."""
    from scipy.ndimage import gaussian_filter1d

    walk = gaussian_filter1d(rng.standard_normal(count + 24), 3.0)[12:-12]
    return np.asarray(walk / 0.3)


def beads(path: Path, step_mm: float) -> Float[np.ndarray, "n 3"]:
    """Points along a smooth curve through a path, at most ``step_mm`` apart."""
    from scipy.interpolate import PchipInterpolator

    points = np.array(path, np.float64)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    at = np.linspace(0.0, along[-1], max(2, int(np.ceil(along[-1] / step_mm)) + 1))
    return np.asarray(PchipInterpolator(along, points)(at))
