"""A picture of a Study as nuclear medicine looks at it: dark where there is activity, on white."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from photopeak.core import Grid, Image, PhotopeakError, Study

CLIP_PERCENTILE = 99.5


def inverted_grey(values: Float[np.ndarray, "y x"], percentile: float = CLIP_PERCENTILE) -> UInt8[np.ndarray, "y x"]:
    """Zero is white, the given percentile and above black.

    >>> inverted_grey(np.array([[0.0, 1.0, 2.0]]), 100.0)
    array([[255, 128,   0]], dtype=uint8)
    """
    top = float(np.percentile(values, percentile)) or float(values.max()) or 1.0
    scaled = np.clip(values / max(top, 1e-30), 0.0, 1.0)
    return np.asarray(np.round(255.0 * (1.0 - scaled)), dtype=np.uint8)


def flat(image: Image) -> tuple[Float[np.ndarray, "y x"], tuple[float, float]]:
    """One plane to look at and its (row, column) distances in mm.

    Views stand side by side; of other axes the sum is taken, of projection angles the first. A volume is seen
    from the front, head up: the maximum along the patient's depth, for CT the middle plane.
    """
    values, grid = np.asarray(image.values, dtype=np.float64), image.grid
    for name in [n for n in grid.names if n not in ("view", "z", "y", "x")]:
        axis = grid.names.index(name)
        values = np.take(values, 0, axis) if name == "angle" else values.sum(axis)
        grid = grid.without(name)
    if "view" in grid.names:
        values = np.concatenate(list(values), axis=-1)
        grid = grid.without("view")
    spacing = grid.spacing_mm
    if "z" in grid.names:
        return _coronal(values, grid, image.unit), (spacing["z"], spacing["x"])
    return values, (spacing["y"], spacing["x"])


def _coronal(values: Float[np.ndarray, "z y x"], grid: Grid, unit: str) -> Float[np.ndarray, "z x"]:
    plane = values[:, values.shape[1] // 2] if unit == "[hnsf'U]" else values.max(axis=1)
    plane = plane - min(0.0, float(plane.min()))  # air in CT is −1000
    return plane[::-1] if grid.matrix_mm[2, 2] > 0 else plane


def write_png(study: Study, path: Path) -> None:
    """Write the first image of a Study, with square pixels."""
    from PIL import Image as Picture

    image = next((entry for entry in study.values() if isinstance(entry, Image)), None)
    if image is None:
        raise PhotopeakError(f"{study!r} holds no image to draw. Remedy: choose another file.")
    plane, (dy, dx) = flat(image)
    picture = Picture.fromarray(inverted_grey(plane))
    step = min(dy, dx)
    size = (max(1, round(picture.width * dx / step)), max(1, round(picture.height * dy / step)))
    picture.resize(size, Picture.Resampling.BILINEAR).save(path)
