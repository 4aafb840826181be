"""What a cardiac camera has before it: the part of a body in its field, its orbit, and what it counts.

Two heads at right angles go a quarter turn, from 45° right anterior to 45° left posterior together; zoom brings the
chest to 64 × 64 pixels. Angles are DICOM's: 225° is right anterior, 45° left posterior.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from photopeak.core import Grid, scaling
from photopeak.patients.blocks import Cut, Half, cut, halved, most_active
from photopeak.patients.body import Body
from photopeak.patients.ventricle import Shell
from photopeak.physics.nuclides import decay_during, nuclide
from photopeak.physics.spect import Orbit, SpectCamera
from photopeak.physics.spect_scatter import simulated_scatter

PIXEL_MM, MATRIX = 6.6, 64
FIELD_ROWS: Final = 58  # 383 mm of crystal along the patient
MARGIN_ROWS: Final = 6  # beyond it, from where photons still blur and scatter in
WIDE: Final = 96  # pixels across the body; the zoomed field shows the middle 64
EDGE_MM: Final = PIXEL_MM / 2.0
ENERGY_KEV: Final = 140.511
WINDOWS: Final = {"photopeak": (126.45, 154.55), "lower scatter": (108.0, 126.45)}
STARTS_DEG, ARC_DEG = (225.0, 135.0), 90.0
GAP_MM: Final = 25.0  # from the skin to the collimator
PHOTONS_A_VIEW: Final = 6_000  # followed for scatter
ROWS: Final = 2 * (FIELD_ROWS + 2 * MARGIN_ROWS)
TC99M = nuclide("Tc-99m")


@dataclass(frozen=True)
class HeartField:
    """Where the field begins, in voxels of the body (half a pixel).

    The study's frame keeps the body's z; x and y start at the axis of rotation, the middle of the whole body from
    its foremost point to its hindmost.
    """

    body: Body
    start: tuple[int, int, int]

    @staticmethod
    def around(body: Body, centre_z_mm: float) -> HeartField:
        """The field with a height in its middle."""
        solid = np.flatnonzero(body.mu_per_cm.any((0, 2)))
        y, x = int(solid[0] + solid[-1]) // 2, round(-body.origin_mm[0] / EDGE_MM)
        z = round((centre_z_mm - body.origin_mm[2]) / EDGE_MM) - ROWS // 2
        return HeartField(body, (z, y - WIDE, x - WIDE))

    def cut(self, values: Cut) -> Cut:
        """The body's values on the wide field with its margins."""
        return cut(values, self.start, (ROWS, 2 * WIDE, 2 * WIDE))

    def shown(self, values: Cut) -> Cut:
        """The camera's matrix of a wide field: what lies beside it is gone, what lies above and below was not seen."""
        aside, empty = WIDE - MATRIX, MATRIX - FIELD_ROWS
        out = np.zeros((2 * MATRIX, 2 * MATRIX, 2 * MATRIX), values.dtype)
        rows = slice(2 * MARGIN_ROWS, len(values) - 2 * MARGIN_ROWS)
        out[empty:-empty] = values[rows, aside:-aside, aside:-aside]
        return out

    @property
    def low_mm(self) -> float:
        """z of the lowest voxel of the camera's matrix."""
        first = self.start[0] + 2 * MARGIN_ROWS - (MATRIX - FIELD_ROWS)
        return self.body.origin_mm[2] + (first + 0.5) * EDGE_MM

    def volume(self, frame: str) -> Grid:
        across = -0.5 * (MATRIX - 1) * PIXEL_MM
        return Grid.volume((MATRIX,) * 3, scaling((PIXEL_MM,) * 3, (across, across, self.low_mm)), frame)

    def ct(self, frame: str) -> Grid:
        """The CT covers the whole body across, and the crystal's rows along it."""
        across = -0.5 * (2 * WIDE - 1) * EDGE_MM
        low = self.body.origin_mm[2] + (self.start[0] + 2 * MARGIN_ROWS) * EDGE_MM
        return Grid.volume((2 * FIELD_ROWS, 2 * WIDE, 2 * WIDE), scaling((EDGE_MM,) * 3, (across, across, low)), frame)

    def placed(self, shell: Shell) -> Shell:
        """A ventricle of the body in the study's frame."""
        x, y = (
            shell.centre_mm[k] - self.body.origin_mm[k] - (self.start[2 - k] + WIDE - 0.5) * EDGE_MM for k in (0, 1)
        )
        return Shell((x, y, shell.centre_mm[2]), shell.axis, shell.radius_mm, shell.length_mm, shell.base_mm)

    def labels(self) -> UInt8[np.ndarray, "z y x"]:
        """In each voxel of the camera the structure that holds the most uptake there."""
        return most_active(self.shown(self.cut(self.body.label)), self.shown(self.cut(self.body.uptake)))


def orbit(mu: Half, views: int) -> Orbit:
    """Both heads' angles one head after the other, and for each the distance that clears the body before it."""
    solid = np.any(mu > 0.05, axis=0)
    y, x = ((np.array(k) - 0.5 * (n - 1)) * EDGE_MM for k, n in zip(solid.nonzero(), solid.shape, strict=True))
    angles = tuple(start - ARC_DEG * k / views for start in STARTS_DEG for k in range(views))
    t = np.deg2rad(np.array(angles))
    reach = [float((x * s + y * c).max()) for s, c in zip(np.sin(t), np.cos(t), strict=True)]
    return Orbit(angles, tuple(round(r + GAP_MM, 1) for r in reach))


def expected_counts(
    activity: Half, mu: Half, path: Orbit, seconds: float, seed: int
) -> Float32[np.ndarray, "window view row column"]:
    """Mean counts of every window on the camera's matrix; rows beyond the crystal stay empty."""
    camera = SpectCamera(energy_kev=ENERGY_KEV, frame_s=seconds)
    fine = Grid.volume(activity.shape, scaling((EDGE_MM,) * 3))
    direct = camera.physics(fine, path, torch.from_numpy(mu)).operator(torch.from_numpy(activity)).numpy()
    primary = direct.reshape(len(direct), -1, 2, WIDE, 2).sum((2, 4))
    a, m = (torch.from_numpy(halved(x)) for x in (activity, mu))
    grid = Grid.volume((a.shape[0], a.shape[1], a.shape[2]), scaling((PIXEL_MM,) * 3))
    photons = PHOTONS_A_VIEW * len(direct)
    out = simulated_scatter(camera, grid, path, m, a, list(WINDOWS.values()), photons, seed).numpy().copy()
    out[0] += primary
    whole = np.zeros((len(WINDOWS), len(direct), MATRIX, MATRIX), np.float32)
    first, aside = (MATRIX - FIELD_ROWS) // 2, (WIDE - MATRIX) // 2
    whole[:, :, first : first + FIELD_ROWS] = out[:, :, MARGIN_ROWS:-MARGIN_ROWS, aside:-aside]
    start = seconds * np.tile(np.arange(len(direct) // 2), 2)  # the heads count at the same time
    return whole * decay_during(TC99M.half_life_s, start, seconds)[:, None, None].astype(np.float32)
