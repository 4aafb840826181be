"""A12: has the patient a metastasis? Both views together in a network of three stages.

Pi et al. and Zhao et al. taught a network of feature extraction, aggregation and classification with both views of
whole-body scans :cite:`pi2020,zhao2020`. Here a patient is a case. *Yes*: label M or M&A. Input: each view of 512 × 128
pixels, min–max normalised, the posterior one mirrored onto the anterior one. Beside it stands the same network given
one view at a time, the patient's probability being the mean of both views': what is between the two is the
aggregation's. The floor is the random forest of A10 with the hot spots of both views.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float16, Int

from photopeak.classify.scans import Scans
from photopeak.evaluate.predictions import Predictions, read_predictions, write_predictions
from photopeak.learning.devices import placed
from photopeak.learning.fit import fit
from photopeak.learning.regimes import Supervised
from photopeak.networks.two_views import TwoViews
from photopeak.quantify.normalise import normalise
from photopeak.recipes import body_parts as bp
from photopeak.recipes import hot_spot_reading as spots
from photopeak.recipes import older
from photopeak.recipes.dspic import probabilities
from photopeak.recipes.leak import joined
from photopeak.recipes.outcome import Figure

FLOOR: Final = "random forest, hot spots of both views"
BOTH, EACH = "two-view network", "the same network, one view at a time"
WAYS: Final = {FLOOR: "floor", BOTH: "both", EACH: "each"}
Patients = Int[np.ndarray, " _"]


@dataclass(frozen=True, eq=False)
class Data:
    """The scans, which patients answer yes, and their hot spots."""

    scans: Scans
    yes: Bool[np.ndarray, " patient"]
    spots: spots.Described


def overlaid(scans: Scans, patients: Patients) -> Float16[np.ndarray, "m 2 row column"]:
    """Both views of these patients, normalised, the posterior one mirrored."""
    out = np.empty((len(patients), *scans.counts.shape[1:]), np.float16)
    for i, p in enumerate(patients.tolist()):
        both = normalise(scans.counts[p], (1, 2))
        out[i] = both[0], both[1, :, ::-1]
    return out


def by_network(
    way: str, data: Data, split: Sequence[Patients], plan: bp.Moved, device: torch.device
) -> Float[np.ndarray, " n"]:
    """Teach the network with both views or with each by itself; the probability of yes for each test."""
    training, testing = split
    torch.manual_seed(plan.seed)
    network = TwoViews(2 if way == BOTH else 1)
    placed(network, device)
    shown, asked = overlaid(data.scans, training), overlaid(data.scans, testing)
    yes = data.yes[training]
    if way == EACH:  # two cases of one view for each of two
        shown, asked = (x.reshape(-1, 1, *x.shape[2:]) for x in (shown, asked))
        yes = np.repeat(yes, 2)
    examples = {"images": torch.from_numpy(shown), "labels": torch.from_numpy(yes.astype(np.int64))}
    fit(network, Supervised(bp.weighed_loss(yes.tolist()), 1e-4), examples, plan)
    p = probabilities(network, asked)[:, 1]
    return p if way == BOTH else p.reshape(-1, 2).mean(1)


def by_forest(data: Data, split: Sequence[Patients], seed: int) -> Float[np.ndarray, " n"]:
    """The floor: the most probable hot spots of both views, weighed by one regression."""
    training, testing = split
    images = np.concatenate((2 * training, 2 * training + 1))
    x = spots.weighed("random forest", data.spots, images, seed)
    both = x.reshape(len(data.scans), -1)
    return bp.regressed(both[training], data.yes[training], both[testing])


def told(way: str, data: Data, seed: int, preset: older.Preset, work: Path, device: torch.device) -> Predictions:
    """What one way says of the tests of one split; kept in ``work``, and not taught again where it is."""
    kept = work / f"two-views-{WAYS[way]}-{seed}-{preset.epochs}-{preset.patients}.predictions.csv"
    if not kept.exists():
        split = [np.array(sorted({e.patient for e in side}), np.int64) for side in older.divided(data.scans, seed)]
        plan = bp.Moved(preset.epochs, 16, 1e-3, "cosine", seed=seed)
        p = by_forest(data, split, seed) if way == FLOOR else by_network(way, data, split, plan, device)
        cases = [(data.scans.patients[i], "both") for i in split[1].tolist()]
        write_predictions(bp.told_of(cases, f"clean-{seed}", data.yes[split[1]].tolist(), p), kept)
    return read_predictions(kept)


def study(
    preset: older.Preset, work: Path, device: torch.device, out: Path, say: Callable[[str], None]
) -> dict[str, Figure]:
    """Every way on every split; both views against one at a time, and against the floor."""
    scans = older.cohort(preset, work)
    d = spots.describe(scans, work / f"hot-spots-with-boxes-{preset.patients}.npz")
    data, found, tables = Data(scans, scans.labels[:, 0] == 1, d), dict[str, Figure](), dict[str, Predictions]()
    for way in WAYS:
        tables[way] = joined([told(way, data, seed, preset, work, device) for seed in preset.seeds])
        write_predictions(tables[way], out.with_name(f"{out.name}.{older.file_name(way)}.predictions.csv"))
        found |= older.figures(way, tables[way], preset.resamples, share_yes=float(tables[way].truth[:, 1].mean()))
        say(f"{way}: area {older.values(tables[way])['auc']:.3f}")
    for other in (EACH, FLOOR):
        minus = older.differences(f"{BOTH} minus {other}", tables[BOTH], tables[other], preset.resamples)
        found |= {k: f for k, f in minus.items() if k.startswith(("accuracy:", "auc:"))}
    return found
