"""Whole-body bone scans as arrays: what readers are taught from, and where a Study becomes one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int, UInt8, UInt16

from photopeak.classify.views import SIZE, VIEWS, binned, whole_body
from photopeak.core import Mask, Measurement, PhotopeakError, Study
from photopeak.core.writing import whole_file
from photopeak.learning.devices import cores

ARRAYS: Final = ("counts", "labels", "lesions", "regions", "bsi", "age")
LESIONS: Final = ("metastasis", "arthritis")
"""What a lesion map holds: 0 nothing, 1 metastasis, 2 arthritis."""


@dataclass(frozen=True, eq=False)
class Scans:
    """Scans of n patients, both views each, with what is known of them.

    ``labels`` are metastasis and arthritis, −1 where nobody said. ``bsi`` is in per cent, NaN where unknown; ``age`` in
    years, NaN likewise.
    """

    patients: tuple[str, ...]
    counts: UInt16[np.ndarray, "n 2 row column"]
    labels: Int[np.ndarray, "n 2"]
    lesions: UInt8[np.ndarray, "n 2 row column"]
    regions: UInt8[np.ndarray, "n 2 row column"]
    region_names: tuple[str, ...]
    """The name of region 1, 2, …"""
    bsi: Float[np.ndarray, " n"]
    sexes: tuple[str, ...]
    age: Float[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.patients)

    def __getitem__(self, chosen: Int[np.ndarray, " m"]) -> Scans:
        words: dict[str, Any] = {n: tuple(getattr(self, n)[i] for i in chosen) for n in ("patients", "sexes")}
        arrays = {n: getattr(self, n)[chosen] for n in ARRAYS}
        return Scans(**words, **arrays, region_names=self.region_names)

    @property
    def classes(self) -> tuple[str, ...]:
        """N, M, A or M&A for each patient."""
        return tuple(class_of(int(m), int(a)) for m, a in self.labels)


def class_of(m: int, a: int) -> str:
    """The class of a pair of labels.

    >>> class_of(1, 1)
    'M&A'
    """
    if min(m, a) < 0:
        raise PhotopeakError("a patient has no label. Remedy: fill label_m and label_a in cohort.csv.")
    return {(0, 0): "N", (1, 0): "M", (0, 1): "A", (1, 1): "M&A"}[m, a]


def scans_of(
    source: Sequence[Study], first: int | None = None, processes: int | None = None, quiet: bool = True
) -> Scans:
    """Every Study of a source, or its first ones, as arrays, in its order; several processes share the work."""
    n = len(source) if first is None else min(first, len(source))
    processes = min(processes or cores(), max(1, n // 8))
    parts = [range(i, min(i + 8, n)) for i in range(0, n, 8)]
    if processes == 1:
        return _joined([_part(source, p) for p in _progress(parts, n, quiet)])
    # Spawned, never forked: a fork after a parallel kernel dies.
    with ProcessPoolExecutor(processes, get_context("spawn"), _keep, (source,)) as pool:
        return _joined(list(_progress(pool.map(_part_of_kept, parts), n, quiet)))


_kept: list[Sequence[Study]] = []


def _keep(source: Sequence[Study]) -> None:
    """In a worker: remember the source, and compute on one thread, since every core has its process."""
    import numba

    numba.set_num_threads(1)
    _kept[:] = [source]


def _part_of_kept(indices: range) -> Scans:
    return _part(_kept[0], indices)


def _part(source: Sequence[Study], indices: range) -> Scans:
    return _joined([_one(source[i]) for i in indices])


def _progress(parts: Any, total: int, quiet: bool) -> Iterator[Any]:
    from rich.progress import Progress

    with Progress(disable=quiet, transient=True) as bar:
        task = bar.add_task("scans", total=total)
        for part in parts:
            yield part
            bar.advance(task, len(part))


def _joined(parts: Sequence[Scans]) -> Scans:
    if not parts:
        raise PhotopeakError("there is no scan. Remedy: name a cohort with at least one patient.")
    names = {p.region_names for p in parts if p.region_names}
    if len(names) > 1:
        raise PhotopeakError("the truths of these scans name different regions. Remedy: simulate them anew, together.")
    arrays: dict[str, Any] = {n: np.concatenate([getattr(p, n) for p in parts]) for n in ARRAYS}
    words: dict[str, Any] = {n: tuple(x for p in parts for x in getattr(p, n)) for n in ("patients", "sexes")}
    return Scans(**words, **arrays, region_names=names.pop() if names else ())


def _one(study: Study) -> Scans:
    views = whole_body(study)
    regions, names = _regions(study)
    labels = [[_number(study, f"truth/label_{x}", -1) for x in ("m", "a")]]
    who = study.patient
    return Scans(
        (who.patient_id,),
        views.both[None],
        np.array(labels, np.int8),
        _lesions(study)[None],
        regions[None],
        names,
        np.array([_number(study, "truth/bsi", np.nan)], np.float32),
        (who.sex,),
        np.array([np.nan if who.age_years is None else who.age_years], np.float32),
    )


def _truth(study: Study, name: str) -> Mask | None:
    """A mask of the truth, which has to lie on the usual matrix."""
    mask = study.get(name)
    if mask is None:
        return None
    usual = (2, 2 * SIZE[0], 2 * SIZE[1])
    if not isinstance(mask, Mask) or mask.values.shape != usual or mask.grid.labels("view") != VIEWS:
        raise PhotopeakError(
            f"{study.patient.patient_id}: {name} does not lie on two views of {usual[1]} × {usual[2]} pixels. "
            "Remedy: leave the pixel truth out, and the labels alone are taught."
        )
    return mask


def _lesions(study: Study) -> UInt8[np.ndarray, "2 512 128"]:
    mask = _truth(study, "truth/lesions")
    if mask is None:
        return np.zeros((2, *SIZE), np.uint8)
    number = np.zeros(max(mask.names, default=0) + 1, np.uint8)
    for i, name in mask.names.items():
        number[i] = LESIONS.index(name.split(":")[0]) + 1
    kind = number[mask.values]
    # A metastasis that shares a pixel with an arthritic joint is the one that must not be lost.
    some = [binned((kind == k + 1).astype(np.uint8)) > 1 for k in range(len(LESIONS))]
    return np.where(some[0], 1, np.where(some[1], 2, 0)).astype(np.uint8)


def _regions(study: Study) -> tuple[UInt8[np.ndarray, "2 512 128"], tuple[str, ...]]:
    mask = _truth(study, "truth/regions")
    if mask is None:
        return np.zeros((2, *SIZE), np.uint8), ()
    return np.ascontiguousarray(mask.values[:, ::2, ::2], np.uint8), tuple(
        mask.names[i + 1] for i in range(len(mask.names))
    )


def _number(study: Study, name: str, absent: float) -> float:
    entry = study.get(name)
    return entry.value if isinstance(entry, Measurement) else absent


def save_scans(scans: Scans, path: Path) -> None:
    """Write one file, whole or not at all. Not compressed: Poisson noise hardly shrinks, and zlib is slow."""
    words = json.dumps({n: getattr(scans, n) for n in ("patients", "sexes", "region_names")})
    with whole_file(path) as work:
        np.savez(work, words=np.array(words), **{n: getattr(scans, n) for n in ARRAYS})


def load_scans(path: Path) -> Scans:
    """Read what ``save_scans`` wrote."""
    with np.load(path, allow_pickle=False) as f:
        words: dict[str, Any] = {k: tuple(v) for k, v in json.loads(str(f["words"])).items()}
        return Scans(**words, **{n: f[n] for n in ARRAYS})
