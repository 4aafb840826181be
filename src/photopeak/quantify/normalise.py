"""Counts to [0, 1] between each view's own extremes.

    x′ = (x − min x) / (max x − min x)

with the minimum and maximum over one view (and, where there are several, one energy window), so that no view
depends on another. Where a view has one value only, x′ is 0. Published as self-adaptive min–max
normalisation :cite:`lin2021dspic`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from jaxtyping import Float32, Shaped

from photopeak.core import Entry, Image, Kind, Study

APART: Final = ("energy", "view")
"""Axes along which images are normalised apart."""


def normalise(x: Shaped[np.ndarray, "*shape"], over: tuple[int, ...]) -> Float32[np.ndarray, "*shape"]:
    """x′ in single precision, with the extremes taken over the axes ``over``.

    >>> normalise(np.array([[1, 2, 3], [7, 7, 7]]), over=(1,)).tolist()
    [[0.0, 0.5, 1.0], [0.0, 0.0, 0.0]]
    """
    low, high = x.min(axis=over, keepdims=True), x.max(axis=over, keepdims=True)
    # Extremes in double precision: the difference of two large whole numbers would overflow or lose digits.
    span = high.astype(np.float64) - low
    scale = np.divide(1.0, span, out=np.zeros_like(span), where=span > 0).astype(np.float32)
    scaled: Float32[np.ndarray, "*shape"] = np.subtract(x, low, dtype=np.float32)
    scaled *= scale
    np.minimum(scaled, np.float32(1.0), out=scaled)  # rounding may pass 1 by one part in 10⁷
    return scaled


@dataclass(frozen=True)
class Normalise:
    """Scale counts to [0, 1], each view between its own minimum and maximum :cite:`lin2021dspic`."""

    needs: ClassVar[Mapping[str, Kind]] = {"counts": Kind("image", "{counts}")}
    gives: ClassVar[Mapping[str, Kind]] = {"normalised": Kind("image", "1")}

    def __call__(self, study: Study) -> dict[str, Entry]:
        counts = study["counts"]
        assert isinstance(counts, Image)
        over = tuple(i for i, name in enumerate(counts.grid.names) if name not in APART)
        return {"normalised": Image(normalise(counts.values, over), counts.grid, "1")}
