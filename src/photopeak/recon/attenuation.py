"""An attenuation map on the camera's lattice, from a CT of the same frame of reference."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from photopeak.core import Grid, Image, PhotopeakError, Study
from photopeak.physics.materials import mu_from_ct, mu_per_cm

COVERED = 0.5
"""A CT that covers less of the field of view's length than this is refused."""


def mu_map(ct: Image, grid: Grid, energy_kev: float, covered: Grid | None = None) -> Float32[np.ndarray, "z y x"]:
    """μ in 1/cm at an energy, averaged over voxels of ``grid``; 0 where the CT does not reach.

    The CT must reach over half of what the camera covered, or of the grid where that is not said.

    CT numbers become μ first, at the CT's own resolution, since the map from one to the other is bent. Noise below
    the number of air counts against noise above it until the mean is taken: cut off sooner, it would leave air that
    attenuates.
    """
    from scipy.ndimage import affine_transform, gaussian_filter

    check_frames(ct.grid, covered or grid)
    hu = np.asarray(ct.values, np.float32)
    mu = np.where(hu < -1000.0, mu_per_cm("water", energy_kev) * (1.0 + hu / 1000.0), mu_from_ct(hu, energy_kev))
    spacing, target = (np.array([g.spacing_mm[n] for n in ("z", "y", "x")]) for g in (ct.grid, grid))
    # The mean over a larger voxel: a box of its width, as a Gaussian of the same variance.
    mu = gaussian_filter(mu, np.where(target > spacing, target / spacing / np.sqrt(12.0), 0.0))
    to_ct = np.linalg.inv(ct.grid.matrix_mm) @ grid.matrix_mm  # index (x, y, z) to index
    matrix, offset = to_ct[:3, :3][::-1, ::-1], to_ct[:3, 3][::-1]
    out = affine_transform(mu, matrix, offset, output_shape=grid.shape, order=1, mode="constant", cval=0.0)
    return np.ascontiguousarray(np.maximum(out, 0.0), np.float32)


def check_frames(ct: Grid, grid: Grid) -> None:
    """Refuse a CT of another frame of reference, or one that lies elsewhere."""
    if ct.names != ("z", "y", "x"):
        raise PhotopeakError(f"the CT has axes {ct.names}; an attenuation map needs one volume (z, y, x).")
    if not ct.frame or ct.frame != grid.frame:
        raise PhotopeakError(
            f"FrameOfReferenceUID (0020,0052): the CT has {ct.frame or 'none'}, the projections "
            f"{grid.frame or 'none'}. They are not known to be aligned. Remedy: give the CT of the same hybrid "
            "examination, or reconstruct with --attenuation none."
        )
    ends = [np.sort([(g.matrix_mm @ [0, 0, k, 1])[2] for k in (0, g.axis("z").size - 1)]) for g in (ct, grid)]
    shared = min(ends[0][1], ends[1][1]) - max(ends[0][0], ends[1][0])
    if shared < COVERED * (ends[1][1] - ends[1][0]):
        raise PhotopeakError(
            f"the CT reaches over z {ends[0][0]:.0f} to {ends[0][1]:.0f} mm, the projections over "
            f"{ends[1][0]:.0f} to {ends[1][1]:.0f} mm: too little is shared. Remedy: give the CT of this field of view."
        )


def with_mu(study: Study, ct: Study, grid: Grid, energy_kev: float) -> Study:
    """The study with the map ``mu`` at an energy, from the CT of the same frame of reference."""
    image = ct["ct"]
    assert isinstance(image, Image)
    return study.add({"mu": Image(mu_map(image, grid, energy_kev), grid, "1/cm")})
