"""Many scans: a few examinations at a time, in this process or on a Ray cluster; this process writes the disk."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from photopeak.classify.reader import load_model
from photopeak.core import PhotopeakError
from photopeak.core.writing import whole_folder

if TYPE_CHECKING:
    from photopeak.dicom.reading import Examination

TOGETHER: Final = 16
"""Examinations that are read at once: they fit in memory, and the network is fast with so many."""


@dataclass(frozen=True)
class Done:
    """What became of one examination: its reading in words and as JSON, or why there is none, and its files."""

    words: str = ""
    json: str = ""
    refused: str = ""
    """Why the file could not be read at all; a scan that is refused has words."""
    failed: bool = False
    folder: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    """The folder's content, where it was asked for."""

    def write(self, out: Path) -> Path:
        """The folder in ``out``; whole or not at all."""
        folder = out / self.folder
        with whole_folder(folder) as work:
            for name, content in self.files.items():
                (work / name).write_bytes(content)
        return folder


def read_all(groups: Iterable[list[Examination]], bundle: str, files: bool, cluster: str | None) -> Iterator[Done]:
    """Every examination's reading: in order, or from a cluster in the order in which groups are finished."""
    work = partial(read_group, bundle=bundle, sha256=load_model(bundle).sha256, files=files)
    for done in _over(work, groups, cluster):
        yield from done


def _over(
    work: Callable[[list[Examination]], list[Done]], groups: Iterable[list[Examination]], cluster: str | None
) -> Iterator[list[Done]]:
    if cluster is None:
        yield from map(work, groups)
        return
    from photopeak.patients.cluster import over_cluster

    for _, done in over_cluster(work, groups, cluster):
        yield done


def read_group(group: Sequence[Examination], bundle: str, sha256: str, files: bool) -> list[Done]:
    """Read a few examinations. A worker whose weights are not those of the caller is refused."""
    from photopeak.classify.reports import in_words, readings, write_reading

    model = load_model(bundle)
    if model.sha256 != sha256:
        raise PhotopeakError(
            f"the bundle {bundle!r} holds other weights on a machine of the cluster than here ({model.sha256[:12]} and "
            f"{sha256[:12]}): readings would not be one reader's. Remedy: give every machine the same bundle."
        )
    good = [e for e in group if e.study is not None]
    read = iter(readings(model, [e.study for e in good if e.study is not None], [e.name for e in good]))
    out = list[Done]()
    for one in group:
        if one.study is None:
            out.append(Done(refused=one.refused, failed=True))
            continue
        reading, scan, views = next(read)
        words, document = in_words(reading), json.dumps(reading.to_json(), ensure_ascii=False)
        if not files or scan is None or views is None:
            out.append(Done(words, document, failed=bool(reading.refused)))
            continue
        with tempfile.TemporaryDirectory() as work:
            folder = write_reading(Path(work), one, model, reading, scan, views)
            content = {p.name: p.read_bytes() for p in sorted(folder.iterdir())}
            out.append(Done(words, document, failed=bool(reading.refused), folder=folder.name, files=content))
    return out
