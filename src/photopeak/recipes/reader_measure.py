"""What R1 measures of the reader on scans with truth: lesions, regions, bone scan index, doubt, identity.

Lesions are counted by free response: at each threshold the share of true lesions hit, and the false ones an image. True
lesions are the connected pieces of the truth's mask of one kind in one view.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import nn

from photopeak.classify.asking import Answers, answers
from photopeak.classify.bsi import bone_scan_index
from photopeak.classify.lesions import matched, pieces
from photopeak.classify.scans import LESIONS, Scans
from photopeak.evaluate import calibration as cal
from photopeak.evaluate import conformal
from photopeak.recipes.skeleton import NOT_BONE

ALPHA: Final = 0.1
FALSE_AN_IMAGE: Final = 1.0
LISTED_FALSE_AN_IMAGE: Final = 0.1
"""What the reader lists: one false lesion in ten images."""


@dataclass
class Measured:
    """Everything of n scans that figures are made from; small, whatever the cohort's size."""

    logits: list[Float[np.ndarray, " 2"]] = field(default_factory=list)
    man: list[float] = field(default_factory=list)
    age: list[float] = field(default_factory=list)
    wrong: list[Float[np.ndarray, " 2"]] = field(default_factory=list)
    found: list[tuple[int, int, float, bool]] = field(default_factory=list)
    """Patient, kind, probability, and whether it is true, of each lesion found."""
    best: list[tuple[int, int, float]] = field(default_factory=list)
    """Patient, kind, and the probability of the lesion that hit it (0: none), of each true lesion."""
    overlap: list[Int[np.ndarray, "region 3"]] = field(default_factory=list)
    """Pixels found and true, found, true, of each region and patient."""
    index: list[Float[np.ndarray, " t"]] = field(default_factory=list)
    """The bone scan index (k = 1) at each of ``THRESHOLDS``."""


THRESHOLDS: Final = np.round(np.arange(0.3, 0.96, 0.05), 2)


def measure(network: nn.Module, scans: Scans) -> Measured:
    """Ask the network about every scan and compare."""
    out, k = Measured(), 0
    for batch in answers(network, scans.counts):
        for i in range(len(batch.diagnoses)):
            _add(out, batch, i, scans, k)
            k += 1
    return out


def _add(out: Measured, said: Answers, i: int, scans: Scans, k: int) -> None:
    out.logits.append(said.diagnoses[i].astype(np.float64))
    out.man.append(float(said.man[i]))
    out.age.append(float(said.age[i]))
    out.wrong.append(said.wrong[i])
    for v in range(2):
        for kind in range(len(LESIONS)):
            _match(out, said.lesions[i, v, kind], scans.lesions[k, v] == kind + 1, k, kind)
    n = len(scans.region_names) + 1
    both = np.bincount(scans.regions[k][scans.regions[k] == said.regions[i]].ravel(), minlength=n)
    one, other = (np.bincount(x.ravel(), minlength=n) for x in (said.regions[i], scans.regions[k]))
    out.overlap.append(np.stack((both, one, other), 1)[1:])
    out.index.append(_indices(said, i, scans.region_names))


def _match(out: Measured, p: Float[np.ndarray, "h w"], truth: Bool[np.ndarray, "h w"], k: int, kind: int) -> None:
    if p.max() < 0.3 and not truth.any():
        return
    m = matched(p, truth)
    out.found += [(k, kind, q, right) for q, right in zip(m.probabilities, m.true, strict=True)]
    out.best += [(k, kind, m.probabilities[i] if i >= 0 else 0.0) for i in m.found.tolist()]


def _indices(said: Answers, i: int, names: tuple[str, ...]) -> Float[np.ndarray, " t"]:
    """The index when only lesions of at least each threshold count."""
    found = [(v, mask, p) for v in range(2) for mask, p in pieces(said.lesions[i, v, 0])]
    out = []
    for threshold in THRESHOLDS:
        spots = np.zeros(said.regions[i].shape, bool)
        for v, mask, p in found:
            if p >= threshold:
                spots[v] |= mask
        out.append(bone_scan_index(spots, said.regions[i], names))
    return np.asarray(np.nan_to_num(np.array(out)))


def false_an_image(m: Measured, threshold: float, images: int) -> float:
    """False lesions an image, of both kinds together."""
    return sum(1 for *_, p, right in m.found if not right and p >= threshold) / images


def lesion_sensitivity(m: Measured, threshold: float, kind: int | None = None) -> float:
    """The share of true lesions that are hit."""
    best = [p for _, one, p in m.best if kind is None or one == kind]
    return float(np.mean(np.array(best) >= threshold)) if best else float("nan")


def threshold_at(m: Measured, rate: float, images: int) -> float:
    """The lowest probability at which at most ``rate`` false lesions an image are listed."""
    false = sorted((p for *_, p, right in m.found if not right), reverse=True)
    allowed = int(rate * images)
    return float(np.nextafter(false[allowed], 1)) if len(false) > allowed else 0.3


def calibrate(m: Measured, scans: Scans) -> dict[str, Any]:
    """Temperatures, conformal thresholds, lesion threshold and k, from patients kept for calibration."""
    logits, labels = np.array(m.logits), scans.labels == 1
    t = [cal.temperature(labels[:, q], logits[:, q]) for q in (0, 1)]
    p = np.stack([cal.sigmoid(logits[:, q], t[q]) for q in (0, 1)], 1)
    fewest = int(min(labels.sum(0).min(), (~labels).sum(0).min()))
    alpha = max(ALPHA, (1 + 1e-9) / (fewest + 1))  # a smoke run has too few patients to promise more
    sets = [conformal.thresholds(labels[:, q], p[:, q], alpha) for q in (0, 1)]
    lesion = threshold_at(m, LISTED_FALSE_AN_IMAGE, 2 * len(scans))
    x, y = np.array(m.index)[:, _nearest(lesion)], scans.bsi
    return {
        "temperature": t,
        "yes": [s.yes for s in sets],
        "no": [s.no for s in sets],
        "alpha": alpha,
        "lesion": lesion,
        "bsi_k": float((x * y).sum() / max((x * x).sum(), 1e-9)),
    }


def _nearest(threshold: float) -> int:
    return int(np.argmin(np.abs(THRESHOLDS - threshold)))


def probabilities(m: Measured, calibration: dict[str, Any]) -> Float[np.ndarray, "n 2"]:
    """Calibrated probabilities of metastasis and arthritis."""
    logits = np.array(m.logits)
    return np.stack([cal.sigmoid(logits[:, q], calibration["temperature"][q]) for q in (0, 1)], 1)


def indices(m: Measured, calibration: dict[str, Any]) -> Float[np.ndarray, " n"]:
    """The bone scan index of each scan, in per cent."""
    raw = np.array(m.index)[:, _nearest(calibration["lesion"])]
    return np.asarray(calibration["bsi_k"] * raw)


def dice(m: Measured, names: tuple[str, ...]) -> dict[str, float]:
    """The mean over patients of each bony region's overlap, both views together."""
    table = np.array(m.overlap, float)
    with np.errstate(invalid="ignore"):
        each = np.nanmean(2 * table[..., 0] / (table[..., 1] + table[..., 2]), axis=0)
    return {name: float(d) for name, d in zip(names, each, strict=True) if name not in NOT_BONE}
