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
    from photopeak.physics.planar import PlanarCamera


@dataclass(frozen=True, eq=False)
class Layer:
    """One blur onto the detector: of the nodes themselves (``factor`` 0), or of their binned sum."""

    factor: int
    z: geometry.Bands
    x: tuple[geometry.Bands, geometry.Bands]

    def add(self, planes: NDArray[np.float32], view: int, image: NDArray[np.float32]) -> None:
        """Add this layer of one view's nodes to its image."""
        source = planes if self.factor == 0 else self.coarse(planes)
        z, x = self.z, self.x[view]
        kernels.blur(source, z.taps, z.start, z.weight, x.start, x.weight, image)

    def add_adjoint(self, image: NDArray[np.float32], view: int, planes: NDArray[np.float32]) -> None:
        """The transpose of ``add``: add to one view's nodes what its image takes from them."""
        z, x = self.z, self.x[view]
        source = planes if self.factor == 0 else np.zeros((1, z.start.shape[1], x.start.shape[1]), np.float32)
        kernels.back_blur(source, z.taps, z.start, z.weight, x.start, x.weight, image)
        if self.factor:
            kernels.back_coarsen(planes, self.factor, source[0])

    def coarse(self, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        """What scatters, summed over depth on this layer's lattice."""
        out = np.zeros((1, self.z.start.shape[1], self.x[0].start.shape[1]), np.float32)
        kernels.coarsen(planes, self.factor, out[0])
        return out


@dataclass(frozen=True, eq=False)
class PlanarPlan:
    """Everything about one camera before one grid that does not depend on what the voxels hold."""

    nodes: geometry.Nodes
    layers: tuple[Layer, ...]

    @staticmethod
    def of(camera: PlanarCamera, placement: Placement) -> PlanarPlan:
        nodes = geometry.nodes(camera, placement)
        layers = [_layer(camera, placement, 0, nodes.sigma_mm, 1.0)] if camera.window.primary else []
        for share, sigma in camera.window.scatter:
            factor = geometry.scatter_factor(sigma, placement.voxel_mm)
            # Binning widens by (f² − 1) h²/12; the blur that follows is narrowed by as much.
            binned = (factor**2 - 1) * placement.voxel_mm**2 / 12.0
            layers.append(_layer(camera, placement, factor, np.array([math.sqrt(sigma**2 - binned)]), share))
        return PlanarPlan(nodes, tuple(layers))


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
