"""The Steps of tomography: an attenuation map from a CT, and projections to an image.

``Reconstruct`` gives counts as a camera without attenuation would see them over all projections, voxel by
voxel, or Bq/ml where the user states what the camera counts for 1 MBq. Nothing is assumed in between.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float

from photopeak.core import Entry, Grid, Image, Kind, PhotopeakError, Study
from photopeak.core.units import FWHM_PER_SIGMA
from photopeak.core.vocabulary import declare
from photopeak.physics.motion import Shifted, shifted_views
from photopeak.physics.operator import Weighted
from photopeak.physics.physics import Physics
from photopeak.physics.spect import SpectCamera
from photopeak.physics.spect_operator import SpectOperator, spect_operator
from photopeak.recon.attenuation import mu_map
from photopeak.recon.chang import chang
from photopeak.recon.em import osem
from photopeak.recon.fbp import fbp
from photopeak.recon.motion import estimated_shifts
from photopeak.recon.priors import Pairwise, Prior, TotalVariation, bowsher
from photopeak.recon.projections import Projections, Working, projections
from photopeak.recon.regularised import bsrem, osl, svrg
from photopeak.recon.sart import sart
from photopeak.recon.scatter import dual_energy, dual_factor, triple_energy
from photopeak.recon.scatter_model import Scattering, settled

Tensor = torch.Tensor
Algorithm = Literal["osem", "mlem", "fbp", "sart", "osl", "bsrem", "svrg"]
PriorName = Literal["relative", "quadratic", "huber", "tv", "bowsher"]
PENALISED: tuple[str, ...] = ("osl", "bsrem", "svrg")

declare("reconstruction", Kind("image"), "tracer distribution, in counts, or in Bq/ml where the camera is calibrated")


@runtime_checkable
class Progress(Protocol):
    """Where each gate's iterations start, and what is told after every one of them."""

    def start(self, gate: int) -> tuple[int, Tensor | None]:
        """How many iterations are done already, and the image they gave."""
        ...

    def __call__(self, gate: int, iteration: int, image: Tensor, objective: Callable[[], float]) -> None: ...


@dataclass(frozen=True)
class MuFromCt:
    """Attenuation map from the CT of a hybrid camera :cite:`burger2002`."""

    energy_kev: float = field(default=0.0, metadata={"help": "Energy; 0: the line that the projections' window holds."})
    needs: ClassVar[Mapping[str, Kind]] = {"counts": Kind("image", "{counts}"), "ct": Kind("image", "[hnsf'U]")}
    gives: ClassVar[Mapping[str, Kind]] = {"mu": Kind("image", "1/cm")}

    def __call__(self, study: Study) -> dict[str, Entry]:
        made = projections(study, self.energy_kev or None)
        ct = study["ct"]
        assert isinstance(ct, Image)
        covered = Working.of(made, margin=0).grid
        return {"mu": Image(mu_map(ct, made.grid, made.energy_kev, covered), made.grid, "1/cm")}


@dataclass(frozen=True)
class Reconstruct:
    """Image from the projections of a SPECT camera :cite:`hudson1994,zeng1992`.

    Maximum likelihood, penalised methods :cite:`green1990,ahn2003,twyman2023` and their priors
    :cite:`nuyts2002,bowsher2004,rudin1992`, scatter from windows or photons :cite:`jaszczak1984,ichihara1993,frey1996`,
    filtered back-projection with Chang's attenuation correction :cite:`chang1978`, and motion between views
    :cite:`kyme2003`.
    """

    algorithm: Algorithm = field(default="osem", metadata={"help": "Method; osl, bsrem and svrg use a prior."})
    iterations: int = field(default=4, metadata={"help": "Passes over all projections."})
    subsets: int = field(default=8, metadata={"help": "Parts of the projections that are taken in turn."})
    attenuation: bool = field(default=False, metadata={"help": "Correct for attenuation with the study's map mu."})
    scatter: Literal["none", "dew", "tew", "photons"] = field(
        default="none",
        metadata={
            "help": "From a window below the photopeak (dew), windows beside it (tew), or by following photons "
            "through the image and the attenuation map (photons)."
        },
    )
    psf: bool = field(default=True, metadata={"help": "Model the collimator's blur with distance."})
    collimator: str = field(default="", metadata={"help": "Collimator, where the file does not name a known one."})
    radius_mm: float = field(default=0.0, metadata={"help": "Axis to collimator face, where the file does not say."})
    energy_kev: float = field(default=0.0, metadata={"help": "Line, where the file leaves it open."})
    window: Literal["ramp", "shepp-logan", "cosine", "hamming", "hann", "butterworth"] = field(
        default="butterworth", metadata={"help": "Window of fbp."}
    )
    cutoff: float = field(default=0.5, metadata={"help": "Cut-off of the window, as a share of Nyquist."})
    prior: PriorName = field(default="relative", metadata={"help": "Prior of osl, bsrem and svrg."})
    beta: float = field(default=0.003, metadata={"help": "Weight of the prior on the image divided by its mean."})
    motion: Literal["none", "estimate"] = field(
        default="none", metadata={"help": "Estimate the patient's shift in every view and correct for it."}
    )
    blur_mm: float = field(default=0.0, metadata={"help": "FWHM of a Gaussian afterwards."})
    cps_per_mbq: float = field(
        default=0.0, metadata={"help": "The camera's measured counts a second for 1 MBq in air: gives Bq/ml."}
    )
    needs: ClassVar[Mapping[str, Kind]] = {"counts": Kind("image", "{counts}")}
    gives: ClassVar[Mapping[str, Kind]] = {"reconstruction": Kind("image")}

    def __call__(self, study: Study) -> dict[str, Entry]:
        return {"reconstruction": self.image(study, self.projections(study))}

    def projections(self, study: Study) -> Projections:
        """What is reconstructed, refused where it or this machine will not do."""
        made = projections(study, self.energy_kev or None, self.collimator, self.radius_mm or None)
        self._check(made)
        check_memory(made)
        return dataclasses.replace(made, shifts=self._shifts(study, made)) if self.motion == "estimate" else made

    def image(self, study: Study, made: Projections, progress: Progress | None = None) -> Image:
        """The image of every gate, in counts, or in Bq/ml for a calibrated camera."""
        camera = self._camera(made)
        work = Working.of(made, _margin(camera, made) if self.algorithm != "fbp" else 0)
        mu = self._mu(study, made)
        spect = spect_operator(camera, work.grid, made.orbit, None if mu is None else _tensor(work.into(mu)), "auto")
        beside = scattered(self.scatter, made)
        gates = work.counts(made.counts["peak"])
        scatter = [None] * len(gates) if beside is None else list(work.counts(beside))
        volumes = [
            work.back(self._volume(study, work, spect, (_tensor(y), 0.0 if b is None else _tensor(b)), k, progress))
            for k, (y, b) in enumerate(zip(gates, scatter, strict=True))
        ]
        values = np.stack(volumes).reshape(*(g.size for g in made.gates), *made.grid.shape)
        return self._scaled(values, Grid((*made.gates, *made.grid.axes), made.grid.affine_mm, made.grid.frame), made)

    def _shifts(self, study: Study, made: Projections) -> Float[np.ndarray, "angle 2"]:
        """The patient's shift in every view, from all gates together."""
        work, mu = Working.of(made, margin=0), self._mu(study, made)
        camera = dataclasses.replace(self._camera(made), collimator=made.collimator if made.radius_known else None)
        spect = spect_operator(camera, work.grid, made.orbit, None if mu is None else _tensor(work.into(mu)), "auto")
        y = work.counts(made.counts["peak"]).sum(0)
        weights = torch.tensor(made.weights)[:, None, None] * torch.ones(y.shape)
        return estimated_shifts(spect, _tensor(y), weights).numpy()

    def _volume(
        self, study: Study, work: Working, spect: SpectOperator, counted: tuple[Tensor, Tensor | float],
        gate: int, progress: Progress | None,
    ) -> Float[np.ndarray, "z y x"]:  # fmt: skip
        """One gate's image in counts: what all projections together would count of each voxel in air."""
        y, background = counted
        weights = torch.tensor(work.made.weights)[:, None, None]
        whole = spect.gain * len(weights)
        if self.algorithm == "fbp":
            still = (y - background) / weights
            if work.made.shifts is not None:
                still = shifted_views(still, -_tensor(work.made.shifts))
            x = fbp(spect, still, self.window, self.cutoff) * chang(spect) * whole
            return blurred(x, work.grid, self.blur_mm)
        covered = _tensor(work.covered)[None, :, None]
        before = spect if work.made.shifts is None else Shifted(spect, _tensor(work.made.shifts))
        operator = Weighted(before, weights * covered / whole)
        if self.scatter == "photons":
            background = settled(self._scattering(work, spect), operator, operator.weights, y, self.subsets)
        physics = Physics(operator, background)
        done, start = (0, None) if progress is None else progress.start(gate)
        if done >= self.iterations and start is not None:
            return blurred(start, work.grid, self.blur_mm)
        level = float(y.mean()) * len(weights) / work.grid.shape[1]
        penalty = _Scaled(self._prior(study, work), level) if self.algorithm in PENALISED else None

        def told(i: int, x: Tensor) -> None:
            if progress is not None:
                progress(gate, i, x, lambda: _objective(physics, y, x, penalty, self.beta))

        return blurred(self._solve(physics, y, penalty, start, told, done), work.grid, self.blur_mm)

    def _scattering(self, work: Working, spect: SpectOperator) -> Scattering:
        made, mu = work.made, spect.scene.mu
        assert made.collimator is not None
        assert made.peak_kev is not None
        assert mu is not None  # ``_check`` has seen to all three
        camera = dataclasses.replace(
            spect.scene.camera, collimator=made.collimator, energy_kev=made.energy_kev, window_kev=made.peak_kev
        )
        return Scattering(camera, work.grid, made.orbit, mu)

    def _solve(
        self, physics: Physics, y: Tensor, penalty: Prior | None, start: Tensor | None,
        told: Callable[[int, Tensor], None], done: int,
    ) -> Tensor:  # fmt: skip
        n, subsets = self.iterations, self.subsets
        if penalty is not None:
            method = {"osl": osl, "bsrem": bsrem, "svrg": svrg}[self.algorithm]
            return method(physics, y, penalty, self.beta, n, subsets, start, told, done)
        if self.algorithm == "sart":
            return sart(physics, y, n, subsets, start, told, done)
        return osem(physics, y, n, 1 if self.algorithm == "mlem" else subsets, start, told, done)

    def _prior(self, study: Study, work: Working) -> Prior:
        if self.prior == "tv":
            return TotalVariation()
        if self.prior != "bowsher":
            return Pairwise(self.prior)
        mu = study.get("mu")
        if not isinstance(mu, Image):
            raise PhotopeakError(
                "Bowsher's prior looks at an anatomical image, and the study holds no 'mu'. "
                "Remedy: give the CT (--attenuation ct), or another prior."
            )
        return bowsher(_tensor(work.into(np.asarray(mu.values, np.float32))))

    def _check(self, made: Projections) -> None:
        if self.psf and self.algorithm not in ("fbp",):
            if made.collimator is None:
                raise PhotopeakError(
                    "CollimatorGridName (0018,1180) names no collimator whose holes are known, so its blur cannot be "
                    "modelled. Remedy: --collimator 'Siemens LEHR' (or another that is listed), or --no-psf."
                )
            if not made.radius_known:
                raise PhotopeakError(
                    "RadialPosition (0018,1142) is missing, so the head's distance and its blur are not known. "
                    "Remedy: --radius-mm if you know it, or --no-psf."
                )
        if self.scatter in ("dew", "tew") and "lower" not in made.counts:
            raise PhotopeakError(
                "EnergyWindowInformationSequence (0054,0012): no lower window lies beside the photopeak, "
                f"which --scatter {self.scatter} needs. Remedy: --scatter photons, which needs a CT instead, or none."
            )
        if self.scatter == "photons" and not (self.attenuation and self.psf and self.algorithm != "fbp"):
            raise PhotopeakError(
                "--scatter photons follows them through the attenuation map to a known collimator. "
                "Remedy: add --attenuation ct, leave out --no-psf, and use another algorithm than fbp."
            )
        if self.scatter == "photons" and made.peak_kev is None:
            raise PhotopeakError(
                "EnergyWindowRangeSequence (0054,0013) is missing, so what the photopeak window takes in of the "
                "scatter is not known. Remedy: use --scatter none."
            )
        if self.cps_per_mbq and made.frame_s is None:
            raise PhotopeakError(
                "ActualFrameDuration (0018,1242) is missing, so counts cannot become Bq/ml. "
                "Remedy: leave --cps-per-mbq out, and the image is in counts."
            )

    def _camera(self, made: Projections) -> SpectCamera:
        blurs = self.psf and self.algorithm != "fbp"
        # What the camera counts for an activity cancels out here; ``_scaled`` has the measured figure.
        return SpectCamera(made.collimator if blurs else None, sensitivity_cps_per_mbq=1.0)

    def _mu(self, study: Study, made: Projections) -> Float[np.ndarray, "z y x"] | None:
        if not self.attenuation:
            return None
        mu = study.get("mu")
        if not isinstance(mu, Image):
            raise PhotopeakError(
                "attenuation correction needs the map 'mu', which the study does not hold. "
                "Remedy: run mu-from-ct on a study with its CT, or photopeak recon --attenuation ct."
            )
        if mu.grid.shape != made.grid.shape or not np.allclose(mu.grid.affine_mm, made.grid.affine_mm, atol=1e-3):
            raise PhotopeakError("the attenuation map lies on another lattice than the image. Remedy: run mu-from-ct.")
        return np.asarray(mu.values, np.float32)

    def _scaled(self, values: Float[np.ndarray, " ..."], grid: Grid, made: Projections) -> Image:
        if not self.cps_per_mbq:
            return Image(np.asarray(values, np.float32), grid, "{counts}")
        assert made.frame_s is not None
        counts_per_bq = self.cps_per_mbq * 1e-6 * made.frame_s * len(made.orbit.angles_deg)
        millilitres = grid.spacing_mm["x"] ** 3 / 1000.0
        return Image(np.asarray(values / (counts_per_bq * millilitres), np.float32), grid, "Bq/ml")


@dataclass(frozen=True, eq=False)
class _Scaled:
    """level · U(x / level), whose gradient ∇U(x / level) is a pure number: β does not hang on the counts."""

    prior: Prior
    level: float

    def energy(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, ""]:
        return self.level * self.prior.energy(x / self.level)

    def gradient(self, x: Float[Tensor, "z y x"]) -> Float[Tensor, "z y x"]:
        return self.prior.gradient(x / self.level)


def _objective(physics: Physics, y: Tensor, x: Tensor, penalty: Prior | None, beta: float) -> float:
    """What the method makes small: the negative log-likelihood, and β U where there is a prior."""
    return float(physics.nll(x, y)) + (0.0 if penalty is None else beta * float(penalty.energy(x)))


def _tensor(values: Float[np.ndarray, " ..."]) -> Tensor:
    return torch.from_numpy(np.array(values, np.float32))


def scattered(method: str, made: Projections) -> Float[np.ndarray, " ..."] | None:
    """The scatter expected in every projection's photopeak window."""
    if method == "dew":
        return dual_energy(made.counts["lower"], dual_factor(made.lower_kev))
    if method == "tew":
        return triple_energy(made.counts["lower"], made.counts.get("upper"), made.widths_kev)
    return None


def _margin(camera: SpectCamera, made: Projections) -> int:
    """Slices beyond the field from which the camera still sees something: two widths of its blur at the axis."""
    return math.ceil(2.0 * camera.sigma_mm(max(made.orbit.radii_mm)) / made.grid.spacing_mm["z"])


def blurred(x: Tensor, grid: Grid, fwhm_mm: float) -> Float[np.ndarray, "z y x"]:
    """A Gaussian over the volume, as departments use it after reconstruction."""
    values = x.detach().numpy()
    if fwhm_mm <= 0:
        return values
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(values, fwhm_mm / FWHM_PER_SIGMA / grid.spacing_mm["x"]))


def check_memory(made: Projections) -> None:
    """Refuse before the work what would not fit: eight volumes and four sets of projections in single precision."""
    rows, columns = made.grid.shape[0], made.grid.shape[1]
    need = 4.0 * (8.0 * math.prod(made.grid.shape) + 4.0 * len(made.orbit.angles_deg) * rows * columns)
    need += sum(4.0 * c.size for c in made.counts.values())
    free = available_bytes()
    if free is not None and need > free:
        raise PhotopeakError(
            f"this reconstruction needs about {need / 1e9:.1f} GB and {free / 1e9:.1f} GB are free. "
            "Remedy: rebin the projections, or use a larger machine."
        )


def available_bytes() -> float | None:
    """Memory that is free for use, where the system says."""
    try:
        with open("/proc/meminfo", encoding="ascii") as f:  # noqa: PTH123
            return next(1024.0 * int(line.split()[1]) for line in f if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None
