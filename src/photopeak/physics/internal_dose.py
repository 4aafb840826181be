"""Absorbed dose from decays in voxels: local deposit, voxel S values, photons by Monte Carlo.

Voxel S values are point kernels averaged over the voxel that decays and the one that is hit :cite:`bolch1999`,

    S(i, j, k) = 1/m ∫ E(r) ⟨Λ(r_z/h − k) Λ(r_y/h − j) Λ(r_x/h − i)⟩ dr,      Λ(t) = max(0, 1 − |t|),

⟨·⟩ being the mean over directions, h the voxel's edge and m its mass. ``keV`` below are what a whole voxel receives;
``gray`` divides by its mass.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final

import numpy as np
from jaxtyping import Float, Float32

from photopeak.physics.electrons import electron_kev
from photopeak.physics.materials import MATERIALS, mu_per_cm
from photopeak.physics.nuclides import nuclide
from photopeak.physics.point_kernels import MGY_PER_KEV_G, PointKernel, electron_kernel
from photopeak.physics.transport import NAMES, Voxels, transported

BOX_CM, EDGE_CM = 40.0, 0.4  # of water, in which photons are followed
PHOTONS: Final = 60_000  # of each line
NEAR_CM: Final = 1.2  # nearer than this, a voxel of the box is too coarse to tell distances
SEED: Final = 0x9407
DIRECTIONS: Final = 24  # along each of the two angles of an octant
NEAR_VOXELS: Final = 4  # up to here a kernel is averaged over voxels, beyond taken at their centres
REACH_CM: Final = 20.0
LEAST_SHARE: Final = 1e-3  # of photons in a decay that are followed
LIGHTEST: Final = 0.1
"""What is lighter than this (g/ml) is air around the body or in it, and is given no dose."""
PARTS: Final = 4  # of the photons, whose spread says how sure their sum is
Volume = Float[np.ndarray, "z y x"]


@cache
def photon_kernel(name: str) -> PointKernel:
    """Where a nuclide's photons leave their energy in water, up to ``REACH_CM``; the same numbers on every call."""
    n = 2 * round(BOX_CM / 2.0 / EDGE_CM) + 1
    at = (np.arange(n) - n // 2) * EDGE_CM
    r2 = at[:, None, None] ** 2 + at[:, None] ** 2 + at**2
    edges = np.arange(0.0, REACH_CM + EDGE_CM / 2, EDGE_CM)
    ring = np.digitize(np.sqrt(r2), edges).ravel()
    # keV per cm of distance: 4π r² times the density, whose mean over two voxels is 1 + h²/6r² times that of points.
    r2[n // 2, n // 2, n // 2] = EDGE_CM**2
    weight = (4.0 * math.pi * r2 / (1.0 + EDGE_CM**2 / (6.0 * r2)) / EDGE_CM**3).ravel()
    weight /= np.bincount(ring)[ring]
    per_cm = np.zeros(len(edges) - 1)
    decays = np.zeros((n, n, n))
    decays[n // 2, n // 2, n // 2] = 1.0
    for energy, share in nuclide(name).lines:
        if share < LEAST_SHARE:
            continue
        water = Voxels.of(np.full((n, n, n), mu_per_cm("water", energy), np.float32), energy, EDGE_CM)
        run = transported(decays, water, energy, PHOTONS, SEED)
        left = run.deposited_kev.ravel() * weight
        per_cm += share / run.photons * np.bincount(ring, left, len(edges) + 1)[1:-1]
    # It hardly changes near the source, where the box's voxels are too coarse.
    first = round(NEAR_CM / EDGE_CM)
    per_cm[:first] = per_cm[first : first + 2].mean()
    kev = per_cm * EDGE_CM
    return PointKernel(edges, kev)


def voxel_kev(point: PointKernel, edge_cm: float, reach: int) -> Float[np.ndarray, "n n n"]:
    """keV per decay that the voxel (k, j, i) steps away receives, for an octant of offsets from 0 to ``reach``."""
    near = min(reach, NEAR_VOXELS)
    out = np.zeros((reach + 1,) * 3)
    steps = np.arange(reach + 1) * edge_cm
    far = np.sqrt(steps[:, None, None] ** 2 + steps[:, None] ** 2 + steps**2)
    inside = far < point.edges_cm[-1]
    density = point.kev / (4.0 / 3.0 * math.pi * np.diff(point.edges_cm**3))
    out[inside] = np.interp(far[inside], point.middles_cm, density) * edge_cm**3
    out[: near + 1, : near + 1, : near + 1] = _averaged(point, edge_cm, near)
    return out


def _averaged(point: PointKernel, edge_cm: float, reach: int) -> Float[np.ndarray, "n n n"]:
    """The mean over both voxels, by distances and directions of one octant."""
    fine = max(1, math.ceil(float(np.diff(point.edges_cm).max()) / (0.1 * edge_cm)))
    keep = point.edges_cm[:-1] < (reach + 1) * math.sqrt(3.0) * edge_cm
    edges = np.concatenate([point.edges_cm[:-1][keep], [point.edges_cm[1:][keep][-1]]])
    inner = np.interp(np.arange(fine * keep.sum()) + 0.5, fine * np.arange(len(edges)), edges)
    weight = np.repeat(point.kev[keep] / fine, fine)
    half = (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS
    z, phi = np.meshgrid(half, 0.5 * math.pi * half, indexing="ij")
    flat = np.sqrt(1.0 - z**2)
    ways = np.stack([z.ravel(), (flat * np.sin(phi)).ravel(), (flat * np.cos(phi)).ravel()])
    offset = np.arange(reach + 1)
    sides = np.where(offset == 0, 1.0, 0.5)  # half of the directions go the other way
    total = np.zeros((reach + 1,) * 3)
    for r, kev in zip(inner / edge_cm, weight, strict=True):
        tent = sides[:, None] * np.maximum(1.0 - np.abs(r * ways[:, None, :] - offset[:, None]), 0.0)
        total += kev / ways.shape[1] * np.einsum("kd,jd,id->kji", *tent, optimize=True)
    return total


@cache
def voxel_kernel(
    name: str, edge_cm: float, photons: bool = True, density_g_ml: float = 1.0
) -> Float[np.ndarray, "n n n"]:
    """keV per decay in each offset of an octant, of electrons and (with ``photons``) of photons to ``REACH_CM``.

    Of water as dense as ``density_g_ml``: distances shrink as it grows.
    """
    edge = edge_cm * density_g_ml
    electrons = electron_kernel(name)
    reach = math.ceil((REACH_CM if photons and nuclide(name).lines else float(electrons.edges_cm[-1])) / edge) + 1
    total = voxel_kev(electrons, edge, min(reach, math.ceil(float(electrons.edges_cm[-1]) / edge) + 1))
    if not photons or all(share < LEAST_SHARE for _, share in nuclide(name).lines):
        return total
    out = voxel_kev(photon_kernel(name), edge, reach)
    n = len(total)
    out[:n, :n, :n] += total
    return out


def voxel_s(name: str, edge_mm: float, density_g_ml: float = 1.0) -> Float[np.ndarray, "n n n"]:
    """Voxel S values in mGy/(MBq·s), an octant of offsets (k, j, i).

    >>> round(float(voxel_s("Lu-177", 4.42, 1.04)[0, 0, 0]), 2)
    0.24
    """
    mass_g = density_g_ml * (edge_mm / 10.0) ** 3
    return np.asarray(voxel_kernel(name, edge_mm / 10.0, True, density_g_ml) * (1e6 * MGY_PER_KEV_G / mass_g))


def sphere_s(name: str, mass_g: float, density_g_ml: float = 1.0) -> float:
    """Self-dose of an evenly filled sphere, mGy/(MBq·s): the S value of an organ of this mass :cite:`bolch2009`.

    Organs are no spheres; electrons hardly notice, and photons lose a few per cent of the sum.
    """
    radius = (3.0 * mass_g / density_g_ml / (4.0 * math.pi)) ** (1.0 / 3.0) * density_g_ml
    kev = electron_kernel(name).in_sphere_kev(radius) + photon_kernel(name).in_sphere_kev(radius)
    return 1e6 * MGY_PER_KEV_G * kev / mass_g


def local_kev(decays: Volume, name: str) -> Volume:
    """Every electron's energy where it was emitted; photons leave."""
    return np.asarray(decays * electron_kev(name))


def kernel_kev(decays: Volume, name: str, edge_cm: float, photons: bool = True) -> Volume:
    """Electrons' (and photons') energy by convolution with voxel S values of water."""
    from scipy.fft import irfftn, next_fast_len, rfftn

    octant = voxel_kernel(name, round(edge_cm, 6), photons)
    n = min(len(octant), max(decays.shape))
    size = [next_fast_len(k + n - 1, real=True) for k in decays.shape]
    spread = np.zeros(size, decays.dtype)
    near = [np.minimum(np.arange(k), k - np.arange(k)) for k in size]  # offsets from 0 on, then from behind 0 on
    inside = [np.flatnonzero(k < n) for k in near]
    spread[np.ix_(*inside)] = octant[np.ix_(*(k[i] for k, i in zip(near, inside, strict=True)))]
    z, y, x = decays.shape
    whole = irfftn(rfftn(decays, size) * rfftn(spread), size)[:z, :y, :x]
    return np.asarray(np.maximum(whole, 0.0), decays.dtype)


def transported_kev(decays: Volume, voxels: Voxels, name: str, photons: int, seed: int) -> tuple[Volume, Volume]:
    """Electrons by their kernel, photons by following ``photons`` of them through the patient; and the sum's sd.

    Photons are shared among the lines by the energy these carry.
    """
    total = kernel_kev(decays, name, voxels.edge_cm, photons=False)
    variance = np.zeros_like(total)
    lines = [(e, share) for e, share in nuclide(name).lines if share >= LEAST_SHARE]
    carried = sum(e * share for e, share in lines)
    for number, (energy, share) in enumerate(lines):
        count = max(PARTS, round(photons * energy * share / carried))
        runs = [
            transported(decays, voxels, energy, max(1, count // PARTS), seed + 7919 * number + part)
            for part in range(PARTS)
        ]
        each = np.stack([share * float(decays.sum()) * run.deposited_kev / run.photons for run in runs])
        total += each.mean(0)
        variance += each.var(0, ddof=1) / PARTS
    return total, np.sqrt(variance)


def gray(kev: Volume, density_g_ml: Float32[np.ndarray, "z y x"], edge_cm: float) -> Volume:
    """Energy over mass, in Gy; 0 in air."""
    mass = np.maximum(density_g_ml, LIGHTEST) * edge_cm**3
    return np.where(density_g_ml >= LIGHTEST, 1e-3 * MGY_PER_KEV_G * kev / mass, 0.0)


def density_of(voxels: Voxels) -> Float32[np.ndarray, "z y x"]:
    """Density in g/ml of a patient's voxels."""
    table = np.array([MATERIALS[name].density_g_cm3 for name in NAMES], np.float32)
    return np.asarray(voxels.density * table[voxels.material], np.float32)
