"""The command line as its user meets it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from photopeak import __version__, cli
from photopeak.core import PhotopeakError
from photopeak.core.registry import registered

PHOTOPEAK = Path(sys.executable).with_name("photopeak")


def test_help_lists_every_command_and_step_without_importing_them() -> None:
    code = "import sys; sys.argv = ['photopeak', '--help']\nfrom photopeak import cli\ntry: cli.main()\nfinally: "
    code += "print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    *text, modules = out.splitlines()
    listed = {line.split()[0] for line in text if line.startswith("  ")}
    assert {*cli.COMMANDS, *registered()} <= listed
    assert "not a medical device" in out
    assert not {"torch", "numba", "pydicom", "photopeak.quantify", "photopeak.dicom"} & set(modules.split())


def test_version() -> None:
    assert CliRunner().invoke(cli.root, ["--version"]).output == f"photopeak, version {__version__}\n"


@pytest.mark.parametrize("name", [*cli.COMMANDS, *registered()])
def test_every_command_has_help_of_its_own(name: str) -> None:
    result = CliRunner().invoke(cli.root, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert f"root {name}" in result.output
    assert len(result.output.splitlines()) > 3


def walk(command: click.Command, context: click.Context) -> list[click.Command]:
    found = [command]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None, name
            found += walk(child, context)
    return found


def test_every_command_says_what_it_does() -> None:
    commands = walk(cli.root, click.Context(cli.root))
    assert len(commands) > len(cli.COMMANDS)
    assert not [c.name for c in commands if not (c.help or "").strip()]


def test_steps_lists_needs_and_gives() -> None:
    output = CliRunner().invoke(cli.root, ["steps"]).output
    for name in registered():
        assert f"{name}\n  needs " in output


def test_an_unknown_command_is_refused() -> None:
    result = CliRunner().invoke(cli.root, ["simulat"])
    assert result.exit_code == 2
    assert "No such command" in result.output


def test_our_errors_end_in_one_line(monkeypatch, capsys) -> None:
    def fail() -> None:
        raise PhotopeakError("the file is empty. Remedy: send it again.")

    monkeypatch.setattr(cli, "root", fail)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert capsys.readouterr().err == "photopeak: the file is empty. Remedy: send it again.\n"
