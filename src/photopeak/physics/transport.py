"""Monte Carlo transport of photons in voxel patients, and what it says of scatter before a SPECT camera.

Cross-sections and angular distributions (incoherent with electron binding, coherent, photoelectric) are
xraylib's :cite:`schoonjans2011`; flights follow Woodcock's method :cite:`woodcock1965`. A photon's energy after
incoherent scatter is that of a free electron at rest; fluorescence and the electrons' ranges are left out.

For a camera every scatter asks some heads what they would count of it: the photons become an effective source
for each head and window, all orders of scatter together, which ``spect_scatter`` attenuates and blurs on its way
out. Runs are the same whatever their batches: photon k of a seed has one history.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy.typing import NDArray

from photopeak.core import PhotopeakError
from photopeak.physics import transport_kernels as kernels
from photopeak.physics.materials import MATERIALS, mu_per_cm

STEP_KEV: Final = 1.0
NODE_KEV: Final = 10.0
"""Photons below this energy are absorbed where they are; nodes of the angular tables are as far apart."""
QUANTILES: Final = 257
BATCH: Final = 100_000
ALL_ORDERS: Final = 1_000
NAMES: Final = ("water", "mineral bone")
BONE_FROM: Final = 1.15
"""What attenuates more than this many times as much as water is bone."""


@dataclass(frozen=True, eq=False)
class Voxels:
    """A patient for photons: materials by number in ``NAMES``, and their density relative to the table's."""

    material: UInt8[np.ndarray, "z y x"]
    density: Float32[np.ndarray, "z y x"]
    edge_cm: float

    @staticmethod
    def of(mu: Float[np.ndarray, "z y x"], energy_kev: float, edge_cm: float) -> Voxels:
        """From a map of μ (1/cm): water and bone, as dense as μ says."""
        water, bone = (mu_per_cm(name, energy_kev) for name in NAMES)
        is_bone = mu > BONE_FROM * water
        density = np.where(is_bone, mu / bone, mu / water).astype(np.float32)
        return Voxels(is_bone.astype(np.uint8), density, edge_cm)


@dataclass(frozen=True, eq=False)
class Windows:
    """Heads at angles (deg, as DICOM counts them), and each window's chance to count an energy, every keV from 0.

    ``asked`` heads are asked at every scatter; ``coarse`` voxels along each edge are scored together.
    """

    angles_deg: tuple[float, ...]
    seen: Float[np.ndarray, "window kev"]
    coarse: int = 1
    asked: int = 8
    orders: int = ALL_ORDERS


@dataclass(frozen=True, eq=False)
class Transported:
    """Sums over photons: divide by ``photons`` for one of them.

    ``source`` [window, head, z, y, x] is what an isotropic source in each voxel would have to emit for a head
    to count as much; ``deposited_kev`` the energy left in each voxel.
    """

    photons: int
    source: Float32[np.ndarray, "window head cz cy cx"]
    deposited_kev: Float[np.ndarray, "z y x"]
    escaped_kev: float
    unscattered: int
    escaped: int


def transported(
    decays: Float[np.ndarray, "z y x"],
    voxels: Voxels,
    energy_kev: float,
    photons: int,
    seed: int,
    windows: Windows | None = None,
    part: tuple[int, int] = (0, 1),
) -> Transported:
    """Follow ``photons`` photons of one line, spread as ``decays`` are; ``part`` (k, n) takes the k-th n-th of them.

    Sums of parts are the whole's: a cluster gives each worker one.
    """
    cumulative = np.cumsum(decays, dtype=np.float64)
    if not np.isfinite(cumulative[-1]) or cumulative[-1] <= 0 or decays.min() < 0:
        raise PhotopeakError("decays must be finite, not negative and somewhere above 0. Remedy: check the activity.")
    if decays.shape != voxels.material.shape:
        raise PhotopeakError(f"decays have shape {decays.shape}, the patient {voxels.material.shape}.")
    windows = windows or Windows((0.0,), np.zeros((0, 2)))
    batches = [(a, min(a + BATCH, photons)) for a in range(0, photons, BATCH)][part[0] :: part[1]]
    medium = kernels.Medium(voxels.material, voxels.density, voxels.edge_cm)
    tables, heads = tables_of(voxels, energy_kev), _heads(windows)
    key = np.array([seed & 0xFFFFFFFF, seed >> 32, 0x5048], np.uint64)
    shape = tuple(math.ceil(n / windows.coarse) for n in decays.shape)
    done = _empty(windows, shape, decays.shape)

    def batch(ends: tuple[int, int]) -> kernels.Tally:
        one = _empty(windows, shape, decays.shape)
        kernels.transport((*ends, photons), key, (cumulative, energy_kev), medium, tables, heads, one)
        return one

    # Batches are added up in their order, so that the sum does not depend on the number of threads.
    with ThreadPoolExecutor(_threads()) as pool:
        for start in range(0, len(batches), _threads()):
            for one in pool.map(batch, batches[start : start + _threads()]):
                for total, more in zip(done, one, strict=True):
                    total += more
    counted = sum(b - a for a, b in batches)
    energy, bare, out = done.escaped.tolist()
    return Transported(counted, done.source, done.deposited, energy, round(bare), round(out))


def _threads() -> int:
    import numba

    return int(numba.get_num_threads())


def _empty(windows: Windows, coarse: Sequence[int], fine: Sequence[int]) -> kernels.Tally:
    source = np.zeros((len(windows.seen), len(windows.angles_deg), *coarse), np.float32)
    return kernels.Tally(source, np.zeros(fine, np.float64), np.zeros(3))


def _heads(windows: Windows) -> kernels.Heads:
    t = np.deg2rad(np.array(windows.angles_deg))
    asked = min(windows.asked, len(t))
    seen = np.asarray(windows.seen, np.float64)
    return kernels.Heads(np.sin(t), np.cos(t), asked, seen, 1.0, windows.coarse, windows.orders)


def tables_of(voxels: Voxels, energy_kev: float) -> kernels.Tables:
    """The tables of the materials, and the greatest μ of this patient at every energy."""
    shared = [_material(name, energy_kev) for name in NAMES]
    total, photo, compton, cosines, coherent, per_sr = (np.stack(x) for x in zip(*shared, strict=True))
    densest = [float(voxels.density[voxels.material == m].max(initial=0.0)) for m in range(len(NAMES))]
    majorant = (np.array(densest)[:, None] * total).max(0) * (1.0 + 1e-6)
    return kernels.Tables(STEP_KEV, total, majorant, photo, compton, NODE_KEV, cosines, coherent, per_sr)


@cache
def _material(name: str, up_to_kev: float) -> tuple[NDArray[np.float64], ...]:
    """μ, shares of photoelectric and incoherent interactions, inverse angular distributions, density per sr."""
    import xraylib
    import xraylib_np

    made = MATERIALS[name]
    parts = [(xraylib.SymbolToAtomicNumber(e), p / sum(q for _, q in made.percent)) for e, p in made.percent]
    energies = np.maximum(np.arange(0.0, up_to_kev + 2 * STEP_KEV, STEP_KEV), 5.0)  # below nothing is asked

    def summed(cross_section: Callable[..., NDArray[np.float64]], *at: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(sum(w * cross_section(np.array([z]), *at)[0] for z, w in parts))

    photo, compton, rayleigh = (
        summed(f, energies) for f in (xraylib_np.CS_Photo, xraylib_np.CS_Compt, xraylib_np.CS_Rayl)
    )
    total = photo + compton + rayleigh
    nodes = np.maximum(np.arange(0.0, up_to_kev + 2 * NODE_KEV, NODE_KEV), 5.0)
    half = np.linspace(0.0, 1.0, QUANTILES)  # sin(θ/2)
    theta = 2.0 * np.arcsin(half)
    # Bound electrons turn no photon by nothing, and xraylib refuses to say so.
    incoherent = np.concatenate([np.zeros((len(nodes), 1)), summed(xraylib_np.DCS_Compt, nodes, theta[1:])], 1)
    coherent = summed(xraylib_np.DCS_Rayl, nodes, theta)
    # dΩ = 2π sin θ dθ = 8π h dh with h = sin(θ/2).
    whole = np.asarray(8.0 * math.pi * np.trapezoid(incoherent * half, half, axis=1))
    per_sr = incoherent / whole[:, None]
    inverse = [_inverse(half, table * half) for table in (incoherent, coherent)]
    return made.density_g_cm3 * total, photo / total, compton / total, inverse[0], inverse[1], per_sr


def _inverse(half: NDArray[np.float64], density: NDArray[np.float64]) -> NDArray[np.float64]:
    """cos θ at evenly spaced quantiles of a density over sin(θ/2), for each row."""
    steps = 0.5 * (density[:, 1:] + density[:, :-1]) * np.diff(half)
    summed = np.concatenate([np.zeros((len(density), 1)), np.cumsum(steps, 1)], 1)
    quantiles = np.linspace(0.0, 1.0, QUANTILES)
    at = [np.interp(quantiles, row / row[-1], half) for row in summed]
    return np.asarray(1.0 - 2.0 * np.square(at))
