"""``photopeak recon PATH`` and ``photopeak convert``: projections to images, and volumes between formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


def _options() -> list[click.Parameter]:
    """The fields of the Step, but for ``attenuation``, which here says where the map comes from."""
    import dataclasses
    import typing

    from photopeak.recon.reconstruct import Reconstruct
    from photopeak.stepcommands import option_of

    hints = typing.get_type_hints(Reconstruct)
    return [option_of(f, hints[f.name]) for f in dataclasses.fields(Reconstruct) if f.name != "attenuation"]


class _Recon(click.Command):
    """Takes its options from the Step when it is asked for them."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx)[:-1], *_options(), self.get_help_option(ctx) or click.Option(["--help"])]


@click.command(cls=_Recon)
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write.")
@click.option(
    "--attenuation", type=click.Choice(["none", "ct"]), default="none", show_default=True,
    help="Where the attenuation map comes from: the CT among PATHS.",
)  # fmt: skip
@click.option("--assume", multiple=True, metavar="KEY=VALUE", help="State a fact the file lacks.")
def recon(paths: tuple[Path, ...], out: Path, attenuation: str, assume: tuple[str, ...], **settings: Any) -> None:
    """Reconstruct SPECT projections: files or folders that hold a TOMO acquisition and, for attenuation, its CT.

    Writes DICOM (RECON TOMO), a picture, and the settings with the objective of every iteration. A cut run
    of the same command goes on from its last iteration.
    """
    from photopeak.dicom import parse_assumptions
    from photopeak.dicom import read as read_dicom
    from photopeak.recon.reconstruct import Reconstruct
    from photopeak.recon.running import gathered, run_recon

    found = [study for path in paths for study in read_dicom(path, assume=parse_assumptions(assume))]
    study = gathered(found, attenuation == "ct")
    step = Reconstruct(attenuation=attenuation == "ct", **settings)
    for path in run_recon(step, study, out, lambda text: click.echo(text, err=True)):
        click.echo(f"wrote {path}")


@click.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--slice-mm", type=float, help="Distance of slices, where an Interfile header has it wrong.")
@click.option(
    "--unit", default="1", show_default=True, help="What an Interfile's numbers are: {counts}, Bq/ml, 1/cm, 1."
)
def convert(source: Path, target: Path, slice_mm: float | None, unit: str) -> None:
    """Turn a volume from Interfile (a header such as .hv or .h33) into DICOM (.dcm), or DICOM into Interfile (.hv)."""
    from photopeak.core import Image, PhotopeakError
    from photopeak.dicom import read as read_dicom
    from photopeak.dicom import write as write_dicom
    from photopeak.recon.interfile import read_interfile, write_interfile

    if target.suffix.lower() == ".dcm":
        click.echo(f"wrote {write_dicom(read_interfile(source, slice_mm, unit), target)}")
        return
    if target.suffix.lower() not in (".hv", ".h33"):
        raise PhotopeakError(f"{target} ends neither in .dcm nor in .hv. Remedy: name what is to be written.")
    studies = read_dicom(source)
    images = [entry for study in studies for entry in study.values() if isinstance(entry, Image)]
    if len(images) != 1:
        raise PhotopeakError(f"{source} holds {len(images)} images. Remedy: give one volume.")
    click.echo(f"wrote {write_interfile(images[0], target)}")
