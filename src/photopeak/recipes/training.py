"""A reader taught on somebody's own cohort: ``photopeak train classify``."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from photopeak.classify.asking import diagnoses
from photopeak.classify.reader import load_model
from photopeak.classify.scans import Scans
from photopeak.classify.teaching import TeachReader, examples, mirror_of, teach_all, teach_judgement
from photopeak.core import PhotopeakError
from photopeak.core.writing import whole_folder
from photopeak.evaluate.predictions import Predictions, write_predictions
from photopeak.evaluate.summary import Resampling, evaluate
from photopeak.learning.bundles import put_bundle
from photopeak.learning.devices import placed
from photopeak.learning.fit import fit
from photopeak.learning.regimes import Supervised
from photopeak.learning.splits import split_patients
from photopeak.networks.reader import Reader
from photopeak.recipes import reader as r1
from photopeak.recipes.reader_measure import calibrate, calibrate_doubt, measure
from photopeak.recipes.reader_study import half

HELD_SHARE = 0.25
FEWEST_OF_EACH = 9
"""Patients with and without each disease among those held back, without whom nothing can be promised at 90 %."""


@dataclass(frozen=True)
class Course:
    """How a reader is taught: from which bundle on ("" is from nothing), for how long, with which seed."""

    start: str = "bone-scan"
    epochs: int = 20
    seed: int = 0


def train_reader(scans: Scans, course: Course, device: torch.device, out: Path) -> dict[str, Any]:
    """Teach on three quarters of the patients, calibrate and measure on the rest, and write a bundle to ``out``.

    With pixel truth everything is taught. Without, the judgement alone is: the layers that see regions and lesions stay
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
    if not pixels:
        for name, weights in network.named_parameters():
            weights.requires_grad_(name.startswith("judge."))
    work = out.with_name(f".{out.name}.{_fingerprint(scans, course)}.work")
    regime = Supervised(teach_all if pixels else teach_judgement, 0.02)
    fit(network, regime, examples(teaching), plan, lambda: -_loss(network, held), work)
    for values in network.state_dict().values():  # calibrated as it will be loaded: in half precision
        values.copy_(half(values).to(values.dtype))
    figures = _write(network, names, _calibrated(network, held, names, course, pixels), held, course, out)
    shutil.rmtree(work, ignore_errors=True)
    return figures


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
    return {**calibrate_doubt(network, logits, held), "lesion": model.lesion, "bsi_k": model.bsi_k}


def _write(
    network: Reader, names: tuple[str, ...], calibrated: dict[str, Any], held: Scans, course: Course, out: Path
) -> dict[str, Any]:
    """The bundle, with the held patients' predictions and figures beside it, whole or not at all."""
    n = len(held)
    scores = r1.reader_scores(network, held)
    these = Predictions(held.patients, ("both",) * n, ("held",) * n, held.classes, ("N", "M", "A"), scores)
    figures = {k: dataclasses.asdict(f) for k, f in evaluate(these, "patient", Resampling(1000)).items()}
    model = {
        "network": "photopeak.networks.reader:Reader",
        "regions": list(names),
        "calibration": calibrated,
        "taught": dataclasses.asdict(course),
        "measured": {k: figures[k] for k in ("auc", "auc_M", "auc_A") if k in figures},
    }
    card = (
        "# A bone-scan reader taught on one's own cohort\n\nResearch software, not a medical device.\n\n"
        f"Taught from {course.start or 'nothing'} for at most {course.epochs} epochs; calibrated and measured on {n} "
        "patients held back, who also chose the epoch: measure it anew on others before you trust it.\n"
    )
    with whole_folder(out) as folder:
        put_bundle(folder, {k: half(v) for k, v in network.state_dict().items()}, model, card)
        write_predictions(these, folder / "held.predictions.csv")
        (folder / "held.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return figures
