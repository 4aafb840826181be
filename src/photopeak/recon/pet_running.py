"""One PET reconstruction on disk: sinograms, an attenuation map and what is stated, to an image and its files.

Everything lies in the scanner's frame until it is written: x to the left of a patient who lies supine with the head
in, y to the back, slices from the first ring, which is the head's, to the feet. DICOM wants the head at the top of z,
so slices turn round there.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from jaxtyping import Float32

from photopeak import __version__
from photopeak.core import Acquisition, Grid, Image, Patient, PhotopeakError, Radiopharmaceutical, Record, Study
from photopeak.core.grid import scaling
from photopeak.core.references import references_of
from photopeak.core.writing import whole_file
from photopeak.physics.nuclides import ANNIHILATION_KEV, decay_during, nuclide
from photopeak.physics.pet import PetScanner
from photopeak.physics.pet_corrections import GaussianBlur
from photopeak.physics.physics import Physics
from photopeak.recon.attenuation import mu_map
from photopeak.recon.em import osem
from photopeak.recon.interfile import read_interfile, write_interfile
from photopeak.recon.interfile_pet import SCANNER, read_pet, scanner_of
from photopeak.recon.pet import PetMeasurement, osem_with_scatter
from photopeak.recon.picture import save_picture

Tensor = torch.Tensor
MOST_MU: Final = 0.4
"""In 1/cm at 511 keV; dense bone has less than half of it. Above, a map is in another unit."""


@dataclass(frozen=True)
class PetReconstruction:
    """How PET sinograms become an image :cite:`hudson1994,watson2000`."""

    iterations: int = field(default=3, metadata={"help": "Passes over all angles."})
    subsets: int = field(default=8, metadata={"help": "Parts of the angles that are taken in turn."})
    scatter: Literal["none", "model", "tails"] = field(
        default="none",
        metadata={
            "help": "Single-scatter simulation, as it is (model) or scaled to what is beside the patient (tails)."
        },
    )
    rounds: int = field(default=2, metadata={"help": "How often scatter is estimated anew from the image."})
    voxel_mm: float = field(default=4.0, metadata={"help": "Edge of a voxel across the axis."})
    width: int = field(default=0, metadata={"help": "Voxels across; 0: as many as the lines reach."})
    psf_mm: float = field(default=0.0, metadata={"help": "FWHM of the scanner's blur to model; 0: none."})
    filter_mm: float = field(default=0.0, metadata={"help": "FWHM of a Gaussian afterwards."})
    bq_ml_per_unit: float = field(
        default=0.0,
        metadata={"help": "Measured calibration, Bq/ml for an image value of one count a second and mm: gives Bq/ml."},
    )

    def __post_init__(self) -> None:
        least = min(self.voxel_mm, self.iterations, self.subsets, self.rounds)
        if least <= 0 or min(self.width, self.psf_mm, self.filter_mm, self.bq_ml_per_unit) < 0:
            raise PhotopeakError(f"{self} cannot be. Remedy: iterations, subsets, rounds and voxel_mm are above 0.")

    def grid(self, scanner: PetScanner) -> Grid:
        reach = 2.0 * scanner.radius_mm * math.sin(0.5 * math.pi * scanner.radial / scanner.crystals)
        return scanner.grid(self.voxel_mm, self.width or max(1, math.ceil(reach / self.voxel_mm)))


def measurement(
    step: PetReconstruction, prompts: Study, randoms: Path | None, normalisation: Path | None, mu: Tensor | None
) -> PetMeasurement:
    """The prompts with what belongs to them; sinograms of another scanner are refused.

    Beside prompts with time of flight, randoms and normalisation may be without: randoms come at any time alike, and
    a normalisation is the line's.
    """
    scanner = scanner_of(prompts)
    grid = step.grid(scanner)
    held = torch.zeros(grid.shape) if mu is None else mu
    bins = 1 if scanner.tof is None else scanner.tof.bins
    r = 0.0 if randoms is None else _beside(randoms, scanner, 1.0 / bins)
    norm = None if normalisation is None else _beside(normalisation, scanner, 1.0)
    return PetMeasurement(scanner, grid, _tensor(prompts), held, r, norm, blur_mm=step.psf_mm)


def _beside(path: Path, scanner: PetScanner, of_a_bin: float) -> Tensor:
    """A sinogram for the prompts' bins: of the same scanner, or without its time of flight and then times a factor."""
    study = read_pet(path)
    found = scanner_of(study)
    if found == scanner:
        return _tensor(study)
    if found != dataclasses.replace(scanner, tof=None):
        raise PhotopeakError(
            f"{path} is of {found}, the prompts are of {scanner}. "
            "Remedy: give sinograms of the same scanner, compressed alike."
        )
    return of_a_bin * _tensor(study)[:, :, None]


def reconstructed(step: PetReconstruction, measured: PetMeasurement) -> tuple[Tensor, Tensor, list[float]]:
    """The image in counts a mm, the scatter that was taken off, and by how much each estimate of it was scaled."""
    scatter, factors = torch.zeros_like(measured.prompts), list[float]()
    if step.scatter == "none":
        background = torch.as_tensor(measured.randoms, dtype=torch.float32).expand(measured.prompts.shape).contiguous()
        physics = Physics(measured.operator(), background)
        image = osem(physics, measured.prompts, step.iterations, step.subsets)
    else:
        if not bool((measured.mu > 0).any()):
            raise PhotopeakError("scatter is simulated from an attenuation map. Remedy: give --attenuation.")
        image, scatter, factors = osem_with_scatter(
            measured, step.iterations, step.subsets, step.rounds, tails=step.scatter == "tails"
        )
    if step.filter_mm:
        image = GaussianBlur(measured.grid, step.filter_mm)(image)
    return image, scatter, factors


def mu_from_interfile(path: Path, grid: Grid) -> Tensor:
    """An attenuation map in the scanner's frame, on the image's grid; its header has to say where it lies."""
    from scipy.ndimage import affine_transform

    from photopeak.recon.interfile import keys_of, number

    keys = keys_of(path)
    for k in (1, 2, 3):
        number(path, keys, f"first pixel offset (mm) [{k}]")  # refused where it is missing
    image = _image(read_interfile(path, unit="1/cm"), "uptake")
    values = np.asarray(image.values, np.float32)
    if not np.isfinite(values).all() or values.min() < 0.0 or values.max() > MOST_MU or values.max() <= 0.0:
        raise PhotopeakError(
            f"{path}: values from {values.min():g} to {values.max():g} are no attenuation at 511 keV in 1/cm. "
            "Remedy: give μ in 1/cm (water: 0.096), or the CT as DICOM."
        )
    there = np.linalg.inv(image.grid.matrix_mm) @ grid.matrix_mm
    mu = affine_transform(values, there[:3, :3][::-1, ::-1], there[:3, 3][::-1], grid.shape, order=1)
    return torch.from_numpy(np.ascontiguousarray(np.maximum(mu, 0.0), np.float32))


def mu_from_ct_series(ct: Study, grid: Grid, first_ring_mm: tuple[float, float, float]) -> Tensor:
    """The same from a CT, in whose frame the scanner's axis passes the middle of the first ring there."""
    image = _image(ct, "ct")
    placed = patient_grid(grid, first_ring_mm, image.grid.frame)
    return torch.from_numpy(np.ascontiguousarray(mu_map(image, placed, ANNIHILATION_KEV)[::-1]))


def patient_grid(grid: Grid, first_ring_mm: tuple[float, float, float], frame: str) -> Grid:
    """Of a supine patient with the head in: the last slice of the scanner is the lowest."""
    spacing, low = grid.spacing_mm, grid.matrix_mm[:3, 3]
    x, y, z = first_ring_mm
    lowest = z - (grid.shape[0] - 1) * spacing["z"]
    origin = (x + float(low[0]), y + float(low[1]), lowest)
    return Grid.volume(
        (grid.shape[0], grid.shape[1], grid.shape[2]),
        scaling((spacing["x"], spacing["y"], spacing["z"]), origin),
        frame,
    )


@dataclass(frozen=True)
class Stated:
    """What DICOM needs and a sinogram's header does not say."""

    patient: Patient
    tracer: Radiopharmaceutical
    started_at: dt.datetime | None
    first_ring_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    frame: str = ""


def finished(
    step: PetReconstruction, measured: PetMeasurement, prompts: Study, x: Tensor, stated: Stated
) -> tuple[Image, Study | None, str]:
    """The image in the scanner's frame, the Study for DICOM or None, and in words why there is none."""
    seconds = prompts.acquisition.duration_s
    values = x.numpy().astype(np.float32)
    decay = 1.0
    if stated.tracer.half_life_s and seconds:
        decay = 1.0 / float(decay_during(stated.tracer.half_life_s, np.zeros(1), seconds)[0])
    unit = "{counts}"
    if step.bq_ml_per_unit:
        if not seconds:
            raise PhotopeakError(
                "image duration (sec)[1]: the sinogram does not say how long it was counted, so there are no Bq/ml. "
                "Remedy: mend the header, or leave --bq-ml-per-unit out, and the image is in counts."
            )
        if not bool((measured.mu > 0).any()):
            raise PhotopeakError("an image without attenuation correction has no Bq/ml. Remedy: give --attenuation.")
        values, unit = values * np.float32(step.bq_ml_per_unit / seconds * decay), "Bq/ml"
    image = Image(values, measured.grid, unit)
    why = ""
    if prompts.acquisition.position != "HFS":
        why = "patient orientation, patient rotation: DICOM is written of head_in, supine alone"
    elif stated.started_at is None:
        why = "nobody says when it was acquired; state --assume started_at=…"
    elif not seconds:
        why = "image duration (sec)[1] is missing in the header"
    return image, None if why else _dicom(step, measured, prompts, image, stated), why


def _dicom(step: PetReconstruction, measured: PetMeasurement, prompts: Study, image: Image, stated: Stated) -> Study:
    grid = patient_grid(image.grid, stated.first_ring_mm, stated.frame)
    calibrated = image.unit == "Bq/ml"
    corrected = calibrated and stated.tracer.half_life_s is not None
    done = {
        "NORM": measured.normalisation is not None,
        "ATTN": bool((measured.mu > 0).any()),
        "SCAT": step.scatter != "none",
        "RAN": isinstance(measured.randoms, Tensor),
        "DECY": corrected,
    }
    a: Acquisition = dataclasses.replace(
        prompts.acquisition,
        started_at=stated.started_at,
        radiopharmaceuticals=(stated.tracer,),
        decay_correction="START" if corrected else "NONE",
        decay_reference=stated.started_at if corrected else None,
        corrections=tuple(word for word, is_done in done.items() if is_done),
        facts={
            **{k: v for k, v in prompts.acquisition.facts.items() if k != SCANNER},
            "ReconstructionMethod": f"OSEM {step.iterations}i{step.subsets}s",
            "SeriesDescription": " ".join(["PET", *(w for w, key in (("AC", "ATTN"), ("SC", "SCAT")) if done[key])]),
        },
    )
    name = "activity" if calibrated else "counts"
    record = Record("recon-pet", __version__, dataclasses.asdict(step), (name,), references_of(PetReconstruction))
    turned = Image(np.ascontiguousarray(image.values[::-1]), grid, image.unit)
    return Study({name: turned}, stated.patient, a, (*prompts.history, record))


def tracer_of(name: str, mbq: float | None, given: dt.datetime | None) -> Radiopharmaceutical:
    """The tracer as far as it is stated."""
    return Radiopharmaceutical("", name, mbq, given, nuclide(name).half_life_s if name else None)


def write_results(
    step: PetReconstruction, image: Image, study: Study | None, told: dict[str, object], out: Path
) -> Iterator[Path]:
    """Interfile and picture always, DICOM where there is a Study for it, and the settings."""
    from photopeak.dicom import write

    out.mkdir(parents=True, exist_ok=True)
    yield write_interfile(image, out / "reconstruction.hv")
    shown: Float32[np.ndarray, "z y x"] = np.ascontiguousarray(image.values[::-1])
    yield save_picture(Image(shown, image.grid, image.unit), out / "reconstruction.png")
    if study is not None:
        yield write(study, out / "pet")
    with whole_file(out / "reconstruction.json") as part:
        part.write_text(
            json.dumps({"settings": dataclasses.asdict(step), "unit": image.unit, **told}, indent=1) + "\n",
            encoding="utf-8",
        )
    yield out / "reconstruction.json"


def _tensor(sinogram: Study) -> Tensor:
    return torch.from_numpy(np.array(_image(sinogram, "counts").values, np.float32))


def _image(study: Study, name: str) -> Image:
    entry = study[name]
    assert isinstance(entry, Image)
    return entry
