"""Motion as operators: a warp before any camera, gates of one image, and a patient who moves between views.

A warp reads the image at rest where the tissue came from,

    (W x)(r) = x(r + d(r))

with d in mm, by trilinear interpolation; nothing lies outside the volume. Concentration moves with the tissue: a
shift keeps the whole activity, a field that swells tissue makes more of it. With a camera A behind it,
``A @ W`` is the camera before the moved patient; its adjoint is the exact transpose. With all gates in one operator,
one image explains all of them :cite:`qi2002`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from photopeak.core import Axis, Grid, PhotopeakError
from photopeak.physics import motion_kernels as kernels
from photopeak.physics.engines import single
from photopeak.physics.operator import Operator
from photopeak.physics.trilinear import given_to, read_at
from photopeak.physics.trilinear_kernels import GROUPS

Tensor = torch.Tensor


class Warp(Operator):
    """An image at rest to the moved one, both on one grid.

    ``offset_mm`` d is (x, y, z; z y x): from where each voxel is read. On the CPU by kernels in single precision.
    """

    def __init__(self, grid: Grid, offset_mm: Float[Tensor, "3 z y x"]) -> None:
        if tuple(offset_mm.shape) != (3, *grid.shape) or not bool(torch.isfinite(offset_mm).all()):
            raise PhotopeakError(
                f"a warp of {grid.shape} needs finite offsets (x, y, z) of shape {(3, *grid.shape)}, not "
                f"{tuple(offset_mm.shape)}. Remedy: give the displacement field on the image's grid."
            )
        self.domain = self.range = grid
        into = torch.from_numpy(np.linalg.inv(grid.matrix_mm[:3, :3])).to(offset_mm)
        # In voxels, in the order z, y, x of the array.
        self.offset = torch.einsum("ij,jzyx->izyx", into, offset_mm).flip(0).contiguous()

    def apply(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, "z y x"]:
        out = np.empty(self.range.shape, np.float32)
        kernels.pull(single(x), single(self.offset), out)
        return torch.from_numpy(out).to(x)

    def apply_adjoint(self, y: Float[Tensor, "z y x"]) -> Float[Tensor, "z y x"]:
        out = np.empty(self.domain.shape, np.float32)
        kernels.push(single(y), single(self.offset), np.empty((GROUPS, *out.shape), np.float32), out)
        return torch.from_numpy(out).to(y)


class WarpTorch(Warp):
    """The same in plain torch: on any device, in any precision."""

    def apply(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, "z y x"]:
        return read_at(x, self._places(x))

    def apply_adjoint(self, y: Float[Tensor, "z y x"]) -> Float[Tensor, "z y x"]:
        z, y_, x = self.domain.shape
        return given_to(y, self._places(y), (z, y_, x))

    def _places(self, like: Tensor) -> list[Tensor]:
        axes = [torch.arange(n, device=like.device, dtype=torch.float64) for n in self.domain.shape]
        return [here + d.to(here) for here, d in zip(torch.meshgrid(*axes, indexing="ij"), self.offset, strict=True)]


@dataclass(frozen=True)
class Rigid:
    """A turn about the axes x, y, z through the volume's middle, in this order, and then a shift.

    >>> Rigid(shift_mm=(0.0, 0.0, 12.0)).turn_deg
    (0.0, 0.0, 0.0)
    """

    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def offset_mm(self, grid: Grid) -> Float[Tensor, "3 z y x"]:
        """d(r) = Rᵀ (r − c − t) + c − r: where the tissue at r came from."""
        matrix, sizes = grid.matrix_mm, np.array(grid.shape[::-1])
        middle = matrix[:3, :3] @ (0.5 * (sizes - 1)) + matrix[:3, 3]
        index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")[::-1]).astype(float)
        r = np.einsum("ij,jzyx->izyx", matrix[:3, :3], index) + (matrix[:3, 3] - middle)[:, None, None, None]
        back = Rotation.from_euler("xyz", self.turn_deg, degrees=True).as_matrix().T
        came = np.einsum("ij,jzyx->izyx", back, r - np.array(self.shift_mm)[:, None, None, None])
        return torch.from_numpy((came - r).astype(np.float32))


def warp(grid: Grid, motion: Rigid | Float[Tensor, "3 z y x"], engine: str = "auto") -> Warp:
    """The warp of a rigid motion or a displacement field, on one engine."""
    offset = motion.offset_mm(grid) if isinstance(motion, Rigid) else motion
    if engine == "auto":
        engine = "torch" if offset.is_cuda else "numba"
    if engine not in ("numba", "torch"):
        raise PhotopeakError(f"unknown engine {engine!r}. Remedy: use auto, numba or torch.")
    return (Warp if engine == "numba" else WarpTorch)(grid, offset)


class Gates(Operator):
    """One image to the measurements of all gates: (angle, gate, …) from one operator for each gate.

    Give each gate's camera composed with its warp; ``photopeak.recon.em.osem`` then compensates for the motion.
    """

    def __init__(self, gates: Sequence[Operator]) -> None:
        shapes = {(g.domain.shape, g.range.shape) for g in gates}
        if len(shapes) != 1:
            raise PhotopeakError(
                f"{len(gates)} gates with the shapes {sorted(shapes)}. Remedy: give gates that see the same volume "
                "from the same views."
            )
        self.gates, self.domain = tuple(gates), gates[0].domain
        one = gates[0].range
        self.range = Grid((one.axes[0], Axis("gate", len(gates)), *one.axes[1:]), one.affine_mm, one.frame)

    def apply(self, x: Tensor) -> Tensor:
        return torch.stack([gate.apply(x) for gate in self.gates], 1)

    def apply_adjoint(self, y: Tensor) -> Tensor:
        return torch.stack([g.apply_adjoint(v.contiguous()) for g, v in zip(self.gates, y.unbind(1), strict=True)]).sum(
            0
        )

    def subset(self, k: int, n: int) -> Operator:
        return Gates([gate.subset(k, n) for gate in self.gates])


class Moving(Operator):
    """A camera before a patient who is elsewhere in every view; ``warps`` has one for each view, None at rest.

    Neighbouring views with one and the same warp are warped once.
    """

    def __init__(self, of: Operator, warps: Sequence[Operator | None]) -> None:
        views = of.range.shape[0]
        if len(warps) != views:
            raise PhotopeakError(f"{of!r} has {views} views and got {len(warps)} warps. Remedy: give one for each.")
        self.of, self.warps, self.domain, self.range = of, tuple(warps), of.domain, of.range
        self.views = tuple(of.subset(k, views) for k in range(views))

    def apply(self, x: Tensor) -> Tensor:
        images, held, moved = [], None, x
        for view, w in zip(self.views, self.warps, strict=True):
            if w is not held:
                held, moved = w, x if w is None else w.apply(x)
            images.append(view.apply(moved))
        return torch.cat(images)

    def apply_adjoint(self, y: Tensor) -> Tensor:
        total, moved = y.new_zeros(self.domain.shape), y.new_zeros(self.domain.shape)
        for k, (view, w) in enumerate(zip(self.views, self.warps, strict=True)):
            moved = moved + view.apply_adjoint(y[k : k + 1].contiguous())
            if k + 1 == len(self.warps) or self.warps[k + 1] is not w:
                total = total + (moved if w is None else w.apply_adjoint(moved))
                moved = torch.zeros_like(moved)
        return total

    def subset(self, k: int, n: int) -> Operator:
        return Moving(self.of.subset(k, n), self.warps[k::n])


class Shifted(Operator):
    """A camera whose every view is shifted on the detector by (rows, columns) pixels: down and to the right.

    For parallel holes this is the patient's own shift but for the small change of distance, and it costs nothing
    beside a warp of the volume. Bilinear; what leaves the detector is lost.
    """

    def __init__(self, of: Operator, pixels: Float[Tensor, "view 2"]) -> None:
        if tuple(pixels.shape) != (of.range.shape[0], 2) or not bool(torch.isfinite(pixels).all()):
            raise PhotopeakError(
                f"{of!r} has {of.range.shape[0]} views and got shifts of shape {tuple(pixels.shape)}. "
                "Remedy: give finite (rows, columns) for each view."
            )
        self.of, self.pixels, self.domain, self.range = of, pixels, of.domain, of.range

    def apply(self, x: Tensor) -> Tensor:
        return shifted_views(self.of.apply(x), self.pixels)

    def apply_adjoint(self, y: Tensor) -> Tensor:
        rows, columns = _bands(y, self.pixels)
        return self.of.apply_adjoint((rows.mT @ y @ columns).contiguous())

    def subset(self, k: int, n: int) -> Operator:
        return Shifted(self.of.subset(k, n), self.pixels[k::n])


def shifted_views(
    images: Float[Tensor, "view row column"], pixels: Float[Tensor, "view 2"]
) -> Float[Tensor, "view row column"]:
    """Every image moved by (rows, columns) pixels, down and to the right; bilinear, and nothing beyond the edge."""
    rows, columns = _bands(images, pixels)
    moved: Tensor = rows @ images @ columns.mT
    return moved


def _bands(
    images: Float[Tensor, "view row column"], pixels: Float[Tensor, "view 2"]
) -> tuple[Float[Tensor, "view row row"], Float[Tensor, "view column column"]]:
    height, width = images.shape[-2:]
    return shift_bands(pixels[:, 0], height).to(images), shift_bands(pixels[:, 1], width).to(images)


def shift_bands(pixels: Float[Tensor, " view"], n: int) -> Float[Tensor, "view n n"]:
    """Matrices that shift n pixels forward by linear interpolation, one for each view."""
    apart = torch.arange(n)[:, None] - torch.arange(n)[None]
    return (1.0 - (apart[None] - pixels[:, None, None]).abs()).clamp_min(0.0)
