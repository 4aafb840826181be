"""Three physicians mark the same scan, and do not quite agree; the result is LabelMe JSON.

A lesion is marked with probability 1/(1 + (t/CNR)^(1/(0.35 n))): half at the reader's own threshold t, more
for clearer ones; n is the difficulty's ``annotator_noise`` (0: everything above the threshold and nothing
else). Mimics and lesions below notice are marked falsely now and then, metastasis and arthritis confused,
outlines jittered, and a third of the marks are rectangles instead of polygons. As in the published work, an
image is abnormal when at least two of three find something in it :cite:`lin2021dspic`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from photopeak.core.study import Json
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.plans import CLASSES, PatientPlan

CODES = {"metastasis": "M", "arthritis": "A"}
LABELME_VERSION = "5.5.0"


@dataclass(frozen=True)
class Annotator:
    """How one physician marks: threshold relative to the visible one, and error rates at noise 1."""

    threshold: float
    false_mark: float  # of a visible mimic
    confusion: float
    jitter_px: float
    rectangles: float


READERS = (
    Annotator(0.70, 0.10, 0.03, 0.6, 0.30),
    Annotator(0.80, 0.15, 0.05, 0.8, 0.40),
    Annotator(0.95, 0.20, 0.08, 1.0, 0.35),
)


def marking_probability(cnr: float, threshold: float, noise: float) -> float:
    """Probability that a lesion of this contrast-to-noise ratio is marked.

    >>> marking_probability(3.0, 3.0, 1.0), marking_probability(6.0, 3.0, 0.0)
    (0.5, 1.0)
    """
    if cnr <= 0:
        return 0.0
    if noise == 0:
        return float(cnr >= threshold)
    exponent = math.log(threshold / cnr) / (0.35 * noise)
    return 1.0 / (1.0 + math.exp(min(exponent, 700.0)))


def annotate(
    document: Mapping[str, Any],
    shape: tuple[int, int],
    reader: Annotator,
    difficulty: Difficulty,
    rng: np.random.Generator,
) -> dict[str, Json]:
    """One reader's LabelMe file for the two views of ``planar.dcm``.

    ``document`` is the truth's. Each shape names its view in its flags, points are x, y in pixels of that
    view's frame; the label is M or A with the body part. The file's flags say what the reader found at all.
    """
    threshold = difficulty.visible_cnr * (reader.threshold if difficulty.annotator_noise > 0 else 1.0)
    shapes: list[Json] = []
    for view in document["views"]:
        for lesion in document["lesions"]:
            seen = lesion["views"][view]
            probability = marking_probability(seen["cnr"], threshold, difficulty.annotator_noise)
            if rng.random() < probability and seen["polygon"]:
                kind = _confused(lesion["kind"], reader, difficulty, rng)
                shapes.append(_shape(kind, lesion["region"], view, seen["polygon"], reader, difficulty, rng))
        for mimic in document["mimics"]:
            seen = mimic["views"][view]
            odds = min(1.0, reader.false_mark * difficulty.annotator_noise) if seen["cnr"] > threshold else 0.0
            if rng.random() < odds and seen["polygon"]:
                kind = "metastasis" if rng.random() < 0.6 else "arthritis"
                shapes.append(_shape(kind, mimic["region"], view, seen["polygon"], reader, difficulty, rng))
    found = {str(s["label"])[0] for s in shapes if isinstance(s, dict)}
    return {
        "version": LABELME_VERSION,
        "flags": {"normal": not found, "metastasis": "M" in found, "arthritis": "A" in found},
        "shapes": shapes,
        "imagePath": "planar.dcm",
        "imageData": None,
        "imageHeight": shape[0],
        "imageWidth": shape[1],
    }


def of_view(labelme: Mapping[str, Any], view: str) -> dict[str, Json]:
    """The same file for one view alone, as LabelMe itself would save it for a single image."""
    shapes = [s for s in labelme["shapes"] if s["flags"][view]]
    found = {str(s["label"])[0] for s in shapes}
    flags: dict[str, Json] = {"normal": not found, "metastasis": "M" in found, "arthritis": "A" in found}
    return {**labelme, "flags": flags, "shapes": shapes}


def reader_files(
    document: Mapping[str, Any], shape: tuple[int, int], difficulty: Difficulty, rng: np.random.Generator
) -> dict[str, Json]:
    """``reader1.json`` to ``reader3.json``."""
    streams = rng.spawn(len(READERS))
    return {
        f"reader{i}.json": annotate(document, shape, reader, difficulty, stream)
        for i, (reader, stream) in enumerate(zip(READERS, streams, strict=True), 1)
    }


def abnormal(readers: Sequence[Mapping[str, Any]], view: str) -> bool:
    """Whether at least two of three readers marked something in this view."""
    votes = [any(s["flags"][view] for s in r["shapes"]) for r in readers]
    return 2 * sum(votes) > len(votes)


def recorded_labels(plan: PatientPlan, label_noise: float, rng: np.random.Generator) -> tuple[int, int]:
    """Metastasis and arthritis as the cohort's table records them: the true ones, but for a share of errors."""
    wrong = [c for c in CLASSES[:3] if c != plan.label]
    label = str(rng.choice(wrong)) if rng.random() < label_noise else plan.label
    return int("M" in label), int("A" in label)


def _confused(kind: str, reader: Annotator, difficulty: Difficulty, rng: np.random.Generator) -> str:
    if rng.random() >= min(0.5, reader.confusion * difficulty.annotator_noise):
        return kind
    return "arthritis" if kind == "metastasis" else "metastasis"


def _shape(
    kind: str,
    region: str,
    view: str,
    polygon: Sequence[Sequence[float]],
    reader: Annotator,
    difficulty: Difficulty,
    rng: np.random.Generator,
) -> dict[str, Json]:
    points = np.array(polygon, dtype=np.float64)
    middle = points.mean(axis=0)
    noise = difficulty.annotator_noise
    grown = middle + (points - middle) * np.exp(0.08 * noise * rng.standard_normal())
    drawn = grown + reader.jitter_px * noise * 0.5 * rng.standard_normal(points.shape)
    drawn += reader.jitter_px * noise * 0.5 * rng.standard_normal(2)
    rectangle = bool(rng.random() < reader.rectangles)
    corners = np.array([drawn.min(axis=0), drawn.max(axis=0)]) if rectangle else drawn
    return {
        "label": f"{CODES[kind]} {region}",
        "points": [[round(float(x), 2), round(float(y), 2)] for x, y in corners],
        "group_id": None,
        "shape_type": "rectangle" if rectangle else "polygon",
        "flags": {"anterior": view == "anterior", "posterior": view == "posterior"},
    }
