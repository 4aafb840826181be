"""Figures of readings: ROC, reliability, net benefit (a panel a class), and risk against coverage.

``readings`` maps a name to predictions of the same classes; each reading keeps its colour in every panel.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from jaxtyping import Bool, Float, Int

from photopeak.core import PhotopeakError
from photopeak.core.writing import whole_file
from photopeak.evaluate import metrics
from photopeak.evaluate.bootstrap import interval, resampled
from photopeak.evaluate.calibration import net_benefit, reliability
from photopeak.evaluate.conformal import area_under_risk_coverage, risk_coverage
from photopeak.evaluate.predictions import Predictions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Readings = Mapping[str, Predictions]
Panel = Callable[["Axes", Readings, int], None]
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""Told apart by people who see colours differently :cite:`wong2011`."""
WIDTH_IN, HEIGHT_IN = 3.0, 2.9
GREY = "0.55"
FALSE_SHARES: Final = np.linspace(0, 1, 101)
BAND_RESAMPLES: Final = 300
"""Enough for a band that is drawn; figures that are told have more."""


def roc_figure(readings: Readings) -> Figure:
    """Sensitivity against 1 − specificity, with the 95 % band of resampled patients; areas in the legend."""
    return _grid(readings, [_roc])


def reliability_figure(readings: Readings) -> Figure:
    """The share of positives against the mean probability, in up to ten bins of equal mass, with Wilson's interval."""
    return _grid(readings, [_reliability])


def decision_figure(readings: Readings) -> Figure:
    """Net benefit against the probability from which one acts."""
    return _grid(readings, [_decision])


def report_figure(readings: Readings) -> Figure:
    """These three, one below the other."""
    return _grid(readings, [_roc, _reliability, _decision])


def risk_coverage_figure(readings: Readings) -> Figure:
    """The share of errors among the cases that are read, when the least sure are left to a human."""
    (ax,) = _axes(1, 1, wider=1.4).ravel()
    for (name, these), colour in zip(readings.items(), _colours(readings), strict=True):
        right, sure = metrics.right_at(these.truth, these.scores, 1), these.scores.max(1)
        covered, risk = risk_coverage(right, sure)
        ax.plot(covered, risk, color=colour, label=f"{name}  {area_under_risk_coverage(right, sure):.3f}")
    _dress(ax, "risk and coverage (area)", "share of cases read", "share of errors among them")
    ax.set_xlim(0, 1)
    ax.set_ylim(bottom=0)
    ax.legend(**LEGEND, loc="upper left")
    figure: Figure = ax.figure
    return figure


def confusion_figure(readings: Readings) -> Figure:
    """For each reading how often cases of one class were given which: numbers, shaded by the share of the row."""
    axes = _axes(1, len(readings))
    for ax, (name, these) in zip(axes[0], readings.items(), strict=True):
        single = these.truth.sum(1) == 1
        matrix = metrics.confusion(these.truth[single], these.scores[single])
        share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
        ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for i, j in np.ndindex(*matrix.shape):
            # Ink that is read on its own square, whatever the page's colour is.
            ink = "white" if share[i, j] > 0.55 else "#08306b"
            ax.text(j, i, f"{matrix[i, j]}\n{share[i, j]:.0%}", ha="center", va="center", fontsize=8, color=ink)
        _dress(ax, name, "class given", "true class")
        ax.set_xticks(range(len(these.classes)), these.classes)
        ax.set_yticks(range(len(these.classes)), these.classes)
    figure: Figure = axes[0, 0].figure
    return figure


def learning_figure(log: Path) -> Figure:
    """The losses, and the score of those held back, against the epoch: the lines of a ``log.csv``."""
    with log.open(newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    epoch = [int(row["epoch"]) for row in rows]
    losses = [name for name in rows[0] if name.startswith("loss")]
    scored = any(row["score"] for row in rows)
    axes = _axes(1, 1 + scored, wider=1.4)
    for name, colour in zip(losses, COLOURS, strict=False):
        axes[0, 0].plot(epoch, [float(row[name]) for row in rows], "o-", ms=3, color=colour, label=_loss_name(name))
    _dress(axes[0, 0], "taught with", "epoch", "loss")
    axes[0, 0].legend(**LEGEND)
    if scored:
        score = [float(row["score"]) for row in rows]
        axes[0, 1].plot(epoch, score, "o-", ms=3, color=COLOURS[0])
        best = int(np.argmax(score))
        axes[0, 1].axvline(epoch[best], color=GREY, lw=1, ls="--", label=f"kept: epoch {epoch[best]}")
        _dress(axes[0, 1], "held back", "epoch", "score (more is better)")
        axes[0, 1].legend(**LEGEND)
    for ax in axes[0]:
        ax.xaxis.get_major_locator().set_params(integer=True)
    figure: Figure = axes[0, 0].figure
    return figure


def _loss_name(column: str) -> str:
    return column.removeprefix("loss_").replace("_", " ")


def save_figure(figure: Figure, path: Path) -> Path:
    """In the format of the file's ending, whole or not at all."""
    from matplotlib.backend_bases import FigureCanvasBase

    if path.suffix.lower().lstrip(".") not in FigureCanvasBase.filetypes:
        raise PhotopeakError(f"{path} has no ending of a picture. Remedy: name it .png, .svg or .pdf.")
    with whole_file(path) as work:
        figure.savefig(work, dpi=130)
    return path


LEGEND: Final = {"fontsize": 8, "frameon": False, "handlelength": 1.4}


def _colours(readings: Readings) -> Sequence[str]:
    if len(readings) > len(COLOURS):
        raise PhotopeakError(f"{len(readings)} readings in one figure. Remedy: draw at most {len(COLOURS)}.")
    return COLOURS[: len(readings)]


def _axes(rows: int, columns: int, wider: float = 1.0) -> np.ndarray[tuple[int, int], np.dtype[np.object_]]:
    from matplotlib.figure import Figure as New

    figure = New(figsize=(wider * WIDTH_IN * columns, HEIGHT_IN * rows), layout="constrained")
    axes: np.ndarray[tuple[int, int], np.dtype[np.object_]] = figure.subplots(rows, columns, squeeze=False)
    return axes


def _grid(readings: Readings, panels: Sequence[Panel]) -> Figure:
    classes = next(iter(readings.values())).classes
    if any(these.classes != classes for these in readings.values()):
        raise PhotopeakError("readings of different classes cannot share panels. Remedy: draw them apart.")
    axes = _axes(len(panels), len(classes))
    for row, panel in zip(axes, panels, strict=True):
        for k in range(len(classes)):
            panel(row[k], readings, k)
    figure: Figure = axes[0, 0].figure
    return figure


def _each(readings: Readings, k: int) -> list[tuple[str, str, Bool[np.ndarray, " n"], Float[np.ndarray, " n"]]]:
    colours = _colours(readings)
    return [(n, c, r.truth[:, k], r.scores[:, k]) for (n, r), c in zip(readings.items(), colours, strict=True)]


def _class(readings: Readings, k: int) -> str:
    return next(iter(readings.values())).classes[k]


def _roc(ax: Axes, readings: Readings, k: int) -> None:
    for name, colour, positive, score in _each(readings, k):
        ax.plot(*metrics.roc(positive, score), color=colour, label=f"{name}  {metrics.auc(positive, score):.3f}")
        low, high = _roc_band(positive, score, readings[name].patients)
        ax.fill_between(FALSE_SHARES, low, high, color=colour, alpha=0.18, lw=0)
    _diagonal(ax)
    _dress(ax, f"{_class(readings, k)}: ROC (area)", "1 − specificity", "sensitivity")
    ax.legend(**LEGEND, loc="lower right")


def _roc_band(
    positive: Bool[np.ndarray, " n"], score: Float[np.ndarray, " n"], patients: Sequence[str]
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Between which sensitivities 95 % of the curves of resampled patients lie, at each share of false positives."""

    def sensitivity(chosen: Int[np.ndarray, " m"]) -> Float[np.ndarray, " s"]:
        false, true = metrics.roc(positive[chosen], score[chosen])
        at: Float[np.ndarray, " s"] = true[np.searchsorted(false, FALSE_SHARES + 1e-12, side="right") - 1]
        return at

    ends = interval(resampled(sensitivity, patients, BAND_RESAMPLES))
    return ends[:, 0], ends[:, 1]


def _reliability(ax: Axes, readings: Readings, k: int) -> None:
    for name, colour, positive, score in _each(readings, k):
        bins = min(10, max(2, len(positive) // 10))  # a bin of a few cases would show scatter alone
        table = reliability(positive, score, bins, equal="mass")
        ax.plot(table[:, 0], table[:, 1], "o-", color=colour, ms=3.5, label=name)
        ax.vlines(table[:, 0], *_wilson(table[:, 1], table[:, 2]), color=colour, lw=1, alpha=0.6)
    _diagonal(ax)
    _dress(ax, f"{_class(readings, k)}: reliability", "mean probability", "share of positives")
    ax.legend(**LEGEND, loc="upper left")


def _wilson(
    share: Float[np.ndarray, " bin"], n: Float[np.ndarray, " bin"]
) -> tuple[Float[np.ndarray, " bin"], Float[np.ndarray, " bin"]]:
    """Wilson's 95 % interval of a share among n cases :cite:`wilson1927`."""
    from scipy.stats import binomtest

    counts = zip(np.rint(share * n).astype(int).tolist(), n.astype(int).tolist(), strict=True)
    ends = np.array([binomtest(k, of).proportion_ci(method="wilson") for k, of in counts])
    return ends[:, 0], ends[:, 1]


def _decision(ax: Axes, readings: Readings, k: int) -> None:
    thresholds, best = np.linspace(0.01, 0.9, 90), 0.0
    for name, colour, positive, score in _each(readings, k):
        benefit = net_benefit(positive, score, thresholds)
        ax.plot(thresholds, benefit[:, 0], color=colour, label=name)
        best = max(best, float(benefit.max()))
    ax.plot(thresholds, benefit[:, 1], color=GREY, lw=1, ls="--", label="act on all")
    ax.axhline(0, color=GREY, lw=1, label="act on none")
    _dress(ax, f"{_class(readings, k)}: net benefit", "act from this probability on", "net benefit a case")
    if best > 0:
        ax.set_ylim(-0.15 * best, 1.5 * best)  # room for the legend
    ax.legend(**LEGEND, loc="upper right")


def _diagonal(ax: Axes) -> None:
    ax.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=":", zorder=0)
    ax.set_aspect("equal")


def _dress(ax: Axes, title: str, x: str, y: str) -> None:
    ax.set_title(title, fontsize=10)
    ax.set_xlabel(x, fontsize=9)
    ax.set_ylabel(y, fontsize=9)
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)
