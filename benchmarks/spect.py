"""One ordered-subset step of SPECT, ours beside PyTomography, in turn in one process.

    benchmarks/run spect [--rounds 5] [--size 128] [--whole 1]

128³ voxels of 4 mm, 15 of 120 angles (one of eight subsets), 250 mm radius, a low-energy collimator whose blur is
cut at 4 σ by both; ours mixes 24 widths, as it does unless told otherwise, and in the last mode has one for each
plane, as the peer has. A step is what OSEM repeats: project, divide, back-project. Forward projections of both are
compared as well; back projections are not, because the peer's is not the transpose of its own projection.

With ``--whole N``, N whole reconstructions of each as well: OSEM of all 120 views in 8 subsets, 4 iterations. Their
images differ by more than their projections, since each uses its own back projection. Memory is ours alone, the peak
of a process of its own less what it held after imports, compilation and a reconstruction of 8³ voxels.
"""

# peer: pytomography==3.4.0 kornia==0.9.0 kornia_rs==0.2.0 fft-conv-pytorch==1.2.0 torchrbf==1.0.0
# peer: rt-utils==1.2.7 nibabel==5.4.2 pandas==3.1.1 opencv-python-headless==5.0.0.93 uproot==5.7.7
# peer: awkward==2.14.0 awkward_cpp==57 cramjam==2.14.0 xxhash==4.1.0 fsspec==2026.9.0 python-dateutil==4.0.0
# peer: pytz==2026.6 six==1.17.0 importlib_resources==7.1.0

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from harness import figure, write

if TYPE_CHECKING:
    from photopeak.physics.physics import Physics

EDGE_MM, RADIUS_MM, CUT_SIGMA = 4.0, 250.0, 4.0
#: attenuation, blur, and whether every plane is blurred with its own width
MODES = {
    "none": (False, False, False),
    "attenuation": (True, False, False),
    "psf": (False, True, False),
    "attenuation_psf": (True, True, False),
    "attenuation_psf_exact": (True, True, True),
}
VIEWS, SUBSETS, ITERATIONS = 120, 8, 4
Pair = tuple[Callable[[torch.Tensor], torch.Tensor], Callable[[torch.Tensor], torch.Tensor]]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--whole", type=int, default=0, help="Rounds of whole reconstructions.")
    options = parser.parse_args(arguments)
    activity, mu = patient(options.size)
    angles = subset_angles(0)
    figures = {}
    for name, (attenuated, blurred, exact) in MODES.items():
        ours = our_pair(activity, mu if attenuated else None, angles, blurred, exact)
        peer = peer_pair(options.size, mu if attenuated else None, angles, blurred)
        seconds, difference = in_turn(ours, peer, activity, options.rounds)
        ratios = [p / o for o, p in zip(*seconds, strict=True)]
        figures[f"{name}_ours"] = figure([1e3 * s for s in seconds[0]], "ms")
        figures[f"{name}_peer"] = figure([1e3 * s for s in seconds[1]], "ms")
        figures[f"{name}_ratio"] = figure(ratios, "x")
        figures[f"{name}_difference"] = figure(difference, "1", meaning="relative, of the forward projections")
        if options.whole:
            settings = (attenuated, blurred, exact)
            figures |= {f"{name}_osem_{k}": v for k, v in whole(activity, mu, settings, options.whole).items()}
    write("spect", figures, seeds=[1])


def patient(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A textured cylinder of water with air around it, (z, y, x)."""
    at = (np.arange(n) - (n - 1) / 2) / n
    body = np.broadcast_to(at[:, None] ** 2 + at**2 < 0.4**2, (n, n, n)) & (np.abs(at) < 0.42)[:, None, None]
    texture = np.random.default_rng(1).random((n, n, n))
    return torch.from_numpy((body * texture).astype(np.float32)), 0.154 * torch.from_numpy(body.astype(np.float32))


def in_turn(
    ours: Pair, peer: Pair, activity: torch.Tensor, rounds: int
) -> tuple[tuple[list[float], list[float]], float]:
    """Seconds of a step of each, one after the other in every round, after one that is not counted."""
    a, b = ours[0](activity), peer[0](activity)
    difference = float((a - b).norm() / b.norm())
    seconds: tuple[list[float], list[float]] = ([], [])
    for i in range(rounds + 1):
        for taken, (forward, back) in zip(seconds, (ours, peer), strict=True):
            start = time.perf_counter()
            back(b / forward(activity).clamp_min(1e-6))
            if i:
                taken.append(time.perf_counter() - start)
    return seconds, difference


def subset_angles(k: int) -> tuple[float, ...]:
    """Degrees of the k-th subset, as the peer counts them."""
    return tuple(360.0 / VIEWS * i for i in range(k, VIEWS, SUBSETS))


def whole(
    activity: torch.Tensor, mu: torch.Tensor, settings: tuple[bool, bool, bool], rounds: int
) -> dict[str, dict[str, object]]:
    """Seconds of whole reconstructions in turn, how far their images differ, and our memory."""
    from photopeak.recon.em import osem

    attenuated, blurred, exact = settings
    thick = mu if attenuated else None
    physics = our_physics(activity, thick, tuple(360.0 / VIEWS * i for i in range(VIEWS)), blurred, exact)
    counts = physics.operator(activity)
    peers = [peer_pair(len(activity), thick, subset_angles(k), blurred) for k in range(SUBSETS)]
    measured = [counts[k::SUBSETS] / physics.operator.gain for k in range(SUBSETS)]  # type: ignore[attr-defined]
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        start = time.perf_counter()
        ours = osem(physics, counts, ITERATIONS, SUBSETS)
        seconds[0].append(time.perf_counter() - start)
        start = time.perf_counter()
        theirs = peer_osem(peers, measured, activity)
        seconds[1].append(time.perf_counter() - start)
    ratios = [p / o for o, p in zip(*seconds, strict=True)]
    command = [sys.executable, __file__, "memory", str(len(activity)), *(str(int(s)) for s in settings)]
    memory = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {
        "ours": figure(seconds[0], "s"),
        "peer": figure(seconds[1], "s"),
        "ratio": figure(ratios, "x"),
        "difference": figure(float((ours - theirs).norm() / theirs.norm()), "1", meaning="relative, of the images"),
        "memory": figure(memory, "MB", meaning="peak of ours less what it held compiled", ask=200.0),
    }


def peer_osem(pairs: list[Pair], measured: list[torch.Tensor], like: torch.Tensor) -> torch.Tensor:
    """OSEM of the peer's projectors, with the sensitivities found once, as it does itself."""
    norms = [back(torch.ones_like(y)) for (_, back), y in zip(pairs, measured, strict=True)]
    seen = torch.stack(norms).sum(0) > 0
    x = seen.to(like)
    for _ in range(ITERATIONS):
        for (forward, back), y, norm in zip(pairs, measured, norms, strict=True):
            mean = forward(x)
            ratio = torch.where(mean > 0, y / mean.clamp_min(1e-30), 0.0)
            x = torch.where(norm > 0, x * back(ratio) / norm.clamp_min(1e-30), x)
    return x


def our_memory(size: int, attenuated: bool, blurred: bool, exact: bool) -> float:
    """MB of a whole reconstruction of ours: its peak less what is held once small work has compiled all."""
    from photopeak.recon.em import osem

    angles = tuple(360.0 / VIEWS * i for i in range(VIEWS))

    def reconstruct(n: int, iterations: int) -> None:
        activity, mu = patient(n)
        physics = our_physics(activity, mu if attenuated else None, angles, blurred, exact)
        osem(physics, physics.operator(activity), iterations, SUBSETS)

    reconstruct(8, 1)
    held = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    reconstruct(size, 1)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0 - held) / 1e6


def our_physics(
    activity: torch.Tensor, mu: torch.Tensor | None, angles: tuple[float, ...], blurred: bool, exact: bool
) -> Physics:
    from photopeak.core import Grid, scaling
    from photopeak.physics.spect import Orbit, SpectCamera

    camera = SpectCamera(blur_nodes=None if exact else 24) if blurred else SpectCamera(collimator=None)
    grid = Grid.volume(tuple(activity.shape), scaling((EDGE_MM, EDGE_MM, EDGE_MM)))  # type: ignore[arg-type]
    return camera.physics(grid, Orbit(tuple(180.0 + a for a in angles), RADIUS_MM), mu)


def our_pair(
    activity: torch.Tensor, mu: torch.Tensor | None, angles: tuple[float, ...], blurred: bool, exact: bool
) -> Pair:
    operator = our_physics(activity, mu, angles, blurred, exact).operator
    return lambda x: operator(x) / operator.gain, operator.adjoint  # type: ignore[attr-defined]


def peer_pair(n: int, mu: torch.Tensor | None, angles: tuple[float, ...], blurred: bool) -> Pair:
    """PyTomography's, with its axes (angle, column, z) turned into ours."""
    warnings.simplefilter("ignore")
    from pytomography.metadata.SPECT import SPECTObjectMeta, SPECTProjMeta, SPECTPSFMeta
    from pytomography.projectors.SPECT import SPECTSystemMatrix
    from pytomography.transforms.SPECT import SPECTAttenuationTransform, SPECTPSFTransform

    from photopeak.physics.spect import SpectCamera

    edge_cm = EDGE_MM / 10.0
    sigma_cm = np.vectorize(lambda distance_cm: SpectCamera().sigma_mm(10.0 * distance_cm) / 10.0)
    transforms = []
    if mu is not None:
        transforms.append(SPECTAttenuationTransform(mu.permute(2, 1, 0).contiguous()))
    if blurred:
        transforms.append(SPECTPSFTransform(SPECTPSFMeta((), sigma_fit=sigma_cm, min_sigmas=CUT_SIGMA)))
    meta = SPECTObjectMeta([edge_cm] * 3, [n] * 3)
    seen = SPECTProjMeta((n, n), [edge_cm] * 2, np.array(angles), [RADIUS_MM / 10.0] * len(angles))
    matrix = SPECTSystemMatrix(transforms, [], meta, seen)

    def forward(x: torch.Tensor) -> torch.Tensor:
        return matrix.forward(x.permute(2, 1, 0).contiguous()).transpose(1, 2).flip(1)

    def back(y: torch.Tensor) -> torch.Tensor:
        return matrix.backward(y.flip(1).transpose(1, 2).contiguous()).permute(2, 1, 0)

    return forward, back


if __name__ == "__main__" and sys.argv[1:2] == ["memory"]:
    print(our_memory(int(sys.argv[2]), *(flag == "1" for flag in sys.argv[3:6])))
