"""Projections of a PET scanner, forward and back, without and with time of flight.

    benchmarks/run pet [--rounds 5]

A ring of 624 crystals at 420 mm, 8 and 40 rings, 401 radial bins; one of eight subsets of the angles; images of
128 × 128 voxels of 4 mm. No peer is measured: none that can be had here is installed by pip alone.
"""

from __future__ import annotations

import argparse
import time

import torch
from harness import figure, write

from photopeak.physics.pet import PetScanner, TimeOfFlight

SCANNERS = {
    "8_rings": PetScanner(420.0, 624, 8, 4.0, 401),
    "8_rings_tof": PetScanner(420.0, 624, 8, 4.0, 401, tof=TimeOfFlight(400.0, 13, 250.0)),
    "40_rings_span_11": PetScanner(420.0, 624, 40, 4.0, 401, difference=27, span=11),
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    figures = {}
    for name, scanner in SCANNERS.items():
        operator = scanner.operator(scanner.grid(4.0, 128)).subset(0, 8)
        x = torch.rand(operator.domain.shape, generator=torch.Generator().manual_seed(1))
        pairs = sum(len(plane) for plane in scanner.planes()) * scanner.radial * len(operator.angles)
        forward, back = [], []
        for i in range(options.rounds + 1):
            start = time.perf_counter()
            y = operator(x)
            middle = time.perf_counter()
            operator.adjoint(y)
            if i:
                forward.append(middle - start)
                back.append(time.perf_counter() - middle)
        for way, seconds in (("forward", forward), ("back", back)):
            figures[f"{name}_{way}"] = figure([1e3 * s for s in seconds], "ms")
            figures[f"{name}_{way}_lines"] = figure([pairs / s / 1e6 for s in seconds], "M/s", meaning="crystal pairs")
    write("pet", figures, seeds=[1])
