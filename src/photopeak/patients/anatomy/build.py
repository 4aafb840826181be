"""One body on a grid, from who it is and how it varies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from photopeak.patients.anatomy.curves import rotation
from photopeak.patients.anatomy.outline import outline
from photopeak.patients.anatomy.pose import Posed
from photopeak.patients.anatomy.rasterise import Canvas, draw_bones, draw_organs, draw_outline
from photopeak.patients.anatomy.scaling import Scaling
from photopeak.patients.anatomy.shape import draw_shape
from photopeak.patients.anatomy.skeleton import GROUPS, VERTEBRAE, Skeleton, skeleton
from photopeak.patients.anatomy.uptake import Details, draw_details, primitive_uptake
from photopeak.patients.anatomy.variants import apply_variants
from photopeak.patients.anatomy.variation import Variation
from photopeak.patients.body import Body, Person

CHEST, HEAD = GROUPS.index("chest"), GROUPS.index("head")


@dataclass(frozen=True)
class Mu:
    """Linear attenuation in 1/cm; the defaults are for 140.5 keV, bone as a mean of cortex and marrow."""

    soft: float = 0.154
    lung: float = 0.042
    bone: float = 0.19


def make_body(person: Person, variation: Variation, voxel_mm: float = 3.0, mu: Mu = Mu()) -> Body:
    """Scale, pose and rasterise; ``Body.placement`` is the ``Posed`` that puts further sites in the same frame."""
    reference = skeleton()
    posed = Posed(Scaling(person, variation.build), variation.pose, draw_shape(variation.shape_seed))
    details = draw_details(reference, variation.detail_seed)
    points = posed.transform(_shifted(reference, details), reference.point_group, reference.point_side)
    radius = reference.radius_mm * np.where(reference.point_group == HEAD, posed.scaling.f_head, posed.scaling.radius)
    u = primitive_uptake(reference, person, variation, details)
    surface = outline(posed, details.contour)
    canvas = Canvas.around(*surface.extent(), voxel_mm, details.texture_shift)
    draw_outline(canvas, surface, variation.tracer.soft, mu.soft)
    _fill_bladder(reference, points, variation.tracer.bladder_ml, details.bladder)
    draw_organs(canvas, reference, points, u, (mu.soft, mu.lung))
    draw_bones(canvas, reference, (points, radius), u, mu.bone)
    apply_variants(canvas, posed, variation.variants, reference)
    x, y, z = (float(v) for v in canvas.origin_mm)
    shape = canvas.shape
    uptake, absorption, label = canvas.uptake.reshape(shape), canvas.mu.reshape(shape), canvas.label.reshape(shape)
    return Body(person, voxel_mm, (x, y, z), uptake, absorption, label, reference.names, posed, variation.variants)


def _shifted(reference: Skeleton, details: Details) -> Float[np.ndarray, "points 3"]:
    """Reference points: each bone moved by about a millimetre, vertebrae turned, ribs drooping to the front."""
    label = reference.prim_label[reference.point_prim]
    points = _turned(reference, details) + details.shift_mm[label]
    rib = _rib_numbers(reference)[label]
    front = np.clip((45.0 - reference.point_mm[:, 1]) / 135.0, 0.0, 1.0)
    which = np.where(reference.point_side > 0, 0, 1), rib - 1
    drop = details.rib_drop_mm[which] * front + 2.5 * front * np.sin(details.rib_phase[which] + 9.0 * front)
    points[:, 2] += np.where((reference.point_group == CHEST) & (rib > 0), drop, 0.0)
    return np.asarray(points)


def _turned(reference: Skeleton, details: Details) -> Float[np.ndarray, "points 3"]:
    """Reference points with each vertebra stretched and turned about its own middle."""
    label, points = reference.prim_label[reference.point_prim], reference.point_mm.copy()
    for number, name in enumerate(reference.names):
        if name in VERTEBRAE:
            here = label == number
            middle = points[here].mean(axis=0)
            own = (points[here] - middle) * details.stretch[number]
            points[here] = middle + own @ rotation(details.turn_deg[number]).T
    return points


def _rib_numbers(reference: Skeleton) -> Int[np.ndarray, "labels"]:
    """1 to 12 for ribs and costal cartilages by label, else 0."""
    number = np.zeros(256, dtype=np.int64)
    for i, name in enumerate(reference.names):
        if " rib " in name or "costal cartilage" in name:
            number[i] = int(name.rsplit(" ", 1)[1])
    return number


def _fill_bladder(
    reference: Skeleton, points: Float[np.ndarray, "points 3"], volume_ml: float, shape: Float[np.ndarray, "parts 6"]
) -> None:
    """Swell the bladder of the reference (85 ml) to its volume on its floor; ``shape`` leans, flattens and lobes it."""
    grow = (volume_ml / 85.0) ** (1.0 / 3.0)
    parts = [i for i, name in enumerate(reference.prim_name) if name.startswith("bladder")]
    floor = min(points[reference.point_prim == p, 2].min() for p in parts)
    for prim, draw in zip(parts, shape, strict=True):
        here = np.flatnonzero(reference.point_prim == prim)
        flat = np.exp(0.11 * draw[:3] - 0.11 * draw[:3].mean())
        axes = grow * flat[:, None] * (points[here[1:]] - points[here[0]]) @ rotation((0.0, 7.0 * draw[3], 0.0)).T
        away = np.array([2.0 * draw[4] * grow, 0.0, (points[here[0], 2] - floor) * (grow - 1.0) + 2.0 * draw[5]])
        points[here[0]] += away
        points[here[1:]] = points[here[0]] + axes
