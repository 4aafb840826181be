"""R1-explain: do the maps that explain the reader's answers point at the lesions?

On patients whom the reader never saw (their seed is the second 8 hex digits of its weights' sha256) every map is asked
four things, each for the patients who have the disease:

    points      does its highest pixel lie on a true lesion of the kind, or within 15 mm :cite:`zhang2018`?
    inside      which share of what is positive in it lies on true lesions?
    deletion    cover the patches that it holds for most important, the best first, and random ones: the mean
                difference of the answer's log-odds :cite:`samek2017`
    random      the rank correlation with the map of a network with random weights; a map that hardly changes shows
                the image, not the network :cite:`adebayo2018`

and, in patients without the disease, how high it goes. The classical floor is the scan itself, smoothed: its brightest
pixel. Maps and truth are laid over each other as the network sees them, the posterior view mirrored onto the anterior
one, and the higher of the two views counts.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from photopeak.classify.asking import answers
from photopeak.classify.covering import Spots, covered, smoothed, spots_of
from photopeak.classify.explain import Asked, gradient, occlusion, painted
from photopeak.classify.reader import QUESTIONS, load_model
from photopeak.classify.scans import Scans, scans_of
from photopeak.core import Image, Study
from photopeak.core.writing import whole_file
from photopeak.evaluate.bootstrap import interval, resampled
from photopeak.networks.reader import Reader, overlaid
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.protocol import Clinic
from photopeak.recipes.outcome import Figure, figure

MIX: Final = "N=0.25,M=0.25,A=0.25,M&A=0.25"
TOLERANCE_MM: Final = 15.0
PATCH: Final = 16
"""Pixels of 4.6 mm along the side of a patch that is deleted."""
DELETED: Final = (1, 3, 9)
"""Patches that are covered at a time."""
ORDERS: Final = 2
"""Random orders beside each."""
BODY: Final = 0.25
"""x from where on a pixel belongs to the body: a sixteenth of the counts of bone."""
RESAMPLES: Final = 2000
BRIGHT: Final = "brightest pixel"
WAYS: Final = ("lesion evidence", "occlusion", "gradient", BRIGHT)
ASKED: Final = ("points", "inside", "deletion", "random", "highest without")
Flat = Float[np.ndarray, "row column"]


@dataclass(frozen=True)
class Preset:
    """How many patients, and how many of them are also shown to a network with random weights."""

    patients: int
    randomised: int


PRESETS: Final = {"smoke": Preset(1, 1), "quick": Preset(23, 8), "full": Preset(400, 400)}


@dataclass(frozen=True)
class Row:
    """One patient, question and way; NaN is what was not asked."""

    patient: str
    label: str
    question: str
    way: str
    points: float
    inside: float
    deletion: float
    random: float
    highest_without: float


def cohort_seed(sha256: str) -> int:
    """The second 8 hex digits of the weights' hash; the first named the cohort of R1."""
    return int(sha256[8:16], 16)


def study(preset: Preset, work: Path, processes: int, say: Callable[[str], None]) -> list[Row]:
    """Every patient's rows, in order, by several ``processes``. Rows are kept in ``work``: a cut run goes on."""
    seed = cohort_seed(load_model().sha256)
    clinic = Clinic(BoneScan(mix=MIX, difficulty=Difficulty.frozen()), preset.patients, seed)
    kept = [work / f"{i:05d}{'-randomised' * (i < preset.randomised)}.csv" for i in range(preset.patients)]
    tasks = [(clinic, i, i < preset.randomised, path) for i, path in enumerate(kept) if not path.exists()]
    # Spawned, never forked, and one thread each: two that wait for each other at every layer get less done.
    with ProcessPoolExecutor(processes, get_context("spawn"), _one_thread) as pool:
        for done in pool.map(_keep_rows, tasks):
            say(f"patient {done + 1} of {len(kept)}")
    return [row for path in kept for row in read_rows(path)]


def _one_thread() -> None:
    import numba

    torch.set_num_threads(1)
    numba.set_num_threads(1)


def _keep_rows(task: tuple[Clinic, int, bool, Path]) -> int:
    clinic, i, randomised, path = task
    one = clinic[i]
    write_rows(rows_of(one, scans_of([one], processes=1), randomised), path)
    return i


def rows_of(one: Study, scan: Scans, randomised: bool) -> list[Row]:
    """What is measured of one patient."""
    model, image = load_model(), one["counts"]
    assert isinstance(image, Image)
    pixel_mm = 2.0 * float(np.linalg.norm(np.array(image.grid.affine_mm)[:3, 0]))
    x = overlaid(torch.from_numpy(scan.counts.astype(np.float32)))[0].numpy()
    spots, body = spots_of(x), smoothed(x).max(0) > BODY
    asked = Asked.of(model, np.array([True, True]))
    every = maps_of(asked, x, spots, scan)
    torch.manual_seed(1)
    # A new network of the same design: the reader's own, which is kept for everybody, stays as it is.
    untaught = maps_of(Asked(Reader(model.network.regions).eval()), x, spots, scan) if randomised else None
    out = []
    for q, (question, maps) in enumerate(zip(QUESTIONS, every, strict=True)):
        kind = np.stack((scan.lesions[0, 0], scan.lesions[0, 1, :, ::-1])) == q + 1
        truth = kind.any(0)
        there = bool(scan.labels[0, q] == 1)
        order = orders(maps, in_body(body)) if there else {}
        fell = deletions(asked, x, spots, order, q) if there else {}
        like = likeness(maps, untaught[q]) if there and untaught else {}
        for way, values in maps.items():
            measured = there and bool(truth.any())
            out.append(
                Row(
                    scan.patients[0],
                    scan.classes[0],
                    question,
                    way,
                    float(points(values, truth, TOLERANCE_MM / pixel_mm)) if measured else np.nan,
                    inside(values, truth) if measured else np.nan,
                    fell.get(way, np.nan),
                    like.get(way, np.nan),
                    np.nan if there else float(values.max()),
                )
            )
    return out


def maps_of(asked: Asked, x: Float[np.ndarray, "2 row column"], spots: Spots, scan: Scans) -> list[dict[str, Flat]]:
    """For each question every way's map, the higher of both views."""
    (said,) = answers(asked.network, scan.counts)
    drops = occlusion(asked, x, spots)
    out = []
    for q in range(len(QUESTIONS)):
        own = said.lesions[0, :, q].astype(np.float64)
        maps: dict[str, Flat] = {
            "lesion evidence": np.maximum(own[0], own[1, :, ::-1]),
            "occlusion": painted(spots, drops[:, q]).max(0),
            "gradient": gradient(asked, x, q)[0],
            BRIGHT: smoothed(x).max(0).astype(np.float64),
        }
        out.append(maps)
    return out


def points(values: Flat, truth: Bool[np.ndarray, "row column"], tolerance_px: float) -> bool:
    """Whether the highest place lies on a true lesion, or as near as is tolerated; a map without one points nowhere.

    The highest place is one pixel, or, of several that are equal (a covered spot), the one nearest their middle.

    >>> truth = np.zeros((9, 9), bool)
    >>> truth[4, 4] = True
    >>> points(np.eye(9)[::-1] * np.arange(9.0), truth, 2.0), points(truth.astype(float), truth, 0.0)
    (False, True)
    """
    from scipy import ndimage

    if values.max() <= 0.0:
        return False
    number, n = ndimage.label(values == values.max())
    largest = number == 1 + int(np.argmax(np.bincount(number.ravel(), minlength=n + 1)[1:]))
    where = np.argwhere(largest)
    middle = where[np.argmin(((where - where.mean(0)) ** 2).sum(1))]
    return bool(np.sqrt(((np.argwhere(truth) - middle) ** 2).sum(1)).min() <= tolerance_px)


def inside(values: Flat, truth: Bool[np.ndarray, "row column"]) -> float:
    """The share of what is positive that lies on true lesions; of a map without anything positive, none."""
    positive = np.maximum(values, 0.0)
    return float(positive[truth].sum() / max(float(positive.sum()), 1e-12))


Patches = list[Bool[np.ndarray, "row column"]]


def orders(maps: Mapping[str, Flat], patches: Patches) -> dict[str, Patches]:
    """The patches, the most important first by each way, and in random orders, called 0, 1, …"""
    rng = np.random.default_rng(0)
    by: dict[str, list[int]] = {f"{i}": rng.permutation(len(patches)).tolist() for i in range(ORDERS)}
    by |= {w: np.argsort([-float(m[p].mean()) for p in patches], kind="stable").tolist() for w, m in maps.items()}
    return {way: [patches[i] for i in order] for way, order in by.items()}


def deletions(
    asked: Asked, x: Float[np.ndarray, "2 row column"], spots: Spots, order: Mapping[str, Patches], question: int
) -> dict[str, float]:
    """By how much further the log-odds fall than with random patches, the mean over ``DELETED``."""
    scans = [covered(x, spots, np.asarray(np.any(patches[:n], axis=0))) for patches in order.values() for n in DELETED]
    z = asked.log_odds(np.stack(scans))[:, question].reshape(len(order), len(DELETED)).mean(1)
    mean = dict(zip(order, z.tolist(), strict=True))
    chance = sum(mean.pop(f"{i}") for i in range(ORDERS)) / ORDERS
    return {way: chance - value for way, value in mean.items()}


def in_body(body: Bool[np.ndarray, "row column"]) -> Patches:
    """The square patches of which at least half is body."""
    out = []
    for row in range(0, body.shape[0], PATCH):
        for column in range(0, body.shape[1], PATCH):
            patch = np.zeros_like(body)
            patch[row : row + PATCH, column : column + PATCH] = True
            if body[patch].mean() >= 0.5:
                out.append(patch)
    return out


def likeness(maps: Mapping[str, Flat], others: Mapping[str, Flat]) -> dict[str, float]:
    """Spearman's rank correlation of each map with another, over the pixels where either is not 0."""
    from scipy.stats import spearmanr

    out = {}
    for way, values in maps.items():
        seen = (values != 0.0) | (others[way] != 0.0)
        a, b = values[seen], others[way][seen]
        varied = len(a) > 1 and np.ptp(a) > 0 and np.ptp(b) > 0
        out[way] = float(spearmanr(a, b).statistic) if varied else 0.0
    return out


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    """Means over patients with 95 % intervals by patient."""
    out: dict[str, Figure] = {}
    for question in QUESTIONS:
        for name in ASKED:
            for way in WAYS:
                mine = [r for r in rows if (r.question, r.way) == (question, way)]
                values = np.array([getattr(r, name.replace(" ", "_")) for r in mine], float)
                known = np.isfinite(values)
                if not known.any():
                    continue
                kept = values[known]
                patients = [r.patient for r, k in zip(mine, known, strict=True) if k]
                low, high = interval(resampled(partial(_mean_of, kept), patients, RESAMPLES))[0]
                unit = unit_of(name, way)
                out[f"{question}, {name}: {way}"] = figure(float(kept.mean()), float(low), float(high), unit, len(kept))
    return out


def unit_of(asked: str, way: str) -> str:
    """What a figure is measured in."""
    if asked == "deletion":
        return "{log-odds}"
    return "{log-odds}" if asked == "highest without" and way in ("occlusion", "gradient") else "1"


def _mean_of(values: Float[np.ndarray, " patient"], chosen: Int[np.ndarray, " drawn"]) -> float:
    return float(values[chosen].mean())


def write_rows(rows: Sequence[Row], path: Path) -> Path:
    """One line a patient, question and way."""
    with whole_file(path) as work, work.open("w", newline="", encoding="utf-8") as f:
        table = csv.writer(f, lineterminator="\n")
        table.writerow(Row.__dataclass_fields__)
        for r in rows:
            numbers = ("" if np.isnan(v) else f"{v:.6g}" for v in (r.points, r.inside, r.deletion, r.random))
            last = "" if np.isnan(r.highest_without) else f"{r.highest_without:.6g}"
            table.writerow([r.patient, r.label, r.question, r.way, *numbers, last])
    return path


def read_rows(path: Path) -> list[Row]:
    """What ``write_rows`` wrote."""
    with path.open(newline="", encoding="utf-8") as f:
        lines = list(csv.reader(f))[1:]
    return [Row(a, b, c, d, *(float(v) if v else float("nan") for v in rest)) for a, b, c, d, *rest in lines]
