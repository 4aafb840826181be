"""``photopeak recon PATH`` and ``photopeak convert``: projections to images, and volumes between formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


class _FromFields(click.Command):
    """Takes more options from the fields of a dataclass, which is imported when it is asked for them."""

    def __init__(self, *given: Any, fields_of: str, **more: Any) -> None:
        super().__init__(*given, **more)
        self.fields_of = fields_of

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        import dataclasses
        import importlib
        import typing

        from photopeak.stepcommands import option_of

        room, name = self.fields_of.split(":")
        cls = getattr(importlib.import_module(room), name)
        own = super().get_params(ctx)
        hints, named = typing.get_type_hints(cls), {p.name for p in own}
        fields = [option_of(f, hints[f.name]) for f in dataclasses.fields(cls) if f.name not in named]
        return [*own[:-1], *fields, self.get_help_option(ctx) or click.Option(["--help"])]


@click.command(cls=_FromFields, fields_of="photopeak.recon.reconstruct:Reconstruct")
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


_HEADER = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("recon-pet", cls=_FromFields, fields_of="photopeak.recon.pet_running:PetReconstruction")
@click.argument("prompts", type=_HEADER)
@click.option("--randoms", type=_HEADER, help="Header of the expected randoms.")
@click.option("--normalisation", type=_HEADER, help="Header of what multiplies each line's counts.")
@click.option(
    "--attenuation", type=click.Path(exists=True, path_type=Path),
    help="Attenuation map in 1/cm (an Interfile header), or a folder with the CT.",
)  # fmt: skip
@click.option(
    "--first-ring-mm", type=float, nargs=3, metavar="X Y Z",
    help="Where the middle of the first ring lies in the CT's frame.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write.")
@click.option("--assume", multiple=True, metavar="KEY=VALUE", help="State a fact that DICOM needs.")
def recon_pet(
    prompts: Path, out: Path, assume: tuple[str, ...], first_ring_mm: tuple[float, float, float] | None, **options: Any
) -> None:
    """Reconstruct PET sinograms: the header of the prompts, as STIR writes it, and what belongs to them.

    Writes Interfile, a picture and the settings, and a DICOM PT series where everything that it has to state is known:
    in Bq/ml with a measured calibration, else in counts.
    """
    from photopeak.recon.interfile_pet import read_pet, scanner_of
    from photopeak.recon.pet_running import (
        PetReconstruction,
        finished,
        measurement,
        reconstructed,
        write_results,
    )

    beside = {name: options.pop(name) for name in ("randoms", "normalisation", "attenuation")}
    step = PetReconstruction(**options)
    study = read_pet(prompts)
    grid = step.grid(scanner_of(study))
    mu, stated = _surroundings(beside["attenuation"], grid, first_ring_mm, assume)
    measured = measurement(step, study, beside["randoms"], beside["normalisation"], mu)
    x, scatter, factors = reconstructed(step, measured)
    image, series, why = finished(step, measured, study, x, stated)
    if why:
        click.echo(f"no DICOM: {why}", err=True)
    total = float(measured.prompts.sum())
    told = {"prompts": total, "scatter_share": float(scatter.sum()) / total, "scatter_factors": factors}
    for path in write_results(step, image, series, told, out):
        click.echo(f"wrote {path}")


def _surroundings(
    attenuation: Path | None, grid: Any, first_ring_mm: tuple[float, float, float] | None, assume: tuple[str, ...]
) -> tuple[Any, Any]:
    """The attenuation map on the grid, and what is stated of patient, tracer and time."""
    from pydicom.dataset import Dataset

    from photopeak.core import Image, Patient, PhotopeakError
    from photopeak.dicom import parse_assumptions
    from photopeak.dicom import read as read_dicom
    from photopeak.dicom.assumptions import Assumptions
    from photopeak.dicom.elements import Elements
    from photopeak.recon.pet_running import Stated, mu_from_ct_series, mu_from_interfile, tracer_of

    said = Assumptions(parse_assumptions(assume))
    nothing = Elements(Dataset(), "the sinogram's header")

    def fact(key: str) -> Any:
        return said.settle(key, None, nothing, key)

    patient = Patient(sex=fact("sex") or "", weight_kg=fact("weight_kg"), height_m=fact("height_m"))
    tracer = tracer_of(fact("nuclide") or "", fact("activity_mbq"), fact("administered_at"))
    if attenuation is None:
        return None, Stated(patient, tracer, fact("started_at"))
    if attenuation.is_file() and attenuation.suffix.lower() in (".hv", ".h33", ".hdr"):
        return mu_from_interfile(attenuation, grid), Stated(patient, tracer, fact("started_at"))
    cts = [s for s in read_dicom(attenuation) if "ct" in s]
    if len(cts) != 1:
        raise PhotopeakError(f"{attenuation} holds {len(cts)} CT series. Remedy: give the one of this examination.")
    if first_ring_mm is None:
        raise PhotopeakError(
            "an Interfile sinogram does not say where the scanner stands in the CT's frame. "
            "Remedy: --first-ring-mm X Y Z, the middle of the first ring there, or give the map as Interfile."
        )
    ct = cts[0]
    entry = ct["ct"]
    assert isinstance(entry, Image)
    who = ct.patient
    known = Patient(
        who.patient_id, who.issuer, who.name, who.sex or patient.sex, who.birth_date, who.age_years,
        who.height_m or patient.height_m, who.weight_kg or patient.weight_kg,
    )  # fmt: skip
    stated = Stated(known, tracer, fact("started_at"), first_ring_mm, entry.grid.frame)
    return mu_from_ct_series(ct, grid, first_ring_mm), stated


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
