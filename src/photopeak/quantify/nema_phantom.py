"""The image-quality phantom of NEMA NU 2: six spheres in a warm body, and a lung insert :cite:`nema2018pet`.

For a sphere of diameter j, with discs of that diameter over it and at twelve places of the background in five slices,

    hot:   Q_j = (C_j / B_j − 1) / (a − 1)          a: sphere's over background's activity concentration
    cold:  Q_j = 1 − C_j / B_j
    N_j  = SD_j / B_j,     lung residual = C_lung / B_37

with C and B mean values of discs, B_j over the sixty places and SD_j their standard deviation. The phantom is found in
the image, not assumed to lie in its middle; pixels count by the share of them that lies in a disc.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Num
from scipy import ndimage, optimize

from photopeak.core import Measurement, PhotopeakError
from photopeak.quantify.camera_quality import Checked

DIAMETERS_MM: Final = (10.0, 13.0, 17.0, 22.0, 28.0, 37.0)
RING_MM: Final = 57.2
"""From the middle to the centre of every sphere."""
LUNG_MM, LUNG_DISC_MM = 50.0, 30.0
"""Diameters of the insert, and of the disc that is read in it."""
PLACES: Final = 12
SLICES_MM: Final = (-20.0, -10.0, 0.0, 10.0, 20.0)
AWAY_MM: Final = 15.0
"""Between a disc of the background and the phantom's edge, or a sphere's."""
FINE_MM: Final = 0.5
FOUND: Final = 0.7
"""Correlation of what is seen along the ring with what six spheres would show, below which there is no phantom."""
TURNS_DEG: Final = np.arange(0.0, 360.0, 2.0)

Volume = Float[np.ndarray, "z y x"]


class Pose(NamedTuple):
    """Where the spheres lie: their plane, the ring's middle (mm from voxel 0), the smallest one's angle, the sense."""

    z_mm: float
    y_mm: float
    x_mm: float
    turn_deg: float
    sense: int

    def centres(self) -> Float[np.ndarray, "sphere 2"]:
        """(y, x) of the spheres in mm, the smallest first."""
        t = np.deg2rad(self.turn_deg + self.sense * 60.0 * np.arange(len(DIAMETERS_MM)))
        return np.stack([self.y_mm + RING_MM * np.sin(t), self.x_mm + RING_MM * np.cos(t)], 1)


def image_quality(
    values: Num[np.ndarray, "z y x"],
    spacing_mm: tuple[float, float, float],
    ratio: float,
    cold_mm: Sequence[float] = (),
) -> Checked:
    """Contrast recovery and background variability of every sphere, and the lung residual, in per cent."""
    if not ratio > 1.0:
        raise PhotopeakError(f"ratio={ratio:g}: hot spheres hold more than the background. Remedy: give, say, 4.")
    unknown = sorted(set(cold_mm) - set(DIAMETERS_MM))
    if unknown:
        raise PhotopeakError(f"no sphere has a diameter of {unknown[0]:g} mm. Remedy: {DIAMETERS_MM}.")
    image = np.asarray(values, np.float64)
    if not np.isfinite(image).all():
        raise PhotopeakError("the image holds values that are no numbers. Remedy: look at how it was made.")
    signs = np.array([-1.0 if d in cold_mm else 1.0 for d in DIAMETERS_MM])
    body = body_of(image)
    pose = located(image, body, spacing_mm, signs)
    places = _places(body, pose, spacing_mm)
    read = disc_reader(image, spacing_mm, DIAMETERS_MM[-1])
    figures = {}
    around = {d: np.concatenate([read(pose.z_mm + dz, places, d) for dz in SLICES_MM]) for d in DIAMETERS_MM}
    for centre, (d, each), sign in zip(pose.centres(), around.items(), signs, strict=True):
        seen = float(read(pose.z_mm, centre[None], d)[0] / each.mean())
        recovery = (seen - 1.0) / (ratio - 1.0) if sign > 0 else 1.0 - seen
        kind = "hot" if sign > 0 else "cold"
        figures[f"contrast recovery, {d:g} mm, {kind}"] = Measurement(100.0 * recovery, "%")
        figures[f"background variability, {d:g} mm"] = Measurement(100.0 * float(each.std(ddof=1) / each.mean()), "%")
    middle = np.array([[pose.y_mm, pose.x_mm]])
    lung = np.mean([read(pose.z_mm + dz, middle, LUNG_DISC_MM) for dz in SLICES_MM])
    figures["lung residual"] = Measurement(100.0 * float(lung / around[DIAMETERS_MM[-1]].mean()), "%")
    notes = (
        f"spheres found at z {pose.z_mm:.0f}, y {pose.y_mm:.0f}, x {pose.x_mm:.0f} mm from the first voxel, "
        f"the smallest at {pose.turn_deg % 360:.0f}°",
        f"stated ratio of activities {ratio:g}; {PLACES} places of the background in {len(SLICES_MM)} slices",
    )
    return Checked(figures, notes, image[round(pose.z_mm / spacing_mm[0])], "values of the spheres' slice")


def located(
    image: Volume,
    body: Bool[np.ndarray, "z y x"],
    spacing_mm: tuple[float, float, float],
    signs: Float[np.ndarray, " sphere"],
) -> Pose:
    """The plane, middle and turn whose ring looks most as the six spheres would."""
    step = np.array(spacing_mm)
    smooth = ndimage.gaussian_filter(image, 2.5 / step)
    wanted = {sense: expected_ring(DIAMETERS_MM, RING_MM, sense, signs) for sense in (1, -1)}
    best, found = -1.0, None
    t = np.deg2rad(TURNS_DEG)
    for z in np.flatnonzero(body.any((1, 2))):
        y, x = (c * s for c, s in zip(ndimage.center_of_mass(filled(body[z])), step[1:], strict=True))
        # The ring need not lie in the body's middle: it does across, and lies a little off it from front to back.
        for dy in np.arange(-24.0, 25.0, 6.0):
            at = np.stack(
                [np.full(len(t), z), (y + dy + RING_MM * np.sin(t)) / step[1], (x + RING_MM * np.cos(t)) / step[2]]
            )
            ring = ndimage.map_coordinates(smooth, at, order=1, mode="nearest")
            ring = ring - ring.mean()
            level = float(np.linalg.norm(ring))
            if level < 1e-9 * abs(float(smooth.max())):
                continue
            for sense, shape in wanted.items():
                alike = np.fft.irfft(np.fft.rfft(ring) * np.conj(np.fft.rfft(shape)), len(t))
                k = int(alike.argmax())
                # A slice beside the spheres' looks alike too, only fainter.
                if alike[k] > best and alike[k] / level > FOUND:
                    best, found = float(alike[k]), Pose(float(z * step[0]), y + dy, x, float(TURNS_DEG[k]), sense)
    if found is None:
        raise PhotopeakError(
            "no ring of six spheres is in this image. Remedy: give a reconstruction of the NEMA image-quality phantom, "
            "slices across its axis, and name cold spheres."
        )
    return _refined(smooth, step, found, signs)


def expected_ring(
    diameters_mm: Sequence[float], ring_mm: float, sense: int, signs: Float[np.ndarray, " sphere"]
) -> Float[np.ndarray, " turn"]:
    """What a ring shows of six spheres when the first lies at 0°, without its mean and of length 1."""
    total = np.zeros(len(TURNS_DEG))
    for j, (d, sign) in enumerate(zip(diameters_mm, signs, strict=True)):
        apart = np.deg2rad((TURNS_DEG - sense * 60.0 * j + 180.0) % 360.0 - 180.0) * ring_mm
        total += sign * min(1.0, d / 20.0) * np.exp(-0.5 * (apart / (0.35 * d + 2.0)) ** 2)
    total -= total.mean()
    return np.asarray(total / np.linalg.norm(total))


def _refined(smooth: Volume, step: Float[np.ndarray, " 3"], pose: Pose, signs: Float[np.ndarray, " sphere"]) -> Pose:
    """The pose near ``pose`` at which the spheres' middles stand out most."""
    weight = signs * np.minimum(1.0, np.array(DIAMETERS_MM) / 20.0)
    # Splines: straight lines between voxels would have their maximum on a voxel.
    splines = ndimage.spline_filter(ndimage.gaussian_filter(smooth, 4.0 / step), 3)

    def missed(v: Float[np.ndarray, " 4"]) -> float:
        moved = Pose(float(v[0]), float(v[1]), float(v[2]), float(v[3]), pose.sense)
        at = np.concatenate([np.full((len(weight), 1), moved.z_mm), moved.centres()], 1) / step
        return -float(weight @ ndimage.map_coordinates(splines, at.T, order=3, mode="nearest", prefilter=False))

    start = np.array(pose[:4])
    simplex = np.concatenate([start[None], start + np.diag([6.0, 5.0, 5.0, 4.0])])
    done = optimize.minimize(missed, start, method="Nelder-Mead", options={"initial_simplex": simplex, "xatol": 0.01})
    z, y, x, turn = (float(v) for v in done.x)
    return Pose(z, y, x, turn, pose.sense)


def body_of(image: Volume) -> Bool[np.ndarray, "z y x"]:
    """The largest part above half the background's level, which is the median of all that is not air."""
    bright = image[image > 0.1 * np.percentile(image, 99.5)]
    if not bright.size:
        raise PhotopeakError("the image is empty. Remedy: give a reconstruction of the phantom.")
    label, _ = ndimage.label(image > 0.5 * float(np.median(bright)))
    return np.asarray(label == 1 + int(np.bincount(label.ravel())[1:].argmax()))


def filled(body: Bool[np.ndarray, "y x"]) -> Bool[np.ndarray, "y x"]:
    """A slice of the body without holes."""
    return np.asarray(ndimage.binary_fill_holes(body), np.bool_) if body.any() else body


def _places(
    body: Bool[np.ndarray, "z y x"], pose: Pose, spacing_mm: tuple[float, float, float]
) -> Float[np.ndarray, "place 2"]:
    """Twelve places (y, x) for the largest disc, each as far from those before as can be."""
    step = np.array(spacing_mm)
    levels = {round((pose.z_mm + dz) / step[0]) for dz in SLICES_MM}
    if min(levels) < 0 or max(levels) >= len(body):
        raise PhotopeakError(
            f"the phantom is cut off: the background is read {SLICES_MM[-1]:g} mm before and behind the spheres. "
            "Remedy: give the whole phantom."
        )
    inside = np.logical_and.reduce([filled(body[z]) for z in levels])
    depth = ndimage.distance_transform_edt(np.pad(inside, 1), sampling=step[1:])[1:-1, 1:-1]
    y, x = (np.arange(n) * s for n, s in zip(inside.shape, step[1:], strict=True))
    free = depth >= 0.5 * DIAMETERS_MM[-1] + AWAY_MM
    taken = [*zip(pose.centres(), DIAMETERS_MM, strict=True), (np.array([pose.y_mm, pose.x_mm]), LUNG_MM)]
    for centre, d in taken:
        far = np.hypot(y[:, None] - centre[0], x - centre[1])
        free &= far >= 0.5 * d + 0.5 * DIAMETERS_MM[-1] + AWAY_MM
    open_ = np.argwhere(free) * step[1:]
    if len(open_) < PLACES:
        raise PhotopeakError("the body has no room for twelve discs of background. Remedy: give the whole phantom.")
    chosen = [open_[int(np.argmin(open_[:, 0]))]]
    while len(chosen) < PLACES:
        apart = np.min([np.hypot(*(open_ - c).T) for c in chosen], 0)
        chosen.append(open_[int(apart.argmax())])
    return np.array(chosen)


def disc_reader(
    image: Volume, spacing_mm: tuple[float, float, float], largest_mm: float
) -> Callable[[float, Float[np.ndarray, "disc 2"], float], Float[np.ndarray, " disc"]]:
    """Means over discs of one slice: z and their centres (y, x) in mm, diameter in mm, up to the largest."""
    fine = np.arange(-0.5 * largest_mm, 0.5 * largest_mm + FINE_MM, FINE_MM)
    dy, dx = (v.ravel() for v in np.meshgrid(fine, fine, indexing="ij"))
    radius = np.hypot(dy, dx)

    def means(z_mm: float, centres: Float[np.ndarray, "disc 2"], diameter_mm: float) -> Float[np.ndarray, " disc"]:
        here = radius <= 0.5 * diameter_mm
        z = round(z_mm / spacing_mm[0])
        row = np.rint((centres[:, :1] + dy[here]) / spacing_mm[1]).astype(int)
        column = np.rint((centres[:, 1:] + dx[here]) / spacing_mm[2]).astype(int)
        low, high = (z, row.min(), column.min()), (z, row.max(), column.max())
        if min(low) < 0 or any(h >= n for h, n in zip(high, image.shape, strict=True)):
            raise PhotopeakError(
                f"the phantom is cut off: a disc of {diameter_mm:g} mm at z {z_mm:.0f} mm leaves the image. "
                "Remedy: give the whole phantom."
            )
        return np.asarray(image[z, row, column].mean(1))

    return means
