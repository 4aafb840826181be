"""Scores of a polar map against normal limits: segments 0 to 4, their sums, extent and deficit.

Normal limits hold, for each sex and with and without attenuation correction, the mean and the standard deviation of
every place and segment of normal maps. A map is first put on the limits' scale by its normal part; then, with x the
value, m and s the limits',

    abnormal:  x < m − 2.5 s          (2.5 is the ``CUT``)
    extent:    share of the wall that is abnormal, %
    deficit:   Σ area · min(1, (1 − x/m) / 0.7) over the abnormal, %

The deficit is made like the total perfusion deficit :cite:`slomka2005`, with limits and grades of our own. A segment
scores 0 where it is not abnormal; else at least 1, and by its percentage of normal as a reader would say: 2 below 70 %,
3 below 55 %, 4 below 35 %.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float, Int

from photopeak.core import PhotopeakError, Study
from photopeak.quantify.polar_map import ANGLES, RINGS, Polar, areas, of_segments

CUT: Final = 2.5
FULL_LOSS: Final = 0.7  # of normal: the loss at which a place counts whole
SCORED_BELOW: Final = (70.0, 55.0, 35.0)
LEAST_SD: Final = 0.03  # of the mean: a few normals may happen to agree


@dataclass(frozen=True, eq=False)
class Limits:
    """Normal limits of one sex and one way of reconstructing, on a scale of mean 1."""

    mean: Polar
    sd: Polar
    segment_mean: Float[np.ndarray, " 17"]
    segment_sd: Float[np.ndarray, " 17"]
    patients: int

    @staticmethod
    def of(maps: Sequence[Polar]) -> Limits:
        """From maps of normal patients."""
        if len(maps) < 4:
            raise PhotopeakError(f"{len(maps)} normal maps make no limits. Remedy: give at least 4.")
        each = np.stack([m / float((areas() * m).sum()) for m in maps])
        segments = np.stack([of_segments(m) for m in each])
        return Limits(each.mean(0), each.std(0, ddof=1), segments.mean(0), segments.std(0, ddof=1), len(maps))

    def to_json(self) -> dict[str, Any]:
        def rounded(values: Float[np.ndarray, " ..."]) -> Any:
            return np.round(values, 4).tolist()

        return {
            "patients": self.patients,
            "mean": rounded(self.mean),
            "sd": rounded(self.sd),
            "segment_mean": rounded(self.segment_mean),
            "segment_sd": rounded(self.segment_sd),
        }

    @staticmethod
    def from_json(document: dict[str, Any]) -> Limits:
        arrays = {k: np.array(document[k], np.float64) for k in ("mean", "sd", "segment_mean", "segment_sd")}
        if arrays["mean"].shape != (RINGS, ANGLES):
            raise PhotopeakError(
                f"normal limits have shape {arrays['mean'].shape}, polar maps ({RINGS}, {ANGLES}). "
                "Remedy: make them anew with photopeak polar-limits."
            )
        return Limits(**arrays, patients=int(document["patients"]))


def key_of(study: Study) -> str:
    """Which limits a study is compared with: its sex, and whether attenuation was corrected.

    >>> from photopeak.core import Patient, Acquisition
    >>> key_of(Study({}, Patient(sex="F"), Acquisition("NM", corrections=("ATTN",))))
    'F corrected'
    """
    sex = study.patient.sex
    if sex not in ("F", "M"):
        raise PhotopeakError(
            "PatientSex (0010,0040): normal limits are made for women and for men, and the file says neither. "
            "Remedy: --assume sex=F or sex=M."
        )
    return f"{sex} {'corrected' if 'ATTN' in study.acquisition.corrections else 'uncorrected'}"


def shipped() -> Path:
    """The limits that come with Photopeak: of simulated normal patients, as the file itself states."""
    return Path(str(files("photopeak.quantify") / "data" / "perfusion-limits.json"))


def misfit(study: Study, path: Path) -> str:
    """Why an image cannot be compared with limits as they state themselves; nothing if it can."""
    made = _document(path)
    if study.patient.sex not in ("F", "M"):
        return "PatientSex (0010,0040) says neither F nor M; state --assume sex=F or sex=M"
    known = {tracer.nuclide for tracer in study.acquisition.radiopharmaceuticals} - {""}
    if known != {made["nuclide"]}:
        return (
            f"the limits hold for {made['nuclide']}, the image is of {', '.join(sorted(known)) or 'no stated nuclide'}"
        )
    series, wanted = study.acquisition.facts.get("SeriesDescription", ""), made["series"][key_of(study).split()[1]]
    if series != wanted:
        return f"the limits hold for images made as {wanted!r}; SeriesDescription (0008,103E) says {series!r}"
    return ""


def load_limits(key: str, path: Path) -> Limits:
    """Limits from a file that ``photopeak polar-limits`` wrote."""
    document = _document(path)
    if key not in document.get("limits", {}):
        raise PhotopeakError(f"{path}: no limits for {key!r}. Remedy: make them with photopeak polar-limits.")
    return Limits.from_json(document["limits"][key])


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PhotopeakError(
            f"{path}: no normal limits ({error}). Remedy: photopeak polar-limits makes them."
        ) from error
    return document if isinstance(document, dict) else {}


@dataclass(frozen=True, eq=False)
class Scored:
    """A map on the scale of the limits, and what it lacks."""

    values: Polar  # 1 where as normal
    abnormal: Float[np.ndarray, "ring angle"]  # 0 to 1: how much of normal is lost there, over ``FULL_LOSS``
    percent: Float[np.ndarray, " 17"]  # of normal
    scores: Int[np.ndarray, " 17"]

    @property
    def summed(self) -> int:
        return int(self.scores.sum())

    @property
    def extent_percent(self) -> float:
        return float(100.0 * (areas() * (self.abnormal > 0.0)).sum())

    @property
    def deficit_percent(self) -> float:
        return float(100.0 * (areas() * self.abnormal).sum())


def scored(values: Polar, limits: Limits) -> Scored:
    """Compare a map with normal limits."""
    sd = np.maximum(limits.sd, LEAST_SD * limits.mean)
    ratio = values / limits.mean
    scale = _scale(ratio, sd / limits.mean)
    share = ratio / scale
    low = share < 1.0 - CUT * sd / limits.mean
    lost = np.where(low, np.clip((1.0 - share) / FULL_LOSS, 0.0, 1.0), 0.0)
    segments = of_segments(values) / scale
    percent = 100.0 * segments / limits.segment_mean
    spread = np.maximum(limits.segment_sd, LEAST_SD * limits.segment_mean)
    graded = 1 + sum((percent < limit).astype(np.int64) for limit in SCORED_BELOW)
    scores = np.where(segments < limits.segment_mean - CUT * spread, graded, 0)
    return Scored(share, lost, percent, scores.astype(np.int64))


def _scale(ratio: Polar, spread: Polar) -> float:
    """What normal wall has in this map: the median of the part that is not below the limits, found in turns.

    It begins with the upper fifth, which a defect of four fifths of the wall would leave.
    """
    scale = _median(ratio, ratio >= np.percentile(ratio, 80.0))
    for _ in range(20):
        new = _median(ratio, ratio / scale > 1.0 - CUT * spread)
        if abs(new - scale) < 1e-6:
            break
        scale = new
    return scale


def _median(ratio: Polar, chosen: Bool[np.ndarray, "ring angle"]) -> float:
    """By area."""
    values, area = ratio[chosen], areas()[chosen]
    order = np.argsort(values)
    total = np.cumsum(area[order])
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])


def difference(stress: Scored, rest: Scored) -> Int[np.ndarray, " 17"]:
    """What fills at rest, by segments: the summands of the summed difference score, not negative."""
    return np.asarray(np.maximum(stress.scores - rest.scores, 0))
