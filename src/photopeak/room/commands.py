"""``photopeak room serve|settings|user|doctor|backup|restore|audit``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from photopeak.core import PhotopeakError
from photopeak.core.errors import optional


def _option(name: str, **more: Any) -> Callable[[Any], Any]:
    return click.option(f"--{name}", default=None, **more)


def _settings(**given: Any) -> Any:
    """Settings from options, then the environment, then what they are without."""
    optional("fastapi", extra="room")
    from pydantic import ValidationError

    from photopeak.room.settings import Settings

    try:
        return Settings(**{k: v for k, v in given.items() if v is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "a setting"
        raise PhotopeakError(f"{name}: {first['msg']}. Remedy: photopeak room settings shows every setting.") from error


@click.group()
def room() -> None:
    """The reading room: worklist, viewer, reports, DICOM node."""


_data = _option("data", type=click.Path(file_okay=False, path_type=Path), help="Folder of the archive.")
_database = _option("database-url", help="SQLAlchemy URL; SQLite in the data folder unless given.")


@room.command()
@_option("host", help="Address of the pages. [default: 127.0.0.1]")
@_option("port", type=click.IntRange(0, 65535), help="Their port. [default: 8650]")
@_option("dicom-host", help="Address of the DICOM node. [default: 127.0.0.1]")
@_option("dicom-port", type=click.IntRange(0, 65535), help="Its port. [default: 11112]")
@_data
@_database
@_option("objects-url", help="fsspec URL of the DICOM files.")
@_option("bundle", help="Weights that read what arrives.")
@_option("quiet-seconds", type=float, help="A study is complete when nothing came for so long.")
@_option("tls-certificate", type=click.Path(path_type=Path), help="PEM certificate of the pages.")
@_option("tls-key", type=click.Path(path_type=Path), help="PEM key of the pages.")
@click.option("--behind-proxy", is_flag=True, default=None, help="A reverse proxy before the room speaks TLS.")
@click.option("--demo", is_flag=True, default=None, help="No passwords, virtual patients; on loopback only.")
def serve(**given: Any) -> None:
    """Run the room: pages and DICOMweb, the DICOM node, the work behind them.

    Every setting is an environment variable too; `photopeak room settings` lists them all.
    """
    settings = _settings(**given)
    from photopeak.room.serving import serve as run

    run(settings)


@room.command()
def settings() -> None:
    """Every setting: its environment variable, its present value, its meaning."""
    now = _settings()
    from photopeak.room.settings import described

    for name, variable, value, meaning in described(now):
        click.echo(f"{name:22s} {variable:38s} {value or '-'}\n{'':22s} {meaning}")


def _open(data: Path | None, database_url: str | None) -> Any:
    from photopeak.room.room import open_room

    return open_room(_settings(data=data, database_url=database_url))


@room.group()
def user() -> None:
    """Who may sign in."""


@user.command("add")
@click.argument("name")
@click.option("--role", required=True, help="administrator, physician, annotator or researcher.")
@click.option("--display", default="", help="The name that others see.")
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True, help="Asked for when not given.")
@_data
@_database
def add(name: str, role: str, display: str, password: str, data: Path | None, database_url: str | None) -> None:
    """A new account."""
    here = _open(data, database_url)
    from photopeak.room.accounts import add_user
    from photopeak.room.audit import Event, record
    from photopeak.room.audit_head import keep_head

    with here.database.writing() as t:
        add_user(t, name, role, password, display)
        record(t, Event("administer", "command line", name, details={"role": role}))
    keep_head(here)
    click.echo(f"added {name} ({role})")


@user.command("list")
@_data
@_database
def list_users(data: Path | None, database_url: str | None) -> None:
    """Every account."""
    from sqlalchemy import select

    here = _open(data, database_url)
    from photopeak.room.schema import User

    with here.database.reading() as t:
        for u in t.scalars(select(User).order_by(User.name)):
            state = "" if u.active else "  closed"
            click.echo(f"{u.name:24s} {u.role:14s} {u.display}{state}")


@room.command()
@_data
@_database
def doctor(data: Path | None, database_url: str | None) -> None:
    """Look for what is wrong with an installation, and say what helps; exits with 1 where something is."""
    settings = _settings(data=data, database_url=database_url)
    from photopeak.room.care import examine

    findings = list(examine(settings))
    for finding in findings:
        click.echo(f"{'ok   ' if finding.good else 'WRONG'} {finding.what}: {finding.says}")
        if not finding.good:
            click.echo(f"      Remedy: {finding.remedy}")
    if not all(f.good for f in findings):
        raise PhotopeakError(f"{sum(not f.good for f in findings)} things are wrong.")


@room.command()
@click.argument("target", type=click.Path(path_type=Path))
@_data
@_database
def backup(target: Path, data: Path | None, database_url: str | None) -> None:
    """Write everything into one folder: catalogue, objects and their hashes. The room may run meanwhile."""
    from photopeak.room.care import backup as write

    done = write(_open(data, database_url), target)
    click.echo(f"{target}: {done.rows} rows of {done.tables} tables, {done.objects} objects")


@room.command()
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_data
@_database
def restore(source: Path, data: Path | None, database_url: str | None) -> None:
    """Bring a backup into an empty room, every hash checked."""
    from photopeak.room.care import restore as bring

    done = bring(source, _open(data, database_url))
    click.echo(f"restored {done.rows} rows of {done.tables} tables, {done.objects} objects")


@room.command()
@click.option("--messages", is_flag=True, help="As DICOM audit messages (PS3.15), one XML document a line.")
@click.option("--holds", default="", metavar="SHA256", help="Hash that the trail must hold, as `doctor` once told it.")
@_data
@_database
def audit(messages: bool, holds: str, data: Path | None, database_url: str | None) -> None:
    """Print the audit trail; exits with 1 where its chain is broken, or lines at its end are gone."""
    here = _open(data, database_url)
    from photopeak.room.audit import as_message, broken_at, lines
    from photopeak.room.audit_head import kept_head, known, stands

    kept = kept_head(here.settings.data)

    with here.database.reading() as t:
        for line in lines(t):
            words = f"{line.at.isoformat()}Z  {line.who or '-':16s} {line.action:10s} {line.outcome:8s} {line.what}"
            click.echo(as_message(line) if messages else words)
        broken, whole, held = broken_at(t), stands(t, kept), not holds or known(t, holds)
    if broken is not None:
        raise PhotopeakError(
            f"the audit trail was changed at line {broken}. Remedy: compare it with a backup made before."
        )
    gone = f"hash {holds}" if not held else ""
    if kept is not None and not whole:
        gone = f"line {kept.line}, which once was the last one,"
    if gone:
        raise PhotopeakError(
            f"lines at the end of the audit trail are gone: {gone} is not in it. "
            "Remedy: compare it with a backup made before."
        )
