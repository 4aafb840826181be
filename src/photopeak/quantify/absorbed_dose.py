"""Absorbed dose after an injection, from activity images at several times.

Every voxel's activity is integrated over time (``time_activity``) and its decays become energy by one of three ways:

- ``local``: electrons stay where they are emitted, photons leave. Quick, and right for kidneys to a few per cent.
- ``kernel``: voxel S values of water, electrons and photons :cite:`bolch1999`, over each voxel's own mass.
- ``transport``: electrons by their kernel, photons followed by Monte Carlo through the patient's CT.

Mass comes from the attenuation map where the study has one (``mu``, at the nuclide's strongest line), else from one
density for all. What is lighter than 0.1 g/ml is air and gets no dose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal

import numpy as np
from jaxtyping import Float

from photopeak.core import Entry, Grid, Image, Kind, PhotopeakError, Study
from photopeak.physics.internal_dose import density_of, gray, kernel_kev, local_kev, transported_kev
from photopeak.physics.nuclides import nuclide
from photopeak.physics.transport import Voxels
from photopeak.physics.voxels import voxel_mm
from photopeak.quantify.time_activity import VoxelFit, voxel_integrals

Method = Literal["local", "kernel", "transport"]
METHODS: Final = ("local", "kernel", "transport")
Volume = Float[np.ndarray, "z y x"]


@dataclass(frozen=True)
class AbsorbedDose:
    """Absorbed dose of every voxel from serial activity images :cite:`bolch1999,bolch2009`."""

    method: Method = field(
        default="kernel", metadata={"help": "Electrons on the spot, voxel S values, or photons through the CT."}
    )
    voxels: VoxelFit = field(default="mono", metadata={"help": "How each voxel's activity is integrated over time."})
    density_g_ml: float = field(default=1.04, metadata={"help": "Where there is no CT: soft tissue."})
    photons: int = field(default=1_000_000, metadata={"help": "Photons followed by transport."})
    seed: int = field(default=1, metadata={"help": "Of the photons."})
    needs: ClassVar[Mapping[str, Kind]] = {"activity": Kind("image", "Bq/ml")}
    gives: ClassVar[Mapping[str, Kind]] = {"tia": Kind("image", "Bq.s/ml"), "dose": Kind("image", "Gy")}

    def __call__(self, study: Study) -> dict[str, Entry]:
        series = serial(study)
        integral = voxel_integrals(series.times_s, series.values, series.half_life_s, self.voxels)
        integral = np.asarray(np.maximum(integral, 0.0), np.float32)
        gy, sd = self.dose(integral, patient_of(study, series, self.density_g_ml), series.nuclide)
        return {
            "tia": Image(integral, series.grid, "Bq.s/ml"),
            "dose": Image(gy, series.grid, "Gy", sd if self.method == "transport" else None),
        }

    def dose(self, integral: Volume, patient: Voxels, name: str) -> tuple[Volume, Volume]:
        """Gy of (Bq·s)/ml, and the standard deviation that Monte Carlo leaves: 0 for the other ways."""
        edge = patient.edge_cm
        decays = np.asarray(integral, np.float64) * edge**3
        spread = np.zeros_like(decays)
        if self.method == "local":
            kev = local_kev(decays, name)
        elif self.method == "kernel":
            kev = kernel_kev(decays, name, edge)
        elif decays.any():
            kev, spread = transported_kev(decays, patient, name, self.photons, self.seed)
        else:
            kev = decays
        density = density_of(patient)
        return tuple(np.asarray(gray(k, density, edge), np.float32) for k in (kev, spread))  # type: ignore[return-value]


@dataclass(frozen=True, eq=False)
class Serial:
    """Activity (Bq/ml) at several times after the injection, of one nuclide."""

    values: Float[np.ndarray, "time z y x"]
    times_s: Float[np.ndarray, " time"]
    nuclide: str
    half_life_s: float
    grid: Grid


def serial(study: Study) -> Serial:
    """The series of a study, refused where the file leaves open when the activity was given, or which nuclide."""
    image = study["activity"]
    assert isinstance(image, Image)
    axis = image.grid.axes[0]
    if image.grid.names != ("time", "z", "y", "x") or len(axis.values) != axis.size:
        raise PhotopeakError(
            f"the activity has axes {image.grid.names}: dose needs volumes at several times. "
            "Remedy: give reconstructions of scans (photopeak dose), or a time axis with its values."
        )
    a = study.acquisition
    tracers = a.radiopharmaceuticals
    if len(tracers) != 1 or not tracers[0].nuclide:
        raise PhotopeakError(
            "RadiopharmaceuticalInformationSequence (0054,0016) does not name one nuclide, whose decays are counted. "
            "Remedy: --assume nuclide=Lu-177."
        )
    if tracers[0].administered_at is None or a.started_at is None:
        raise PhotopeakError(
            "RadiopharmaceuticalStartDateTime (0018,1078) or the acquisition's time is missing, so the decays before "
            "the first scan cannot be counted. Remedy: state them with --assume."
        )
    values = np.asarray(image.values, np.float32)
    if not np.isfinite(values).all():
        raise PhotopeakError("activity: holds undefined values. Remedy: reconstruct the series again.")
    waited = (a.started_at - tracers[0].administered_at).total_seconds()
    times = waited + np.array(axis.values)
    if times[0] <= 0 or (np.diff(times) <= 0).any():
        raise PhotopeakError(f"the scans were made {times.tolist()} s after the injection. Remedy: check their times.")
    name = tracers[0].nuclide
    return Serial(values, times, name, nuclide(name).half_life_s, image.grid.without("time"))


def patient_of(study: Study, series: Serial, density_g_ml: float) -> Voxels:
    """Materials and densities from the attenuation map, or one density of water for all."""
    edge_cm = voxel_mm(series.grid) / 10.0
    mu = study.get("mu")
    if mu is None:
        shape = series.grid.shape
        return Voxels(np.zeros(shape, np.uint8), np.full(shape, density_g_ml, np.float32), edge_cm)
    assert isinstance(mu, Image)
    if mu.grid.shape != series.grid.shape or not np.allclose(mu.grid.affine_mm, series.grid.affine_mm, atol=1e-3):
        raise PhotopeakError("mu: lies on another lattice than the activity. Remedy: run mu-from-ct on this series.")
    return Voxels.of(np.asarray(mu.values, np.float32), line_kev(series.nuclide), edge_cm)


def line_kev(name: str) -> float:
    """The energy at which a map of μ tells density and bone: the nuclide's strongest line."""
    return nuclide(name).lines[0][0]
