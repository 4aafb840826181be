"""Speed of the virtual bone-scan clinic: one core, both views, truth and report included.

    benchmarks/run simulate [--patients 40] [--cluster]

Processor time of one thread after warm-up, so that a busy machine does not count. The floor is the memory
traffic that no simulation on this grid avoids: uptake, attenuation and labels written once and read once,
at this machine's measured copy rate, plus one Poisson draw a pixel. ``--cluster`` also measures a cohort on
disk with one process and with two Ray workers.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from harness import figure, rounds, write

SEED = 7
ROUNDS = 3


def main() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=40)
    parser.add_argument("--cluster", action="store_true")
    options = parser.parse_args()
    figures = {}
    for voxel_mm in (3.0, 3.5):
        figures |= one_core(voxel_mm, options.patients)
    figures["memory_peak"] = figure(peak_mb(), "MB", limit=1500)
    if options.cluster:
        figures |= two_workers(options.patients)
    write("simulate", figures, seeds=[SEED], cohort={"mix": "as published", "patients": options.patients})


def one_core(voxel_mm: float, patients: int) -> dict[str, dict]:
    from photopeak.patients.bone_scan import BoneScan
    from photopeak.patients.protocol import Clinic

    clinic = Clinic(BoneScan(voxel_mm=voxel_mm), patients + 4, SEED)
    for warm in range(4):
        clinic.case(warm)
    seconds = []
    for i in range(4, patients + 4):
        start = time.process_time()
        clinic.case(i)
        seconds.append(time.process_time() - start)
    floor = floor_ms(voxel_mm)
    name = f"patient_{voxel_mm}mm".replace(".", "p")
    return {name: figure([1e3 * s for s in seconds], "ms", floor=round(floor, 1), ask=250, aim=100)}


def floor_ms(voxel_mm: float) -> float:
    """Milliseconds to write and read nine bytes a voxel of a mean body's box, and to draw the counts."""
    voxels = int(1.80 / (voxel_mm * 1e-3) * 0.58 / (voxel_mm * 1e-3) * 0.28 / (voxel_mm * 1e-3))
    block = np.zeros(9 * voxels, np.uint8)
    copy = float(np.median(rounds(block.copy, 7, clock=time.process_time)))
    from photopeak.physics.noise import poisson_counts

    mean = np.full((2, 1024, 256), 5.0, np.float32)
    rng = np.random.default_rng(1)
    draw = float(np.median(rounds(lambda: poisson_counts(mean, rng), 7, clock=time.process_time)))
    return 1e3 * (copy + draw)


def peak_mb() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def two_workers(patients: int) -> dict[str, dict]:
    """A cohort on disk by one Ray worker and by two, in turn; wall time without the cluster's start."""
    one, two, prints = [], [], set()
    for _ in range(ROUNDS):
        for workers, rates in ((1, one), (2, two)):
            seconds, fingerprint = cohort_seconds(workers, patients)
            rates.append(patients / seconds)
            prints.add(fingerprint)
    if len(prints) != 1:
        raise RuntimeError("one and two workers gave different counts")
    return {
        "cluster_1_worker": figure(one, "patients/s"),
        "cluster_2_workers": figure(two, "patients/s"),
        "cluster_speed_up": figure([b / a for a, b in zip(one, two, strict=True)], "1", ask=1.8),
    }


def cohort_seconds(workers: int, patients: int) -> tuple[float, str]:
    """Seconds to write a cohort with so many Ray workers, and its fingerprint."""
    import ray

    from photopeak.patients.bone_scan import BoneScan
    from photopeak.patients.commands import simulate_cohort
    from photopeak.patients.protocol import Clinic

    ray.init(num_cpus=workers, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    with tempfile.TemporaryDirectory() as folder:
        simulate_cohort(Clinic(BoneScan(), 4 * workers, 1), Path(folder) / "warm", "local", quiet=True)
        start = time.perf_counter()
        made = simulate_cohort(Clinic(BoneScan(), patients, SEED), Path(folder) / "cohort", "local", quiet=True)
        seconds = time.perf_counter() - start
    ray.shutdown()
    return seconds, str(made["fingerprint"])


if __name__ == "__main__":
    main()
