"""A tomographic acquisition as reconstruction needs it: what was counted, where the head stood, how long it took.

Rows run from the patient's head down unless the file's Image Orientation says the reverse; columns run as
``physics.spect`` has them for the angle, which is how a head sees the patient. The axis of rotation is the
line x = y = 0 of the frame of reference; z comes from the file's Image Position. Where the file has none, the
volume is centred on the axis in a frame of reference of its own, and no CT can be laid on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Num

from photopeak.core import Acquisition, Axis, Grid, Image, PhotopeakError, Study
from photopeak.core.grid import scaling
from photopeak.dicom.modules import new_uid
from photopeak.physics.collimator import COLLIMATORS, Collimator, collimator
from photopeak.physics.nuclides import decay_during, nuclide
from photopeak.physics.spect import Orbit
from photopeak.recon.scatter import Windows, windows_around

SQUARE: Final = 0.01
#: how a collimator's name begins, for the manufacturer in a file
BRANDS: Final[Mapping[str, str]] = {"SIEMENS": "Siemens", "GE ": "GE", "PHILIPS": "Philips", "ADAC": "Philips"}
Counts = Float[np.ndarray, "*gates angle row column"]


@dataclass(frozen=True, eq=False)
class Projections:
    """Counts of each window over (gates …, angle, row, column), in the order of their angles.

    ``orbit`` has the radius 0 < r only where it is known (``radius_known``). ``weights`` is what decay leaves of
    the activity at the start during each projection; ``frame_s`` is None where the file does not say.
    ``shifts`` are the patient's, in pixels on each view (rows down, columns right), where they were looked for.
    """

    counts: Mapping[str, Counts]
    gates: tuple[Axis, ...]
    grid: Grid
    orbit: Orbit
    radius_known: bool
    weights: tuple[float, ...]
    frame_s: float | None
    energy_kev: float
    widths_kev: tuple[float, float, float]
    lower_kev: tuple[float, float]
    peak_kev: tuple[float, float] | None
    collimator: Collimator | None
    shifts: Float[np.ndarray, "angle 2"] | None = None


def projections(
    study: Study, energy_kev: float | None = None, grid_name: str = "", radius_mm: float | None = None
) -> Projections:
    """Everything from a Study whose counts are tomographic; the last three state what its file does not."""
    image = _tomographic(study)
    a = study.acquisition
    axis = image.grid.axis("angle")
    angles, order = in_order(axis.values)
    energy = energy_kev or _line(a)
    windows, widths = _windows(a, image, energy)
    lower_kev = (0.0, 0.0) if windows.lower is None else a.energy_windows[windows.lower].ranges_kev[0]
    peak_kev = a.energy_windows[windows.peak].ranges_kev[0] if a.energy_windows else None
    values = _upright(_without_rotations(image), a)
    found = {"peak": windows.peak, "lower": windows.lower, "upper": windows.upper}
    has_energy = "energy" in image.grid.names
    counts = {
        name: np.take(np.asarray(values[i] if has_energy else values, np.float32), order, axis=-3)
        for name, i in found.items()
        if i is not None
    }
    radii = _radii(a, axis.size, radius_mm)
    orbit = Orbit(angles, tuple(radii[i] for i in order) if radii else 1.0)
    gates = tuple(x for x in image.grid.axes[:-2] if x.name in ("rr", "gate"))
    weights, frame_s = _decay(a, image.grid, order)
    return Projections(
        counts, gates, volume_grid(image.grid, a), orbit, bool(radii), weights, frame_s, energy, widths,
        lower_kev, peak_kev, named_collimator(a, grid_name),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Working:
    """The rows that the crystal covers, with ``margin`` rows of volume beyond them on either side.

    Rows at an edge that no window counted anything in were not covered. What lies beyond still blurs into the
    field; a volume that ended with it would have to pile that up in its last slices.
    """

    made: Projections
    first: int
    last: int
    margin: int

    @staticmethod
    def of(made: Projections, margin: int) -> Working:
        seen = sum(c.reshape(-1, *c.shape[-2:]).sum((0, 2), dtype=np.float64) for c in made.counts.values())
        covered = np.flatnonzero(seen)
        if not len(covered):
            raise PhotopeakError("all projections are empty: there is nothing to reconstruct.")
        return Working(made, int(covered[0]), int(covered[-1]) + 1, margin)

    @property
    def grid(self) -> Grid:
        """Image row 0 is the uppermost: slices count from below."""
        whole, edge = self.made.grid, self.made.grid.spacing_mm["z"]
        matrix = whole.matrix_mm
        below = whole.shape[0] - self.last - self.margin
        origin = (float(matrix[0, 3]), float(matrix[1, 3]), float(matrix[2, 3]) + below * edge)
        rows = self.last - self.first + 2 * self.margin
        return Grid.volume((rows, whole.shape[1], whole.shape[2]), scaling((edge,) * 3, origin), whole.frame)

    @property
    def covered(self) -> Float[np.ndarray, " row"]:
        """1 for rows that were measured."""
        return np.pad(np.ones(self.last - self.first, np.float32), self.margin)

    def counts(
        self, values: Float[np.ndarray, "*gates angle row column"]
    ) -> Float[np.ndarray, "gates angle rows column"]:
        """Rows of the working grid, one gate after the other."""
        padded = np.pad(
            values[..., self.first : self.last, :], [(0, 0)] * (values.ndim - 2) + [(self.margin,) * 2, (0, 0)]
        )
        return np.asarray(padded.reshape(-1, *padded.shape[-3:]), np.float32)

    def into(self, volume: Float[np.ndarray, "z y x"]) -> Float[np.ndarray, "rows y x"]:
        """A volume of the whole grid on the working one; nothing beyond it."""
        below = volume.shape[0] - self.last - self.margin
        out = np.zeros(self.grid.shape, np.float32)
        low, high = max(0, below), min(len(volume), below + len(out))
        out[low - below : high - below] = volume[low:high]
        return out

    def back(self, volume: Float[np.ndarray, "rows y x"]) -> Float[np.ndarray, "z y x"]:
        """What was measured, on the whole grid; slices that no row saw are 0."""
        out = np.zeros(self.made.grid.shape, np.float32)
        below = len(out) - self.last
        out[below : len(out) - self.first] = volume[self.margin : len(volume) - self.margin]
        return out


def _tomographic(study: Study) -> Image:
    image = study.get("counts")
    kind = study.acquisition.kind
    if not isinstance(image, Image) or kind not in ("TOMO", "GATED TOMO"):
        raise PhotopeakError(
            f"ImageType (0008,0008): the study is {kind or study.acquisition.modality or 'of no stated kind'} with "
            f"{', '.join(study) or 'nothing'}, not projections of a tomographic acquisition. "
            "Remedy: give the TOMO or GATED TOMO file as it came from the camera."
        )
    if len(image.grid.axis("angle").values) != image.grid.axis("angle").size:
        raise PhotopeakError(
            "RotationInformationSequence (0054,0052): Start Angle, Angular Step and Rotation Direction do not all "
            "stand there, so nothing says where the head stood. Remedy: export the acquisition with them."
        )
    spacing = image.grid.spacing_mm
    if abs(spacing["x"] / spacing["y"] - 1.0) > SQUARE:
        raise PhotopeakError(
            f"PixelSpacing (0028,0030): pixels of {spacing['y']:g} × {spacing['x']:g} mm are not square, and voxels "
            "are cubes. Remedy: resample the projections."
        )
    values = np.asarray(image.values)
    if not np.isfinite(values).all() or values.min() < 0:
        raise PhotopeakError("the projections hold negative or undefined counts. Remedy: give them before any filter.")
    return image


def in_order(values: tuple[float, ...]) -> tuple[tuple[float, ...], list[int]]:
    """Angles growing by less than a turn, from the end of the widest gap on, and where each one came from.

    >>> in_order((350.0, 0.0, 10.0, 340.0))
    ((340.0, 350.0, 360.0, 370.0), [3, 0, 1, 2])
    """
    turned = np.mod(np.round(np.array(values), 6), 360.0)
    order = np.argsort(turned, kind="stable")
    gaps = np.diff(turned[order], append=turned[order[0]] + 360.0)
    last = len(order) - 1 - int(np.argmax(np.round(gaps, 3)[::-1]))
    order = np.roll(order, -(last + 1))
    grown = turned[order]
    return tuple(float(a) for a in np.where(grown < grown[0], grown + 360.0, grown)), [int(i) for i in order]


def _line(a: Acquisition) -> float:
    """The nuclide's strongest line that a window holds, or its strongest where no window is stated."""
    names = {t.nuclide for t in a.radiopharmaceuticals if t.nuclide}
    if len(names) != 1:
        raise PhotopeakError(
            "RadiopharmaceuticalInformationSequence (0054,0016): "
            f"{'no nuclide' if not names else ' and '.join(sorted(names))} is stated, so the energy is not known. "
            "Remedy: --assume nuclide=Tc-99m, or --energy-kev."
        )
    lines = [energy for energy, _ in nuclide(names.pop()).lines]
    ranges = [r for w in a.energy_windows for r in w.ranges_kev]
    held = [e for e in lines if any(low < e < high for low, high in ranges)]
    if ranges and not held:
        raise PhotopeakError(
            f"EnergyWindowRangeSequence (0054,0013): no window of {ranges} keV holds a line of the nuclide "
            f"({', '.join(f'{e:g}' for e in lines[:3])} keV). Remedy: check the nuclide, or give --energy-kev."
        )
    return held[0] if held else lines[0]


def _windows(a: Acquisition, image: Image, energy_kev: float) -> tuple[Windows, tuple[float, float, float]]:
    """The indices of the windows, and the widths of lower, photopeak and upper in keV."""
    several = image.grid.axis("energy").size if "energy" in image.grid.names else 1
    if several == 1 and len(a.energy_windows) < 2:
        return Windows(0), (0.0, 0.0, 0.0)
    if len(a.energy_windows) != several:
        raise PhotopeakError(
            f"EnergyWindowInformationSequence (0054,0012) has {len(a.energy_windows)} windows, the frames {several}. "
            "Remedy: export the acquisition whole."
        )
    found = windows_around(a.energy_windows, energy_kev)
    widths = [0.0 if i is None else float(np.ptp(a.energy_windows[i].ranges_kev[0])) for i in
              (found.lower, found.peak, found.upper)]  # fmt: skip
    return found, (widths[0], widths[1], widths[2])


def _without_rotations(image: Image) -> Num[np.ndarray, " ..."]:
    names = image.grid.names
    values = np.asarray(image.values)
    return values.sum(names.index("rotation"), dtype=np.float64) if "rotation" in names else values


def _upright(values: Num[np.ndarray, " ..."], a: Acquisition) -> Num[np.ndarray, " ..."]:
    return values[..., ::-1, :] if _rows_rise(a) else values


def _rows_rise(a: Acquisition) -> bool:
    """True where rows run towards the head."""
    cosines = a.facts.get("ImageOrientationPatient")
    if not isinstance(cosines, list) or len(cosines) != 6:
        return False
    down = float(str(cosines[5]))
    if abs(down) < 0.99:
        raise PhotopeakError(
            f"ImageOrientationPatient (0020,0037) is {cosines}: the detector's columns are not along the patient, and "
            "tilted heads are not reconstructed. Remedy: give projections of an untilted head."
        )
    return down > 0


def volume_grid(grid: Grid, a: Acquisition) -> Grid:
    """Cubic voxels of the pixel's size around the axis of rotation, z up."""
    edge, rows, columns = grid.spacing_mm["x"], grid.shape[-2], grid.shape[-1]
    across = -0.5 * (columns - 1) * edge
    position = a.facts.get("ImagePositionPatient")
    if isinstance(position, list) and len(position) == 3 and grid.frame:
        z, frame = float(str(position[2])), grid.frame
        bottom = z if _rows_rise(a) else z - (rows - 1) * edge
    else:
        bottom, frame = -0.5 * (rows - 1) * edge, new_uid("frame of its own", a.series_uid, grid.frame)
    return Grid.volume((rows, columns, columns), scaling((edge, edge, edge), (across, across, bottom)), frame)


def _radii(a: Acquisition, views: int, radius_mm: float | None) -> list[float]:
    """Axis to collimator face for each angle, in the order of the file; nothing where it is not stated."""
    if radius_mm is not None:
        return [radius_mm] * views
    stated = a.facts.get("RadialPosition")
    radii = [float(str(r)) for r in stated] if isinstance(stated, list) else []
    if radii and min(radii) > 0 and views % len(radii) == 0:
        return radii * (views // len(radii)) if len(radii) < views else radii
    heads = [d.radius_mm for d in a.detectors if d.radius_mm]
    return [heads[0]] * views if heads else []


def _decay(a: Acquisition, grid: Grid, order: list[int]) -> tuple[tuple[float, ...], float | None]:
    """What is left of the activity during each projection, and how long each took, all rotations together."""
    milliseconds = a.facts.get("ActualFrameDuration")
    axis, turns = grid.axis("angle"), grid.axis("rotation").size if "rotation" in grid.names else 1
    if not isinstance(milliseconds, (int, float)) or not a.radiopharmaceuticals:
        return (1.0,) * axis.size, None
    frame_s, tracer = float(milliseconds) / 1000.0, a.radiopharmaceuticals[0]
    half_life = tracer.half_life_s or nuclide(tracer.nuclide).half_life_s
    labels = axis.labels or ("",) * axis.size
    place = [labels[:i].count(label) for i, label in enumerate(labels)]
    per_turn = max(place) + 1
    starts = np.array([[(t * per_turn + p) * frame_s for p in place] for t in range(turns)])
    left = decay_during(half_life, starts, frame_s)
    return tuple(float(left[:, i].mean()) for i in order), frame_s * turns


def named_collimator(a: Acquisition, stated: str = "") -> Collimator | None:
    """The collimator that the user names, or the one that the file does, where it is known."""
    if stated:
        return collimator(stated)
    name = next((d.collimator for d in a.detectors if d.collimator), "")
    brand = next((b for word, b in BRANDS.items() if a.manufacturer.upper().startswith(word.strip())), "")
    for candidate in (name, f"{brand} {name.upper()}"):
        if candidate in COLLIMATORS:
            return COLLIMATORS[candidate]
    return None
