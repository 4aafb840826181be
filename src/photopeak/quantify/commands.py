"""``photopeak qc TEST FILE``: quality control of a gamma camera; polar maps, brain uptake, and dose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from photopeak.quantify.camera_checks import Check


@click.group()
def qc() -> None:
    """Check a gamma camera: figures by the NEMA standard, on paper (PDF) and as JSON."""


def _test(name: str, text: str) -> Callable[[Callable[..., None]], click.Command]:
    """A subcommand with the options that all tests share."""

    def made(call: Callable[..., None]) -> click.Command:
        command = qc.command(name, help=text)(call)
        command.params = [
            click.Argument(["path"], type=click.Path(exists=True, path_type=Path)),
            click.Option(["--out"], type=click.Path(path_type=Path), help="Write PDF and JSON to this folder."),
            click.Option(["--assume"], multiple=True, metavar="KEY=VALUE", help="State a fact the file lacks."),
            *command.params,
        ]
        return command

    return made


@_test("uniformity", "Integral and differential uniformity of a flood image.")
def uniformity(path: Path, out: Path | None, assume: tuple[str, ...]) -> None:
    """Each detector's flood."""
    from photopeak.quantify.camera_checks import planar_checks
    from photopeak.quantify.camera_quality import uniformity as check

    _told(planar_checks("uniformity", check, path, assume), out)


@_test("linearity", "Absolute and differential linearity of a slit mask's image.")
def linearity(path: Path, out: Path | None, assume: tuple[str, ...]) -> None:
    """Each detector's slit mask."""
    from photopeak.quantify.camera_checks import planar_checks
    from photopeak.quantify.camera_quality import linearity as check

    _told(planar_checks("linearity", check, path, assume), out)


@_test("resolution", "FWHM and FWTM of line sources.")
def resolution(path: Path, out: Path | None, assume: tuple[str, ...]) -> None:
    """Each detector's lines."""
    from photopeak.quantify.camera_checks import planar_checks
    from photopeak.quantify.camera_quality import resolution as check

    _told(planar_checks("resolution", check, path, assume), out)


@_test("centre-of-rotation", "Centre of rotation from a tomographic acquisition of a point source.")
def rotation(path: Path, out: Path | None, assume: tuple[str, ...]) -> None:
    """Each detector's own path round the source."""
    from photopeak.quantify.camera_checks import rotation_checks

    _told(rotation_checks(path, assume), out)


@_test("sensitivity", "Counts a second for 1 MBq of a thin source: what `recon --cps-per-mbq` asks for.")
def sensitivity(path: Path, out: Path | None, assume: tuple[str, ...]) -> None:
    """Each detector's sensitivity."""
    from photopeak.quantify.camera_checks import sensitivity_checks

    _told(sensitivity_checks(path, assume), out)


@_test("image-quality", "Contrast recovery, background variability and lung residual of the NEMA NU 2 phantom.")
@click.option("--ratio", type=float, required=True, help="Activity concentration of hot spheres over background.")
@click.option("--cold", default="", metavar="MM,MM", help="Diameters of cold spheres, such as 28,37.")
def image_quality(path: Path, out: Path | None, assume: tuple[str, ...], ratio: float, cold: str) -> None:
    """Each volume of the phantom."""
    from photopeak.quantify.camera_checks import image_quality_checks

    try:
        diameters = [float(d) for d in cold.split(",") if d.strip()]
    except ValueError as error:
        raise click.BadParameter(f"{cold!r}: give diameters in mm, such as 28,37.", param_hint="--cold") from error
    _told(image_quality_checks(path, ratio, diameters, assume), out)


@_test("jaszczak", "Rods resolved, contrast of cold spheres, uniformity and rings of the Jaszczak phantom.")
@click.option(
    "--model", type=click.Choice(["ultra-deluxe", "deluxe", "standard", "benchmark"]), default="deluxe",
    show_default=True, help="Which rods and spheres it has.",
)  # fmt: skip
def jaszczak(path: Path, out: Path | None, assume: tuple[str, ...], model: str) -> None:
    """Each volume of the phantom."""
    from photopeak.quantify.camera_checks import jaszczak_checks

    _told(jaszczak_checks(path, model, assume), out)


def _told(checks: Iterator[Check], out: Path | None) -> None:
    from photopeak.quantify.camera_checks import in_words

    for check in checks:
        click.echo(f"{check.test}, {check.name}")
        for name, m in check.checked.figures.items():
            click.echo(f"  {name:42s} {in_words(m)}")
        for note in check.checked.notes:
            click.echo(f"  ({note})")
        if out is not None:
            for path in check.write(out):
                click.echo(f"  wrote {path}")


@click.command("polar-map")
@click.argument("stress", type=click.Path(exists=True, path_type=Path))
@click.argument("rest", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write.")
@click.option("--apex", type=float, nargs=3, metavar="X Y Z", help="Apex in mm, where the ventricle is not found.")
@click.option("--base", type=float, nargs=3, metavar="X Y Z", help="Middle of the valve in mm, with --apex.")
@click.option(
    "--limits", default="shipped", show_default=True, metavar="shipped|none|FILE",
    help="Normal limits that scores come from.",
)  # fmt: skip
@click.option("--assume", multiple=True, metavar="KEY=VALUE", help="State a fact the file lacks.")
def polar_map(stress: Path, rest: Path | None, out: Path, **options: Any) -> None:
    """Polar maps of myocardial perfusion, at stress and where given at rest: reconstructed images in, scores out.

    Finds the left ventricle, maps it on the 17 segments, and compares them with normal limits of the patient's sex, as
    polar-limits makes them: an own file's, or those of simulated patients that are shipped, where the image is made as
    theirs were. Writes polar-map.png and polar-map.json.
    """
    from photopeak.quantify.perfusion_report import examined, perfusion_report

    states = [examined(name, path, **options) for name, path in (("stress", stress), ("rest", rest)) if path]
    for line in perfusion_report(states, out):
        click.echo(line)


@click.command("polar-limits")
@click.option("--patients", type=click.IntRange(4), default=10, show_default=True, help="Of each sex.")
@click.option("--seed", type=click.IntRange(0), default=101, show_default=True, help="Seed of the cohort.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="JSON file to write.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Patients at a time.")
def polar_limits(patients: int, seed: int, out: Path, jobs: int) -> None:
    """Make normal limits of polar maps from simulated normal patients; takes a minute for each."""
    from photopeak.recipes.perfusion_limits import make_limits

    click.echo(f"wrote {make_limits(patients, seed, out, jobs, click.echo)}")


@click.command("brain-uptake")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--regions",
    type=click.Path(exists=True, path_type=Path),
    required=True,
    help="Where regions are: NIfTI labels in the image's space, a DICOM SEG, or a .safetensors with masks.",
)
@click.option("--names", type=click.Path(exists=True, path_type=Path), help="CSV of number,name for NIfTI labels.")
@click.option("--reference", default="cerebellum", show_default=True, help="A word in the reference regions' names.")
@click.option("--centiloid", default="", metavar="TRACER", help="Amyloid: pib, florbetaben or flutemetamol.")
@click.option("--out", type=click.Path(path_type=Path), help="Write brain-uptake.json and .png to this folder.")
def brain_uptake(
    path: Path, regions: Path, names: Path | None, reference: str, centiloid: str, out: Path | None
) -> None:
    """Uptake of the brain's regions over a reference, their asymmetry, and amyloid in Centiloid.

    PATH is a PET series or a reconstructed SPECT. Nothing is corrected for partial volume.
    """
    from photopeak.dicom.labels import read_labels
    from photopeak.quantify.brain_report import brain_report

    for line in brain_report(path, read_labels(regions, names), reference, centiloid, out):
        click.echo(line)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--regions", multiple=True, required=True, type=click.Path(exists=True, path_type=Path),
    help="DICOM SEG, NIfTI labels in the images' space, or a .safetensors with masks; may be repeated.",
)  # fmt: skip
@click.option("--names", type=click.Path(exists=True, path_type=Path), help="CSV of number,name for NIfTI labels.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write.")
@click.option(
    "--method", type=click.Choice(["local", "kernel", "transport"]), default="kernel", show_default=True,
    help="Electrons on the spot, voxel S values, or photons through the CT among PATHS.",
)  # fmt: skip
@click.option(
    "--fit", type=click.Choice(["mono", "bi", "trapezoid", "decay"]), default="mono", show_default=True,
    help="Curve through each region's activity.",
)  # fmt: skip
@click.option(
    "--voxels", type=click.Choice(["mono", "trapezoid", "decay"]), default="mono", show_default=True,
    help="How each voxel's activity is integrated.",
)  # fmt: skip
@click.option("--activity-sd", type=float, default=0.05, show_default=True, help="Relative, of each activity.")
@click.option("--calibration-sd", type=float, default=0.0, show_default=True, help="Relative, of the calibration.")
@click.option("--volume-sd", type=float, default=0.0, show_default=True, help="Relative, of a region's volume.")
@click.option("--photons", type=click.IntRange(1000), default=1_000_000, show_default=True, help="Of transport.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the photons.")
@click.option("--assume", multiple=True, metavar="KEY=VALUE", help="State a fact the files lack.")
def dose(
    paths: tuple[Path, ...],
    regions: tuple[Path, ...],
    names: Path | None,
    out: Path,
    assume: tuple[str, ...],
    **options: Any,
) -> None:
    """Absorbed dose after one injection: reconstructions of several days in Bq/ml and their CT in.

    Of what stays where it is, such as Y-90 microspheres, one scan is enough: --fit decay --voxels decay.

    PATHS are files or folders. Writes a table (dose.csv, dose.json), the map as DICOM RT Dose (dose.dcm), the decays
    of every voxel (tia.safetensors) and a picture (dose.png).
    """
    from photopeak.dicom import parse_assumptions
    from photopeak.dicom import read as read_dicom
    from photopeak.dicom.labels import regions_on
    from photopeak.quantify.absorbed_dose import AbsorbedDose, line_kev, serial
    from photopeak.quantify.dose_series import gathered, in_words, run_dose
    from photopeak.quantify.region_dose import Uncertain
    from photopeak.recon.attenuation import with_mu

    uncertain = Uncertain(*(options.pop(f"{name}_sd") for name in ("activity", "calibration", "volume")))
    fit = options.pop("fit")
    found = [study for path in paths for study in read_dicom(path, assume=parse_assumptions(assume))]
    study, ct = gathered(found, 1 if fit == options["voxels"] == "decay" else 2)
    series = serial(study)
    if ct is not None:
        study = with_mu(study, ct, series.grid, line_kev(series.nuclide))
    named: dict[str, Any] = {}
    for path in regions:
        named |= regions_on(series.grid, path, names)
    image = None if ct is None else ct["ct"]
    for path in run_dose(AbsorbedDose(**options), study, named, (fit, uncertain), out, image):  # type: ignore[arg-type]
        click.echo(f"wrote {path}")
    for line in in_words(out):
        click.echo(line)
