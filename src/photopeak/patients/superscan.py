"""The superscan: so much metastatic bone that the tracer leaves everything else."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from jaxtyping import Float32

from photopeak.patients.body import Body
from photopeak.patients.lesions import bare, is_bone

AXIAL = re.compile(
    r"[TL]\d+|C[3-7]|rib \d+|sternum|manubrium|ilium|acetabulum|ischium|pubis|sacrum|scapula|clavicle|skull vault"
)
MIXED = re.compile(r"C[12]|skull base|facial bones|mandible")  # partly red marrow
GRADED = ("humerus", "femur")  # red marrow at the upper end only
UPTAKE = {"axial": (2.0, 4.0), "mixed": (0.8, 1.5), "limb": (0.2, 0.4), "soft": (0.1, 0.3)}

RETAINED = (1.1, 1.4)  # activity in the body, relative to a healthy one


def superscan(body: Body, rng: np.random.Generator) -> Body:
    """Axial bone ×2–4, kidneys, bladder, soft tissue and limbs ×0.1–0.4, with a spread between bones.

    Humerus and femur go from axial at their upper end to limb below. All of it is then scaled to what such a
    body retains.
    """
    level = {name: float(rng.uniform(*between)) for name, between in UPTAKE.items()}
    factor = np.full(256, level["soft"], np.float32)
    for number, name in enumerate(body.names):
        factor[number] = level[_group(name)] * (np.exp(0.15 * rng.standard_normal()) if is_bone(name) else 1.0)
    uptake = body.uptake * np.round(factor, 4)[body.label]
    for number, name in enumerate(body.names):
        if bare(name) in GRADED:
            _grade(uptake, body, number, level["axial"] / level["limb"])
    # A body cannot hold more than was injected: healthy ones keep about 0.58 at 3 h, a superscan up to 0.8.
    before, after = (float(u.sum(dtype=np.float64)) for u in (body.uptake, uptake))
    kept = float(f"{float(rng.uniform(*RETAINED)) * before / after:.4g}")  # no last bit of a long sum in the counts
    return replace(body, uptake=uptake * np.float32(kept))


def _grade(uptake: Float32[np.ndarray, "z y x"], body: Body, number: int, at_the_top: float) -> None:
    """Multiply one bone by ``at_the_top`` at its upper end, falling to 1 over its upper two fifths (in place)."""
    z, y, x = np.nonzero(body.label == number)
    if z.size:
        height = (z - z.min()) / max(1, int(np.ptp(z)))
        gain = 1 + (at_the_top - 1) * np.clip((height - 0.6) / 0.3, 0, 1)
        uptake[z, y, x] *= np.round(gain, 4).astype(np.float32)


def _group(name: str) -> str:
    if not is_bone(name):
        return "soft"
    if AXIAL.fullmatch(bare(name)):
        return "axial"
    return "mixed" if MIXED.fullmatch(bare(name)) else "limb"
