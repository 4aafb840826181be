"""A phantom before a two-headed camera: the acquisition as a camera would write it, and what was in it."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
import torch

from photopeak.core import (
    Acquisition,
    Axis,
    Detector,
    EnergyWindow,
    Grid,
    Image,
    Patient,
    Radiopharmaceutical,
    Study,
    scaling,
)
from photopeak.physics.materials import mu_per_cm
from photopeak.physics.spect import Orbit, SpectCamera

VIEWS, EDGE, N, ROWS, RADIUS, FRAME_S = 40, 8.0, 40, 12, 180.0, 20.0
FRAME = "1.2.3.4"
ACTIVITY = 40e3  # Bq/ml


class Phantom:
    """A water cylinder with a hot rod, its CT, and its projections with and without scatter."""

    def __init__(self) -> None:
        at = (np.arange(N) - (N - 1) / 2) * EDGE
        x, y = at[None, :], at[:, None]
        body = np.hypot(x, y) < 110
        rod = np.hypot(x - 50, y + 20) < 28
        slab = np.zeros(ROWS, bool)
        slab[2:10] = True
        self.activity = (slab[:, None, None] * np.where(rod, 4.0, 1.0) * body * ACTIVITY).astype(np.float32)
        self.rod, self.body = slab[:, None, None] & rod & body, slab[:, None, None] & body
        self.mu = (self.body * mu_per_cm("water", 140.511)).astype(np.float32)
        self.z0 = 700.0
        across = -0.5 * (N - 1) * EDGE
        self.grid = Grid.volume((ROWS, N, N), scaling((EDGE,) * 3, (across, across, self.z0)), FRAME)
        orbit = Orbit.circle(VIEWS, RADIUS)
        self.camera = SpectCamera(frame_s=FRAME_S)
        self.clean = self.camera.physics(self.grid, orbit, torch.from_numpy(self.mu)).operator(
            torch.from_numpy(self.activity)
        )

    def ct(self) -> Study:
        hu = np.where(self.mu > 0, 0.0, -1000.0).astype(np.float32)
        return Study({"ct": Image(hu, self.grid, "[hnsf'U]")}, Patient("P1"), Acquisition(modality="CT"))

    def tomo(self, seed: int | None = None, **changed: object) -> Study:
        """Two heads of half the angles each, with decay; counted when a seed is given."""
        half = VIEWS // 2
        angles = tuple(360.0 * i / VIEWS for i in range(VIEWS))
        labels = ("detector 1",) * half + ("detector 2",) * half
        rate = np.log(2) / (6.0072 * 3600)
        left = np.array([np.exp(-rate * FRAME_S * (i % half)) for i in range(VIEWS)])
        left *= -np.expm1(-rate * FRAME_S) / (rate * FRAME_S)
        mean = self.clean.numpy() * left[:, None, None]
        counts = (
            mean.astype(np.float32) if seed is None else np.random.default_rng(seed).poisson(mean).astype(np.uint16)
        )
        axes = (Axis("angle", VIEWS, labels, angles, "deg"), Axis("y", ROWS), Axis("x", N))
        facts = {
            "ActualFrameDuration": FRAME_S * 1000,
            "RadialPosition": [RADIUS],
            "ImagePositionPatient": [0.0, 0.0, self.z0 + (ROWS - 1) * EDGE],
            "ImageOrientationPatient": [-1.0, 0.0, 0.0, 0.0, 0.0, -1.0],
        }
        stated = {
            "modality": "NM",
            "kind": "TOMO",
            "manufacturer": "SIEMENS NM",
            "started_at": dt.datetime(2026, 3, 1, 12, 0),
            "radiopharmaceuticals": (Radiopharmaceutical("Medronate", "Tc-99m", 700.0, half_life_s=6.0072 * 3600),),
            "energy_windows": (EnergyWindow("photopeak", ((126.45, 154.55),)),),
            "detectors": (Detector("LEHR", "PARA", 0.0), Detector("LEHR", "PARA", 180.0)),
            "position": "HFS",
        } | changed
        facts |= dict(stated.pop("facts", {}))  # type: ignore[call-overload]
        acquisition = Acquisition(**stated, facts={k: v for k, v in facts.items() if v is not None})  # type: ignore[arg-type]
        grid = Grid(axes, scaling((EDGE, EDGE, 1.0)), FRAME)
        return Study({"counts": Image(counts, grid, "{counts}")}, Patient("P1"), acquisition)


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    return Phantom()
