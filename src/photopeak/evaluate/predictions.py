"""Predictions on disk: one line a case, ``patient, view, fold, label, score_<class> …``.

Three scores (``score_N, score_M, score_A``) or two (``score_M, score_A``); with two, N is their absence,
p(N) = (1 − p(M)) (1 − p(A)). The label is a class, or M&A. Everything a study claims can be computed anew from this
file.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from photopeak.core import PhotopeakError

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

    @property
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
    """One file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    work = path.with_name(f".{path.name}.{os.getpid()}")
    with work.open("w", newline="", encoding="utf-8") as f:
        table = csv.writer(f, lineterminator="\n")
        table.writerow([*FIXED, *(f"score_{c}" for c in these.classes)])
        columns = zip(these.patients, these.views, these.folds, these.labels, these.scores.tolist(), strict=True)
        table.writerows([p, v, o, label, *(f"{x:.6g}" for x in row)] for p, v, o, label, row in columns)
    work.replace(path)


def read_predictions(path: str | Path) -> Predictions:
    """Read and check a file; what is wrong is said with its line."""
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8") as f:
            reader = csv.DictReader(f)
            classes = _classes(path, reader.fieldnames or ())
            rows = [_row(path, i, raw, classes) for i, raw in enumerate(reader, 2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PhotopeakError(f"{path} cannot be read: {error}. Remedy: name a CSV file of predictions.") from error
    if not rows:
        raise PhotopeakError(f"{path} holds no case. Remedy: name a file with at least one line.")
    _unique(path, [r[0] for r in rows])
    patients, views, folds, labels = zip(*(r[0] for r in rows), strict=True)
    return _with_normal(Predictions(patients, views, folds, labels, classes, np.array([r[1] for r in rows])))


def _with_normal(these: Predictions) -> Predictions:
    if NORMAL in these.classes:
        return these
    normal = np.prod(1 - these.scores, axis=1, keepdims=True)
    scores = np.concatenate((normal, these.scores), 1)
    return Predictions(these.patients, these.views, these.folds, these.labels, (NORMAL, *these.classes), scores)


def _classes(path: Path, columns: Sequence[str]) -> tuple[str, ...]:
    missing = [c for c in FIXED if c not in columns]
    classes = tuple(c.removeprefix("score_") for c in columns if c.startswith("score_"))
    if missing or len(classes) < 2:
        raise PhotopeakError(
            f"{path} lacks {', '.join(missing) or 'scores'}. "
            f"Remedy: the columns are {', '.join(FIXED)} and at least two score_<class>."
        )
    return classes


def _row(
    path: Path, line: int, raw: Mapping[str, str | None], classes: tuple[str, ...]
) -> tuple[tuple[str, ...], list[float]]:
    def wrong(what: str) -> PhotopeakError:
        return PhotopeakError(f"{path} line {line}: {what}")

    words = tuple(raw[c] or "" for c in FIXED)
    known = {NORMAL, *classes}
    if not words[3] or not set(words[3].split("&")) <= known:
        raise wrong(f"the label {words[3]!r} is none of {', '.join(sorted(known))}. Remedy: use these, or two with &.")
    scores = []
    for c in classes:
        try:
            p = float(raw[f"score_{c}"] or "")
        except ValueError:
            p = math.nan
        if not 0 <= p <= 1:
            raise wrong(f"score_{c} is {raw[f'score_{c}']!r}. Remedy: a probability from 0 to 1.")
        scores.append(p)
    return words, scores


def _unique(path: Path, keys: Sequence[tuple[str, ...]]) -> None:
    seen: dict[tuple[str, ...], int] = {}
    for line, key in enumerate(keys, 2):
        if key[:3] in seen:
            raise PhotopeakError(
                f"{path} line {line}: patient {key[0]}, view {key[1]!r}, fold {key[2]!r} stands in line "
                f"{seen[key[:3]]} already. Remedy: keep one of the two."
            )
        seen[key[:3]] = line
