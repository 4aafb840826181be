"""A cohort on disk: one folder a patient and one ``cohort.csv``.

``simulate`` writes it, ``train`` and ``evaluate`` read it, the reading room exports exactly it.

    cohort.csv                      patient_id, study, path, view, label_m, label_a, parent
    cohort.json                     what the cohort is: protocol, seed, settings, fingerprint
    <patient>/planar.dcm            NM, anterior frame then posterior; or tomo.dcm, projections; or pet/, a series
    <patient>/ct/                   CT of a hybrid examination, one file a slice
    <patient>/truth.safetensors     regions and lesions on the image's grid, one array each
    <patient>/volumes.safetensors   the same, activity, attenuation and MR as volumes, each with its grid
    <patient>/truth.json            names, lesions, labels, counts hash
    <patient>/input.csv             of a dynamic PET, the tracer in plasma
    <patient>/report.txt            diagnostic report
    <patient>/reader1.json …        LabelMe annotations
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from photopeak import __version__
from photopeak.core import (
    Acquisition,
    Axis,
    Entry,
    Grid,
    Image,
    Mask,
    Measurement,
    PhotopeakError,
    Record,
    Study,
    Text,
)
from photopeak.core.study import Json, Studies
from photopeak.core.writing import whole_file, whole_folder
from photopeak.dicom.merging import merge_views
from photopeak.dicom.reading import read
from photopeak.dicom.writing import write

COLUMNS = ("patient_id", "study", "path", "view", "label_m", "label_a", "parent")
MASKS = ("truth/regions", "truth/lesions")
VOLUMES = (*MASKS, "truth/activity", "truth/mu", "truth/tia", "truth/dose", "truth/ki", "truth/vt", "mr")


def write_case(study: Study, documents: Mapping[str, Json], folder: Path, image: str = "planar.dcm") -> None:
    """Write one patient's folder so that it appears whole or not at all."""
    with whole_folder(folder) as work:
        # What a PET scanner delivers is an image; its counts stay with it.
        write(study.only("activity" if study.acquisition.modality == "PT" else "counts"), work / image)
        if "ct" in study:
            write(_ct(study, _study_uid(work / image)), work / "ct")
        _write_masks(study, work / "truth.safetensors")
        _write_volumes(study, work / "volumes.safetensors")
        for name, content in documents.items():
            plain = isinstance(content, str)  # a table of numbers, such as an input function
            text = content if plain else json.dumps(content, ensure_ascii=False, separators=(",", ":"))
            (work / name).write_text(str(text), encoding="utf-8")
        report = study.get("truth/report")
        if isinstance(report, Text):
            (work / "report.txt").write_text(report.value, encoding="utf-8")


def _write_masks(study: Study, path: Path) -> None:
    from safetensors.numpy import save_file

    masks = {name: study[name] for name in MASKS if name in study and not _is_volume(study, name)}
    arrays = {n: np.ascontiguousarray(m.values) for n, m in masks.items() if isinstance(m, Mask)}
    names = {n: json.dumps({str(k): v for k, v in m.names.items()}) for n, m in masks.items() if isinstance(m, Mask)}
    if arrays:
        save_file(arrays, path, metadata=names)
        path.chmod(0o644)  # safetensors makes its files private


def _is_volume(study: Study, name: str) -> bool:
    """True for truth that lies in the patient and not on the image that was taken."""
    entry, counts = study[name], study["counts"]
    assert isinstance(counts, Image)
    return isinstance(entry, Image | Mask) and entry.grid != counts.grid


def _study_uid(path: Path) -> str:
    """The study that a written file says it belongs to."""
    return read(path)[0].acquisition.study_uid


def _ct(study: Study, study_uid: str) -> Study:
    """The CT of a hybrid examination as a Study of its own: same patient, same examination, no tracer."""
    a = study.acquisition
    ct = Acquisition(
        modality="CT",
        manufacturer=a.manufacturer,
        model=a.model,
        description=a.description,
        study_uid=study_uid,
        started_at=a.started_at,
        position=a.position,
    )
    return Study({"ct": study["ct"]}, study.patient, ct)


def _write_volumes(study: Study, path: Path) -> None:
    from safetensors.numpy import save_file

    names = [n for n in VOLUMES if n in study and _is_volume(study, n)]
    if not names:
        return
    entries = {n: study[n] for n in names}
    about = {n: json.dumps({"grid": dataclasses.asdict(e.grid), **_what(e)}) for n, e in entries.items()}  # type: ignore[union-attr]
    save_file({n: np.ascontiguousarray(e.values) for n, e in entries.items()}, path, metadata=about)  # type: ignore[union-attr]
    path.chmod(0o644)


def _what(entry: Entry) -> dict[str, Json]:
    if isinstance(entry, Mask):
        return {"names": {str(k): v for k, v in entry.names.items()}}
    assert isinstance(entry, Image)
    return {"unit": entry.unit}


def truth_volumes(path: Path) -> dict[str, Entry]:
    """The truth volumes, each on its own grid."""
    from safetensors import safe_open

    found: dict[str, Entry] = {}
    with safe_open(path, framework="numpy") as f:
        for name, text in (f.metadata() or {}).items():
            about = json.loads(text)
            axes = tuple(Axis(a["name"], a["size"]) for a in about["grid"]["axes"])
            grid = Grid(axes, tuple(tuple(row) for row in about["grid"]["affine_mm"]), about["grid"]["frame"])
            values = f.get_tensor(name)
            if "names" in about:
                found[name] = Mask(values, grid, {int(k): v for k, v in about["names"].items()})
            else:
                found[name] = Image(values, grid, about["unit"])
    return found


def write_index(folder: Path, rows: Iterable[Mapping[str, Json]], description: Mapping[str, Json]) -> None:
    """Write ``cohort.csv`` and ``cohort.json``, each in one move."""
    lines = sorted((dict(r) for r in rows), key=lambda r: (str(r["patient_id"]), str(r["view"])))
    with whole_file(folder / "cohort.csv") as path, path.open("w", newline="", encoding="utf-8") as f:
        table = csv.DictWriter(f, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(lines)
    with whole_file(folder / "cohort.json") as path:
        path.write_text(json.dumps(description, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def fingerprint(hashes: Sequence[str]) -> str:
    """One hash for a cohort: of its patients' counts, in order."""
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


@dataclass(frozen=True)
class Row:
    """One image of a cohort. A label of ``None`` means that the table leaves it empty."""

    patient_id: str
    study: str
    path: str
    view: str
    label_m: int | None
    label_a: int | None
    parent: str


class Cohort(Studies):
    """A cohort folder as a sequence of Studies, one for each study of each patient, truth included.

    One NM file with both views and one file a view are both accepted; ``rows`` holds the table.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        table = self.folder / "cohort.csv"
        if not table.is_file():
            raise PhotopeakError(f"{table} is missing. Remedy: name a folder that holds a cohort.csv.")
        with table.open(newline="", encoding="utf-8") as f:
            reader = csv.DictReader(f)
            missing = [c for c in COLUMNS if c not in (reader.fieldnames or ())]
            if missing:
                raise PhotopeakError(
                    f"{table} has no column {', '.join(missing)}. Remedy: it needs {', '.join(COLUMNS)}."
                )
            self.rows = tuple(_row(r, table, i) for i, r in enumerate(reader, 2))
        self._studies = list(dict.fromkeys((r.patient_id, r.study) for r in self.rows))

    def __len__(self) -> int:
        return len(self._studies)

    def study(self, index: int) -> Study:
        key = self._studies[index]
        paths = list(dict.fromkeys(r.path for r in self.rows if (r.patient_id, r.study) == key))
        study = merge_views([_one(self._inside(p)) for p in paths])
        stated = _labels([r for r in self.rows if (r.patient_id, r.study) == key])
        folder = self._inside(paths[0]).parent
        if (folder / "truth.safetensors").is_file():
            stated |= _read_masks(folder / "truth.safetensors", study)
        if (folder / "volumes.safetensors").is_file():
            stated |= truth_volumes(folder / "volumes.safetensors")
        if (folder / "truth.json").is_file():
            stated |= _read_index(folder / "truth.json")
        return study.add(stated, Record("cohort", __version__, {"path": paths[0]})) if stated else study

    def _inside(self, path: str) -> Path:
        """A path of the table, which must not lead out of the folder."""
        full = (self.folder / path).resolve()
        if not full.is_relative_to(self.folder.resolve()):
            raise PhotopeakError(f"{self.folder / 'cohort.csv'}: the path {path!r} leads out of the cohort's folder.")
        return full


def _row(raw: Mapping[str, Any], table: Path, line: int) -> Row:
    def label(column: str) -> int | None:
        text = (raw[column] or "").strip()
        if text not in ("", "0", "1"):
            raise PhotopeakError(f"{table} line {line}: {column} is {text!r}. Remedy: write 0, 1 or leave it empty.")
        return int(text) if text else None

    text = {column: str(raw[column] or "") for column in COLUMNS}
    labels = label("label_m"), label("label_a")
    return Row(text["patient_id"], text["study"], text["path"], text["view"], *labels, text["parent"])


def _labels(rows: Sequence[Row]) -> dict[str, Entry]:
    """The labels of one study, which all of its views carry."""
    labels: dict[str, Entry] = {}
    for name in ("label_m", "label_a"):
        values = {getattr(r, name) for r in rows}
        if len(values) > 1:
            raise PhotopeakError(
                f"cohort.csv: the views of patient {rows[0].patient_id}, study {rows[0].study}, differ in {name}. "
                "Remedy: labels are the patient's; give every view the same."
            )
        if (value := values.pop()) is not None:
            labels[f"truth/{name}"] = Measurement(value, "1", region="patient")
    return labels


def _read_index(path: Path) -> dict[str, Entry]:
    """Numbers that the truth states: bone scan index, ratios of binding and uptake, net influx, the Centiloid."""
    truth = json.loads(path.read_text(encoding="utf-8"))
    found: dict[str, Entry] = {}
    if truth.get("skeleton_ml"):
        index = 100.0 * truth["metastatic_ml"] / truth["skeleton_ml"]
        found["truth/bsi"] = Measurement(index, "%", region="skeleton")
    for key, unit in (("sbr", "1"), ("suvr", "1"), ("tbr", "1"), ("net_influx", "1/min")):
        if truth.get(key):
            found[f"truth/{key}"] = tuple(Measurement(v, unit, region=name) for name, v in truth[key].items())
    if "centiloid" in truth:
        found["truth/centiloid"] = Measurement(truth["centiloid"], "{CL}", region="brain")
    return found


def _one(path: Path) -> Study:
    studies = read(path)
    if len(studies) != 1:
        raise PhotopeakError(f"{path} holds {len(studies)} studies; a row of cohort.csv names a file with one.")
    return studies[0]


def _read_masks(path: Path, study: Study) -> dict[str, Entry]:
    """The truth masks, which lie on the grid of the counts."""
    from safetensors import safe_open

    counts = study["counts"]
    assert isinstance(counts, Image)
    with safe_open(path, framework="numpy") as f:
        names = f.metadata() or {}
        return {
            n: Mask(f.get_tensor(n), counts.grid, {int(k): v for k, v in json.loads(names[n]).items()})
            for n in f.keys()  # noqa: SIM118  (safe_open is not a mapping)
        }
