"""The planar camera's bands, layer by layer: what a camera does to a grid, whatever its voxels hold."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from photopeak.physics import planar_geometry as geometry
from photopeak.physics import planar_kernels as kernels
from photopeak.physics.planar_geometry import Bands, Placement
from photopeak.physics.scatter import medium

if TYPE_CHECKING:
    from photopeak.physics.planar import PlanarCamera, Window


@dataclass(frozen=True, eq=False)
class Layer:
    """One blur onto the detector. ``coarse``, where there is one, first sums the nodes onto a coarser lattice."""

    z: Bands
    x: tuple[Bands, Bands]
    coarse: tuple[Bands, Bands] | None = None  # along z and x

    def add(self, planes: NDArray[np.float32], view: int, image: NDArray[np.float32]) -> None:
        """Add what this layer makes of one view's nodes (k, z, x), or of their sum (1, z, x), to its image."""
        if self.coarse is not None:
            scattering = self._lattice()
            kernels.blur(planes, *self.coarse, scattering[0])
            planes = scattering
        kernels.blur(planes, self.z, self.x[view], image)

    def take(self, image: NDArray[np.float32], view: int, planes: NDArray[np.float32]) -> None:
        """The transpose of ``add``: add what the image gives back to the nodes."""
        if self.coarse is None:
            kernels.back_blur(planes, self.z, self.x[view], image)
            return
        scattering, flat = self._lattice(), np.zeros((1, *planes.shape[1:]), np.float32)
        kernels.back_blur(scattering, self.z, self.x[view], image)
        kernels.back_blur(flat, *self.coarse, scattering[0])
        planes += flat

    def _lattice(self) -> NDArray[np.float32]:
        return np.zeros((1, self.z.start.shape[1], self.x[0].start.shape[1]), np.float32)


@dataclass(frozen=True, eq=False)
class PlanarPlan:
    """Everything about one camera before one body that does not depend on its activity."""

    nodes: geometry.Nodes
    layers: tuple[Layer, ...]
    medium: NDArray[np.float32]  # what scatter is weighted with, (view, row, column)

    @staticmethod
    def of(camera: PlanarCamera, placement: Placement, window: Window, mu: NDArray[np.float32]) -> PlanarPlan:
        nodes = geometry.nodes(camera, placement)
        z_mm, x_mm = (geometry.lattice_mm(placement, axis) for axis in (2, 0))
        layers = [_layer(camera, placement, (z_mm, x_mm), nodes.sigma_mm)] if window.primary else []
        for share, sigma in window.scatter:
            pitch = geometry.coarse_pitch_mm(sigma, placement.voxel_mm)
            (z_points, z), (x_points, x) = geometry.coarse(z_mm, pitch), geometry.coarse(x_mm, pitch)
            narrowed = np.array([math.sqrt(sigma**2 - pitch**2 / 4.0)])
            layer = _layer(camera, placement, (z_points, x_points), narrowed, share)
            layers.append(replace(layer, coarse=(z, x)))
        return PlanarPlan(nodes, tuple(layers), medium(camera, placement, mu))

    def image(self, planes: NDArray[np.float32], view: int, image: NDArray[np.float32]) -> None:
        """Add what one view's nodes (k, z, x) make on its detector to ``image``."""
        flat = np.zeros((1, *planes.shape[1:]), np.float32)
        kernels.flatten(planes, flat[0])
        scattered = np.zeros_like(image)
        for layer in self.layers:
            if layer.coarse is None:
                layer.add(planes, view, image)
            else:
                layer.add(flat, view, scattered)
        scattered *= self.medium[view]
        image += scattered

    def planes(self, image: NDArray[np.float32], view: int, planes: NDArray[np.float32]) -> None:
        """The transpose of ``image``: add what an image gives back to the nodes."""
        scattered = image * self.medium[view]
        for layer in self.layers:
            layer.take(image if layer.coarse is None else scattered, view, planes)


def _layer(
    camera: PlanarCamera,
    placement: Placement,
    lattice_mm: tuple[NDArray[np.float64], NDArray[np.float64]],
    sigmas_mm: NDArray[np.float64],
    share: float = 1.0,
) -> Layer:
    """Bands from a lattice (z, x) onto rows and onto the columns of either view."""
    z_mm, x_mm = lattice_mm
    z = geometry.bands(z_mm, geometry.rows(camera, placement.top_mm), sigmas_mm, share)
    anterior, posterior = (
        geometry.bands(x_mm, geometry.columns(camera, view, placement.middle_mm), sigmas_mm) for view in range(2)
    )
    return Layer(z, (anterior, posterior))
