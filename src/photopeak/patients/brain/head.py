"""A head: who has it, how it differs from the textbook's, and its voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Float32, UInt8

from photopeak.core import Grid, scaling
from photopeak.patients.brain import cerebrum, deep
from photopeak.patients.brain.canvas import Box, Canvas
from photopeak.patients.brain.shapes import Array, Points
from photopeak.patients.brain.shell import paint_shell
from photopeak.patients.brain.structures import BRAIN, LOBES, NAMES, NUMBER, SIDES, TISSUE_OF, TISSUES
from photopeak.patients.brain.tumour import Tumour, paint_tumour
from photopeak.patients.brain.variation import Variation

EDGE_MM: Final = 1.2
SHAPE: Final = (272, 208, 176)  # z, y, x: 326 mm from above the crown to the neck, 250 mm long, 211 mm wide
TOP_MM: Final = 122.0
"""z of the uppermost voxel, about 30 mm above the crown."""
MIDDLE_MM: Final = 8.0
"""y of the axis of rotation: the middle of the head from front to back."""
STRIP_MM: Final = 14.0
"""The gyri before and behind the central sulcus reach so far from it, along the head."""


@dataclass(frozen=True, eq=False)
class Head:
    """Every voxel holds at most two structures: ``share`` of ``upper``, the rest of ``lower``.

    Numbers are those of ``structures.NAMES``. The frame is the camera's: x to the patient's left and y to the back
    from the axis of rotation, z up from between the striata of a head that was not moved.
    """

    upper: UInt8[np.ndarray, "z y x"]
    lower: UInt8[np.ndarray, "z y x"]
    share: Float32[np.ndarray, "z y x"]
    edge_mm: float
    origin_mm: tuple[float, float, float]

    @property
    def label(self) -> UInt8[np.ndarray, "z y x"]:
        """The structure that has most of each voxel."""
        return np.where(self.share >= 0.5, self.upper, self.lower)

    @property
    def grid(self) -> Grid:
        z, y, x = self.share.shape
        return Grid.volume((z, y, x), scaling((self.edge_mm,) * 3, self.origin_mm))

    def picture(self, table: Float[np.ndarray, " structure"]) -> Float32[np.ndarray, "z y x"]:
        """Σ share · value of each voxel's structures, from a table by structure."""
        values = table.astype(np.float32)
        below = values[self.lower]
        return np.asarray(below + self.share * (values[self.upper] - below))

    def mu_per_cm(self, energy_kev: float) -> Float32[np.ndarray, "z y x"]:
        """Linear attenuation; air has none."""
        from photopeak.physics.materials import mu_per_cm

        names = [TISSUES[t].material for t in TISSUE_OF]
        return self.picture(np.array([0.0 if m == "air" else mu_per_cm(m, energy_kev) for m in names]))

    def volumes_ml(self) -> dict[str, float]:
        """The volume of every structure, from shares."""
        n, part = len(NAMES), self.share.ravel().astype(np.float64)
        total = np.bincount(self.upper.ravel(), part, n) + np.bincount(self.lower.ravel(), 1.0 - part, n)
        return {name: float(v) * self.edge_mm**3 / 1000.0 for name, v in zip(NAMES, total, strict=True) if name}


def bq_per_ml(head: Head, table: Float[np.ndarray, " structure"], brain_mbq: float) -> Float32[np.ndarray, "z y x"]:
    """Concentrations at the start, so that the brain holds ``brain_mbq``."""
    volumes = head.volumes_ml()
    relative = sum(table[k] * volumes[NAMES[k]] for k in BRAIN)
    return head.picture(table * (brain_mbq * 1e6 / relative))


def make_head(v: Variation, edge_mm: float = EDGE_MM, tumour: Tumour | None = None) -> Head:
    """Paint a head, from the skin inwards; a tumour last."""
    shape = tuple(round(n * EDGE_MM / edge_mm) for n in SHAPE)
    across = -0.5 * (shape[2] - 1) * edge_mm
    origin = (across, -0.5 * (shape[1] - 1) * edge_mm, TOP_MM - (shape[0] - 1) * edge_mm)
    canvas = Canvas((shape[0], shape[1], shape[2]), edge_mm, (across, origin[1] + MIDDLE_MM, origin[2]))
    canvas.lay(v.pose, v.scale)
    paint_shell(canvas, v)
    _paint_cerebellum(canvas, v)
    _paint_cerebrum(canvas, v)
    _paint_deep(canvas, v)
    if tumour is not None:
        paint_tumour(canvas, tumour)
    return Head(canvas.upper, canvas.lower, canvas.share, edge_mm, origin)


def _paint_cerebrum(canvas: Canvas, v: Variation) -> None:
    box = canvas.box((-78.0, -82.0, -50.0), (78.0, 112.0, 88.0))
    p = canvas.points.at(box)
    hull = np.minimum(cerebrum.hemispheres(p), cerebrum.temporal_lobes(p))
    inside = hull < np.float32(2)
    row = p.at(inside)
    q, insula = cerebrum.to_fluid(row, v)
    outside = np.full(hull.shape, np.float32(9))
    outside[inside] = -q
    lobes = np.zeros(hull.shape, np.uint8)
    lobes[inside] = _lobe(row, insula)
    canvas.paint(lobes, outside, box)
    outside[inside] = np.float32(v.cortex_mm / canvas.size) - q
    for side, sign in zip(SIDES, (1, -1), strict=True):
        mine = np.float32(sign) * p.x >= 0
        canvas.paint(f"{side} white matter", np.where(mine, outside, np.float32(9)), box)


def _lobe(p: Points, insula: Array) -> UInt8[np.ndarray, " points"]:
    """Whose cortex a point would be: by sulci as planes, and by how far from the corpus callosum it lies."""
    x, y, z = np.abs(p.x), p.y, p.z
    central = y - 0.4 * z - 2.0  # behind the central sulcus, which runs up and back
    occipital = y - 0.35 * np.maximum(z, -10) > 64.0
    medial, ring = x < 15, np.hypot((y - 5.0) / 38.0, (z - 6.0) / 22.0)  # 1 on the corpus callosum
    name = np.where(central < 0, LOBES.index("frontal cortex"), LOBES.index("parietal cortex"))
    name = np.where(medial & (central > 16) & (z > 8), LOBES.index("precuneus"), name)
    name = np.where(np.abs(central) < STRIP_MM, LOBES.index("sensorimotor cortex"), name)
    cingulate = medial & (ring < 1.55) & (z > -14)
    name = np.where(cingulate & (y < 24), LOBES.index("anterior cingulate"), name)
    name = np.where(cingulate & (y >= 24) & (z > 2), LOBES.index("posterior cingulate"), name)
    below = ((z < -2 + 0.4 * y) & (x > 22) & (y < 62)) | ((z < -16) & (y > -26) & (x > 17))  # the Sylvian fissure
    name = np.where(below, LOBES.index("temporal cortex"), name)
    name = np.where(occipital, LOBES.index("occipital cortex"), name)
    first = np.array([NUMBER[f"left {lobe}"] for lobe in LOBES], np.uint8)
    out = np.where(insula < 6.5, np.uint8(NUMBER["left insular cortex"]), first[name])
    return (out + (p.x < 0)).astype(np.uint8)  # the right one of a pair comes after the left one


def _paint_cerebellum(canvas: Canvas, v: Variation) -> None:
    box = canvas.box((-60.0, 8.0, -66.0), (60.0, 96.0, 4.0))
    p = canvas.points.at(box)
    inside = cerebrum.cerebellum_hull(p) < np.float32(2)
    q = cerebrum.cerebellum(p.at(inside), v)
    distance = np.full(inside.shape, np.float32(9))
    distance[inside] = -q
    for side, sign in zip(SIDES, (1, -1), strict=True):
        canvas.paint(f"{side} cerebellar cortex", np.where(np.float32(sign) * p.x >= 0, distance, np.float32(9)), box)
    distance[inside] = np.float32(2.7) - q
    canvas.paint("cerebellar white matter", distance, box)


def _paint_deep(canvas: Canvas, v: Variation) -> None:
    stem = canvas.box((-30.0, 0.0, -216.0), (30.0, 70.0, 10.0))
    p = canvas.points.at(stem)
    for name, shape in (("medulla", deep.medulla), ("pons", deep.pons), ("midbrain", deep.midbrain)):
        canvas.paint(name, shape(p), stem)
    canvas.paint("fourth ventricle", deep.fourth_ventricle(p), stem)
    for side, sign in zip(SIDES, (1, -1), strict=True):
        ends = sorted((0.0, sign * 48.0))
        box = canvas.box((ends[0], -45.0, -30.0), (ends[1], 75.0, 40.0))
        whole = canvas.points.at(box)
        left = Points(np.float32(sign) * whole.x, whole.y, whole.z)
        canvas.paint(f"{side} hippocampus", deep.hippocampus(left, v.of("hippocampus", side)), box)
        canvas.paint(f"{side} lateral ventricle", deep.lateral_ventricle(left, v, v.of("ventricle", side)), box)
        canvas.paint(f"{side} thalamus", deep.thalamus(left, v.of("thalamus", side)), box)
        canvas.paint(f"{side} caudate", deep.caudate(left, v.of("caudate", side)), box)
        canvas.paint(f"{side} globus pallidus", deep.pallidum(left, v.of("pallidum", side)), box)
        _paint_putamen(canvas, side, left, v, box)
    middle = canvas.box((-10.0, -20.0, -20.0), (10.0, 35.0, 20.0))
    canvas.paint("third ventricle", deep.third_ventricle(canvas.points.at(middle), v), middle)


def _paint_putamen(canvas: Canvas, side: str, left: Points, v: Variation, box: Box) -> None:
    distance, behind = deep.putamen(left, v.of("putamen", side))
    halves = (NUMBER[f"{side} anterior putamen"], NUMBER[f"{side} posterior putamen"])
    canvas.paint(np.where(behind < 0, halves[0], halves[1]).astype(np.uint8), distance, box)
