"""The lattice that cameras need: cubic voxels along the patient's axes."""

from __future__ import annotations

import numpy as np

from photopeak.core import Grid, PhotopeakError


def voxel_mm(grid: Grid) -> float:
    """The edge of a volume's cubic voxels; refused where they are not cubes along the patient's axes."""
    matrix = grid.matrix_mm
    edge = float(matrix[0, 0])
    if grid.names != ("z", "y", "x") or edge <= 0 or not np.allclose(matrix[:3, :3], edge * np.eye(3), rtol=1e-6):
        raise PhotopeakError(
            "the camera needs a (z, y, x) volume of cubic voxels along the patient's axes. "
            "Remedy: resample activity and mu onto such a grid."
        )
    return edge
