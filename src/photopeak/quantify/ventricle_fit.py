"""Where the left ventricle lies in a perfusion image: a shell is looked for everywhere, and then fitted.

First shells of several sizes and directions are laid on every voxel; each is scored by the correlation of the image's
square root with a template that is positive in the wall and negative in the cavity and around it. From the best ones
the centre, both angles, R and L are moved until the contrast between wall and both sides is greatest,

    C = ⟨v(0) − ½ v(−d) − ½ min(v(+d), v(0))⟩ / v_wall,

where v(±d) lie inside and outside the wall on its normal, and the minimum keeps a hot liver beside the wall out. Then
R and L follow the crest of the counts along the normals, at the sides and at the apex. The valve plane comes last:
where the counts of the wall fall to half.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from photopeak.core import Grid, Image, PhotopeakError
from photopeak.patients.ventricle import Shell

Volume = Float[np.ndarray, "z y x"]
AZIMUTHS_DEG, DOWNS_DEG, RADII_MM = (20.0, 45.0, 70.0), (5.0, 25.0, 45.0), (20.0, 25.0, 31.0)
SLENDER, BASE = 2.25, 0.33  # L/R and b/L of the templates
CANDIDATES: Final = 3
INSIDE_MM, OUTSIDE_MM = 13.0, 15.0
CREST_MM: Final = np.arange(-14.0, 14.5, 1.0)
HALF: Final = 0.5  # of the wall's counts, at the valve
LEAST_CONTRAST: Final = 0.42  # hearts have 0.6, noise 0.3
LIMITS: Final = {"radius": (15.0, 50.0), "slender": (1.4, 3.2), "azimuth": (-15.0, 105.0), "down": (-20.0, 75.0)}


def sampled(volume: Volume, grid: Grid, points_mm: Float[np.ndarray, "*n 3"]) -> NDArray[np.float64]:
    """Trilinear values at points; 0 beyond the grid."""
    from scipy.ndimage import map_coordinates

    inverse = np.linalg.inv(grid.matrix_mm)
    index = points_mm @ inverse[:3, :3].T + inverse[:3, 3]
    at = np.moveaxis(index, -1, 0)[::-1]
    return np.asarray(map_coordinates(volume, at, order=1, mode="constant", cval=0.0))


def volume_of(image: Image) -> Volume:
    """The volume of an image, gates added up."""
    if image.grid.names[-3:] != ("z", "y", "x"):
        raise PhotopeakError(
            f"a polar map needs a volume, and the image has the axes {image.grid.names}. "
            "Remedy: reconstruct the projections first (photopeak recon)."
        )
    values = np.asarray(image.values, np.float64).reshape(-1, *image.grid.shape[-3:]).sum(0)
    if not np.isfinite(values).all() or values.max() <= 0.0:
        raise PhotopeakError("the image holds nothing above 0. Remedy: give a reconstructed perfusion image.")
    return np.asarray(np.maximum(values, 0.0))


def space_of(grid: Grid) -> Grid:
    """The spatial axes of a grid."""
    return Grid(grid.axes[-3:], grid.affine_mm, grid.frame)


def fitted(image: Image) -> Shell:
    """The left ventricle's middle wall."""
    volume, grid = volume_of(image), space_of(image.grid)
    found = [_refined(volume, grid, start) for start in _candidates(volume, grid)]
    best, contrast = max(found, key=lambda one: one[1])
    if contrast < LEAST_CONTRAST:
        raise PhotopeakError(
            f"no left ventricle is found: the best shell's wall is {contrast:.0%} above its sides. "
            "Remedy: check that this is a perfusion image of the heart, or give the axis (--apex and --base)."
        )
    return with_base(volume, grid, on_crest(volume, grid, best))


def on_crest(volume: Volume, grid: Grid, shell: Shell, turns: int = 3) -> Shell:
    """The same shell with R and L where the counts along the normals are greatest."""
    u, phi = np.meshgrid([0.01, 0.03, 0.06, 0.4, 0.5, 0.6, 0.7, 0.8], np.arange(24) * 15.0, indexing="ij")
    for _ in range(turns):
        points, normals = shell.surface(u, phi)
        rays = np.stack([sampled(volume, grid, points + d * normals) for d in CREST_MM])
        at, crest = CREST_MM[rays.argmax(0)], rays.max(0)
        # A crest at the end of its ray is another organ's, and a faint one a defect's.
        own = (np.abs(at) < CREST_MM[-1]) & (crest > HALF * np.percentile(crest, 75.0))
        side, tip = (own[u > 0.3], at[u > 0.3]), (own[u < 0.1], at[u < 0.1])
        out, on = (float(np.median(d[k])) if k.sum() >= 12 else 0.0 for k, d in (side, tip))
        radius, length = shell.radius_mm + out, shell.length_mm + on
        shell = Shell(shell.centre_mm, shell.axis, radius, length, BASE * length)
    return shell


def given(image: Image, apex_mm: Sequence[float], base_mm: Sequence[float]) -> Shell:
    """The shell of an axis that a reader drew, from the middle of the valve to the apex; its radius is fitted."""
    apex, base = np.asarray(apex_mm, np.float64), np.asarray(base_mm, np.float64)
    span = float(np.linalg.norm(apex - base))
    if not 30.0 <= span <= 150.0:
        raise PhotopeakError(
            f"apex and base are {span:.0f} mm apart, and a left ventricle is 50 to 120 mm long. "
            "Remedy: give both points in mm of the image's frame of reference."
        )
    volume, grid = volume_of(image), space_of(image.grid)
    d = (apex - base) / span
    length = span / (1.0 + BASE)
    centre, axis = apex - length * d, (float(d[0]), float(d[1]), float(d[2]))
    place = (float(centre[0]), float(centre[1]), float(centre[2]))
    tried = [Shell(place, axis, float(r), length, BASE * length) for r in np.arange(14.0, 46.0, 1.0)]
    return max(tried, key=lambda shell: contrast_of(volume, grid, shell))


def contrast_of(volume: Volume, grid: Grid, shell: Shell) -> float:
    """C of a shell."""
    u, phi = np.meshgrid((np.arange(9) + 0.5) / 9.0, np.arange(18) * 20.0, indexing="ij")
    points, normals = shell.surface(u, phi)
    wall, inside, outside = (
        sampled(volume, grid, points + d * normals) for d in (0.0, -min(INSIDE_MM, 0.6 * shell.radius_mm), OUTSIDE_MM)
    )
    top = float(np.percentile(wall, 75.0))
    if top <= 0.0:
        return 0.0
    wall, inside, outside = (np.minimum(v, top) for v in (wall, inside, outside))
    return float((wall - 0.5 * inside - 0.5 * np.minimum(outside, wall)).mean() / top)


def with_base(volume: Volume, grid: Grid, shell: Shell) -> Shell:
    """The same shell up to the valve, where the counts of most of the wall fall to half."""
    length = shell.length_mm
    long = Shell(shell.centre_mm, shell.axis, shell.radius_mm, length, 0.75 * length)
    h = np.arange(0.4 * length, -0.7 * length, -1.0)
    rho = shell.radius_mm * np.sqrt(1.0 - (h / length) ** 2)
    u, phi = np.meshgrid(long.share(h, rho), np.arange(24) * 15.0, indexing="ij")
    points, normals = long.surface(u, phi)
    ray = np.stack([sampled(volume, grid, points + d * normals) for d in (-6.0, -3.0, 0.0, 3.0, 6.0)]).max(0)
    # The septum ends early and a defect may reach the base: three quarters round, most of the wall has ended.
    ring = np.percentile(ray, 75.0, axis=1)
    usual = float(np.median(ring[h >= 0.0]))
    ended = np.flatnonzero((ring < HALF * usual) & (h < 0.0))
    base = -float(h[ended[0]]) if len(ended) else 0.5 * length
    return Shell(shell.centre_mm, shell.axis, shell.radius_mm, length, float(np.clip(base, 0.1 * length, 0.6 * length)))


def _candidates(volume: Volume, grid: Grid) -> list[Shell]:
    """Where templates fit best, the best of each shape, some of them."""
    from scipy.fft import irfftn, next_fast_len, rfftn

    edge = grid.spacing_mm["x"]
    root = np.sqrt(volume / volume.max()).astype(np.float32)
    half = _half_width(max(RADII_MM), edge)
    size = [next_fast_len(n + 2 * half, real=True) for n in root.shape]
    of_root, of_square = rfftn(root, size), rfftn(root**2, size)
    inside = tuple(slice(half, half + n) for n in root.shape)

    def correlated(spectrum: NDArray[np.complex64], shape: Volume) -> NDArray[np.float32]:
        kernel = np.zeros([2 * half + 1] * 3, np.float32)
        gap = half - len(shape) // 2
        kernel[tuple(slice(gap, gap + n) for n in shape.shape)] = shape[::-1, ::-1, ::-1]
        return np.asarray(irfftn(spectrum * rfftn(kernel, size), size)[inside], np.float32)

    found = []
    for azimuth, down, radius in itertools.product(AZIMUTHS_DEG, DOWNS_DEG, RADII_MM):
        shell = Shell.towards((0.0, 0.0, 0.0), azimuth, down, radius, SLENDER * radius, BASE * SLENDER * radius)
        template, support = _template(shell, edge)
        n = float(support.sum())
        mean, energy = correlated(of_root, support) / n, correlated(of_square, support) / n
        spread = np.sqrt(np.maximum(energy - mean**2, 1e-4) * n)
        # Bright shells before faint ones that are as well shaped.
        score = correlated(of_root, template) / spread * np.maximum(mean, 0.0) ** 0.25
        z, y, x = np.unravel_index(int(np.argmax(score)), score.shape)
        place = (grid.matrix_mm @ [x, y, z, 1.0])[:3]
        found.append((float(score.max()), Shell((float(place[0]), float(place[1]), float(place[2])), *_rest(shell))))
    found.sort(key=lambda one: -one[0])
    return [shell for _, shell in found[:CANDIDATES]]


def _half_width(radius_mm: float, edge_mm: float) -> int:
    """Voxels from a template's middle to its edge."""
    return int(np.ceil((SLENDER * radius_mm + 24.0) / edge_mm))


def _rest(shell: Shell) -> tuple[tuple[float, float, float], float, float, float]:
    return shell.axis, shell.radius_mm, shell.length_mm, shell.base_mm


def _template(shell: Shell, edge_mm: float) -> tuple[Volume, Volume]:
    """A template of mean 0 and length 1 around the ellipsoid's centre, and its support; odd numbers of voxels."""
    half = _half_width(shell.radius_mm, edge_mm)
    axis = edge_mm * np.arange(-half, half + 1)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    h, rho, _ = shell.along(np.stack([x, y, z], -1))
    d = shell.outside(h, rho, (0.0, 0.0))
    support = ((d < 22.0) & (h > -shell.base_mm)).astype(np.float64)
    wall = np.exp(-0.5 * (d / 6.0) ** 2) * support
    template = (wall - wall.sum() / support.sum()) * support
    return template / np.linalg.norm(template), support


def _refined(volume: Volume, grid: Grid, start: Shell) -> tuple[Shell, float]:
    """The local maximum of the contrast, by Nelder and Mead's simplex."""
    from scipy.optimize import minimize

    azimuth, down = start.angles_deg
    x0 = np.array([*start.centre_mm, azimuth, down, start.radius_mm, start.length_mm])
    steps = np.diag([6.0, 6.0, 6.0, 8.0, 8.0, 3.0, 6.0])
    simplex = np.vstack([x0, x0 + steps])

    def cost(x: NDArray[np.float64]) -> float:
        return _penalty(x) - contrast_of(volume, grid, _shell(x))

    done = minimize(
        cost, x0, method="Nelder-Mead",
        options={"initial_simplex": simplex, "maxfev": 500, "xatol": 0.2, "fatol": 1e-4},
    )  # fmt: skip
    return _shell(done.x), -float(done.fun)


def _shell(x: NDArray[np.float64]) -> Shell:
    radius, length = max(float(x[5]), 5.0), max(float(x[6]), 5.0)
    return Shell.towards(x[:3].tolist(), float(x[3]), float(x[4]), radius, length, BASE * length)


def _penalty(x: NDArray[np.float64]) -> float:
    """How far a shape lies outside what ventricles have."""
    values = {"azimuth": x[3], "down": x[4], "radius": x[5], "slender": x[6] / max(float(x[5]), 1.0)}
    return float(sum(abs(v - np.clip(v, *LIMITS[k])) / LIMITS[k][1] for k, v in values.items()))
