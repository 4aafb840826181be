"""The SPECT camera as an Operator: what its engines share, and the engine on the CPU."""

from __future__ import annotations

import copy
import threading
from dataclasses import dataclass

import numba
import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from photopeak.core import Grid, PhotopeakError
from photopeak.physics import spect_kernels as kernels
from photopeak.physics.operator import Operator
from photopeak.physics.spect import Orbit, SpectCamera, blur, projection_grid
from photopeak.physics.voxels import voxel_mm

Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class SpectScene:
    """One patient before one camera; ``mu`` in 1/cm, or None for no attenuation."""

    camera: SpectCamera
    grid: Grid
    orbit: Orbit
    mu: Tensor | None


class SpectOperator(Operator):
    """Activity (Bq/ml; z y x) to expected counts (angle, row, column)."""

    def __init__(self, scene: SpectScene) -> None:
        self.scene = scene
        self.domain, self.range = scene.grid, projection_grid(scene.grid, scene.orbit)
        self.gain = scene.camera.counts_per_bq_ml(voxel_mm(scene.grid))
        self.blur = blur(scene.camera, scene.grid, scene.orbit)

    def subset(self, k: int, n: int) -> Operator:
        """Every n-th angle from the k-th on; parts differ by one angle where n does not divide them."""
        views = len(self.scene.orbit.angles_deg)
        if not 0 <= k < n <= views:
            raise PhotopeakError(
                f"subset {k} of {n} does not exist for {views} angles. Remedy: use at most one subset for each angle."
            )
        part = copy.copy(self)
        scene = self.scene
        part.scene = SpectScene(scene.camera, scene.grid, scene.orbit.every(k, n), scene.mu)
        part.range = projection_grid(scene.grid, part.scene.orbit)
        part.blur = self.blur.every(k, n)
        return part

    @property
    def directions(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """cos θ and sin θ of every angle."""
        radians = np.deg2rad(np.array(self.scene.orbit.angles_deg))
        return np.cos(radians), np.sin(radians)


class SpectNumba(SpectOperator):
    """On the CPU, by kernels in single precision."""

    def __init__(self, scene: SpectScene) -> None:
        super().__init__(scene)
        _, n_y, n_x = scene.grid.shape
        self._mu = np.zeros((n_y, n_x, 0), np.float32) if scene.mu is None else _yxz(scene.mu)
        self._kept = threading.local()

    def _turn(self) -> kernels.Turn:
        b = self.blur
        bell, low, share = (np.ascontiguousarray(a) for a in (b.bell, b.low, b.share))
        return kernels.Turn(*self.directions, bell, low, share, voxel_mm(self.domain) / 10.0)

    def apply(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, "angle row column"]:
        angles, rows, columns = self.range.shape
        image = np.zeros((angles, columns, rows), np.float32)
        kernels.project(_yxz(x), self._mu, self._turn(), image)
        image *= np.float32(self.gain)
        return torch.from_numpy(image[:, :, ::-1].transpose(0, 2, 1).copy()).to(x)

    def apply_adjoint(self, y: Float[Tensor, "angle row column"]) -> Float[Tensor, "z y x"]:
        values = y.detach().cpu().numpy()[:, ::-1].transpose(0, 2, 1)
        margin = self.blur.bell.shape[2] - 1
        image = np.pad(values.astype(np.float32) * np.float32(self.gain), ((0, 0), (0, 0), (margin, margin)))
        activity = np.empty(self.domain.shape, np.float32)
        kernels.back_project(image, self._mu, self._turn(), *self._workspace(), activity)
        return torch.from_numpy(activity).to(y)

    def _workspace(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Memory of this thread for the transpose, shared by all subsets."""
        n_z, n_y, n_x = self.domain.shape
        threads = numba.get_num_threads()
        if getattr(self._kept, "threads", 0) < threads:
            stack = self.blur.low.shape[1], self.range.shape[2]
            self._kept.space, self._kept.threads = kernels.workspace(n_z, (n_y, n_x), stack, threads), threads
        parts, stacks = self._kept.space
        return parts, stacks


def spect_operator(camera: SpectCamera, grid: Grid, orbit: Orbit, mu: Tensor | None, engine: str) -> SpectOperator:
    """The operator of one engine for one patient."""
    if mu is not None:
        if tuple(mu.shape) != grid.shape:
            raise PhotopeakError(f"mu has shape {tuple(mu.shape)}, its grid {grid.shape}. Remedy: give mu on the grid.")
        if not bool(torch.isfinite(mu).all()) or float(mu.min()) < 0.0:
            raise PhotopeakError("mu must be finite and at least 0 (1/cm). Remedy: check the attenuation map.")
    scene = SpectScene(camera, grid, orbit, mu)
    if engine == "auto":
        engine = "torch" if mu is not None and mu.is_cuda else "numba"
    if engine == "numba":
        return SpectNumba(scene)
    if engine == "torch":
        from photopeak.physics.spect_torch import SpectTorch

        return SpectTorch(scene)
    raise PhotopeakError(f"unknown engine {engine!r}. Remedy: use auto, numba or torch.")


def _yxz(volume: Tensor) -> NDArray[np.float32]:
    # torch turns the axes twice as fast as numpy.
    return volume.detach().cpu().float().permute(1, 2, 0).contiguous().numpy()
