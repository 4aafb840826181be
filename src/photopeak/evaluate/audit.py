"""Which errors a reader of bone scans makes: its predictions against what is known of each simulated patient.

The authors of dSPIC looked at misread scans one by one and named three reasons: uptake of normal joints (N read as A),
lesions of vertebrae and of the hip (M read as N), and joints that shine on both sides (A read as N)
:cite:`lin2021dspic`. Here the truth is known, so each reason becomes a group of images, and the group has a rate.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np

from photopeak.core import PhotopeakError
from photopeak.core.writing import whole_file
from photopeak.evaluate.predictions import Predictions

VIEWS: Final = ("anterior", "posterior")
VISIBLE_CNR: Final = 3.0
JOINT_VARIANTS: Final = (
    "sternoclavicular asymmetry",
    "sacroiliac asymmetry",
    "transitional articulation",
    "osteophyte",
)
"""Normal variants of joints, by a part of their names."""
HIP: Final = frozenset(("pelvis", "femur"))
SPINE: Final = frozenset(("spine", "cervical spine", "lumbar spine"))


@dataclass(frozen=True)
class Shown:
    """What one view of a patient shows, or both together where ``view`` is ""."""

    patient: str
    view: str
    joint_variants: int
    other_variants: int
    mimics: int
    """Fractures, implants, benign foci …: those with a contrast-to-noise ratio of 3 or more."""
    m_lesions: int
    """Metastases that the view shows (those the truth marks)."""
    m_largest_mm: float
    """Diameter of the largest one: twice the mean of its semi-axes; 0 where there is none."""
    m_best_cnr: float
    m_sites: str
    """Bones, parted by semicolons."""
    a_lesions: int
    a_best_cnr: float
    a_sites: str
    a_symmetric: int
    """1 where a joint is arthritic on both sides."""


def shown_in(patient: str, view: str, document: Mapping[str, Any]) -> Shown:
    """One row from a simulated patient's ``truth.json``."""
    views = (view,) if view else VIEWS
    seen = [x for x in document["lesions"] if any(x["views"][v]["annotated"] for v in views)]
    m, a = ([x for x in seen if x["kind"] == kind] for kind in ("metastasis", "arthritis"))
    joints = [any(word in v["name"] for word in JOINT_VARIANTS) for v in document["variants"]]
    sides = {(x["region"], x["side"]) for x in a}
    return Shown(
        patient,
        view,
        joint_variants=sum(joints),
        other_variants=len(joints) - sum(joints),
        mimics=sum(_cnr(x, views) >= VISIBLE_CNR for x in document["mimics"]),
        m_lesions=len(m),
        m_largest_mm=round(max((2 * float(np.mean(x["semi_axes_mm"])) for x in m), default=0.0), 1),
        m_best_cnr=round(max((_cnr(x, views) for x in m), default=0.0), 1),
        m_sites=";".join(sorted({str(x["region"]) for x in m})),
        a_lesions=len(a),
        a_best_cnr=round(max((_cnr(x, views) for x in a), default=0.0), 1),
        a_sites=";".join(sorted({str(x["region"]) for x in a})),
        a_symmetric=int(any((region, "left") in sides and (region, "right") in sides for region, _ in sides)),
    )


def _cnr(lesion: Mapping[str, Any], views: Iterable[str]) -> float:
    return max(float(lesion["views"][v]["cnr"]) for v in views)


def _sites(text: str) -> frozenset[str]:
    return frozenset(text.split(";"))


Group = tuple[str, Callable[[Shown], bool]]
GROUPS: Final[Mapping[str, Group]] = {
    "N": ("N", lambda _: True),
    "N, a joint's variant": ("N", lambda s: s.joint_variants > 0),
    "N, another variant alone": ("N", lambda s: s.joint_variants == 0 and s.other_variants > 0),
    "N, no variant": ("N", lambda s: s.joint_variants + s.other_variants == 0),
    "N, a mimic in the view": ("N", lambda s: s.mimics > 0),
    "N, no mimic": ("N", lambda s: s.mimics == 0),
    "M": ("M", lambda _: True),
    "M, none in the view": ("M", lambda s: s.m_lesions == 0),
    "M, one": ("M", lambda s: s.m_lesions == 1),
    "M, two or three": ("M", lambda s: 2 <= s.m_lesions <= 3),
    "M, four or more": ("M", lambda s: s.m_lesions >= 4),
    "M, largest below 30 mm": ("M", lambda s: 0 < s.m_largest_mm < 30),
    "M, largest 30 mm or more": ("M", lambda s: s.m_largest_mm >= 30),
    "M, faint (CNR below 15)": ("M", lambda s: 0 < s.m_best_cnr < 15),
    "M, plain (CNR 15 or more)": ("M", lambda s: s.m_best_cnr >= 15),
    "M, vertebrae alone": ("M", lambda s: s.m_sites == "vertebra"),
    "M, hip alone (pelvis, femur)": ("M", lambda s: s.m_lesions > 0 and _sites(s.m_sites) <= HIP),
    "M, elsewhere too": ("M", lambda s: s.m_lesions > 0 and not _sites(s.m_sites) <= HIP | {"vertebra"}),
    "A": ("A", lambda _: True),
    "A, none in the view": ("A", lambda s: s.a_lesions == 0),
    "A, both sides of a joint": ("A", lambda s: s.a_symmetric == 1),
    "A, one side": ("A", lambda s: s.a_lesions > 0 and s.a_symmetric == 0),
    "A, one joint": ("A", lambda s: s.a_lesions == 1),
    "A, two or more": ("A", lambda s: s.a_lesions >= 2),
    "A, spine alone": ("A", lambda s: s.a_lesions > 0 and _sites(s.a_sites) <= SPINE),
    "A, knee among them": ("A", lambda s: "knee" in _sites(s.a_sites)),
    "A, faint (CNR below 15)": ("A", lambda s: 0 < s.a_best_cnr < 15),
    "A, plain (CNR 15 or more)": ("A", lambda s: s.a_best_cnr >= 15),
}
"""The class whose images are asked about, and which of them."""


@dataclass(frozen=True)
class Rate:
    """How often the images of one group are read as one other class."""

    value: float
    low: float
    high: float
    images: int
    patients: int


def audit(these: Predictions, shown: Mapping[tuple[str, str], Shown], fewest: int = 1) -> dict[str, Rate]:
    """The rate of each error in each group, by "group, read as class"; cases of two classes are left out.

    So are groups of fewer than ``fewest`` patients.

    A reading is the class with the highest score. Intervals are exact (Clopper–Pearson, 95 %), as if each patient of
    the group had been asked once: the two views of one are not independent.
    """
    said = [these.classes[k] for k in these.scores.argmax(1)]
    # The row's first word is the view; copies and double entries have more.
    keys = [(p, v.split(" ")[0]) for p, v in zip(these.patients, these.views, strict=True)]
    missing = [k for k in keys if k not in shown]
    if missing:
        raise PhotopeakError(
            f"nothing is known of {len(set(missing))} of the images, such as patient {missing[0][0]!r}, view "
            f"{missing[0][1]!r}. Remedy: name the simulated cohort that was read, with its truth.json files."
        )
    out: dict[str, Rate] = {}
    for name, (label, chosen) in GROUPS.items():
        rows = [i for i, k in enumerate(keys) if these.labels[i] == label and chosen(shown[k])]
        patients = len({these.patients[i] for i in rows})
        for other in these.classes:
            if patients >= max(1, fewest) and other != label:
                value = sum(said[i] == other for i in rows) / len(rows)
                out[f"{name}, read as {other}"] = Rate(value, *exact(value, patients), len(rows), patients)
    return out


def exact(rate: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval of a rate among n :cite:`clopper1934`.

    >>> [round(x, 3) for x in exact(1.0, 10)]
    [0.692, 1.0]
    """
    from scipy.stats import beta

    k, tail = rate * n, (1 - level) / 2
    low = float(beta.ppf(tail, k, n - k + 1)) if k > 0 else 0.0
    high = float(beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0
    return low, high


def write_shown(rows: Sequence[Shown], path: Path) -> None:
    """One line a view."""
    names = [f.name for f in fields(Shown)]
    with whole_file(path) as work, work.open("w", newline="", encoding="utf-8") as f:
        table = csv.writer(f, lineterminator="\n")
        table.writerow(names)
        table.writerows([getattr(row, n) for n in names] for row in rows)


def read_shown(path: Path) -> dict[tuple[str, str], Shown]:
    """What ``write_shown`` wrote, by patient and view."""
    kinds = {"str": str, "int": int, "float": float}
    with path.open(newline="", encoding="utf-8") as f:
        rows = [Shown(**{x.name: kinds[str(x.type)](row[x.name]) for x in fields(Shown)}) for row in csv.DictReader(f)]
    return {(r.patient, r.view): r for r in rows}
