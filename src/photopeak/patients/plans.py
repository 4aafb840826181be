"""Who has what, decided before anybody is drawn: the published cohort, and any other mix.

The published cohort :cite:`lin2021dspic` has 384 patients (181 women, 203 men) and 768 images. Its 907 metastatic
lesions are counted over 182 images and its 599 arthritic ones over 260: an image is a view, and a lesion
seen in both views counts twice. A plan therefore says, for each view, how many lesions are to be visible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from photopeak.patients.difficulty import Difficulty
from photopeak.patients.mix import normalised
from photopeak.patients.streams import stream

CLASSES = ("N", "M", "A", "M&A")
PUBLISHED_PATIENTS = {"N": 167, "M": 87, "A": 126, "M&A": 4}
PUBLISHED_WOMEN, PUBLISHED_MEN = 181, 203
PUBLISHED_METASTASES, PUBLISHED_ARTHRITIS = 907, 599

#: Age in years, mean and standard deviation by class. A judgement: arthritis is rare before 40 years.
AGE_YEARS = {"N": (54.0, 13.0), "M": (61.0, 11.0), "A": (63.0, 10.0), "M&A": (66.0, 8.0)}
#: Share of the primary tumours that are staged with a bone scan, by sex. A judgement.
PRIMARY = {
    "F": {"breast": 0.48, "lung": 0.27, "gastrointestinal": 0.16, "kidney": 0.04, "thyroid": 0.05},
    "M": {"prostate": 0.36, "lung": 0.37, "gastrointestinal": 0.19, "kidney": 0.06, "thyroid": 0.02},
}
#: How much likelier bone metastases are with each primary, relative to the patients scanned.
METASTATIC = {"breast": 1.0, "prostate": 1.3, "lung": 1.5, "gastrointestinal": 0.8, "kidney": 1.0, "thyroid": 0.8}

MEAN_METASTASES, MEAN_ARTHRITIS = 5.1, 2.45  # per patient; the views together then show 4.98 and 2.30 each
MOST_METASTASES, MOST_ARTHRITIS = 24, 9  # visible in one view
SEEN_IN_VIEW = (0.86, 0.92)  # share of a patient's lesions seen in the anterior and in the posterior view


@dataclass(frozen=True)
class PatientPlan:
    """What is decided of a patient beforehand.

    ``metastases`` and ``arthritis`` are the numbers of visible lesions in the anterior and posterior view.
    """

    index: int
    sex: str
    age_years: float
    label: str
    primary: str
    metastases: tuple[int, int] = (0, 0)
    arthritis: tuple[int, int] = (0, 0)
    superscan: bool = False

    @property
    def label_m(self) -> int:
        return int(self.label in ("M", "M&A"))

    @property
    def label_a(self) -> int:
        return int(self.label in ("A", "M&A"))


def mixed_plan(
    patients: int, mix: Mapping[str, float], seed: int, difficulty: Difficulty | None = None
) -> list[PatientPlan]:
    """Plans for a cohort of any size; ``mix`` gives the share of each class, of N, M, A and M&A.

    Plan *i* depends on the seed, the mix, the difficulty and *i* alone.
    """
    shares = normalised(mix, CLASSES)
    return [_draw(i, seed, shares, difficulty or Difficulty()) for i in range(patients)]


def published_plan(seed: int, difficulty: Difficulty | None = None) -> list[PatientPlan]:
    """The published cohort: exact numbers of patients, sexes, classes and lesions, in random order."""
    rng = stream(seed, 0, "published plan")
    labels = rng.permutation([c for c in CLASSES for _ in range(PUBLISHED_PATIENTS[c])])
    sexes = rng.permutation(["F"] * PUBLISHED_WOMEN + ["M"] * PUBLISHED_MEN)
    hard = difficulty or Difficulty()
    plans = [
        _person(i, stream(seed, i, "plan"), str(label), str(sex), hard)
        for i, (label, sex) in enumerate(zip(labels, sexes, strict=True))
    ]
    metastases = _to_total([p.metastases for p in plans], PUBLISHED_METASTASES, MOST_METASTASES, rng)
    arthritis = _to_total([p.arthritis for p in plans], PUBLISHED_ARTHRITIS, MOST_ARTHRITIS, rng)
    return [replace(p, metastases=m, arthritis=a) for p, m, a in zip(plans, metastases, arthritis, strict=True)]


def _draw(index: int, seed: int, shares: Mapping[str, float], difficulty: Difficulty) -> PatientPlan:
    rng = stream(seed, index, "plan")
    label = str(rng.choice(CLASSES, p=list(shares.values())))
    sex = "F" if rng.random() < PUBLISHED_WOMEN / (PUBLISHED_WOMEN + PUBLISHED_MEN) else "M"
    return _person(index, rng, label, sex, difficulty)


def _person(index: int, rng: np.random.Generator, label: str, sex: str, difficulty: Difficulty) -> PatientPlan:
    mean, sd = AGE_YEARS[label]
    age = float(np.clip(rng.normal(mean, sd), 40.0 if "A" in label else 22.0, 90.0))
    weights = {p: w * (METASTATIC[p] if "M" in label else 1.0) for p, w in PRIMARY[sex].items()}
    primary = str(rng.choice(list(weights), p=np.array(list(weights.values())) / sum(weights.values())))
    superscan = bool(rng.random() < difficulty.superscan_share) and "M" in label
    metastases = _lesions(rng, MEAN_METASTASES, MOST_METASTASES, superscan) if "M" in label else (0, 0)
    arthritis = _lesions(rng, MEAN_ARTHRITIS, MOST_ARTHRITIS, False) if "A" in label else (0, 0)
    return PatientPlan(index, sex, round(age, 1), label, primary, metastases, arthritis, superscan)


def _lesions(rng: np.random.Generator, mean: float, most: int, superscan: bool) -> tuple[int, int]:
    """A geometric number of lesions (a superscan has many), and how many of them each view shows."""
    number = int(rng.integers(12, 22)) if superscan else int(rng.geometric(1 / mean))
    anterior, posterior = (min(most, max(1, int(rng.binomial(min(number, most), p)))) for p in SEEN_IN_VIEW)
    return anterior, posterior


def _to_total(
    counts: Sequence[tuple[int, int]], total: int, most: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Add or remove single lesions, in images that have some, until the sum is exact."""
    table = np.array(counts)
    while (gap := total - int(table.sum())) != 0:
        step = 1 if gap > 0 else -1
        may = (table > 0) & (table + step >= 1) & (table + step <= most)
        weight = np.where(may, table, 0).ravel() / np.where(may, table, 0).sum()
        table[np.unravel_index(rng.choice(table.size, p=weight), table.shape)] += step
    return [(int(a), int(p)) for a, p in table]
