"""The SPECT camera's operator in plain torch: on any device, in any precision, and to check the kernels.

Written from the equations of ``spect`` alone; with the kernels it shares the camera, the orbit and the bells.
"""

from __future__ import annotations

import torch
from jaxtyping import Float

from photopeak.physics.spect import depths
from photopeak.physics.spect_operator import SpectOperator
from photopeak.physics.voxels import voxel_mm

Tensor = torch.Tensor


class SpectTorch(SpectOperator):
    """One angle at a time: the rotated slice as a matrix R of bilinear weights, and bands for the blur."""

    def apply(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, "angle row column"]:
        flat = x.reshape(x.shape[0], -1).T
        return torch.stack([self._view(flat, angle) for angle in range(self.range.shape[0])])

    def _view(self, flat: Float[Tensor, "yx z"], angle: int) -> Float[Tensor, "row column"]:
        turned = self._rotation(angle, flat)
        planes = (turned @ flat).reshape(depths(self.domain), -1, flat.shape[1]) * self._through(turned)
        across, along = self._bands(angle, flat)
        image = torch.einsum("duv,dvz,dwz->wu", across, planes, along)
        return self.gain * image.flip(0)

    def apply_adjoint(self, y: Float[Tensor, "angle row column"]) -> Float[Tensor, "z y x"]:
        n_z, n_y, n_x = self.domain.shape
        total = y.new_zeros((n_y * n_x, n_z))
        for angle in range(self.range.shape[0]):
            turned = self._rotation(angle, y)
            across, along = self._bands(angle, y)
            planes = torch.einsum("duv,wu,dwz->dvz", across, self.gain * y[angle].flip(0), along)
            total = total + turned.T @ (planes * self._through(turned)).reshape(-1, n_z)
        return total.T.reshape(n_z, n_y, n_x)

    def _rotation(self, angle: int, like: Tensor) -> Tensor:
        """R (depth·column, y·x), sparse: what every point of the planes takes of every voxel."""
        _, n_y, n_x = self.domain.shape
        n_d, columns = depths(self.domain), self.range.shape[2]
        cosine, sine = (float(v[angle]) for v in self.directions)
        kind = {"dtype": torch.float64, "device": like.device}
        d = 0.5 * (n_d - 1) - torch.arange(n_d, **kind)[:, None]  # type: ignore[call-overload]
        u = torch.arange(columns, **kind)[None] - 0.5 * (columns - 1)  # type: ignore[call-overload]
        y = (0.5 * (n_y - 1) + sine * u + cosine * d).reshape(-1)
        x = (0.5 * (n_x - 1) - cosine * u + sine * d).reshape(-1)
        point = torch.arange(y.numel(), device=like.device)
        places, weights = [], []
        for dy in (0, 1):
            for dx in (0, 1):
                i, j = y.floor() + dy, x.floor() + dx
                weight = (1.0 - (y - i).abs()) * (1.0 - (x - j).abs())
                inside = (i >= 0) & (i < n_y) & (j >= 0) & (j < n_x) & (weight > 0)
                places.append(torch.stack([point[inside], (i * n_x + j).long()[inside]]))
                weights.append(weight[inside])
        shape = (y.numel(), n_y * n_x)
        values = torch.cat(weights).to(like.dtype)
        return torch.sparse_coo_tensor(torch.cat(places, 1), values, shape, check_invariants=False)

    def _through(self, turned: Tensor) -> Tensor | float:
        """Transmission from the middle of every cell of every plane to the head."""
        mu = self.scene.mu
        if mu is None:
            return 1.0
        flat = mu.to(turned).reshape(mu.shape[0], -1).T
        path = (turned @ flat).reshape(depths(self.domain), -1, mu.shape[0]) * (voxel_mm(self.domain) / 10.0)
        return torch.exp(0.5 * path - torch.cumsum(path, 0))

    def _bands(self, angle: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Each plane's blur along u and along z as a symmetric band matrix."""
        half = torch.as_tensor(self.blur.planes[angle]).to(like)

        def band(n: int) -> Tensor:
            apart = (torch.arange(n)[:, None] - torch.arange(n)[None]).abs().to(like.device)
            near = apart < half.shape[1]
            return torch.where(near, half[:, apart.clamp_max(half.shape[1] - 1)], 0.0)

        return band(self.range.shape[2]), band(self.domain.shape[0])
