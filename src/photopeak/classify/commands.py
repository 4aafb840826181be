"""``photopeak read PATH …`` and ``photopeak train classify``: readings of bone scans, and readers of one's own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from photopeak.classify.reader import SHIPPED
from photopeak.core import PhotopeakError, Study

TOGETHER = 16


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Write PNG, JSON, DICOM SR and SEG to this folder.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document a scan (schema reading/1) instead of words."
)
@click.option("--bundle", default=SHIPPED, show_default=True, help="Weights: a name or a folder.")
@click.option("--assume", multiple=True, metavar="KEY=VALUE", help="State a fact the file lacks.")
def read(paths: tuple[Path, ...], out: Path | None, as_json: bool, bundle: str, assume: tuple[str, ...]) -> None:
    """Read whole-body bone scans: files, folders, archives, as many as there are.

    Says what it sees and how sure it is. Research software, not a medical device, taught with simulated patients.
    """
    from photopeak.classify.reader import load_model
    from photopeak.classify.reports import in_words, readings

    model = load_model(bundle)
    failed, unreadable = 0, list[str]()
    for group in _groups(paths, assume, unreadable):
        done = readings(model, [s for _, s in group], [str(p) for p, _ in group])
        for (path, study), (reading, scan, views) in zip(group, done, strict=True):
            failed += bool(reading.refused)
            click.echo(json.dumps(reading.to_json(), ensure_ascii=False) if as_json else in_words(reading))
            if out is not None and scan is not None and views is not None:
                _write(out, path, study, model, reading, scan, views)
    for why in unreadable:
        click.echo(f"not read. {why}", err=True)
    if failed or unreadable:
        raise PhotopeakError(f"{failed + len(unreadable)} scans were not read; the reasons are above.")


def _groups(paths: Sequence[Path], assume: Sequence[str], unreadable: list[str]) -> Iterator[list[tuple[Path, Study]]]:
    """Studies with the file they are from, a few at a time; why a file cannot be read goes to ``unreadable``."""
    from photopeak.dicom import parse_assumptions
    from photopeak.dicom import read as read_dicom

    stated = parse_assumptions(tuple(assume))
    group: list[tuple[Path, Study]] = []
    for path in _files(paths):
        try:
            group += [(path, study) for study in read_dicom(path, assume=stated)]
        except PhotopeakError as error:  # one bad file must not keep the others from being read
            unreadable.append(str(error))
        if len(group) >= TOGETHER:
            yield group
            group = []
    if group:
        yield group


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.suffix.lower() in (".dcm", ".ima", "") and p.is_file())
            if not files:
                raise PhotopeakError(f"{path} holds no DICOM file. Remedy: name a folder with .dcm files.")
            yield from files
        else:
            yield path


def _write(out: Path, path: Path, study: Study, model: Any, reading: Any, scan: Any, views: Any) -> None:
    """One folder a scan, whole or not at all."""
    from pydicom import dcmread

    from photopeak.classify.reader import entries
    from photopeak.classify.reports import draw
    from photopeak.core import Mask
    from photopeak.dicom.cohort import whole_folder
    from photopeak.dicom.seg_writing import write_segmentation
    from photopeak.dicom.sr_writing import write_report

    source = dcmread(path)
    made = entries(study, model, scan, views)
    name = "".join(c if c.isalnum() or c in "-_." else "_" for c in reading.patient_id or path.stem)
    folder = out / f"{name}-{reading.series_uid[-8:]}"
    with whole_folder(folder) as work:
        (work / "reading.json").write_text(json.dumps(reading.to_json(), indent=1, ensure_ascii=False) + "\n", "utf-8")
        draw(study, reading, work / "reading.png")
        write_report(reading, source, work / "report.dcm")
        for what in ("regions", "lesions"):
            mask = made[f"reader/{what}"]
            assert isinstance(mask, Mask)
            for v, view in enumerate(mask.grid.axes[0].labels):
                if mask.values[v].any():
                    write_segmentation(reading, source, mask, view, work / f"{what}-{view}.dcm")
    click.echo(f"  wrote {folder}", err=True)


@click.group()
def train() -> None:
    """Teach networks on your own data."""


@train.command()
@click.option(
    "--data", required=True, type=click.Path(exists=True, path_type=Path), help="Cohort: folder or cohort.csv."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the bundle.")
@click.option("--start", default=SHIPPED, show_default=True, help="Bundle to start from; '' is from nothing.")
@click.option("--epochs", type=click.IntRange(1), default=20, show_default=True, help="At most.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of split and teaching.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
def classify(data: Path, out: Path, start: str, epochs: int, seed: int, device: str) -> None:
    """Teach the bone-scan reader on a cohort with labels, and with truth where there is some.

    A quarter of the patients is held back, to stop early, to calibrate and to measure. A cut run goes on.
    """
    from photopeak.classify.scans import scans_of
    from photopeak.dicom.cohort import Cohort
    from photopeak.learning.devices import device as device_of
    from photopeak.recipes.training import Course, train_reader

    if out.exists():
        raise PhotopeakError(f"{out} is there already. Remedy: name another folder.")
    scans = scans_of(Cohort(data.parent if data.is_file() else data), quiet=False)
    figures = train_reader(scans, Course(start, epochs, seed), device_of(device), out)
    for name in ("auc", "auc_M", "auc_A"):
        if name in figures:
            f = figures[name]
            click.echo(f"{name:6s} {f['value']:.3f} ({f['low']:.3f} to {f['high']:.3f}), {f['n']} patients held back")
    click.echo(f"wrote {out}")
