"""Chest and upper abdomen an hour after a perfusion tracer: the heart, and what shines and absorbs around it.

Concentrations are relative to normal left-ventricular wall. The heart takes up 1.2 % of the activity at rest and 1.5 %
at stress; liver and gall bladder excrete most of the rest, more of it lies in the liver at rest than after exercise
:cite:`wackers1989`. How strong stomach and bowel shine is a judgement, made so that one in four is in the way.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32, Shaped, UInt8

from photopeak.patients.anatomy import draw_person, draw_variation, make_body
from photopeak.patients.anatomy.pose import Limbs
from photopeak.patients.anatomy.rasterise import Canvas, frames
from photopeak.patients.anatomy.soft_kernels import SOFT_TISSUE, soft_ellipsoids
from photopeak.patients.anatomy.texture import SIDE, tile
from photopeak.patients.body import Body
from photopeak.patients.coronary import Defect, HeartPlan, State, perfusion
from photopeak.patients.heart import Chambers, Heart, chambers, draw_heart
from photopeak.patients.ventricle import SEGMENTS, segment_of
from photopeak.physics.materials import mu_per_cm

ENERGY_KEV: Final = 140.511
HEART_SHARE: Final = {"stress": 0.015, "rest": 0.012}
BLOOD, RIGHT, MARROW = 0.045, 0.75, 0.13
#: median and log-normal spread by organ
QUIET: Final = {
    "soft tissue": (0.075, 0.2),
    "left lung": (0.07, 0.2),
    "spleen": (0.28, 0.25),
    "left kidney": (1.0, 0.3),
}
LIVER: Final = {"stress": (0.32, 0.28), "rest": (0.46, 0.28)}
GALL_BLADDER, STOMACH, BOWEL = (1.6, 0.6), (0.16, 0.5), (0.3, 0.5)
LABELS: Final = ("gall bladder", "stomach", "bowel", "diaphragm", *(f"LV {n}" for n in SEGMENTS))
LABELS_RIGHT: Final = ("left ventricular cavity", "right ventricle")
#: organs that the skeleton does not have: label, centre, semi-axes (mm, reference body); later ones lie over earlier
ORGANS: Final = (
    ("diaphragm", (70.0, 12.0, 1240.0), (62.0, 78.0, 66.0)),
    ("liver", (8.0, -46.0, 1258.0), (52.0, 40.0, 30.0)),
    ("liver", (-66.0, -8.0, 1246.0), (74.0, 84.0, 66.0)),
    ("stomach", (66.0, -8.0, 1248.0), (34.0, 42.0, 40.0)),
    ("spleen", (100.0, 52.0, 1248.0), (24.0, 38.0, 44.0)),
    ("gall bladder", (-48.0, -84.0, 1196.0), (15.0, 19.0, 29.0)),
    ("bowel", (22.0, -62.0, 1172.0), (26.0, 20.0, 17.0)),
    ("bowel", (62.0, -58.0, 1160.0), (27.0, 22.0, 20.0)),
    ("bowel", (-30.0, -52.0, 1140.0), (30.0, 22.0, 18.0)),
    ("bowel", (24.0, -60.0, 1120.0), (44.0, 22.0, 16.0)),
)
#: how far the dome of the diaphragm and what lies under it stand up (mm); men's lie higher on their backs
RAISED_MM: Final = {"M": (7.0, 7.0), "F": (-4.0, 6.0)}


@dataclass(frozen=True, eq=False)
class Patient:
    """One patient in one state: ``body.uptake`` relative to normal wall, its heart, and the chambers' voxels."""

    body: Body
    heart: Heart
    chambers: Chambers
    left: Float32[np.ndarray, "z y x"]  # perfusion as a share of normal, on the chambers' box
    heart_ml: float  # of both ventricles' walls, as normal wall


def healthy_body(patient: HeartPlan, rng: np.random.Generator, voxel_mm: float) -> Body:
    """A person on the table with both arms over the head."""
    body = arms_raised(patient.sex, patient.age_years, rng, voxel_mm)
    return _room_before(body, round(40.0 / voxel_mm))


def arms_raised(sex: str, age_years: float, rng: np.random.Generator, voxel_mm: float) -> Body:
    """A drawn person without normal variants, both arms over the head."""
    person = draw_person(rng, sex=sex, age_years=age_years)
    drawn = draw_variation(rng, person, variants=False)
    pose = dataclasses.replace(drawn.pose, left=raised(drawn.pose.left), right=raised(drawn.pose.right))
    return make_body(person, dataclasses.replace(drawn, pose=pose), voxel_mm)


def _room_before(body: Body, voxels: int) -> Body:
    """Air before the chest, so that a breast may lie higher than the skeleton's."""
    air = ((0, 0), (voxels, 0), (0, 0))
    x, y, z = body.origin_mm
    return dataclasses.replace(
        body,
        origin_mm=(x, y - voxels * body.voxel_mm, z),
        uptake=np.pad(body.uptake, air),
        mu_per_cm=np.pad(body.mu_per_cm, air),
        label=np.pad(body.label, air),
    )


def raised(limbs: Limbs) -> Limbs:
    """An arm over the head."""
    return dataclasses.replace(limbs, arm_abd=168.0, fore_add=0.0, elbow_flex=0.0)


def with_heart(
    body: Body, defects: tuple[Defect, ...], state: State, anatomy: np.random.Generator, tracer: np.random.Generator
) -> Patient:
    """Organs and heart in a body, and where the tracer went; ``anatomy`` does not depend on the state."""
    heart = draw_heart(body, anatomy)
    names = (*body.names, *(n for n in (*LABELS, *LABELS_RIGHT) if n not in body.names))
    uptake, mu, label = _quiet(body, state, tracer)
    canvas = Canvas(
        body.voxel_mm, np.array(body.origin_mm), body.uptake.shape, uptake.ravel(), mu.ravel(), label.ravel(), (0, 0, 0)
    )  # fmt: skip
    _organs(canvas, body, names, (state, anatomy, tracer))
    drawn = chambers(heart, body)
    place = (drawn.u, drawn.phi_deg, drawn.depth)
    left = perfusion(defects, state, place, (heart.shell.radius_mm, heart.shell.length_mm)).astype(np.float32)
    laid = (left * heart.uneven(drawn.phi_deg, drawn.u)).astype(np.float32)
    _lay(drawn, laid, (uptake, mu, label), names)
    done = dataclasses.replace(body, uptake=uptake, mu_per_cm=mu, label=label, names=names)
    voxel_ml = body.voxel_mm**3 / 1000.0
    walls = float(drawn.wall.sum(dtype=np.float64)) + RIGHT * float(drawn.right_wall.sum(dtype=np.float64))
    return Patient(done, heart, drawn, left, walls * voxel_ml)


def _drawn(median: tuple[float, float], rng: np.random.Generator) -> float:
    return median[0] * float(np.exp(median[1] * np.clip(rng.standard_normal(), -2.0, 2.0)))


def _quiet(
    body: Body, state: State, rng: np.random.Generator
) -> tuple[Float32[np.ndarray, "z y x"], Float32[np.ndarray, "z y x"], UInt8[np.ndarray, "z y x"]]:
    """Uptake, μ and label before the new organs: bones by their marrow, the skeleton's heart gone."""
    soft, lung, spleen, kidney = (_drawn(QUIET[k], rng) for k in ("soft tissue", "left lung", "spleen", "left kidney"))
    told = {"": 0.0, "soft tissue": soft, "left lung": lung, "right lung": lung, "spleen": spleen, "vessels": BLOOD}
    told |= {"left kidney": kidney, "right kidney": kidney, "liver": _drawn(LIVER[state], rng), "heart": soft}
    table = np.full(256, 0.0, np.float32)
    table[: len(body.names)] = [told.get(n, soft if n in ("brain", "bladder") else MARROW) for n in body.names]
    label, mu = body.label.copy(), body.mu_per_cm.copy()
    without_heart(body, label, mu, ENERGY_KEV)
    uptake = table[label]
    z, y, x = (np.arange(n) & (SIDE - 1) for n in label.shape)
    uptake *= tile(body.voxel_mm, "soft")[z[:, None, None], y[None, :, None], x[None, None]]
    # Where the skin's voxels are half full, so is the tracer.
    np.multiply(uptake, np.minimum(mu / mu_per_cm("lung", ENERGY_KEV), 1.0), out=uptake, where=label == SOFT_TISSUE)
    return uptake, mu, label


def without_heart(
    body: Body, label: UInt8[np.ndarray, "z y x"], mu: Float32[np.ndarray, "z y x"], energy_kev: float
) -> None:
    """Lung again where the skeleton's round heart lay in the left lung; mediastinum elsewhere."""
    from scipy.ndimage import binary_dilation

    names = body.names
    lung, old = names.index("left lung"), label == names.index("heart")
    of_lung = np.float32(np.median(mu[label == lung]))
    z, y, x = np.nonzero(old)
    points = np.stack([body.origin_mm[k] + body.voxel_mm * v for k, v in ((0, x), (1, y), (2, z))], -1)
    centre, axes = body.placement.ellipsoid((76.0, 8.0, 1375.0), (46.0, 78.0, 105.0), "chest", "left")
    inside = np.linalg.norm((points - centre) @ np.linalg.inv(axes).T, axis=-1) < 1.0
    label[z, y, x] = np.where(inside, lung, SOFT_TISSUE)
    mu[z, y, x] = np.where(inside, of_lung, np.float32(mu_per_cm("muscle", energy_kev)))
    near = slice(z.min() - 2, z.max() + 3), slice(y.min() - 2, y.max() + 3), slice(x.min() - 2, x.max() + 3)
    # Its rim was mixed of heart and lung.
    mu[near][binary_dilation(old[near], iterations=2) & (label[near] == lung)] = of_lung


def _organs(
    canvas: Canvas, body: Body, names: tuple[str, ...], how: tuple[State, np.random.Generator, np.random.Generator]
) -> None:
    """Ellipsoids of the upper abdomen over the body, and a lying woman's breasts."""
    state, anatomy, tracer = how
    sex = body.person.sex
    up = RAISED_MM[sex][0] + RAISED_MM[sex][1] * float(np.clip(anatomy.standard_normal(), -2.0, 2.0))
    wobble = 3.0 * np.clip(anatomy.standard_normal((len(ORGANS), 3)), -2.0, 2.0)
    liver = float(np.median(canvas.uptake[canvas.label == names.index("liver")]))
    shine = {
        "diaphragm": _drawn(QUIET["soft tissue"], tracer),
        "liver": liver,
        "spleen": _drawn(QUIET["spleen"], tracer),
    }
    shine |= {"gall bladder": _drawn(GALL_BLADDER, tracer), "stomach": _drawn(STOMACH, tracer)}
    shine["bowel"] = _drawn(BOWEL, tracer) * (1.3 if state == "rest" else 1.0)
    if tracer.random() < 0.12:  # bile that flowed back
        shine["stomach"] *= 4.0
    centres, axes, each = [], [], []
    for (name, centre, semi), away in zip(ORGANS, wobble, strict=True):
        lifted = np.array(centre) + away + np.array([0.0, 0.0, up if centre[2] > 1210.0 else 0.0])
        c, a = body.placement.ellipsoid(lifted, semi, "chest", "")
        centres.append(c)
        axes.append(a)
        each.append((shine[name], names.index(name)))
    if sex == "F":
        size = float(np.clip(np.exp(0.22 * anatomy.standard_normal()), 0.65, 1.5))
        size *= float(np.sqrt(body.person.weight_kg / 65.0))
        for side in ("left", "right"):
            c, a = body.placement.ellipsoid((84.0, -102.0, 1328.0), (62.0, 44.0 * size, 60.0), "chest", side)
            centres.append(c)
            axes.append(a)
            each.append((0.7 * shine["diaphragm"], SOFT_TISSUE))
    value, number = (np.array(v) for v in zip(*each, strict=True))
    tissue = (value, np.full(len(value), mu_per_cm("muscle", ENERGY_KEV)), number.astype(np.uint8))
    place = frames(np.array(centres), np.array(axes), canvas)
    soft_ellipsoids(place, tissue, canvas.texture("soft"), canvas.shape, canvas.out)


def _lay(
    c: Chambers, left: Float32[np.ndarray, "z y x"], arrays: tuple[Shaped[np.ndarray, "..."], ...],
    names: tuple[str, ...],
) -> None:  # fmt: skip
    """Walls and blood over what lies there, by their shares of every voxel."""
    uptake, mu, label = (a[c.box] for a in arrays)
    filled = np.clip(c.wall + c.cavity + c.right_wall + c.right_cavity, 0.0, 1.0)
    uptake *= 1.0 - filled
    uptake += c.wall * left + RIGHT * c.right_wall + np.float32(BLOOD) * (c.cavity + c.right_cavity)
    mu += filled * (np.float32(mu_per_cm("muscle", ENERGY_KEV)) - mu)
    first = names.index(f"LV {SEGMENTS[0]}")
    number = segment_of(c.u, c.phi_deg) - 1 + first
    label[c.cavity >= 0.5] = names.index("left ventricular cavity")
    label[(c.right_wall + c.right_cavity) >= 0.5] = names.index("right ventricle")
    label[c.wall >= 0.5] = number[c.wall >= 0.5].astype(np.uint8)
