"""S3: resolution, noise and bias of SPECT reconstruction, each way followed along its own knob.

A cylinder of water holds five hot spheres and a cold one, as the NEMA phantom does, and is counted several times by
the same camera. It is painted and projected on voxels of half the edge, so that no method meets its own model. With
B the mean of a background region, S that of a sphere, and a ratio q of their activities:

    contrast      (S/B − 1) / (q − 1)
    bias          B / B_true − 1
    noise         mean over background voxels of the standard deviation between countings, over B
    resolution    full width at half maximum of (x̂(y + A δ) − x̂(y)) / δ, at noiseless counts y    :cite:`fessler1996`

Scatter is neither simulated nor corrected. A sharper image is a noisier one, so ways are compared at one noise: each
curve is interpolated where it first reaches ``NOISE``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Bool, Float

from photopeak.core import Grid, scaling
from photopeak.physics.materials import mu_per_cm
from photopeak.physics.noise import poisson_counts
from photopeak.physics.physics import Physics
from photopeak.physics.spect import Orbit, SpectCamera
from photopeak.physics.spect_operator import SpectOperator, spect_operator
from photopeak.quantify.camera_quality import half_width
from photopeak.recipes.outcome import Figure, figure
from photopeak.recon.chang import chang
from photopeak.recon.em import osem
from photopeak.recon.fbp import fbp
from photopeak.recon.priors import Pairwise
from photopeak.recon.regularised import bsrem

SEED: Final = 303
CYLINDER_MM, SPHERES_AT_MM = 105.0, 57.0  # radii
BACKGROUND_MM: Final = (26.0, 36.0)  # radius and half length of the region in the middle
SPHERES: Final = (("37 mm", 37.0), ("28 mm", 28.0), ("22 mm", 22.0), ("17 mm", 17.0), ("13 mm", 13.0), ("cold", 37.0))
RATIO: Final = 4.0
BQ_ML: Final = 12_000.0
HEAD_MM: Final = 150.0
NOISE: Final = 0.12
SUBDIVIDED: Final = 3  # painting, along each edge of a voxel
POKE: Final = 0.5  # of the background, in one voxel
Tensor = torch.Tensor
Volume = Float[np.ndarray, "z y x"]


@dataclass(frozen=True)
class Preset:
    """Voxels (edge in mm, across, slices), views, countings, and passes of the iterative ways."""

    edge_mm: float
    across: int
    slices: int
    views: int
    countings: int
    passes: int


PRESETS: Final = {
    "smoke": Preset(9.6, 28, 10, 12, 3, 3),
    "quick": Preset(4.8, 56, 24, 60, 16, 12),
    "full": Preset(4.8, 56, 24, 60, 100, 24),
}
CUTOFFS: Final = (0.2, 0.3, 0.4, 0.5, 0.7, 1.0)  # of Nyquist, Hann's window
BETAS: Final = (0.05, 0.02, 0.01, 0.005, 0.002, 0.001)  # in units of the camera's mean sensitivity
SUBSETS: Final = 6


@dataclass(frozen=True, eq=False)
class Phantom:
    """The true activity on voxels, where the background is measured, and the share of each sphere in every voxel."""

    grid: Grid
    activity: Volume
    mu: Volume
    background: Bool[np.ndarray, "z y x"]
    spheres: Mapping[str, Volume]


def phantom(preset: Preset, finer: int) -> Phantom:
    """On voxels ``finer`` times as fine as the preset's."""
    edge = preset.edge_mm / finer
    shape = preset.slices * finer, preset.across * finer, preset.across * finer
    z, y, x = np.meshgrid(*(edge * (np.arange(n) - 0.5 * (n - 1)) for n in shape), indexing="ij")
    water, spheres = np.zeros(shape), {name: np.zeros(shape) for name, _ in SPHERES}
    steps = edge * (np.arange(SUBDIVIDED) - 0.5 * (SUBDIVIDED - 1)) / SUBDIVIDED
    for dz, dy, dx in product(steps, steps, steps):
        water += np.hypot(x + dx, y + dy) < CYLINDER_MM
        for k, (name, diameter) in enumerate(SPHERES):
            angle = 2.0 * np.pi * k / len(SPHERES)
            across, down = x + dx - SPHERES_AT_MM * np.cos(angle), y + dy - SPHERES_AT_MM * np.sin(angle)
            spheres[name] += across**2 + down**2 + (z + dz) ** 2 < (0.5 * diameter) ** 2
    whole = SUBDIVIDED**3
    spheres = {name: share / whole for name, share in spheres.items()}
    activity = BQ_ML * (water / whole + sum((_ratio(name) - 1.0) * share for name, share in spheres.items()))
    mu = mu_per_cm("water", SpectCamera().energy_kev) * water / whole
    middle = (np.hypot(x, y) < BACKGROUND_MM[0]) & (np.abs(z) < BACKGROUND_MM[1])
    return Phantom(Grid.volume(shape, scaling((edge,) * 3)), activity, mu.astype(np.float32), middle, spheres)


def _ratio(name: str) -> float:
    return 0.0 if name == "cold" else RATIO


@dataclass(frozen=True, eq=False)
class Bench:
    """The phantom before the camera: what it holds, what is expected, and the models that methods may use."""

    preset: Preset
    truth: Phantom
    expected: Float[Tensor, "angle row column"]

    @staticmethod
    def of(preset: Preset) -> Bench:
        """Projected on half the voxels, whose pixels are added up by fours."""
        fine = phantom(preset, 2)
        counted = _model(fine, preset, SpectCamera())(torch.from_numpy(fine.activity.astype(np.float32)))
        n, rows, columns = counted.shape
        return Bench(preset, phantom(preset, 1), counted.reshape(n, rows // 2, 2, columns // 2, 2).sum((2, 4)))

    def model(self, blur: bool = True, attenuation: bool = True) -> tuple[SpectOperator, float]:
        """The operator, and what its image is multiplied by to be Bq/ml: without blur it knows no holes."""
        edge, camera = self.preset.edge_mm, SpectCamera()
        if blur:
            return _model(self.truth, self.preset, camera, attenuation), 1.0
        ideal = _model(self.truth, self.preset, SpectCamera(collimator=None), attenuation)
        return ideal, ideal.gain / camera.counts_per_bq_ml(edge)


def _model(what: Phantom, preset: Preset, camera: SpectCamera, attenuation: bool = True) -> SpectOperator:
    orbit = Orbit.circle(preset.views, HEAD_MM)
    mu = torch.from_numpy(what.mu) if attenuation else None
    return spect_operator(camera, what.grid, orbit, mu, "auto")


#: one image for each setting of the knob, in Bq/ml
Images = list[Tensor]
Way = Callable[[Bench, Tensor], Images]


def by_osem(blur: bool, attenuation: bool) -> Way:
    """After every pass."""

    def images(bench: Bench, counts: Tensor) -> Images:
        operator, unit = bench.model(blur, attenuation)
        found: Images = []
        osem(
            Physics(operator),
            counts,
            bench.preset.passes,
            SUBSETS,
            progress=lambda _, x: found.append(x.clone() * unit),
        )
        return found

    return images


def by_fbp(bench: Bench, counts: Tensor) -> Images:
    """Wider and wider windows, with Chang's correction."""
    operator, _ = bench.model()
    factor = chang(operator)
    return [fbp(operator, counts, "hann", cutoff) * factor for cutoff in CUTOFFS]


def by_penalty(bench: Bench, counts: Tensor) -> Images:
    """Near the maximum for weaker and weaker penalties."""
    operator, _ = bench.model()
    level = float(operator.adjoint(torch.ones_like(counts)).mean())
    prior, n = Pairwise("relative"), bench.preset.passes
    return [bsrem(Physics(operator), counts, prior, b * level, n, SUBSETS) for b in BETAS]


def knobs(preset: Preset) -> dict[str, tuple[str, tuple[float, ...], Way]]:
    """Each way: what its knob is called, the settings, and how its images come about."""
    passes = tuple(float(i) for i in range(1, preset.passes + 1))
    return {
        "FBP, Chang": ("cut-off", CUTOFFS, by_fbp),
        "OSEM, nothing corrected": ("iteration", passes, by_osem(False, False)),
        "OSEM, attenuation": ("iteration", passes, by_osem(False, True)),
        "OSEM, attenuation, blur": ("iteration", passes, by_osem(True, True)),
        "BSREM, relative difference, attenuation, blur": ("β", BETAS, by_penalty),
    }


@dataclass(frozen=True, eq=False)
class Counted:
    """What each counting gave at each setting: background voxels and spheres' means (Bq/ml); noiseless widths (mm)."""

    background: Float[np.ndarray, "counting setting voxel"]
    spheres: Float[np.ndarray, "counting setting sphere"]
    width_mm: Float[np.ndarray, " setting"]

    def curves(self, chosen: np.ndarray) -> dict[str, Float[np.ndarray, " setting"]]:
        """Every figure at every setting, from these countings."""
        background, spheres = self.background[chosen], self.spheres[chosen]
        level = background.mean((0, 2))
        out = {
            "noise": background.std(0, ddof=1).mean(-1) / level,
            "bias": level / BQ_ML - 1.0,
            "resolution": self.width_mm,
        }
        for k, (name, _) in enumerate(SPHERES):
            out[f"contrast {name}"] = (spheres.mean(0)[:, k] / level - 1.0) / (_ratio(name) - 1.0)
        return out


def counted(bench: Bench, way: Way, say: Callable[[str], None]) -> Counted:
    """All countings of one way."""
    preset, truth = bench.preset, bench.truth
    rows, spheres = [], []
    for k in range(preset.countings):
        rng = np.random.default_rng([SEED, k])
        noisy = torch.from_numpy(poisson_counts(bench.expected.numpy(), rng).astype(np.float32))
        images = [x.numpy() for x in way(bench, noisy)]
        rows.append([x[truth.background] for x in images])
        spheres.append([[np.average(x, weights=share) for share in truth.spheres.values()] for x in images])
        say(f"counting {k + 1} of {preset.countings}")
    return Counted(np.array(rows), np.array(spheres), widths_mm(bench, way))


def widths_mm(bench: Bench, way: Way) -> Float[np.ndarray, " setting"]:
    """Width of the local impulse response in the middle: geometric mean over x and y."""
    nz, ny, nx = bench.truth.grid.shape
    delta = torch.zeros(bench.truth.grid.shape)
    at = nz // 2, ny // 2, nx // 2
    delta[at] = POKE * BQ_ML
    poked = bench.expected + bench.model()[0](delta)
    found = []
    for with_it, without in zip(way(bench, poked), way(bench, bench.expected), strict=True):
        response = (with_it - without).numpy()
        profiles = response[at[0], at[1]], response[at[0], :, at[2]]
        across, down = (half_width(p.astype(np.float64), int(p.argmax())) for p in profiles)
        found.append(np.sqrt(across * down) * bench.preset.edge_mm)
    return np.array(found)


def at_noise(curves: Mapping[str, Float[np.ndarray, " setting"]], level: float) -> dict[str, float]:
    """Every figure where a curve first reaches this noise; NaN where it never does, or starts beyond."""
    noise = curves["noise"]
    beyond = np.flatnonzero(noise >= level)
    if not len(beyond) or beyond[0] == 0:
        return {name: float("nan") for name in curves}
    k = int(beyond[0])
    share = (level - noise[k - 1]) / (noise[k] - noise[k - 1])
    return {name: float(v[k - 1] + share * (v[k] - v[k - 1])) for name, v in curves.items()}


def study(preset: Preset, say: Callable[[str], None]) -> tuple[dict[str, Figure], dict[str, Any]]:
    """Figures at one noise with 95 % intervals by leaving countings out, and the curves themselves."""
    bench = Bench.of(preset)
    figures: dict[str, Figure] = {}
    curves: dict[str, Any] = {}
    for name, (knob, settings, way) in knobs(preset).items():
        say(name)
        found = counted(bench, way, say)
        everything = np.arange(preset.countings)
        whole = found.curves(everything)
        curves[name] = {"knob": knob, "settings": settings, **{k: _rounded(v) for k, v in whole.items()}}
        without = [at_noise(found.curves(np.delete(everything, k)), NOISE) for k in everything]
        for what, value in at_noise(whole, NOISE).items():
            half = 1.96 * jackknife([w[what] for w in without])
            if what != "noise" and np.isfinite(value + half):
                unit = "mm" if what == "resolution" else "1"
                figures[f"{what}: {name}"] = figure(value, value - half, value + half, unit, preset.countings)
    return figures, curves


def jackknife(left_out: list[float]) -> float:
    """Standard error of a figure from its values without each counting in turn :cite:`efron1993`.

    >>> round(jackknife([2.0, 1.5, 1.0]), 3)  # of the mean of 0, 1 and 2
    0.577
    """
    n = len(left_out)
    return float(np.sqrt((n - 1) / n * np.sum((np.array(left_out) - np.mean(left_out)) ** 2)))


def _rounded(values: Float[np.ndarray, " setting"]) -> list[float | None]:
    return [float(f"{v:.5g}") if np.isfinite(v) else None for v in values]
