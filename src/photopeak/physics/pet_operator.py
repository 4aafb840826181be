"""The PET scanner as an Operator."""

from __future__ import annotations

import copy

import numpy as np
import torch
from jaxtyping import Float

from photopeak.core import Grid, PhotopeakError
from photopeak.physics import pet_kernels as kernels
from photopeak.physics.operator import Operator
from photopeak.physics.pet import PetScanner

Tensor = torch.Tensor


class PetOperator(Operator):
    """Activity (Bq/ml; z y x) to expected counts (angle, plane, time?, radial), on the CPU in single precision."""

    def __init__(self, scanner: PetScanner, grid: Grid) -> None:
        self.scanner, self.domain, self.range = scanner, grid, scanner.sinogram()
        self.angles = np.arange(scanner.angles)
        self._ring = ring_of(scanner, grid)

    def subset(self, k: int, n: int) -> Operator:
        """Every n-th angle from the k-th on."""
        if not 0 <= k < n <= len(self.angles):
            raise PhotopeakError(
                f"subset {k} of {n} does not exist for {len(self.angles)} angles. "
                "Remedy: use at most one subset for each angle."
            )
        part = copy.copy(self)
        part.angles = self.angles[k::n]
        axis = self.range.axis("angle")
        chosen = type(axis)("angle", len(part.angles), values=axis.values[k::n], unit="deg")
        part.range = Grid((chosen, *self.range.axes[1:]), self.range.affine_mm)
        return part

    def apply(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, "angle *plane radial"]:
        ring = self._ring._replace(pairs=np.ascontiguousarray(self._ring.pairs[self.angles]))
        image = np.zeros(self._counted(), np.float32)
        kernels.project(yxz(x), ring, image)
        image *= np.float32(self.scanner.counts_per_bq_ml_mm)
        return torch.from_numpy(image).reshape(self.range.shape).to(x)

    def apply_adjoint(self, y: Float[Tensor, "angle *plane radial"]) -> Float[Tensor, "z y x"]:
        image = y.detach().cpu().float().reshape(self._counted()).contiguous().numpy()
        n_z, n_y, n_x = self.domain.shape
        parts = np.empty((min(kernels.GROUPS, len(self.angles)), n_y, n_x, n_z), np.float32)
        kernels.back_project(image * np.float32(self.scanner.counts_per_bq_ml_mm), self._ring, self.angles, parts)
        return torch.from_numpy(parts).sum(0).permute(2, 0, 1).contiguous().to(y)

    def _counted(self) -> tuple[int, int, int, int]:
        planes = self.range.axis("channel").size
        bins = 1 if self.scanner.tof is None else self.scanner.tof.bins
        return len(self.angles), planes, bins, self.scanner.radial


def attenuation_factors(scanner: PetScanner, grid: Grid, mu: Float[Tensor, "z y x"]) -> Tensor:
    """e^(−∫μ) of every line, one for all time-of-flight bins; ``mu`` in 1/cm."""
    from dataclasses import replace

    if tuple(mu.shape) != grid.shape:
        raise PhotopeakError(f"mu has shape {tuple(mu.shape)}, its grid {grid.shape}. Remedy: give mu on the grid.")
    if not bool(torch.isfinite(mu).all()) or float(mu.min()) < 0.0:
        raise PhotopeakError("mu must be finite and at least 0 (1/cm). Remedy: check the attenuation map.")
    single = replace(scanner, tof=None, counts_per_bq_ml_mm=0.1)  # 1/cm · mm
    summed = PetOperator(single, grid)(mu)
    # A plane of several ring pairs has the sum of their integrals.
    pairs = torch.tensor([len(p) for p in scanner.planes()]).to(summed)
    factors = torch.exp(-summed / pairs[:, None])
    return factors if scanner.tof is None else factors[:, :, None]


def ring_of(scanner: PetScanner, grid: Grid) -> kernels.Ring:
    """The scanner as the kernels see it, in the voxels of an image that must fit it."""
    spacing, matrix = grid.spacing_mm, grid.matrix_mm
    square = abs(spacing["x"] - spacing["y"]) < 1e-6 and abs(spacing["z"] - 0.5 * scanner.ring_mm) < 1e-6
    if grid.names != ("z", "y", "x") or grid.shape[0] != scanner.slices or not square:
        raise PhotopeakError(
            f"{scanner.rings} rings, {scanner.ring_mm:g} mm apart, give images of {scanner.slices} slices "
            f"of {scanner.ring_mm / 2:g} mm and square voxels, not {grid.shape} of {spacing}. "
            "Remedy: take scanner.grid(voxel_mm, width)."
        )
    turn = 2.0 * np.pi * np.arange(scanner.crystals) / scanner.crystals
    x = (scanner.radius_mm * np.cos(turn) - matrix[0, 3]) / spacing["x"]
    y = (scanner.radius_mm * np.sin(turn) - matrix[1, 3]) / spacing["y"]
    planes = scanner.planes()
    differences = sorted({b - a for plane in planes for a, b in plane})
    place = np.full((len(differences), scanner.rings), -1, np.int64)
    for number, plane in enumerate(planes):
        for a, b in plane:
            place[differences.index(b - a), a] = number
    tof = scanner.tof
    edges = np.zeros(0) if tof is None else tof.edges_mm
    sigma = 1.0 if tof is None else tof.sigma_mm
    return kernels.Ring(
        x, y, scanner.pairs(), np.array(differences), place, edges, sigma, spacing["x"], scanner.ring_mm
    )


def yxz(volume: Tensor) -> np.ndarray:
    """A volume as the kernels take it: z contiguous."""
    return volume.detach().cpu().float().permute(1, 2, 0).contiguous().numpy()
