"""A static planar view of a ``Scene``: what every organ protocol does after its tracer is laid."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from photopeak import __version__
from photopeak.core import (
    Acquisition,
    Detector,
    EnergyWindow,
    Entry,
    Grid,
    Image,
    Mask,
    Patient,
    Radiopharmaceutical,
    Record,
    Study,
)
from photopeak.core.study import Json
from photopeak.patients.protocol import Case, Streams
from photopeak.patients.scene import Scene
from photopeak.physics.materials import mu_per_cm
from photopeak.physics.noise import as_uint16, poisson_counts
from photopeak.physics.nuclides import nuclide
from photopeak.physics.planar import PHOTOPEAK, PlanarCamera

FIRST_DAY = dt.datetime(2025, 1, 6, 9, 30)
"""Virtual examinations happen in the two years from here on, in working hours."""


@dataclass(frozen=True)
class StaticScan:
    """How a static anterior view is taken with Tc-99m."""

    protocol: str
    agent: str
    injected_mbq: float
    minutes: float
    pixel_mm: float
    matrix: tuple[int, int]
    delay_min: float = 20.0
    women: float = 0.78
    age: tuple[float, float] = (44.0, 15.0)

    def camera(self) -> PlanarCamera:
        # A standing head: the whole field dwells for the whole time, as if it moved its length in that time.
        return PlanarCamera(
            matrix=self.matrix,
            pixel_mm=self.pixel_mm,
            field_mm=(self.minutes * 60.0, 400.0),
            speed_mm_s=1.0,
            gap_mm=(40.0, 40.0),
        )

    def acquisition(self, streams: Streams) -> Acquisition:
        start = FIRST_DAY + dt.timedelta(days=int(streams("date").integers(0, 700)))
        given = start - dt.timedelta(minutes=self.delay_min)
        return Acquisition(
            modality="NM",
            kind="STATIC",
            manufacturer="SIEMENS",
            model="Symbia",
            description=f"{self.protocol.capitalize()} scintigraphy, simulated",
            started_at=start,
            duration_s=self.minutes * 60.0,
            radiopharmaceuticals=(
                Radiopharmaceutical(self.agent, "Tc-99m", self.injected_mbq, given, nuclide("Tc-99m").half_life_s),
            ),
            energy_windows=(EnergyWindow("photopeak", (PHOTOPEAK.range_kev,)),),
            detectors=(Detector("LEHR", "PARA", 180.0),),  # in front: DICOM counts from the back,
        )

    def patient(self, streams: Streams) -> Patient:
        rng = streams("person")
        sex = "F" if rng.random() < self.women else "M"
        age = float(int(np.clip(rng.normal(*self.age), 18, 88)))
        name = f"{self.protocol}-{streams.seed}-{streams.patient:05d}"
        return Patient(name, "PHOTOPEAK", f"Virtual^{streams.patient:05d}", sex, age_years=age)


def static_case(
    scan: StaticScan,
    scene: Scene,
    streams: Streams,
    truth: Mapping[str, Entry],
    facts: dict[str, Json],
    references: tuple[str, ...],
) -> Case:
    """Image a scene, count its photons, and put the truth beside it."""
    expected, regions = scene.image(scan.camera(), scan.injected_mbq, mu_per_cm("muscle", 140.5))
    grid = Grid.planar(("anterior",), scan.matrix, (scan.pixel_mm, scan.pixel_mm))
    entries: dict[str, Entry] = {
        "counts": Image(as_uint16(poisson_counts(expected, streams("counts"))), grid, "{counts}"),
        "truth/regions": Mask(regions, grid, dict(enumerate(scene.names, 1))),
        **truth,
    }
    done = Record(f"simulate {scan.protocol}", __version__, facts, tuple(entries), references)
    patient = scan.patient(streams)
    study = Study(entries, patient, scan.acquisition(streams), (done,))
    row: dict[str, Json] = {"patient_id": patient.patient_id, "study": "1", "view": "anterior"}
    return Case(study, ({**row, "label_m": "", "label_a": "", "parent": ""},), {"truth.json": facts})
