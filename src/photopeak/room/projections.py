"""Maximum intensity projections around the patient's long axis: what a rotating MIP shows."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from photopeak.core import Image, PhotopeakError


def projections(image: Image, steps: int) -> Float[np.ndarray, "step row column"]:
    """The maximum along each line of sight, for ``steps`` directions evenly around, head up.

    The first looks at the patient from the front. Planes are turned in steps of the angle about their middle, by
    nearest neighbours: a maximum must be one of the volume's own values.
    """
    from scipy import ndimage

    if image.grid.names[-3:] != ("z", "y", "x"):
        raise PhotopeakError(f"a projection needs a volume, not the axes {image.grid.names}.")
    values = np.asarray(image.values, np.float32).reshape(-1, *image.values.shape[-3:])[0]
    spacing = image.grid.spacing_mm
    if image.grid.matrix_mm[2, 2] > 0:
        values = values[::-1]  # head up
    low = float(values.min())
    out = []
    for k in range(steps):
        turned = ndimage.rotate(values, 360.0 * k / steps, axes=(1, 2), reshape=False, order=0, cval=low)
        out.append(turned.max(axis=1))
    made = np.stack(out)
    # Square pixels, of the size of the columns.
    rows = max(1, round(made.shape[1] * spacing["z"] / spacing["x"]))
    pick = np.clip(((np.arange(rows) + 0.5) * made.shape[1] / rows).astype(int), 0, made.shape[1] - 1)
    return made[:, pick]
