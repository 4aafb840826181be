"""Uptake of the brain's regions over a reference's, their asymmetry, and amyloid in Centiloid.

    SUVR_r = C̄_r / C̄_ref,    AI = 200 % (L − R) / (L + R),    CL = a SUVR_target + b

C̄ is the mean of the image over the voxels of a region, the image read between its voxels at the middle of each of
the region's. Several regions together are one: their voxels count alike. Nothing is corrected for partial volume: a
thin cortex loses to fluid and gains from hot white matter, so that these ratios are those of images, as the Centiloid
scale is defined :cite:`klunk2015`, and not those of tissue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from photopeak.core import Image, Mask, Measurement, PhotopeakError
from photopeak.core.centiloid import CENTILOID

#: words of the names of regions that are one target or reference
TARGET: Final = ("frontal", "parietal", "temporal", "cingulate", "precuneus")
NOT_TARGET: Final = ("white", "insula", "sensorimotor")
STEMS: Final = {"cerebellum": ("cerebell",)}
MOST_OUTSIDE: Final = 0.5


@dataclass(frozen=True)
class Region:
    """Mean of the image, volume, and the share of it that the image does not reach."""

    mean: float
    volume_ml: float
    outside: float = 0.0


@dataclass(frozen=True)
class Uptake:
    """Every region's ratio to the reference, and the Centiloid where it was asked for."""

    reference: str
    reference_mean: float
    unit: str
    regions: Mapping[str, Region]
    centiloid: Measurement | None = None

    def suvr(self, name: str) -> float:
        return self.regions[name].mean / self.reference_mean

    def pairs(self) -> list[str]:
        """Names without their sides of what is there on both."""
        return [n[5:] for n in self.regions if n.startswith("left ") and f"right {n[5:]}" in self.regions]

    def asymmetry_percent(self, pair: str) -> float:
        left, right = (self.regions[f"{side} {pair}"].mean for side in ("left", "right"))
        return 200.0 * (left - right) / (left + right)

    def table(self) -> tuple[Measurement, ...]:
        """A Measurement of the ratio of each region."""
        return tuple(
            Measurement(self.suvr(name), "1", region=name, flags=("truncated field of view",) if r.outside > 0 else ())
            for name, r in self.regions.items()
        )


def brain_uptake(image: Image, regions: Sequence[Mask], reference: str = "cerebellum", tracer: str = "") -> Uptake:
    """Ratios to all regions in whose names ``reference`` is found; ``tracer`` is one of ``CENTILOID``, or none."""
    found = {name: region for mask in regions for name, region in region_means(image, mask).items()}
    base = together(found, STEMS.get(reference, (reference,)), ())
    if not base.mean > 0.0:
        raise PhotopeakError(f"the reference {reference} has a mean of {base.mean:g}. Remedy: check image and regions.")
    level = None
    if tracer:
        if tracer not in CENTILOID or reference != "cerebellum":
            raise PhotopeakError(
                f"no Centiloid of {tracer} relative to {reference}. Remedy: use one of {', '.join(CENTILOID)} and the "
                "whole cerebellum, for which the scale is defined."
            )
        ratio = together(found, TARGET, NOT_TARGET).mean / base.mean
        level = Measurement(CENTILOID[tracer].centiloid(ratio), "{CL}", region="association cortex")
    return Uptake(reference, base.mean, image.unit, found, level)


def region_means(image: Image, regions: Mask) -> dict[str, Region]:
    """The mean over every region; one of which the image lacks more than half is refused."""
    from scipy.ndimage import map_coordinates

    if image.grid.names != ("z", "y", "x") or regions.grid.names != ("z", "y", "x"):
        raise PhotopeakError("uptake is of one volume and its regions. Remedy: choose one frame.")
    frames = {g.frame for g in (image.grid, regions.grid) if g.frame}
    if len(frames) > 1:
        raise PhotopeakError(
            "FrameOfReferenceUID (0020,0052): image and regions lie in different frames of reference. "
            "Remedy: give regions of the same examination, or of an image that was registered with it."
        )
    numbers = np.array(sorted(regions.names))
    where = np.nonzero(np.isin(regions.values, numbers))
    if not len(where[0]):
        raise PhotopeakError("no voxel belongs to a named region. Remedy: check the table of names.")
    index = np.stack([*where[::-1], np.ones(len(where[0]))])
    at = (np.linalg.inv(image.grid.matrix_mm) @ regions.grid.matrix_mm @ index)[2::-1]
    values = map_coordinates(np.asarray(image.values, np.float64), at, order=1, mode="nearest")
    which = np.searchsorted(numbers, np.asarray(regions.values)[where])
    ends = np.array(image.grid.shape)[:, None] - 0.5 + 1e-6  # a voxel reaches half its edge beyond its middle
    inside = ((at > -0.5 - 1e-6) & (at < ends)).all(0)
    total = np.bincount(which, minlength=len(numbers))
    counted = np.bincount(which[inside], minlength=len(numbers))
    summed = np.bincount(which[inside], values[inside], len(numbers))
    ml = abs(float(np.linalg.det(regions.grid.matrix_mm[:3, :3]))) / 1000.0
    return {
        regions.names[int(n)]: Region(float(s / c), float(t * ml), float(1.0 - c / t))
        for n, t, c, s in zip(numbers, total, counted, summed, strict=True)
        if c > (1.0 - MOST_OUTSIDE) * t
    }


def together(regions: Mapping[str, Region], words: Sequence[str], never: Sequence[str]) -> Region:
    """All regions as one in whose names one of the ``words`` stands and none of ``never``."""
    low = {name: name.lower() for name in regions}
    chosen = [r for n, r in regions.items() if any(w in low[n] for w in words) and not any(w in low[n] for w in never)]
    if not chosen:
        raise PhotopeakError(f"no region is called {' or '.join(words)}. Remedy: choose among {', '.join(regions)}.")
    weights: Float[np.ndarray, " region"] = np.array([r.volume_ml * (1.0 - r.outside) for r in chosen])
    mean = float(np.average([r.mean for r in chosen], weights=weights))
    volume = sum(r.volume_ml for r in chosen)
    return Region(mean, volume, 1.0 - float(weights.sum()) / volume)
