"""``photopeak evaluate A.csv [B.csv]``: figures of readings, and of two against each other."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from photopeak.evaluate.summary import Figures, Level


@click.command()
@click.argument("a", type=click.Path(exists=True, path_type=Path))
@click.argument("b", type=click.Path(exists=True, path_type=Path), required=False)
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

    how = Resampling(resamples, seed=seed)
    files = {path: read_predictions(path) for path in (a, b) if path is not None}
    record: dict[str, Figures] = {}
    for path, these in files.items():
        record[str(path)] = figures_of(these, level, how)
        click.echo(_table(f"{path}: {len(at_level(these, level))} {level}s", record[str(path)]))
    if b is not None:
        record["difference"] = compare(files[a], files[b], level, how)
        click.echo(_table(f"{a} − {b}", record["difference"]))
    if json_path is not None:
        work = json_path.with_name(f".{json_path.name}.{os.getpid()}")
        work.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        work.replace(json_path)
    if plot_path is not None:
        from photopeak.evaluate.plots import report_figure, save_figure

        save_figure(report_figure({p.stem: at_level(t, level) for p, t in files.items()}), plot_path)
        click.echo(f"figure {plot_path}")


def _table(title: str, figures: Figures) -> str:
    lines = [title]
    for name, f in figures.items():
        p = f"   DeLong p {f['p_delong']:.2g}" if "p_delong" in f else ""
        lines.append(f"  {name:28s} {f['value']:7.4f}   {f['low']:7.4f} to {f['high']:7.4f}{p}")
    return "\n".join(lines) + "\n"
