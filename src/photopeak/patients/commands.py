"""``photopeak simulate PROTOCOL``: a virtual cohort on disk, in one process or on a cluster."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import shutil
import tempfile
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from photopeak import __version__
from photopeak.core import Image, Study
from photopeak.core.study import Json
from photopeak.patients.protocol import Clinic, counts_hash, protocols

SHEET_PATIENTS = 24
SHEET_SUV = 7.0
HEAD_MM = 260.0  # a PET no longer than this shows a head alone
#: columns of cohort.csv that a protocol may leave out
UNLABELLED = {"study": "1", "label_m": "", "label_a": "", "parent": ""}


class _Protocols(click.Group):
    """One subcommand for each installed protocol; its fields are its options."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(protocols())

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        return _command_of(name) if name in protocols() else None

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # From the entry points alone: importing a protocol compiles kernels.
        with formatter.section("Protocols"):
            formatter.write_dl([(e.name, f"from {e.value.split(':')[0]}") for e in protocols().values()])


@click.group(cls=_Protocols)
def simulate() -> None:
    """Simulate patients: scans with truth, reports and annotations, as a cohort on disk."""


def _command_of(name: str) -> click.Command:
    from photopeak.stepcommands import help_of, option_of

    cls = protocols()[name].load()
    hints = typing.get_type_hints(cls)
    fields = [f for f in dataclasses.fields(cls) if f.init]
    common: list[click.Parameter] = [
        click.Option(
            ["--patients"], type=click.IntRange(1), help="How many patients; the protocol's own number if absent."
        ),
        click.Option(["--seed"], type=click.IntRange(0), default=7, show_default=True, help="Seed of the cohort."),
        click.Option(["--out"], type=click.Path(path_type=Path), required=True, help="Folder to write."),
        click.Option(
            ["--cluster"],
            is_flag=False,
            flag_value="local",
            metavar="[ADDRESS]",
            help="Run on Ray: a local cluster, or the address of one (extra 'cluster').",
        ),
        click.Option(["--sheet/--no-sheet"], default=True, help="Also draw contact-sheet.png."),
    ]

    def call(patients: int | None, seed: int, out: Path, cluster: str | None, sheet: bool, **options: Any) -> None:
        protocol = cls(**options)
        clinic = Clinic(protocol, patients or protocol.default_patients, seed)
        summary = simulate_cohort(clinic, out, cluster)
        click.echo(f"{summary['patients']} patients, {summary['images']} images in {out}")
        click.echo(f"fingerprint {summary['fingerprint']}")
        if sheet:
            click.echo(f"contact sheet {draw_sheet(out)}")

    params = [*common, *(option_of(f, hints[f.name]) for f in fields)]
    return click.Command(name, params=params, callback=call, help=help_of(cls))


def simulate_cohort(clinic: Clinic, out: Path, cluster: str | None = None, quiet: bool = False) -> dict[str, Json]:
    """Write a cohort folder; patients already there (of the same specification) are kept.

    Returns the description that stands in ``cohort.json``.
    """
    from photopeak.dicom.cohort import fingerprint, write_index

    out.mkdir(parents=True, exist_ok=True)
    for half_written in out.glob(f".{clinic.protocol.name}-*"):  # of a run that was killed
        shutil.rmtree(half_written, ignore_errors=True)
    spec = specification(clinic)
    kept = {i: truth for i in range(len(clinic)) if (truth := _kept(out, spec, i)) is not None}
    missing = [i for i in range(len(clinic)) if i not in kept]
    for index, truth in _progress(_made(clinic, out, spec, missing, cluster), len(missing), quiet):
        kept[index] = truth
    truths = [kept[i] for i in range(len(clinic))]
    rows = [row for truth in truths for row in truth["rows"]]
    description: dict[str, Json] = {
        **spec,
        "images": len(rows),
        "fingerprint": fingerprint([str(t["counts_sha256"]) for t in truths]),
    }
    write_index(out, rows, description)
    return description


def specification(clinic: Clinic) -> dict[str, Json]:
    """What determines a cohort: protocol and its settings, size, seed, version."""
    settings = {f.name: str(getattr(clinic.protocol, f.name)) for f in dataclasses.fields(clinic.protocol)}  # type: ignore[arg-type]
    return {
        "protocol": clinic.protocol.name,
        "settings": dict(settings),
        "patients": len(clinic),
        "seed": clinic.seed,
        "photopeak": __version__,
    }


def patient_folder(spec: Mapping[str, Json], index: int) -> str:
    """The folder of one patient, which is also the patient's ID."""
    return f"{spec['protocol']}-{spec['seed']}-{index:05d}"


def _digest(spec: Mapping[str, Json]) -> str:
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()


def _kept(out: Path, spec: Mapping[str, Json], index: int) -> dict[str, Any] | None:
    """What the index needs of a patient already on disk, if it is of this specification."""
    path = out / patient_folder(spec, index) / "truth.json"
    if not path.is_file():
        return None
    truth: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return _summary(truth) if truth.get("specification_sha256") == _digest(spec) else None


def _summary(truth: Mapping[str, Any]) -> dict[str, Any]:
    """What the cohort's index needs of one patient: all that stays in memory, however large the cohort."""
    return {"counts_sha256": truth["counts_sha256"], "rows": truth["rows"]}


def _made(
    clinic: Clinic, out: Path, spec: Mapping[str, Json], missing: list[int], cluster: str | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    if cluster is None:
        for index in missing:
            yield index, _write(clinic, spec, index, out)
        return
    from photopeak.patients.cluster import over_cluster

    work = functools.partial(_files_of, clinic, spec)
    for index, files in over_cluster(work, missing, cluster):
        yield index, _store(files, out / patient_folder(spec, index))


def _write(clinic: Clinic, spec: Mapping[str, Json], index: int, out: Path) -> dict[str, Any]:
    from photopeak.dicom.cohort import write_case

    case = clinic.case(index)
    name = patient_folder(spec, index)
    truth: dict[str, Any] = {
        **typing.cast(dict[str, Any], case.documents.get("truth.json", {})),
        "specification_sha256": _digest(spec),
        "counts_sha256": counts_hash(case.study),
        "rows": [{"patient_id": name, **UNLABELLED, **row, "path": f"{name}/{case.image}"} for row in case.rows],
    }
    write_case(case.study, {**case.documents, "truth.json": truth}, out / name, case.image)
    return _summary(truth)


def _files_of(clinic: Clinic, spec: Mapping[str, Json], index: int) -> dict[str, bytes]:
    """One patient's files as bytes: a worker may share no disk with the process that keeps them."""
    with tempfile.TemporaryDirectory() as work:
        _write(clinic, spec, index, Path(work))
        folder = Path(work) / patient_folder(spec, index)
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def _store(files: Mapping[str, bytes], folder: Path) -> dict[str, Any]:
    from photopeak.core.writing import whole_folder

    with whole_folder(folder) as work:
        for name, content in files.items():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_bytes(content)
    return _summary(json.loads(files["truth.json"]))


def _progress(
    results: Iterator[tuple[int, dict[str, Any]]], total: int, quiet: bool
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The same results, with a bar that shows the rate and the time left."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("simulating"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, disable=quiet or total == 0, transient=True) as bar:
        task = bar.add_task("patients", total=total, rate="")
        for result in results:
            speed = bar.tasks[0].speed
            bar.update(task, advance=1, rate=f"{speed:.1f} patients/s" if speed else "")
            yield result


def draw_sheet(folder: Path, patients: int = SHEET_PATIENTS) -> Path:
    """Contact sheet of a cohort folder's first patients, read back from their DICOM files."""
    from photopeak.dicom.cohort import Cohort
    from photopeak.patients.sheet import contact_sheet, save_sheet

    cohort = Cohort(folder)
    labels = {r.patient_id: _class_of(r.label_m, r.label_a) for r in cohort.rows}
    scans, captions = [], []
    for study in cohort[:patients]:
        scans.append(_shown(study))
        who = study.patient
        age = "" if who.age_years is None else f"{who.age_years:.0f}"
        captions.append(" ".join(filter(None, (who.patient_id, who.sex, age, labels.get(who.patient_id, "")))))
    return save_sheet(contact_sheet(scans, captions), folder / "contact-sheet.png")


def _shown(study: Study) -> list[Any]:
    """The views of a planar scan; of a tomographic one the projections from front and back, first window."""
    if study.acquisition.modality == "PT":
        return _projected(study)
    counts = study["counts"]
    assert isinstance(counts, Image)
    if "angle" not in counts.grid.names:
        return list(counts.values)
    values = counts.values[0] if "energy" in counts.grid.names else counts.values
    angles = [a % 360.0 for a in counts.grid.axis("angle").values]
    return [values[min(range(len(angles)), key=lambda k: abs(angles[k] - side))] for side in (180.0, 0.0)]


def _projected(study: Study) -> list[Any]:
    """Of a PET the greatest value along lines from the front and from the left; beyond a head, up to the SUV where a
    reader's window ends, since brain and bladder would hide all else. Microspheres lie in
    one organ, which nothing hides.
    """
    image = study["activity"]
    assert isinstance(image, Image)
    values = image.values
    if "time" in image.grid.names:
        values = values[len(values) // 2 :].mean(0)  # the later half of the frames
    lodged = study.acquisition.radiopharmaceuticals[0].nuclide == "Y-90"
    if lodged or len(values) * image.grid.spacing_mm["z"] <= HEAD_MM:
        return [values.max(axis)[::-1] for axis in (1, 2)]
    from photopeak.core.step import run
    from photopeak.quantify.suv import SuvBw

    suv = run(SuvBw(), study)["suv/bw"]
    assert isinstance(suv, Image)
    return [np.minimum(suv.values.max(axis)[::-1], SHEET_SUV) for axis in (1, 2)]


def _class_of(m: int | None, a: int | None) -> str:
    if m is None or a is None:
        return ""
    return {(0, 0): "normal", (1, 0): "metastatic", (0, 1): "arthritic", (1, 1): "both"}[m, a]
