"""A17: which errors the ways of reading make on the published cohort, from committed predictions; nothing is taught.

The tests of the clean splits are simulated again for what each view shows; the predictions that other studies left in
``results`` are then sorted by it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from photopeak.core import PhotopeakError
from photopeak.dicom.cohort import Cohort
from photopeak.evaluate.audit import VIEWS, Rate, Shown, audit, read_shown, shown_in, write_shown
from photopeak.evaluate.predictions import Predictions, read_predictions
from photopeak.learning.devices import cores
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.header import patient_id
from photopeak.patients.protocol import Clinic, Streams
from photopeak.recipes.difficulty import COHORT_SEED, PATIENTS
from photopeak.recipes.outcome import Figure, figure

SOURCES: Final = {
    "dSPIC-AM on D_1": "A4-d1/quick.clean-0",
    "dSPIC-AM on D_2": "A4/quick.clean-0",
    "random forest, hot spots": "A10/quick.random-forest-hot-spots",
    "simple CNN": "A13/quick.simple-CNN",
}
FIRST: Final = {"smoke": 6, "quick": PATIENTS, "full": PATIENTS}
"""Of how many patients of the cohort predictions are asked about."""
FEWEST: Final = {"smoke": 1, "quick": 5, "full": 5}
"""Patients of a group without whom its rate says nothing."""


def study(name: str, work: Path, results: Path, say: Callable[[str], None]) -> dict[str, Figure]:
    """Audit every source; what the views show goes to ``results/A17/<preset>.shown.csv``."""
    known = [patient_id("bone-scan", Streams(COHORT_SEED, i)) for i in range(FIRST[name])]
    tables = {source: only(predictions_of(results, file), set(known)) for source, file in SOURCES.items()}
    asked = {p for these in tables.values() for p in these.patients}
    kept = work / f"shown-{name}.csv"
    if not kept.exists():
        write_shown(simulated([i for i, p in enumerate(known) if p in asked]), kept)
        say(f"{len(asked)} patients simulated")
    shown = read_shown(kept)
    write_shown(list(shown.values()), results / "A17" / f"{name}.shown.csv")
    found = {source: audit(these, shown, FEWEST[name]) for source, these in tables.items()}
    return {f"{k}: {source}": _figure(r) for source, rates in found.items() for k, r in rates.items()}


def predictions_of(results: Path, file: str) -> Predictions:
    """The predictions that another study left."""
    path = results / f"{file}.predictions.csv"
    if not path.exists():
        key = file.split("/")[0]
        raise PhotopeakError(f"{path} is not there. Remedy: photopeak reproduce {key} --results {results}, first.")
    return read_predictions(path)


def only(these: Predictions, patients: set[str], fold: str = "") -> Predictions:
    """The cases of these patients; of one fold, where one is named."""
    rows = [i for i, p in enumerate(these.patients) if p in patients and fold in ("", these.folds[i])]
    words: dict[str, Any] = {
        n: tuple(getattr(these, n)[i] for i in rows) for n in ("patients", "views", "folds", "labels")
    }
    return Predictions(**words, classes=these.classes, scores=these.scores[rows])


def _figure(rate: Rate) -> Figure:
    return figure(rate.value, rate.low, rate.high, n=rate.images, patients=rate.patients)


def simulated(indices: list[int]) -> list[Shown]:
    """What both views of these patients of the published cohort show."""
    processes = min(cores(), max(1, len(indices) // 8))
    if processes == 1:
        return [row for i in indices for row in _both(i)]
    with ProcessPoolExecutor(processes, get_context("spawn"), _on_one_thread) as pool:
        return [row for rows in pool.map(_both, indices) for row in rows]


def _on_one_thread() -> None:
    import numba

    numba.set_num_threads(1)


def _both(index: int) -> list[Shown]:
    clinic = Clinic(BoneScan(cohort="published", difficulty=Difficulty.frozen()), PATIENTS, COHORT_SEED)
    case = clinic.case(index)
    document = case.documents["truth.json"]
    assert isinstance(document, Mapping)
    return [shown_in(case.study.patient.patient_id, view, document) for view in VIEWS]


def shown_of_cohort(folder: Path) -> dict[tuple[str, str], Shown]:
    """What each view of a simulated cohort on disk shows, and what both show together (view "")."""
    found: dict[tuple[str, str], Shown] = {}
    for patient, path in {row.patient_id: folder / row.path for row in Cohort(folder).rows}.items():
        truth = path.parent / "truth.json"
        if not truth.exists():
            raise PhotopeakError(
                f"{truth} is not there: it says what each scan shows. Remedy: audit readings of a simulated cohort."
            )
        document = json.loads(truth.read_text(encoding="utf-8"))
        found |= {(patient, view): shown_in(patient, view, document) for view in (*VIEWS, "")}
    return found
