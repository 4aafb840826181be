"""A two-headed SPECT/CT camera before a head: projections, and the grids of everything that lies beside them.

Both heads go round on a circle; the matrix is 128 × 128 with pixels of 2.4 mm, a crystal of 614 mm at zoom 2. The
head is projected on voxels of the pixel's size, which average eight of those it was painted on; scatter of all orders
comes from Monte Carlo.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Num

from photopeak.core import Axis, Detector, EnergyWindow, Entry, Grid, Image, Mask, PhotopeakError, scaling
from photopeak.core.study import Json
from photopeak.patients.blocks import paired
from photopeak.patients.brain.head import EDGE_MM, SHAPE, Head
from photopeak.patients.brain.resonance import t1_weighted
from photopeak.patients.brain.structures import NAMES
from photopeak.patients.protocol import Streams
from photopeak.physics.collimator import collimator
from photopeak.physics.materials import ct_from_mu
from photopeak.physics.nuclides import decay_during, nuclide
from photopeak.physics.spect import Orbit, SpectCamera
from photopeak.physics.spect_scatter import simulated_scatter

MATRIX: Final = 128
PIXEL_MM: Final = 2.0 * EDGE_MM
MARGIN_ROWS: Final = SHAPE[0] // 2 - MATRIX  # of the neck below the field, from where photons still scatter in
PHOTONS_A_VIEW: Final = 6_000  # followed for scatter
COARSE: Final = 3  # voxels of scatter's source, in pixels
CT_NOISE_HU, LOWEST_HU = 12.0, -1024.0
CLEARANCE_MM: Final = 5.0
Volume = Num[np.ndarray, " _z _y _x"]


@dataclass(frozen=True)
class HeadSpect:
    """How a head is imaged. ``windows_kev`` has the photopeak first."""

    nuclide: str
    energy_kev: float
    windows_kev: Mapping[str, tuple[float, float]]
    seconds: float
    views: int
    radius_mm: float
    grid_name: str = "Siemens LEHR"

    def __post_init__(self) -> None:
        if self.seconds <= 0 or self.views < 1:
            raise PhotopeakError(
                f"{self.views} views of {self.seconds:g} s take no picture. Remedy: give at least one view, above 0 s."
            )

    @property
    def camera(self) -> SpectCamera:
        """The camera of the physics; the collimator acts as at this energy."""
        holes = dataclasses.replace(collimator(self.grid_name), energy_kev=self.energy_kev)
        window = next(iter(self.windows_kev.values()))
        return SpectCamera(
            holes, nuclide=self.nuclide, energy_kev=self.energy_kev, window_kev=window, frame_s=self.seconds
        )

    @property
    def orbit(self) -> Orbit:
        """The first head from the back, the second from the front, half a turn each."""
        return Orbit.circle(2 * self.views, self.radius_mm)

    def expected(
        self, activity: Float32[np.ndarray, "z y x"], mu: Float32[np.ndarray, "z y x"], seed: int
    ) -> Float32[np.ndarray, "window view row column"]:
        """Mean counts of every window, of activity (Bq/ml) and attenuation (1/cm) on voxels of the pixel's size."""
        self._check_room(mu)
        camera, orbit = self.camera, self.orbit
        grid = Grid.volume((mu.shape[0], mu.shape[1], mu.shape[2]), scaling((PIXEL_MM,) * 3))
        a, m = torch.from_numpy(activity), torch.from_numpy(mu)
        direct = camera.physics(grid, orbit, m).operator(a).numpy()
        windows = list(self.windows_kev.values())
        photons = PHOTONS_A_VIEW * len(direct)
        out = simulated_scatter(camera, grid, orbit, m, a, windows, photons, seed, COARSE).numpy().copy()
        out[0] += direct
        side = (MATRIX - out.shape[3]) // 2
        whole = np.zeros((len(windows), len(direct), MATRIX, MATRIX), np.float32)
        whole[..., side : side + out.shape[3]] = out[:, :, :MATRIX]  # image rows run down: the margin comes last
        return whole * self._left()[:, None, None].astype(np.float32)

    def _check_room(self, mu: Float32[np.ndarray, "z y x"]) -> None:
        solid: Bool[np.ndarray, "y x"] = np.any(mu[MARGIN_ROWS:] > 0.05, axis=0)
        y, x = ((np.array(k) - 0.5 * (n - 1)) * PIXEL_MM for k, n in zip(solid.nonzero(), solid.shape, strict=True))
        reach = float(np.hypot(x, y).max())
        if self.radius_mm < reach + CLEARANCE_MM:
            raise PhotopeakError(
                f"radius_mm: at {self.radius_mm:g} mm from the axis the camera would touch a head that reaches "
                f"{reach:.0f} mm. Remedy: use at least {math.ceil(reach + CLEARANCE_MM)}."
            )

    def _left(self) -> Float[np.ndarray, " view"]:
        """What decay leaves during each projection; the heads count at the same time."""
        start = self.seconds * np.tile(np.arange(self.views), 2)
        return decay_during(nuclide(self.nuclide).half_life_s, start, self.seconds)

    def grid(self, frame: str) -> Grid:
        """Of the projections of all windows."""
        heads = ("detector 1",) * self.views + ("detector 2",) * self.views
        axes = (
            Axis("energy", len(self.windows_kev), tuple(self.windows_kev)),
            Axis("angle", 2 * self.views, heads, self.orbit.angles_deg, "deg"),
            Axis("y", MATRIX),
            Axis("x", MATRIX),
        )
        return Grid(axes, scaling((PIXEL_MM, PIXEL_MM, 1.0)), frame)

    def facts(self, low_mm: float) -> dict[str, Json]:
        """What stands in the file's header of the heads' way; ``low_mm`` is z of the lowest row."""
        return {
            "ActualFrameDuration": self.seconds * 1000.0,
            "RadialPosition": [round(self.radius_mm, 1)] * self.views,
            "ImagePositionPatient": [0.0, 0.0, round(low_mm + (MATRIX - 1) * PIXEL_MM, 3)],
            "ImageOrientationPatient": [-1.0, 0.0, 0.0, 0.0, 0.0, -1.0],
        }

    @property
    def energy_windows(self) -> tuple[EnergyWindow, ...]:
        return tuple(EnergyWindow(name, (window,)) for name, window in self.windows_kev.items())

    @property
    def detectors(self) -> tuple[Detector, ...]:
        return Detector(self.grid_name, "PARA", 0.0), Detector(self.grid_name, "PARA", 180.0)


def low_mm(head: Head) -> float:
    """z of the camera's lowest row."""
    return head.origin_mm[2] + (2 * MARGIN_ROWS + 0.5) * head.edge_mm


def camera_volume(head: Head, frame: str) -> Grid:
    """The voxels of the pixel's size around the axis of rotation, as a reconstruction has them."""
    across = -0.5 * (MATRIX - 1) * PIXEL_MM
    return Grid.volume((MATRIX,) * 3, scaling((PIXEL_MM,) * 3, (across, across, low_mm(head))), frame)


def painted_volume(head: Head, frame: str) -> Grid:
    """The voxels that the head was painted on, without the margin below the field."""
    z, y, x = head.share.shape
    low = (head.origin_mm[0], head.origin_mm[1], head.origin_mm[2] + 2 * MARGIN_ROWS * head.edge_mm)
    return Grid.volume((z - 2 * MARGIN_ROWS, y, x), scaling((head.edge_mm,) * 3, low), frame)


def ct_and_mr(
    head: Head, mu: Float32[np.ndarray, "z y x"], energy_kev: float, streams: Streams, frame: str
) -> dict[str, Entry]:
    """What the same person's CT and MR show."""
    ct, grid = ct_of(head, mu, energy_kev, streams("ct"), frame)
    painted = painted_volume(head, frame)
    mr = t1_weighted(head, streams("mr"))[-painted.shape[0] :]
    return {"ct": Image(ct, grid, "[hnsf'U]"), "mr": Image(mr, painted, "1")}


def volumes_of(
    head: Head, scene: tuple[Float32[np.ndarray, " _z _y _x"], Float32[np.ndarray, " _z _y _x"]], frame: str
) -> dict[str, Entry]:
    """The truth of a ``scene`` of activity and attenuation on voxels of the pixel's size, and the structures."""
    volume, painted = camera_volume(head, frame), painted_volume(head, frame)
    label = head.label[-painted.shape[0] :]
    present = {int(k): NAMES[k] for k in np.unique(label) if k}
    return {
        "truth/activity": Image(on_the_camera(scene[0]), volume, "Bq/ml"),
        "truth/mu": Image(on_the_camera(scene[1]), volume, "1/cm"),
        "truth/regions": Mask(np.ascontiguousarray(label), painted, present),
    }


def on_the_camera(values: Float32[np.ndarray, " _z _y _x"]) -> Float32[np.ndarray, " _z _y _x"]:
    """Voxels of the pixel's size, margin included, on the camera's whole volume."""
    return _padded(values[MARGIN_ROWS:], (MATRIX, MATRIX), 0.0)


def ct_of(
    head: Head, mu: Float32[np.ndarray, "z y x"], energy_kev: float, rng: np.random.Generator, frame: str
) -> tuple[Float32[np.ndarray, " _z _y _x"], Grid]:
    """A low-dose CT: CT numbers with noise, slices of one pixel, over the camera's field."""
    thick = paired(mu[2 * MARGIN_ROWS :])
    shown = _padded(ct_from_mu(thick, energy_kev), (2 * MATRIX, 2 * MATRIX), -1000.0)
    noisy = shown + np.float32(CT_NOISE_HU) * rng.standard_normal(shown.shape, np.float32)
    across = -0.5 * (2 * MATRIX - 1) * head.edge_mm
    spacing = (head.edge_mm, head.edge_mm, PIXEL_MM)
    grid = Grid.volume(shown.shape, scaling(spacing, (across, across, low_mm(head))), frame)
    return np.maximum(noisy, np.float32(LOWEST_HU)), grid


def _padded(
    values: Float32[np.ndarray, " _z _y _x"], to: tuple[int, int], fill: float
) -> Float32[np.ndarray, " _z _y _x"]:
    """Filled up on all sides of each slice."""
    wide = [((n - m) // 2, n - m - (n - m) // 2) for m, n in zip(values.shape[1:], to, strict=True)]
    return np.pad(values, ((0, 0), *wide), constant_values=fill)
