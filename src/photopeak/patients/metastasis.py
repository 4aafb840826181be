"""Bone metastases: where they grow, how large and how hot they are :cite:`vandenwyngaert2016`.

Uptake. SUVmax of spinal metastases is 36.6 ± 24.8 against 7.1 in normal vertebrae: 5.2 times, log-normal.
Those are SPECT values; its blur leaves about three quarters of the contrast of a lesion of 2 cm, so the
excess over normal bone inside the lesion has the mean (5.2 − 1)/0.75 = 5.6, and with its spread the median
5.0 (vertebra = 1). It is scaled by the square root of the host bone's own uptake, between "as much as in a
vertebra" and "as many times the host": reactive bone is limited by blood flow, which follows the host.
Size: diameter log-normal, median 20 mm, 8 to 60 mm, in large bones a
fifth to a third more (a prior; no data were found).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from photopeak.core import PhotopeakError
from photopeak.patients.body import Body
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.lesions import Lesion, Vector, bare, is_bone, side_of, vector, vectors
from photopeak.patients.paint_kernels import find_voxels

MEDIAN_EXCESS = 5.0  # uptake above normal in a vertebra
MEDIAN_DIAMETER_MM, DIAMETER_SD, SMALLEST_MM, LARGEST_MM = 20.0, 0.4, 8.0, 60.0
TINY_MM = (8.0, 12.0)
FAINT = 1.0 / 3.0
FLARE = 1.6
LOCAL_MM = 25.0  # how far around its centre a lesion feels which way its bone runs


@lru_cache(maxsize=1)
def table() -> dict[str, Any]:
    """Sites, weights and shapes, from ``data/metastasis.json``."""
    text = (files("photopeak.patients") / "data" / "metastasis.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


@dataclass(frozen=True, eq=False)
class BoneIndex:
    """Every second voxel (along each axis) of every bone, sorted by bone: rows z, y, x."""

    names: tuple[str, ...]
    stride: int
    voxels: Int[np.ndarray, "n 3"]
    start: Int[np.ndarray, "labels"]
    count: Int[np.ndarray, "labels"]

    @staticmethod
    def of(body: Body, stride: int = 2) -> BoneIndex:
        wanted = np.zeros(256, np.uint8)
        wanted[: len(body.names)] = [is_bone(n) for n in body.names]
        # Bones fill a few per cent of the grid; a quarter of it is more than any body needs.
        found = np.zeros((body.label.size // (4 * stride**3) + 4096, 4), np.int32)
        found = found[: find_voxels(body.label, wanted, stride, found)]
        order = np.argsort(found[:, 3], kind="stable")
        count = np.bincount(found[:, 3], minlength=256)
        return BoneIndex(body.names, stride, found[order, :3], np.cumsum(count) - count, count)

    def volume_ml(self, voxel_mm: float) -> float:
        """Volume of all bone."""
        return len(self.voxels) * (self.stride * voxel_mm) ** 3 / 1000.0

    def of_bone(self, name: str) -> Int[np.ndarray, "n 3"]:
        number = self.names.index(name)
        return self.voxels[self.start[number] : self.start[number] + self.count[number]]


@dataclass(frozen=True)
class Habit:
    """How one patient's metastases behave: the primary tumour, the flare, the difficulty."""

    primary: str
    flare: bool
    difficulty: Difficulty

    @staticmethod
    def draw(primary: str, difficulty: Difficulty, rng: np.random.Generator) -> Habit:
        return Habit(primary, bool(rng.random() < difficulty.flare_share), difficulty)


def site_weights(primary: str) -> dict[str, float]:
    """Relative number of lesions by site for one primary tumour; they sum to 1."""
    sites, factor = table()["sites"], table()["primary"].get(primary, {})
    weights = {s: w * factor.get(s, 1.0) for s, w in sites.items()}
    total = sum(weights.values())
    return {s: w / total for s, w in weights.items()}


def draw_metastasis(body: Body, index: BoneIndex, habit: Habit, rng: np.random.Generator, number: int) -> Lesion:
    """One candidate lesion in this body, with the difficulty's contrast, size and shape."""
    weights = site_weights(habit.primary)
    region = str(rng.choice(list(weights), p=list(weights.values())))
    bone = _bone(index, region, rng)
    voxels = index.of_bone(bone)
    where, part = _voxel(voxels, region, bone, rng)
    at = voxels[where]
    hard = habit.difficulty
    axes = _axes(body, voxels, at, _diameter(region, hard, rng), region, rng)
    excess = MEDIAN_EXCESS * hard.lesion_contrast_scale * float(np.exp(hard.lesion_contrast_sd * rng.standard_normal()))
    if rng.random() < hard.faint_share:
        excess *= FAINT
    host = float(np.clip(np.median(body.uptake[tuple(voxels[:: max(1, len(voxels) // 64)].T)]), 0.05, 2.0))
    lytic = bool(rng.random() < hard.lytic_share)
    return Lesion(
        number, "metastasis", bone, region, side_of(bone), mm(body, at), axes,
        added=round(excess * host**0.5 * (FLARE if habit.flare else 1.0), 4), within=(bone,), roughness=0.25,
        hollow=0.55 if lytic else 0.0, core=0.2 if lytic else 1.0, part=part,
    )  # fmt: skip


def _bone(index: BoneIndex, region: str, rng: np.random.Generator) -> str:
    """A bone of the site, by its weight; vertebrae share theirs by volume."""
    numbers, weights = _members(index.names, region)
    volume = index.count[list(numbers)].astype(np.float64)
    weight = np.array(weights) * (volume if region == "vertebra" else volume > 0)
    if not weight.any():
        raise PhotopeakError(
            f"this body has no bone for a metastasis of the {region}. Remedy: name its bones as the anatomy does."
        )
    return index.names[numbers[int(rng.choice(len(numbers), p=weight / weight.sum()))]]


@lru_cache(maxsize=64)
def _members(names: tuple[str, ...], region: str) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Numbers of the structures that belong to a site, and their weights."""
    found = [
        (number, weight)
        for pattern, weight in table()["bones"][region]
        for number, name in enumerate(names)
        if re.fullmatch(pattern, bare(name))
    ]
    return tuple(n for n, _ in found), tuple(float(w) for _, w in found)


def _voxel(voxels: Int[np.ndarray, "n 3"], region: str, bone: str, rng: np.random.Generator) -> tuple[int, str]:
    """A voxel of the bone, uniform or by bands along it where the table says so, and the word for the band."""
    bands = table()["bands"].get(region if region == "vertebra" else bare(bone))
    if bands is None:
        return int(rng.integers(len(voxels))), ""
    along = voxels[:, "zyx".index(bands[0])].astype(np.float64)
    place = (along - along.min()) / max(1.0, float(np.ptp(along)))
    weight = np.array([share for _, _, share, _ in bands[1]])
    low, high, _, word = bands[1][int(rng.choice(len(weight), p=weight / weight.sum()))]
    inside = np.flatnonzero((place >= low) & (place <= high))
    return (int(inside[rng.integers(len(inside))]), word) if len(inside) else (int(rng.integers(len(voxels))), "")


def _diameter(region: str, hard: Difficulty, rng: np.random.Generator) -> float:
    drawn = (
        MEDIAN_DIAMETER_MM
        * float(table()["size"].get(region, 1.0))
        * float(np.exp(DIAMETER_SD * rng.standard_normal()))
    )
    if rng.random() < hard.tiny_share:
        drawn = float(rng.uniform(*TINY_MM))
    largest = float(table()["cap_mm"].get(region, LARGEST_MM))
    return float(np.clip(drawn * hard.lesion_size_scale, SMALLEST_MM, largest))


def _axes(
    body: Body,
    voxels: Int[np.ndarray, "n 3"],
    at: Int[np.ndarray, "3"],
    diameter: float,
    region: str,
    rng: np.random.Generator,
) -> tuple[Vector, Vector, Vector]:
    """Semi-axes: the first along the bone, drawn out in ribs and long bones; the others unequal."""
    frame = _frame(body, voxels, at)
    low, high = table()["elongation"].get(region, (1.0, 1.0))
    stretch = float(rng.uniform(low, high))
    spread = np.exp(0.15 * rng.standard_normal(3))
    half = 0.5 * diameter * spread * np.array([stretch, 1.0, 1.0]) / stretch**0.25
    half = np.clip(half, 0.5 * SMALLEST_MM, 0.5 * LARGEST_MM)
    return vectors(half[:, None] * frame)


def _frame(body: Body, voxels: Int[np.ndarray, "n 3"], at: Int[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """Orthonormal directions (rows, x y z), the first along which the bone runs near this voxel."""
    offset = (voxels - at)[:, ::-1] * body.voxel_mm
    near = offset[(offset**2).sum(axis=1) <= LOCAL_MM**2]
    if len(near) < 8:
        return np.eye(3)
    _, columns = np.linalg.eigh(np.cov(near.T) + np.diag([1e-3, 2e-3, 3e-3]))  # no two equal, so no free rotation
    rows = columns.T[::-1]
    return rows * np.where(rows[np.arange(3), np.abs(rows).argmax(axis=1)] < 0, -1.0, 1.0)[:, None]


def mm(body: Body, at: Int[np.ndarray, "3"]) -> Vector:
    """The centre of voxel (z, y, x) in the body's frame."""
    return vector(np.asarray(body.origin_mm) + body.voxel_mm * at[::-1])
