"""Save every entry of a Study, each by a writer that is registered for its Kind.

Images become DICOM; masks safetensors with their names; measurements, tables and texts JSON. Another
format takes the place of one of these by ``register``: later rooms do so with structured reports and
DICOM segmentations.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from photopeak.core import Entry, Image, Kind, Mask, Study, kind_of, unit_of
from photopeak.dicom.writing import ENTRIES, write

#: (study, entry's name, file stem) -> the paths that were written
Writer = Callable[[Study, str, Path], list[Path]]

_WRITERS: Final[dict[Kind, Writer]] = {}


def register(kind: Kind, writer: Writer) -> None:
    """Have ``writer`` write entries of this Kind; a Kind without unit stands for every unit of its type."""
    _WRITERS[kind] = writer


def save(study: Study, folder: str | os.PathLike[str]) -> list[Path]:
    """Write every entry into a folder; gives the files or, for a volume of slices, their folder."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for name in study:
        entry = kind_of(name).entry
        writer = _WRITERS.get(Kind(entry, unit_of(study[name]))) or _WRITERS[Kind(entry)]
        paths += writer(study, name, place / name.replace("/", "_"))
    return paths


def _image(study: Study, name: str, stem: Path) -> list[Path]:
    """DICOM where an object class holds the quantity, else the array with its grid."""
    if name in ENTRIES and study.acquisition.modality in ("NM", "PT"):
        path = stem.with_suffix(".dcm") if study.acquisition.modality == "NM" else stem
        return [write(study.only(name), path)]
    entry = study[name]
    assert isinstance(entry, Image)
    return [_tensors(stem, name, entry, {"unit": entry.unit})]


def _mask(study: Study, name: str, stem: Path) -> list[Path]:
    entry = study[name]
    assert isinstance(entry, Mask)
    return [_tensors(stem, name, entry, {"names": json.dumps({str(k): v for k, v in entry.names.items()})})]


def _tensors(stem: Path, name: str, entry: Image | Mask, metadata: dict[str, str]) -> Path:
    from safetensors.numpy import save_file

    path = stem.with_suffix(".safetensors")
    grid = json.dumps(dataclasses.asdict(entry.grid))
    save_file({name: np.ascontiguousarray(entry.values)}, path, metadata={**metadata, "grid": grid})
    return path


def _json(study: Study, name: str, stem: Path) -> list[Path]:
    path = stem.with_suffix(".json")
    path.write_text(json.dumps({name: _plain(study[name])}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return [path]


def _plain(entry: Entry) -> Any:
    if isinstance(entry, tuple):
        return [dataclasses.asdict(row) for row in entry]
    return dataclasses.asdict(entry)


register(Kind("image"), _image)
register(Kind("mask"), _mask)
for _entry in ("measurement", "table", "text"):
    register(Kind(_entry), _json)
