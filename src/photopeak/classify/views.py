"""Is this a whole-body bone scan? The views of a study on the one matrix, or the reason why not.

Every scan is brought to 512 × 128 pixels of about 4.6 mm, each the sum of 2 × 2 pixels of the usual 1024 × 256. Sums,
not means: counts stay counts, and Poisson.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt16

from photopeak.core import Image, PhotopeakError, Study

VIEWS: Final = ("anterior", "posterior")
SIZE: Final = (512, 128)
PIXEL_MM = (2.0, 2.8)
"""Pixels of a usual whole-body scan, least and greatest; others are resampled."""
USUAL_MM = 2.4
FEWEST_COUNTS = 100_000
"""In a view. Whole-body scans hold millions."""
BACKGROUND, LEAST_BACKGROUND = 0.1, 0.15
"""A pixel below a tenth of the bright ones is beside the body; at least 15 % of a whole-body scan are."""
NUCLIDE = "Tc-99m"


@dataclass(frozen=True, eq=False)
class Places:
    """Where each row and column of the image lies on the canonical matrix; −1 is outside."""

    rows: Int[np.ndarray, " row"]
    columns: Int[np.ndarray, " column"]
    zoom: tuple[float, float]
    left: int


@dataclass(frozen=True, eq=False)
class Views:
    """Both views on 512 × 128 pixels, an absent one all zeros; ``there`` numbers those in the image, in its order."""

    both: UInt16[np.ndarray, "2 512 128"]
    there: tuple[int, ...]
    places: Places
    notes: tuple[str, ...] = ()
    """What the file leaves open."""

    def to_image(self, maps: Shaped[np.ndarray, "2 512 128"]) -> Shaped[np.ndarray, "view row column"]:
        """Maps of both views on the pixels of the image, 0 beyond them."""
        padded = np.pad(maps[list(self.there)], ((0, 0), (0, 1), (0, 1)))  # index −1 is the border of zeros
        return padded[:, self.places.rows[:, None], self.places.columns[None]]


def whole_body(study: Study) -> Views:
    """The views of a study. What is no whole-body scan, or has no usable counts, is refused with the reason."""
    image = study["counts"]
    assert isinstance(image, Image)
    who = study.patient.patient_id or "this study"
    if study.acquisition.kind not in ("WHOLE BODY", ""):
        raise PhotopeakError(
            f"{who}: ImageType (0008,0008) says {study.acquisition.kind}; the reader takes whole-body scans. "
            "Remedy: read the whole-body file of this examination."
        )
    notes = _check_tracer(who, study)
    values, labels = _planes(who, image)
    places = _places(who, values.shape[1:], _pixel_mm(image))
    both, there = np.zeros((2, *SIZE), np.uint16), list[int]()
    for plane, label in zip(values, labels, strict=True):
        _check_counts(who, label, plane)
        k = VIEWS.index(label)
        if k in there:
            raise PhotopeakError(f"{who}: two {label} views. Remedy: keep the one that is to be read.")
        both[k] = np.minimum(np.rint(_canonical(plane, places)), 65535).astype(np.uint16)
        there.append(k)
    return Views(both, tuple(there), places, notes)


def _check_tracer(who: str, study: Study) -> tuple[str, ...]:
    """Refuse another nuclide; where the file names none, that is noted."""
    nuclides = {r.nuclide for r in study.acquisition.radiopharmaceuticals if r.nuclide}
    if nuclides and nuclides != {NUCLIDE}:
        raise PhotopeakError(
            f"{who}: the nuclide is {', '.join(sorted(nuclides))}; the reader knows bone scans with {NUCLIDE}. "
            "Remedy: none here; this is another examination."
        )
    return () if nuclides else (f"the file names no nuclide: taken for a {NUCLIDE} bone scan",)


def _planes(who: str, image: Image) -> tuple[Float[np.ndarray, "view row column"], tuple[str, ...]]:
    axes = image.grid.axes
    names = image.grid.names
    if names != ("view", "y", "x"):
        raise PhotopeakError(f"{who}: the image has the axes {names}, not view, y, x: not a planar whole-body scan.")
    labels = axes[0].labels
    unknown = [label for label in labels if label not in VIEWS]
    if unknown or not labels:
        raise PhotopeakError(
            f"{who}: the view is {', '.join(unknown) or 'not stated'}; anterior or posterior is needed. "
            "Remedy: state it with --assume view=anterior if you know it."
        )
    return np.asarray(image.values, np.float64), labels


def _check_counts(who: str, view: str, plane: Float[np.ndarray, "row column"]) -> None:
    total, top = float(plane.sum()), float(plane.max())
    if total < FEWEST_COUNTS:
        raise PhotopeakError(
            f"{who}: the {view} view holds {total:,.0f} counts, too few for a bone scan. "
            "Remedy: check that the right file was sent."
        )
    bright = float(plane[plane > plane.mean()].mean()) if top > 0 else 0.0
    if float((plane < BACKGROUND * bright).mean()) < LEAST_BACKGROUND:
        raise PhotopeakError(
            f"{who}: the {view} view has hardly any background beside a body: not a whole-body scan. "
            "Remedy: check that the right file was sent."
        )
    if top > 0 and float((plane == top).mean()) > 0.001:
        raise PhotopeakError(
            f"{who}: {float((plane == top).mean()):.1%} of the {view} view's pixels hold its maximum, {top:,.0f}: the "
            "counts are cut off. Remedy: export the scan again with full depth."
        )


def _pixel_mm(image: Image) -> tuple[float, float]:
    matrix = np.array(image.grid.affine_mm)[:3, :3]
    x, y = (float(np.linalg.norm(matrix[:, i])) for i in (0, 1))
    return y, x


def _places(who: str, shape: tuple[int, int], pixel_mm: tuple[float, float]) -> Places:
    """Where each pixel of an image of ``shape`` lies on the canonical matrix."""
    if min(pixel_mm) <= 0:
        raise PhotopeakError(f"{who}: PixelSpacing (0028,0030) is absent. Remedy: export the scan with its pixel size.")
    low, high = PIXEL_MM
    usual = all(low <= p <= high for p in pixel_mm) and abs(pixel_mm[0] - pixel_mm[1]) <= 0.01 * pixel_mm[0]
    zoom = (1.0, 1.0) if usual else (pixel_mm[0] / USUAL_MM, pixel_mm[1] / USUAL_MM)
    height, width = (round(n * z) for n, z in zip(shape, zoom, strict=True))
    if height < SIZE[0] or width < SIZE[1]:
        raise PhotopeakError(
            f"{who}: {shape[0]} × {shape[1]} pixels of {pixel_mm[0]:.2f} × {pixel_mm[1]:.2f} mm are no whole body. "
            "Remedy: send a whole-body scan."
        )
    left = (width - 2 * SIZE[1]) // 2
    rows = np.floor((np.arange(shape[0]) + 0.5) * zoom[0] / 2).astype(np.int64)
    columns = np.floor(((np.arange(shape[1]) + 0.5) * zoom[1] - left) / 2).astype(np.int64)
    rows[rows >= SIZE[0]] = -1
    columns[(columns < 0) | (columns >= SIZE[1])] = -1
    return Places(rows, columns, zoom, left)


def _canonical(plane: Float[np.ndarray, "row column"], places: Places) -> Float[np.ndarray, "512 128"]:
    """Resampled where the pixel is unusual, then cut or padded with nothing to 1024 × 256, then summed 2 × 2."""
    if places.zoom != (1.0, 1.0):
        plane = _resampled(plane, places.zoom)
    rows, columns = 2 * SIZE[0], 2 * SIZE[1]
    fitted = np.zeros((rows, columns))
    source = plane[:rows, max(places.left, 0) : max(places.left, 0) + columns]
    start = max(-places.left, 0)
    fitted[: source.shape[0], start : start + source.shape[1]] = source
    summed: Float[np.ndarray, "512 128"] = binned(fitted[None])[0]
    return summed


def _resampled(plane: Float[np.ndarray, "row column"], zoom: tuple[float, float]) -> Float[np.ndarray, "y x"]:
    """To pixels of the usual size; counts per area stay, so the total does."""
    from scipy import ndimage

    out: Float[np.ndarray, "y x"] = ndimage.zoom(plane, zoom, order=1, grid_mode=True, mode="grid-constant")
    scaled: Float[np.ndarray, "y x"] = out * (plane.sum() / max(float(out.sum()), 1e-9))
    return scaled


def binned(values: Shaped[np.ndarray, "v h w"]) -> Shaped[np.ndarray, "v y x"]:
    """Sums over 2 × 2 pixels.

    >>> binned(np.ones((1, 4, 2), int)).tolist()
    [[[4], [4]]]
    """
    v, h, w = values.shape
    summed: Shaped[np.ndarray, "v y x"] = values.reshape(v, h // 2, 2, w // 2, 2).sum(axis=(2, 4))
    return summed
