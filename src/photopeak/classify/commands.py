"""``photopeak read PATH …``, ``explain PATH …`` and ``train classify``: readings of bone scans, and own readers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from photopeak.classify.reader import SHIPPED
from photopeak.core import PhotopeakError

if TYPE_CHECKING:
    from photopeak.dicom.reading import Examination


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Write PNG, JSON, DICOM SR and SEG to this folder.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document a scan (schema reading/1) instead of words."
)
@click.option("--bundle", default=SHIPPED, show_default=True, help="Weights: a name or a folder.")
@click.option("--assume", multiple=True, metavar="KEY=VALUE", help="State a fact the file lacks.")
@click.option(
    "--cluster",
    is_flag=False,
    flag_value="local",
    metavar="[ADDRESS]",
    help="Read on Ray: a local cluster, or the address of one (extra 'cluster').",
)
def read(
    paths: tuple[Path, ...], out: Path | None, as_json: bool, bundle: str, assume: tuple[str, ...], cluster: str | None
) -> None:
    """Read whole-body bone scans: files, folders, archives, as many as there are.

    Says what it sees and how sure it is. Research software, not a medical device, taught with simulated patients.
    """
    from photopeak.classify.bulk import read_all

    failed = 0
    for done in read_all(_groups(paths, assume), bundle, out is not None, cluster):
        failed += done.failed
        if done.refused:
            click.echo(f"not read. {done.refused}", err=True)
            continue
        click.echo(done.json if as_json else done.words)
        if out is not None and done.files:
            click.echo(f"  wrote {done.write(out)}", err=True)
    if failed:
        raise PhotopeakError(f"{failed} scans were not read; the reasons are above.")


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--question",
    type=click.Choice(["metastasis", "arthritis"]),
    default="metastasis",
    show_default=True,
    help="Which answer.",
)
@click.option(
    "--method",
    type=click.Choice(["lesion evidence", "occlusion", "gradient"]),
    default="occlusion",
    show_default=True,
    help="The reader's own lesion map; what the answer loses when a spot is covered; Grad-CAM.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Write one PNG a scan to this folder.")
@click.option("--bundle", default=SHIPPED, show_default=True, help="Weights: a name or a folder.")
@click.option("--assume", multiple=True, metavar="KEY=VALUE", help="State a fact the file lacks.")
def explain(
    paths: tuple[Path, ...], question: str, method: str, out: Path | None, bundle: str, assume: tuple[str, ...]
) -> None:
    """Say what the reader's answer on a bone scan rests on, in words and as colours over the scan."""
    from photopeak.classify import overlays
    from photopeak.classify.explain import explain as explained
    from photopeak.classify.reports import stem_of

    failed = 0
    for one in (e for group in _groups(paths, assume) for e in group):
        try:
            if one.study is None:
                raise PhotopeakError(one.refused)
            done = explained(one.study, question, method, bundle)
        except PhotopeakError as error:
            failed += 1
            click.echo(f"not explained. {error}", err=True)
            continue
        click.echo(overlays.in_words(one.study.patient.patient_id, done))
        if out is not None:
            name = f"{stem_of(one)}-{question}-{method.replace(' ', '-')}.png"
            click.echo(f"  wrote {overlays.draw(one.study, done, out / name)}", err=True)
    if failed:
        raise PhotopeakError(f"{failed} scans were not explained; the reasons are above.")


def _groups(paths: Sequence[Path], assume: Sequence[str]) -> Iterator[list[Examination]]:
    """Examinations, a few at a time, so that thousands fit."""
    from photopeak.classify.bulk import TOGETHER
    from photopeak.dicom import parse_assumptions
    from photopeak.dicom.reading import examinations

    stated = parse_assumptions(tuple(assume))
    each = (one for path in paths for one in examinations(path, stated))
    while group := list(islice(each, TOGETHER)):
        yield group


@click.group()
def train() -> None:
    """Teach networks on your own data."""


@train.command()
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="Cohort, CSV of paths and labels, or LabelMe files.",
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
    from photopeak.learning.devices import device as device_of
    from photopeak.recipes.own_scans import OwnScans, own_scans
    from photopeak.recipes.training import Course, train_reader

    if out.exists():
        raise PhotopeakError(f"{out} is there already. Remedy: name another folder.")
    source = own_scans(data)
    for path in source.left_out if isinstance(source, OwnScans) else ():
        click.echo(f"left out: the readers of {path} are tied", err=True)
    scans = scans_of(source, quiet=False)
    figures = train_reader(scans, Course(start, epochs, seed), device_of(device), out, click.echo)
    for name in ("auc", "auc_M", "auc_A"):
        if name in figures:
            f = figures[name]
            click.echo(f"{name:6s} {f.value:.3f} ({f.low:.3f} to {f.high:.3f}), {f.n} patients held back")
    click.echo(f"wrote {out}, with report.html and report.pdf")
