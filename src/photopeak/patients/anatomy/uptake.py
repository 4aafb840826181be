"""Tracer concentration of every primitive of one person (vertebral body = 1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from photopeak.patients.anatomy.skeleton import Skeleton
from photopeak.patients.anatomy.variants import KIDNEY_MISSING
from photopeak.patients.anatomy.variation import Variation
from photopeak.patients.body import Person

REGION_SHARE, PLACE_SHARE, BONE_SHARE, PRIMITIVE_SHARE, SIDE_SHARE = 0.55, 0.45, 0.25, 0.35, 0.2
PLACE_WAVES, PLACE_MM = 24, (200.0, 700.0)
"""Lengths of the waves by which neighbouring bones shine alike."""
TURN_DEG, STRETCH = 3.0, 0.05
"""Standard deviations, about and along each axis, of what a vertebra's posture and shape are its own by."""
RENAL, BLOOD = ("kidney", "kidney.pelvis"), ("heart", "vessel")


@dataclass(frozen=True, eq=False)
class Details:
    """Small draws of one body, seeded by ``Variation.detail_seed``."""

    ln_region: Float[np.ndarray, "prims"]
    ln_place: Float[np.ndarray, "prims"]
    ln_primitive: Float[np.ndarray, "prims"]
    ln_bone: Float[np.ndarray, "prims"]
    ln_side: Float[np.ndarray, "prims"]
    shift_mm: Float[np.ndarray, "labels 3"]
    turn_deg: Float[np.ndarray, "labels 3"]
    stretch: Float[np.ndarray, "labels 3"]
    rib_drop_mm: Float[np.ndarray, "sides ribs"]
    rib_phase: Float[np.ndarray, "sides ribs"]
    texture_shift: tuple[int, int, int]
    bladder: Float[np.ndarray, "parts 6"]
    contour: Float[np.ndarray, "lofts waves 4"]


def draw_details(skeleton: Skeleton, seed: int) -> Details:
    """N(0, 1) for each region, primitive and region's side; shifts of bones; droop of the twelve rib pairs."""
    rng = np.random.Generator(np.random.Philox(seed))
    regions = {name: i for i, name in enumerate(dict.fromkeys(skeleton.prim_region))}
    index = np.array([regions[name] for name in skeleton.prim_region])
    z = [rng.standard_normal(n) for n in (len(regions), len(index), 3 * len(regions))]
    shift = 1.2 * rng.standard_normal((256, 3))
    turn, stretch = TURN_DEG * rng.standard_normal((256, 3)), np.exp(STRETCH * rng.standard_normal((256, 3)))
    alone, walk = rng.standard_normal((2, 12)), rng.standard_normal((2, 12)).cumsum(axis=1)
    rib = 3.2 * alone + 1.6 * (walk - walk.mean(axis=1, keepdims=True)) + 2.0 * rng.standard_normal((2, 1))
    dx, dy, dz = (int(v) for v in rng.integers(0, 64, 3))
    side = z[2][index + len(regions) * (skeleton.prim_side + 1)]
    bladder = np.clip(rng.standard_normal((2, 6)), -2.0, 2.0)
    contour = rng.standard_normal((3, 3, 4))
    bone = rng.standard_normal(256)[skeleton.prim_label]
    phase, place = rng.uniform(0, 2 * np.pi, (2, 12)), _place(skeleton, rng)
    return Details(
        z[0][index], place, z[1], bone, side, shift, turn, stretch, rib, phase, (dx, dy, dz), bladder, contour
    )


def _place(skeleton: Skeleton, rng: np.random.Generator) -> Float[np.ndarray, "prims"]:
    """A smooth N(0, 1) field over the body at each primitive's middle, so that neighbours shine alike."""
    count = np.bincount(skeleton.point_prim)
    middle = np.column_stack([np.bincount(skeleton.point_prim, weights=x) / count for x in skeleton.point_mm.T])
    middle[:, 0] *= np.where(skeleton.prim_side < 0, -1.0, 1.0)
    direction = rng.standard_normal((PLACE_WAVES, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    k = 2 * np.pi * direction / rng.uniform(*PLACE_MM, (PLACE_WAVES, 1))
    height = np.sqrt(2.0 / PLACE_WAVES) * rng.standard_normal(PLACE_WAVES)
    return np.asarray(np.sin(middle @ k.T + rng.uniform(0, 2 * np.pi, PLACE_WAVES)) @ height)


def primitive_uptake(
    skeleton: Skeleton, person: Person, variation: Variation, details: Details
) -> Float[np.ndarray, "prims"]:
    """ln u = ln u₀ + sd (0.55 region + 0.45 place + 0.25 bone + 0.35 primitive + 0.2 side) + wear, times turnover."""
    spread = REGION_SHARE * details.ln_region + PLACE_SHARE * details.ln_place
    spread += PRIMITIVE_SHARE * details.ln_primitive + SIDE_SHARE * details.ln_side
    spread += BONE_SHARE * (1.0 + 0.5 * variation.joint_wear) * details.ln_bone
    ln_u = skeleton.prim_sd * np.clip(spread, -2.3, 2.3)
    ln_u += _wear(skeleton, variation) * (0.02 + 0.07 * np.clip(details.ln_primitive, -1.5, 2.0))
    u = skeleton.prim_u * np.exp(ln_u)
    tracer, name = variation.tracer, np.array(skeleton.prim_name)
    u = np.where(skeleton.prim_organ, u * (tracer.soft / 0.015) ** 0.7, u * tracer.bone)
    u[np.isin(name, RENAL)] = (skeleton.prim_u * np.exp(ln_u) * tracer.kidney)[np.isin(name, RENAL)]
    u[np.char.startswith(name, "bladder")] = tracer.bladder
    u[np.isin(skeleton.prim_region, BLOOD)] *= tracer.blood
    if person.sex == "F":
        u[np.isin(name, ("genitals", "penis"))] = 0.0
    for found in variation.variants:
        if found.name == KIDNEY_MISSING:
            u[np.isin(name, RENAL) & (skeleton.prim_side == (1 if found.side == "left" else -1))] = tracer.soft
    return np.asarray(u)


def _wear(skeleton: Skeleton, variation: Variation) -> Float[np.ndarray, "prims"]:
    """How worn each primitive's joint is; none where it belongs to no joint, shoulder and wrist more if dominant."""
    jointed = np.array([joint != "" for joint in skeleton.prim_joint])
    used = np.isin(skeleton.prim_joint, ("glenohumeral", "acromioclavicular", "sternoclavicular", "wrist"))
    used |= np.isin(skeleton.prim_joint, ("first carpometacarpal",))
    dominant = skeleton.prim_side == (1 if variation.dominant == "left" else -1)
    return np.where(jointed, variation.joint_wear + np.where(used & dominant, 0.5, 0.0), 0.0)
