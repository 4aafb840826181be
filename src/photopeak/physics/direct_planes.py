"""Direct planes of a PET scanner: every slice has its own sinogram, and all slices share one transaxial matrix.

    y[a, z, r] = g Σ_p W[(a, r), p] x[z, p]

W holds Joseph's weights in mm :cite:`joseph1982`, the same as a ``PetOperator`` of one ring has. What two dimensions
leave out (oblique lines, time of flight) is what a whole body on one processor cannot wait for: the matrix is made
once, and a pass over 250 slices is one sparse product.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float

from photopeak.core import Axis, Grid, PhotopeakError
from photopeak.core.grid import scaling
from photopeak.physics import direct_planes_kernels as kernels
from photopeak.physics.operator import Operator
from photopeak.physics.pet import PetScanner
from photopeak.physics.pet_operator import ring_of

Tensor = torch.Tensor


class DirectPlanes(Operator):
    """Activity (Bq/ml; z y x) to expected counts (angle, channel = slice, x = radial) of a scanner's crystals."""

    def __init__(
        self, scanner: PetScanner, slices: int, voxel_mm: tuple[float, float], inside: Bool[np.ndarray, "y x"]
    ) -> None:
        """``voxel_mm`` is (across, along); what is not ``inside`` holds no activity and costs nothing."""
        width, (across_mm, slice_mm) = len(inside), voxel_mm
        if scanner.rings != 1 or scanner.tof is not None:
            raise PhotopeakError("direct planes are of one ring without time of flight. Remedy: rings=1, tof=None.")
        if slices < 1 or min(voxel_mm) <= 0.0 or inside.shape != (width, width):
            raise PhotopeakError(
                f"{slices} slices of {inside.shape} voxels, {across_mm:g} × {slice_mm:g} mm, cannot be. "
                "Remedy: square slices, at least one, and lengths above 0."
            )
        self.gain = scanner.counts_per_bq_ml_mm
        low = -0.5 * (width - 1) * across_mm
        self.domain = Grid.volume((slices, width, width), scaling((across_mm, across_mm, slice_mm), (low, low, 0.0)))
        angle = scanner.sinogram().axis("angle")
        self.range = Grid((angle, Axis("channel", slices), Axis("x", scanner.radial)), scaling((1.0, 1.0, 1.0)))
        self._inside = torch.from_numpy(np.flatnonzero(inside))
        self._matrix = _lines(scanner, across_mm, width)[:, self._inside.numpy()]

    def subset(self, k: int, n: int) -> Operator:
        """Every n-th angle from the k-th on."""
        angle, radial = self.range.axis("angle"), self.range.axis("x").size
        if not 0 <= k < n <= angle.size:
            raise PhotopeakError(f"subset {k} of {n} does not exist for {angle.size} angles. Remedy: use fewer.")
        part = copy.copy(self)
        rows = np.arange(angle.size * radial).reshape(angle.size, radial)[k::n].ravel()
        part._matrix = self._matrix[rows]
        chosen = Axis("angle", len(rows) // radial, values=angle.values[k::n], unit="deg")
        part.range = Grid((chosen, *self.range.axes[1:]), self.range.affine_mm)
        return part

    def apply(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, "angle channel radial"]:
        columns = x.detach().cpu().float().reshape(len(x), -1).T[self._inside].contiguous().numpy()
        angles, slices, radial = self.range.shape
        y = torch.from_numpy(self._matrix @ columns).reshape(angles, radial, slices)
        return (self.gain * y).permute(0, 2, 1).contiguous().to(x)

    def apply_adjoint(self, y: Float[Tensor, "angle channel radial"]) -> Float[Tensor, "z y x"]:
        rows = y.detach().cpu().float().permute(0, 2, 1).reshape(-1, y.shape[1]).contiguous().numpy()
        x = torch.zeros((math.prod(self.domain.shape[1:]), y.shape[1]))
        x[self._inside] = self.gain * torch.from_numpy(self._matrix.T @ rows)
        return x.T.reshape(self.domain.shape).contiguous().to(y)


def _lines(scanner: PetScanner, voxel_mm: float, width: int) -> Any:
    """W as a sparse matrix, (angle · radial) × (y · x)."""
    from scipy.sparse import csr_array

    ring = ring_of(scanner, scanner.grid(voxel_mm, width))
    samples = np.zeros((scanner.angles, scanner.radial), np.int64)
    kernels.count(ring, (width, width), samples)
    ends = np.cumsum(samples)
    total = int(ends[-1])
    pixel, weight = np.zeros(2 * total, np.int32), np.zeros(2 * total, np.float32)
    kernels.weigh(ring, (width, width), (ends - samples.ravel()).reshape(samples.shape), pixel, weight)
    return csr_array((weight, pixel, np.concatenate([[0], 2 * ends])), (samples.size, width * width))
