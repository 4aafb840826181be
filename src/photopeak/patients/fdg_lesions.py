"""Tumours, nodes and metastases in a body with FDG, and the truth of each: volume, SUV, MTV, TLG."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

from photopeak.patients.anatomy.texture import SIDE, tile
from photopeak.patients.body import Body
from photopeak.patients.lesions import ANYWHERE, Lesion, deposit, side_of, vector, vectors
from photopeak.patients.lung_cancer import TUMOUR, CancerPlan

#: station: reference place of the left one, group
STATIONS: Final = {
    "hilar": ((36.0, 0.0, 1374.0), "chest"),
    "interlobar": ((46.0, 10.0, 1352.0), "chest"),
    "lower paratracheal": ((20.0, -8.0, 1420.0), "chest"),
    "upper paratracheal": ((18.0, -12.0, 1450.0), "chest"),
    "subcarinal": ((2.0, 4.0, 1376.0), "chest"),
    "supraclavicular": ((46.0, -22.0, 1478.0), "spine"),
}
IPSILATERAL: Final = {"N1": ("hilar", "interlobar"), "N2": ("lower paratracheal", "subcarinal", "upper paratracheal")}
CONTRALATERAL: Final = ("supraclavicular", "hilar", "lower paratracheal")
ORGANS: Final = {"bone": 0.5, "liver": 0.28, "adrenal": 0.22}
BONES: Final = {
    r"T\d+": 5.0, r"L\d": 5.0, "sacrum": 2.0, ".* ilium": 4.0, r".* rib \d+": 4.0, ".* femur": 2.0, "sternum": 1.0,
    ".* scapula": 1.5, ".* acetabulum": 1.0, ".* humerus": 0.7,
}  # fmt: skip
NECROTIC_MM: Final = 42.0
ACTIVE: Final = 0.41
"""Of the greatest true SUV: what is metabolic volume."""


@dataclass(frozen=True, eq=False)
class Tumour:
    """One lesion: which it is, and how full it makes the voxels from ``start`` on; ``core`` of it is necrotic."""

    number: int
    kind: str
    site: str
    diameter_mm: float
    centre_mm: tuple[float, float, float]
    start: tuple[int, int, int]
    share: Float32[np.ndarray, "z y x"]

    @property
    def box(self) -> tuple[slice, slice, slice]:
        a, b, c = (slice(s, s + n) for s, n in zip(self.start, self.share.shape, strict=True))
        return a, b, c

    @property
    def name(self) -> str:
        return f"{self.kind}: {self.site}"


def with_cancer(
    body: Body, plan: CancerPlan, rng: np.random.Generator, soft_per_cm: float
) -> tuple[Body, list[Tumour]]:
    """The body with all lesions of a plan in it; ``uptake`` is SUV, and tumours in a lung attenuate."""
    body = dataclasses.replace(body, uptake=body.uptake.copy(), mu_per_cm=body.mu_per_cm.copy())
    if not plan.t:
        return body, []
    grower = _Grower(body, rng, soft_per_cm)
    low, high, _ = TUMOUR[plan.t]
    diameter = float(rng.uniform(low, high))
    grower.in_lung("primary", plan.side, diameter)
    for station, side in _nodes(plan, rng):
        grower.node(station, side)
    other = "left" if plan.side == "right" else "right"
    if plan.m == "M1a":
        for _ in range(int(rng.integers(1, 4))):
            grower.in_lung("metastasis", other, float(rng.uniform(9.0, 20.0)))
    for _ in range({"M1b": 1, "M1c": int(rng.integers(3, 11))}.get(plan.m, 0)):
        grower.far()
    return body, grower.found


def _nodes(plan: CancerPlan, rng: np.random.Generator) -> list[tuple[str, str]]:
    """Stations with their sides up to the plan's N, nearest first."""
    other = "left" if plan.side == "right" else "right"
    found: list[tuple[str, str]] = []
    for level in ("N1", "N2"):
        if plan.n >= level:
            most = len(IPSILATERAL[level])
            count = int(rng.integers(1, most + 1)) if plan.n == level or rng.random() < 0.8 else 0
            found += [(s, plan.side if s != "subcarinal" else "") for s in rng.permutation(IPSILATERAL[level])[:count]]
    if plan.n == "N3":
        found += [(str(s), other) for s in CONTRALATERAL[: int(rng.integers(1, 4))]]
    return [(str(s), side) for s, side in found]


class _Grower:
    """Puts lesions into one body, one after the other; arrays of the body are written."""

    def __init__(self, body: Body, rng: np.random.Generator, soft_per_cm: float) -> None:
        self.body, self.rng, self.soft = body, rng, np.float32(soft_per_cm)
        self.found: list[Tumour] = []

    def in_lung(self, kind: str, side: str, diameter_mm: float) -> None:
        """Well inside the lung, or as deep in it as it has room for."""
        from scipy.ndimage import distance_transform_edt

        lung = self.body.label == self.body.names.index(f"{side} lung")
        low, high = _extent(lung)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        depth = distance_transform_edt(np.pad(lung[box], 1))[1:-1, 1:-1, 1:-1] * self.body.voxel_mm
        wanted = min(0.42 * diameter_mm, 0.75 * float(depth.max()))
        places = np.argwhere((depth >= wanted) & (depth <= wanted + 18.0)) + low
        at = places[self.rng.integers(len(places))]
        height = (at[0] - low[0]) / (high[0] - low[0])
        lobe = "upper lobe" if height > 0.47 else "lower lobe"
        self._grow(kind, f"{side} {lobe}", diameter_mm, self._mm(at), ANYWHERE)

    def node(self, station: str, side: str) -> None:
        place, group = STATIONS[station]
        centre = self.body.placement.place([place], group, side)[0] + 3.0 * self.rng.standard_normal(3)
        diameter = float(np.clip(15.0 * np.exp(0.3 * self.rng.standard_normal()), 9.0, 30.0))
        self._grow("node", f"{side} {station}".strip(), diameter, centre, ANYWHERE)

    def far(self) -> None:
        """One metastasis outside the chest."""
        organ = str(self.rng.choice(list(ORGANS), p=list(ORGANS.values())))
        if organ == "bone":
            weights = {n: w for p, w in BONES.items() for n in self.body.names if re.fullmatch(p, n)}
            # Every pattern has its weight, shared among its bones.
            each = np.array([w / sum(1 for n in weights if weights[n] == w) for w in weights.values()])
            bone = str(self.rng.choice(list(weights), p=each / each.sum()))
            places = np.argwhere(self.body.label == self.body.names.index(bone))
            at = places[self.rng.integers(len(places))]
            self._grow("metastasis", bone, float(self.rng.uniform(14.0, 34.0)), self._mm(at), (bone,))
            return
        if organ == "liver":
            places = np.argwhere(_eroded(self.body.label == self.body.names.index("liver"), 3))
            at = places[self.rng.integers(len(places))]
            self._grow("metastasis", "liver", float(self.rng.uniform(12.0, 36.0)), self._mm(at), ANYWHERE)
            return
        side = "left" if self.rng.random() < 0.5 else "right"
        centre = self.body.placement.place([(34.0, 28.0, 1236.0)], "spine", side)[0]
        self._grow("metastasis", f"{side} adrenal", float(self.rng.uniform(16.0, 38.0)), centre, ANYWHERE)

    def _grow(
        self, kind: str, site: str, diameter_mm: float, centre: Float[np.ndarray, "3"], within: tuple[str, ...]
    ) -> None:
        suv = (4.2 + 0.11 * diameter_mm) * float(np.exp(0.28 * np.clip(self.rng.standard_normal(), -2.0, 2.0)))
        half = 0.5 * diameter_mm * np.exp(0.12 * self.rng.standard_normal(3))
        half *= 0.5 * diameter_mm / half.max() if within == ANYWHERE else 1.0
        axes = vectors(half[:, None] * np.eye(3))
        number = len(self.found) + 1
        one = Lesion(
            number, "metastasis", site, "", side_of(site), vector(centre), axes, 1.0, 1.0, within, roughness=0.08
        )
        laid = deposit(self.body, one, self.rng)
        share = np.clip(laid.uptake, 0.0, 1.0)  # ``added`` 1 and ``factor`` 1: how full each voxel is
        if kind == "primary" and diameter_mm > NECROTIC_MM:
            inner = dataclasses.replace(one, axes_mm=vectors(0.5 * np.array(axes)), within=ANYWHERE)
            core = deposit(self.body, inner, self.rng)
            self._lay(share, laid.box, suv)
            self._lay(np.clip(core.uptake, 0.0, 1.0), core.box, 0.3 * suv)
        else:
            self._lay(share, laid.box, suv)
        x, y, z = one.centre_mm
        self.found.append(Tumour(number, kind, site, round(diameter_mm, 1), (x, y, z), laid.start, share))

    def _lay(self, share: Float32[np.ndarray, "z y x"], box: tuple[slice, slice, slice], suv: float) -> None:
        uptake, mu = self.body.uptake[box], self.body.mu_per_cm[box]
        z, y, x = (np.arange(s.start, s.stop) & (SIDE - 1) for s in box)
        patchy = tile(self.body.voxel_mm, "soft")[z[:, None, None], y[None, :, None], x[None, None]]
        uptake += share * (np.float32(suv) * patchy - uptake)
        mu += share * np.maximum(self.soft - mu, 0.0)

    def _mm(self, at: Int[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
        return np.asarray(np.array(self.body.origin_mm) + self.body.voxel_mm * np.asarray(at, np.float64)[::-1])


def _extent(where: Bool[np.ndarray, "z y x"]) -> tuple[Int[np.ndarray, "3"], Int[np.ndarray, "3"]]:
    at = np.argwhere(where)
    return at.min(0), at.max(0) + 1


def _eroded(where: Bool[np.ndarray, "z y x"], voxels: int) -> Bool[np.ndarray, "z y x"]:
    from scipy.ndimage import binary_erosion

    deep = binary_erosion(where, iterations=voxels)
    return deep if deep.any() else where


@dataclass(frozen=True)
class LesionTruth:
    """What is true of one lesion, of the activity as it lay in the body, before any blur."""

    volume_ml: float
    suv_max: float
    suv_mean: float
    suv_peak: float
    mtv_ml: float
    tlg_g: float


def truth_of(suv: Float32[np.ndarray, "z y x"], tumour: Tumour, voxel_mm: float) -> LesionTruth:
    """Volume, SUVmax, SUVmean, SUVpeak (the highest mean of a ball of 1 ml), MTV (at least 41 % of the maximum), TLG.

    TLG = Σ SUV · ml over the metabolic volume.
    """
    ml = voxel_mm**3 / 1000.0
    here, mine = suv[tumour.box], tumour.share >= 0.5
    if not mine.any():
        mine = tumour.share >= 0.5 * float(tumour.share.max())
    top = float(here[mine].max())
    active = mine & (here >= ACTIVE * top)
    return LesionTruth(
        volume_ml=float(tumour.share.sum(dtype=np.float64)) * ml,
        suv_max=top,
        suv_mean=float(here[mine].mean(dtype=np.float64)),
        suv_peak=_peak(suv, tumour, mine, voxel_mm),
        mtv_ml=float(active.sum()) * ml,
        tlg_g=float(here[active].sum(dtype=np.float64)) * ml,
    )


def _peak(
    suv: Float32[np.ndarray, "z y x"], tumour: Tumour, mine: Bool[np.ndarray, "_z _y _x"], voxel_mm: float
) -> float:
    from scipy.ndimage import convolve

    radius = (3.0 / (4.0 * np.pi)) ** (1.0 / 3.0) * 10.0 / voxel_mm  # of 1 ml, in voxels
    reach = int(np.ceil(radius))
    sub = (np.arange(5 * (2 * reach + 1)) + 0.5) / 5.0 - (reach + 0.5)
    z, y, x = np.meshgrid(sub, sub, sub, indexing="ij")
    fine = (z * z + y * y + x * x < radius * radius).astype(np.float64)
    ball_ = fine.reshape((2 * reach + 1, 5) * 3).mean((1, 3, 5))
    wide = tuple(slice(max(0, s.start - reach), s.stop + reach) for s in tumour.box)
    mean = convolve(suv[wide].astype(np.float64), ball_ / ball_.sum(), mode="nearest")
    inner = tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(tumour.box, wide, strict=True))
    return float(mean[inner][mine].max())


def lesion_mask(shape: tuple[int, int, int], tumours: list[Tumour]) -> UInt8[np.ndarray, "z y x"]:
    """Voxels at least half of which a lesion fills."""
    out = np.zeros(shape, np.uint8)
    for one in tumours:
        out[one.box][one.share >= 0.5] = one.number
    return out
