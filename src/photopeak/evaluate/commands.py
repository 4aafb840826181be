"""``photopeak evaluate A.csv [B.csv]``: figures of readings, and of two against each other."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from photopeak.evaluate.summary import Figures, Level


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path), required=False)
@click.option("--level", type=click.Choice(["patient", "image"]), default="patient", show_default=True, help="Cases.")
@click.option("--resamples", type=click.IntRange(20), default=2000, show_default=True, help="Of the bootstrap.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the bootstrap.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Also write the figures to this file.")
@click.option("--plot", "plot_path", type=click.Path(path_type=Path), help="Also draw ROC, calibration, net benefit.")
def evaluate(
    a: Path, b: Path | None, level: Level, resamples: int, seed: int, json_path: Path | None, plot_path: Path | None
) -> None:
    """Figures of the predictions A, and what B does differently, each with a 95 % interval.

    Files are CSV: patient, view, fold, label, score_<class> …; intervals come from resampling patients.
    """
    from photopeak.evaluate.predictions import read_predictions
    from photopeak.evaluate.summary import Resampling, at_level, compare
    from photopeak.evaluate.summary import evaluate as figures_of
    from photopeak.evaluate.table import table

    how = Resampling(resamples, seed=seed)
    files = {path: read_predictions(path) for path in (a, b) if path is not None}
    classes = files[a].classes
    parts: dict[str, Figures]
    if b is None:
        titles, parts = [str(a)], {"figures": figures_of(files[a], level, how)}
    else:
        both = compare(files[a], files[b], level, how)
        titles, parts = [str(a), str(b), f"{a} − {b}"], {"figures": both.a, "b": both.b, "difference": both.difference}
    for title, figures in zip(titles, parts.values(), strict=True):
        n = len(at_level(files[a], level))
        click.echo(table(f"{title}: {n} {level}s, 95 % intervals", figures, classes))
    if json_path is not None:
        _write_json(json_path, parts)
    if plot_path is not None:
        from photopeak.evaluate.plots import report_figure, save_figure

        names = [p.stem for p in files] if len({p.stem for p in files}) == len(files) else ["A", "B"]
        readings = {name: at_level(these, level) for name, these in zip(names, files.values(), strict=True)}
        save_figure(report_figure(readings), plot_path)
        click.echo(f"figure {plot_path}")


def _write_json(path: Path, parts: dict[str, Figures]) -> None:
    from photopeak.core.writing import whole_file

    def plain(figures: Figures) -> dict[str, Any]:
        return {name: {k: v for k, v in asdict(f).items() if v is not None} for name, f in figures.items()}

    with whole_file(path) as work:
        text = json.dumps({part: plain(figures) for part, figures in parts.items()}, indent=1, allow_nan=False)
        work.write_text(text + "\n", encoding="utf-8")
