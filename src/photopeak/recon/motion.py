"""Motion of a patient during a SPECT acquisition, found from the projections alone and taken into the model.

Every view is laid on the re-projection of an image that was reconstructed from all views, by a shift along the rows
and the columns; the shifts go into the operator, and the next image is sharper :cite:`kyme2003`. What a still
patient elsewhere would look like cannot be told from these shifts: it is taken out so that most views stay.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float

from photopeak.core.writing import whole_file
from photopeak.physics.motion import Shifted, shifted_views
from photopeak.physics.operator import Operator, Weighted
from photopeak.physics.physics import Physics
from photopeak.recon.em import osem

Tensor = torch.Tensor
ROUNDS: Final = 8
STEPS: Final = 4  # of Gauss-Newton in each round
SMOOTH_PIXELS: Final = (3.0, 1.5)  # of the first half of the rounds, to catch large shifts, and of the rest
SUBSETS: Final = 8
STILL_PIXELS: Final = 0.5  # views this near to each other saw a patient who lay still
NEIGHBOURS: Final = 5
MOST_STARTS: Final = 128
MOST_PIXELS: Final = 10.0


def estimated_shifts(
    operator: Operator,
    y: Float[Tensor, "angle row column"],
    weights: Float[Tensor, "angle row column"],
) -> Float[Tensor, "angle 2"]:
    """Shift of every view in pixels, (rows down, columns right), as ``Shifted`` takes them.

    ``weights`` are what decay leaves of each view, 0 on rows that were not measured.
    """
    from scipy.ndimage import median_filter

    views = len(y)
    pixels = torch.zeros((views, 2))
    directions = np.deg2rad(np.asarray(operator.range.axis("angle").values))
    subsets = max(n for n in range(1, min(SUBSETS, views) + 1) if views // n >= min(views, 6))
    for i in range(ROUNDS):
        whole = Weighted(Shifted(operator, pixels), weights)
        image = osem(Physics(whole), y, 2, subsets)
        model = operator(image)
        blur = SMOOTH_PIXELS[2 * i >= ROUNDS]
        # One view alone may be laid wrongly; a patient stays for some.
        steady = median_filter(_laid(model, y, weights, pixels, blur).numpy(), (NEIGHBOURS, 1), mode="nearest")
        pixels = _without_still(torch.from_numpy(steady), directions)
    return pixels


def _laid(model: Tensor, y: Tensor, weights: Tensor, pixels: Tensor, blur: float) -> Float[Tensor, "angle 2"]:
    """The shifts that lay the model on what was counted, by least squares from ``pixels`` on."""
    from scipy.ndimage import gaussian_filter

    along = (0.0, blur, blur)
    seen = torch.from_numpy(gaussian_filter(y.numpy(), along))
    smooth = torch.from_numpy(gaussian_filter(model.numpy(), along))
    level = weights.amax((1, 2), keepdim=True)
    used = _inner(weights.numpy()[:, :, 0] > 0, round(2.0 * blur))
    pixels = pixels.clone()
    for _ in range(STEPS):
        moved = level * shifted_views(smooth, pixels)
        down, right = torch.gradient(moved, dim=(1, 2))
        # A view may be brighter than the model as a whole: attenuation that is not modelled is no motion.
        terms = torch.stack([v[:, used].flatten(1) for v in (down, right, moved, torch.ones_like(moved))], -1)
        wanted = (moved - seen)[:, used].flatten(1)[..., None]
        step = torch.linalg.lstsq(terms.double(), wanted.double()).solution[:, :2, 0]
        pixels = pixels + step.clamp(-1.0, 1.0).to(pixels)
    return pixels.clamp(-MOST_PIXELS, MOST_PIXELS)


def _inner(covered: Bool[np.ndarray, "angle row"], margin: int) -> Tensor:
    """Rows that are measured and lie away from the field's ends, over which activity moves in and out."""
    rows = np.flatnonzero(covered.any(0))
    margin = min(margin, (len(rows) - 1) // 3)
    used = np.zeros(covered.shape[1], bool)
    used[rows[margin : len(rows) - margin]] = True
    return torch.from_numpy(used)


def _without_still(pixels: Tensor, directions: Float[np.ndarray, " angle"]) -> Float[Tensor, "angle 2"]:
    """Shifts less those of a patient who lay still where most views saw him."""
    still = (np.ones((len(directions), 1)), np.stack([np.cos(directions), np.sin(directions)], 1))
    values = pixels.double().numpy()
    rest = [v - basis @ _of_most(basis, v) for basis, v in zip(still, values.T, strict=True)]
    return torch.from_numpy(np.stack(rest, 1)).to(pixels)


def _of_most(basis: Float[np.ndarray, "n k"], values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " k"]:
    """The coefficients that most values agree with: the least Σ r² / (r² + s²), started from many k of them."""
    n, k = basis.shape
    some = range(0, n, -(-n // MOST_STARTS))  # all pairs of a hundred views are enough to start from
    chosen = np.array(list(itertools.combinations(some, k)))
    chosen = chosen[np.abs(np.linalg.det(basis[chosen])) > 0.5]

    def weight(found: Float[np.ndarray, "*many k"]) -> Float[np.ndarray, "*many n"]:
        return np.asarray(STILL_PIXELS**2 / ((values - found @ basis.T) ** 2 + STILL_PIXELS**2))

    starts = np.linalg.solve(basis[chosen], values[chosen][..., None])[..., 0]
    found = starts[int(weight(starts).sum(-1).argmax())]
    for _ in range(10):
        w = weight(found)
        found = np.linalg.lstsq(basis * w[:, None], values * w, rcond=None)[0]
    return np.asarray(found)


def save_motion(shifts_mm: Float[np.ndarray, "angle 2"], angles_deg: Sequence[float], path: Path) -> Path:
    """Plot the shifts of every view against its angle."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    ax.axhline(0.0, color="0.8", linewidth=0.8)
    for k, (name, mark) in enumerate((("along the patient, towards the feet", "o"), ("across the detector", "s"))):
        ax.plot(angles_deg, shifts_mm[:, k], mark, markersize=3.5 + 2 * k, fillstyle="none", label=name)
    largest = float(np.abs(shifts_mm).max())
    ax.set_ylim(-1.15 * max(largest, 2.0), 1.15 * max(largest, 2.0))
    ax.set_xlabel("angle of the view, degrees")
    ax.set_ylabel("shift, mm")
    ax.set_title(f"Motion found in the projections: at most {largest:.1f} mm", fontsize=10)
    ax.legend(fontsize=8)
    with whole_file(path) as part, part.open("wb") as f:
        figure.savefig(f, format="png", dpi=110)
    return path
