"""A reader taught on somebody's own cohort: ``photopeak train classify``."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from photopeak.classify.asking import diagnoses
from photopeak.classify.reader import load_model, model_of
from photopeak.classify.scans import LESIONS, Scans
from photopeak.classify.teaching import TeachReader, examples, mirror_of, teach_all, teach_judgement, teach_marks
from photopeak.core import PhotopeakError
from photopeak.core.writing import whole_folder
from photopeak.evaluate.predictions import Predictions, write_predictions
from photopeak.evaluate.report import Told, report, write_report
from photopeak.evaluate.summary import Figures, Resampling, compare, evaluate
from photopeak.learning.bundles import load_bundle, put_bundle
from photopeak.learning.devices import placed
from photopeak.learning.fit import fit
from photopeak.learning.regimes import Loss, Supervised
from photopeak.learning.splits import split_patients
from photopeak.networks.reader import Reader
from photopeak.recipes.bundle_readings import bundle_predictions, hashes
from photopeak.recipes.outcome import provenance
from photopeak.recipes.reader_measure import LISTED_FALSE_AN_IMAGE, calibrate, calibrate_doubt, measure, threshold_at
from photopeak.recipes.reader_study import half

HELD_SHARE = 0.25
TAUGHT = "taught"
RESAMPLING = Resampling(1000)
FEWEST_OF_EACH = 9
"""Patients with and without each disease among those held back, without whom nothing can be promised at 90 %."""


@dataclass(frozen=True)
class Course:
    """How a reader is taught: from which bundle on ("" is from nothing), for how long, with which seed."""

    start: str = "bone-scan"
    epochs: int = 20
    seed: int = 0


def train_reader(
    scans: Scans, course: Course, device: torch.device, out: Path, tell: Callable[[str], None] | None = None
) -> Figures:
    """Teach on three quarters of the patients, calibrate and measure on the rest, and write a bundle to ``out``.

    With pixel truth everything is taught. Where readers marked lesions and nobody drew bones, the last layer that draws
    lesions is, and the judgement. Without, the judgement alone is: the layers that see regions and lesions stay
    as they are in the bundle that was started from, and so does what was calibrated for them. A cut run goes on.
    """
    split = split_patients(scans.patients, scans.classes, HELD_SHARE, course.seed)
    teaching, held = scans[split.train], scans[split.test]
    _enough(held)
    pixels = bool(scans.regions.any())
    if not pixels and not course.start:
        raise PhotopeakError(
            "this cohort has no pixel truth, so a reader taught from nothing would know no bones. "
            "Remedy: start from a bundle, such as --start bone-scan."
        )
    network, names = _beginning(scans, course)
    placed(network, device)
    rate = 3e-4 if course.start else 1.5e-3
    plan = TeachReader(course.epochs, 16, rate, "cosine", 5, course.seed, mirrored=mirror_of(names))
    loss, layers = _course_of(scans)
    for name, weights in network.named_parameters():
        weights.requires_grad_(name.startswith(layers))
    before = {k: v.detach().clone() for k, v in network.maps.state_dict().items()}
    work = out.with_name(f".{out.name}.{_fingerprint(scans, course)}.work")
    fit(network, Supervised(loss, 0.02), examples(teaching), plan, lambda: -_loss(network, held), work, tell)
    if not pixels:
        _restore_regions(network, before)
    for values in network.state_dict().values():  # calibrated as it will be loaded: in half precision
        values.copy_(half(values).to(values.dtype))
    model = {
        "network": "photopeak.networks.reader:Reader",
        "regions": list(names),
        "calibration": _calibrated(network, held, names, course, pixels),
        "taught": dataclasses.asdict(course),
        "taught_scans": hashes(teaching),
    }
    figures = _write(network, model, held, course, work / "log.csv", out)
    shutil.rmtree(work, ignore_errors=True)
    return figures


def _course_of(scans: Scans) -> tuple[Loss, tuple[str, ...]]:
    """What is taught, by what truth there is: the loss, and the layers by the beginnings of their names."""
    if scans.regions.any():
        return teach_all, ("",)
    return (teach_marks, ("judge.", "maps.")) if scans.lesions.any() else (teach_judgement, ("judge.",))


def _restore_regions(network: Reader, before: dict[str, torch.Tensor]) -> None:
    """One layer draws lesions and regions; nothing taught the regions, but decay moved their weights."""
    for k, values in network.maps.state_dict().items():
        # Two views, each the maps of lesions and then of regions, each map four pixels.
        now, then = (x.unflatten(0, (2, -1, 4)) for x in (values, before[k]))
        now[:, len(LESIONS) :] = then[:, len(LESIONS) :]


def _beginning(scans: Scans, course: Course) -> tuple[Reader, tuple[str, ...]]:
    torch.manual_seed(course.seed)
    if not course.start:
        return Reader(len(scans.region_names)), scans.region_names
    model = load_model(course.start)
    if scans.region_names and scans.region_names != model.regions:
        raise PhotopeakError(
            f"the cohort's truth names other regions than the bundle {course.start!r}. Remedy: --start ''."
        )
    network = Reader(len(model.regions))
    network.load_state_dict(model.network.state_dict())
    return network, model.regions


def _fingerprint(scans: Scans, course: Course) -> str:
    """Of what is taught and how, so that a cut run is not taken up with other patients."""
    what = [scans.patients, scans.labels.tolist(), dataclasses.astuple(course)]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:8]


def _enough(held: Scans) -> None:
    for q, name in enumerate(("metastasis", "arthritis")):
        yes = int((held.labels[:, q] == 1).sum())
        if min(yes, len(held) - yes) < FEWEST_OF_EACH:
            raise PhotopeakError(
                f"of the {len(held)} patients held back {yes} have {name} and {len(held) - yes} have not; at least "
                f"{FEWEST_OF_EACH} of each are needed to calibrate. Remedy: name a larger cohort."
            )


def _loss(network: Reader, held: Scans) -> float:
    """Cross-entropy of the held patients' diagnoses, which early stopping watches."""
    z, y = diagnoses(network, held.counts).astype(np.float64), held.labels
    return float(np.mean(np.logaddexp(0, z) - y * z))


def _calibrated(network: Reader, held: Scans, names: tuple[str, ...], course: Course, pixels: bool) -> dict[str, Any]:
    if pixels:
        return calibrate(network, measure(network, dataclasses.replace(held, region_names=names)), held)
    model = load_model(course.start)
    logits = diagnoses(network, held.counts).astype(np.float64)
    lesion = model.lesion
    if held.lesions.any():
        measured = measure(network, dataclasses.replace(held, region_names=names))
        lesion = threshold_at(measured, LISTED_FALSE_AN_IMAGE, 2 * len(held))
    return {**calibrate_doubt(network, logits, held), "lesion": lesion, "bsi_k": model.bsi_k}


def _write(network: Reader, model: dict[str, Any], held: Scans, course: Course, log: Path, out: Path) -> Figures:
    """The bundle, with the held patients' predictions, figures and a report beside it, whole or not at all."""
    card = (
        "# A bone-scan reader taught on one's own cohort\n\nResearch software, not a medical device.\n\n"
        f"Taught from {course.start or 'nothing'} for at most {course.epochs} epochs; calibrated and measured on "
        f"{len(held)} patients held back, who also chose the epoch: measure it anew on others before you trust it.\n"
    )
    with whole_folder(out) as folder:
        weights = {k: half(v) for k, v in network.state_dict().items()}
        sha256 = put_bundle(folder, weights, model, card)
        shutil.copy(log, folder / "log.csv")
        measured, figures = _measured(folder, held, course)  # as it will be loaded
        model["measured"] = {k: dataclasses.asdict(figures[k]) for k in ("auc", "auc_M", "auc_A") if k in figures}
        put_bundle(folder, weights, model, card)
        write_predictions(measured.readings[TAUGHT], folder / "held.predictions.csv")
        text = json.dumps({k: dataclasses.asdict(f) for k, f in figures.items()}, indent=1)
        (folder / "held.json").write_text(text + "\n", encoding="utf-8")
        told = _told(len(model["taught_scans"]), len(held), course, sha256, folder / "log.csv")
        write_report(report(measured.readings, measured.parts, told), folder)
    return figures


@dataclass(frozen=True, eq=False)
class _Measured:
    """The predictions of the held patients by reader, and their figures."""

    readings: dict[str, Predictions]
    parts: dict[str, Figures]


def _measured(bundle: Path, held: Scans, course: Course) -> tuple[_Measured, Figures]:
    """What was taught against what it was taught from, where there was something."""
    mine = bundle_predictions(model_of(str(bundle), load_bundle(bundle)), held)
    if not course.start:
        figures = evaluate(mine, "patient", RESAMPLING)
        return _Measured({TAUGHT: mine}, {TAUGHT: figures}), figures
    start = f"start ({Path(course.start).name})"
    before = bundle_predictions(load_model(course.start), held)
    both = compare(mine, before, "patient", RESAMPLING)
    parts = {TAUGHT: both.a, start: both.b, f"{TAUGHT} − {start}": both.difference}
    return _Measured({TAUGHT: mine, start: before}, parts), both.a


def _told(taught: int, held: int, course: Course, sha256: str, log: Path) -> Told:
    split = (
        f"Split by patient, by class, with seed {course.seed}: {taught} scans were taught with, {held} held back. No "
        "patient is on both sides."
    )
    limits = (
        "Those held back said when to stop, and the temperatures and sets of answers are fitted to them: calibration "
        "is better here than it will be. Measure the bundle on other patients with photopeak evaluate --cohort.",
    )
    made_by = provenance() | {"weights": f"sha256 {sha256}", "intervals": f"{RESAMPLING.resamples} resamples, seed 0"}
    made_by |= {
        "taught": ", ".join(f"{k} {'nothing' if v == '' else v}" for k, v in dataclasses.asdict(course).items())
    }
    return Told("A bone-scan reader, taught on one's own cohort", split, made_by, limits, log)
