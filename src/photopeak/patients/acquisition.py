"""How a whole-body scan is taken: camera, speed, dose, field of view, and what goes wrong.

An ``Acquisition`` holds every choice; swapping it for another one re-images the same person, which is
what a shift study does. Counts and geometry follow the EANM guideline :cite:`vandenwyngaert2016`.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Num

from photopeak.core import PhotopeakError
from photopeak.patients.body import Body

if TYPE_CHECKING:
    from photopeak.physics.planar import PlanarCamera
    from photopeak.physics.planar_geometry import Placement

Views = Float32[np.ndarray, "view row column"]
FIELD_LENGTH_MM = 387.0
"""Length of the detector along the scan."""

#: camera -> manufacturer, model, collimator of the physics table, pixel (mm), width of the useful field (mm)
CAMERAS = {
    "siemens": ("SIEMENS", "Symbia", "Siemens LEHR", 2.40, 533.0),
    "ge": ("GE MEDICAL SYSTEMS", "Millennium", "GE LEHR", 2.21, 520.0),
}


@dataclass(frozen=True)
class Motion:
    """A step of the patient during the scan: rows scanned later are moved sideways."""

    row: int
    shift_mm: float  # to the patient's left


@dataclass(frozen=True)
class Acquisition:
    """Settings of one whole-body scan. Lengths in mm unless the name says otherwise."""

    camera: str = "siemens"
    speed_cm_min: float = 12.0
    injected_mbq: float = 740.0
    delay_h: float = 3.0
    rows: int = 1024
    columns: int = 256
    pixel_mm: float | None = None  # None: the camera's own
    gap_anterior_mm: float = 50.0  # detector face to skin
    gap_posterior_mm: float = 60.0
    top_margin_mm: float = 105.0  # first image row above the crown
    scanned_above_mm: float = 60.0  # the scan starts this far above the crown and ends below the soles
    centre_offset_mm: float = 0.0  # the patient does not lie on the table's middle line
    background_per_pixel: float = 0.15  # room, septal penetration and far scatter, counts at 12 cm/min
    counts_scale: float = 1.0  # dose extravasated, retention, sensitivity of this head
    motion: tuple[Motion, ...] = ()
    column_ripple: float = 0.01  # relative spread of the flood along a row, after uniformity correction
    dead_tube_column: int | None = None  # a photomultiplier that gives 60 % of its light
    ripple_seed: int = 0

    def __post_init__(self) -> None:
        if self.camera not in CAMERAS:
            raise PhotopeakError(f"unknown camera {self.camera!r}. Remedy: use one of {', '.join(CAMERAS)}.")
        for name in ("speed_cm_min", "injected_mbq", "counts_scale"):
            if getattr(self, name) <= 0:
                raise PhotopeakError(f"{name} must be above 0, not {getattr(self, name)}.")

    @staticmethod
    def from_json(text: str) -> Acquisition:
        """Settings from a JSON object; what it leaves out has its default.

        >>> Acquisition.from_json('{"camera": "ge", "motion": [{"row": 300, "shift_mm": 12}]}').motion
        (Motion(row=300, shift_mm=12),)
        """
        values = json.loads(text)
        unknown = sorted(set(values) - {f.name for f in dataclasses.fields(Acquisition)})
        if unknown:
            raise PhotopeakError(f"an acquisition has no setting {', '.join(unknown)}.")
        steps = tuple(Motion(**step) for step in values.pop("motion", ()))
        return Acquisition(**values, motion=steps)

    @property
    def pixel(self) -> float:
        return self.pixel_mm or CAMERAS[self.camera][3]

    @property
    def field_columns(self) -> slice:
        """The columns that the detector's useful field covers; the rest of the matrix stays empty."""
        half = min(int(CAMERAS[self.camera][4] / self.pixel / 2), self.columns // 2)
        return slice(self.columns // 2 - half, self.columns // 2 + half)

    def set_up(self) -> PlanarCamera:
        """The camera of the physics, its field left wide: motion comes first, the field's edge after it."""
        from photopeak.physics.collimator import collimator
        from photopeak.physics.planar import PlanarCamera

        return PlanarCamera(
            collimator=collimator(CAMERAS[self.camera][2]),
            matrix=(self.rows, self.columns),
            pixel_mm=self.pixel,
            field_mm=(FIELD_LENGTH_MM, 10_000.0),
            speed_mm_s=self.speed_cm_min / 6.0,
            gap_mm=(self.gap_anterior_mm, self.gap_posterior_mm),
        )

    def place(self, body: Body) -> Placement:
        """The body before the camera: the crown ``top_margin_mm`` below the image's edge."""
        standing = self.set_up().place(body.mu_per_cm, body.voxel_mm, body.origin_mm)
        crown = body.origin_mm[2] + body.voxel_mm * crown_index(body)
        return dataclasses.replace(standing, top_mm=crown + self.top_margin_mm, middle_mm=self.centre_offset_mm)

    def rows_scanned(self, body: Body) -> slice:
        """From a little above the crown to a little below the lowest part of the feet."""
        first = (self.top_margin_mm - self.scanned_above_mm) / self.pixel
        length = (crown_index(body) * body.voxel_mm + self.scanned_above_mm + 40.0) / self.pixel
        return slice(max(0, int(first)), min(self.rows, int(first + length)))

    def response(self) -> Float32[np.ndarray, " columns"]:
        """Relative sensitivity of each column: a scan averages the detector along its motion.

        The uniformity correction leaves a ripple of the size of the phototubes; a failing tube of 75 mm
        lowers the columns it passes over by its share of the field's length.
        """
        ripple = np.random.Generator(np.random.Philox(self.ripple_seed)).standard_normal(12)
        profile = 1 + self.column_ripple * np.interp(np.linspace(0, 11, self.columns), np.arange(12), ripple)
        if self.dead_tube_column is not None:
            distance_mm = (np.arange(self.columns) - self.dead_tube_column) * self.pixel
            profile *= 1 - 0.4 * (75.0 / FIELD_LENGTH_MM) * np.exp(-0.5 * (distance_mm / 30.0) ** 2)
        field = np.zeros(self.columns)
        field[self.field_columns] = 1
        return (profile * field).astype(np.float32)


def crown_index(body: Body) -> int:
    """The uppermost slice that holds tissue."""
    z: int = body.mu_per_cm.shape[0] - 1
    while z > 0 and not body.mu_per_cm[z].any():
        z -= 1
    return z


def draw_acquisition(rng: np.random.Generator, motion_rate: float = 0.05, defect_rate: float = 0.01) -> Acquisition:
    """One scan as a department takes it: mostly 10–15 cm/min, mostly without accident."""
    camera = "siemens" if rng.random() < 0.7 else "ge"
    moved = rng.random() < motion_rate
    dead = rng.random() < defect_rate
    return Acquisition(
        camera=camera,
        speed_cm_min=float(rng.choice((10.0, 12.0, 14.0, 15.0), p=(0.15, 0.55, 0.15, 0.15))),
        injected_mbq=float(np.clip(rng.normal(740, 45), 555, 925)),
        delay_h=float(np.clip(rng.normal(3.0, 0.35), 2.0, 4.5)),
        gap_anterior_mm=float(np.clip(rng.normal(50, 12), 20, 90)),
        gap_posterior_mm=float(np.clip(rng.normal(60, 6), 40, 80)),
        top_margin_mm=float(rng.uniform(80, 150)),
        scanned_above_mm=float(rng.uniform(25, 70)),
        centre_offset_mm=float(rng.normal(0, 7)),
        background_per_pixel=float(rng.uniform(0.03, 0.25)),
        counts_scale=float(np.exp(rng.normal(0, 0.12))),
        motion=(Motion(int(rng.integers(150, 800)), float(rng.choice((-1, 1)) * rng.uniform(5, 25))),) if moved else (),
        column_ripple=float(rng.uniform(0.004, 0.015)),
        dead_tube_column=int(rng.integers(60, 196)) if dead else None,
        ripple_seed=int(rng.integers(2**31)),
    )


def record(mean: Views, acquisition: Acquisition, rows: slice) -> Views:
    """Expected counts as this scan records them: motion, scanned rows, field of view, uniformity, background."""
    out = np.zeros_like(mean)
    dwell = 12.0 / acquisition.speed_cm_min
    lit = smeared(mean, acquisition)[:, rows] + np.float32(acquisition.background_per_pixel * dwell)
    out[:, rows] = lit * (acquisition.response() * np.float32(acquisition.counts_scale))
    return out


def smeared(mean: Views, acquisition: Acquisition) -> Views:
    """Expected counts of a patient who stepped aside during the scan.

    The detector sees a row for as long as its length takes to pass: rows that lie under it at the moment
    of the step are recorded partly before and partly after it, in linear proportion over that length.
    """
    length = FIELD_LENGTH_MM / acquisition.pixel
    out = mean
    for step in acquisition.motion:
        after = np.clip((np.arange(mean.shape[1]) - step.row) / length + 0.5, 0, 1).astype(np.float32)
        out = out + after[:, None] * (_aside(out, step, acquisition.pixel) - out)
    return out


def moved(views: Num[np.ndarray, "view row column"], acquisition: Acquisition) -> Num[np.ndarray, "view row column"]:
    """Masks of a patient who stepped aside: rows of which more than half was recorded afterwards move."""
    out = views
    for step in acquisition.motion:
        out = np.concatenate([out[:, : step.row], _aside(out[:, step.row :], step, acquisition.pixel)], axis=1)
    return out


def _aside(
    views: Num[np.ndarray, "view row column"], step: Motion, pixel_mm: float
) -> Num[np.ndarray, "view row column"]:
    """Views moved sideways by whole pixels: the patient's left is to the right in front and to the left behind."""
    pixels = round(step.shift_mm / pixel_mm)
    return np.stack([_sideways(v, s * pixels) for v, s in zip(views, (1, -1)[: len(views)], strict=True)])


def _sideways(rows: Num[np.ndarray, "row column"], pixels: int) -> Num[np.ndarray, "row column"]:
    """Rows moved by whole pixels to the right, nothing coming in from the left."""
    out = np.zeros_like(rows)
    if pixels >= 0:
        out[:, pixels:] = rows[:, : rows.shape[1] - pixels]
    else:
        out[:, :pixels] = rows[:, -pixels:]
    return out
