"""The report that an evaluation or a training ends with: the same for one reading and for two, as HTML and as PDF."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from photopeak.core.writing import whole_file
from photopeak.evaluate import plots
from photopeak.evaluate.document import Document, Picture, Section, Table, html
from photopeak.evaluate.document_pdf import pdf
from photopeak.evaluate.predictions import Predictions
from photopeak.evaluate.summary import Figure, Figures, Level, at_level

NOTICE: Final = "Research software, not a medical device."
INTERVALS: Final = (
    "In brackets the 95 % interval from resampling patients, all images of a patient together. Areas and calibration "
    "are of all cases; what comes from the confusion matrix is of the cases of one class."
)
FILES: Final = ("report.html", "report.pdf")


@dataclass(frozen=True)
class Told:
    """What a report says beyond its figures.

    ``split`` says how the cases were kept apart from those taught with, ``log`` is the ``log.csv`` of a training,
    ``made_by`` the command, commit, seeds, hardware and hashes, ``limits`` what the figures do not show.
    """

    title: str
    split: str
    made_by: Mapping[str, str] = field(default_factory=dict)
    limits: Sequence[str] = ()
    log: Path | None = None


def report(
    readings: Mapping[str, Predictions], parts: Mapping[str, Figures], told: Told, level: Level = "patient"
) -> Document:
    """The document of one reading or more of one cohort.

    ``readings`` are predictions by name; ``parts`` the figures of each by the same name, and of differences by theirs.
    """
    cases = {name: at_level(these, level) for name, these in readings.items()}
    first = next(iter(readings.values()))
    sections = [_cohort(first, next(iter(cases.values())), level, told), _figures(parts, first.classes)]
    sections += [_curves(cases, level)]
    if told.log is not None:
        picture = Picture("training", plots.learning_figure(told.log), "Each epoch of the training, from its log.")
        sections.append(Section("Training", [picture]))
    sections.append(Section("Limits", [*told.limits, f"{NOTICE} It must not be used to treat a patient."]))
    if told.made_by:
        sections.append(Section("Made by", [Table(("", ""), list(told.made_by.items()))]))
    return Document(told.title, NOTICE, sections)


def write_report(document: Document, folder: Path) -> list[Path]:
    """``report.html`` and ``report.pdf`` in a folder, each whole or not at all."""
    contents = html(document).encode(), pdf(document)
    paths = [folder / name for name in FILES]
    for path, content in zip(paths, contents, strict=True):
        with whole_file(path) as work:
            work.write_bytes(content)
    return paths


def _cohort(images: Predictions, cases: Predictions, level: Level, told: Told) -> Section:
    patients = dict(zip(images.patients, images.labels, strict=True))
    by_class, by_image = Counter(patients.values()), Counter(images.labels)
    order = [c for c in (*images.classes, *sorted(by_class)) if by_class[c]]
    rows = [(c, str(by_class[c]), f"{by_class[c] / len(patients):.0%}", str(by_image[c])) for c in dict.fromkeys(order)]
    rows.append(("all", str(len(patients)), "100%", str(len(images))))
    words = f"Figures count {level}s, {len(cases)} of them. {told.split}"
    return Section("Cohort", [words, Table(("class", "patients", "share", "rows of predictions"), rows)])


def _figures(parts: Mapping[str, Figures], classes: Sequence[str]) -> Section:
    endings = tuple(f"_{c}" for c in classes)
    names = list(dict.fromkeys(name for figures in parts.values() for name in figures))
    overall = [name for name in names if not name.endswith(endings)]
    whole = Table(("all classes", *parts), [(_words(n), *(_cell(f.get(n)) for f in parts.values())) for n in overall])
    of_class = dict.fromkeys(n.removesuffix(e) for n in names for e in endings if n.endswith(e))
    tables = []
    for title, figures in parts.items():
        rows = [(_words(n), *(_cell(figures.get(n + e)) for e in endings)) for n in of_class]
        rows = [row for row in rows if any(cell != "–" for cell in row[1:])]
        areas = [figures.get(f"auc_{c}") for c in classes]
        if any(f is not None and f.p_delong is not None for f in areas):
            p = ["–" if f is None or f.p_delong is None else f"{f.p_delong:.2g}" for f in areas]
            rows.insert(1, ("auc, DeLong p", *p))
        tables.append(Table((title, *classes), rows))
    return Section("Figures", [INTERVALS, whole, *tables])


def _curves(cases: Mapping[str, Predictions], level: Level) -> Section:
    return Section(
        "Curves",
        [
            Picture("roc", plots.roc_figure(cases), f"ROC of each class against the rest, by {level}."),
            Picture(
                "confusion",
                plots.confusion_figure(cases),
                "Confusion matrix: row the true class, column the class of the highest score; cases of one class.",
            ),
            Picture(
                "calibration",
                plots.reliability_figure(cases),
                "Calibration: bins of as many cases each, with Wilson's intervals; on the dotted line all is as said.",
            ),
            Picture(
                "decision",
                plots.decision_figure(cases),
                "Decision curve: true positives less the false ones, weighed by the odds of the threshold, a case.",
            ),
            Picture(
                "risk",
                plots.risk_coverage_figure(cases),
                "Risk and coverage: errors among the cases read, when the least sure are left to a human.",
            ),
        ],
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _cell(f: Figure | None) -> str:
    return "–" if f is None else f"{f.value:.3f} ({f.low:.3f} to {f.high:.3f})"
