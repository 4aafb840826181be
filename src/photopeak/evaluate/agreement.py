"""How far readers agree: beyond chance about whole cases, and outline by outline about lesions.

Kappa is agreement beyond chance, κ = (p_o − p_e) / (1 − p_e), with the observed share of agreement p_o and that
expected of independent readers, p_e. Where every answer is the same p_e is 1 and κ is not defined: NaN, since such
cases cannot show whether the readers tell anything apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from photopeak.core import PhotopeakError
from photopeak.evaluate.bootstrap import interval, resampled
from photopeak.evaluate.outlines import Outline, Shape, check_threshold, common
from photopeak.evaluate.summary import Figure, Figures, Resampling

Answer = str | bool | int
"""A category: a class's name, yes or no, a grade."""
Counts = Int[np.ndarray, "n k"]
"""How many readers gave each case each of the k answers; each case has equally many readers."""


@dataclass(frozen=True)
class LesionAgreement:
    """Two readers' outlines on one view: positions of the matched ones and of those that only one reader has.

    ``dice`` is that of each pair. ``mean_dice`` is NaN without a pair, ``specific_agreement`` without an outline.
    """

    pairs: tuple[tuple[int, int], ...]
    only_a: tuple[int, ...]
    only_b: tuple[int, ...]
    dice: tuple[float, ...]
    mean_dice: float
    specific_agreement: float


def cohens_kappa(table: Int[np.ndarray, "k k"]) -> float:
    """Cohen's kappa from a table of cases, row: the answer of a, column: the answer of b :cite:`cohen1960`.

    p_o = Σ_j n_jj / n,  p_e = Σ_j n_j· n_·j / n²; NaN where both gave one and the same answer throughout, or without
    a case.

    >>> round(cohens_kappa(np.array([[20, 5], [10, 15]])), 6)
    0.4
    """
    # In whole numbers, so that 1 − p_e is exactly 0 where it should be.
    n, agreed = int(table.sum()), int(np.trace(table))
    by_chance = int(table.sum(0) @ table.sum(1))
    return (n * agreed - by_chance) / (n * n - by_chance) if n * n > by_chance else float("nan")


def fleiss_kappa(counts: Counts) -> float:
    """Fleiss' kappa of m readers a case, who need not be the same for each case :cite:`fleiss1971`.

    p_o = mean over cases of Σ_j n_ij (n_ij − 1) / (m (m − 1)),  p_e = Σ_j p_j² with the share p_j of all answers that
    are j; NaN where all answers are the same, or without a case.
    """
    shares = counts.sum(0) / max(1, int(counts.sum()))
    by_chance = float(np.sum(shares**2))
    if not len(counts) or np.count_nonzero(shares) < 2:
        return float("nan")
    return (float(_agreed(counts).mean()) - by_chance) / (1 - by_chance)


def percent_agreement(counts: Counts) -> float:
    """The percentage of pairs of readers of a case who gave the same answer; NaN without a case.

    >>> percent_agreement(np.array([[2, 0], [1, 1]]))
    50.0
    """
    return 100 * float(_agreed(counts).mean()) if len(counts) else float("nan")


def between_two(
    a: Sequence[Answer], b: Sequence[Answer], patients: Sequence[str], how: Resampling | None = None
) -> Figures:
    """``cohens_kappa`` and ``percent_agreement`` of two readers' answers to the same cases, with their intervals.

    Cases of a patient are drawn together. A resample in which kappa is not defined is left out; of fewer than two
    patients there is no interval, and its ends are NaN.
    """
    if len(a) != len(b):
        raise PhotopeakError(
            f"one reader answered {len(a)} cases, the other {len(b)}. Remedy: compare the cases that both have read."
        )
    counts, codes = _counted(list(zip(a, b, strict=True)))
    k = counts.shape[1]
    cell = codes[:, 0] * k + codes[:, 1]

    def statistic(chosen: Int[np.ndarray, " m"]) -> Float[np.ndarray, " 2"]:
        table = np.bincount(cell[chosen], minlength=k * k).reshape(k, k)
        return np.array([cohens_kappa(table), percent_agreement(counts[chosen])])

    return _with_intervals("cohens_kappa", statistic, patients, len(a), how)


def among_readers(
    ratings: Sequence[Sequence[Answer]], patients: Sequence[str], how: Resampling | None = None
) -> Figures:
    """``fleiss_kappa`` and ``percent_agreement`` of the answers that each case got, with their intervals.

    Every case needs the same number of answers, two or more: that is what the published kappa is defined for. The
    intervals are those of ``between_two``.
    """
    counts, _ = _counted(ratings)

    def statistic(chosen: Int[np.ndarray, " m"]) -> Float[np.ndarray, " 2"]:
        return np.array([fleiss_kappa(counts[chosen]), percent_agreement(counts[chosen])])

    return _with_intervals("fleiss_kappa", statistic, patients, len(ratings), how)


def specific_agreement(both: int, only_a: int, only_b: int) -> float:
    """The proportion of specific agreement, 2a / (2a + b + c); NaN where nobody marked anything.

    It needs no count of the places where both saw nothing, of which a scan has no number :cite:`hripcsak2005`. For
    several views, add up their counts.

    >>> specific_agreement(3, 1, 1)
    0.75
    """
    marks = 2 * both + only_a + only_b
    return 2 * both / marks if marks else float("nan")


def lesion_agreement(a: Sequence[Outline], b: Sequence[Outline], shape: Shape, threshold: float) -> LesionAgreement:
    """Match two readers' outlines on a view of ``shape`` (rows, columns), each with at most one of the other's.

    Two may match when they name the same finding and their intersection over union is at least ``threshold``; of all
    such matchings it is the one with the greatest sum of overlaps. The Dice coefficient of a pair is
    2 |A ∩ B| / (|A| + |B|). Sites are not compared: overlap says where.
    """
    from scipy.optimize import linear_sum_assignment

    check_threshold(threshold)
    shared, of_a, of_b = common(a, b, shape)
    iou = shared / np.maximum(of_a[:, None] + of_b - shared, 1)
    same = np.array([[x.finding == y.finding for y in b] for x in a], dtype=bool).reshape(iou.shape)
    allowed = same & (iou >= threshold)
    rows, columns = linear_sum_assignment(np.where(allowed, iou, 0.0), maximize=True)
    pairs = tuple((int(i), int(j)) for i, j in zip(rows, columns, strict=True) if allowed[i, j])
    dice = tuple(float(2 * shared[i, j] / (of_a[i] + of_b[j])) for i, j in pairs)
    in_a, in_b = {i for i, _ in pairs}, {j for _, j in pairs}
    only_a = tuple(i for i in range(len(a)) if i not in in_a)
    only_b = tuple(j for j in range(len(b)) if j not in in_b)
    mean = float(np.mean(dice)) if dice else float("nan")
    return LesionAgreement(pairs, only_a, only_b, dice, mean, specific_agreement(len(pairs), len(only_a), len(only_b)))


def _agreed(counts: Counts) -> Float[np.ndarray, " n"]:
    """Of the pairs of readers of each case, the share that agrees."""
    readers = counts.sum(1)
    return np.asarray((counts * (counts - 1)).sum(1) / (readers * (readers - 1)))


def _counted(ratings: Sequence[Sequence[Answer]]) -> tuple[Counts, Int[np.ndarray, "n m"]]:
    """How often each case got each answer, and the answers as numbers."""
    readers = len(ratings[0]) if ratings else 2
    for i, answers in enumerate(ratings, 1):
        if len(answers) != readers or readers < 2:
            raise PhotopeakError(
                f"case {i} has {len(answers)} answers where {max(2, readers)} are needed: agreement is defined for the "
                "same number of readers in every case. Remedy: leave out the cases that some have not read yet."
            )
    number: dict[Answer, int] = {}
    codes = [[number.setdefault(answer, len(number)) for answer in answers] for answers in ratings]
    table = np.array(codes, dtype=np.int64).reshape(len(ratings), readers)
    return (table[:, :, None] == np.arange(len(number))).sum(1), table


def _with_intervals(
    kappa: str,
    statistic: Callable[[Int[np.ndarray, " m"]], Float[np.ndarray, " 2"]],
    patients: Sequence[str],
    n: int,
    how: Resampling | None,
) -> Figures:
    how = how or Resampling()
    if len(patients) != n:
        raise PhotopeakError(f"{n} cases have {len(patients)} patients. Remedy: name the patient of every case.")
    values = statistic(np.arange(n))
    ends = np.full((2, 2), np.nan)
    if len(set(patients)) > 1:
        drawn = resampled(statistic, patients, how.resamples, how.seed)
        told = np.isfinite(values) & np.isfinite(drawn).any(0)
        ends[told] = interval(drawn[:, told], how.level)
    return {
        name: Figure(float(value), float(low), float(high), n, unit)
        for name, unit, value, (low, high) in zip((kappa, "percent_agreement"), ("1", "%"), values, ends, strict=True)
    }
