"""The planar camera's bands, layer by layer: what a camera does to a grid, whatever its voxels hold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from photopeak.physics import planar_geometry as geometry
from photopeak.physics import planar_kernels as kernels
from photopeak.physics.planar_geometry import Placement

if TYPE_CHECKING:
    from photopeak.physics.planar import PlanarCamera, Window


@dataclass(frozen=True, eq=False)
class Layer:
    """One blur onto the detector: of the nodes themselves (``factor`` 0), or of their binned sum."""

    factor: int
    z: geometry.Bands
    x: tuple[geometry.Bands, geometry.Bands]

    def add(self, source: NDArray[np.float32], view: int, image: NDArray[np.float32]) -> None:
        """Add this layer's blur of its source, (k, z, x) on its own lattice, to a view's image."""
        z, x = self.z, self.x[view]
        kernels.blur(source, z.taps, z.start, z.weight, x.start, x.weight, image)

    def take(self, image: NDArray[np.float32], view: int) -> NDArray[np.float32]:
        """The transpose of ``add``: what the image gives back to this layer's source."""
        z, x = self.z, self.x[view]
        source = np.zeros((len(z.taps), z.start.shape[1], x.start.shape[1]), np.float32)
        kernels.back_blur(source, z.taps, z.start, z.weight, x.start, x.weight, image)
        return source


@dataclass(frozen=True, eq=False)
class PlanarPlan:
    """Everything about one camera before one grid that does not depend on what the voxels hold."""

    nodes: geometry.Nodes
    layers: tuple[Layer, ...]

    @staticmethod
    def of(camera: PlanarCamera, placement: Placement, window: Window) -> PlanarPlan:
        nodes = geometry.nodes(camera, placement)
        layers = [_layer(camera, placement, 0, nodes.sigma_mm, 1.0)] if window.primary else []
        for share, sigma in window.scatter:
            factor = geometry.scatter_factor(sigma, placement.voxel_mm)
            # Binning widens by (f² − 1) h²/12; the blur that follows is narrowed by as much.
            binned = (factor**2 - 1) * placement.voxel_mm**2 / 12.0
            layers.append(_layer(camera, placement, factor, np.array([math.sqrt(sigma**2 - binned)]), share))
        return PlanarPlan(nodes, tuple(layers))

    def image(self, planes: NDArray[np.float32], view: int, image: NDArray[np.float32]) -> None:
        """Add what one view's nodes (k, z, x) make on its detector to ``image``."""
        flat = np.zeros(planes.shape[1:], np.float32)
        kernels.flatten(planes, flat)
        for layer in self.layers:
            layer.add(planes if layer.factor == 0 else self._coarse(flat, layer), view, image)

    def planes(self, image: NDArray[np.float32], view: int, planes: NDArray[np.float32]) -> None:
        """The transpose of ``image``: add what an image gives back to the nodes."""
        for layer in self.layers:
            source = layer.take(image, view)
            if layer.factor == 0:
                planes += source
            else:
                kernels.back_coarsen(planes, layer.factor, source[0])

    def _coarse(self, flat: NDArray[np.float32], layer: Layer) -> NDArray[np.float32]:
        out = np.zeros((1, layer.z.start.shape[1], layer.x[0].start.shape[1]), np.float32)
        kernels.coarsen(flat, layer.factor, out[0])
        return out


def _layer(
    camera: PlanarCamera, placement: Placement, factor: int, sigmas_mm: NDArray[np.float64], share: float
) -> Layer:
    z_mm = geometry.lattice_mm(placement, 2, max(1, factor))
    x_mm = geometry.lattice_mm(placement, 0, max(1, factor))
    z = geometry.bands(z_mm, geometry.rows(camera, placement.top_mm), sigmas_mm, share)
    anterior, posterior = (
        geometry.bands(x_mm, geometry.columns(camera, view, placement.middle_mm), sigmas_mm) for view in range(2)
    )
    return Layer(factor, z, (anterior, posterior))
