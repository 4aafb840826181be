"""A14: does the chest show a metastasis? A family of small networks on the chest cut out of a whole-body scan.

Lin et al. classified thoracic images clipped from whole-body scans in two classes with several networks before they
wrote dSPIC :cite:`lin2021thoracic`. Here each view is a case. *Yes*: a metastasis of the truth's mask lies in the
thoracic spine, sternum, ribs, clavicles or scapulae. Input: 96 × 96 pixels (44 cm) about the middle of these regions,
min–max normalised by its own extremes. Three networks of one size differ in the connections of their blocks alone; the
floor is the random forest of A10 with the hot spots of these regions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float16

from photopeak.classify.scans import Scans
from photopeak.classify.views import VIEWS
from photopeak.evaluate.predictions import Predictions, read_predictions, write_predictions
from photopeak.learning.devices import placed
from photopeak.learning.fit import fit
from photopeak.learning.regimes import Supervised
from photopeak.networks.family import BLOCKS, FamilyCnn
from photopeak.quantify.normalise import normalise
from photopeak.recipes import body_parts as bp
from photopeak.recipes import hot_spot_reading as spots
from photopeak.recipes import older
from photopeak.recipes.dspic import probabilities
from photopeak.recipes.dspic_data import Entered
from photopeak.recipes.leak import joined
from photopeak.recipes.outcome import Figure

PART: Final = "chest"
SIZE: Final = (96, 96)
FLOOR: Final = "random forest, hot spots of the chest"
WAYS: Final = {f"{kind} CNN, chest": kind for kind in BLOCKS}
EPOCHS_SHARE: Final = 0.7
"""Of the preset's epochs: these networks are many, and their input is small."""


@dataclass(frozen=True, eq=False)
class Data:
    """The scans, where the reader finds their regions, which images answer yes, and the hot spots."""

    scans: Scans
    found: bp.Regions
    yes: Bool[np.ndarray, " image"]
    spots: spots.Described


def gathered(preset: older.Preset, work: Path) -> Data:
    """Everything that does not depend on the split."""
    scans = older.cohort(preset, work)
    found = bp.found_regions(scans, work / f"regions-{preset.patients}.npz")
    d = spots.describe(scans, work / f"hot-spots-with-boxes-{preset.patients}.npz")
    return Data(scans, found, shows(scans, PART), d)


def shows(scans: Scans, part: str) -> Bool[np.ndarray, " image"]:
    """Whether each image shows a metastasis in a part of the body."""
    yes = np.zeros(2 * len(scans), bool)
    yes[[p.image for p in bp.pieces(scans) if p.region in bp.PARTS[part]]] = True
    return yes


def crops(scans: Scans, regions: bp.Regions, entered: Sequence[Entered]) -> Float16[np.ndarray, "m 1 y x"]:
    """The chest of each image, normalised."""
    out = np.empty((len(entered), 1, *SIZE), np.float16)
    for i, e in enumerate(entered):
        box = bp.box_of(regions[e.patient, e.view], scans.region_names, PART)
        cut = bp.window(scans.counts[e.patient, e.view], bp.middle_of(box), SIZE)
        out[i, 0] = normalise(cut, (0, 1))
    return out


def read_crops(way: str, data: Data, split: bp.Division, epochs: int, device: torch.device) -> Float[np.ndarray, " n"]:
    """Teach one network; the probability of yes for each test."""
    torch.manual_seed(split.seed)
    network = FamilyCnn(WAYS[way])
    placed(network, device)
    yes = data.yes[older.places(split.training)]
    shown = torch.from_numpy(crops(data.scans, split.regions, split.training))
    examples = {"images": shown, "labels": torch.from_numpy(yes.astype(np.int64))}
    plan = bp.Moved(max(1, round(EPOCHS_SHARE * epochs)), 16, 1e-3, "cosine", seed=split.seed)
    fit(network, Supervised(bp.weighed_loss(yes.tolist()), 1e-4), examples, plan)
    return probabilities(network, crops(data.scans, split.regions, split.testing))[:, 1]


def read_spots(data: Data, split: bp.Division, part: str) -> Float[np.ndarray, " n"]:
    """The floor: hot spots in a part of the body, and a regression that weighs the most probable ones."""
    sites = bp.sites_of(data.spots.image, data.spots.box, data.scans, split.regions)
    chosen = np.isin(np.array(sites), bp.PARTS[part])
    d, mine = data.spots, older.places(split.training)
    here = replace(d, spots=d.spots[chosen], image=d.image[chosen], box=d.box[chosen], kind=d.kind[chosen])
    x = spots.weighed("random forest", here, mine, split.seed)
    return bp.regressed(x[mine], data.yes[mine], x[older.places(split.testing)])


def told(
    way: str, data: Data, split: bp.Division, preset: older.Preset, work: Path, device: torch.device
) -> Predictions:
    """What one way says of the tests of one split; kept in ``work``, and not taught again where it is."""
    name = f"{older.file_name(way)}-{split.seed}-{preset.epochs}-{preset.patients}"
    kept = work / f"{name}.predictions.csv"
    if not kept.exists():
        p = read_spots(data, split, PART) if way == FLOOR else read_crops(way, data, split, preset.epochs, device)
        cases = [(data.scans.patients[e.patient], VIEWS[e.view]) for e in split.testing]
        yes = data.yes[older.places(split.testing)].tolist()
        write_predictions(bp.told_of(cases, f"clean-{split.seed}", yes, p), kept)
    return read_predictions(kept)


def study(
    preset: older.Preset, work: Path, device: torch.device, out: Path, say: Callable[[str], None]
) -> dict[str, Figure]:
    """The floor and every network of the family on every split."""
    data, found = gathered(preset, work), dict[str, Figure]()
    splits = [bp.division(data.scans, data.found, seed) for seed in preset.seeds]
    floor: Predictions | None = None
    for way in (FLOOR, *WAYS):
        these = joined([told(way, data, split, preset, work, device) for split in splits])
        write_predictions(these, out.with_name(f"{out.name}.{older.file_name(way)}.predictions.csv"))
        share = float(np.mean(these.truth[:, 1]))
        found |= older.figures(way, these, preset.resamples, share_yes=share)
        if floor is not None:
            minus = older.differences(f"{way} minus {FLOOR}", these, floor, preset.resamples)
            found |= {k: f for k, f in minus.items() if k.startswith(("accuracy:", "auc:"))}
        floor = floor or these
        say(f"{way}: area {older.values(these)['auc']:.3f}, yes {share:.3f}")
    return found
