"""What a reconstruction shows of the Jaszczak phantom: rods resolved, contrast of cold spheres, uniformity, rings.

With means over discs as wide as a rod (R on rods, G in the gaps amid three of them, over all slices of the rods), as
wide as a sphere (S on it, B on its ring in uniform slices, SD their standard deviation), and with p(r) the mean of
uniform slices at the distance r from the axis and p̄(r) the same smoothed along r,

    rods:      contrast (G − R) / G,    resolved where G − R exceeds ``SURE`` of its standard errors and contrast
               ``LEAST`` per cent
    spheres:   contrast 1 − S / B,      contrast to noise (CNR) (B − S) / SD
    uniform:   integral 100 (max − min) / (max + min) after the nine-point filter, within ``FIELD`` of the radius
    rings:     the greatest |p / p̄ − 1|, and by how many of its standard errors

Nothing of where it lies is stated: the axis, which end holds the rods, how they and the spheres are turned are found.
Sectors of real phantoms stand a few millimetres farther in or out than drawn: each is moved along its middle by up to
``SHIFT_MM`` to where its contrast is greatest, which noise alone would make a little above 0.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float, Num
from scipy import ndimage

from photopeak.core import Measurement, PhotopeakError
from photopeak.quantify.camera_quality import Checked, integral_percent, smoothed
from photopeak.quantify.jaszczak_geometry import (
    INSIDE_MM,
    MODELS,
    RING_MM,
    RODS_LONG_MM,
    SPHERES_AT_MM,
    Model,
    gaps_of,
    ring_of_spheres,
    rods_of,
    turned,
)
from photopeak.quantify.nema_phantom import TURNS_DEG, Volume, body_of, disc_reader, expected_ring, filled

SHIFT_MM: Final = 4.0
LEAST: Final = 5.0
SURE: Final = 3.0
FIELD: Final = 0.75
CLEAR_MM: Final = 12.0
"""What blur may carry from the phantom's ends, from rods and from spheres into slices beside them."""
FOUND: Final = 0.5
"""Correlation along the ring with what six cold spheres show, below which there are none."""

Plane = Float[np.ndarray, "y x"]


class Pose(NamedTuple):
    """Axis (mm from voxel 0), slices of the rods, of no insert, and of the spheres; angle and sense of each insert."""

    axis_mm: Float[np.ndarray, " 2"]
    rods: slice
    uniform: tuple[int, ...]
    spheres: int
    turn_deg: float
    sense: int
    first_deg: float
    spheres_sense: int


def jaszczak(
    values: Num[np.ndarray, "z y x"], spacing_mm: tuple[float, float, float], model: str = "deluxe"
) -> Checked:
    """Figures of one reconstruction, its slices across the axis."""
    if model not in MODELS:
        raise PhotopeakError(f"model {model!r} is not known. Remedy: one of {', '.join(MODELS)}.")
    image = np.asarray(values, np.float64)
    if not np.isfinite(image).all():
        raise PhotopeakError("the image holds values that are no numbers. Remedy: look at how it was made.")
    pose = located(image, spacing_mm, MODELS[model])
    rods, resolved = _rod_figures(image[pose.rods].mean(0), spacing_mm, MODELS[model], pose)
    figures = {"smallest rods resolved": resolved} if resolved.value > 0 else {}
    figures |= rods | _sphere_figures(image, spacing_mm, MODELS[model], pose)
    even = image[list(pose.uniform)].mean(0)
    figures |= _uniform_figures(even, spacing_mm, pose)
    notes = (
        f"{model}, its axis at y {pose.axis_mm[0]:.0f}, x {pose.axis_mm[1]:.0f} mm from the first voxel",
        f"thinnest rods at {round(pose.turn_deg) % 360}°, smallest sphere at {round(pose.first_deg) % 360}°, "
        f"in slice {pose.spheres}, counted from 0",
        f"{pose.rods.stop - pose.rods.start} slices of rods, {len(pose.uniform)} uniform ones",
        *(("no rods are resolved",) if resolved.value == 0 else ()),
    )
    return Checked(figures, notes, _shown(image, spacing_mm, pose), "uniform, spheres; rods, along the axis")


def located(image: Volume, spacing_mm: tuple[float, float, float], model: Model) -> Pose:
    """Where the phantom lies, or the refusal that says what was not found."""
    step, body = np.array(spacing_mm), body_of(image)
    area = body.sum((1, 2)) * step[1] * step[2]
    inside = np.flatnonzero(area > 0.5 * np.pi / 4.0 * INSIDE_MM**2)
    if len(inside) * step[0] < 100.0 or area.max() > 1.5 * np.pi / 4.0 * INSIDE_MM**2:
        raise PhotopeakError(
            f"no cylinder of {INSIDE_MM:g} mm is in this image. "
            "Remedy: give a reconstruction of the Jaszczak phantom, slices across its axis."
        )
    low, high = int(inside[0]), int(inside[-1]) + 1
    axis = np.mean([ndimage.center_of_mass(filled(body[z])) for z in range(low, high)], 0) * step[1:]
    top, towards = _end_of_rods(image[low:high], step, axis)
    top += low
    reach = [round(mm / step[0]) for mm in (RODS_LONG_MM - CLEAR_MM, CLEAR_MM)]
    ends = sorted((top - towards * reach[0], top - towards * reach[1]))
    rods = slice(max(low + reach[1], ends[0]), min(high - reach[1], ends[1] + 1))
    spheres, first, spheres_sense = _ring(image, step, axis, (model, top, towards))
    clear = 0.5 * model.spheres_mm[-1] + CLEAR_MM
    away = {z: towards * (z - top) * step[0] for z in range(low + reach[1], high - reach[1])}
    uniform = tuple(z for z, d in away.items() if d >= CLEAR_MM and abs(z - spheres) * step[0] >= clear)
    if rods.stop - rods.start < 3 or not uniform:
        raise PhotopeakError("the phantom is cut off. Remedy: give all its slices, rods and uniform part.")
    turn, sense = _turn(image[rods].mean(0), step, axis, model)
    return Pose(axis, rods, uniform, spheres, turn, sense, first, spheres_sense)


def _end_of_rods(image: Volume, step: Float[np.ndarray, " 3"], axis: Float[np.ndarray, " 2"]) -> tuple[int, int]:
    """The slice in which rods end, and +1 or −1, the way along z from there to the spheres: rods take up water."""
    y, x = (np.arange(n) * s - a for n, s, a in zip(image.shape[1:], step[1:], axis, strict=True))
    level = image[:, np.hypot(y[:, None], x) < 0.4 * INSIDE_MM].mean(1)
    edge = max(1, round(CLEAR_MM / step[0]))  # what blurs into the air at both ends
    splits = np.arange(2 * edge, len(level) - 2 * edge)
    steps = np.array([level[k:-edge].mean() - level[edge:k].mean() for k in splits])
    weight = np.sqrt((splits - edge) * (len(level) - edge - splits))
    best = int(np.abs(steps * weight).argmax())
    if abs(steps[best]) < 0.05 * level.mean():
        raise PhotopeakError("no end of the phantom holds rods. Remedy: give the whole phantom with its rods.")
    return int(splits[best]), 1 if steps[best] > 0 else -1


def _ring(
    image: Volume, step: Float[np.ndarray, " 3"], axis: Float[np.ndarray, " 2"], of: tuple[Model, int, int]
) -> tuple[int, float, int]:
    """Slice of the spheres, angle of the smallest and sense, where the ring looks most as cold spheres would."""
    model, top, towards = of
    t = np.deg2rad(TURNS_DEG)
    wanted = {sense: expected_ring(model.spheres_mm, RING_MM, sense, -np.ones(6)) for sense in (1, -1)}
    best, found = -1.0, None
    smooth = ndimage.gaussian_filter(image, 2.5 / step)
    usual = SPHERES_AT_MM - RODS_LONG_MM
    for mm in np.arange(usual - 20.0, usual + 20.0, step[0]):
        z = top + towards * round(mm / step[0])
        if not 0 <= z < len(image):
            continue
        at = np.stack([(axis[0] + RING_MM * np.sin(t)) / step[1], (axis[1] + RING_MM * np.cos(t)) / step[2]])
        ring = ndimage.map_coordinates(smooth[z], at, order=1, mode="nearest")
        ring = ring - ring.mean()
        for sense, shape in wanted.items():
            alike = np.fft.irfft(np.fft.rfft(ring) * np.conj(np.fft.rfft(shape)), len(t))
            k = int(alike.argmax())
            if alike[k] > best and alike[k] > FOUND * np.linalg.norm(ring):
                best, found = float(alike[k]), (z, float(TURNS_DEG[k]), sense)
    if found is None:
        raise PhotopeakError("no ring of six cold spheres is in this image. Remedy: give the whole phantom.")
    return found


def _turn(
    plane: Plane, step: Float[np.ndarray, " 3"], axis: Float[np.ndarray, " 2"], model: Model
) -> tuple[float, int]:
    """Angle of the thinnest rods' sector and sense, at which the three thickest sectors' rods stand out most."""
    smooth = ndimage.gaussian_filter(plane, 1.5 / step[1:])
    best, found = -np.inf, (0.0, 1)
    turns = np.arange(0.0, 360.0, 0.5)
    for sense in (1, -1):
        score = np.zeros(len(turns))
        for k, d in list(enumerate(model.rods_mm))[3:]:
            for places, sign in ((rods_of(d), -1.0), (gaps_of(d), 1.0)):
                at = np.stack([turned(places, turn + sense * 60.0 * k) for turn in turns]) + axis
                values = ndimage.map_coordinates(smooth, (at / step[1:]).transpose(2, 0, 1), order=1, mode="nearest")
                score += sign * values.mean(1)
        if score.max() > best:
            best, found = float(score.max()), (float(turns[int(score.argmax())]), sense)
    return found


def _rod_figures(
    plane: Plane, spacing_mm: tuple[float, float, float], model: Model, pose: Pose
) -> tuple[dict[str, Measurement], Measurement]:
    """Contrast of every sector; and the smallest diameter that is resolved with all larger ones, 0 if none."""
    read = disc_reader(plane[None], (1.0, *spacing_mm[1:]), model.rods_mm[-1])
    figures, resolved, broken = {}, 0.0, False
    for k, d in reversed(list(enumerate(model.rods_mm))):
        best = (-np.inf, 0.0)
        angle, most = pose.turn_deg + pose.sense * 60.0 * k, min(SHIFT_MM, 0.5 * d)
        for shift in np.linspace(-most, most, 9):
            rods, gaps = (
                read(0.0, turned(places(d, float(shift)), angle) + pose.axis_mm, d) for places in (rods_of, gaps_of)
            )
            contrast = 100.0 * float(1.0 - rods.mean() / gaps.mean())
            error = float(np.sqrt(rods.var(ddof=1) / len(rods) + gaps.var(ddof=1) / len(gaps)))
            best = max(best, (contrast, 100.0 * error / float(gaps.mean())))
        figures[f"rod contrast, {d:g} mm"] = Measurement(best[0], "%", best[1])
        broken = broken or not (best[0] > LEAST and best[0] > SURE * best[1])
        resolved = resolved if broken else d
    return dict(reversed(figures.items())), Measurement(resolved, "mm")


def _sphere_figures(
    image: Volume, spacing_mm: tuple[float, float, float], model: Model, pose: Pose
) -> dict[str, Measurement]:
    read, figures = disc_reader(image, spacing_mm, model.spheres_mm[-1]), {}
    z, centres = pose.spheres * spacing_mm[0], ring_of_spheres(pose.first_deg, pose.spheres_sense)
    around = np.concatenate([ring_of_spheres(turn, 1) for turn in (0.0, 30.0)])
    for centre, d in zip(centres, model.spheres_mm, strict=True):
        b = np.concatenate([read(k * spacing_mm[0], around + pose.axis_mm, d) for k in pose.uniform])
        s = float(read(z, centre[None] + pose.axis_mm, d)[0])
        figures[f"sphere contrast, {d:g} mm"] = Measurement(100.0 * (1.0 - s / float(b.mean())), "%")
        noise = float(b.std(ddof=1))
        if noise > 0.0:
            figures[f"sphere CNR, {d:g} mm"] = Measurement((float(b.mean()) - s) / noise, "1")
    return figures


def _uniform_figures(even: Plane, spacing_mm: tuple[float, float, float], pose: Pose) -> dict[str, Measurement]:
    y, x = (np.arange(n) * s - a for n, s, a in zip(even.shape, spacing_mm[1:], pose.axis_mm, strict=True))
    radius = np.hypot(y[:, None], x)
    field = radius < FIELD * 0.5 * INSIDE_MM
    figures = {
        "integral uniformity": Measurement(integral_percent(smoothed(even, field)[field]), "%"),
        "noise of a pixel": Measurement(100.0 * float(even[field].std() / even[field].mean()), "%"),
    }
    width = max(spacing_mm[1:])
    ring = (radius[field] / width).astype(int)
    counts, total = np.bincount(ring), np.bincount(ring, even[field])
    spread = np.bincount(ring, even[field] ** 2) / counts - (total / counts) ** 2
    mean, kept = total / counts, counts >= 6  # the innermost have next to no pixels
    trend = np.array([mean[max(0, k - 2) : k + 3] @ counts[max(0, k - 2) : k + 3] for k in range(len(mean))])
    trend /= [counts[max(0, k - 2) : k + 3].sum() for k in range(len(mean))]
    off = np.where(kept, np.abs(mean / trend - 1.0), 0.0)
    worst = int(off.argmax())
    error = float(np.sqrt(max(spread[worst], 0.0) / counts[worst]) / trend[worst])
    figures["greatest ring"] = Measurement(100.0 * float(off[worst]), "%", 100.0 * error)
    middle, rim = even[radius < 20.0].mean(), even[field & (radius > FIELD * 0.5 * INSIDE_MM - 15.0)].mean()
    figures["middle over rim"] = Measurement(float(middle / rim), "1")
    return figures


def _shown(image: Volume, spacing_mm: tuple[float, float, float], pose: Pose) -> Float[np.ndarray, "row column"]:
    """Uniform slices and the spheres' above, rods and a cut along the axis below, of one size."""
    y, x = (round(a / s) for a, s in zip(pose.axis_mm, spacing_mm[1:], strict=True))
    half = [int(0.56 * INSIDE_MM / s) for s in spacing_mm]
    planes = [image[list(pose.uniform)].mean(0), image[pose.spheres], image[pose.rods].mean(0)]
    cut = [np.pad(p, ((half[1], half[1]), (half[2], half[2])))[y : y + 2 * half[1] + 1, x : x + 2 * half[2] + 1]
           for p in planes]  # fmt: skip
    middle = 0.5 * (pose.spheres + 0.5 * (pose.rods.start + pose.rods.stop))
    rows = middle + np.linspace(-half[0], half[0], 2 * half[1] + 1)
    columns = np.arange(x - half[2], x + half[2] + 1.0)
    at = np.meshgrid(rows, columns, indexing="ij")
    cut.append(ndimage.map_coordinates(image[:, y], np.stack(at), order=1))
    return np.asarray(np.block([[cut[0], cut[1]], [cut[2], cut[3]]]))
