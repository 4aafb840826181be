"""Every registered Step as a command: its fields are the options, its docstring is the help."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from pathlib import Path
from typing import Any

import click

from photopeak.core.errors import PhotopeakError
from photopeak.core.registry import registered
from photopeak.core.step import load, run

_TYPES: dict[Any, click.ParamType[Any]] = {
    int: click.INT,
    float: click.FLOAT,
    str: click.STRING,
    bool: click.BOOL,
    Path: click.Path(path_type=Path),
}


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
    params += [option_of(f, hints[f.name]) for f in fields]
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

    return click.Command(name, params=params, callback=call, help=help_of(cls))


def help_of(cls: type) -> str:
    """A class's docstring as help: without the keys of its references, which ``photopeak cite`` knows."""
    return re.sub(r"\s*:cite:`[^`]*`", "", inspect.getdoc(cls) or "")


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


def option_of(f: dataclasses.Field[Any], hint: Any) -> click.Option:
    """The command-line option of one dataclass field."""
    default = f.default if f.default_factory is dataclasses.MISSING else f.default_factory()
    required = default is dataclasses.MISSING
    flag = f.name.replace("_", "-")
    settings: dict[str, Any] = {"required": required, "help": f.metadata.get("help", "")}
    if not required:
        settings |= {
            "default": default,
            "show_default": not (default in (None, "", ()) or dataclasses.is_dataclass(default)),
        }
    if hint is bool:
        return click.Option([f"--{flag}/--no-{flag}"], **settings)
    if typing.get_origin(hint) is tuple:
        members = typing.get_args(hint)
        if members[1:] == (Ellipsis,):
            return click.Option([f"--{flag}"], type=_type_of(f.name, members[0]), multiple=True, **settings)
        return click.Option([f"--{flag}"], type=tuple(_type_of(f.name, m) for m in members), **settings)
    return click.Option([f"--{flag}"], type=_type_of(f.name, hint), **settings)


def _type_of(name: str, hint: Any) -> click.ParamType[Any]:
    if hint in _TYPES:
        return _TYPES[hint]
    if typing.get_origin(hint) is typing.Literal:
        return click.Choice(typing.get_args(hint))
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        (inner,) = (h for h in typing.get_args(hint) if h is not type(None))
        return _type_of(name, inner)
    if hasattr(hint, "from_json"):
        return _Settings(hint)
    raise PhotopeakError(
        f"the field {name!r} has the type {hint}, which no option of the command line can hold. "
        "Remedy: use int, float, str, bool, Path, Literal, a tuple of these, or a dataclass with from_json."
    )


class _Settings(click.ParamType[Any]):
    """A dataclass of settings, given as JSON or as the name of a file that holds it."""

    name = "json"

    def __init__(self, cls: Any) -> None:
        self.cls = cls

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, self.cls):
            return value
        try:
            text = value if value.lstrip().startswith("{") else Path(value).read_text(encoding="utf-8")
            return self.cls.from_json(text)
        except (OSError, ValueError) as error:
            self.fail(f"neither JSON nor a file of it: {error}", param, ctx)
