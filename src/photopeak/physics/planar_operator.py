"""The planar camera as an Operator: activity in Bq/ml to expected counts on each view."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from photopeak.core import Grid, PhotopeakError
from photopeak.physics import planar_kernels as kernels
from photopeak.physics.engines import single
from photopeak.physics.operator import Operator
from photopeak.physics.planar import VIEWS, PlanarCamera, Window, response
from photopeak.physics.planar_geometry import Placement
from photopeak.physics.planar_plan import PlanarPlan
from photopeak.physics.voxels import voxel_mm

Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class Scene:
    """One patient before one camera."""

    camera: PlanarCamera
    window: Window
    placement: Placement
    grid: Grid
    mu: Tensor


class PlanarOperator(Operator):
    """What both engines share: the camera before the patient, and the views that are seen."""

    def __init__(self, scene: Scene, views: tuple[str, ...]) -> None:
        self.scene = scene
        self.camera, self.placement, self.mu = scene.camera, scene.placement, scene.mu
        self.domain, self.range = scene.grid, _image_grid(scene.camera, views)

    @property
    def views(self) -> tuple[int, ...]:
        """Numbers of the views in the range: 0 anterior, 1 posterior."""
        return tuple(VIEWS.index(v) for v in self.range.labels("view"))

    def subset(self, k: int, n: int) -> Operator:
        """Every n-th view from the k-th on."""
        words = self.range.labels("view")[k::n]
        if not words:
            return super().subset(k, n)
        part = copy.copy(self)
        part.range = _image_grid(self.camera, words)
        return part


class PlanarNumba(PlanarOperator):
    """On the CPU, by the simulator's kernels, in single precision."""

    def __init__(self, scene: Scene, views: tuple[str, ...]) -> None:
        super().__init__(scene, views)
        self.gain = response(scene.camera) * np.float32(scene.camera.counts_per_bq_ml(scene.placement.voxel_mm))
        self.mu_values = single(scene.mu)
        self.plan = PlanarPlan.of(scene.camera, scene.placement, scene.window, self.mu_values)

    def _planes(self) -> NDArray[np.float32]:
        n_z, _, n_x = self.placement.shape
        return np.zeros((len(self.views), self.camera.depth_nodes, n_z, n_x), np.float32)

    def apply(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, "view row column"]:
        planes, image = self._planes(), np.zeros(self.range.shape, np.float32)
        nodes, voxel_mm = self.plan.nodes, self.placement.voxel_mm
        views = np.array(self.views)
        kernels.project(single(x), self.mu_values, voxel_mm, nodes, views, planes)
        for i, view in enumerate(self.views):
            self.plan.image(planes[i], view, image[i])
        return torch.from_numpy(image * self.gain[views]).to(x)

    def apply_adjoint(self, y: Float[Tensor, "view row column"]) -> Float[Tensor, "z y x"]:
        planes, activity = self._planes(), np.zeros(self.domain.shape, np.float32)
        nodes, voxel_mm = self.plan.nodes, self.placement.voxel_mm
        views = np.array(self.views)
        image = single(y) * self.gain[views]
        for i, view in enumerate(self.views):
            self.plan.planes(image[i], view, planes[i])
        kernels.back_project(activity, self.mu_values, voxel_mm, nodes, views, planes)
        return torch.from_numpy(activity).to(y)


def planar_operator(
    camera: PlanarCamera, mu: Tensor, grid: Grid, seen: tuple[tuple[str, ...], Window], engine: str
) -> PlanarOperator:
    """The operator of one engine for one patient, of the ``seen`` views and window."""
    views, window = seen
    unknown = [v for v in views if v not in VIEWS]
    if unknown or not views:
        raise PhotopeakError(f"unknown views {list(views)}. Remedy: name some of {', '.join(VIEWS)}.")
    if tuple(mu.shape) != grid.shape:
        raise PhotopeakError(f"mu has shape {tuple(mu.shape)}, its grid {grid.shape}. Remedy: give mu on the grid.")
    first = grid.matrix_mm[:3, 3]
    placement = camera.place(single(mu), voxel_mm(grid), (float(first[0]), float(first[1]), float(first[2])))
    scene = Scene(camera, window, placement, grid, mu)
    if engine == "auto":
        engine = "torch" if mu.is_cuda else "numba"
    if engine == "numba":
        return PlanarNumba(scene, views)
    if engine in ("torch", "exact"):
        from photopeak.physics.planar_torch import PlanarTorch

        return PlanarTorch(scene, views, engine == "exact")
    raise PhotopeakError(f"unknown engine {engine!r}. Remedy: use auto, numba, torch or exact.")


def _image_grid(camera: PlanarCamera, views: Sequence[str]) -> Grid:
    return Grid.planar(views, camera.matrix, (camera.pixel_mm, camera.pixel_mm))
