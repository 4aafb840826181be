"""A reconstruction as one looks at it: transverse, coronal and sagittal planes through its hottest place, and a MIP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from photopeak.core import Image
from photopeak.core.writing import whole_file

WHITE_TO_BLACK = "gray_r"
TOP_PERCENTILE = 99.95
SIDES = {"sagittal": ("A", "P")}


def save_picture(image: Image, path: Path) -> Path:
    """Write the picture; of a gated image the sum over its gates. The head is up, the patient's right on the left."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    volume = np.asarray(image.values, np.float64).reshape(-1, *image.grid.shape[-3:]).sum(0)
    planes = views(volume)
    top = float(np.percentile(volume[volume > 0], TOP_PERCENTILE)) if (volume > 0).any() else 1.0
    figure = Figure(figsize=(11.0, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(planes))
    for ax, (name, plane) in zip(axes, planes.items(), strict=True):
        high = float(plane.max()) or 1.0 if "MIP" in name else top
        shown = ax.imshow(plane, cmap=WHITE_TO_BLACK, vmin=0.0, vmax=high, interpolation="bilinear")
        ax.set_title(name, fontsize=9)
        ax.set_xticks([]), ax.set_yticks([])
        for x, word in zip((0.02, 0.98), SIDES.get(name, ("R", "L")), strict=True):
            ax.text(x, 0.5, word, transform=ax.transAxes, ha="left" if x < 0.5 else "right", va="center", fontsize=8)
    figure.colorbar(shown, ax=axes, shrink=0.8, label=image.unit.strip("{}"))
    with whole_file(path) as part, part.open("wb") as f:
        figure.savefig(f, format="png", dpi=110)
    return path


def views(volume: Float[np.ndarray, "z y x"]) -> dict[str, Float[np.ndarray, " _row _column"]]:
    """Planes through the hottest place of the volume, smoothed a little so that noise does not choose it."""
    from scipy.ndimage import gaussian_filter

    z, y, x = np.unravel_index(int(np.argmax(gaussian_filter(volume, 1.5))), volume.shape)
    return {
        "transverse": volume[z],
        "coronal": volume[::-1, y],
        "sagittal": volume[::-1, :, x],
        "anterior MIP": volume.max(1)[::-1],
    }
