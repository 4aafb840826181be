"""Somebody's own scans with labels: a cohort folder, a plain table of paths and labels, or LabelMe annotations."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from photopeak import __version__
from photopeak.core import Entry, Image, Mask, Measurement, PhotopeakError, Record, Study
from photopeak.core.study import Studies
from photopeak.dicom.cohort import Cohort
from photopeak.dicom.labelme import CODES, Mark, image_of, read_labelme
from photopeak.dicom.reading import read
from photopeak.evaluate.consensus import lesion_consensus, majority
from photopeak.evaluate.outlines import Outline, filled

LABELS: Final = {"N": (0, 0), "M": (1, 0), "A": (0, 1), "M&A": (1, 1)}
SAME_LESION: Final = 0.3
"""Overlap from which outlines of two readers are of one lesion: hot spots are small, and their edges are blurred."""


def own_scans(data: Path) -> Studies:
    """The scans that ``--data`` names, with their labels.

    A folder with a ``cohort.csv``, or that file, is a cohort. Another CSV is a table with the columns ``path`` and
    ``label`` (N, M, A or M&A). A LabelMe file, or a folder that holds some, is annotations.
    """
    if data.name == "cohort.csv" or (data / "cohort.csv").is_file():
        return Cohort(data.parent if data.is_file() else data)
    if data.suffix.lower() == ".csv":
        return _table(data)
    files = [data] if data.is_file() else sorted(data.rglob("*.json"))
    if not files or any(f.suffix.lower() != ".json" for f in files):
        raise PhotopeakError(
            f"{data} is no cohort, no table and holds no annotations. Remedy: name a folder with a cohort.csv, a CSV "
            "with the columns path and label, or a folder with LabelMe files beside the scans."
        )
    return annotated(files)


class OwnScans(Studies):
    """Files with their labels, read when they are asked for; where readers drew lesions, these are pixel truth.

    ``left_out``: scans that the readers are tied about, for an adjudicator.
    """

    def __init__(
        self,
        labels: Mapping[Path, tuple[int, int]],
        marked: Mapping[Path, Sequence[Path]],
        left_out: Sequence[Path] = (),
    ) -> None:
        self.labels, self.marked, self.left_out = dict(labels), dict(marked), tuple(left_out)
        self._paths = list(self.labels)

    def __len__(self) -> int:
        return len(self._paths)

    def study(self, index: int) -> Study:
        path = self._paths[index]
        study = _read_one(path)
        stated: dict[str, Entry] = {
            f"truth/label_{k}": Measurement(v, "1", region="patient")
            for k, v in zip("ma", self.labels[path], strict=True)
        }
        if path in self.marked:
            stated["truth/lesions"] = _lesions(study, path, self.marked[path])
        return study.add(stated, Record("own-scans", __version__, {"path": path.name}))


def _table(table: Path) -> OwnScans:
    """A CSV with ``path`` (beside the table, or absolute) and ``label``."""
    labels: dict[Path, tuple[int, int]] = {}
    try:
        text = table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise PhotopeakError(f"{table} is not UTF-8: {error}. Remedy: save it as CSV UTF-8.") from error
    with io.StringIO(text, newline="") as f:
        rows = csv.DictReader(f)
        missing = [c for c in ("path", "label") if c not in (rows.fieldnames or ())]
        if missing:
            raise PhotopeakError(f"{table} has no column {', '.join(missing)}. Remedy: it needs path and label.")
        for raw in rows:
            where = f"{table} line {rows.line_num}"
            path, label = (table.parent / (raw["path"] or "")).resolve(), (raw["label"] or "").strip()
            if label not in LABELS:
                raise PhotopeakError(f"{where}: the label {label!r} is unknown. Remedy: use {', '.join(LABELS)}.")
            if not path.is_file():
                raise PhotopeakError(f"{where}: there is no file {path}. Remedy: name it from the table's folder.")
            if path in labels:
                raise PhotopeakError(f"{where}: {path.name} stands in the table twice. Remedy: keep one line a scan.")
            labels[path] = LABELS[label]
    if not labels:
        raise PhotopeakError(f"{table} names no scan. Remedy: one line a scan, with its path and label.")
    return OwnScans(labels, {})


def annotated(files: Sequence[Path]) -> OwnScans:
    """LabelMe files, one a reader and scan, as labels by majority vote :cite:`lin2021dspic`.

    A reader says metastasis of a patient who marks one in either view. The scan is the file that ``imagePath`` names,
    from the annotation's folder, or the DICOM file of the same name where a picture of it was drawn on.
    """
    of_scan: dict[Path, list[Path]] = {}
    for file in files:
        of_scan.setdefault(_scan_of(file), []).append(file)
    labels, left_out = dict[Path, tuple[int, int]](), list[Path]()
    for scan, readers in of_scan.items():
        found = [{mark.finding for mark in _marks(reader)} for reader in readers]
        m, a = (majority([finding in said for said in found]) for finding in CODES)
        if m is None or a is None:
            left_out.append(scan)
        else:
            labels[scan] = int(m), int(a)
    if not labels:
        raise PhotopeakError(f"the readers of all {len(left_out)} scans are tied. Remedy: ask a further reader.")
    return OwnScans(labels, {scan: of_scan[scan] for scan in labels}, left_out)


def _scan_of(file: Path) -> Path:
    """The scan that an annotation was drawn on."""
    named = image_of(file.read_bytes(), str(file)).replace("\\", "/")
    image = (file.parent / named).resolve()
    for path in (image, image.with_suffix(".dcm"), image.with_suffix("")):
        if path.is_file() and path.suffix.lower() not in (".png", ".jpg", ".jpeg", ".json"):
            return path
    raise PhotopeakError(
        f"{file}: its imagePath is {named[:80]!r}, and no scan of that name lies there: it is of another study, or was "
        "moved. Remedy: put the DICOM file there, or open the annotation with its own scan and save it again."
    )


def _marks(file: Path, shape: tuple[int, int] | None = None, view: str = "anterior") -> tuple[Mark, ...]:
    return read_labelme(file.read_bytes(), str(file), shape, view)


def _lesions(study: Study, path: Path, files: Sequence[Path]) -> Mask:
    """The lesions that most readers marked, each inside its consensus outline."""
    image = study["counts"]
    assert isinstance(image, Image)
    views = image.grid.labels("view")
    shape = image.values.shape[1], image.values.shape[2]
    alone = views[0] if len(views) == 1 else ""  # with two views, each shape has to say which
    readers = {file.name: _marks(file, shape, alone) for file in files}
    other = {mark.view for marks in readers.values() for mark in marks} - set(views)
    if other:
        raise PhotopeakError(f"{path} has no {', '.join(sorted(other))} view, and its annotations mark one there.")
    number, names = np.zeros(image.values.shape, np.uint8), dict[int, str]()
    for v, view in enumerate(views):
        outlines = {
            n: [Outline(m.finding, m.site, m.outline()) for m in ms if m.view == view] for n, ms in readers.items()
        }
        for cluster in lesion_consensus(outlines, shape, SAME_LESION):
            if cluster.majority and len(names) < 255:
                names[len(names) + 1] = f"{cluster.finding}: {cluster.site or 'unnamed site'}"
                number[v][filled(cluster.points, shape)] = len(names)
    return Mask(number, image.grid, names)


def _read_one(path: Path) -> Study:
    studies = read(path)
    if len(studies) != 1:
        raise PhotopeakError(f"{path} holds {len(studies)} studies. Remedy: name a file with one whole-body scan.")
    (study,) = studies
    if not study.patient.patient_id:
        raise PhotopeakError(
            f"{path}: PatientID (0010,0020) is empty, so its patient cannot be kept on one side of the split. "
            "Remedy: give each patient an identifier, or a pseudonym."
        )
    return study
