"""Time of the planar camera's fast path on one core, both views, beside the floor that memory sets.

    benchmarks/run planar

The volume is that of a whole body at 3.5 mm voxels (520 × 90 × 180). The floor is what reading activity and
attenuation once takes, by a kernel that only asks whether all of it is zero. Process time: the machine may be shared.
"""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import torch
from harness import figure, rounds, write

from photopeak.core import Grid, scaling
from photopeak.physics import engines
from photopeak.physics.materials import mu_per_cm
from photopeak.physics.noise import poisson_counts
from photopeak.physics.planar import PlanarCamera, expected_counts, project_labels
from photopeak.physics.planar_kernels import is_empty

SHAPE, VOXEL_MM = (520, 90, 180), 3.5
ORIGIN_MM = (-0.5 * (SHAPE[2] - 1) * VOXEL_MM, 0.0, 0.0)
ROUNDS = 41


def body(seed: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A tapering ellipse of water with a spine, ribs of noise and soft-tissue texture: 500 MBq in all."""
    rng = np.random.Generator(np.random.Philox(seed))
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    wide = 70 * (0.35 + 0.65 * np.sin(np.pi * np.clip(z / 500, 0, 1)))
    inside = ((x - 89.5) / wide) ** 2 + ((y - 45) / (0.45 * wide)) ** 2 < 1
    spine = inside & ((x - 89.5) ** 2 + (y - 60) ** 2 < 25) & (z > 230)
    activity = (inside * 0.15 + spine * 3.0) * (0.7 + 0.6 * rng.random(SHAPE))
    activity *= 500.0 / activity.sum()
    mu = np.where(spine, mu_per_cm("spongiosa", 140.5), inside * mu_per_cm("muscle", 140.5))
    return activity.astype(np.float32), mu.astype(np.float32), (inside + spine).astype(np.uint8)


def milliseconds(fn, n: int = ROUNDS, clock=time.process_time) -> list[float]:
    return [1e3 * s for s in rounds(fn, n, warmup=3, clock=clock)]


def main() -> None:
    engines.threads(1)
    activity, mu, label = body()
    camera = PlanarCamera()
    placement = camera.place(mu, VOXEL_MM, ORIGIN_MM)
    mean = expected_counts(activity, mu, placement, camera)
    rng = np.random.Generator(np.random.Philox(1))

    floor = milliseconds(
        lambda: (is_empty(activity.reshape(-1).view(np.int32)), is_empty(mu.reshape(-1).view(np.int32)))
    )
    least = float(np.median(floor))
    figures = {
        "both_views": figure(
            milliseconds(lambda: expected_counts(activity, mu, placement, camera)), "ms", floor=least, target=40.0
        ),
        "memory_floor": figure(floor, "ms", megabytes=round((activity.nbytes + mu.nbytes) / 1e6, 1)),
        "labels_both_views": figure(
            milliseconds(lambda: project_labels(activity, mu, label, placement, camera)), "ms", floor=least
        ),
        "poisson_2x1024x256": figure(milliseconds(lambda: poisson_counts(mean, rng)), "ms"),
        "poisson_by_numpy": figure(milliseconds(lambda: rng.poisson(mean)), "ms"),
        "counts_per_view": figure(mean.sum((1, 2)).tolist(), "{counts}"),
    }
    figures |= engines_compared(activity, mu, camera)
    write("planar", figures, seeds=[7], cohort={"volume": list(SHAPE), "voxel_mm": VOXEL_MM, "threads": 1})


def engines_compared(activity: np.ndarray, mu: np.ndarray, camera: PlanarCamera) -> dict[str, dict]:
    """The torch engine's time, how far the engines differ, and what interpolating the blur leaves out."""
    grid = Grid.volume(SHAPE, scaling((VOXEL_MM,) * 3, ORIGIN_MM))
    x, mu = torch.from_numpy(activity) * (1e9 / VOXEL_MM**3), torch.from_numpy(mu)
    camera = dataclasses.replace(camera, dead_time_s=0.0)
    ours = camera.physics(mu, grid, engine="numba").operator(x)
    plain = camera.physics(mu, grid, engine="torch").operator
    exact = camera.physics(mu, grid, engine="exact").operator(x)
    difference = {
        "engines_relative_difference": float((ours - plain(x)).norm() / plain(x).norm()),
        "interpolated_blur_relative_error": float((ours - exact).norm() / exact.norm()),
    }
    figures = {name: figure(value, "1") for name, value in difference.items()}
    return {"torch_engine_both_views": figure(milliseconds(lambda: plain(x), 5), "ms"), **figures}


if __name__ == "__main__":
    main()
