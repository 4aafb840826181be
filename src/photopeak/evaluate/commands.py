"""``photopeak evaluate A [B]``: figures of readings, and of two against each other, with a report."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from photopeak.evaluate.predictions import Predictions
    from photopeak.evaluate.report import Told
    from photopeak.evaluate.summary import Figures, Level, Resampling

FILE_SPLIT: Final = (
    "They are resampled by patient. A file of predictions does not say how its patients were kept apart from those "
    "that the reader was taught with."
)
COHORT_SPLIT: Final = (
    "The whole cohort is read and resampled by patient. No scan of it taught a bundle that keeps a record of its scans."
)


@click.command()
@click.argument("a")
@click.argument("b", required=False)
@click.option(
    "--cohort", type=click.Path(exists=True, path_type=Path), help="A and B are bundles; both read this cohort."
)
@click.option("--level", type=click.Choice(["patient", "image"]), default="patient", show_default=True, help="Cases.")
@click.option("--resamples", type=click.IntRange(20), default=2000, show_default=True, help="Of the bootstrap.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the bootstrap.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for report.html, report.pdf and figures.json.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Also write the figures to this file.")
@click.option("--plot", "plot_path", type=click.Path(path_type=Path), help="Also draw ROC, calibration, net benefit.")
def evaluate(
    a: str,
    b: str | None,
    cohort: Path | None,
    level: Level,
    resamples: int,
    seed: int,
    out: Path | None,
    json_path: Path | None,
    plot_path: Path | None,
) -> None:
    """Figures of the predictions A, and what B does differently, each with a 95 % interval.

    A and B are CSV files: patient, view, fold, label, score_<class> …; or, with --cohort, bundles of bone-scan
    readers. Intervals come from resampling patients.
    """
    from photopeak.evaluate.summary import Resampling, at_level
    from photopeak.evaluate.table import table

    given = [a] if b is None else [a, b]
    readings, made_by = _of_files(given) if cohort is None else _of_bundles(given, cohort)
    parts = _figures(readings, level, Resampling(resamples, seed=seed))
    first = next(iter(readings.values()))
    n = len(at_level(first, level))
    for title, figures in parts.items():
        click.echo(table(f"{title}: {n} {level}s, 95 % intervals", figures, first.classes))
    keyed = dict(zip(("figures", "b", "difference"), parts.values(), strict=False))
    if json_path is not None:
        _write_json(json_path, keyed)
    if plot_path is not None:
        from photopeak.evaluate.plots import report_figure, save_figure

        save_figure(
            report_figure({name: at_level(these, level) for name, these in _short(readings).items()}), plot_path
        )
        click.echo(f"figure {plot_path}")
    if out is not None:
        made_by |= {"intervals": f"{resamples} resamples, seed {seed}"}
        _report(readings, parts, _told(made_by, cohort), level, out, keyed)


def _of_files(given: list[str]) -> tuple[dict[str, Predictions], dict[str, str]]:
    from photopeak.evaluate.predictions import read_predictions

    readings = {_distinct(path, i, given): read_predictions(path) for i, path in enumerate(given)}
    return readings, {path: f"sha256 {_sha256(Path(path))}" for path in given}


def _of_bundles(given: list[str], cohort: Path) -> tuple[dict[str, Predictions], dict[str, str]]:
    from photopeak.classify.scans import scans_of
    from photopeak.dicom.cohort import Cohort
    from photopeak.recipes.bundle_readings import readings_of

    folder = cohort.parent if cohort.is_file() else cohort
    read = readings_of(given, scans_of(Cohort(folder), quiet=False))
    made_by = {"cohort": f"{folder}, cohort.csv sha256 {_sha256(folder / 'cohort.csv')}"}
    made_by |= {f"weights of {name}": f"sha256 {model.sha256}" for name, (model, _) in read.items()}
    return {name: these for name, (_, these) in read.items()}, made_by


def _figures(readings: dict[str, Predictions], level: Level, how: Resampling) -> dict[str, Figures]:
    from photopeak.evaluate.summary import compare
    from photopeak.evaluate.summary import evaluate as figures_of

    if len(readings) == 1:
        ((name, these),) = readings.items()
        return {name: figures_of(these, level, how)}
    (a, one), (b, other) = readings.items()
    both = compare(one, other, level, how)
    return {a: both.a, b: both.b, f"{a} − {b}": both.difference}


def _distinct(name: str, i: int, given: list[str]) -> str:
    """A file against itself is a check that somebody makes."""
    return name if given.index(name) == i else f"{name} (again)"


def _short(readings: dict[str, Predictions]) -> dict[str, Predictions]:
    """By names that fit a legend."""
    stems = [Path(name).stem if name.endswith(".csv") else Path(name).name for name in readings]
    names = stems if len(set(stems)) == len(stems) else ["A", "B"]
    return dict(zip(names, readings.values(), strict=True))


def _told(made_by: dict[str, str], cohort: Path | None) -> Told:
    from photopeak.evaluate.report import Told
    from photopeak.recipes.outcome import provenance

    limits = ("The figures hold for patients like these; another camera, another mix of diseases can change them.",)
    title = "Readings compared and measured" if cohort is None else f"Readers on the cohort {cohort.name}"
    return Told(title, FILE_SPLIT if cohort is None else COHORT_SPLIT, provenance() | made_by, limits)


def _report(
    readings: dict[str, Predictions],
    parts: dict[str, Figures],
    told: Told,
    level: Level,
    out: Path,
    keyed: dict[str, Figures],
) -> None:
    from photopeak.evaluate.report import report, write_report

    short = _short(readings)
    named = [*short, *([" − ".join(short)] if len(short) > 1 else [])]
    document = report(short, dict(zip(named, parts.values(), strict=True)), told, level)
    _write_json(out / "figures.json", keyed)
    for path in write_report(document, out):
        click.echo(f"wrote {path}")


def _sha256(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write_json(path: Path, parts: dict[str, Figures]) -> None:
    from photopeak.core.writing import whole_file

    def plain(figures: Figures) -> dict[str, Any]:
        return {name: {k: v for k, v in asdict(f).items() if v is not None} for name, f in figures.items()}

    with whole_file(path) as work:
        text = json.dumps({part: plain(figures) for part, figures in parts.items()}, indent=1, allow_nan=False)
        work.write_text(text + "\n", encoding="utf-8")
