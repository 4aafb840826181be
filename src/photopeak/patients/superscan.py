"""The superscan: so much metastatic bone that the tracer leaves everything else."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from photopeak.patients.body import Body
from photopeak.patients.lesions import bare, is_bone

AXIAL = re.compile(
    r"[TL]\d+|C[3-7]|rib \d+|sternum|manubrium|ilium|acetabulum|ischium|pubis|sacrum|scapula|clavicle|skull vault"
)
MIXED = re.compile(r"humerus|femur|C[12]|skull base|facial bones|mandible")  # partly red marrow
UPTAKE = {"axial": (2.0, 4.0), "mixed": (0.8, 1.5), "limb": (0.2, 0.4), "soft": (0.1, 0.3)}

RETAINED = (1.1, 1.4)  # activity in the body, relative to a healthy one


def superscan(body: Body, rng: np.random.Generator) -> Body:
    """Axial bone ×2–4, kidneys, bladder, soft tissue and limbs ×0.1–0.4, with a spread between bones.

    All of it is then scaled to what such a body retains.
    """
    level = {name: float(rng.uniform(*between)) for name, between in UPTAKE.items()}
    factor = np.full(256, level["soft"], np.float32)
    for number, name in enumerate(body.names):
        factor[number] = level[_group(name)] * (np.exp(0.15 * rng.standard_normal()) if is_bone(name) else 1.0)
    uptake = body.uptake * factor[body.label]
    # A body cannot hold more than was injected: healthy ones keep about 0.58 at 3 h, a superscan up to 0.8.
    before, after = (float(u.sum(dtype=np.float64)) for u in (body.uptake, uptake))
    kept = float(rng.uniform(*RETAINED)) * before / after
    return replace(body, uptake=uptake * np.float32(kept))


def _group(name: str) -> str:
    if not is_bone(name):
        return "soft"
    if AXIAL.fullmatch(bare(name)):
        return "axial"
    return "mixed" if MIXED.fullmatch(bare(name)) else "limb"
