"""A PET scanner that takes a body in several bed positions, and the image that it delivers.

What is simulated: photons that are lost in the body, scatter, randoms, the counts of every slice, the scanner's blur,
counting noise, and ordered-subset reconstruction with all corrections :cite:`hudson1994`, in two dimensions. What
stands for something else: oblique lines and time of flight are not followed but counted. A slice holds the coincidences
of all lines that meet in it, as after rebinning, times what time of flight is worth in noise, ``TOF_GAIN``
:cite:`conti2009`; where a bed ends fewer lines meet, and beds overlap. Scatter has a body's share and a broad shape,
and with the randoms is known when the image is reconstructed, as a good estimate would be. Randoms follow the slices'
trues; those of the crystals' own Lu-176 are the same for every slice and second, and matter where there is little else.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt16
from numpy.typing import NDArray

from photopeak.core import Acquisition, EnergyWindow, Grid, PhotopeakError, Radiopharmaceutical, scaling
from photopeak.core.study import Json
from photopeak.core.units import FWHM_PER_SIGMA
from photopeak.patients.blocks import Cut, Half, cut
from photopeak.patients.body import Body
from photopeak.physics.direct_planes import DirectPlanes
from photopeak.physics.noise import as_uint16, poisson_counts
from photopeak.physics.nuclides import nuclide
from photopeak.physics.operator import Weighted
from photopeak.physics.pet import PetScanner
from photopeak.physics.physics import Physics
from photopeak.recon.em import osem

F18: Final = nuclide("F-18")
VOXEL_MM: Final = 4.0
FIELD_MM: Final = 200.0
"""Of one bed along the patient; neighbours lie ``STEP_MM`` apart."""
STEP_MM: Final = 132.0
RING: Final = PetScanner(radius_mm=420.0, crystals=288, rings=1, ring_mm=VOXEL_MM, radial=136)
CPS_PER_KBQ: Final = 7.5
"""NEMA sensitivity that digital scanners with such a field have: of a line 700 mm long, in the middle."""
LINE_MM: Final = 700.0
TOF_GAIN: Final = 3.0
SCATTER_FRACTION, SCATTER_FWHM_MM = 0.36, 180.0
RANDOMS_PER_TRUE: Final = 0.9
BLUR_MM: Final = 5.0
"""FWHM of positron range, acollinearity, crystals and depth of interaction together."""
ITERATIONS, SUBSETS, FILTER_MM = 2, 16, 4.5
WIDTH: Final = 152
"""Voxels of the image across."""


@dataclass(frozen=True)
class Beds:
    """Where beds lie along a body of ``slices``, and for how long each is counted, the lowest first."""

    slices: int
    seconds: float
    nuclide: str = "F-18"
    own_randoms: float = 0.0
    """Of the crystals' Lu-176, relative to all trues."""

    def __post_init__(self) -> None:
        if self.slices < 1 or self.seconds <= 0.0:
            raise PhotopeakError(f"{self.slices} slices for {self.seconds:g} s are no scan. Remedy: give both above 0.")

    @property
    def centres_mm(self) -> Float[np.ndarray, " bed"]:
        """From the lowest slice's centre; evenly spread, at most ``STEP_MM`` apart."""
        length = (self.slices - 1) * VOXEL_MM
        inner = max(0.0, length - 0.6 * FIELD_MM)
        count = 1 + int(np.ceil(inner / STEP_MM))
        return np.asarray(0.5 * length + inner * (np.arange(count) - 0.5 * (count - 1)) / max(1, count - 1))

    @property
    def duration_s(self) -> float:
        return self.seconds * len(self.centres_mm)

    def sensitivity(self) -> Float[np.ndarray, "bed slice"]:
        """Of every slice in every bed, relative to the middle of one: a triangle, as many lines meet there."""
        z = VOXEL_MM * np.arange(self.slices)
        return np.asarray(np.clip(1.0 - np.abs(z - self.centres_mm[:, None]) / (0.5 * FIELD_MM), 0.0, 1.0))

    def seconds_counted(self) -> Float[np.ndarray, " slice"]:
        """Σ over beds of sensitivity × ∫ 2^(−t/T½) dt, t since the first bed began: decay goes on between beds."""
        rate = np.log(2.0) / nuclide(self.nuclide).half_life_s
        start = self.seconds * np.arange(len(self.centres_mm))
        left = np.exp(-rate * start) * -np.expm1(-rate * self.seconds) / rate
        return np.asarray(left @ self.sensitivity())

    def decay_factors(self) -> Float[np.ndarray, " slice"]:
        """What decay correction multiplied each slice by, over all beds that counted it."""
        return np.asarray(self.seconds * self.sensitivity().sum(0) / self.seconds_counted())

    def counts_per_bq_ml_mm(self) -> float:
        """Of every line in the middle of a bed, in a second: ``gain``, for a nuclide's own positrons."""
        return gain() * (nuclide(self.nuclide).positrons / F18.positrons)

    def begins_s(self) -> Float[np.ndarray, " slice"]:
        """When the bed that contributes most to a slice began."""
        return np.asarray(self.seconds * self.sensitivity().argmax(0))


@dataclass(frozen=True, eq=False)
class BedField:
    """The part of a body that is scanned, from the slice at ``low_mm`` to that at ``high_mm``."""

    body: Body
    low_mm: float
    high_mm: float

    @property
    def slices(self) -> int:
        return self._row(self.high_mm) - self._row(self.low_mm)

    @cached_property
    def start(self) -> tuple[int, int, int]:
        """The field's first voxel in the body's grid."""
        solid = np.flatnonzero(self.body.mu_per_cm.any((0, 2)))
        y, x = int(solid[0] + solid[-1]) // 2, round(-self.body.origin_mm[0] / VOXEL_MM)
        return self._row(self.low_mm), y - WIDTH // 2, x - WIDTH // 2

    def cut(self, values: Cut) -> Cut:
        return cut(values, self.start, (self.slices, WIDTH, WIDTH))

    def grid(self, frame: str) -> Grid:
        low = [self.body.origin_mm[k] + VOXEL_MM * self.start[2 - k] for k in range(3)]
        return Grid.volume((self.slices, WIDTH, WIDTH), scaling((VOXEL_MM,) * 3, (low[0], low[1], low[2])), frame)

    def _row(self, z_mm: float) -> int:
        return round((z_mm - self.body.origin_mm[2]) / VOXEL_MM)


@dataclass(frozen=True, eq=False)
class Scan:
    """What was counted, what was expected besides, and the image in Bq/ml at the first bed's start."""

    counts: UInt16[np.ndarray, "angle channel radial"]
    sinogram: Grid
    image: Float32[np.ndarray, "z y x"]


def scanned(activity: Half, mu: Half, beds: Beds, rng: np.random.Generator, mu_of_ct: Half | None = None) -> Scan:
    """Count and reconstruct a body: Bq/ml at the first bed's start and 1/cm, square slices of ``VOXEL_MM``.

    ``mu_of_ct`` is what the image is corrected with, where the CT does not fit.
    """
    from scipy.ndimage import binary_dilation, gaussian_filter

    inside = binary_dilation((mu > 0.01).any(0), iterations=2)
    lines = DirectPlanes(RING, beds.slices, (VOXEL_MM, VOXEL_MM), inside)
    blurred = gaussian_filter(activity, BLUR_MM / FWHM_PER_SIGMA / VOXEL_MM)
    per_slice = beds.counts_per_bq_ml_mm() * beds.seconds_counted().astype(np.float32)
    times_counted = torch.from_numpy(per_slice)[None, :, None]
    camera = Weighted(lines, torch.exp(-0.1 * lines(torch.from_numpy(mu))) * times_counted)
    trues = camera(torch.from_numpy(blurred)).numpy()
    background = _background(trues, beds)
    counts = poisson_counts(trues + background, rng)
    if mu_of_ct is not None:
        camera = Weighted(lines, torch.exp(-0.1 * lines(torch.from_numpy(mu_of_ct))) * times_counted)
    physics = Physics(camera, torch.from_numpy(background))
    # From an even image of as many counts: beside a large background, one of 1 Bq/ml would take long to grow.
    even = torch.ones(camera.domain.shape)
    level = float((counts - background).sum(dtype=np.float64)) / float(camera(even).sum(dtype=torch.float64))
    start = even * max(level, 1.0)
    image = osem(physics, torch.from_numpy(counts.astype(np.float32)), ITERATIONS, SUBSETS, start)
    smooth = gaussian_filter(image.numpy(), FILTER_MM / FWHM_PER_SIGMA / VOXEL_MM)
    return Scan(as_uint16(counts), lines.range, smooth)


def gain() -> float:
    """Counts per Bq/ml, mm and s of every line in the middle of a bed.

    A line source of 1 kBq over ``LINE_MM`` gives ``CPS_PER_KBQ``; a bed sees FIELD / LINE of it, at half the middle's
    sensitivity on average.
    """
    middle = 2.0 * CPS_PER_KBQ * LINE_MM / FIELD_MM / 1000.0  # cps a Bq, in the middle of the field
    spacing_mm = np.pi * RING.radius_mm / RING.crystals
    # c Bq/ml over an area are c · area · slice / 1000 Bq in a slice, and Σ lines' ∫ c ds = c · area · angles / spacing.
    return middle * TOF_GAIN * VOXEL_MM / 1000.0 * spacing_mm / RING.angles


def _background(trues: NDArray[np.float32], beds: Beds) -> NDArray[np.float32]:
    """Scatter, broad over radius, slices and angles, and randoms, nearly even over a slice's lines."""
    from scipy.ndimage import gaussian_filter

    spacing_mm = np.pi * RING.radius_mm / RING.crystals
    sigma = SCATTER_FWHM_MM / FWHM_PER_SIGMA
    shape = (2.0, 0.3 * sigma / VOXEL_MM, sigma / spacing_mm)
    broad = gaussian_filter(trues, shape, mode=("wrap", "nearest", "constant"))
    share = SCATTER_FRACTION / (1.0 - SCATTER_FRACTION)
    scatter = broad * (share * trues.sum(dtype=np.float64) / max(float(broad.sum(dtype=np.float64)), 1e-9))
    even = gaussian_filter(trues.mean((0, 2)), 0.15 * FIELD_MM / VOXEL_MM)
    counted = beds.sensitivity().sum(0)
    own = beds.own_randoms * float(trues.mean(dtype=np.float64)) * counted / counted.mean()
    return np.asarray(scatter + (RANDOMS_PER_TRUE * even + own.astype(np.float32))[None, :, None], np.float32)


def stated(beds: Beds, tracer: Radiopharmaceutical, start: dt.datetime, description: str, series: str) -> Acquisition:
    """What the header says of a scan that began at ``start``."""
    began = beds.begins_s()
    facts: dict[str, Json] = {
        "ActualFrameDuration": beds.seconds * 1000.0,
        "FrameReferenceTime": [float(1000.0 * t) for t in began],
        "AcquisitionDateTime": [(start + dt.timedelta(seconds=float(t))).isoformat() for t in began],
        "DecayFactor": [float(v) for v in beds.decay_factors()],
        "ReconstructionMethod": f"OSEM {ITERATIONS}i{SUBSETS}s, {FILTER_MM:g} mm",
        "SeriesDescription": series,
    }
    return Acquisition(
        modality="PT",
        manufacturer="PHOTOPEAK",
        model="virtual PET/CT",
        description=description,
        started_at=start,
        duration_s=beds.duration_s,
        radiopharmaceuticals=(tracer,),
        energy_windows=(EnergyWindow("511", ((435.0, 650.0),)),),
        position="HFS",
        decay_correction="START",
        decay_reference=start,
        corrections=("NORM", "DTIM", "ATTN", "SCAT", "RAN", "DECY"),
        facts=facts,
    )
