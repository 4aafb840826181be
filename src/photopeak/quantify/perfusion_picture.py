"""A perfusion study as one reads it: slices on the heart's own axes, stress over rest, and polar maps with scores.

Short axis from apex to base, septum at the left and anterior above; vertical long axis from septal to lateral, apex at
the right; horizontal long axis from inferior to anterior, apex above, septum at the left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Float, Int, Num
from numpy.typing import NDArray

from photopeak.core.writing import whole_file
from photopeak.patients.ventricle import APEX_UP_TO, APICAL_UP_TO, MID_UP_TO
from photopeak.quantify.polar_map import ANGLES, RINGS, Polar, of_segments, percent_of_greatest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SLICES: Final = 8
EDGE_MM: Final = 4.0
COLOURS: Final = "nipy_spectral"
ROWS: Final = {
    "short axis": ("apex", "base"), "vertical long axis": ("septal", "lateral"),
    "horizontal long axis": ("inferior", "anterior"),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Shown:
    """One state: its name, the volume on the heart's axes, its map, the length of the ventricle, and its scores."""

    name: str
    volume: NDArray[np.float64]
    polar: Polar
    length_mm: float
    scores: Int[np.ndarray, " 17"] | None = None


def planes(shown: Shown) -> dict[str, list[NDArray[np.float64]]]:
    """The slices of every row of the picture, eight each over the ventricle."""
    volume, half = shown.volume, len(shown.volume) // 2
    long, wide = 0.5 * shown.length_mm / EDGE_MM, 0.32 * shown.length_mm / EDGE_MM
    along = [volume[round(half + k)] for k in np.linspace(0.92 * long, -0.95 * long, SLICES)]
    across = [round(half + k) for k in np.linspace(-wide, wide, SLICES)]
    vertical = [volume[:, :, k].T for k in across]  # rows from anterior down, columns from base to apex
    horizontal = [volume[::-1, k] for k in across[::-1]]  # rows from apex down, columns from septal to lateral
    return dict(zip(ROWS, (along, vertical, horizontal), strict=True))


def top_of(shown: Shown) -> float:
    """White of the slices: the wall's highest twentieth, so that a hot liver does not darken the heart."""
    return float(100.0 * shown.polar.max() / percent_of_greatest(shown.polar).max())


def save_picture(states: Sequence[Shown], lost: Int[np.ndarray, " 17"] | None, title: str, path: Path) -> Path:
    """Write the picture; ``lost`` holds the difference scores where there is a rest study."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13.4, 1.35 * 3 * len(states) + 0.7), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = np.asarray(figure.subfigures(1, 2, width_ratios=(3.0, 1.0)))
    axes = left.subplots(3 * len(states), SLICES)
    for k, row in enumerate(ROWS):
        for j, shown in enumerate(states):
            name = f"{row}\n{shown.name}" if j == 0 else shown.name
            _row(axes[k * len(states) + j], planes(shown)[row], top_of(shown), name)
        first = axes[k * len(states)]
        for column, word in ((0, ROWS[row][0]), (-1, ROWS[row][1])):
            first[column].set_title(word, fontsize=7, pad=2)
    maps = [(s.name, percent_of_greatest(s.polar), s.scores) for s in states]
    if len(states) == 2:
        gained = np.clip(maps[1][1] - maps[0][1], 0.0, None)
        maps.append(("rest − stress", gained, lost))
    for ax, (name, values, scores) in zip(np.atleast_1d(right.subplots(len(maps), 1)), maps, strict=True):
        bull_eye(ax, values, scores, name)
    figure.suptitle(title, fontsize=9)
    with whole_file(path) as part, part.open("wb") as f:
        figure.savefig(f, format="png", dpi=110)
    return path


def _row(axes: Any, slices: Sequence[NDArray[np.float64]], top: float, name: str) -> None:
    for ax, plane in zip(axes, slices, strict=True):
        ax.imshow(plane, cmap="hot", vmin=0.0, vmax=top, interpolation="bicubic")
        ax.set_xticks([]), ax.set_yticks([])
    axes[0].set_ylabel(name, fontsize=7)


def bull_eye(ax: Axes, percent: Polar, scores: Int[np.ndarray, " 17"] | None, name: str) -> None:
    """A polar map: anterior above, septum at the left, the apex in the middle; numbers are scores, or per cent."""
    ax.imshow(as_disc(percent), cmap=COLOURS, vmin=0.0, vmax=100.0, extent=(-1, 1, -1, 1))
    ring = np.linspace(0.0, 2.0 * np.pi, 181)
    borders = [np.sqrt(v) for v in (APEX_UP_TO, APICAL_UP_TO, MID_UP_TO, 1.0)]
    for r in borders:
        ax.plot(r * np.cos(ring), r * np.sin(ring), "w", lw=0.8)
    for low, high, starts in ((borders[0], borders[1], range(45, 360, 90)), (borders[1], 1.0, range(30, 360, 60))):
        for phi in np.deg2rad(np.array(starts)):
            ax.plot(*np.outer((-np.sin(phi), np.cos(phi)), (low, high)), "w", lw=0.8)
    words = of_segments(percent) if scores is None else scores
    for (x, y), word in zip(_middles(borders), words, strict=True):
        ax.text(x, y, f"{word:.0f}", color="w", fontsize=7, ha="center", va="center", fontweight="bold")
    ax.set_title(name, fontsize=8, pad=2)
    ax.set_aspect("equal")
    ax.axis("off")


def as_disc(values: Polar, pixels: int = 201) -> NDArray[np.float64]:
    """The map as a picture: radius √u, φ from above to the left; NaN outside."""
    from scipy.ndimage import map_coordinates

    axis = (np.arange(pixels) + 0.5) / pixels * 2.0 - 1.0
    x, y = np.meshgrid(axis, -axis)
    r, phi = np.hypot(x, y), np.mod(np.arctan2(-x, y), 2.0 * np.pi)
    closed = np.concatenate([values, values[:, :1]], 1)
    at = np.stack([np.clip(r * RINGS - 0.5, 0.0, RINGS - 1.0), phi / (2.0 * np.pi) * ANGLES])
    return np.asarray(np.where(r <= 1.0, map_coordinates(closed, at, order=1, mode="nearest"), np.nan))


def _middles(borders: Sequence[Num[np.ndarray, ""] | float]) -> Float[np.ndarray, "17 2"]:
    """Where the number of each segment stands."""
    rings = [(0.5 * (borders[2] + 1.0), 6), (0.5 * (borders[1] + borders[2]), 6), (0.5 * (borders[0] + borders[1]), 4)]
    spots = [(-r * np.sin(a), r * np.cos(a)) for r, n in rings for a in 2.0 * np.pi * np.arange(n) / n]
    return np.array([*spots, (0.0, 0.0)], np.float64)
