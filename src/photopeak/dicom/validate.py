"""What a file offers and what it lacks, use by use, in words.

A file may be good for one thing and not for another: a bone scan without injection time can be read and
not be quantified. Each finding names the use it stands in the way of, the tag, what it means, and a remedy.
"""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from photopeak.core import DicomError, Image, Study
from photopeak.dicom.files import datasets
from photopeak.dicom.reading import read

DCIODVFY_SECONDS: Final = 30
PLANAR: Final = ("STATIC", "WHOLE BODY")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or lacking. ``use`` says for what: reading, view, nuclide, SUV, times, DICOM."""

    use: str
    tag: str
    meaning: str
    remedy: str = ""

    def __str__(self) -> str:
        where = f" {self.tag}" if self.tag else ""
        return f"{self.use}{where}: {self.meaning}" + (f" Remedy: {self.remedy}" if self.remedy else "")


def validate(path: Path, assume: Mapping[str, str] | None = None) -> list[Finding]:
    """Findings on everything under a path; none means that every use is open."""
    try:
        studies = read(path, assume)
    except DicomError as error:
        return [Finding("reading", error.tag, f"{error.path}: {error.meaning}", error.remedy)]
    return [finding for study in studies for finding in examine(study)]


def examine(study: Study) -> list[Finding]:
    """Findings on one Study."""
    return [
        *_view(study),
        *_nuclide(study),
        *_times(study),
        *_counts(study),
        *(_suv(study) if study.acquisition.modality == "PT" else ()),
    ]


def _image(study: Study) -> Image:
    return next(entry for entry in study.values() if isinstance(entry, Image))


def _view(study: Study) -> Iterator[Finding]:
    if study.acquisition.kind not in PLANAR:
        return
    grid = _image(study).grid
    labels = grid.labels("view") if "view" in grid.names else ()
    if not labels or "unknown" in labels:
        yield Finding(
            "view",
            "(0054,0220)",
            "no view code or start angle says from which side the patient was seen, so findings have no side.",
            "state it with --assume view=anterior (or anterior,posterior …).",
        )


def _nuclide(study: Study) -> Iterator[Finding]:
    if study.acquisition.modality == "CT":
        return
    tracers = study.acquisition.radiopharmaceuticals
    if not tracers or not tracers[0].nuclide:
        yield Finding(
            "nuclide",
            "(0054,0300)",
            "nobody says which nuclide was given: decay, attenuation and scatter cannot be corrected.",
            "state it with --assume nuclide=Tc-99m.",
        )


def _times(study: Study) -> Iterator[Finding]:
    a = study.acquisition
    given = a.radiopharmaceuticals[0].administered_at if a.radiopharmaceuticals else None
    if a.started_at is None:
        yield Finding("times", "(0008,0032)", "the time of the acquisition is missing.", "--assume started_at=…")
    elif given is not None and given > a.started_at:
        late = (given - a.started_at).total_seconds() / 60
        yield Finding(
            "times", "(0018,1078)", f"the tracer was given {late:.0f} min after the scan began.", "correct the times."
        )
    born = study.patient.birth_date
    if born is not None and a.started_at is not None and born > a.started_at.date():
        yield Finding("times", "(0010,0030)", "the patient was born after the scan.", "correct the dates.")
    if a.modality == "NM" and a.kind in PLANAR and a.duration_s is None and a.scan_velocity_mm_s is None:
        yield Finding(
            "times", "(0018,1242)", "the duration is missing: count rates are unknown.", "--assume duration_s=…"
        )


def _counts(study: Study) -> Iterator[Finding]:
    stated = study.acquisition.facts.get("CountsAccumulated")
    counts = study.get("counts")
    if not isinstance(stated, (int, float)) or not isinstance(counts, Image) or stated <= 0:
        return
    held = float(np.sum(counts.values, dtype=np.float64))
    if not math.isclose(held, stated, rel_tol=0.02):
        yield Finding(
            "counts",
            "(0018,0070)",
            f"the file states {stated:.0f} counts and holds {held:.0f}: it was scaled, cropped or cut short.",
            "use the original for quantities that depend on counts.",
        )


#: what SUV needs: how to see that it is there, tag, meaning, remedy
_SUV_NEEDS: Final[tuple[tuple[Callable[[Study], object], str, str, str], ...]] = (
    (
        lambda s: "activity" in s or any(name.startswith("suv/") for name in s),
        "(0054,1001)",
        "the values are not in BQML.",
        "export the series in BQML.",
    ),
    (lambda s: s.patient.weight_kg, "(0010,1030)", "the weight is missing.", "--assume weight_kg=…"),
    (lambda s: _tracer(s, "activity_mbq"), "(0018,1074)", "the activity given is missing.", "--assume activity_mbq=…"),
    (lambda s: _tracer(s, "half_life_s"), "(0018,1075)", "the half-life is missing.", "--assume half_life_s=…"),
    (
        lambda s: _tracer(s, "administered_at"),
        "(0018,1078)",
        "the time of administration is missing.",
        "--assume administered_at=…",
    ),
    (
        lambda s: s.acquisition.decay_correction in ("START", "ADMIN"),
        "(0054,1102)",
        "the values are not decay-corrected to a known moment.",
        "--assume decay_correction=START, if they are.",
    ),
    (
        lambda s: s.acquisition.decay_correction != "START" or s.acquisition.decay_reference,
        "(0008,0031)",
        "the series carries a later time than its acquisition, so the moment of decay correction is open.",
        "--assume decay_reference=…",
    ),
    (
        lambda s: "ATTN" in s.acquisition.corrections,
        "(0028,0051)",
        "the image is not said to be attenuation-corrected.",
        "use the corrected series.",
    ),
)


def _tracer(study: Study, name: str) -> object:
    tracers = study.acquisition.radiopharmaceuticals
    return getattr(tracers[0], name) if tracers else None


def _suv(study: Study) -> Iterator[Finding]:
    if any(name.startswith("suv/") for name in study):
        return
    for there, tag, meaning, remedy in _SUV_NEEDS:
        if not there(study):
            yield Finding("SUV", tag, meaning, remedy)


def conformance(path: Path) -> list[Finding] | None:
    """What ``dciodvfy`` (dicom3tools) has to say of each file; None where that tool is not installed."""
    tool = shutil.which("dciodvfy")
    if tool is None:
        return None
    findings: list[Finding] = []
    for name, _ in datasets(path):
        if "!" not in name or Path(name).exists():
            findings += [Finding("DICOM", "", line) for line in errors_of(tool, name)]
    return list(dict.fromkeys(findings))


def errors_of(tool: str, name: str) -> list[str]:
    """The lines of ``dciodvfy`` that report an error."""
    try:
        done = subprocess.run(
            [tool, "-new", str(Path(name).resolve())],
            capture_output=True,
            timeout=DCIODVFY_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return [f"Error - dciodvfy did not finish within {DCIODVFY_SECONDS} s"]
    lines = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
    return [line for line in lines if line.startswith("Error")]
