"""Normal variants: what a reader must know and not call disease."""

from __future__ import annotations

from typing import Any

import numpy as np

from photopeak.patients.anatomy.pose import Posed
from photopeak.patients.anatomy.rasterise import Canvas, modify
from photopeak.patients.anatomy.skeleton import Skeleton, document, sites
from photopeak.patients.body import Person, Variant

WOMEN_ONLY = frozenset({"breast uptake (women)"})
KIDNEY_MISSING = "kidney absent or ptotic"


def draw_variants(rng: np.random.Generator, person: Person, dominant: str) -> tuple[Variant, ...]:
    """Each variant by its prior; paired ones on one side or both, wear on the dominant side more often."""
    found = []
    for row in sites("variants"):
        present, both, which, depth = rng.random(4)
        if present >= row["p"] or (row["name"] in WOMEN_ONLY and person.sex != "F"):
            continue
        low, high = row["f"]
        factor = low + (high - low) * depth
        sides: tuple[str, ...] = ("",)
        if row["lr"]:
            one = dominant if which < 0.65 else {"left": "right", "right": "left"}[dominant]
            sides = ("left", "right") if both < _both(row) else (one,)
        found += [Variant(row["name"], side, float(factor * (1 + 0.12 * rng.standard_normal()))) for side in sides]
    found += _osteophytes(rng, person)
    return tuple(found)


def _both(row: dict[str, Any]) -> float:
    """How often a paired variant is seen on both sides."""
    if row["name"] == KIDNEY_MISSING or "asymmetry" in row["name"]:
        return 0.0
    return 0.9 if "breast" in row["name"] else 0.4


def _osteophytes(rng: np.random.Generator, person: Person) -> list[Variant]:
    """Small spurs of the thoracolumbar spine, more with age; the factor is uptake added (vertebra = 1)."""
    count = int(rng.poisson(max(0.0, person.age_years - 45.0) / 18.0))
    levels = ("T8", "T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")
    spurs = []
    for _ in range(min(count, 5)):
        level, side = levels[int(rng.integers(len(levels)))], "left" if rng.random() < 0.5 else "right"
        spurs.append(Variant(f"osteophyte {level}", side, float(rng.uniform(0.1, 0.4))))
    return spurs


def apply_variants(canvas: Canvas, posed: Posed, found: tuple[Variant, ...], skeleton: Skeleton) -> None:
    """Put the drawn variants into the rasterised body."""
    rows = {row["name"]: row for row in sites("variants")}
    bone = first_bone(skeleton)
    for variant in found:
        if variant.name == KIDNEY_MISSING:
            continue
        if variant.name.startswith("osteophyte"):
            spur = posed.ellipsoid(*_spur(variant.name.split()[1]), "spine", variant.side)
            modify(canvas, spur, add=variant.factor, label_from=1)
            continue
        row = rows[variant.name]
        place = posed.ellipsoid(row["c"], row["s"], row["k"], variant.side)
        if row["add"]:
            modify(canvas, place, add=variant.factor, label_from=1)
        else:
            modify(canvas, place, factor=variant.factor, label_from=bone)


def first_bone(skeleton: Skeleton) -> int:
    """The lowest number of a bone; organs and soft tissue are below it."""
    return int(skeleton.prim_label[~skeleton.prim_organ].min())


def _spur(level: str) -> tuple[list[float], list[float]]:
    """Centre and semi-axes of a spur at the lower rim of a vertebral body, on the left."""
    row = next(r for r in document()["vertebrae"]["rows"] if r[0] == level)
    z, y, a, c = row[1], row[2], row[3], row[5]
    return [0.92 * a, y - 4.0, z - c - 1.0], [7.0, 11.0, 5.0]
