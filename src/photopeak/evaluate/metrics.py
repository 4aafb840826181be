"""Figures of a classifier with k scores a case: per class, one against the rest, and their means.

``truth`` says for each case which classes it shows. One column true is a plain class; a patient with metastases and
arthritis has two. ``confusion`` and what follows from it need exactly one.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from photopeak.core import PhotopeakError

Truth = Bool[np.ndarray, "n k"]
Scores = Float[np.ndarray, "n k"]
Confusion = Int[np.ndarray, "k k"]

PER_CLASS: Final = ("precision", "sensitivity", "specificity", "specificity_published", "f1")


def auc(positive: Bool[np.ndarray, " n"], score: Float[np.ndarray, " n"]) -> float:
    """Probability that a positive case scores higher than a negative one, ties counted half (Mann–Whitney).

    NaN where one of the two kinds is absent.

    >>> auc(np.array([True, False, True]), np.array([0.9, 0.5, 0.5]))
    0.75
    """
    from scipy.stats import rankdata

    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if not n_positive or not n_negative:
        return float("nan")
    ranks = float(rankdata(score)[positive].sum())
    return (ranks - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


def aucs(truth: Truth, scores: Scores) -> Float[np.ndarray, " k"]:
    """One area for each class, against the rest."""
    return np.array([auc(truth[:, k], scores[:, k]) for k in range(truth.shape[1])])


def macro_auc(truth: Truth, scores: Scores) -> float:
    """The mean of the classes' areas."""
    return float(aucs(truth, scores).mean())


def confusion(truth: Truth, scores: Scores) -> Confusion:
    """Row: the class; column: the class with the highest score."""
    if not bool((truth.sum(1) == 1).all()):
        raise PhotopeakError(
            "a confusion matrix needs exactly one class a case, and some have none or two. "
            "Remedy: use the areas under the curve and sensitivities of each class, or enter such a case once a class."
        )
    k = truth.shape[1]
    return np.bincount(truth.argmax(1) * k + scores.argmax(1), minlength=k * k).reshape(k, k)


def accuracy(c: Confusion) -> float:
    """Right cases over all; NaN where there is none.

    >>> accuracy(np.array([[3, 1], [0, 4]]))
    0.875
    """
    return float(np.trace(c) / c.sum()) if c.any() else float("nan")


def per_class(c: Confusion) -> dict[str, Float[np.ndarray, " k"]]:
    """Each class against the rest, from the confusion matrix; NaN where a denominator is 0.

        precision TP/(TP+FP),  sensitivity TP/(TP+FN),  specificity TN/(TN+FP),  F1 2TP/(2TP+FP+FN)

    ``specificity_published`` is that of :cite:`lin2021dspic`: its TN are only the cases of the other classes that are
    right, TN_i = Σ_{j≠i} C_jj. (All three values the paper prints reproduce so.) It sets a lower figure.
    """
    right = np.diag(c).astype(float)
    missed, false = c.sum(1) - right, c.sum(0) - right
    rest = c.sum() - right - missed - false
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "precision": right / (right + false),
            "sensitivity": right / (right + missed),
            "specificity": rest / (rest + false),
            "specificity_published": (right.sum() - right) / (right.sum() - right + false),
            "f1": 2 * right / (2 * right + false + missed),
        }


def averages(c: Confusion) -> dict[str, float]:
    """Accuracy, the mean over classes of each figure, and F1 both ways.

    ``f1`` is the mean of the classes' F1; ``f1_harmonic`` the harmonic mean of mean precision and mean sensitivity.
    """
    means = {name: float(values.mean()) for name, values in per_class(c).items()}
    p, s = means["precision"], means["sensitivity"]
    return {"accuracy": accuracy(c), **means, "f1_harmonic": 2 * p * s / (p + s) if p + s else float("nan")}


def right_at(truth: Truth, scores: Scores, top: int) -> Bool[np.ndarray, " n"]:
    """Which cases are right when the ``top`` classes of highest score are named.

    A case is right when all its classes are named; one with more classes than are named, when only such are named.

    >>> right_at(np.array([[False, True, True]]), np.array([[0.1, 0.2, 0.7]]), 1).tolist()
    [True]
    """
    named = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    found = np.take_along_axis(truth, named, 1).sum(1)
    return np.asarray((found > 0) & (found == np.minimum(truth.sum(1), top)))


def sensitivity_at(positive: Bool[np.ndarray, " n"], score: Float[np.ndarray, " n"], specificity: float) -> float:
    """The greatest sensitivity of any threshold at which the specificity is at least ``specificity``."""
    order = np.sort(score[~positive])
    allowed = int(np.floor((1 - specificity) * len(order) + 1e-9))  # (1 − 0.9) · 10 must not fall short of 1
    threshold = order[len(order) - 1 - allowed] if allowed < len(order) else -np.inf
    return float((score[positive] > threshold).mean())


def roc(
    positive: Bool[np.ndarray, " n"], score: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """One minus specificity, and sensitivity, at every threshold from high to low."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) != 0, True)  # one point for cases that share a score
    hits, misses = np.cumsum(positive[order])[last], np.cumsum(~positive[order])[last]
    return np.append(0, misses / max(1, misses[-1])), np.append(0, hits / max(1, hits[-1]))
