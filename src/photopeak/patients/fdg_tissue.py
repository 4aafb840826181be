"""Where FDG goes in a healthy person, an hour after it was given: standardised uptake of every voxel.

Muscle, marrow, blood, liver and spleen take up evenly; brain, urine, and the heart of one who ate stand out; bowel,
tonsils, glands and testes vary from person to person :cite:`boellaard2015`. Figures are SUV by body weight, median and
log-normal spread between people. Brain, tonsils and testes are as measured :cite:`wang2007`; the others are what is
usual, and a judgement.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from photopeak.patients.anatomy import Mu, draw_variation, make_body
from photopeak.patients.anatomy.rasterise import Canvas, frames
from photopeak.patients.anatomy.soft_kernels import SOFT_TISSUE, soft_ellipsoids
from photopeak.patients.anatomy.texture import SIDE, tile
from photopeak.patients.body import Body, Person
from photopeak.patients.fdg_organs import Blob, blobs, draw
from photopeak.patients.heart import chambers, draw_heart
from photopeak.patients.lesions import is_bone
from photopeak.patients.thorax import raised, without_heart
from photopeak.physics.materials import mu_per_cm
from photopeak.physics.nuclides import ANNIHILATION_KEV

MUSCLE, FAT, LUNG = (0.65, 0.15), (0.28, 0.15), (0.42, 0.18)
BLOOD, LIVER, SPLEEN = (1.6, 0.12), (2.1, 0.13), (1.75, 0.15)
LIMB_VESSELS: Final = 0.55
"""Of blood: the canvas draws an artery, a vein and the fat around them as one; the aorta is drawn anew."""
MARROW: Final = (1.5, 0.18)
"""Of a vertebra."""
#: share of a vertebra's marrow uptake that other bones have
BONES: Final = {
    "sacrum": 0.85, "ilium": 0.8, "acetabulum": 0.65, "pubis": 0.6, "ischium": 0.6, "sternum": 0.9, "manubrium": 0.9,
    "rib": 0.65, "scapula": 0.55, "clavicle": 0.6, "femur": 0.36, "humerus": 0.4, "skull": 0.6, "facial": 0.75,
    "mandible": 0.7, "costal": 0.4,
}  # fmt: skip
OTHER_BONE: Final = 0.3
THYROID, MUCOSA, LARYNX = (1.3, 0.3), (1.7, 0.25), (1.6, 0.35)
GREY_MATTER, WHITE_MATTER = (9.5, 0.22), 0.38
CORTEX_MM: Final = 7.0
URINE: Final = (16.0, 0.55)
KIDNEY: Final = (3.2, 0.2)
HEART_FASTED, HEART_FED = (1.5, 0.3), (7.5, 0.4)
FED: Final = 0.6
"""Share of the patients whose heart takes up, in spite of a night's fast."""
RIGHT_WALL: Final = 0.4
EVEN: Final = 0.5
"""Power of the texture that bone tracers have: FDG lies more evenly."""
FAT_SHARE: Final = 0.6  # what the body's canvas gives a rim of fat


def fdg_body(person: Person, rng: np.random.Generator, voxel_mm: float) -> tuple[Body, float]:
    """A person on the table, both arms over the head, after emptying the bladder; and the canvas' soft tissue."""
    drawn = draw_variation(rng, person, variants=False)
    pose = dataclasses.replace(drawn.pose, left=raised(drawn.pose.left), right=raised(drawn.pose.right))
    tracer = dataclasses.replace(drawn.tracer, bladder=1.0, bladder_ml=float(rng.uniform(70.0, 220.0)))
    soft, lung, bone = (mu_per_cm(name, ANNIHILATION_KEV) for name in ("muscle", "lung", "skull"))
    made = make_body(person, dataclasses.replace(drawn, pose=pose, tracer=tracer), voxel_mm, Mu(soft, lung, bone))
    return made, tracer.soft


def with_fdg(made: tuple[Body, float], anatomy: np.random.Generator, tracer: np.random.Generator) -> Body:
    """The body with its SUV as ``uptake``, and the organs that the skeleton's body lacks."""
    body, soft = made
    label, mu = body.label.copy(), body.mu_per_cm.copy()
    without_heart(body, label, mu, ANNIHILATION_KEV)
    told = levels(tracer)
    uptake = _by_structure(body, label, soft, told)
    _brain(body, uptake, tracer)
    bone = np.array([is_bone(n) for n in body.names])[body.label]
    kept = uptake[bone], mu[bone], label[bone]
    extra = blobs(body, anatomy, tracer, told)
    names = (*body.names, *dict.fromkeys(b.name for b in extra if b.name not in body.names))
    names = (*names, *(n for n in ("left ventricle", "blood pool") if n not in names))
    origin = np.array(body.origin_mm)
    canvas = Canvas(body.voxel_mm, origin, body.uptake.shape, uptake.ravel(), mu.ravel(), label.ravel(), (0, 0, 0))
    paint_blobs(canvas, extra, names)
    uptake[bone], mu[bone], label[bone] = kept
    done = dataclasses.replace(body, uptake=uptake, mu_per_cm=mu, label=label, names=names)
    _lay_heart(done, told["blood pool"], anatomy, tracer)
    return done


def paint_blobs(canvas: Canvas, each: Sequence[Blob], names: tuple[str, ...]) -> None:
    """Ellipsoids one over the other."""
    value, mu = np.array([b.suv for b in each]), np.full(len(each), mu_per_cm("muscle", ANNIHILATION_KEV))
    number = np.array([names.index(b.name) for b in each], np.uint8)
    place = frames(np.stack([b.centre_mm for b in each]), np.stack([b.axes_mm for b in each]), canvas)
    patchy, shift = canvas.texture("soft")
    soft_ellipsoids(place, (value, mu, number), (patchy**EVEN, shift), canvas.shape, canvas.out)


def levels(rng: np.random.Generator) -> dict[str, float]:
    """One person's SUV of every structure that has one of its own."""
    blood, muscle, lung = (draw(m, rng) for m in (BLOOD, MUSCLE, LUNG))
    told = {"blood pool": blood, "vessels": LIMB_VESSELS * blood, "soft tissue": muscle, "fat": draw(FAT, rng)}
    told |= {"left lung": lung, "right lung": lung, "heart": muscle, "brain": muscle, "genitals": muscle}
    told |= {"liver": draw(LIVER, rng), "spleen": draw(SPLEEN, rng), "bladder": draw(URINE, rng)}
    told |= {"thyroid": draw(THYROID, rng), "thyroid cartilage": draw(LARYNX, rng), "nasopharynx": draw(MUCOSA, rng)}
    return told | dict.fromkeys(("left kidney", "right kidney"), draw(KIDNEY, rng)) | {"marrow": draw(MARROW, rng)}


def _by_structure(
    body: Body, label: UInt8[np.ndarray, "z y x"], soft: float, told: Mapping[str, float]
) -> Float32[np.ndarray, "z y x"]:
    """SUV by the structure that owns a voxel; muscle and the rim of fat are told apart by the canvas."""
    table = np.zeros(256, np.float32)
    table[1 : len(body.names)] = [told.get(n, told["marrow"] * share_of_marrow(n)) for n in body.names[1:]]
    uptake: Float32[np.ndarray, "z y x"] = table[label]
    z, y, x = (np.arange(n) & (SIDE - 1) for n in label.shape)
    uptake *= tile(body.voxel_mm, "soft")[z[:, None, None], y[None, :, None], x[None, None]] ** EVEN
    # The canvas has muscle at ``soft`` and fat at 0.6 of it, patchy, times how full a voxel of the skin is; where a
    # bone fills part of a voxel, it has the bone's.
    full = np.minimum(body.mu_per_cm / mu_per_cm("muscle", ANNIHILATION_KEV), 1.0)
    seen = np.minimum(body.uptake / np.maximum(soft * full, 1e-9), 1.3)
    lean = np.clip((seen - FAT_SHARE) / (0.85 - FAT_SHARE), 0.0, 1.0)
    patchy = (seen / (FAT_SHARE + (1.0 - FAT_SHARE) * lean)) ** EVEN
    own = full * (told["fat"] + (told["soft tissue"] - told["fat"]) * lean) * patchy
    uptake[label == SOFT_TISSUE] = own[label == SOFT_TISSUE]
    return uptake


def share_of_marrow(name: str) -> float:
    """What a bone takes up, of a vertebra.

    >>> share_of_marrow("L3"), share_of_marrow("left rib 5"), share_of_marrow("right tibia")
    (1.0, 0.65, 0.3)
    """
    if name[:1] in "CTL" and name[1:].isdigit():
        return 1.0
    return next((v for word, v in BONES.items() if word in name), OTHER_BONE)


def _brain(body: Body, uptake: Float32[np.ndarray, "z y x"], rng: np.random.Generator) -> None:
    """Cortex as a folded shell, white matter, and grey nuclei in the middle."""
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    whole: Bool[np.ndarray, "z y x"] = body.label == body.names.index("brain")
    where = [np.flatnonzero(whole.any(tuple(k for k in range(3) if k != axis))) for axis in range(3)]
    box = tuple(slice(w[0] - 1, w[-1] + 2) for w in where)
    inside, edge = whole[box], body.voxel_mm
    depth = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1, 1:-1] * edge
    folds = gaussian_filter(rng.standard_normal(inside.shape), 5.0 / edge)
    folds *= 5.0 / max(float(folds.std()), 1e-9)
    axes = [np.linspace(-1.0, 1.0, n) for n in inside.shape]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    nuclei = ((np.abs(x) - 0.25) / 0.16) ** 2 + ((y + 0.05) / 0.28) ** 2 + ((z + 0.05) / 0.2) ** 2 < 1.0
    grey = np.clip(0.5 - (depth - 2.2 * CORTEX_MM - folds) / 6.0, 0.0, 1.0)
    grey = np.maximum(grey * np.clip(0.82 + 0.036 * folds, 0.4, 1.0), 0.95 * nuclei)
    suv = draw(GREY_MATTER, rng) * (WHITE_MATTER + (1.0 - WHITE_MATTER) * grey)
    uptake[box][inside] = suv[inside]


def _lay_heart(body: Body, blood: float, anatomy: np.random.Generator, tracer: np.random.Generator) -> None:
    """The ventricles' walls and blood, in place."""
    c = chambers(draw_heart(body, anatomy), body)
    fed = bool(tracer.random() < FED)
    wall = draw(HEART_FED if fed else HEART_FASTED, tracer)
    uptake, mu, label = (a[c.box] for a in (body.uptake, body.mu_per_cm, body.label))
    # In a heart that takes up, uptake is uneven: less at the septum and the apex, more at the side and the base.
    uneven = 1.0 + (0.18 if fed else 0.05) * np.sin(np.deg2rad(c.phi_deg) + float(tracer.uniform(0.0, 2.0 * np.pi)))
    filled = np.clip(c.wall + c.cavity + c.right_wall + c.right_cavity, 0.0, 1.0)
    uptake *= 1.0 - filled
    uptake += wall * c.wall * uneven + RIGHT_WALL * wall * c.right_wall + blood * (c.cavity + c.right_cavity)
    mu += filled * (np.float32(mu_per_cm("muscle", ANNIHILATION_KEV)) - mu)
    label[(c.cavity + c.right_wall + c.right_cavity) >= 0.5] = body.names.index("blood pool")
    label[c.wall >= 0.5] = body.names.index("left ventricle")
