"""Every registered Step as a command: its fields are the options, its docstring is the help."""

from __future__ import annotations

import dataclasses
import typing
from pathlib import Path
from typing import Any

import click

from photopeak.core.step import load, registered, run

_TYPES: dict[Any, click.ParamType[Any]] = {int: click.INT, float: click.FLOAT, str: click.STRING, bool: click.BOOL}


@click.command()
def steps() -> None:
    """List the installed Steps with what they need and give."""
    for name in registered():
        step = load(name)
        click.echo(f"{name}\n  needs {', '.join(step.needs) or 'nothing'}\n  gives {', '.join(step.gives)}")


def command_of(name: str) -> click.Command:
    """The command of one Step: ``photopeak NAME STUDY [--field value …] [--out DIR]``."""
    cls = load(name)
    hints = typing.get_type_hints(cls)
    fields = [f for f in dataclasses.fields(typing.cast(Any, cls)) if f.init]
    params: list[click.Parameter] = [click.Argument(["study"], type=click.Path(exists=True, path_type=Path))]
    params += [_option(f, hints[f.name]) for f in fields]
    params.append(click.Option(["--assume"], multiple=True, metavar="KEY=VALUE", help="State a fact the file lacks."))
    params.append(click.Option(["--out"], type=click.Path(path_type=Path), help="Write results to this folder."))

    def call(study: Path, assume: tuple[str, ...], out: Path | None, **options: Any) -> None:
        from photopeak.dicom import parse_assumptions, read, save

        for one in read(study, assume=parse_assumptions(assume)):
            result = run(cls(**options), one)
            for entry in cls.gives:
                click.echo(f"{entry}: {describe(result[entry])}")
            if out is not None:
                for path in save(result.only(*cls.gives), out):
                    click.echo(f"wrote {path}")

    return click.Command(name, params=params, callback=call, help=(cls.__doc__ or "").strip())


def describe(entry: Any) -> str:
    """One line a person understands."""
    from photopeak.core import Image, Mask, Measurement, Text

    match entry:
        case Image():
            low, high = float(entry.values.min()), float(entry.values.max())
            return f"image {'×'.join(map(str, entry.grid.shape))}, {low:.4g} to {high:.4g} {entry.unit}"
        case Mask():
            return f"mask of {', '.join(entry.names.values()) or 'nothing'}"
        case Measurement():
            spread = f" ± {entry.sd:.2g}" if entry.sd is not None else ""
            return f"{entry.value:.4g}{spread} {entry.unit} {entry.region}".rstrip()
        case Text():
            return entry.value
        case _:
            return "; ".join(describe(row) for row in entry)


def _option(f: dataclasses.Field[Any], hint: Any) -> click.Option:
    has_default = f.default is not dataclasses.MISSING
    kind: click.ParamType[Any] = _TYPES.get(hint, click.STRING)
    if typing.get_origin(hint) is typing.Literal:
        kind = click.Choice([str(v) for v in typing.get_args(hint)])
    return click.Option(
        [f"--{f.name.replace('_', '-')}"],
        type=kind,
        default=f.default if has_default else None,
        required=not has_default,
        show_default=has_default,
        help=f.metadata.get("help", ""),
    )
