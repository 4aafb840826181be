"""A dosimetry as one looks at it: the series in one grey scale, activity over time, dose on CT, histograms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from photopeak.core import Image
from photopeak.core.writing import whole_file
from photopeak.quantify.absorbed_dose import Serial
from photopeak.quantify.region_dose import RegionDose, histogram

MOST_CURVES: Final = 9
TOP_PERCENTILE: Final = 99.97
FEWEST_PLACES: Final = 3  # beside each other, so that one scan is not drawn larger than its dose
FAINT: Final = 0.04  # of the scale's top: less dose than this leaves the CT as it is
HU: Final = (-160.0, 240.0)


def save_picture(series: Serial, dose: Image, found: Sequence[RegionDose], ct: Image | None, path: Path) -> Path:
    """Write the picture; the head is up, the patient's right on the left."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = sorted(found, key=lambda r: -r.mean)[:MOST_CURVES]
    figure = Figure(figsize=(12.0, 7.0), layout="constrained")
    FigureCanvasAgg(figure)
    halves: Any = figure.subfigures(2, 1, height_ratios=(1.0, 1.15))
    upper, lower = halves
    _mips(upper, series)
    axes = lower.subplots(1, 4, width_ratios=(1.0, 1.0, 1.1, 1.1))
    _planes(axes[:2], dose, ct, lower)
    hours = series.times_s / 3600.0
    fine = np.linspace(0.0, 1.15 * float(hours[-1]), 200)[1:]
    for region in shown:
        (line,) = axes[2].semilogy(fine, region.curve.at(fine * 3600.0), lw=1.0)
        axes[2].semilogy(hours, region.activity_mbq, "o", ms=3.5, color=line.get_color(), label=region.name)
        axes[3].plot(*histogram(region.doses), lw=1.2, color=line.get_color(), label=region.name)
    axes[2].set_xlabel("hours after injection"), axes[2].set_ylabel("MBq")
    axes[3].set_xlabel("Gy"), axes[3].set_ylabel("% of volume"), axes[3].legend(fontsize=7, frameon=False)
    axes[2].set_title("activity", fontsize=9), axes[3].set_title("dose–volume histograms", fontsize=9)
    lowest = min(min(r.activity_mbq) for r in shown)
    axes[2].set_ylim(bottom=0.3 * lowest)
    with whole_file(path) as part, part.open("wb") as f:
        figure.savefig(f, format="png", dpi=100)
    return path


def _mips(figure: Any, series: Serial) -> None:
    """Anterior maximum projections, all in the grey scale of the first."""
    rows, _, columns = _box(series.values[0])
    mips = series.values[:, rows, :, columns].max(2)[:, ::-1]
    top = float(np.percentile(mips[0], 99.5)) or 1.0
    axes = figure.subplots(1, max(len(mips), FEWEST_PLACES))
    for ax in axes[len(mips) :]:
        ax.set_axis_off()
    axes = axes[: len(mips)]
    for ax, mip, t in zip(axes, mips, series.times_s, strict=True):
        seen = ax.imshow(mip / 1e6, cmap="gray_r", vmin=0.0, vmax=top / 1e6, interpolation="bilinear")
        ax.set_title(f"{t / 3600.0:.0f} h", fontsize=9)
        _bare(ax)
    figure.colorbar(seen, ax=list(axes), shrink=0.8, label="MBq/ml")


def _planes(axes: Any, dose: Image, ct: Image | None, figure: Any) -> None:
    """Transverse and coronal planes through the most dose, over the CT."""
    from scipy.ndimage import gaussian_filter

    values = np.asarray(dose.values, np.float64)
    z, y, _ = np.unravel_index(int(np.argmax(gaussian_filter(values, 1.5))), values.shape)
    under = None if ct is None else _on(ct, dose)
    rows, depths, columns = _box(values) if under is None else _box(np.where(values > 0, under + 1000.0, 0.0))
    top = float(np.percentile(values[values > 0], TOP_PERCENTILE)) if (values > 0).any() else 1.0
    for ax, title, at in ((axes[0], "transverse", (z, depths, columns)), (axes[1], "coronal", (rows, y, columns))):
        turned = slice(None, None, -1 if title == "coronal" else 1)
        plane = values[at][turned]
        if under is not None:
            ax.imshow(under[at][turned], cmap="gray", vmin=HU[0], vmax=HU[1], interpolation="bilinear")
        alpha = np.clip(plane / (FAINT * top) - 1.0, 0.0, 1.0) * (1.0 if under is None else 0.75)
        seen = ax.imshow(plane, cmap="inferno", vmin=0.0, vmax=top, alpha=alpha, interpolation="bilinear")
        ax.set_title(f"dose, {title}", fontsize=9)
        _bare(ax)
    figure.colorbar(seen, ax=list(axes), shrink=0.7, location="bottom", label="Gy")


def _on(ct: Image, dose: Image) -> Float[np.ndarray, "z y x"]:
    """CT numbers at the middle of the dose's voxels; air beyond."""
    from scipy.ndimage import affine_transform

    to_ct = np.linalg.inv(ct.grid.matrix_mm) @ dose.grid.matrix_mm
    matrix, offset = to_ct[:3, :3][::-1, ::-1], to_ct[:3, 3][::-1]
    values = np.asarray(ct.values, np.float32)
    return np.asarray(affine_transform(values, matrix, offset, output_shape=dose.grid.shape, order=1, cval=-1000.0))


def _box(values: Float[np.ndarray, "z y x"]) -> tuple[slice, slice, slice]:
    """From the first to the last plane along each axis with more than a hundredth of what the fullest holds."""
    found = []
    for axis in range(3):
        total = values.sum(tuple(k for k in range(3) if k != axis), dtype=np.float64)
        at = np.flatnonzero(total > 0.01 * total.max()) if total.max() > 0 else np.arange(len(total))
        found.append(slice(int(at[0]), int(at[-1]) + 1))
    return found[0], found[1], found[2]


def _bare(ax: Any) -> None:
    ax.set_xticks([]), ax.set_yticks([])
    for x, word in ((0.02, "R"), (0.98, "L")):
        ax.text(x, 0.5, word, transform=ax.transAxes, ha="left" if x < 0.5 else "right", va="center", fontsize=8,
                color="0.5")  # fmt: skip
