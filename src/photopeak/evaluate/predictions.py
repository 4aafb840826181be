"""Predictions on disk: one line a case, ``patient, view, fold, label, score_<class> …``.

Three scores (``score_N, score_M, score_A``) or two (``score_M, score_A``); with two, N is their absence,
p(N) = (1 − p(M)) (1 − p(A)). The label is a class, or M&A. Everything a study claims can be computed anew from this
file.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from photopeak.core import PhotopeakError
from photopeak.core.writing import whole_file

FIXED: Final = ("patient", "view", "fold", "label")
NORMAL: Final = "N"


@dataclass(frozen=True, eq=False)
class Predictions:
    """Cases with their labels and scores; ``classes`` names the columns of ``scores``."""

    patients: tuple[str, ...]
    views: tuple[str, ...]
    folds: tuple[str, ...]
    labels: tuple[str, ...]
    classes: tuple[str, ...]
    scores: Float[np.ndarray, "n k"]

    def __len__(self) -> int:
        return len(self.patients)

    @cached_property
    def truth(self) -> Bool[np.ndarray, "n k"]:
        """Which classes each case shows: M&A shows both."""
        return np.array([[c in label.split("&") for c in self.classes] for label in self.labels])


def by_patient(these: Predictions) -> Predictions:
    """One case a patient: the mean of its views' scores."""
    first: dict[tuple[str, str], int] = {}
    keys = list(zip(these.patients, these.folds, strict=True))
    for i, key in enumerate(keys):
        if these.labels[first.setdefault(key, i)] != these.labels[i]:
            raise PhotopeakError(
                f"patient {key[0]} is labelled {these.labels[first[key]]} and {these.labels[i]}. "
                "Remedy: evaluate at the level of images."
            )
    number = {key: n for n, key in enumerate(first)}
    total, count = np.zeros((len(first), these.scores.shape[1])), np.zeros(len(first))
    np.add.at(total, [number[k] for k in keys], these.scores)
    np.add.at(count, [number[k] for k in keys], 1)
    labels = tuple(these.labels[i] for i in first.values())
    patients, folds = tuple(k[0] for k in first), tuple(k[1] for k in first)
    return Predictions(patients, ("",) * len(first), folds, labels, these.classes, total / count[:, None])


def write_predictions(these: Predictions, path: Path) -> None:
    """One file, whole or not at all; nine digits, so that single precision comes back as it was."""
    with whole_file(path) as work, work.open("w", newline="", encoding="utf-8") as f:
        table = csv.writer(f, lineterminator="\n")
        table.writerow([*FIXED, *(f"score_{c}" for c in these.classes)])
        columns = zip(these.patients, these.views, these.folds, these.labels, these.scores.tolist(), strict=True)
        table.writerows([p, v, o, label, *(f"{x:.9g}" for x in row)] for p, v, o, label, row in columns)


def read_predictions(path: str | Path) -> Predictions:
    """Read and check a file; what is wrong is said with its line."""
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as f:  # spreadsheets put a mark in front
            table = csv.DictReader(f)
            classes = _classes(path, table.fieldnames or ())
            numbered = ((table.line_num, raw) for raw in table)  # empty lines are skipped, but counted
            lines = {line: _row(f"{path} line {line}", raw, classes) for line, raw in numbered}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PhotopeakError(f"{path} cannot be read: {error}. Remedy: name a CSV file of predictions.") from error
    if not lines:
        raise PhotopeakError(f"{path} holds no case. Remedy: name a file with at least one line.")
    _unique(path, {line: words for line, (words, _) in lines.items()})
    patients, views, folds, labels = zip(*(words for words, _ in lines.values()), strict=True)
    scores = np.array([scores for _, scores in lines.values()])
    return _with_normal(Predictions(patients, views, folds, labels, classes, scores))


def _with_normal(these: Predictions) -> Predictions:
    if NORMAL in these.classes:
        return these
    normal = np.prod(1 - these.scores, axis=1, keepdims=True)
    scores = np.concatenate((normal, these.scores), 1)
    return Predictions(these.patients, these.views, these.folds, these.labels, (NORMAL, *these.classes), scores)


def _classes(path: Path, columns: Sequence[str]) -> tuple[str, ...]:
    missing = [c for c in FIXED if c not in columns]
    classes = tuple(c.removeprefix("score_") for c in columns if c.startswith("score_"))
    wrong = f"lacks {', '.join(missing) or 'scores'}" if missing or len(classes) < 2 else ""
    if len(set(columns)) < len(columns):
        wrong = f"names {', '.join(sorted({c for c in columns if columns.count(c) > 1}))} twice"
    if wrong:
        raise PhotopeakError(
            f"{path} line 1: {wrong}. Remedy: the columns are {', '.join(FIXED)} and at least two score_<class>."
        )
    return classes


def _row(where: str, raw: Mapping[str, str | None], classes: tuple[str, ...]) -> tuple[tuple[str, ...], list[float]]:
    if None in raw:
        raise PhotopeakError(f"{where}: more values than columns. Remedy: quote values that hold a comma.")
    words = tuple(raw[c] or "" for c in FIXED)
    if not words[0]:
        raise PhotopeakError(f"{where}: no patient. Remedy: give each patient a name; intervals depend on it.")
    _check_label(where, words[3], classes)
    return words, [_score(where, f"score_{c}", raw[f"score_{c}"]) for c in classes]


def _check_label(where: str, label: str, classes: tuple[str, ...]) -> None:
    known, parts = {NORMAL, *classes}, label.split("&")
    if not set(parts) <= known or len(set(parts)) < len(parts) or (len(parts) > 1 and NORMAL in parts):
        raise PhotopeakError(
            f"{where}: the label {label!r} is none of {', '.join(sorted(known))}. "
            f"Remedy: use these, or two with &, neither of them {NORMAL}."
        )


def _score(where: str, column: str, text: str | None) -> float:
    try:
        p = float(text or "")
    except ValueError:
        p = math.nan
    if not 0 <= p <= 1:
        raise PhotopeakError(f"{where}: {column} is {text!r}. Remedy: a probability from 0 to 1.")
    return p


def _unique(path: Path, lines: Mapping[int, tuple[str, ...]]) -> None:
    seen: dict[tuple[str, ...], int] = {}
    for line, words in lines.items():
        first = seen.setdefault(words[:3], line)
        if first != line:
            raise PhotopeakError(
                f"{path} line {line}: patient {words[0]}, view {words[1]!r}, fold {words[2]!r} stands in line "
                f"{first} already. Remedy: keep one of the two."
            )
