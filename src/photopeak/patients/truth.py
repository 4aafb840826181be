"""What is known of a simulated scan and a reader has to find: regions, lesions, visibility, labels.

*Regions*: each pixel of each view belongs to the named region that sends it the most counts through the
body (soft tissue and organs without a region are seen through; gaps of one ray are closed). *Lesions*:
each pixel belongs to the annotated lesion that adds the most counts there, inside that lesion's mask
(``visibility``: 42 % of its maximum). Both follow the patient's motion. Lesions that a view does not show
are listed, with their contrast-to-noise ratio, but are not in its mask.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from photopeak.core import Measurement
from photopeak.core.study import Json
from photopeak.patients.acquisition import Acquisition, moved
from photopeak.patients.body import Body
from photopeak.patients.disease import Disease, Finding
from photopeak.patients.truth_kernels import close_gaps, strongest_region
from photopeak.patients.visibility import MASK_LEVEL, VIEWS, Footprint, Viewing
from photopeak.physics import planar_geometry as geometry

Points = list[list[float]]
POLYGON_POINTS = 24  # about as many as a careful physician clicks
MU_SOFT = 0.154  # 1/cm at 140.5 keV


@dataclass(frozen=True, eq=False)
class Truth:
    """The truth of both views: masks with the names of their numbers, and everything else as a document."""

    regions: UInt8[np.ndarray, "view row column"]
    region_names: dict[int, str]
    lesions: UInt8[np.ndarray, "view row column"]
    lesion_names: dict[int, str]
    visibility: tuple[Measurement, ...]
    document: dict[str, Json]


def truth_of(disease: Disease, viewing: Viewing, acquisition: Acquisition) -> Truth:
    """The truth of one scan, as the acquisition's motion leaves it."""
    seen = [_shifted(f, acquisition) for f in disease.findings]
    lesions = lesion_map(disease.findings, seen, viewing.camera.matrix)
    names = {f.lesion.id: f"{f.lesion.kind}: {f.lesion.site}" for f in disease.findings if any(f.annotated)}
    regions = moved(region_map(disease.body, viewing), acquisition)
    return Truth(regions, region_names(), lesions, names, visibility(disease), _document(disease, seen, acquisition))


@lru_cache(maxsize=1)
def _patterns() -> dict[str, str]:
    text = (files("photopeak.patients") / "data" / "regions.json").read_text(encoding="utf-8")
    return dict(json.loads(text)["regions"])


def region_names() -> dict[int, str]:
    """The regions by number.

    >>> region_names()[1], len(region_names()) >= 20
    ('skull', True)
    """
    return dict(enumerate(_patterns(), 1))


def region_of(structure: str) -> str:
    """The region that a named structure belongs to, "" for none.

    >>> region_of("left rib 5"), region_of("L3"), region_of("liver")
    ('left ribs', 'lumbar spine', '')
    """
    return next((region for region, pattern in _patterns().items() if re.fullmatch(pattern, structure)), "")


@lru_cache(maxsize=4)
def _region_numbers(names: tuple[str, ...]) -> UInt8[np.ndarray, "labels"]:
    number = {region: i for i, region in region_names().items()}
    table = np.zeros(256, np.uint8)
    table[: len(names)] = [number.get(region_of(n), 0) for n in names]
    return table


def region_map(body: Body, viewing: Viewing) -> UInt8[np.ndarray, "view row column"]:
    """The region that shines most in each pixel, 0 where there is none; pixels take the nearest ray."""
    place, camera = viewing.placement, viewing.camera
    depth_cm = 0.1 * body.voxel_mm * np.arange(body.label.shape[1])
    weight = np.exp(-MU_SOFT * np.stack([depth_cm, depth_cm[::-1]])).astype(np.float32)
    seen, closed = np.zeros((2, 2, body.label.shape[0], body.label.shape[2]), np.uint8)
    strongest_region(body.uptake, body.label, _region_numbers(body.names), len(region_names()), weight, seen)
    for view in (0, 1):
        close_gaps(seen[view], closed[view])
        close_gaps(closed[view], seen[view])
    rows = geometry.nearest(geometry.rows(camera, place.top_mm), place, 2)
    padded = np.pad(seen, ((0, 0), (0, 1), (0, 1)))  # index −1 is the border of zeros
    columns = [geometry.nearest(geometry.columns(camera, v, place.middle_mm), place, 0) for v in (0, 1)]
    return np.stack([padded[v][np.ix_(rows, columns[v])] for v in (0, 1)])


def lesion_map(
    findings: Sequence[Finding], seen: Sequence[tuple[Footprint, Footprint]], shape: tuple[int, int]
) -> UInt8[np.ndarray, "view row column"]:
    """The number of the annotated lesion that adds the most counts to each pixel, inside its mask."""
    number, best = np.zeros((2, *shape), np.uint8), np.zeros((2, *shape), np.float32)
    for finding, footprints in zip(findings, seen, strict=True):
        for view, one in enumerate(footprints):
            if not finding.annotated[view]:
                continue
            size = np.abs(one.lesion)
            here = (view, *_window(one))
            wins = one.mask & (size > best[here])
            number[here][wins] = finding.lesion.id
            best[here][wins] = size[wins]
    return number


def visibility(disease: Disease) -> tuple[Measurement, ...]:
    """Contrast-to-noise ratio of each lesion in each view; flags: kind, view, and whether it is annotated."""
    rows = []
    for f in disease.findings:
        for view, cnr, annotated in zip(VIEWS, f.cnr, f.annotated, strict=True):
            flags = (f.lesion.kind, view, "annotated" if annotated else "not annotated")
            rows.append(Measurement(round(cnr, 4), "1", region=f.lesion.site, flags=flags))
    return tuple(rows)


def polygon(footprint: Footprint) -> Points:
    """The outline of a lesion's mask as x, y in pixels from the image's upper left corner; [] where it has none.

    The isocontour runs between pixel centres, so half a pixel is added; of several pieces the largest counts.
    """
    from skimage import measure

    size = np.pad(np.abs(footprint.lesion), 1)
    if size.max() <= 0:
        return []
    contour = max(measure.find_contours(size, MASK_LEVEL * float(size.max())), key=len)  # type: ignore[no-untyped-call]
    simple = contour[: -1 : max(1, len(contour) // POLYGON_POINTS)]
    return [[round(float(c) - 0.5 + footprint.column, 2), round(float(r) - 0.5 + footprint.row, 2)] for r, c in simple]


def _window(one: Footprint) -> tuple[slice, slice]:
    rows, columns = one.lesion.shape
    return slice(one.row, one.row + rows), slice(one.column, one.column + columns)


def _shifted(finding: Finding, acquisition: Acquisition) -> tuple[Footprint, Footprint]:
    """The footprints after the patient's steps; a lesion that the step cuts is sheared."""
    if not acquisition.motion:
        return finding.seen
    return _sheared(finding.seen[0], acquisition, 0), _sheared(finding.seen[1], acquisition, 1)


def _sheared(one: Footprint, acquisition: Acquisition, view: int) -> Footprint:
    rows, columns = _window(one)
    if columns.stop <= columns.start or rows.stop <= rows.start:
        return one
    whole = np.zeros((2, acquisition.rows, acquisition.columns), np.float32)
    whole[view, rows, columns] = one.lesion
    there = moved(whole, acquisition)[view]
    around = np.zeros_like(whole)
    around[view, rows, columns] = one.background
    behind = moved(around, acquisition)[view]
    lit = np.flatnonzero(there.any(axis=0) | behind.any(axis=0))
    if not lit.size:
        return Footprint(one.row, one.column, np.zeros_like(one.lesion), one.background)
    box = (rows, slice(int(lit[0]), int(lit[-1]) + 1))
    return Footprint(one.row, int(lit[0]), there[box], behind[box])


def _document(
    disease: Disease, seen: Sequence[tuple[Footprint, Footprint]], acquisition: Acquisition
) -> dict[str, Json]:
    plan = disease.plan
    mimics = [_shifted(m, acquisition) for m in disease.mimics]
    shown = [[disease.annotated(kind)[view] for kind in ("metastasis", "arthritis")] for view in (0, 1)]
    views: dict[str, Json] = {
        name: {"label_m": plan.label_m, "label_a": plan.label_a, "metastases": m, "arthritis": a}
        for name, (m, a) in zip(VIEWS, shown, strict=True)
    }
    return {
        "class": plan.label,
        "label_m": plan.label_m,
        "label_a": plan.label_a,
        "primary": plan.primary,
        "superscan": plan.superscan,
        "flare": disease.flare,
        "views": views,
        "lesions": [_lesion_json(f, s) for f, s in zip(disease.findings, seen, strict=True)],
        "mimics": [_lesion_json(f, s) for f, s in zip(disease.mimics, mimics, strict=True)],
        "variants": [{"name": v.name, "side": v.side} for v in disease.body.variants],
        "skeleton_ml": round(disease.skeleton_ml, 1),
        "metastatic_ml": round(metastatic_ml(disease), 3),
        "region_names": list(region_names().values()),
    }


def metastatic_ml(disease: Disease) -> float:
    """Volume of bone in which metastases add more than half of their uptake (each voxel once)."""
    taken: set[tuple[int, int, int]] = set()
    for f in disease.findings:
        if f.lesion.kind == "metastasis":
            inside: Bool[np.ndarray, "z y x"] = f.deposit.uptake > 0.5 * f.lesion.added
            inside = inside | (f.deposit.uptake < 0)
            taken.update(map(tuple, np.argwhere(inside) + f.deposit.start))
    return len(taken) * disease.body.voxel_mm**3 / 1000.0


def bone_scan_index(document: Mapping[str, Any]) -> float:
    """The share of the skeleton's volume that metastases take, in per cent."""
    return 100.0 * float(document["metastatic_ml"]) / float(document["skeleton_ml"])


def _lesion_json(finding: Finding, seen: tuple[Footprint, Footprint]) -> Json:
    one = finding.lesion
    views: dict[str, Json] = {
        name: {"cnr": round(c, 3), "annotated": a, "polygon": [list(p) for p in polygon(s)] if c > 0 else []}
        for name, c, a, s in zip(VIEWS, finding.cnr, finding.annotated, seen, strict=True)
    }
    return {
        "id": one.id,
        "kind": one.kind,
        "site": one.site,
        "part": one.part,
        "region": one.region,
        "side": one.side,
        "centre_mm": list(one.centre_mm),
        "semi_axes_mm": [round(a, 2) for a in one.semi_axes_mm],
        "added_uptake": one.added,
        "lytic": one.lytic,
        "crosses_joint": one.crosses_joint,
        "views": views,
    }
