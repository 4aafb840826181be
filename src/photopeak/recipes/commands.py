"""``photopeak reproduce ID``: run a study again, on virtual patients, and write its results."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from photopeak.core import PhotopeakError

if TYPE_CHECKING:
    import torch

#: what can be run again, with a line for the list
STUDIES: Final = {
    "A4": "dSPIC-AM on D_2, split as published and by patient",
    "A4-d1": "dSPIC-AM on D_1, without copies",
    "A4-leak": "how much of A4 is leak, over many splits at a quarter of the pixels",
    "A5": "dSPIC-RM",
    "A5-d1": "dSPIC-RM on D_1",
    "A6": "dSPIC-AM without its pooling layers",
    "A7": "SI_CLF",
    "A7-am": "SI_CLF with the attention module",
    "A7-rm": "SI_CLF with the residual module",
    "A7-am-rm": "SI_CLF with both modules",
    "A7-alexnet": "the paper's AlexNet",
    "A10": "hot spots or a grid, and four classifiers",
    "A11": "boxes about the metastases of chest and pelvis",
    "A12": "a network for both views, and for one view at a time",
    "A13": "a simple CNN at small input",
    "A14": "a family of CNNs on the chest cut out of the scan",
    "A15": "A13 with the left–right difference beside it",
    "A16": "a five-branch CNN on hot spots of the spine",
    "A17": "which errors those before make, from their predictions",
    "A18": "learning curves of A10 and A13",
    "older": "A10, A12, A13 and A15 against dSPIC-AM on the same images, from their predictions",
    "R1": "the Photopeak reader against dSPIC-AM on fresh patients",
    "R1-explain": "whether the maps that explain the Photopeak reader point at the lesions",
    "R2": "where the Photopeak reader breaks: counts, cameras, motion, mimics, sexes, ages, prevalence",
    "S1": "ways of reconstructing SPECT, on virtual bone SPECT/CT",
    "S2": "absorbed dose after Lu-177 by four ways, on virtual patients",
    "S3": "resolution, noise and bias of SPECT reconstruction, along each method's knob",
    "difficulty": "how the frozen difficulty was chosen",
    "skeleton": "the weights of the bone scan index",
}

#: the older ways of reading bone scans
OLDER: Final = ("A10", "A11", "A12", "A13", "A14", "A15", "A16", "A17", "A18", "older")


@click.command(epilog="Studies: " + "; ".join(f"{k} ({v})" for k, v in STUDIES.items()))
@click.argument("study", type=click.Choice(list(STUDIES)), metavar="ID")
@click.option(
    "--preset", type=click.Choice(["smoke", "quick", "full"]), default="quick", show_default=True, help="Size."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Networks taught (R1), or patients asked about (R1-explain, R2), at a time.",
)
@click.option(
    "--teach/--no-teach", default=True, help="Whether R1 teaches what its work folder lacks, or reports what is."
)
@click.option("--work", type=click.Path(path_type=Path), help="Folder for cohorts and checkpoints; a cut run goes on.")
@click.option("--results", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Results.")
def reproduce(study: str, preset: str, device: str, jobs: int, teach: bool, work: Path | None, results: Path) -> None:
    """Run a published system, or ours, again and write results/ID/PRESET.json with its predictions."""
    from photopeak.learning.bundles import home
    from photopeak.learning.devices import device as device_of

    where, started = device_of(device), time.monotonic()
    shared = "older" if study in OLDER else study  # they read the same scans
    work = work or home() / "work" / f"{shared}-{preset}"
    if study == "skeleton":
        from photopeak.recipes.skeleton import write_shares

        write_shares(results / "skeleton.json")
        click.echo(f"wrote {results / 'skeleton.json'}")
    elif study == "difficulty":
        click.echo(f"wrote {_difficulty(preset, where, results, started)}")
    elif study == "R1-explain":
        click.echo(f"wrote {_explained(preset, jobs, work, results, started)}")
    elif study == "R2":
        click.echo(f"wrote {_shifted(preset, jobs, work, results, started)}")
    elif study == "S1":
        click.echo(f"wrote {_recovery(preset, where, results, started)}")
    elif study == "S2":
        click.echo(f"wrote {_therapy(preset, where, results, started)}")
    elif study == "S3":
        click.echo(f"wrote {_curves(preset, where, results, started)}")
    elif study == "A4-leak":
        click.echo(f"wrote {_leak(preset, where, work, results, started)}")
    elif study in OLDER:
        click.echo(f"wrote {_older(study, preset, where, work, results)}")
    elif study == "R1":
        path = _reader(preset, where, jobs if teach else 0, work, results, started)
        click.echo(f"wrote {path}")
    else:
        path = _published(study, preset, where, work, results, started)
        click.echo(f"wrote {path}")


def _difficulty(preset: str, where: torch.device, results: Path, started: float) -> Path:
    from photopeak.learning.plan import Plan
    from photopeak.recipes import difficulty as d
    from photopeak.recipes import dspic_study as ds
    from photopeak.recipes.outcome import Outcome

    chosen = ds.PRESETS[preset]
    cohort = {"protocol": "bone-scan", "cohort": "published", "seed": d.COHORT_SEED, "patients": chosen.patients}
    outcome = Outcome("difficulty", preset, d.SPLITS, cohort, leaky=True)
    trials = d.search(Plan(chosen.epochs, batch=8), chosen.patients, where)
    outcome.figures = d.figures(trials)
    outcome.notes = {"confusion": {n: [t.confusion.tolist() for t in each] for n, each in trials.items()}}
    return outcome.write(results, time.monotonic() - started, where)


def _recovery(preset: str, where: torch.device, results: Path, started: float) -> Path:
    from photopeak.recipes import spect_recovery as s1
    from photopeak.recipes.outcome import Outcome

    chosen = s1.PRESETS[preset]
    cohort = {"protocol": "bone-spect", "mix": s1.MIX, "seed": s1.COHORT_SEED, "patients": chosen.patients}
    outcome = Outcome("S1", preset, [s1.COHORT_SEED], cohort | {"views": 2 * chosen.views})
    outcome.figures = s1.study(chosen, click.echo)
    return outcome.write(results, time.monotonic() - started, where)


def _therapy(preset: str, where: torch.device, results: Path, started: float) -> Path:
    from photopeak.recipes import therapy_dose as s2
    from photopeak.recipes.outcome import Outcome

    chosen = s2.PRESETS[preset]
    cohort = {"protocol": "lu177", "agent": "dotatate", "seed": s2.COHORT_SEED, "patients": chosen.patients}
    outcome = Outcome("S2", preset, [s2.COHORT_SEED], cohort | {"views": 2 * chosen.views, "matrix": chosen.matrix})
    outcome.figures = s2.study(chosen, click.echo)
    return outcome.write(results, time.monotonic() - started, where)


def _curves(preset: str, where: torch.device, results: Path, started: float) -> Path:
    from photopeak.recipes import recon_curves as s3
    from photopeak.recipes.outcome import Outcome

    chosen = s3.PRESETS[preset]
    outcome = Outcome("S3", preset, [s3.SEED], {"phantom": "spheres in water", **dataclasses.asdict(chosen)})
    outcome.figures, curves = s3.study(chosen, click.echo)
    outcome.notes = {"noise": s3.NOISE, "curves": curves}
    return outcome.write(results, time.monotonic() - started, where)


def _explained(preset: str, jobs: int, work: Path, results: Path, started: float) -> Path:
    import torch

    from photopeak.classify.reader import load_model
    from photopeak.recipes import explained as e
    from photopeak.recipes.outcome import Outcome

    chosen, sha256 = e.PRESETS[preset], load_model().sha256
    cohort = {"protocol": "bone-scan", "mix": e.MIX, "patients": chosen.patients, "difficulty": "frozen"}
    outcome = Outcome("R1-explain", preset, [e.cohort_seed(sha256)], cohort | {"seed": e.cohort_seed(sha256)})
    outcome.notes = {"weights_sha256": sha256}
    rows = e.study(chosen, work, jobs, click.echo)
    e.write_rows(rows, results / "R1-explain" / f"{preset}.patients.csv")
    outcome.figures = e.figures(rows)
    return outcome.write(results, time.monotonic() - started, torch.device("cpu"))


def _shifted(preset: str, jobs: int, work: Path, results: Path, started: float) -> Path:
    import torch

    from photopeak.classify.reader import load_model
    from photopeak.recipes import shift_figures, shifts
    from photopeak.recipes.outcome import Outcome
    from photopeak.recipes.reader import FRESH_MIX

    chosen, sha256 = shifts.PRESETS[preset], load_model().sha256
    seed = shifts.cohort_seed(sha256)
    cohort = {"protocol": "bone-scan", "mix": FRESH_MIX, "difficulty": "frozen", "seed": seed}
    cohort |= {"patients": chosen.usual, "patients shifted": chosen.shifted}
    outcome = Outcome("R2", preset, [seed], cohort)
    outcome.notes = {"weights_sha256": sha256}
    path = results / "R2" / f"{preset}.patients.csv"
    shifts.write_rows(shifts.study(chosen, work, jobs, click.echo), path)
    outcome.figures = shift_figures.figures(shifts.read_rows(path), chosen.resamples)
    return outcome.write(results, time.monotonic() - started, torch.device("cpu"))


def _published(study: str, preset: str, where: torch.device, work: Path, results: Path, started: float) -> Path:
    from photopeak.recipes import dspic_study as ds
    from photopeak.recipes.difficulty import COHORT_SEED
    from photopeak.recipes.outcome import Outcome

    chosen = ds.PRESETS[preset]
    cohort = {"protocol": "bone-scan", "cohort": "published", "seed": COHORT_SEED, "difficulty": "frozen"}
    outcome = Outcome(study, preset, chosen.seeds, cohort | {"patients": chosen.patients}, leaky=True)
    out = results / study / preset
    outcome.figures = ds.study(study, chosen, work, where, out, click.echo)
    return outcome.write(results, time.monotonic() - started, where)


def _older(study: str, preset: str, where: torch.device, work: Path, results: Path) -> Path:
    from photopeak.recipes import (
        error_audit,
        hot_spot_reading,
        learning_curve,
        lesion_boxes,
        older,
        older_table,
        simple_cnn,
        spine_spots,
        thorax,
        two_views,
    )

    outcome, chosen, started = older.begun(study, preset), older.PRESETS[preset], time.monotonic()
    out = results / study / preset
    if study == "A10":
        outcome.figures = hot_spot_reading.study(chosen, work, out, click.echo)
    elif study == "A11":
        outcome.figures = lesion_boxes.study(chosen, work, where, out, click.echo)
    elif study == "A12":
        outcome.figures = two_views.study(chosen, work, where, out, click.echo)
    elif study == "A14":
        outcome.figures = thorax.study(chosen, work, where, out, click.echo)
    elif study == "A16":
        outcome.figures = spine_spots.study(chosen, work, where, out, click.echo)
    elif study == "A17":
        outcome.figures = error_audit.study(preset, work, results, click.echo)
    elif study == "older":
        outcome.seeds = chosen.seeds[:1]
        outcome.figures = older_table.study(chosen, work, results, out, click.echo)
    elif study == "A18":
        outcome.figures = learning_curve.study(chosen, work, where, out, click.echo)
    else:
        outcome.figures = simple_cnn.study(study, chosen, work, where, out, click.echo)
    return outcome.write(results, time.monotonic() - started, where)


def _leak(preset: str, where: torch.device, work: Path, results: Path, started: float) -> Path:
    from photopeak.recipes import leak
    from photopeak.recipes.difficulty import COHORT_SEED
    from photopeak.recipes.outcome import Outcome

    chosen = leak.PRESETS[preset]
    cohort = {"protocol": "bone-scan", "cohort": "published", "seed": COHORT_SEED, "difficulty": "frozen"}
    outcome = Outcome("A4-leak", preset, range(chosen.splits), cohort | {"patients": chosen.patients}, leaky=True)
    outcome.figures = leak.study(chosen, work, where, results / "A4-leak" / preset, click.echo)
    return outcome.write(results, time.monotonic() - started, where)


def _reader(preset: str, where: torch.device, jobs: int, work: Path, results: Path, started: float) -> Path:
    from photopeak.recipes import reader as r1
    from photopeak.recipes import reader_study

    chosen = r1.PRESETS.get(preset)
    if chosen is None:
        raise PhotopeakError(f"R1 has no preset {preset!r}. Remedy: {', '.join(r1.PRESETS)}.")
    if jobs:
        reader_study.run(chosen, work, where.type, jobs, click.echo)
    outcome = reader_study.outcome(chosen, preset, work, where, results)
    return outcome.write(results, time.monotonic() - started, where)


@click.command()
@click.argument("readings")
@click.option(
    "--cohort",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The simulated cohort that was read: a folder that photopeak simulate wrote.",
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Also write the rates to this file.")
def audit(readings: str, cohort: Path, json_path: Path | None) -> None:
    """Which errors a reader makes: by lesion size, number, site and side, by variants and mimics.

    READINGS is a CSV of predictions, as photopeak evaluate takes it, or a bundle of a bone-scan reader, which then
    reads the cohort.
    """
    import json

    from photopeak.core.writing import whole_file
    from photopeak.evaluate.audit import audit as audited
    from photopeak.evaluate.predictions import read_predictions
    from photopeak.recipes.error_audit import shown_of_cohort

    shown = shown_of_cohort(cohort)
    if readings.endswith(".csv"):
        these = read_predictions(Path(readings))
    else:
        from photopeak.classify.scans import scans_of
        from photopeak.dicom.cohort import Cohort
        from photopeak.recipes.bundle_readings import readings_of

        _, these = readings_of([readings], scans_of(Cohort(cohort), quiet=False))[readings]
    rates = audited(these, shown)
    for name, r in rates.items():
        ends = f"({r.low:.3f} to {r.high:.3f})"
        click.echo(f"  {name:44s} {r.value:.3f} {ends}  {r.images} readings of {r.patients} patients")
    if json_path is not None:
        text = json.dumps({k: dataclasses.asdict(r) for k, r in rates.items()}, indent=1, ensure_ascii=False)
        with whole_file(json_path) as part:
            part.write_text(text + "\n", encoding="utf-8")
