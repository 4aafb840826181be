"""How well each view shows a lesion: its own expected counts against those of everything around it.

Contrast-to-noise ratio of a lesion in a view, over the pixels of its mask:

    CNR = |Σ Δ| / √(Σ B + (0.05 Σ B)²)

Δ are the expected counts that the lesion alone adds (blurred and attenuated as the camera sees it), B those
of the body without any disease, scatter included. The first term of the noise is Poisson, the second the
unevenness of normal bone at the size of a lesion (5 %), which no number of counts removes: a lesion of
contrast C reaches at most 20 C. A lesion counts as *visible* from CNR 3 (``Difficulty.visible_cnr``), that
is 15 % above its surroundings at clinical counts. The mask holds the pixels where |Δ| exceeds 42 % of its
maximum, the isocontour that recovers small hot objects through a camera's blur :cite:`erdi1997`; a straight
edge would want 50 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32

from photopeak.patients.body import Body
from photopeak.patients.lesions import Deposit
from photopeak.patients.truth_kernels import look, spread
from photopeak.physics import planar_geometry as geometry
from photopeak.physics.planar import PlanarCamera
from photopeak.physics.planar_geometry import Placement

VIEWS = ("anterior", "posterior")
CLUTTER = 0.05
MASK_LEVEL = 0.42
MARGIN_MM = 15.0  # window beyond the lesion's box, so that the blur of what lies beside it is complete


@dataclass(frozen=True, eq=False)
class Viewing:
    """Where the body stands before the camera, and the counts that one unit of uptake gives.

    ``counts_per_unit`` is the expected primary counts of a voxel of uptake 1 without attenuation:
    MBq per unit × sensitivity × dwell.
    """

    camera: PlanarCamera
    placement: Placement
    counts_per_unit: float
    rows: tuple[int, int] = (0, 1 << 30)  # scanned, from and to
    columns: tuple[int, int] = (0, 1 << 30)  # covered by the detector's field, from and to

    @staticmethod
    def of(body: Body, camera: PlanarCamera, mbq_per_unit: float) -> Viewing:
        """As ``physics.planar.expected_counts`` sees the same body."""
        placement = camera.place(body.mu_per_cm, body.voxel_mm, body.origin_mm)
        return Viewing(camera, placement, mbq_per_unit * camera.counts_per_mbq)

    @property
    def scatter(self) -> float:
        """Scattered counts as a share of the primary ones."""
        return sum(share for share, _ in self.camera.photopeak.scatter)


@dataclass(frozen=True, eq=False)
class Footprint:
    """One lesion in one view: expected counts of the lesion and of the rest over a window of pixels."""

    row: int
    column: int
    lesion: Float32[np.ndarray, "r c"]
    background: Float32[np.ndarray, "r c"]

    @cached_property
    def mask(self) -> Bool[np.ndarray, "r c"]:
        size = np.abs(self.lesion)
        inside: Bool[np.ndarray, "r c"] = (size > 0) & (size >= MASK_LEVEL * size.max(initial=0.0))
        return inside

    @cached_property
    def cnr(self) -> float:
        here = self.mask
        signal = abs(float(self.lesion[here].sum(dtype=np.float64)))
        around = float(self.background[here].sum(dtype=np.float64))
        return signal / math.sqrt(around + (CLUTTER * around) ** 2) if around > 0 else 0.0

    def scaled(self, factor: float) -> Footprint:
        """The footprint of a lesion ``factor`` times as hot; the CNR scales alike."""
        return Footprint(self.row, self.column, self.lesion * np.float32(factor), self.background)


def footprints(body: Body, deposit: Deposit, viewing: Viewing) -> tuple[Footprint, Footprint]:
    """What the anterior and the posterior view see of one deposit in a body without disease."""
    (z0, z1), (x0, x1) = _window(body, deposit)
    shape = (2, z1 - z0, x1 - x0)
    lesion, around, depth = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(2)
    box = (deposit.start[0] - z0, deposit.start[1], deposit.start[2] - x0)
    window = (slice(z0, z1), slice(None), slice(x0, x1))
    look(body.uptake[window], body.mu_per_cm[window], 0.1 * body.voxel_mm, deposit.uptake, box, lesion, depth, around)
    weight = np.maximum(np.abs(lesion).sum(axis=(1, 2)), 1e-30)
    sides = [_onto(view, lesion[view], around[view], depth[view] / weight[view], (z0, x0), viewing) for view in (0, 1)]
    return sides[0], sides[1]


def _window(body: Body, deposit: Deposit) -> tuple[tuple[int, int], tuple[int, int]]:
    margin = math.ceil(MARGIN_MM / body.voxel_mm)
    nz, _, nx = body.uptake.shape
    z, x = deposit.start[0], deposit.start[2]
    dz, dx = deposit.uptake.shape[0], deposit.uptake.shape[2]
    return (max(0, z - margin), min(nz, z + dz + margin)), (max(0, x - margin), min(nx, x + dx + margin))


def _onto(
    view: int, lesion: np.ndarray, around: np.ndarray, depth: float, first: tuple[int, int], viewing: Viewing
) -> Footprint:
    """Blur both column sums at the lesion's mean depth onto the pixels of one view."""
    camera, place = viewing.camera, viewing.placement
    distance = abs(place.origin_mm[1] + depth * place.voxel_mm - place.faces_mm[view])
    sigma = np.array([camera.sigma_mm(distance)])
    z_mm = place.origin_mm[2] + place.voxel_mm * (first[0] + np.arange(lesion.shape[0]))
    x_mm = place.origin_mm[0] + place.voxel_mm * (first[1] + np.arange(lesion.shape[1]))
    z = geometry.bands(z_mm, geometry.rows(camera, place.top_mm), sigma)
    x = geometry.bands(x_mm, geometry.columns(camera, view, place.middle_mm), sigma)
    r0, r1 = _extent(z, camera.matrix[0], viewing.rows)
    c0, c1 = _extent(x, camera.matrix[1], viewing.columns)
    images = []
    for columns in (lesion, around):
        out = np.zeros((r1 - r0, c1 - c0))
        spread(columns, z.start[0], z.weight[0], x.start[0], x.weight[0], r0, c0, out)
        images.append(out * viewing.counts_per_unit)
    return Footprint(r0, c0, images[0].astype(np.float32), (images[1] * (1 + viewing.scatter)).astype(np.float32))


def _extent(bands: geometry.Bands, pixels: int, imaged: tuple[int, int]) -> tuple[int, int]:
    """The pixels whose blur lies wholly inside the window, as far as they are imaged."""
    start, taps = bands.start[0], int(bands.taps[0])
    first = max(0, imaged[0], int(start.min()) + taps // 2)
    return first, max(first, min(pixels, imaged[1], int(start.max()) + taps - taps // 2))
