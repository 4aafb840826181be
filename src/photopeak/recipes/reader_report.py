"""R1's figures, from what the stages left in the work folder: the table of the ways, and the reader's own figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float

from photopeak.classify.scans import Scans
from photopeak.evaluate import calibration as cal
from photopeak.evaluate import conformal, metrics
from photopeak.evaluate.bootstrap import basic_interval, interval, resampled
from photopeak.evaluate.predictions import Predictions, write_predictions
from photopeak.recipes import reader_measure as rm
from photopeak.recipes.outcome import Figure, figure

CLASSES: Final = ("N", "M", "A")
RESAMPLES: Final = 2000


def predictions(scans: Scans, scores: Float[np.ndarray, "n 3"]) -> Predictions:
    """One line a patient."""
    n = len(scans)
    return Predictions(scans.patients, ("both",) * n, ("fresh",) * n, scans.classes, CLASSES, scores)


def comparison(scans: Scans, work: Path, ways: Sequence[str], seeds: Sequence[int], out: Path) -> dict[str, Figure]:
    """Macro area of every way (mean over seeds), and what the first way gains on each other; writes predictions."""
    truth = np.array([[c in label.split("&") for c in CLASSES] for label in scans.classes])
    scores: dict[str, list[Float[np.ndarray, "n 3"]]] = {}
    for way in ways:
        for seed in seeds:
            path = work / f"{way}-{seed}.npz"
            if path.exists():  # a way may have been taught with fewer seeds: each figure says with how many
                scores.setdefault(way, []).append(np.load(path)["scores"])
                these = predictions(scans, scores[way][-1])
                write_predictions(these, out.with_name(f"{out.name}.{way}-{seed}.predictions.csv"))
    ways = list(scores)

    def areas(chosen: Any) -> Float[np.ndarray, " w"]:
        return np.array([np.mean([_macro(truth, one, chosen) for one in scores[w]]) for w in ways])

    everybody = np.arange(len(scans))
    value, drawn = areas(everybody), resampled(areas, scans.patients, RESAMPLES)
    figures = {}
    for i, way in enumerate(ways):
        low, high = interval(drawn[:, [i]])[0]
        figures[f"macro_auc {way}"] = figure(value[i], low, high, n=len(scans), seeds=len(scores[way]))
        for k, c in enumerate(CLASSES):
            one = [metrics.auc(truth[:, k], s[:, k]) for s in scores[way]]
            figures[f"auc_{c} {way}"] = figure(float(np.mean(one)), min(one), max(one), n=len(scans), spread="seeds")
        if i:
            low, high = interval(drawn[:, [0]] - drawn[:, [i]], 0.99)[0]
            figures[f"gain over {way}"] = figure(value[0] - value[i], low, high, n=len(scans), level=0.99)
    return figures


def _macro(truth: Bool[np.ndarray, "n 3"], scores: Float[np.ndarray, "n 3"], chosen: Any) -> float:
    return metrics.macro_auc(truth[chosen], scores[chosen])


def reader_figures(m: rm.Measured, calibration: dict[str, Any], scans: Scans) -> dict[str, Figure]:
    """What the shipped reader does on fresh patients."""
    labels, p = scans.labels == 1, rm.probabilities(m, calibration)
    out = _doubt(labels, p, calibration, scans)
    out |= _lesions(m, calibration, scans) | _regions(m, scans) | _index(m, calibration, scans)
    out |= _both(labels, p, scans) | _identity(m, scans)
    return out


def _boot(statistic: Any, scans: Scans, basic: bool = False, **beside: Any) -> Figure:
    value = np.array([statistic(np.arange(len(scans)))], dtype=float)
    drawn = resampled(statistic, scans.patients, RESAMPLES)
    # A calibration error only grows when cases are drawn again, so its interval is the basic one.
    low, high = (basic_interval(value, drawn) if basic else interval(drawn))[0]
    return figure(float(value[0]), max(float(low), 0.0) if basic else float(low), float(high), n=len(scans), **beside)


def _doubt(
    labels: Bool[np.ndarray, "n 2"], p: Float[np.ndarray, "n 2"], calibration: dict[str, Any], scans: Scans
) -> dict[str, Figure]:
    out: dict[str, Figure] = {}
    for q, name in enumerate(("metastasis", "arthritis")):
        yes, one = labels[:, q], p[:, q]
        at = conformal.Thresholds(calibration["yes"][q], calibration["no"][q])
        sets = conformal.sets(one, at)
        covered = np.where(yes, sets[:, 1], sets[:, 0])
        single = sets.sum(1) == 1
        out[f"ece {name}"] = _boot(
            lambda i, y=yes, x=one: cal.expected_calibration_error(y[i], x[i]), scans, True, ask=0.03
        )
        out[f"coverage {name}"] = _boot(
            lambda i, c=covered: float(c[i].mean()), scans, promise=1 - calibration["alpha"]
        )
        out[f"single answers {name}"] = _boot(lambda i, s=single: float(s[i].mean()), scans)
        right = (one >= 0.5) == yes
        sure = np.abs(one - 0.5)
        out[f"risk {name}"] = _boot(lambda i, r=right: float(1 - r[i].mean()), scans)
        kept = np.argsort(-sure)[: int(0.8 * len(sure))]
        out[f"risk of the surest 80 % {name}"] = figure(
            float(1 - right[kept].mean()), *_wilson(int((~right[kept]).sum()), len(kept)), n=len(kept)
        )
    return out


def _wilson(k: int, n: int) -> tuple[float, float]:
    """The 95 % score interval of a share."""
    z, p = 1.96, k / n
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return float((middle - half) / (1 + z * z / n)), float((middle + half) / (1 + z * z / n))


def _lesions(m: rm.Measured, calibration: dict[str, Any], scans: Scans) -> dict[str, Figure]:
    images = 2 * len(scans)
    at = rm.threshold_at(m, rm.FALSE_AN_IMAGE, images)
    out = {}
    who = np.array([k for k, *_ in m.best])
    for name, threshold in (("1 false an image", at), ("listed", calibration["lesion"])):
        for kind, word in ((None, "all"), (0, "metastasis"), (1, "arthritis")):
            mine = np.array([kind is None or one == kind for _, one, _ in m.best])
            hit = np.array([p >= threshold for *_, p in m.best])

            def share(i: Any, mine: Any = mine, hit: Any = hit) -> float:
                weight = np.bincount(i, minlength=len(scans))[who] * mine
                return float((weight * hit).sum() / max(weight.sum(), 1))

            out[f"lesion sensitivity, {name}: {word}"] = _boot(share, scans, lesions=int(mine.sum()))
    rate = rm.false_an_image(m, calibration["lesion"], images)
    out["false lesions an image, listed"] = figure(rate, *_poisson(rate, images), n=images)
    return out


def _poisson(rate: float, n: int) -> tuple[float, float]:
    half = 1.96 * float(np.sqrt(max(rate, 1e-9) / n))
    return rate - half, rate + half


def _regions(m: rm.Measured, scans: Scans) -> dict[str, Figure]:
    table = rm.dice(m, scans.region_names)
    values = list(table.values())
    out = {"region dice": figure(float(np.mean(values)), min(values), max(values), n=len(scans), spread="regions")}
    return out | {f"region dice: {k}": figure(v, v, v, n=len(scans)) for k, v in table.items()}


def _index(m: rm.Measured, calibration: dict[str, Any], scans: Scans) -> dict[str, Figure]:
    found, true = rm.indices(m, calibration), scans.bsi.astype(float)

    def correlation(i: Any) -> float:
        return float(np.corrcoef(found[i], true[i])[0, 1])

    def bias(i: Any) -> float:
        return float((found[i] - true[i]).mean())

    return {
        "bone scan index, r": _boot(correlation, scans, ask=0.95),
        "bone scan index, bias": _boot(bias, scans, unit="%", mean=float(true.mean())),
    }


def _both(labels: Bool[np.ndarray, "n 2"], p: Float[np.ndarray, "n 2"], scans: Scans) -> dict[str, Figure]:
    both: Bool[np.ndarray, " n"] = labels[:, 0] & labels[:, 1]
    score: Float[np.ndarray, " n"] = p[:, 0] * p[:, 1]
    return {
        "M&A sensitivity at specificity .9": _boot(
            lambda i: metrics.sensitivity_at(both[i], score[i], 0.9), scans, ask=0.8, cases=int(both.sum())
        ),
        "M&A auc": _boot(lambda i: metrics.auc(both[i], score[i]), scans),
    }


def _identity(m: rm.Measured, scans: Scans) -> dict[str, Figure]:
    man = np.array([s == "M" for s in scans.sexes], dtype=bool)
    right = np.asarray(np.greater(m.man, 0.5) == man)
    error = np.abs(np.array(m.age) - scans.age)
    wrong = np.asarray(np.array(m.wrong).max(1) > 0.5)
    return {
        "sex told": _boot(lambda i: float(right[i].mean()), scans, published=0.99),
        "age, mean error": _boot(lambda i: float(error[i].mean()), scans, unit="a"),
        "sound scans refused": _boot(lambda i: float(wrong[i].mean()), scans),
    }
