"""``older``: every way on the very same test images, from committed predictions, and the Photopeak reader beside them.

The tests of split 0 are those of A4-d1's clean split. Each way is set against dSPIC-AM taught on the same images; the
differences draw the same patients for both. The reader was taught on other patients, more of them and with pixel truth:
it says what those bring. It is given each view alone here, since the others see one view.

The ways of A12 were asked about patients, and about metastases alone. Of them the table has the area of metastasis:
both views of a patient get the patient's probability. What was asked about a part of the body (A11, A14, A16) has no
place in it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from photopeak.classify.reader import load_model
from photopeak.classify.scans import Scans
from photopeak.classify.views import VIEWS
from photopeak.evaluate.predictions import Predictions, write_predictions
from photopeak.evaluate.summary import paired
from photopeak.recipes import error_audit, hot_spot_reading, older, simple_cnn, two_views
from photopeak.recipes.bundle_readings import bundle_predictions
from photopeak.recipes.outcome import Figure

DSPIC: Final = "dSPIC-AM"
READER: Final = "Photopeak reader, one view"
FOLD: Final = "clean-0"
FILES: Final = {
    DSPIC: "A4-d1/quick.clean-0",
    "dSPIC-AM, with copies (D_2)": "A4/quick.clean-0",
    simple_cnn.PLAIN: "A13/quick.simple-CNN",
    simple_cnn.SYMMETRY: "A15/quick.simple-CNN-with-symmetry",
    **{way: f"A10/quick.{older.file_name(way)}" for way in hot_spot_reading.WAYS},
}
"""The predictions that other studies left."""
OF_PATIENTS: Final = {way: f"A12/quick.{older.file_name(way)}" for way in two_views.WAYS}
"""Those about patients and metastases."""


def study(preset: older.Preset, work: Path, results: Path, out: Path, say: Callable[[str], None]) -> dict[str, Figure]:
    """The figures of every way, and of every way minus dSPIC-AM; the reader's predictions go beside ``out``."""
    scans = older.cohort(preset, work)
    known = set(scans.patients)
    tables = {w: error_audit.only(error_audit.predictions_of(results, f), known, FOLD) for w, f in FILES.items()}
    first = tables[DSPIC]
    tables[READER] = reader(scans, first)
    write_predictions(tables[READER], out.with_name(f"{out.name}.reader.predictions.csv"))
    found = dict[str, Figure]()
    for way, these in tables.items():
        mine = paired(first, these)
        found |= older.figures(way, mine, preset.resamples)
        if way != DSPIC:
            minus = older.differences(f"{way} minus {DSPIC}", mine, first, preset.resamples)
            found |= {k: f for k, f in minus.items() if k.startswith(("accuracy:", "auc:"))}
        say(f"{way}: accuracy {found[f'accuracy: {way}']['value']:.3f}, area {found[f'auc: {way}']['value']:.3f}")
    for way, file in OF_PATIENTS.items():
        told = error_audit.only(error_audit.predictions_of(results, file), known, FOLD)
        found |= about_metastases(way, of_images(told, first), first, preset.resamples)
        say(f"{way}: area of metastasis {found[f'auc_M: {way}']['value']:.3f}")
    return found


def about_metastases(way: str, these: Predictions, first: Predictions, resamples: int) -> dict[str, Figure]:
    """The area of metastasis against all else, and by how much it exceeds that of ``first``."""
    alone = first.scores[:, first.classes.index("M")]
    asked = dataclasses.replace(these, scores=np.stack((1 - alone, alone), 1))
    found = older.figures(way, these, resamples) | older.differences(f"{way} minus {DSPIC}", these, asked, resamples)
    return {name: f for name, f in found.items() if name.startswith("auc_M:")}


def of_images(these: Predictions, asked: Predictions) -> Predictions:
    """What was said of patients, for each image asked about: M, as it was entered, or not."""
    row = {p: i for i, p in enumerate(these.patients)}
    labels = tuple("M" if label == "M" else "N" for label in asked.labels)
    scores = these.scores[[row[p] for p in asked.patients]]
    return Predictions(asked.patients, asked.views, asked.folds, labels, these.classes, scores)


def reader(scans: Scans, asked: Predictions) -> Predictions:
    """What the shipped reader says of the same images, given one view at a time."""
    number = {p: i for i, p in enumerate(scans.patients)}
    each = scans[np.array([number[p] for p in asked.patients])]
    counts = np.zeros_like(each.counts)
    for i, name in enumerate(asked.views):
        v = VIEWS.index(name.split(" ")[0])
        counts[i, v] = each.counts[i, v]
    said = bundle_predictions(load_model(), dataclasses.replace(each, counts=counts))
    return Predictions(asked.patients, asked.views, asked.folds, asked.labels, said.classes, said.scores)
