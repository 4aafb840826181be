"""What R1 measures of the reader on scans with truth: lesions, regions, bone scan index, doubt, identity.

Lesions are those that the reader would list, found by the reader's own code. They are counted by free response: at each
threshold the share of true lesions hit, and the false ones an image. True lesions are the connected pieces of the
truth's mask of one kind in one view.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit
from torch import nn

from photopeak.classify.asking import Answers, answers, diagnoses
from photopeak.classify.bsi import bone_scan_index
from photopeak.classify.lesions import EDGE, URINE, Lesion, lesions_of, matched
from photopeak.classify.scans import LESIONS, Scans
from photopeak.classify.views import VIEWS
from photopeak.evaluate import calibration as cal
from photopeak.evaluate import conformal

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
    found: list[tuple[int, float, bool]] = field(default_factory=list)
    """Patient, probability, and whether it is true, of each lesion found."""
    best: list[tuple[int, int, float]] = field(default_factory=list)
    """Patient, kind, and the probability of the lesion that hit it (0: none), of each true lesion."""
    overlap: list[Int[np.ndarray, "region 3"]] = field(default_factory=list)
    """Pixels found and true, found, true, of each region and patient."""
    index: list[tuple[int, float, float]] = field(default_factory=list)
    """Patient, probability, and part of the bone scan index (k = 1), of each metastasis found."""


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
    lesions = lesions_of(said.lesions[i], said.regions[i], scans.region_names, EDGE)
    for v, view in enumerate(VIEWS):
        for kind, name in enumerate(LESIONS):
            mine = [x for x in lesions if (x.view, x.kind) == (view, name)]
            right, best = matched(mine, scans.lesions[k, v] == kind + 1)
            out.found += [(k, x.probability, r) for x, r in zip(mine, right, strict=True)]
            out.best += [(k, kind, float(p)) for p in best]
    out.index += [(k, x.probability, _part(x, said, i, scans)) for x in lesions if x.kind == LESIONS[0]]
    n = len(scans.region_names) + 1
    both = np.bincount(scans.regions[k][scans.regions[k] == said.regions[i]].ravel(), minlength=n)
    one, other = (np.bincount(x.ravel(), minlength=n) for x in (said.regions[i], scans.regions[k]))
    out.overlap.append(np.stack((both, one, other), 1)[1:])


def _part(lesion: Lesion, said: Answers, i: int, scans: Scans) -> float:
    """What one metastasis adds to the index, which is a sum over pieces that do not overlap."""
    spots = np.zeros(said.regions[i].shape, bool)
    spots[VIEWS.index(lesion.view)] = lesion.mask
    return bone_scan_index(spots, said.regions[i], scans.region_names)


def false_lesions(m: Measured, threshold: float, patients: int) -> Int[np.ndarray, " n"]:
    """How many false lesions of at least this probability each patient has, both views together."""
    false = [k for k, p, right in m.found if not right and p >= threshold]
    return np.bincount(np.array(false, np.int64), minlength=patients)


def threshold_at(m: Measured, rate: float, images: int) -> float:
    """The lowest probability at which at most ``rate`` false lesions an image are listed."""
    false = sorted((p for _, p, right in m.found if not right), reverse=True)
    allowed = int(rate * images)
    return float(np.nextafter(false[allowed], 1)) if len(false) > allowed else EDGE


def calibrate(network: nn.Module, m: Measured, scans: Scans) -> dict[str, Any]:
    """Temperatures and conformal thresholds, the lesion threshold and k, from patients kept for calibration."""
    lesion = threshold_at(m, LISTED_FALSE_AN_IMAGE, 2 * len(scans))
    x, y = indices(m, lesion, len(scans)), scans.bsi.astype(float)
    k = float((x * y).sum() / max((x * x).sum(), 1e-9))
    return {**calibrate_doubt(network, np.array(m.logits), scans), "lesion": lesion, "bsi_k": k}


def calibrate_doubt(network: nn.Module, logits: Float[np.ndarray, "n 2"], scans: Scans) -> dict[str, Any]:
    """Temperatures and thresholds for both views, and for either alone."""
    labels = scans.labels == 1
    fewest = int(min(labels.sum(0).min(), (~labels).sum(0).min()))
    alpha = max(ALPHA, (1 + 1e-9) / (fewest + 1))  # a smoke run has too few patients to promise more
    seen = {"both": logits} | {view: one_view(network, scans, v) for v, view in enumerate(VIEWS)}
    return {"alpha": alpha, "doubt": {views: _doubt(z, labels, alpha) for views, z in seen.items()}}


def one_view(network: nn.Module, scans: Scans, view: int) -> Float[np.ndarray, "n 2"]:
    """The diagnoses' logits when only one view is there."""
    alone = np.zeros_like(scans.counts)
    alone[:, view] = scans.counts[:, view]
    return diagnoses(network, alone).astype(np.float64)


def _doubt(logits: Float[np.ndarray, "n 2"], labels: Bool[np.ndarray, "n 2"], alpha: float) -> dict[str, list[float]]:
    t = [cal.temperature(labels[:, q], logits[:, q]) for q in (0, 1)]
    sets = [conformal.thresholds(labels[:, q], expit(logits[:, q] / t[q]), alpha) for q in (0, 1)]
    return {"temperature": t, "yes": [s.yes for s in sets], "no": [s.no for s in sets]}


def indices(m: Measured, threshold: float, patients: int) -> Float[np.ndarray, " n"]:
    """The bone scan index (k = 1) of each patient when lesions of at least this probability count."""
    listed = [(k, part) for k, p, part in m.index if p >= threshold]
    who, parts = (np.array([row[c] for row in listed]) for c in (0, 1))
    return np.bincount(who.astype(np.int64), parts, minlength=patients)


def dice(overlap: Int[np.ndarray, "n region 3"]) -> Float[np.ndarray, " region"]:
    """The mean over patients of each region's overlap, both views together."""
    with np.errstate(invalid="ignore"):
        each: Float[np.ndarray, " region"] = np.nanmean(2 * overlap[..., 0] / overlap[..., 1:].sum(-1), axis=0)
    return each


def bony(names: tuple[str, ...]) -> list[int]:
    """The numbers (from 0) of the regions that are bone."""
    return [i for i, name in enumerate(names) if name not in URINE]
