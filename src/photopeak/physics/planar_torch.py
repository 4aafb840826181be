"""The planar camera's operator in plain torch: on any device, in any precision, and to check the kernels.

Written from the equations alone; it shares with the kernels only the camera, the placement and the choice
of nodes. Seen from view v, with T the transmission from a voxel's centre and W the shares of the nodes,

    y_v = Σ_l w_l Z_l ( Σ_y W_v,y a T_v ) X_v,l^T

over the layers l: one for each node (w = 1) and one for each scatter component (w of ``scatter``).
"""

from __future__ import annotations

import torch
from jaxtyping import Float

from photopeak.physics import planar_geometry as geometry
from photopeak.physics.planar import response
from photopeak.physics.planar_geometry import Pixels
from photopeak.physics.planar_operator import PlanarOperator, Scene
from photopeak.physics.scatter import medium

Tensor = torch.Tensor


class PlanarTorch(PlanarOperator):
    """Activity (Bq/ml, z y x) to expected counts (view, row, column).

    ``exact`` blurs every plane of voxels with its own width; otherwise widths lie between nodes, as in the
    kernels.
    """

    def __init__(self, scene: Scene, views: tuple[str, ...], exact: bool = False) -> None:
        super().__init__(scene, views)
        self.exact = exact
        camera, placement, mu = scene.camera, scene.placement, scene.mu
        path = mu * (placement.voxel_mm / 10.0)
        before = torch.cumsum(path, 1) - 0.5 * path
        self.through = torch.exp(-torch.stack([before, path.sum(1, keepdim=True) - before]))
        nodes = geometry.nodes(camera, placement)
        self.gain = torch.tensor(response(camera)).to(mu) * camera.counts_per_bq_ml(placement.voxel_mm)
        self.shares = self._every_plane() if exact else self._between(nodes)
        self.primary, self.scatter = self._primary(nodes), self._scatter()
        self.medium = torch.as_tensor(medium(camera, placement, mu.detach().cpu().float().contiguous().numpy())).to(mu)

    def _between(self, nodes: geometry.Nodes) -> Float[Tensor, "2 k y"]:
        """What each node takes of each plane."""
        shares = self.mu.new_zeros((2, len(nodes.sigma_mm), self.mu.shape[1]))
        share, node = torch.as_tensor(nodes.share).to(self.mu), torch.as_tensor(nodes.node).long().to(self.mu.device)
        shares.scatter_(1, node[:, None], share[:, None])
        return shares.scatter_add_(1, node[:, None] + 1, 1.0 - share[:, None])

    def _every_plane(self) -> Float[Tensor, "2 k y"]:
        """A node of its own for every plane of either view."""
        depth = self.mu.shape[1]
        own = torch.eye(2 * depth, dtype=self.mu.dtype, device=self.mu.device)
        return torch.stack([own[:, :depth], own[:, depth:]])

    def _primary(self, nodes: geometry.Nodes) -> list[tuple[Tensor, Tensor]]:
        if not self.scene.window.primary:
            return []
        if self.exact:
            sigmas = [self.camera.sigma_mm(float(d)) for d in self.placement.distances_mm().reshape(-1)]
        else:
            sigmas = [float(s) for s in nodes.sigma_mm]
        z_mm, x_mm = (geometry.lattice_mm(self.placement, axis) for axis in (2, 0))
        return [self._bands(z_mm, x_mm, sigmas)]

    def _scatter(self) -> list[tuple[Tensor, Tensor]]:
        """Each component as one blur of the summed nodes: B-spline shares, then the Gaussian between points."""
        layers = []
        for share, sigma in self.scene.window.scatter:
            pitch = geometry.coarse_pitch_mm(sigma, self.placement.voxel_mm)
            z_points, z_spline = self._spline(2, pitch)
            x_points, x_spline = self._spline(0, pitch)
            z, x = self._bands(z_points, x_points, [(sigma**2 - pitch**2 / 4.0) ** 0.5])
            layers.append((share * z @ z_spline, x @ x_spline))
        return layers

    def _bands(self, z_mm: object, x_mm: object, sigmas: list[float]) -> tuple[Tensor, Tensor]:
        """Z as (k, row, z) and X as (view, k, column, x)."""
        across = [geometry.columns(self.camera, v, self.placement.middle_mm) for v in range(2)]
        z = self._gaussians(z_mm, geometry.rows(self.camera, self.placement.top_mm), sigmas)
        return z, torch.stack([self._gaussians(x_mm, pixels, sigmas) for pixels in across])

    def _spline(self, axis: int, pitch_mm: float) -> tuple[Tensor, Float[Tensor, "j i"]]:
        """Points one pitch apart around the voxels, and the quadratic B-spline of each voxel at each point."""
        centres = torch.as_tensor(geometry.lattice_mm(self.placement, axis), dtype=torch.float64)
        first = centres[0] - pitch_mm
        count = int(torch.floor((centres[-1] - first) / pitch_mm + 0.5)) + 2
        points = first + pitch_mm * torch.arange(count, dtype=torch.float64)
        t = ((centres - points[:, None]) / pitch_mm).abs()
        spline = torch.where(t <= 0.5, 0.75 - t**2, 0.5 * (1.5 - t).clamp_min(0.0) ** 2)
        return points, spline.to(self.mu)

    def _gaussians(self, centres_mm: object, pixels: Pixels, sigmas: list[float]) -> Float[Tensor, "k out i"]:
        """Gaussians of variance σ² + pitch²/12, cut at whole pixels, summing to 1 over an endless detector."""
        pitch = abs(pixels.pitch_mm)
        variance = torch.tensor(sigmas, dtype=torch.float64) ** 2 + pitch**2 / 12.0
        reach = torch.ceil(geometry.CUT_SIGMA * variance.sqrt() / pitch)
        margin = int(reach.max()) + 1
        position = (torch.as_tensor(centres_mm, dtype=torch.float64) - pixels.first_mm) / pixels.pitch_mm
        low = min(0, int(position.min().floor())) - margin
        high = max(pixels.number, int(position.max().ceil())) + margin
        pixel = torch.arange(low, high, dtype=torch.float64)[:, None]
        bell = torch.exp(-0.5 * ((pixel - position) * pitch) ** 2 / variance[:, None, None])
        near = (pixel - torch.floor(position + 0.5)).abs() <= reach[:, None, None]
        bell = torch.where(near, bell, 0.0)
        bell = bell / bell.sum(1, keepdim=True)
        return bell[:, -low : pixels.number - low].to(self.mu)

    def apply(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, "view row column"]:
        return torch.stack([self._view(x.to(self.mu), v) for v in self.views]).to(x.dtype)

    def _view(self, x: Tensor, view: int) -> Tensor:
        planes = torch.einsum("ky,zyx->kzx", self.shares[view], x * self.through[view])
        image, scattered = self.mu.new_zeros(self.camera.matrix), self.mu.new_zeros(self.camera.matrix)
        for z, across in self.primary:
            image = image + torch.einsum("krz,kzx,kcx->rc", z, planes, across[view])
        for z, across in self.scatter:
            flat = planes.sum(0, keepdim=True)
            scattered = scattered + torch.einsum("krz,kzx,kcx->rc", z, flat, across[view])
        return (image + self.medium[view] * scattered) * self.gain[view]

    def apply_adjoint(self, y: Float[Tensor, "view row column"]) -> Float[Tensor, "z y x"]:
        x = torch.zeros_like(self.mu)
        for i, view in enumerate(self.views):
            image = y[i].to(self.mu) * self.gain[view]
            planes = self.mu.new_zeros((self.shares.shape[1], self.mu.shape[0], self.mu.shape[2]))
            for z, across in self.primary:
                planes = planes + torch.einsum("krz,rc,kcx->kzx", z, image, across[view])
            for z, across in self.scatter:  # a single plane's share goes to every node alike
                planes = planes + torch.einsum("krz,rc,kcx->kzx", z, self.medium[view] * image, across[view])
            x += torch.einsum("ky,kzx->zyx", self.shares[view], planes) * self.through[view]
        return x.to(y.dtype)
