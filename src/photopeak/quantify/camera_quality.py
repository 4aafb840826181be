"""Quality control of a gamma camera: uniformity, linearity, resolution, centre of rotation, sensitivity.

Procedures follow the NEMA standard for gamma cameras :cite:`nema2018`, where it has one: what is not as the
standard asks (too few counts, another pixel) is said beside the figure and never silently accepted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Num
from scipy import ndimage, signal

from photopeak.core import Measurement, PhotopeakError

PIXEL_MM: Final = (6.4 * 0.7, 6.4 * 1.3)
CENTRAL_COUNTS: Final = 10_000
SMOOTH: Final = np.array([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]])
SLICE_MM: Final = 30.0
CENTRAL: Final = 0.75
TENTH_PER_HALF: Final = 1.823
"""Full width at a tenth over that at half of a Gaussian."""

Flood = Float[np.ndarray, "row column"]


@dataclass(frozen=True, eq=False)
class Checked:
    """Figures with what qualifies them, and the picture to show beside them."""

    figures: dict[str, Measurement]
    notes: tuple[str, ...]
    shown: Num[np.ndarray, "row column"]
    caption: str


def uniformity(counts: Num[np.ndarray, "row column"], pixel_mm: float) -> Checked:
    """Integral and differential uniformity of the useful and the central field of a flood image."""
    times = max(1, round(6.4 / pixel_mm))
    image, edge = rebinned(counts, times), pixel_mm * times
    notes = []
    if not PIXEL_MM[0] <= edge <= PIXEL_MM[1]:
        notes.append(f"pixels of {edge:.2f} mm; the standard asks for {PIXEL_MM[0]:.1f} to {PIXEL_MM[1]:.1f} mm")
    field, centre = useful_field(image)
    inner = central(field)
    if centre < CENTRAL_COUNTS:
        notes.append(
            f"{centre:.0f} counts in a central pixel, the standard asks for {CENTRAL_COUNTS}: "
            f"counting noise alone makes about {noise_percent(centre, int(field.sum())):.1f} % of such a figure"
        )
    smooth = smoothed(image, field)
    figures = {}
    for name, where in (("useful field", field), ("central field", inner)):
        figures[f"integral uniformity, {name}"] = Measurement(integral_percent(smooth[where]), "%")
        figures[f"differential uniformity, {name}"] = Measurement(differential(smooth, where), "%")
    figures["counts"] = Measurement(float(counts.sum(dtype=np.float64)), "{counts}")
    shown = np.where(field, smooth / smooth[field].mean() - 1.0, 0.0) * 100.0
    return Checked(figures, tuple(notes), shown, "deviation from the mean, %")


def rebinned(counts: Num[np.ndarray, "row column"], times: int) -> Float[np.ndarray, "rows columns"]:
    """Sums of ``times`` × ``times`` pixels; rows and columns left over at the end are dropped."""
    rows, columns = (n // times for n in counts.shape)
    blocks = counts[: rows * times, : columns * times].astype(np.float64).reshape(rows, times, columns, times)
    return np.asarray(blocks.sum((1, 3)))


def useful_field(image: Flood) -> tuple[Bool[np.ndarray, "row column"], float]:
    """Pixels of the useful field, and the mean counts of its middle.

    Pixels below three quarters of the middle's mean are outside, and so is their every neighbour.
    """
    rows, columns = (np.flatnonzero(image.sum(axis) > 0) for axis in (1, 0))
    if not len(rows):
        raise PhotopeakError("the flood image is empty. Remedy: give an image of a uniform source.")
    r, c = (rows[0] + rows[-1]) // 2, (columns[0] + columns[-1]) // 2
    h, w = max(1, len(rows) // 4), max(1, len(columns) // 4)
    centre = float(image[r - h : r + h + 1, c - w : c + w + 1].mean())
    field = ndimage.binary_erosion(image >= 0.75 * centre)
    label, n = ndimage.label(field)
    if n == 0 or label[r, c] == 0:
        raise PhotopeakError("no uniform field is in the image. Remedy: give an image of a uniform source.")
    return np.asarray(label == label[r, c]), centre


def central(field: Bool[np.ndarray, "row column"]) -> Bool[np.ndarray, "row column"]:
    """The central field: the useful one, shrunk to three quarters about its middle."""
    rows, columns = np.nonzero(field)
    middle = (0.5 * (rows.min() + rows.max()), 0.5 * (columns.min() + columns.max()))
    y, x = np.indices(field.shape)
    at = np.rint([middle[0] + (y - middle[0]) / CENTRAL, middle[1] + (x - middle[1]) / CENTRAL]).astype(int)
    inside = (at >= 0).all(0) & (at[0] < field.shape[0]) & (at[1] < field.shape[1])
    out = np.zeros(field.shape, np.bool_)
    out[inside] = field[at[0][inside], at[1][inside]]
    return np.asarray(out & field)


def smoothed(image: Flood, field: Bool[np.ndarray, "row column"]) -> Flood:
    """The nine-point filter, with weights of the pixels inside the field alone."""
    weight = ndimage.convolve(field.astype(float), SMOOTH, mode="constant")
    summed = ndimage.convolve(np.where(field, image, 0.0), SMOOTH, mode="constant")
    return np.asarray(np.where(field, summed / np.maximum(weight, 1e-9), 0.0))


def differential(smooth: Flood, where: Bool[np.ndarray, "row column"]) -> float:
    """The greatest uniformity figure of any five neighbours in a row or a column."""
    worst = 0.0
    for image, field in ((smooth, where), (smooth.T, where.T)):
        for k in range(image.shape[1] - 4):
            five, inside = image[:, k : k + 5], field[:, k : k + 5].all(1)
            if inside.any():
                high, low = five[inside].max(1), five[inside].min(1)
                worst = max(worst, float((100.0 * (high - low) / (high + low)).max()))
    return worst


def integral_percent(values: Float[np.ndarray, " n"]) -> float:
    """Integral uniformity, 100 (max − min) / (max + min)."""
    return float(100.0 * (values.max() - values.min()) / (values.max() + values.min()))


def noise_percent(counts: float, pixels: int) -> float:
    """What counting alone makes of the integral uniformity of a perfect camera."""
    weights = SMOOTH / SMOOTH.sum()
    sd = math.sqrt(float((weights**2).sum()) / max(counts, 1.0))
    independent = max(2.0, pixels * float((weights**2).sum()))  # neighbours share counts
    return 100.0 * sd * math.sqrt(2.0 * math.log(independent))


def linearity(counts: Num[np.ndarray, "row column"], pixel_mm: float) -> Checked:
    """Absolute and differential linearity from parallel lines, along or across the image.

    Lines are found in slices of 30 mm and fitted by an ideal grid x_ij = a + b i + c y_j. Absolute linearity is the
    greatest distance from it, differential the standard deviation of neighbouring lines' separations.
    """
    image, upright = _lines_upright(counts)
    half = max(1, round(SLICE_MM / pixel_mm / 2))
    found = []
    for middle in range(half, image.shape[0] - half + 1, 2 * half):
        peaks = line_places(image[middle - half : middle + half].sum(0), pixel_mm)
        found.append((middle * pixel_mm, peaks))
    most = max((len(p) for _, p in found), default=0)
    whole = [(y, p) for y, p in found if len(p) == most]
    if most < 3 or len(whole) < 3:
        raise PhotopeakError("fewer than three lines in three slices are seen. Remedy: give an image of a slit mask.")
    x = np.array([p for _, p in whole])
    y = np.array([[at] * most for at, _ in whole])
    i = np.broadcast_to(np.arange(most), x.shape)
    terms = np.stack([np.ones(x.size), i.ravel(), y.ravel() - y.mean()], 1)
    fit, *_ = np.linalg.lstsq(terms, x.ravel(), rcond=None)
    off = x.ravel() - terms @ fit
    separations = np.diff(x, axis=1)
    figures = {
        "absolute linearity": Measurement(float(np.abs(off).max()), "mm"),
        "differential linearity": Measurement(float(separations.std()), "mm"),
        "distance of lines": Measurement(float(fit[1] * math.cos(math.atan(fit[2]))), "mm"),
        "tilt of lines": Measurement(math.degrees(math.atan(fit[2])), "deg"),
    }
    along = "columns" if upright else "rows"
    note = f"{most} lines along {along} in {len(whole)} slices of {SLICE_MM:g} mm"
    dropped = len(found) - len(whole)
    notes = (note, f"{dropped} slices that show fewer lines are left out") if dropped else (note,)
    return Checked(figures, notes, off.reshape(x.shape), "distance of each line from its place, mm")


def _lines_upright(counts: Num[np.ndarray, "row column"]) -> tuple[Float[np.ndarray, "_ _"], bool]:
    """The image turned so that lines run along columns, and whether they did."""
    image = counts.astype(np.float64)
    across = [np.diff(image.sum(axis)).std() for axis in (0, 1)]
    upright = across[0] >= across[1]
    return (image if upright else image.T), bool(upright)


def line_places(profile: Float[np.ndarray, " column"], pixel_mm: float) -> list[float]:
    """Where lines cross a profile, in mm: the centroid of each one's upper half."""
    smooth = ndimage.gaussian_filter1d(profile, 1.0)
    if smooth.max() <= 0:
        return []
    peaks, _ = signal.find_peaks(smooth, height=0.3 * float(np.percentile(smooth[smooth > 0], 99)), distance=4)
    places = []
    for p in peaks:
        reach = max(2, round(half_width(smooth, int(p))))
        low, high = max(0, p - reach), min(len(profile), p + reach + 1)
        part = np.clip(profile[low:high] - 0.5 * smooth[p], 0.0, None)
        if part.sum() > 0:
            places.append(float((np.arange(low, high) * part).sum() / part.sum() * pixel_mm))
    return places


def half_width(profile: Float[np.ndarray, " column"], peak: int, level: float = 0.5) -> float:
    """Full width of a peak at a level of its height, in pixels, by linear interpolation; NaN where it does not fall."""
    aim, ends = level * profile[peak], []
    for step in (-1, 1):
        k = peak
        while 0 < k < len(profile) - 1 and profile[k] > aim:
            k += step
        if profile[k] > aim:
            return math.nan
        ends.append(k - step * (aim - profile[k]) / max(profile[k - step] - profile[k], 1e-12))
    return float(ends[1] - ends[0])


def resolution(counts: Num[np.ndarray, "row column"], pixel_mm: float) -> Checked:
    """FWHM and FWTM of line sources: the mean over lines and slices of 30 mm.

    The height of a peak is that of a parabola through its three highest pixels.
    """
    image, upright = _lines_upright(counts)
    half = max(1, round(SLICE_MM / pixel_mm / 2))
    widths: list[tuple[float, float]] = []
    for middle in range(half, image.shape[0] - half + 1, 2 * half):
        profile = image[middle - half : middle + half].sum(0)
        if profile.sum() < 0.2 * image.sum() * 2 * half / image.shape[0]:
            continue
        peaks, _ = signal.find_peaks(profile, height=0.4 * profile.max(), distance=max(3, round(15.0 / pixel_mm)))
        for p in peaks:
            widths.append(_widths(profile, int(p)))
    good = np.array([w for w in widths if all(map(math.isfinite, w))]) * pixel_mm
    if len(good) < 3:
        raise PhotopeakError("fewer than three slices show a line. Remedy: give an image of a line source.")
    apart = np.abs(good[:, 0] - np.median(good[:, 0]))
    usual = apart <= 5.0 * max(float(np.median(apart)), 0.05 * pixel_mm)
    if usual.sum() < 0.7 * len(good):
        raise PhotopeakError("what is seen are no straight lines. Remedy: give an image of one or more line sources.")
    left_out, good = int((~usual).sum()), good[usual]
    figures = {
        "FWHM": Measurement(float(good[:, 0].mean()), "mm", float(good[:, 0].std(ddof=1))),
        "FWTM": Measurement(float(good[:, 1].mean()), "mm", float(good[:, 1].std(ddof=1))),
    }
    notes = [f"{len(good)} profiles of lines along {'columns' if upright else 'rows'}"]
    if left_out:
        notes.append(f"{left_out} profiles left out, which are unlike the others: ends and kinks of the sources")
    if figures["FWHM"].value < 5.0 * pixel_mm:
        notes.append(f"{figures['FWHM'].value / pixel_mm:.1f} pixels a FWHM; the standard asks for at least 10")
    ratio = figures["FWTM"].value / figures["FWHM"].value
    if ratio > 1.15 * TENTH_PER_HALF:
        notes.append(f"tails: FWTM is {ratio:.2f} times FWHM, a Gaussian's is {TENTH_PER_HALF:.2f}")
    return Checked(figures, tuple(notes), counts, "counts")


def _widths(profile: Float[np.ndarray, " column"], peak: int) -> tuple[float, float]:
    if not 0 < peak < len(profile) - 1:
        return math.nan, math.nan
    a, b, c = profile[peak - 1 : peak + 2]
    bend = a - 2.0 * b + c
    top = b - (c - a) ** 2 / (8.0 * bend) if bend < 0 else b
    scale = top / profile[peak]
    return half_width(profile, peak, 0.5 * scale), half_width(profile, peak, 0.1 * scale)


def centre_of_rotation(
    counts: Num[np.ndarray, "angle row column"], angles_deg: Float[np.ndarray, " angle"], pixel_mm: float
) -> Checked:
    """Offset of the axis of rotation from the image's middle, from the path of a point source.

    Its centroid follows u(θ) = u₀ + a cos θ + b sin θ; u₀ is the offset, what is left the deviation.
    """
    image = counts.astype(np.float64)
    level = 0.1 * image.max((1, 2), keepdims=True)
    image = np.clip(image - level, 0.0, None)
    if (image.sum((1, 2)) <= 0).any():
        raise PhotopeakError("a projection shows no source. Remedy: give projections of one point source.")
    rows, columns = np.indices(image.shape[1:])
    u = (image * columns).sum((1, 2)) / image.sum((1, 2)) - 0.5 * (image.shape[2] - 1)
    v = (image * rows).sum((1, 2)) / image.sum((1, 2))
    t = np.deg2rad(angles_deg)
    terms = np.stack([np.ones_like(t), np.cos(t), np.sin(t)], 1)
    fit, *_ = np.linalg.lstsq(terms, u, rcond=None)
    rest = u - terms @ fit
    figures = {
        "centre of rotation, offset": Measurement(float(fit[0] * pixel_mm), "mm"),
        "centre of rotation, greatest deviation": Measurement(float(np.abs(rest).max() * pixel_mm), "mm"),
        "axial deviation": Measurement(float(np.abs(v - v.mean()).max() * pixel_mm), "mm"),
        "distance of the source from the axis": Measurement(float(math.hypot(fit[1], fit[2]) * pixel_mm), "mm"),
    }
    return Checked(figures, (f"{len(t)} projections",), counts.sum(1), "sinogram: projections and columns")


def sensitivity(
    counts: Num[np.ndarray, " ..."], seconds: float, activity_mbq: float, decayed: float, shown: int = 0
) -> Checked:
    """Counts a second for 1 MBq: what ``photopeak recon --cps-per-mbq`` asks for.

    ``decayed`` is what was left of the activity, on average over the acquisition.
    """
    if min(seconds, activity_mbq, decayed) <= 0:
        raise PhotopeakError("time, activity and what is left of it must be above 0.")
    total = float(counts.sum(dtype=np.float64))
    value = total / (seconds * activity_mbq * decayed)
    sd = math.sqrt(total) / (seconds * activity_mbq * decayed)
    figures = {"sensitivity": Measurement(value, "{counts}/s/MBq", sd)}
    notes = (f"{total:.0f} counts in {seconds:g} s of {activity_mbq * decayed:.4g} MBq; a dish, without background",)
    return Checked(figures, notes, counts.reshape(-1, *counts.shape[-2:])[shown], "counts")
