"""Where scatter comes from: photons scatter in tissue, so that beside a body there is next to none.

Convolution scatter lays a broad blur of the primary over everything, air included; a real image falls
off at the skin as sharply as the camera's blur lets it. What a ray can scatter towards the camera grows
with the tissue on it, so the blurred primary is weighted pixel by pixel with

    w = f + (1 − f) (1 − e^{−T}) / (1 − e^{−T₀}),    T = ∫ μ dl,

blurred as the camera blurs the body's middle plane. T₀ = 3.1 is 20 cm of water at 140.5 keV, so that the
window's scatter shares hold for a trunk; f = 0.2 stands for scatter and penetration in the collimator. The
choice of f follows the fall-off beside the body in a real whole-body scan, 0.4 % of the hottest tissue at
15 mm from the skin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from photopeak.physics import planar_geometry as geometry
from photopeak.physics import planar_kernels as kernels

if TYPE_CHECKING:
    from photopeak.physics.planar import PlanarCamera
    from photopeak.physics.planar_geometry import Placement

TRUNK_PATH = 3.1
FLOOR = 0.2


def medium(
    camera: PlanarCamera, placement: Placement, mu_per_cm: NDArray[np.float32]
) -> Float32[np.ndarray, "2 row column"]:
    """The weight w of the blurred primary on every pixel of both views."""
    shape = (placement.shape[0], placement.shape[2])
    tissue = np.zeros((1, *shape), np.float32)
    kernels.scattering_tissue(mu_per_cm, 0.1 * placement.voxel_mm, TRUNK_PATH, tissue[0])
    middle = float(placement.distances_mm()[0].mean())
    sigma = np.array([camera.sigma_mm(middle)])
    z_mm, x_mm = (geometry.lattice_mm(placement, axis) for axis in (2, 0))
    # Bands share a voxel's value among pixels; a weight is not shared: scale by their areas' ratio.
    share = (1.0 - FLOOR) * (placement.voxel_mm / camera.pixel_mm) ** 2
    z = geometry.bands(z_mm, geometry.rows(camera, placement.top_mm), sigma, share)
    weight = np.full((2, *camera.matrix), FLOOR, np.float32)
    for view in range(2):
        x = geometry.bands(x_mm, geometry.columns(camera, view, placement.middle_mm), sigma)
        kernels.blur(tissue, z, x, weight[view])
    return weight
