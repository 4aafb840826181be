"""What a SPECT/CT camera has before it under therapy with Lu-177: its part of the body, its orbit, what it counts.

Two heads with medium-energy collimators go round along the contour; the 208 keV line is counted in a window of 20 %
with 6 % on either side for scatter. The body is imaged on voxels of half the camera's pixel. Left out: the 113 keV
line, whose photons none of these windows takes, septal penetration, and dead time, of which a camera loses a few per
cent in the first hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Float32

from photopeak.core import Axis, Detector, EnergyWindow, Grid, PhotopeakError, scaling
from photopeak.core.study import Json
from photopeak.patients.blocks import Cut, Half, cut, halved
from photopeak.patients.body import Body
from photopeak.physics.collimator import collimator
from photopeak.physics.nuclides import decay_during, nuclide
from photopeak.physics.spect import Orbit, SpectCamera
from photopeak.physics.spect_scatter import simulated_scatter

NUCLIDE: Final = "Lu-177"
ENERGY_KEV: Final = 208.37
WINDOWS: Final = {"photopeak": (187.5, 229.2), "lower scatter": (175.0, 187.5), "upper scatter": (229.2, 241.7)}
HOLES: Final = "Siemens MELP"
FIELD_MM: Final = 614.4  # the matrix
CRYSTAL_MM: Final = 384.0  # of crystal along the patient
MARGIN_MM: Final = 38.4  # beyond it, from where photons still blur and scatter in
PHOTONS_A_VIEW: Final = 6_000  # followed for scatter


@dataclass(frozen=True)
class TherapyCamera:
    """How the trunk is imaged: matrix, projections of each head, and their time."""

    matrix: int
    views: int
    seconds: float

    def __post_init__(self) -> None:
        if self.views < 1 or self.seconds <= 0:
            raise PhotopeakError(
                f"{self.views} views of {self.seconds:g} s make no acquisition. Remedy: at least one view, above 0 s."
            )

    @property
    def pixel_mm(self) -> float:
        return FIELD_MM / self.matrix

    @property
    def rows(self) -> int:
        """Rows of the matrix that the crystal covers."""
        return round(CRYSTAL_MM / self.pixel_mm)

    @property
    def margin(self) -> int:
        return round(MARGIN_MM / self.pixel_mm)

    @property
    def camera(self) -> SpectCamera:
        """The camera of the physics."""
        window = WINDOWS["photopeak"]
        return SpectCamera(
            collimator(HOLES), nuclide=NUCLIDE, energy_kev=ENERGY_KEV, window_kev=window, frame_s=self.seconds
        )

    def expected(
        self, activity: Half, mu: Half, orbit: Orbit, seed: int
    ) -> Float32[np.ndarray, "window view row column"]:
        """Mean counts of every window on the matrix; rows beyond the crystal stay empty."""
        camera, edge = self.camera, self.pixel_mm / 2.0
        fine = Grid.volume(activity.shape, scaling((edge,) * 3))
        direct = camera.physics(fine, orbit, torch.from_numpy(mu)).operator(torch.from_numpy(activity)).numpy()
        primary = direct.reshape(len(direct), -1, 2, self.matrix, 2).sum((2, 4))
        a, m = (torch.from_numpy(halved(x)) for x in (activity, mu))
        grid = Grid.volume((a.shape[0], a.shape[1], a.shape[2]), scaling((self.pixel_mm,) * 3))
        photons = PHOTONS_A_VIEW * len(direct)
        out = simulated_scatter(camera, grid, orbit, m, a, list(WINDOWS.values()), photons, seed).numpy().copy()
        out[0] += primary
        whole = np.zeros((len(WINDOWS), len(direct), self.matrix, self.matrix), np.float32)
        first = (self.matrix - self.rows) // 2
        whole[:, :, first : first + self.rows] = out[:, :, self.margin : -self.margin]
        return whole * self._left()[:, None, None].astype(np.float32)

    def _left(self) -> Float[np.ndarray, " view"]:
        """What decay leaves during each projection; the heads count at the same time."""
        start = self.seconds * np.tile(np.arange(self.views), 2)
        return decay_during(nuclide(NUCLIDE).half_life_s, start, self.seconds)

    def grid(self, orbit: Orbit, frame: str) -> Grid:
        """Of the projections of all windows."""
        heads = ("detector 1",) * self.views + ("detector 2",) * self.views
        axes = (
            Axis("energy", len(WINDOWS), tuple(WINDOWS)),
            Axis("angle", 2 * self.views, heads, orbit.angles_deg, "deg"),
            Axis("y", self.matrix),
            Axis("x", self.matrix),
        )
        return Grid(axes, scaling((self.pixel_mm, self.pixel_mm, 1.0)), frame)

    def facts(self, orbit: Orbit, low_mm: float) -> dict[str, Json]:
        """What stands in the header of the heads' way; ``low_mm`` is z of the lowest row."""
        return {
            "ActualFrameDuration": self.seconds * 1000.0,
            "RadialPosition": [round(r, 1) for r in orbit.radii_mm[: self.views]],
            "ImagePositionPatient": [0.0, 0.0, round(low_mm + (self.matrix - 1) * self.pixel_mm, 3)],
            "ImageOrientationPatient": [-1.0, 0.0, 0.0, 0.0, 0.0, -1.0],
        }

    @property
    def energy_windows(self) -> tuple[EnergyWindow, ...]:
        return tuple(EnergyWindow(name, (window,)) for name, window in WINDOWS.items())

    @property
    def detectors(self) -> tuple[Detector, ...]:
        return Detector(HOLES, "PARA", 0.0), Detector(HOLES, "PARA", 180.0)


@dataclass(frozen=True)
class TherapyField:
    """Where the field begins, in voxels of the body (half a pixel); its middle across is the axis of rotation."""

    body: Body
    camera: TherapyCamera
    start: tuple[int, int, int]

    @staticmethod
    def around(body: Body, camera: TherapyCamera, centre_mm: float) -> TherapyField:
        edge = camera.pixel_mm / 2.0
        solid = np.flatnonzero(body.mu_per_cm.any((0, 2)))
        y, x = int(solid[0] + solid[-1]) // 2, round(-body.origin_mm[0] / edge)
        z = round((centre_mm - body.origin_mm[2]) / edge) - (camera.rows + 2 * camera.margin)
        return TherapyField(body, camera, (z, y - camera.matrix, x - camera.matrix))

    def cut(self, values: Cut) -> Cut:
        """The body's values on the field with its margins."""
        c = self.camera
        return cut(values, self.start, (2 * (c.rows + 2 * c.margin), 2 * c.matrix, 2 * c.matrix))

    def inside(self, values: Cut) -> Cut:
        """Without the margins, but filled up with nothing to the camera's whole matrix."""
        c = self.camera
        empty = c.matrix - c.rows
        shown = np.zeros((2 * c.matrix, *values.shape[1:]), values.dtype)
        shown[empty:-empty] = values[2 * c.margin : -2 * c.margin]
        return shown

    @property
    def low_mm(self) -> float:
        """z of the lowest voxel of the camera's matrix."""
        c = self.camera
        first = self.start[0] + 2 * c.margin - (c.matrix - c.rows)
        return self.body.origin_mm[2] + (first + 0.5) * c.pixel_mm / 2.0

    def volume(self, frame: str) -> Grid:
        edge, n = self.camera.pixel_mm, self.camera.matrix
        across = -0.5 * (n - 1) * edge
        return Grid.volume((n, n, n), scaling((edge,) * 3, (across, across, self.low_mm)), frame)

    def ct(self, frame: str) -> Grid:
        """Over the camera's field, with voxels of half a pixel and slices of a whole one."""
        edge, n = self.camera.pixel_mm / 2.0, self.camera.matrix
        across = -0.5 * (2 * n - 1) * edge
        spacing = (edge, edge, 2.0 * edge)
        return Grid.volume((n, 2 * n, 2 * n), scaling(spacing, (across, across, self.low_mm)), frame)
