"""A11: where in chest and pelvis are the metastases? A single-stage detector draws a box about each.

Cheng et al. found lesions of the chest and pelvis with detectors of the YOLO family :cite:`cheng2021chest` and
:cite:`cheng2021pelvis`. Here each view gives two cases, its chest and its pelvis: 96 × 96 pixels (44 cm) about the
middle of the part's regions, as the square root of counts over typical bone (``networks.reader``). To be found is each
connected piece of a metastasis of the truth whose middle lies in the crop, by its bounding box. One network is taught
with both parts. A box is right if it overlaps a piece that no better box has by 0.3 of their union (for the mean
precision), or by 0.1 (for the free response). The floor draws the hot spots' own boxes, with the probability that A10's
random forest gives them.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Float16, Float32, Int

from photopeak.classify.scans import Scans
from photopeak.classify.views import VIEWS
from photopeak.core.writing import whole_file
from photopeak.evaluate import free_response as fr
from photopeak.evaluate.bootstrap import interval, resampled
from photopeak.learning.devices import placed
from photopeak.learning.fit import fit
from photopeak.learning.plan import Batch, Plan
from photopeak.learning.regimes import Supervised
from photopeak.networks.detector import BoxDetector, decoded, detector_loss, encoded, mirrored
from photopeak.networks.reader import standardised
from photopeak.recipes import body_parts as bp
from photopeak.recipes import hot_spot_reading as spots
from photopeak.recipes import older
from photopeak.recipes.dspic_data import Entered
from photopeak.recipes.outcome import Figure, figure

PARTS: Final = ("chest", "pelvis")
SIZE: Final = (96, 96)
FLOOR, DETECTOR = "random forest, boxes of hot spots", "single-stage detector"
WAYS: Final = (FLOOR, DETECTOR)
EPOCHS_SHARE: Final = 0.5
"""Of the preset's epochs: each image gives two cases."""
LEAST: Final = 0.02
"""Boxes less probable are not written."""
TOUCHING, OVERLAPPING = 0.1, 0.3
FALSE_A_CROP: Final = (0.5, 1.0)
SAME: Final = 0.3
"""A box that overlaps a better one by more is left out."""
COLUMNS: Final = ("patient", "view", "fold", "part", "box", "top", "left", "bottom", "right", "score")


@dataclass(frozen=True, eq=False)
class Data:
    """The scans, where the reader finds their regions, their hot spots, and the metastases of each image."""

    scans: Scans
    found: bp.Regions
    spots: spots.Described
    true: list[fr.Boxes]


@dataclass(frozen=True, eq=False)
class Case:
    """One part of one view: what it is called, its crop's first row and column, true boxes, and those found."""

    patient: str
    view: str
    fold: str
    part: str
    image: int
    corner: tuple[int, int]
    true: fr.Boxes
    found: fr.Boxes
    scores: Float[np.ndarray, " found"]


@dataclass(frozen=True)
class Mirrored(Plan):
    """Each batch mirrored with probability one half, with what should be said of it."""

    def augment(self, batch: Batch, rng: torch.Generator) -> Batch:
        if float(torch.rand(1, generator=rng, device=rng.device)) < 0.5:
            return batch
        return {"images": batch["images"].flip(-1), "labels": mirrored(batch["labels"])}


def gathered(preset: older.Preset, work: Path) -> Data:
    """Everything that does not depend on the split."""
    scans = older.cohort(preset, work)
    found = bp.found_regions(scans, work / f"regions-{preset.patients}.npz")
    d = spots.describe(scans, work / f"hot-spots-with-boxes-{preset.patients}.npz")
    each: list[list[tuple[int, int, int, int]]] = [[] for _ in range(2 * len(scans))]
    for piece in bp.pieces(scans):
        each[piece.image].append(piece.box)
    return Data(scans, found, d, [np.array(boxes, float).reshape(-1, 4) for boxes in each])


def cases_of(data: Data, split: bp.Division, entered: Sequence[Entered]) -> list[Case]:
    """Chest and pelvis of each image, nothing found yet; boxes lie on the whole view."""
    out = []
    for e, image in zip(entered, older.places(entered).tolist(), strict=True):
        for part in PARTS:
            box = bp.box_of(split.regions[e.patient, e.view], data.scans.region_names, part)
            corner = bp.corner(bp.middle_of(box), SIZE)
            true = data.true[image][within(data.true[image], corner)]
            name = data.scans.patients[e.patient], VIEWS[e.view], f"clean-{split.seed}", part
            out.append(Case(*name, image, corner, true, np.zeros((0, 4)), np.zeros(0)))
    return out


def within(boxes: Float[np.ndarray, "n 4"] | Int[np.ndarray, "n 4"], corner: tuple[int, int]) -> Int[np.ndarray, " m"]:
    """The boxes whose middle lies in the crop."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2 - np.array(corner)
    return np.flatnonzero(((middle >= 0) & (middle < np.array(SIZE))).all(1))


def crops(data: Data, cases: Sequence[Case]) -> Float16[np.ndarray, "n 1 y x"]:
    """What the detector sees of each case."""
    out = np.empty((len(cases), 1, *SIZE), np.float16)
    for i, c in enumerate(cases):
        counts = torch.from_numpy(data.scans.counts[c.image // 2][None].astype(np.float32))
        view = standardised(counts)[0, c.image % 2].numpy()
        out[i, 0] = bp.window(view, (c.corner[0] + (SIZE[0] - 1) / 2, c.corner[1] + (SIZE[1] - 1) / 2), SIZE)
    return out


def by_detector(
    data: Data, training: Sequence[Case], testing: Sequence[Case], plan: Plan, device: torch.device
) -> list[Case]:
    """Teach the detector; the tests with what it finds."""
    torch.manual_seed(plan.seed)
    network = BoxDetector()
    placed(network, device)
    targets = np.stack([encoded(c.true - np.tile(np.array(c.corner), 2), SIZE) for c in training])
    examples = {"images": torch.from_numpy(crops(data, training)), "labels": torch.from_numpy(targets)}
    fit(network, Supervised(_loss, 1e-4), examples, plan)
    out = []
    for case, said in zip(testing, _said(network, crops(data, testing)), strict=True):
        boxes, p = decoded(said.astype(np.float64), LEAST)
        kept = apart(boxes, p)
        out.append(_with(case, boxes[kept] + np.tile(np.array(case.corner), 2), p[kept]))
    return out


def _loss(network: torch.nn.Module, batch: Batch) -> torch.Tensor:
    return detector_loss(network(batch["images"].float()).float(), batch["labels"])


def _said(network: torch.nn.Module, shown: Float16[np.ndarray, "n 1 y x"]) -> Iterable[Float32[np.ndarray, "5 y x"]]:
    device = next(network.parameters()).device
    network.eval()
    for start in range(0, len(shown), 64):
        with torch.inference_mode():
            yield from network(torch.from_numpy(shown[start : start + 64]).to(device).float()).cpu().numpy()


def apart(boxes: Float[np.ndarray, "n 4"], p: Float[np.ndarray, " n"]) -> Int[np.ndarray, " m"]:
    """The boxes that do not overlap a more probable one too much, the most probable first."""
    kept, share = list[int](), fr.overlaps(boxes, boxes)
    for i in np.argsort(-p, kind="stable").tolist():
        if not kept or share[i, kept].max() <= SAME:
            kept.append(i)
    return np.array(kept, np.int64)


def by_forest(data: Data, split: bp.Division, testing: Sequence[Case]) -> list[Case]:
    """The floor: hot spots in the crop, each with the forest's probability of a metastasis."""
    d = data.spots
    p = spots.judged("random forest", d, older.places(split.training), split.seed)[:, 1]
    out = []
    for case in testing:
        mine = np.flatnonzero(d.image == case.image)
        mine = mine[within(d.box[mine], case.corner)]
        out.append(_with(case, d.box[mine].astype(float), p[mine]))
    return out


def _with(case: Case, found: fr.Boxes, scores: Float[np.ndarray, " found"]) -> Case:
    return Case(**{**vars(case), "found": found.round(1), "scores": scores.round(6)})


def figures(way: str, cases: Sequence[Case], resamples: int) -> dict[str, Figure]:
    """Mean precision, and the sensitivity at half and one false box a crop, by part; means of the splits."""
    out: dict[str, Figure] = {}
    for part in PARTS:
        out |= _of_part(f"{part}: {way}", [c for c in cases if c.part == part], resamples)
    return out


def _of_part(name: str, cases: Sequence[Case], resamples: int) -> dict[str, Figure]:
    folds = np.array([c.fold for c in cases])
    loose, tight = ([fr.respond(c.found, c.scores, c.true, s) for c in cases] for s in (TOUCHING, OVERLAPPING))

    def values(i: Int[np.ndarray, " m"]) -> Float[np.ndarray, " 3"]:
        rows = []
        for fold in dict.fromkeys(folds.tolist()):
            one, other = ([x[k] for k in i[folds[i] == fold].tolist()] for x in (tight, loose))
            rows.append([fr.average_precision(one), *(fr.sensitivity_at(other, f) for f in FALSE_A_CROP)])
        table = np.array(rows)
        known = np.isfinite(table).all(1)
        return np.asarray(table[known].mean(0)) if known.any() else np.full(3, np.nan)

    value = values(np.arange(len(cases))).tolist()
    ends = interval(resampled(values, [c.patient for c in cases], resamples)).tolist()
    beside: dict[str, Any] = {"lesions": sum(len(c.true) for c in cases), "splits": len(set(folds.tolist()))}
    n = len({c.patient for c in cases})
    whats = ("mean precision", *(f"sensitivity, {f:g} false a crop" for f in FALSE_A_CROP))
    return {
        f"{what}, {name}": figure(v, low, high, n=n, **beside)
        for what, v, (low, high) in zip(whats, value, ends, strict=True)
    }


def write_cases(cases: Sequence[Case], path: Path) -> None:
    """One line a box: "true" ones, "found" ones with their score, and one "none" for a case without either."""
    with whole_file(path) as work, work.open("w", newline="", encoding="utf-8") as f:
        table = csv.writer(f, lineterminator="\n")
        table.writerow(COLUMNS)
        for c in cases:
            name = (c.patient, c.view, c.fold, c.part)
            table.writerow([*name, "crop", *c.corner, c.corner[0] + SIZE[0], c.corner[1] + SIZE[1], ""])
            table.writerows([*name, "true", *(f"{x:g}" for x in box), ""] for box in c.true.tolist())
            rows = zip(c.found.tolist(), c.scores.tolist(), strict=True)
            table.writerows([*name, "found", *(f"{x:g}" for x in box), f"{p:.6f}"] for box, p in rows)


def read_cases(path: Path) -> list[Case]:
    """What ``write_cases`` wrote."""
    each: dict[tuple[str, ...], dict[str, list[list[float]]]] = {}
    with path.open(newline="", encoding="utf-8") as f:
        for row in csv.DictReader(f):
            boxes = each.setdefault(tuple(row[n] for n in COLUMNS[:4]), {"crop": [], "true": [], "found": []})
            boxes[row["box"]].append([float(row[n] or 0) for n in COLUMNS[5:]])
    out = []
    for (patient, view, fold, part), boxes in each.items():
        true, found = (np.array(boxes[k]).reshape(-1, 5) for k in ("true", "found"))
        corner = int(boxes["crop"][0][0]), int(boxes["crop"][0][1])
        out.append(Case(patient, view, fold, part, -1, corner, true[:, :4], found[:, :4], found[:, 4]))
    return out


def study(
    preset: older.Preset, work: Path, device: torch.device, out: Path, say: Callable[[str], None]
) -> dict[str, Figure]:
    """Floor and detector on every split; the boxes go beside ``out``."""
    data, found = gathered(preset, work), dict[str, Figure]()
    splits = [bp.division(data.scans, data.found, seed) for seed in preset.seeds]
    for way in WAYS:
        cases = list[Case]()
        for split in splits:
            training, testing = (cases_of(data, split, side) for side in (split.training, split.testing))
            plan = Mirrored(max(1, round(EPOCHS_SHARE * preset.epochs)), 16, 1e-3, "cosine", seed=split.seed)
            forest = way == FLOOR
            cases += by_forest(data, split, testing) if forest else by_detector(data, training, testing, plan, device)
        path = out.with_name(f"{out.name}.{older.file_name(way)}.boxes.csv")
        write_cases(cases, path)
        found |= figures(way, read_cases(path), preset.resamples)
        say(f"{way}: " + ", ".join(f"{n.split(':')[0]} {f['value']:.3f}" for n, f in found.items() if way in n))
    return found
