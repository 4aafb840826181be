"""R1's figures, from what the stages left in the work folder: the table of the ways, and the reader's own figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit
from torch import nn

from photopeak.classify.reader import QUESTIONS, possible
from photopeak.classify.scans import Scans
from photopeak.classify.views import VIEWS
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

    def areas(chosen: Any) -> Float[np.ndarray, " f"]:
        """Of each way the mean over its seeds: the macro area, then each class's."""
        each = [np.mean([metrics.aucs(truth[chosen], one[chosen]) for one in scores[w]], axis=0) for w in ways]
        return np.concatenate([[x.mean(), *x] for x in each])

    value, drawn = areas(np.arange(len(scans))), resampled(areas, scans.patients, RESAMPLES)
    ends, figures = interval(drawn), {}
    for i, way in enumerate(ways):
        for j, name in enumerate(("macro_auc", *(f"auc_{c}" for c in CLASSES))):
            at = (1 + len(CLASSES)) * i + j
            figures[f"{name} {way}"] = figure(
                float(value[at]), float(ends[at][0]), float(ends[at][1]), n=len(scans), seeds=len(scores[way])
            )
        if i:
            at = (1 + len(CLASSES)) * i
            low, high = interval(drawn[:, [0]] - drawn[:, [at]], 0.99)[0].tolist()
            figures[f"gain over {way}"] = figure(float(value[0] - value[at]), low, high, n=len(scans), level=0.99)
    return figures


def reader_figures(network: nn.Module, m: rm.Measured, calibration: dict[str, Any], scans: Scans) -> dict[str, Figure]:
    """What the shipped reader does on fresh patients."""
    labels = scans.labels == 1
    out = _doubt("", np.array(m.logits), calibration["doubt"]["both"], labels, calibration, scans)
    for v, view in enumerate(VIEWS):
        alone = rm.one_view(network, scans, v)
        out |= _doubt(f", {view} alone", alone, calibration["doubt"][view], labels, calibration, scans)
    p = _probabilities(np.array(m.logits), calibration["doubt"]["both"])
    out |= _lesions(m, calibration, scans) | _regions(m, scans) | _index(m, calibration, scans)
    return out | _both(labels, p, scans) | _identity(m, scans)


def _boot(statistic: Any, scans: Scans, basic: bool = False, **beside: Any) -> Figure:
    value = np.array([statistic(np.arange(len(scans)))], dtype=float)
    drawn = resampled(statistic, scans.patients, RESAMPLES)
    # A calibration error only grows when cases are drawn again, so its interval is the basic one.
    low, high = (basic_interval(value, drawn) if basic else interval(drawn))[0]
    return figure(float(value[0]), max(float(low), 0.0) if basic else float(low), float(high), n=len(scans), **beside)


def _mean(values: Any, scans: Scans, **beside: Any) -> Figure:
    """The mean of one value a patient."""
    each = np.asarray(values, float)
    return _boot(lambda i: float(each[i].mean()), scans, **beside)


def _probabilities(logits: Float[np.ndarray, "n 2"], doubt: dict[str, Any]) -> Float[np.ndarray, "n 2"]:
    return np.asarray(expit(logits / np.array(doubt["temperature"])))


def _doubt(
    seen: str,
    logits: Float[np.ndarray, "n 2"],
    doubt: dict[str, Any],
    labels: Bool[np.ndarray, "n 2"],
    calibration: dict[str, Any],
    scans: Scans,
) -> dict[str, Figure]:
    """Calibration, sets and risk of each question, with the views that were seen in the figures' names."""
    out: dict[str, Figure] = {}
    for q, name in enumerate(QUESTIONS):
        yes, p = labels[:, q], _probabilities(logits, doubt)[:, q]
        bare = conformal.sets(p, conformal.Thresholds(doubt["yes"][q], doubt["no"][q]))
        given = [possible(float(x), doubt["yes"][q], doubt["no"][q]) for x in p]
        right = ["yes" in a if y else "no" in a for a, y in zip(given, yes, strict=True)]
        errors = (p >= 0.5) != yes
        what, promise = f"{name}{seen}", 1 - calibration["alpha"]
        out[f"auc {what}"] = _boot(lambda i, y=yes, x=p: metrics.auc(y[i], x[i]), scans)
        out[f"ece {what}"] = _boot(
            lambda i, y=yes, x=p: cal.expected_calibration_error(y[i], x[i]), scans, True, ask=0.03
        )
        out[f"conformal coverage {what}"] = _mean(np.where(yes, bare[:, 1], bare[:, 0]), scans, promise=promise)
        out[f"answers hold the truth {what}"] = _mean(right, scans, promise=promise)
        out[f"sure {what}"] = _mean([len(a) == 1 for a in given], scans)
        out[f"errors {what}"] = _mean(errors, scans)
        out[f"errors where sure {what}"] = _ratio(errors, np.array([len(a) == 1 for a in given]), scans)
    return out


def _ratio(part: Bool[np.ndarray, " n"], of: Bool[np.ndarray, " n"], scans: Scans) -> Figure:
    """The share of ``part`` among ``of``, both drawn anew with the patients."""
    return _boot(lambda i: float((part & of)[i].sum() / max(of[i].sum(), 1)), scans, cases=int(of.sum()))


def _lesions(m: rm.Measured, calibration: dict[str, Any], scans: Scans) -> dict[str, Figure]:
    at = rm.threshold_at(m, rm.FALSE_AN_IMAGE, 2 * len(scans))
    out = {}
    who, kinds, best = (np.array(x) for x in zip(*m.best, strict=True))
    for name, threshold in (("1 false an image", at), ("listed", calibration["lesion"])):
        for kind, word in ((None, "all"), *enumerate(QUESTIONS)):
            mine = np.ones(len(who), bool) if kind is None else kinds == kind

            def share(i: Any, mine: Any = mine, hit: Any = best >= threshold) -> float:
                weight = np.bincount(i, minlength=len(scans))[who] * mine
                return float((weight * hit).sum() / max(weight.sum(), 1))

            out[f"lesion sensitivity, {name}: {word}"] = _boot(share, scans, lesions=int(mine.sum()))
        false = rm.false_lesions(m, threshold, len(scans)) / 2
        out[f"false lesions an image, {name}"] = _mean(false, scans)
    return out


def _regions(m: rm.Measured, scans: Scans) -> dict[str, Figure]:
    bones = rm.bony(scans.region_names)
    overlap = np.array(m.overlap)[:, bones]

    def each(i: Any) -> Float[np.ndarray, " r"]:
        regions = rm.dice(overlap[i])
        return np.array([regions.mean(), *regions])

    value, ends = each(np.arange(len(scans))), interval(resampled(each, scans.patients, 500))
    names = ["region dice", *(f"region dice: {scans.region_names[b]}" for b in bones)]
    return {
        name: figure(float(v), float(pair[0]), float(pair[1]), n=len(scans))
        for name, v, pair in zip(names, value, ends, strict=True)
    }


def _index(m: rm.Measured, calibration: dict[str, Any], scans: Scans) -> dict[str, Figure]:
    found = np.minimum(100.0, calibration["bsi_k"] * rm.indices(m, calibration["lesion"], len(scans)))
    true = scans.bsi.astype(float)

    def correlation(i: Any) -> float:
        return float(np.corrcoef(found[i], true[i])[0, 1])

    return {
        "bone scan index, r": _boot(correlation, scans, ask=0.95),
        "bone scan index, bias": _mean(found - true, scans, unit="%", mean=float(true.mean())),
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
    man = [s == "M" for s in scans.sexes]
    return {
        "sex told": _mean([(p > 0.5) == is_man for p, is_man in zip(m.man, man, strict=True)], scans, published=0.99),
        "age, mean error": _mean(np.abs(np.array(m.age) - scans.age), scans, unit="a"),
        "sound scans refused": _mean(np.array(m.wrong).max(1) > 0.5, scans),
    }
