"""Whole-body files read and normalised on one core, and their share of reading the bare bytes.

Rounds of the two alternate in one process, so that both see the same machine; the processor's time is
counted. The floor is the bytes themselves from the page cache.
"""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from harness import figure, rounds, write

from photopeak.core import (
    Acquisition,
    Detector,
    EnergyWindow,
    Grid,
    Image,
    Patient,
    Radiopharmaceutical,
    Study,
    run,
)
from photopeak.dicom import read
from photopeak.dicom import write as write_dicom
from photopeak.quantify.normalise import Normalise

FILES = 64
ROUNDS = 15
GOAL_FILES_PER_S = 350.0


def whole_body(seed: int) -> Study:
    """Both views of 1024 by 256 pixels, with as much of a header as a camera writes."""
    counts = np.random.default_rng(seed).poisson(10, (2, 1024, 256)).astype(np.uint16)
    tracer = Radiopharmaceutical("Tc-99m MDP", "Tc-99m", 740.0, dt.datetime(2024, 5, 6, 7, 30), 21624.12)
    acquisition = Acquisition(
        modality="NM",
        kind="WHOLE BODY",
        manufacturer="ACME",
        model="Twin",
        started_at=dt.datetime(2024, 5, 6, 10, 30),
        duration_s=985.0,
        scan_velocity_mm_s=2.0,
        scan_length_mm=1970.0,
        radiopharmaceuticals=(tracer,),
        energy_windows=(EnergyWindow("Tc99m", ((129.6, 150.6),)),),
        detectors=(Detector("LEHR", "PARA", 180.0, 120.0), Detector("LEHR", "PARA", 0.0, 150.0)),
        position="HFS",
    )
    grid = Grid.planar(("anterior", "posterior"), (1024, 256), (2.4, 2.4))
    patient = Patient(f"P{seed}", name="Doe^Jane", sex="F", weight_kg=70.0, height_m=1.65)
    return Study({"counts": Image(counts, grid, "{counts}")}, patient, replace(acquisition, study_uid=f"1.2.3.{seed}"))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = [write_dicom(whole_body(seed), Path(folder) / f"{seed}.dcm") for seed in range(FILES)]

        def raw() -> None:
            for path in paths:
                path.read_bytes()

        def header_and_pixels() -> None:
            for path in paths:
                read(path)

        def normalised() -> None:
            for path in paths:
                run(Normalise(), read(path)[0])

        seconds: dict[str, list[float]] = {"raw": [], "read": [], "normalised": []}
        for _ in range(ROUNDS):
            seconds["raw"] += rounds(raw, 1, warmup=0, clock=time.process_time)
            seconds["read"] += rounds(header_and_pixels, 1, warmup=0, clock=time.process_time)
            seconds["normalised"] += rounds(normalised, 1, warmup=0, clock=time.process_time)
    rates = {name: [FILES / s for s in values[1:]] for name, values in seconds.items()}
    shares = [n / r for n, r in zip(seconds["normalised"][1:], seconds["raw"][1:], strict=True)]
    write(
        "dicom_read",
        {
            "raw_bytes": figure(rates["raw"], "files/s"),
            "read": figure(rates["read"], "files/s"),
            "read_and_normalise": figure(rates["normalised"], "files/s", goal=GOAL_FILES_PER_S),
            "times_raw": figure(shares, "1"),
        },
        seeds=list(range(FILES)),
    )


if __name__ == "__main__":
    main()
