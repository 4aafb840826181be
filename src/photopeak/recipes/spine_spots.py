"""A16: is a hot spot of the spine a metastasis? A network with five branches, one for each patch of the hot spot.

A master's thesis in Lund judged hot spots that had already been found, as metastasis of prostate cancer or another
process :cite:`dang2016`; the dSPIC paper tells of its network that five patches go to five branches
:cite:`lin2021dspic`, and not which patches, so the choice is ours. All are 16 × 16 pixels:

1. the hot spot's surroundings in its view (7.4 cm),
2. the same three times as wide (22 cm),
3. the mirrored place about the spine's own axis at that height, mirrored,
4. the same place in the other view,
5. the hot spot's extent.

Counts enter as the square root of their ratio to the view's typical bone (``networks.reader``). A case is a hot spot of
``classify.hot_spots`` in the cervical, thoracic or lumbar spine. *Yes*: a quarter of it or more lies in a metastasis of
the truth; arthritis counts as another process. The floor is the random forest of A10 on its eleven numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float16, Float32, Int

from photopeak.classify.hot_spots import look
from photopeak.classify.scans import Scans
from photopeak.classify.views import VIEWS
from photopeak.core.writing import whole_file
from photopeak.evaluate.predictions import Predictions, read_predictions, write_predictions
from photopeak.learning.devices import placed
from photopeak.learning.fit import fit
from photopeak.learning.regimes import Supervised
from photopeak.networks.patches import PatchBranches
from photopeak.networks.reader import standardised
from photopeak.recipes import body_parts as bp
from photopeak.recipes import hot_spot_reading as spots
from photopeak.recipes import older
from photopeak.recipes.dspic import probabilities
from photopeak.recipes.leak import joined
from photopeak.recipes.outcome import Figure

SIZE: Final = (16, 16)
WIDE: Final = 3
FLOOR, BRANCHES = "random forest, hot spots of the spine", "five-branch CNN, hot spots of the spine"
WAYS: Final = (FLOOR, BRANCHES)


@dataclass(frozen=True, eq=False)
class Data:
    """The scans, where the reader finds their regions, their hot spots and the patches of each."""

    scans: Scans
    found: bp.Regions
    spots: spots.Described
    patches: Float16[np.ndarray, "spot 5 16 16"]


@dataclass(frozen=True, eq=False)
class Chosen:
    """The hot spots of the spine on one split: which are taught, which tested, and the segment of each."""

    site: tuple[str, ...]
    training: Int[np.ndarray, " m"]
    testing: Int[np.ndarray, " n"]


def gathered(preset: older.Preset, work: Path) -> Data:
    """Everything that does not depend on the split."""
    scans = older.cohort(preset, work)
    found = bp.found_regions(scans, work / f"regions-{preset.patients}.npz")
    d = spots.describe(scans, work / f"hot-spots-with-boxes-{preset.patients}.npz")
    return Data(scans, found, d, patches_of(scans, found, d, work / f"patches-{preset.patients}.npz"))


def patches_of(scans: Scans, found: bp.Regions, d: spots.Described, kept: Path) -> Float16[np.ndarray, "spot 5 16 16"]:
    """The five patches of every hot spot, kept in a file."""
    if kept.exists():
        with np.load(kept, allow_pickle=False) as f:
            return np.asarray(f["patches"])
    out = np.zeros((len(d.image), 5, *SIZE), np.float16)
    for i, e in enumerate(older.every_image(scans)):
        mine = np.flatnonzero(d.image == i)
        both = standardised(torch.from_numpy(scans.counts[e.patient][None].astype(np.float32)))[0].numpy()
        seen = look(scans.counts[e.patient, e.view], e.view == 1)
        spine = np.isin(found[e.patient, e.view], bp.numbers_of(scans.region_names, "spine"))
        for k, spot in enumerate(mine.tolist(), 1):
            box = tuple(d.box[spot].tolist())
            middle = bp.middle_of((box[0], box[1], box[2], box[3]))
            out[spot] = _five(both, e.view, middle, axis_at(spine, middle), seen.number == k)
    with whole_file(kept) as work:
        np.savez(work, patches=out)
    return out


def axis_at(spine: Bool[np.ndarray, "row column"], middle: tuple[float, float]) -> float:
    """The column of the spine at the height of a hot spot, or the hot spot's own where no spine is found there.

    A spine lies up to two centimetres beside the middle of the body.
    """
    row = round(middle[0])
    columns = np.nonzero(spine[max(row - bp.NEAR_PX, 0) : row + bp.NEAR_PX + 1])[1]
    return float(np.median(columns)) if len(columns) else middle[1]


def _five(
    both: Float32[np.ndarray, "2 row column"],
    view: int,
    middle: tuple[float, float],
    axis: float,
    extent: Bool[np.ndarray, "row column"],
) -> Float32[np.ndarray, "5 16 16"]:
    """The patches about one hot spot, in the order of the module's list."""
    row, column = middle
    mine, other = both[view], both[1 - view][:, ::-1]
    wide = bp.window(mine, middle, (WIDE * SIZE[0], WIDE * SIZE[1]))
    return np.stack(
        (
            bp.window(mine, middle, SIZE),
            wide.reshape(SIZE[0], WIDE, SIZE[1], WIDE).mean((1, 3)),
            bp.window(mine, (row, 2 * axis - column), SIZE)[:, ::-1],
            bp.window(other, middle, SIZE),
            bp.window(extent, middle, SIZE).astype(np.float32),
        )
    )


def chosen(data: Data, split: bp.Division) -> Chosen:
    """The hot spots of the spine: by the truth's regions in training, by the found ones in the tests."""
    site = bp.sites_of(data.spots.image, data.spots.box, data.scans, split.regions)
    of_spine = np.isin(np.array(site), bp.SPINE)
    training, testing = (
        np.flatnonzero(of_spine & np.isin(data.spots.image, older.places(side)))
        for side in (split.training, split.testing)
    )
    return Chosen(site, training, testing)


def by_forest(data: Data, these: Chosen, seed: int) -> Float[np.ndarray, " n"]:
    """The floor: a random forest on the eleven numbers."""
    d = data.spots
    model = spots.taught_model(
        spots.classifier("random forest", seed), d.spots[these.training], (d.kind[these.training] == 1).astype(np.int64)
    )
    return spots.asked_model(model, d.spots[these.testing])[:, 1]


def by_branches(data: Data, these: Chosen, seed: int, epochs: int, device: torch.device) -> Float[np.ndarray, " n"]:
    """The five-branch network."""
    torch.manual_seed(seed)
    network = PatchBranches()
    placed(network, device)
    yes = data.spots.kind[these.training] == 1
    examples = {
        "images": torch.from_numpy(data.patches[these.training]),
        "labels": torch.from_numpy(yes.astype(np.int64)),
    }
    plan = bp.Moved(epochs, 64, 1e-3, "cosine", seed=seed, shift_px=0)
    fit(network, Supervised(bp.weighed_loss(yes.tolist()), 1e-3), examples, plan)
    return probabilities(network, data.patches[these.testing].astype(np.float32))[:, 1]


def told(way: str, data: Data, split: bp.Division, epochs: int, device: torch.device) -> Predictions:
    """What one way says of the hot spots in the tests of one split."""
    these = chosen(data, split)
    p = by_forest(data, these, split.seed) if way == FLOOR else by_branches(data, these, split.seed, epochs, device)
    image = data.spots.image[these.testing].tolist()
    cases = [
        (data.scans.patients[i // 2], f"{VIEWS[i % 2]}, {these.site[spot]}, hot spot {spot}")
        for i, spot in zip(image, these.testing.tolist(), strict=True)
    ]
    yes = (data.spots.kind[these.testing] == 1).tolist()
    return bp.told_of(cases, f"clean-{split.seed}", yes, p)


def of_segment(these: Predictions, segment: str) -> Predictions:
    """The hot spots of one segment of the spine."""
    rows = [i for i, view in enumerate(these.views) if f", {segment}, " in view]
    words = {n: tuple(getattr(these, n)[i] for i in rows) for n in ("patients", "views", "folds", "labels")}
    return Predictions(**words, classes=these.classes, scores=these.scores[rows])


def study(
    preset: older.Preset, work: Path, device: torch.device, out: Path, say: Callable[[str], None]
) -> dict[str, Figure]:
    """Floor and network on every split, and by segment."""
    data, found, tables = gathered(preset, work), dict[str, Figure](), list[Predictions]()
    splits = [bp.division(data.scans, data.found, seed) for seed in preset.seeds]
    for way in WAYS:
        these = joined([told(way, data, split, preset.epochs, device) for split in splits])
        path = out.with_name(f"{out.name}.{older.file_name(way)}.predictions.csv")
        write_predictions(these, path)
        tables.append(read_predictions(path))
        beside = {"share_yes": float(tables[-1].truth[:, 1].mean()), "hot_spots": len(these)}
        found |= older.figures(way, tables[-1], preset.resamples, **beside)
        for segment in bp.SPINE:
            part = of_segment(tables[-1], segment)
            if len(part):
                figures = older.figures(f"{way}, {segment}", part, preset.resamples, hot_spots=len(part))
                found |= {k: f for k, f in figures.items() if k.startswith(("auc_M", "sensitivity"))}
        say(f"{way}: area {older.values(these)['auc']:.3f}, {len(these)} hot spots")
    minus = older.differences(f"{BRANCHES} minus {FLOOR}", tables[1], tables[0], preset.resamples)
    return found | {k: f for k, f in minus.items() if k.startswith(("accuracy:", "auc:"))}
