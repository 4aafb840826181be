"""A10: hot spots or a grid, a handful of numbers, and a classifier that weighs them.

*Grid*: the numbers of each cell of a grid over the body go to one classifier, which names the image's class; so did
CADBOSS with an artificial neural network :cite:`aslantas2016cadboss`. *Hot spots*: a first classifier says of each hot
spot whether it is nothing, a metastasis or an arthritic joint (what covers a quarter of it in the truth); a logistic
regression then weighs an image's highest and second highest probability and their sum, of either disease. The
regression is taught with probabilities that the first classifier gave to patients it had not seen.

Four classifiers: an artificial neural network of one hidden layer, k nearest neighbours, a support vector machine with
radial kernels (softmax of twice the margins), and a random forest :cite:`breiman2001`. None was tuned.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from photopeak.classify.hot_spots import Seen, look, of_grid, of_hot_spots
from photopeak.classify.lesions import EIGHT
from photopeak.classify.scans import LESIONS, Scans
from photopeak.classify.views import VIEWS
from photopeak.core.writing import whole_file
from photopeak.evaluate.bootstrap import interval, resampled
from photopeak.evaluate.predictions import Predictions, read_predictions, write_predictions
from photopeak.recipes import older
from photopeak.recipes.dspic import Outcome as Tested
from photopeak.recipes.dspic_data import Entered, numbers
from photopeak.recipes.dspic_study import predictions
from photopeak.recipes.leak import joined
from photopeak.recipes.outcome import Figure, figure

KINDS: Final = ("hot spots", "grid")
CLASSIFIERS: Final = ("ANN", "kNN", "SVM", "random forest")
WAYS: Final = tuple(f"{c}, {k}" for k in KINDS for c in CLASSIFIERS)
COVERED: Final = 0.25
OTHERS: Final = 4
"""Hot spots without a lesion that are taught for each one with: most are bladder, joints and ribs of every patient."""
COLUMNS: Final = ("patient", "view", "spots", *(f"{k}{e}" for k in LESIONS for e in ("", "_hit")))


@dataclass(frozen=True, eq=False)
class Described:
    """Every image of a cohort in numbers; images in the order of ``older.every_image``."""

    grid: Float[np.ndarray, "image cell_features"]
    spots: Float[np.ndarray, "spot feature"]
    image: Int[np.ndarray, " spot"]
    """Which image each hot spot is of."""
    box: Int[np.ndarray, "spot 4"]
    """First row and column of each hot spot, and those after its last."""
    kind: Int[np.ndarray, " spot"]
    """0 nothing, 1 metastasis, 2 arthritis."""
    found: Int[np.ndarray, "image 2 2"]
    """For metastasis and arthritis: true pieces, and how many of them a hot spot touches."""


def describe(scans: Scans, kept: Path | None = None) -> Described:
    """Hot spots and grids of every view, kept in a file where one is named."""
    if kept is not None and kept.exists():
        return load_described(kept)
    grid, spots, image, box, kind, found = [], [], [], [], [], []
    for e in older.every_image(scans):
        seen = look(scans.counts[e.patient, e.view], e.view == 1)
        truth = scans.lesions[e.patient, e.view]
        grid.append(of_grid(seen))
        spots.append(of_hot_spots(seen))
        image += [len(grid) - 1] * len(spots[-1])
        box += seen.boxes
        kind.append(_kinds(seen, truth))
        found.append(_found(seen, truth))
    numbers_of = (np.array(image, np.int64), np.array(box, np.int64).reshape(-1, 4), np.concatenate(kind))
    whole = Described(np.array(grid), np.concatenate(spots), *numbers_of, np.array(found))
    if kept is not None:
        with whole_file(kept) as work:
            np.savez(work, **vars(whole))
    return whole


def load_described(path: Path) -> Described:
    """What ``describe`` kept."""
    with np.load(path, allow_pickle=False) as f:
        return Described(**dict(f))


def together(parts: Sequence[Described]) -> Described:
    """Several cohorts as one, one behind the other."""
    starts = np.cumsum([0, *(len(d.grid) for d in parts)])
    image = np.concatenate([d.image + start for d, start in zip(parts, starts, strict=False)])
    rest = {n: np.concatenate([getattr(d, n) for d in parts]) for n in ("grid", "spots", "box", "kind", "found")}
    return Described(image=image, **rest)


def _kinds(seen: Seen, truth: UInt8[np.ndarray, "row column"]) -> Int[np.ndarray, " spot"]:
    """What each hot spot is: the disease that covers most of it, if that is a quarter."""
    n = int(seen.number.max(initial=0))
    size = np.bincount(seen.number.ravel(), minlength=n + 1)[1:]
    each = [np.bincount(seen.number[truth == k], minlength=n + 1)[1:] for k in range(1, len(LESIONS) + 1)]
    shares = np.array(each) / np.maximum(size, 1)
    return np.where(shares.max(0) >= COVERED, shares.argmax(0) + 1, 0)


def _found(seen: Seen, truth: UInt8[np.ndarray, "row column"]) -> list[list[int]]:
    from scipy import ndimage

    out = []
    for k in range(1, len(LESIONS) + 1):
        piece, n = ndimage.label(truth == k, EIGHT)
        out.append([int(n), len(np.setdiff1d(piece[seen.number > 0], [0]))])
    return out


def classifier(name: str, seed: int) -> Any:
    """One of ``CLASSIFIERS`` behind standardised numbers."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    made: dict[str, Callable[[], Any]] = {
        "ANN": lambda: MLPClassifier((16,), alpha=1.0, max_iter=200, random_state=seed),
        "kNN": lambda: KNeighborsClassifier(15, weights="distance"),
        "SVM": lambda: OneVsRestClassifier(SVC(class_weight="balanced")),
        "random forest": lambda: RandomForestClassifier(100, class_weight="balanced", random_state=seed),
    }
    return make_pipeline(StandardScaler(), made[name]())


def taught_model(model: Any, x: Float[np.ndarray, "n f"], y: Int[np.ndarray, " n"]) -> Any:
    """The classifier, taught; that an artificial neural network could go on is no fault."""
    from sklearn.exceptions import ConvergenceWarning

    if model[-1].__class__.__name__ == "KNeighborsClassifier":
        model[-1].n_neighbors = min(model[-1].n_neighbors, len(y))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 200 passes are the plan, not a failure
        return model.fit(x, y)


def asked_model(model: Any, x: Float[np.ndarray, "n f"]) -> Float[np.ndarray, "n 3"]:
    """Probabilities of three classes, 0 for one that was not taught."""
    from scipy.special import softmax

    out = np.zeros((len(x), 3))
    if len(x):
        if model[-1].__class__.__name__ == "OneVsRestClassifier":
            margins = np.asarray(model.decision_function(x))
            both = margins if margins.ndim == 2 else np.stack((-margins, margins), 1)  # two classes: one margin
            out[:, model.classes_] = softmax(2 * both, axis=1)
        else:
            out[:, model.classes_] = model.predict_proba(x)
    return out


def read(way: str, d: Described, training: Sequence[Entered], testing: Sequence[Entered], seed: int) -> Tested:
    """Teach one way with the training images and ask it about the tests."""
    name, kind = way.split(", ")
    train, test = older.places(training), older.places(testing)
    x = d.grid if kind == "grid" else weighed(name, d, train, seed)
    model = classifier(name, seed) if kind == "grid" else regression()
    scores = asked_model(taught_model(model, x[train], numbers(training)), x[test])
    return Tested(list(testing), scores / scores.sum(1, keepdims=True))


def regression() -> Any:
    """A logistic regression behind standardised numbers."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


def weighed(name: str, d: Described, train: Int[np.ndarray, " n"], seed: int) -> Float[np.ndarray, "image f"]:
    """Each image in seven numbers: of either disease the two highest probabilities and the sum; and the view."""
    p = judged(name, d, train, seed)
    return np.array([_summed(p[d.image == i], i % 2) for i in range(len(d.grid))])


def judged(name: str, d: Described, train: Int[np.ndarray, " n"], seed: int) -> Float[np.ndarray, "spot 3"]:
    """What a classifier makes of each hot spot: the probabilities of nothing, a metastasis and arthritis.

    Images of the training patients are judged by a classifier that was taught with other training patients.
    """
    mine = np.unique(train)
    group = mine // 2  # the patient
    rng = np.random.default_rng([seed, 3])
    parts = rng.permutation(len(np.unique(group))) % 5
    part_of = dict(zip(np.unique(group).tolist(), parts.tolist(), strict=True))
    fold = np.array([part_of[g] for g in group.tolist()])
    p = np.zeros((len(d.spots), 3))
    for f in range(-1, 5):  # −1: everybody who is not taught, by a classifier taught with all
        taught = mine[fold != f]
        asked = ~np.isin(d.image, mine) if f < 0 else np.isin(d.image, mine[fold == f])
        if not asked.any():  # fewer patients than parts
            continue
        rows = _balanced(d, np.isin(d.image, taught), rng)
        p[asked] = asked_model(taught_model(classifier(name, seed), d.spots[rows], d.kind[rows]), d.spots[asked])
    return p


def _balanced(d: Described, these: Bool[np.ndarray, " spot"], rng: np.random.Generator) -> Int[np.ndarray, " m"]:
    """All hot spots with a lesion, and at most ``OTHERS`` times as many without."""
    lesions, others = np.flatnonzero(these & (d.kind > 0)), np.flatnonzero(these & (d.kind == 0))
    return np.concatenate((lesions, rng.permutation(others)[: OTHERS * max(1, len(lesions))]))


def _summed(p: Float[np.ndarray, "spot 3"], posterior: int) -> list[float]:
    out = list[float]()
    for k in (1, 2):
        high = np.sort(np.append(p[:, k], (0.0, 0.0)))[::-1]
        out += [float(high[0]), float(high[1]), float(high.sum())]
    return [*out, float(posterior)]


def study(preset: older.Preset, work: Path, out: Path, say: Callable[[str], None]) -> dict[str, Figure]:
    """Every way on every split; predictions, and what the segmentation found, go beside ``out``."""
    scans = older.cohort(preset, work)
    d = describe(scans, work / f"hot-spots-with-boxes-{preset.patients}.npz")
    write_found(scans, d, out.with_name(f"{out.name}.images.csv"))
    found = _segmentation(d, scans, preset.resamples)
    for way in WAYS:
        path = out.with_name(f"{out.name}.{older.file_name(way)}.predictions.csv")
        write_predictions(over_splits(way, d, scans, preset.seeds), path)
        these = read_predictions(path)  # rounding decides between votes that are all but tied
        found |= older.figures(way, these, preset.resamples)
        say(f"{way}: accuracy {found[f'accuracy: {way}']['value']:.3f}")
    return found


def over_splits(way: str, d: Described, scans: Scans, seeds: Sequence[int]) -> Predictions:
    """What one way says of the tests of each split, in one table."""
    tested = [predictions(read(way, d, *older.divided(scans, s), s), scans, f"clean-{s}") for s in seeds]
    return joined(tested)


def write_found(scans: Scans, d: Described, path: Path) -> None:
    """One line an image: how many hot spots, and how many lesions there are and are touched by one."""
    spots = np.bincount(d.image, minlength=len(d.grid)).tolist()
    with whole_file(path) as work, work.open("w", newline="", encoding="utf-8") as f:
        table = csv.writer(f, lineterminator="\n")
        table.writerow(COLUMNS)
        for i, e in enumerate(older.every_image(scans)):
            table.writerow([scans.patients[e.patient], VIEWS[e.view], spots[i], *d.found[i].ravel().tolist()])


def _segmentation(d: Described, scans: Scans, resamples: int) -> dict[str, Figure]:
    """Before any classifier: hot spots an image, and the share of true pieces that one touches."""
    patients = [scans.patients[e.patient] for e in older.every_image(scans)]
    spots = np.bincount(d.image, minlength=len(d.grid))

    def shares(i: Int[np.ndarray, " m"]) -> Float[np.ndarray, " 3"]:
        true, hit = d.found[i].sum(0).T
        return np.array([spots[i].mean(), *np.divide(hit, true, out=np.full(2, np.nan), where=true > 0)])

    value, ends = shares(np.arange(len(d.grid))), interval(resampled(shares, patients, resamples))
    names = ("hot spots an image", *(f"true pieces touched, {k}" for k in LESIONS))
    counts = (len(d.grid), *d.found[:, :, 0].sum(0).tolist())
    units = ("1", "1", "1")
    return {
        name: figure(float(v), float(low), float(high), unit, n=int(n))
        for name, v, (low, high), unit, n in zip(names, value, ends, units, counts, strict=True)
    }
