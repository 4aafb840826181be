"""The command line: ``photopeak COMMAND``.

Commands load when they are called, so that ``photopeak --help`` stays instant. Every registered Step
is a command too: its dataclass fields are its options.
"""

from __future__ import annotations

import importlib
import sys

import click

from photopeak import __version__

#: command -> (where it is, one line of help)
COMMANDS = {
    "simulate": ("photopeak.patients.commands:simulate", "Simulate patients: scans with truth and reports."),
    "read": ("photopeak.classify.commands:read", "Read whole-body bone scans: words, JSON, PNG, DICOM SR and SEG."),
    "explain": ("photopeak.classify.commands:explain", "Show what a reading of a bone scan rests on."),
    "recon": ("photopeak.recon.commands:recon", "Reconstruct SPECT projections: DICOM in, DICOM and pictures out."),
    "recon-pet": ("photopeak.recon.commands:recon_pet", "Reconstruct PET sinograms: Interfile in, DICOM PT out."),
    "convert": ("photopeak.recon.commands:convert", "Volumes between Interfile and DICOM."),
    "qc": ("photopeak.quantify.commands:qc", "Quality control of a gamma camera, with a PDF."),
    "polar-map": ("photopeak.quantify.commands:polar_map", "Polar maps of myocardial perfusion, with scores."),
    "polar-limits": ("photopeak.quantify.commands:polar_limits", "Normal limits for polar maps, by simulation."),
    "brain-uptake": ("photopeak.quantify.commands:brain_uptake", "Regional uptake of a brain PET or SPECT, Centiloid."),
    "dose": ("photopeak.quantify.commands:dose", "Absorbed dose of organs and tumours from serial SPECT or PET."),
    "train": ("photopeak.classify.commands:train", "Teach networks on your own data."),
    "reproduce": ("photopeak.recipes.commands:reproduce", "Run a published system, or ours, again."),
    "audit": ("photopeak.recipes.commands:audit", "Which errors readings of a simulated cohort make."),
    "evaluate": ("photopeak.evaluate.commands:evaluate", "Figures of readings, and of two against each other."),
    "room": ("photopeak.room.commands:room", "The reading room: worklist, viewer, reports, DICOM node."),
    "dicom": ("photopeak.dicom.commands:dicom", "Show, index, validate and anonymise DICOM files."),
    "cite": ("photopeak.dicom.commands:cite", "BibTeX for what a study's history used."),
    "steps": ("photopeak.stepcommands:steps", "List the installed Steps."),
}


class Root(click.Group):
    """A group whose members are imported only when called."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        from photopeak.core.registry import registered

        return [*COMMANDS, *(n for n in registered() if n not in COMMANDS)]

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name in COMMANDS:
            module, attribute = COMMANDS[name][0].split(":")
            command: click.Command = getattr(importlib.import_module(module), attribute)
            return command
        from photopeak.core.registry import registered

        if name not in registered():
            return None
        from photopeak.stepcommands import command_of

        return command_of(name)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # Written from the table and the entry points alone: importing every command would take seconds.
        from photopeak.core.registry import registered

        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])
        steps = [(e.name, f"Step from {e.value.split(':')[0]}") for e in registered().values()]
        if steps:
            with formatter.section("Steps"):
                formatter.write_dl(steps)


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="photopeak")
def root() -> None:
    """Deep learning for nuclear medicine. Research software, not a medical device."""


def main() -> None:
    """Run the command line; errors of ours end in one line, not in a traceback."""
    from photopeak.core.errors import PhotopeakError

    try:
        root()
    except PhotopeakError as error:
        click.echo(f"photopeak: {error}", err=True)
        sys.exit(2)
