"""Scatter of a line source in the axis of a water cylinder of 22 cm, and how fast photons are followed.

    benchmarks/run scatter [--photons 2000000]

Siemens LEHR, 140.5 keV ± 10 % and 92 to 125 keV, 24 heads, voxels of 4.8 mm. Shares are of the primary's counts. The
literature has 0.3 to 0.6 scattered counts in the photopeak window for each primary one, and a factor of 0.5 from the
lower window to the photopeak's scatter.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from harness import figure, write

from photopeak.core import Grid
from photopeak.core.grid import scaling
from photopeak.physics.materials import mu_per_cm
from photopeak.physics.spect import Orbit, SpectCamera
from photopeak.physics.spect_scatter import SpectScatter, simulated_scatter
from photopeak.physics.transport import Voxels, transported

PEAK, LOWER = (126.45, 154.55), (92.0, 125.0)
EDGE_MM, N, SEEDS = 4.8, 64, (1, 2, 3, 4, 5)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photons", type=int, default=2_000_000)
    photons = parser.parse_args(arguments).photons
    grid, camera, orbit = Grid.volume((N, N, N), scaling((EDGE_MM,) * 3)), SpectCamera(), Orbit.circle(24, 150.0)
    at = (torch.arange(N) - 0.5 * (N - 1)) * EDGE_MM
    mu = mu_per_cm("water", 140.5) * (torch.hypot(at[:, None], at[None]) < 110.0).float().expand(N, N, N).clone()
    mu[:12] = mu[-12:] = 0.0
    source = torch.zeros(grid.shape)
    source[12:-12, N // 2 - 1 : N // 2 + 1, N // 2 - 1 : N // 2 + 1] = 1e4
    primary = float(camera.physics(grid, orbit, mu).operator(source).sum())
    figures = {}
    for name, orders in (("first_order", 1), ("all_orders", 1000)):
        runs = [
            simulated_scatter(camera, grid, orbit, mu, source, (PEAK, LOWER), photons, seed, orders=orders)
            for seed in SEEDS
        ]
        peak, lower = (np.array([float(r[k].sum()) / primary for r in runs]) for k in (0, 1))
        figures[f"photopeak_{name}"] = figure(peak, "1", meaning="of the primary")
        figures[f"lower_window_{name}"] = figure(lower, "1", meaning="of the primary's counts in the photopeak")
        figures[f"factor_{name}"] = figure(peak / lower, "1")
    for name, window in (("photopeak", PEAK), ("lower_window", LOWER)):
        share = float(SpectScatter(camera, grid, orbit, mu, window)(source).sum()) / primary
        figures[f"{name}_first_order_operator"] = figure(share, "1", meaning="without random numbers")
    voxels = Voxels.of(mu.numpy(), 140.511, EDGE_MM / 10.0)
    transported(source.double().numpy(), voxels, 140.511, 1000, 0)
    rates = []
    for seed in SEEDS:
        start = time.perf_counter()
        transported(source.double().numpy(), voxels, 140.511, photons, seed)
        rates.append(photons / (time.perf_counter() - start) / 1e6)
    figures["photons_followed"] = figure(rates, "M/s")
    write("scatter", figures, seeds=list(SEEDS))
