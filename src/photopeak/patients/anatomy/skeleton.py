"""The reference skeleton as flat arrays, read once from ``skeleton.json``.

Frame: millimetres, x to the patient's left, y to the back, z up from the soles of a 176 cm man. Paired
primitives are given for the left; the right side is the same numbers with side −1 and is mirrored after
posing. Primitive types in the file, ``u`` tracer concentration (vertebral body = 1), ``sd`` its log-normal
spread between patients, ``b`` bone, ``j`` joint, ``k`` kinematic group, ``g`` region:

- ``chain``: points (x, y, z, r), a union of round cones; ``sm`` first smooths by Catmull-Rom; ``wall`` and
  ``core`` make a tube whose marrow shines ``core`` times its cortex;
- ``arc``: c + A cos t + B sin t, a tube of radius r;
- ``ell``: Σ|qᵢ/sᵢ|ᵉ = 1; ``shell``: the same with a wall of ``w``, kept where n·p ≥ d for each ``clip``;
- ``plate``: a sheet of thickness ``w`` through a grid of control points.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from photopeak.patients.anatomy.curves import arc, grid_triangles, rotation, smooth_chain, smooth_grid
from photopeak.patients.anatomy.vertebrae import leans_deg, vertebra_primitives

GROUPS = (
    "trunk",
    "pelvis",
    "spine",
    "chest",
    "head",
    "shoulder",
    "scapula",
    "arm",
    "fore",
    "hand",
    "finger",
    "leg",
    "foot",
)
SIDES = {"left": 1, "right": -1, "": 0}
VERTEBRAE = tuple(f"{level}{i}" for level, n in (("C", 7), ("T", 12), ("L", 5)) for i in range(1, n + 1))
MIDLINE = ("skull", "facial", "mandible", "sacrum", "manubrium", "sternum", "xiphoid", "thyroid", "vessels")


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Primitives (first block, one row each) over points (second block) joined to elements (third).

    Elements index points: a cone joins two, a triangle three, an ellipsoid has its centre and the ends of
    its three semi-axes.
    """

    prim_name: tuple[str, ...]
    prim_joint: tuple[str, ...]
    prim_region: tuple[str, ...]
    prim_label: UInt8[np.ndarray, "prims"]
    prim_side: Int[np.ndarray, "prims"]
    prim_u: Float[np.ndarray, "prims"]
    prim_sd: Float[np.ndarray, "prims"]
    prim_organ: Bool[np.ndarray, "prims"]
    prim_mu: Float[np.ndarray, "prims"]  # 1/cm; 0 where it is bone or soft tissue
    names: tuple[str, ...]

    point_mm: Float[np.ndarray, "points 3"]
    radius_mm: Float[np.ndarray, "points"]
    point_group: Int[np.ndarray, "points"]
    point_side: Int[np.ndarray, "points"]
    point_prim: Int[np.ndarray, "points"]

    cones: Int[np.ndarray, "cones 2"]  # first point (the second is the next), primitive
    tube: Float[np.ndarray, "cones 2"]  # wall mm (0 solid), core
    triangles: Int[np.ndarray, "triangles 4"]  # three points, primitive
    ellipsoids: Int[np.ndarray, "ellipsoids 2"]  # centre point, primitive
    exponent: Float[np.ndarray, "ellipsoids"]
    wall_mm: Float[np.ndarray, "ellipsoids"]  # 0 solid
    clip: Float[np.ndarray, "ellipsoids 2 4"]  # n·q ≥ d in the ellipsoid's own unit frame


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """The file as it stands."""
    text = (files("photopeak.patients.anatomy") / "skeleton.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def sites(table: str) -> list[dict[str, Any]]:
    """Rows of ``joints``, ``variants``, ``artefacts`` or ``met_sites``, in reference coordinates.

    A row has ``name``, ``lr`` (1: paired, the left is given), ``c`` centre and ``s`` semi-axes in mm and
    ``k``, the kinematic group that ``Posed.place`` wants; joints have ``prev`` and ``du``, variants ``p``, ``f``.
    """
    rows: list[dict[str, Any]] = document()[table]
    return rows


@lru_cache(maxsize=1)
def skeleton() -> Skeleton:
    """The whole reference: organs first, then bones."""
    builder = _Builder()
    source = document()
    for prim in source["organs"]:
        builder.add(prim, organ=True)
    rows = source["vertebrae"]["rows"]
    for row, lean in zip(rows, leans_deg(rows), strict=True):
        for prim in vertebra_primitives(row, lean):
            builder.add(prim)
    for prim in source["prims"]:
        builder.add(prim)
    return builder.build()


def label_name(prim: dict[str, Any], side: int) -> str:
    """The word for a primitive's bone, with its side unless it is one bone."""
    bone = str(prim.get("b", prim["n"]))
    if side == 0 or bone.startswith(MIDLINE) or bone in VERTEBRAE:
        return bone
    return f"{'left' if side > 0 else 'right'} {bone}"


class _Builder:
    """Collects primitives side by side into flat lists."""

    def __init__(self) -> None:
        self.prims: list[dict[str, Any]] = []
        self.names: list[str] = ["", "soft tissue"]
        self.points: list[Float[np.ndarray, "..."]] = []
        self.meta: list[tuple[int, int, int]] = []  # group, side, primitive of each point
        self.cones: list[tuple[int, int]] = []
        self.tube: list[tuple[float, float]] = []
        self.triangles: list[tuple[int, int, int, int]] = []
        self.ellipsoids: list[tuple[int, int]] = []
        self.shape: list[tuple[float, float, Float[np.ndarray, "..."]]] = []

    def add(self, prim: dict[str, Any], organ: bool = False) -> None:
        for side in (1, -1) if prim.get("lr") else (0,):
            name = label_name(prim, side)
            if name not in self.names:
                self.names.append(name)
            self.prims.append({**prim, "side": side, "organ": organ, "label": self.names.index(name)})
            shape = {"chain": self._chain, "arc": self._arc, "ell": self._ell, "shell": self._ell, "plate": self._plate}
            shape[prim["t"]](prim, side)

    def _points(self, prim: dict[str, Any], side: int, xyzr: Float[np.ndarray, "..."]) -> int:
        first = len(self.meta)
        self.points.append(xyzr)
        self.meta += [(GROUPS.index(prim["k"]), side, len(self.prims) - 1)] * len(xyzr)
        return first

    def _chain(self, prim: dict[str, Any], side: int) -> None:
        points = np.asarray(prim["p"], dtype=np.float64)
        self._cones(prim, side, smooth_chain(points) if prim.get("sm") else points)

    def _arc(self, prim: dict[str, Any], side: int) -> None:
        self._cones(prim, side, arc(prim["c"], prim["A"], prim["B"], prim["ang"], prim["r"]))

    def _cones(self, prim: dict[str, Any], side: int, xyzr: Float[np.ndarray, "..."]) -> None:
        first = self._points(prim, side, xyzr)
        for i in range(len(xyzr) - 1):
            self.cones.append((first + i, len(self.prims) - 1))
            self.tube.append((prim.get("wall", 0.0), prim.get("core", 1.0)))

    def _ell(self, prim: dict[str, Any], side: int) -> None:
        centre = np.asarray(prim["c"], dtype=np.float64)
        if side < 0:
            centre[2] += prim.get("right_dz", 0.0)
        axes = rotation(prim.get("rot", (0, 0, 0))).T * np.asarray(prim["s"], dtype=np.float64)[:, None]
        xyz = np.vstack([centre, centre + axes])
        first = self._points(prim, side, np.column_stack([xyz, np.zeros(4)]))
        clip = np.full((2, 4), [0.0, 0.0, 0.0, -9.0])
        for i, (*normal, distance) in enumerate(prim.get("clip", ())):
            clip[i] = [*(axes @ normal), distance - np.dot(normal, centre)]
        self.ellipsoids.append((first, len(self.prims) - 1))
        self.shape.append((prim.get("e", 2.0), prim.get("w", 0.0), clip))

    def _plate(self, prim: dict[str, Any], side: int) -> None:
        surface = smooth_grid(np.asarray(prim["q"], dtype=np.float64), 3)
        xyz = surface.reshape(-1, 3)
        half = np.full(len(xyz), prim["w"] / 2)
        first = self._points(prim, side, np.column_stack([xyz, half]))
        for a, b, c in grid_triangles(*surface.shape[:2]):
            self.triangles.append((first + a, first + b, first + c, len(self.prims) - 1))

    def build(self) -> Skeleton:
        points, meta = np.vstack(self.points), np.asarray(self.meta)

        def column(key: str, default: float) -> Float[np.ndarray, "..."]:
            return np.array([p.get(key, default) for p in self.prims], dtype=np.float64)

        return Skeleton(
            tuple(p["n"] for p in self.prims),
            tuple(p.get("j", "") for p in self.prims),
            tuple(p.get("g", p["n"]) for p in self.prims),
            np.array([p["label"] for p in self.prims], dtype=np.uint8),
            np.array([p["side"] for p in self.prims]),
            column("u", 0.0),
            column("sd", 0.0),
            np.array([p["organ"] for p in self.prims]),
            10.0 * column("mu", 0.0),
            tuple(self.names),
            points[:, :3].copy(),
            points[:, 3].copy(),
            meta[:, 0].copy(),
            meta[:, 1].copy(),
            meta[:, 2].copy(),
            np.array(self.cones),
            np.array(self.tube),
            np.array(self.triangles),
            np.array(self.ellipsoids),
            np.array([s[0] for s in self.shape]),
            np.array([s[1] for s in self.shape]),
            np.array([s[2] for s in self.shape]),
        )
