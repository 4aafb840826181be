"""How one person differs from the textbook: build, posture, tracer, variants. All drawn here."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from photopeak.patients.anatomy.pose import Limbs, Pose
from photopeak.patients.anatomy.scaling import Proportions
from photopeak.patients.anatomy.skeleton import document
from photopeak.patients.anatomy.variants import draw_variants
from photopeak.patients.body import Person, Variant


@dataclass(frozen=True)
class Tracer:
    """Where the tracer that is not in bone is; concentrations relative to a vertebral body.

    ``soft``: muscle (0.012 lean and late, 0.015 usual, 0.028 heavy or early, 0.05 in renal failure);
    ``bladder`` and ``bladder_ml``: urine; ``kidney``: factor on both kidneys; ``blood``: vessels and heart.
    """

    soft: float = 0.015
    bladder: float = 1.0
    bladder_ml: float = 85.0
    kidney: float = 1.0
    blood: float = 1.0
    bone: float = 1.0


@dataclass(frozen=True)
class Variation:
    """Everything drawn for one body. Change a field with ``dataclasses.replace`` to override it.

    ``shape_seed`` bends and stretches the textbook's bones (None leaves them); ``detail_seed`` seeds the small
    draws, one for each primitive: uptake, shifts of a millimetre or so, the crowding of ribs, the texture's place.
    """

    pose: Pose = field(default_factory=Pose)
    build: Proportions = field(default_factory=Proportions)
    tracer: Tracer = field(default_factory=Tracer)
    dominant: str = "right"
    joint_wear: float = 0.0
    variants: tuple[Variant, ...] = ()
    detail_seed: int = 0
    shape_seed: int | None = None


def draw_variation(rng: np.random.Generator, person: Person, *, variants: bool = True) -> Variation:
    """One draw of everything; ``variants=False`` leaves out the normal variants and the wear of joints."""
    dominant = "right" if rng.random() < 0.9 else "left"
    build, pose, tracer = draw_build(rng, person), draw_pose(rng, person), draw_tracer(rng, person)
    wear = float(np.clip((person.age_years - 45) / 30 + 0.35 * rng.standard_normal(), 0.0, 1.8))
    found = draw_variants(rng, person, dominant)
    seed = int(rng.integers(2**63))
    worn, seen = (wear, found) if variants else (0.0, ())
    return Variation(pose, build, tracer, dominant, worn, seen, seed, seed)


def draw_build(rng: np.random.Generator, person: Person) -> Proportions:
    """Proportions vary by 2–6 %; heavy men carry it in front, and heavy chests are deep."""
    z = np.clip(rng.standard_normal(10), -2.2, 2.2)
    heavy = (person.weight_kg / person.height_m**2 - 26.0) / 10.0
    belly = 1.0 + (0.16 if person.sex == "M" else 0.05) * heavy + 0.05 * float(z[7])
    sd = np.array([0.035, 0.04, 0.05, 0.035, 0.018, 0.02, 0.03, 0.0, 0.05, 0.08])
    values = [float(v) for v in 1.0 + sd * z]
    values[2] += 0.06 * heavy
    values[7] = belly
    values[9] -= 0.22 + 0.06 * heavy
    values[6] += 0.04
    return Proportions(*values)


def draw_pose(rng: np.random.Generator, person: Person) -> Pose:
    """Posture on the table: the file's means and spreads, with arms clear of a heavy body."""
    spread = document()["pose"]["spread"]

    def draw(name: str) -> float:
        mean, sd = spread[name]
        return float(mean + sd * np.clip(rng.standard_normal(), -2.2, 2.2))

    heavy = max(0.0, person.weight_kg / person.height_m**2 - 24.0)
    age = max(0.0, person.age_years - 60.0) / 30.0
    common = {name: draw(name) for name in ("arm_abd", "leg_ext_rot", "plantar", "finger_curl", "hand_roll", "leg_abd")}
    asymmetry, lift, shrug = draw("leg_rot_asym"), draw("shoulder_lift"), draw("shrug")
    folded = rng.random() < 0.05  # hands laid on the belly
    limbs = []
    for side in (1, -1):
        own = 0.8 * np.clip(rng.standard_normal(6), -2.2, 2.2)
        each = {name: common[name] + float(own[i]) * spread[name][1] for i, name in enumerate(common)}
        each["arm_abd"] = max(each["arm_abd"], 0.5) + min(1.2 * heavy, 14.0) + (1.5 if person.sex == "F" else 0.0)
        each["fore_add"] = draw("fore_add") + min(1.3 * heavy, 16.0) + (38.0 if folded else 0.0)
        each["elbow_flex"] = max(0.0, draw("elbow_flex")) + (35.0 if folded else 0.0)
        each["leg_abd"] = float(np.clip(each["leg_abd"] + 1.2, -1.2, 3.5))
        each["leg_ext_rot"] = float(np.clip(each["leg_ext_rot"] - side * asymmetry / 2, -10.0, 65.0))
        each["finger_curl"] = float(np.clip(each["finger_curl"], 0.0, 70.0))
        limbs.append(
            Limbs(
                **each,
                hand_ulnar=draw("hand_ulnar"),
                shoulder_lift=shrug + side * lift / 2,
                scapula_turn=6.0 * float(rng.standard_normal()),
                scapula_swing=5.0 * float(rng.standard_normal()),
            )
        )
    whole = (
        "kyphosis",
        "scoliosis",
        "head_tilt",
        "head_turn",
        "head_nod",
        "roll",
        "tilt",
        "pelvis_tilt",
        "pelvis_turn",
    )
    bend = {name: draw(name) for name in whole}
    bend["kyphosis"] += 8.0 * age
    bend["scoliosis"] *= 1.0 + 0.7 * age
    return Pose(limbs[0], limbs[1], **bend)


def draw_tracer(rng: np.random.Generator, person: Person) -> Tracer:
    """Clearance and urine: soft tissue rises with weight and age, and is high where kidneys fail (4 %)."""
    z = np.clip(rng.standard_normal(5), -2.2, 2.2)
    bmi, failing = person.weight_kg / person.height_m**2, bool(rng.random() < 0.04)
    soft = 0.0172 * np.exp(0.02 * (bmi - 26) + 0.004 * (person.age_years - 64) + 0.34 * z[0])
    bladder = float(np.clip(0.9 * np.exp(0.85 * z[1]), 0.08, 3.0))
    volume = float(np.clip(100.0 * np.exp(0.8 * z[2]), 15.0, 350.0))
    if failing:
        soft, bladder = 2.4 * soft, 0.3 * bladder
    kidney = float(np.exp(0.35 * z[3])) * (0.5 if failing else 1.0)
    sex = 1.04 if person.sex == "M" else 0.97
    loss = 1.0 - 0.0025 * max(0.0, person.age_years - 60.0)
    return Tracer(float(min(soft, 0.06)), bladder, volume, kidney, float(np.exp(0.2 * z[4])), sex * loss)
