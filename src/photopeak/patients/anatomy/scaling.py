"""From the reference man to a person's size and build."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from photopeak.patients.anatomy.skeleton import GROUPS, document
from photopeak.patients.body import Person

REFERENCE_HEIGHT_M = 1.76
REFERENCE_WEIGHT_KG = 73.0
HIP_Z_MM, CROWN_Z_MM = 913.0, 1762.0
NECK_Z_MM = (1480.0, 1615.0)
ANCHORED = {
    "arm": np.isin(GROUPS, ("arm", "fore", "hand", "finger")),
    "leg": np.isin(GROUPS, ("leg", "foot")),
    "head": np.isin(GROUPS, ("head",)),
}


@dataclass(frozen=True)
class Proportions:
    """How a person's build differs from the mean of the same sex and height (factors, 1 = mean)."""

    pelvis_width: float = 1.0
    thorax_width: float = 1.0
    thorax_depth: float = 1.0
    shoulder_width: float = 1.0
    leg_length: float = 1.0
    arm_length: float = 1.0
    head_size: float = 1.0
    belly: float = 1.0
    bone_width: float = 1.0
    neck_length: float = 1.0


@dataclass(frozen=True)
class Scaling:
    """Reference coordinates to one person's, before posture.

    f = H / 1.76 m. Axial bones: z·f, x and y·f^0.75 times a table of sex over z. Arms move with the
    shoulder and legs with the hip, each scaled about its own pivot; the head is scaled by f^0.45 about C1.
    """

    person: Person
    build: Proportions

    @property
    def f(self) -> float:
        return self.person.height_m / REFERENCE_HEIGHT_M

    @property
    def f_xy(self) -> float:
        return float(self.f ** document()["scale"]["bone_xy"])

    @property
    def f_head(self) -> float:
        return float(self.f ** document()["scale"]["head"] * self.build.head_size)

    @property
    def female(self) -> bool:
        return self.person.sex == "F"

    @property
    def radius(self) -> float:
        """Factor for the thickness of a bone."""
        sex = document()["scale"]["female"]["radius"] if self.female else 1.0
        return float(self.f_xy * sex * self.build.bone_width)

    def height(self, z: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """z in the body: legs longer or shorter, the crown where the height says."""
        hip = HIP_Z_MM * self.build.leg_length
        above = (z - HIP_Z_MM) * (CROWN_Z_MM - hip) / (CROWN_Z_MM - HIP_Z_MM) + hip
        neck = (1.0 - self.build.neck_length) * (np.clip(z, *NECK_Z_MM) - NECK_Z_MM[0])
        return np.asarray(self.f * (np.where(z > HIP_Z_MM, above, z * self.build.leg_length) - neck))

    def axial(self, p: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Trunk, spine, ribs, shoulder girdle and pelvis."""
        sex, b = document()["scale"]["female" if self.female else "male"], self.build
        z = p[:, 2]
        thorax = np.clip((z - 1040) / 120, 0, 1) * np.clip((1540 - z) / 60, 0, 1)
        width = 1 + (b.pelvis_width - 1) * np.clip((1120 - z) / 80, 0, 1) + (b.thorax_width - 1) * thorax
        width = width + (b.shoulder_width - 1) * np.clip((np.abs(p[:, 0]) - 70) / 80, 0, 1) * (z > 1300)
        depth = 1 + (b.thorax_depth - 1) * thorax
        x = p[:, 0] * self.f_xy * np.interp(z, sex["z"], sex["mx"]) * width
        y = p[:, 1] * self.f_xy * np.interp(z, sex["z"], sex["my"]) * depth
        return np.column_stack([x, y, self.height(z)])

    def pivot(self, name: str) -> Float[np.ndarray, "3"]:
        """A joint about which posture turns, in the scaled body."""
        point = np.asarray([document()["pose"]["pivots"][name]], dtype=np.float64)
        return np.asarray(self(point, np.array([GROUPS.index(name)]))[0])

    def __call__(self, p: Float[np.ndarray, "n 3"], group: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n 3"]:
        """Points of the reference, each with its group, in this person's size."""
        out = self.axial(p)
        pivots = document()["pose"]["pivots"]
        for anchor, groups in ANCHORED.items():
            mask = groups[group]
            if not mask.any():
                continue
            reference = np.asarray(pivots[anchor], dtype=np.float64)
            base, offset = self.axial(reference[None])[0], p[mask] - reference
            out[mask] = base + offset * self._limb(anchor)
        return out

    def _limb(self, anchor: str) -> Float[np.ndarray, "3"]:
        sex = 0.96 if self.female else 1.0
        if anchor == "head":
            return np.full(3, self.f_head * sex)
        length = self.f * (self.build.leg_length if anchor == "leg" else self.build.arm_length)
        width = self.f_xy * sex * self.build.bone_width
        return np.array([width, width, length])
