"""``photopeak dicom show|index|validate|anonymise`` and ``photopeak cite``."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from photopeak.core.errors import DicomError, PhotopeakError

if TYPE_CHECKING:
    from rich.progress import Progress

    from photopeak.dicom.anonymise import Anonymiser

_PATH = click.Path(exists=True, path_type=Path)
_assume = click.option("--assume", multiple=True, metavar="KEY=VALUE", help="State a fact that the file lacks.")


@click.group()
def dicom() -> None:
    """Show, index, validate and anonymise DICOM files."""


@dicom.command()
@click.argument("path", type=_PATH)
@_assume
@click.option("--png", type=click.Path(path_type=Path), help="Draw the image into this file.")
def show(path: Path, assume: tuple[str, ...], png: Path | None) -> None:
    """Say in words what a file, folder or zip holds."""
    from photopeak.dicom import parse_assumptions, read
    from photopeak.dicom.picture import write_png
    from photopeak.dicom.summary import summary

    studies = read(path, parse_assumptions(assume))
    for number, study in enumerate(studies, 1):
        click.echo(("\n" if number > 1 else "") + summary(study))
        if png is not None:
            target = png if len(studies) == 1 else png.with_stem(f"{png.stem}-{number}")
            write_png(study, target)
            click.echo(f"wrote {target}")


@dicom.command("index")
@click.argument("tree", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", default="index.sqlite", show_default=True, type=click.Path(dir_okay=False, path_type=Path))
def index_tree(tree: Path, out: Path) -> None:
    """Index a tree of DICOM files into SQLite; run again, it reads only what changed."""
    from photopeak.dicom.files import files_under
    from photopeak.dicom.index import index

    with _progress() as bar:
        task = bar.add_task("indexing", total=sum(1 for _ in files_under(tree)))
        done = index(tree, out, lambda n: bar.advance(task, n))
    click.echo(
        f"{out}: {done.read} read, {done.unchanged} unchanged, {done.removed} gone, {done.not_dicom} not DICOM, "
        f"{done.broken} broken, {done.duplicates} sharing an instance UID, in {done.seconds:.1f} s"
    )


@dicom.command()
@click.argument("path", type=_PATH)
@_assume
def validate(path: Path, assume: tuple[str, ...]) -> None:
    """Say what a file is good for, what it lacks and what helps; exits with 1 where something is lacking."""
    from photopeak.dicom import parse_assumptions
    from photopeak.dicom.validate import conformance
    from photopeak.dicom.validate import validate as findings_of

    findings = findings_of(path, parse_assumptions(assume))
    for finding in findings:
        click.echo(str(finding))
    if not findings:
        click.echo(f"{path}: every use is open.")
    formal = conformance(path) if not any(f.use == "reading" for f in findings) else []
    if formal is None:
        click.echo("dciodvfy is not installed (Debian: dicom3tools): conformance was not checked.")
    for finding in formal or []:
        click.echo(str(finding))
    sys.exit(1 if findings or formal else 0)


@dicom.command()
@click.argument("path", type=_PATH)
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to write to.")
@click.option("--key", type=click.Path(dir_okay=False, path_type=Path), help="Key file; made if it is not there.")
@click.option("--retain-dates", "dates", is_flag=True, help="Keep intervals: shift all dates of a patient alike.")
@click.option("--retain-patient", "patient", is_flag=True, help="Keep sex, age, height and weight.")
@click.option("--retain-device", "device", is_flag=True, help="Keep station name and serial number.")
@click.option("--clean-descriptors", "descriptors", is_flag=True, help="Keep the harmless words of descriptions.")
@click.option("--retain-uids", "uids", is_flag=True, help="Keep UIDs.")
@click.option("--retain-safe-private", "private", is_flag=True, help="Keep private scale factors that SUV needs.")
def anonymise(path: Path, out: Path, key: Path | None, **options: bool) -> None:
    """Remove who the patient is, by DICOM PS3.15.

    Files made with one key stay linked: same patient, same pseudonym, same shift of dates. Without --key a
    fresh key is used and forgotten, so that nobody can link old and new.
    """
    from photopeak.dicom.anonymise import Anonymiser, Options

    refused = _anonymise_all(path, out, Anonymiser(_key(key), Options(**options)))
    for error in refused:
        click.echo(f"refused: {error}", err=True)
    sys.exit(1 if refused else 0)


def _anonymise_all(path: Path, out: Path, anonymiser: Anonymiser) -> list[DicomError]:
    from photopeak.dicom.anonymise import anonymise_file, may_show_identity
    from photopeak.dicom.files import each, files_under

    refused: list[DicomError] = []
    captures: list[str] = []
    written = 0
    with _progress() as bar:
        task = bar.add_task("anonymising", total=sum(1 for _ in files_under(path)) if path.is_dir() else None)
        for name, found in each(path):
            bar.advance(task)
            try:
                if isinstance(found, DicomError):
                    raise found
                anonymise_file(found, name, anonymiser, out)
                written += 1
                if may_show_identity(found):
                    captures.append(name)
            except DicomError as error:
                refused.append(error)
    for name in captures:
        click.echo(f"look at {name}: it is a capture and may show the patient's name in its pixels", err=True)
    click.echo(f"{out}: {written} written, {len(refused)} refused")
    return refused


def _key(path: Path | None) -> bytes:
    """The key in a file, 32 random bytes as hexadecimal; made, readable for its owner alone, if not there."""
    if path is None:
        return secrets.token_bytes(32)
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32) + "\n")
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise PhotopeakError(f"{path} is no key file. Remedy: name a file that is not there, to make one.") from error
    if len(key) < 16:
        raise PhotopeakError(f"{path} holds a key of {len(key)} bytes. Remedy: 16 bytes or more, or let us make one.")
    return key


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar with rate and time left, on a terminal; silent elsewhere."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.0f}/s" if task.speed else "–/s")

    console = Console(stderr=True)
    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield progress


@click.command()
@click.argument("what", nargs=-1, required=True)
@_assume
def cite(what: tuple[str, ...], assume: tuple[str, ...]) -> None:
    """BibTeX for what was used: give files of studies, or names of Steps."""
    from photopeak.core.references import cite as bibtex

    keys = [key for one in what for key in _references(one, assume)]
    if not keys:
        click.echo("nothing in the history cites a reference.", err=True)
        return
    click.echo(bibtex(keys))


def _references(what: str, assume: tuple[str, ...]) -> list[str]:
    from photopeak.core.references import references_of
    from photopeak.core.registry import registered
    from photopeak.core.step import load

    if what in registered() and not Path(what).exists():
        return list(references_of(load(what)))
    if not Path(what).exists():
        raise PhotopeakError(f"{what!r} is neither a file nor a Step. Remedy: see photopeak steps.")
    from photopeak.dicom import parse_assumptions, read

    studies = read(what, parse_assumptions(assume))
    return [key for study in studies for record in study.history for key in record.references]
