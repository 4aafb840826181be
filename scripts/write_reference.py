"""Write the pages of docs/reference that the code itself knows best; ``--check`` only compares.

The pages are committed, so that they can be read without building anything; a test runs ``--check``.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from api_pages import markdown, modules

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
NOTE = "<!-- Written by scripts/write_reference.py: edit the code, not this page. -->\n\n"


def cli_page() -> str:
    """Every command with its options, as ``--help`` prints them."""
    from photopeak.cli import root

    parts = [f"# Command line\n\n{NOTE}"]
    parts += [f"## {name}\n\n```text\n{text}\n```\n" for name, text in helps("photopeak", root)]
    return "\n".join(parts)


def helps(name: str, command: click.Command) -> Iterator[tuple[str, str]]:
    """The help of a command and of every command below it."""
    context = click.Context(command, info_name=name, terminal_width=100, max_content_width=100)
    yield name, command.get_help(context)
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            child = command.get_command(context, sub)
            if child is not None and not child.hidden:
                yield from helps(f"{name} {sub}", child)


def vocabulary_page() -> str:
    """Every declared entry name."""
    for module in modules():
        importlib.import_module(module)  # rooms declare their names when they are imported
    from photopeak.core.vocabulary import declared

    rows = [
        f"| `{d.name}` | {d.kind.entry} | {f'`{d.kind.unit}`' if d.kind.unit else 'as it states'} | {d.meaning} |"
        for d in sorted(declared().values(), key=lambda d: d.name)
    ]
    return "\n".join(
        [
            f"# Vocabulary\n\n{NOTE}The names a Study's entries may have. A plugin adds its own with "
            "[`declare`](../how-to/write-a-plugin.md).\n",
            "| name | entry | unit | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def units_page() -> str:
    """Every unit."""
    from photopeak.core.units import UNITS

    kinds = dict.fromkeys(kind for kind, _ in UNITS.values())
    rows = []
    for kind in kinds:
        members = [f"`{unit}`" for unit, (k, _) in UNITS.items() if k == kind]
        rows.append(f"| {kind} | {', '.join(members)} |")
    return "\n".join(
        [
            f"# Units\n\n{NOTE}Units are written in UCUM. Within a row they convert into each other; across rows they "
            "are refused.\n",
            "| measures | units |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def steps_page() -> str:
    """Every registered Step of ours with its docstring, fields, needs and gives."""
    import dataclasses

    from photopeak.core.registry import registered
    from photopeak.core.step import load

    parts = [f"# Steps\n\n{NOTE}Each is also a command, `photopeak NAME STUDY`, and its fields are the options.\n"]
    for name, entry in registered().items():
        if not entry.value.startswith("photopeak."):
            continue
        step = load(name)
        fields = ", ".join(f"`{f.name}`" for f in dataclasses.fields(step) if f.init) or "none"  # type: ignore[arg-type]
        parts += [
            f"## {name}\n\n{markdown(inspect.getdoc(step) or '', 'references.md')}\n",
            f"- in: `{entry.value.partition(':')[0]}`",
            f"- needs: {entries_of(step.needs)}",
            f"- gives: {entries_of(step.gives)}",
            f"- fields: {fields}\n",
        ]
    return "\n".join(parts)


def entries_of(kinds: object) -> str:
    """Names with units, in words."""
    return ", ".join(f"`{n}`" + (f" in `{k.unit}`" if k.unit else "") for n, k in dict(kinds).items()) or "nothing"  # type: ignore[call-overload]


def assumptions_page() -> str:
    """Every fact that --assume can state."""
    from photopeak.dicom.assumptions import KEYS

    rows = [f"| `{key}` | {meaning} |" for key, (_, meaning) in KEYS.items()]
    text = "What `--assume key=value` can state where a file does not. A stated fact never overrules the file."
    return "\n".join([f"# Facts that can be stated\n\n{NOTE}{text}\n", "| key | states |", "|---|---|", *rows, ""])


def difficulty_page() -> str:
    """Every knob of the bone-scan task."""
    from photopeak.patients.difficulty import knobs

    rows = [f"| `{name}` | {default:g} | {unit} | {meaning} |" for name, default, unit, meaning in knobs()]
    text = "The knobs of `--difficulty`, a JSON file; what it leaves out has its default."
    head = ["| knob | default | unit | meaning |", "|---|---|---|---|"]
    return "\n".join([f"# Difficulty of the bone-scan task\n\n{NOTE}{text}\n", *head, *rows, ""])


def settings_page() -> str:
    """Every setting of the reading room."""
    from photopeak.room.settings import PREFIX, Settings, usual

    rows = [
        f"| `{name}` | `{PREFIX}{name.upper()}` | {usual(name)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    text = (
        "`photopeak room settings` prints them with their present values. An option of `room serve` comes first, then "
    )
    text += "the environment variable, then what is usual."
    head = ["| setting | environment variable | usually | meaning |", "|---|---|---|---|"]
    return "\n".join([f"# Settings of the reading room\n\n{NOTE}{text}\n", *head, *rows, ""])


def references_page() -> str:
    """The bibliography."""
    from photopeak.core.references import bibliography

    parts = [f"# References\n\n{NOTE}What docstrings cite; `photopeak cite` prints those a study's history used.\n"]
    parts += [f"## {key}\n\n```bibtex\n{entry}\n```\n" for key, entry in sorted(bibliography().items())]
    return "\n".join(parts)


PAGES = {
    "room-settings.md": settings_page,
    "cli.md": cli_page,
    "vocabulary.md": vocabulary_page,
    "units.md": units_page,
    "steps.md": steps_page,
    "assumptions.md": assumptions_page,
    "difficulty.md": difficulty_page,
    "references.md": references_page,
}


def main(check: bool) -> int:
    """Write the pages, or say which differ from what the code says."""
    stale = []
    for name, page in PAGES.items():
        path, text = REFERENCE / name, page().rstrip() + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    print("stale:" if check else "written:", ", ".join(stale) or "nothing")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
