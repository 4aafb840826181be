"""Arthritis: where degenerative joints take up tracer, on which sides, and how strongly.

It is peri-articular and crosses the joint, leads in the knee, favours the dominant shoulder and hand, and
tends to be symmetric: 45 % of affected pairs are affected on one side alone, so that the other side is affected
with probability 2·0.55/(2·0.55 + 0.45) = 0.71, which in joints affected in a fifth of patients is a correlation
between the sides of (0.71 − 0.2)/(1 − 0.2) = 0.6. Women have more of it at the base of the thumb and behind the patella
:cite:`vandenwyngaert2016`. The wear that everybody's joints show with age belongs to the anatomy.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

from photopeak.patients.anatomy import sites
from photopeak.patients.body import Body
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.lesions import Lesion, vector, vectors

STRENGTH = (0.3, 1.0)  # of the table's largest added uptake, from plain to florid
PREFERS_DOMINANT = 0.7


@lru_cache(maxsize=1)
def table() -> dict[str, dict[str, Any]]:
    """The joints: the anatomy's geometry and uptake, and what ``data/arthritis.json`` adds, by name."""
    text = (files("photopeak.patients") / "data" / "arthritis.json").read_text(encoding="utf-8")
    geometry = {row["name"]: row for row in sites("joints")}
    return {name: {**geometry[name], **more} for name, more in json.loads(text)["joints"].items()}


@dataclass(frozen=True)
class Joint:
    """One joint on one side, at one level: what a finding is placed on."""

    name: str
    side: str
    level: int = 0

    @property
    def row(self) -> dict[str, Any]:
        return table()[self.name]

    @property
    def site(self) -> str:
        """The word for it: "left knee, medial compartment", "right facet joint L4/L5"."""
        words = f"{self.side} {self.row['words']}".strip()
        return f"{words} {self.row['levels'][self.level][0]}" if "levels" in self.row else words

    @property
    def place(self) -> tuple[str, str, int]:
        """Two findings at the same place would be read as one."""
        return str(self.row["group"]), self.side, self.level


def joint_weights(sex: str, difficulty: Difficulty) -> dict[str, float]:
    """Relative number of arthritic findings by joint; they sum to 1, axial ones to the atypical share."""
    rows = table()
    weights = {n: r["weight"] * (r["female"] if sex == "F" else 1.0) for n, r in rows.items()}
    axial = sum(w for n, w in weights.items() if rows[n]["axial"])
    limbs = sum(weights.values()) - axial
    share = difficulty.arthritis_atypical_share
    return {n: w * (share / axial if rows[n]["axial"] else (1 - share) / limbs) for n, w in weights.items()}


def draw_joints(sex: str, dominant: str, difficulty: Difficulty, rng: np.random.Generator) -> list[Joint]:
    """A joint, and often the same one on the other side."""
    weights = joint_weights(sex, difficulty)
    name = str(rng.choice(list(weights), p=np.array(list(weights.values()))))
    row = table()[name]
    level = int(rng.integers(len(row["levels"]))) if "levels" in row else 0
    if not row["lr"]:
        return [Joint(name, "", level)]
    other = {"left": "right", "right": "left"}
    lead = dominant if rng.random() < (PREFERS_DOMINANT if row["dominant"] else 0.5) else other[dominant]
    both = rng.random() >= difficulty.arthritis_asymmetric_share
    return [Joint(name, side, level) for side in ((lead, other[lead]) if both else (lead,))]


def arthritis_at(
    body: Body, joint: Joint, strength: float, difficulty: Difficulty, rng: np.random.Generator, number: int
) -> Lesion:
    """The finding at one joint; ``strength`` is shared by both sides of a patient, each varies a little."""
    row = joint.row
    centre = row["levels"][joint.level][1] if "levels" in row else row["c"]
    at, axes = body.placement.ellipsoid(centre, row["s"], row["k"], joint.side)
    own = float(np.exp(0.2 * rng.standard_normal()))
    size = float(np.exp(0.1 * rng.standard_normal()))
    wanted = row["levels"][joint.level][2] if "levels" in row else row["bones"]
    within = tuple(n for b in wanted for n in (b, f"{joint.side} {b}", f"left {b}", f"right {b}") if n in body.names)
    if joint.side:
        within = tuple(n for n in within if not n.startswith({"left": "right ", "right": "left "}[joint.side]))
    return Lesion(
        number, "arthritis", joint.site, str(row["group"]), joint.side, vector(at), vectors(size * axes.T),
        added=round(strength * own * float(row["du"][1]) * difficulty.arthritis_uptake_scale, 4),
        within=tuple(dict.fromkeys(within)), roughness=0.4, crosses_joint=True,
    )  # fmt: skip


def draw_strength(difficulty: Difficulty, rng: np.random.Generator) -> float:
    """How florid one patient's arthritis is, as a share of the table's largest added uptake."""
    return float(rng.uniform(*STRENGTH) * np.exp(difficulty.arthritis_uptake_sd * rng.standard_normal()))
