"""Figures of readings: ROC, calibration, risk against coverage, net benefit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from photopeak.evaluate import metrics
from photopeak.evaluate.calibration import net_benefit, reliability
from photopeak.evaluate.predictions import Predictions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""Told apart by people who see colours differently :cite:`wong2011`."""


def report_figure(readings: Mapping[str, Predictions]) -> Figure:
    """For each class a column (ROC, calibration, net benefit), for each reading a colour."""
    from matplotlib.figure import Figure as New

    first = next(iter(readings.values()))
    figure = New(figsize=(3.4 * len(first.classes), 9.6), layout="constrained")
    axes = figure.subplots(3, len(first.classes), squeeze=False)
    for k, name in enumerate(first.classes):
        for (reading, these), colour in zip(readings.items(), COLOURS, strict=False):
            truth, score = these.truth[:, k], these.scores[:, k]
            area = metrics.auc(truth, score)
            axes[0, k].plot(*metrics.roc(truth, score), color=colour, label=f"{reading} {area:.3f}")
            table = reliability(truth, score)
            axes[1, k].plot(table[:, 0], table[:, 1], "o-", color=colour, ms=4, label=reading)
            thresholds = np.linspace(0.02, 0.9, 45)
            axes[2, k].plot(thresholds, net_benefit(truth, score, thresholds)[:, 0], color=colour, label=reading)
        everybody = net_benefit(truth, score, thresholds)[:, 1]
        axes[2, k].plot(thresholds, everybody, color="0.5", lw=0.8, ls="--", label="everybody")
        axes[2, k].axhline(0, color="0.5", lw=0.8, label="nobody")
        _dress(axes[:, k], name, float(truth.mean()))
    return figure


def _dress(axes: np.ndarray[tuple[int], np.dtype[np.object_]], name: str, share: float) -> None:
    words = (
        (f"{name}: area under the curve", "1 − specificity", "sensitivity"),
        ("calibration", "probability", "share of positives"),
        ("net benefit", "threshold", "per patient"),
    )
    for ax, (title, x, y) in zip(axes, words, strict=True):
        one: Axes = ax
        one.set_title(title, fontsize=10)
        one.set_xlabel(x)
        one.set_ylabel(y)
        one.legend(fontsize=8, frameon=False)
        one.spines[["top", "right"]].set_visible(False)
    for ax in axes[:2]:
        ax.plot([0, 1], [0, 1], color="0.8", lw=0.8, zorder=0)
    axes[2].set_ylim(-0.1 * share, 1.1 * share)


def save_figure(figure: Figure, path: Path) -> Path:
    """As PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    return path
