"""Brain PET/CT of virtual patients, from the person to the image: FDG in dementia, and amyloid.

A person is drawn and a head painted (``patients.brain``), tracer laid by region, prompts counted by a brain scanner
(``patients.head_pet``), and the image reconstructed as a department does it: attenuation from the CT, randoms as
expected, scatter by simulation from a first pass, ordered subsets, a Gaussian filter. The image is in Bq/ml at the
start of the scan. Activities, waiting and scan times follow the guidelines :cite:`guedj2022,minoshima2016`.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal

import numpy as np
import torch
from jaxtyping import Float, Float32

from photopeak import __version__
from photopeak.core import (
    Acquisition,
    EnergyWindow,
    Entry,
    Image,
    Measurement,
    PhotopeakError,
    Radiopharmaceutical,
    Record,
    Study,
    Text,
)
from photopeak.core.references import references_of
from photopeak.core.study import Json
from photopeak.patients import amyloid, dementia
from photopeak.patients.amyloid import AmyloidPlan
from photopeak.patients.anatomy import draw_person
from photopeak.patients.brain import Head, draw_variation, make_head
from photopeak.patients.brain.head import bq_per_ml
from photopeak.patients.brain_tracers import CEREBELLUM, FDG, Tracer, relative_to, table_of
from photopeak.patients.dementia import BrainPlan
from photopeak.patients.head_pet import SCATTER_BLOCK_MM, HeadPet
from photopeak.patients.header import frame_of, header, patient_id
from photopeak.patients.mix import normalised, shares
from photopeak.patients.protocol import Case, Streams
from photopeak.patients.static import FIRST_DAY
from photopeak.physics.materials import mu_from_ct
from photopeak.physics.noise import poisson_counts
from photopeak.physics.nuclides import ANNIHILATION_KEV, decay_factor, nuclide
from photopeak.physics.operator import Weighted
from photopeak.physics.pet_corrections import GaussianBlur
from photopeak.physics.pet_operator import attenuation_factors
from photopeak.physics.pet_scatter import PhotonWindow, single_scatter
from photopeak.physics.physics import Physics
from photopeak.recon.em import osem

ITERATIONS, SUBSETS, FILTER_MM = 3, 15, 5.0
CORRECTIONS: Final = ("DECY", "ATTN", "SCAT", "RAN", "NORM")
Voxel = Literal["2.4", "4.8"]
Volume = Float32[np.ndarray, "z y x"]
VOXEL_HELP: Final = {"help": "Voxels of the image in mm; 4.8 is a quick scanner of coarser crystals."}


@dataclass(frozen=True)
class BrainFdg:
    """FDG PET/CT of the brain: normal ageing, MCI, Alzheimer's disease, dementia with Lewy bodies.

    Which regions fall, and in which order, follows :cite:`minoshima1997,minoshima2001,lim2009,pardo2007`.
    """

    mix: str = field(default="normal=0.35,mci=0.2,ad=0.3,dlb=0.15", metadata={"help": "Share of each class."})
    stage: Literal["mixed", "mild", "moderate", "severe"] = field(
        default="mixed", metadata={"help": "Severity of those with dementia."}
    )
    injected_mbq: float = field(default=FDG.injected_mbq, metadata={"help": "Activity given; less: a reduced dose."})
    minutes: float = field(default=FDG.minutes, metadata={"help": "Duration of the scan."})
    voxel_mm: Voxel = field(default="2.4", metadata=VOXEL_HELP)
    name: ClassVar[str] = "brain-fdg"
    default_patients: ClassVar[int] = 4

    def __post_init__(self) -> None:
        check_activity(self.injected_mbq)

    def plans(self, patients: int, seed: int) -> Sequence[BrainPlan]:
        weights = normalised(shares(self.mix), dementia.CLASSES)
        return tuple(dementia.draw_plan(seed, i, weights, self.stage) for i in range(patients))

    def case(self, plan: BrainPlan, streams: Streams) -> Case:
        scan = HeadPet(FDG.nuclide, self.minutes, float(self.voxel_mm))
        head = make_head(draw_variation(streams("anatomy"), plan.sex, plan.age_years, plan.atrophy), scan.edge_mm)
        table = table_of(FDG, dementia.draw_uptake(plan, FDG.grey, 1.0, streams("uptake")))
        settings: dict[str, Json] = {
            "class": plan.label, "stage": plan.stage, "severity": plan.severity, "worse": plan.worse,
        }  # fmt: skip
        words = dementia.described(plan, "PET/CT with F-18 FDG", "metabolism")
        exam = Examination(self.name, FDG, self.injected_mbq, scan, settings, words)
        return exam.case(head, table, (plan.sex, plan.age_years), streams, references_of(type(self)))


@dataclass(frozen=True)
class BrainAmyloid:
    """Amyloid PET/CT of the brain, negative and positive, with the true Centiloid :cite:`klunk2015`."""

    mix: str = field(default="negative=0.5,positive=0.5", metadata={"help": "Share of each class."})
    tracer: Literal["pib", "florbetaben"] = field(default="pib", metadata={"help": "C-11 PiB, or F-18 florbetaben."})
    injected_mbq: float = field(
        default=0.0, metadata={"help": "Activity given; 0: 555 MBq of PiB, 300 of florbetaben."}
    )
    minutes: float = field(default=20.0, metadata={"help": "Duration of the scan."})
    voxel_mm: Voxel = field(default="2.4", metadata=VOXEL_HELP)
    name: ClassVar[str] = "brain-amyloid"
    default_patients: ClassVar[int] = 4

    def __post_init__(self) -> None:
        check_activity(self._activity_mbq)

    @property
    def _activity_mbq(self) -> float:
        return self.injected_mbq or amyloid.TRACERS[self.tracer].injected_mbq

    def plans(self, patients: int, seed: int) -> Sequence[AmyloidPlan]:
        weights = normalised(shares(self.mix), amyloid.CLASSES)
        return tuple(amyloid.draw_plan(seed, i, weights) for i in range(patients))

    def case(self, plan: AmyloidPlan, streams: Streams) -> Case:
        tracer = amyloid.TRACERS[self.tracer]
        scan = HeadPet(tracer.nuclide, self.minutes, float(self.voxel_mm))
        head = make_head(draw_variation(streams("anatomy"), plan.sex, plan.age_years, plan.atrophy), scan.edge_mm)
        table = amyloid.draw_table(plan, self.tracer, head, streams("uptake"))
        settings: dict[str, Json] = {"class": plan.label, "tracer": self.tracer, "centiloid": plan.centiloid}
        words = amyloid.report(plan, self.tracer)
        exam = Examination(self.name, tracer, self._activity_mbq, scan, settings, words)
        return exam.case(head, table, (plan.sex, plan.age_years), streams, references_of(type(self)))


@dataclass(frozen=True)
class Examination:
    """What every brain PET has after its tracer is laid."""

    protocol: str
    tracer: Tracer
    injected_mbq: float
    scan: HeadPet
    settings: Mapping[str, Json]
    report: str

    def case(
        self,
        head: Head,
        table: Float[np.ndarray, " structure"],
        who: tuple[str, float],
        streams: Streams,
        references: tuple[str, ...],
    ) -> Case:
        """``table``: concentration of every structure in any unit; ``who``: sex and age."""
        name = patient_id(self.protocol, streams)
        frame = frame_of(name)
        held = self.injected_mbq * self.tracer.brain_share * math.exp(streams("dose").normal(0.0, self.tracer.share_sd))
        held *= decay_factor(self.tracer.nuclide, 60.0 * self.tracer.wait_min)
        mu = head.mu_per_cm(ANNIHILATION_KEV)
        scene = self.scan.cut(bq_per_ml(head, table, held)), self.scan.cut(mu)
        beside = self.scan.beside(head, mu, streams, frame)
        expected = self.scan.expected(*scene)
        prompts = poisson_counts(sum(expected).numpy(), streams("counts"))  # type: ignore[union-attr]
        activity = reconstructed(self.scan, prompts, mu_of(beside["ct"], self.scan), expected[2])
        suvr = relative_to(CEREBELLUM, table, head.volumes_ml())
        entries: dict[str, Entry] = {
            "counts": Image(prompts, self.scan.scanner.sinogram(), "{counts}"),
            "activity": Image(activity, self.scan.volume(head, frame), "Bq/ml"),
            **beside,
            **self.scan.truth(head, scene, frame),
            "truth/suvr": tuple(Measurement(v, "1", region=region) for region, v in suvr.items()),
            "truth/diagnosis": Text(str(self.settings["class"])),
            "truth/report": Text(self.report),
        }
        if "centiloid" in self.settings:
            entries["truth/centiloid"] = Measurement(float(self.settings["centiloid"]), "{CL}", region="brain")  # type: ignore[arg-type]
        totals = [round(float(e.sum())) for e in expected]
        document: dict[str, Json] = {
            "patient_id": name, **self.settings, "suvr": {k: round(v, 4) for k, v in suvr.items()},
            "coincidences": dict(zip(("trues", "scattered", "randoms"), totals, strict=True)),
        }  # fmt: skip
        person = draw_person(streams("person"), sex=who[0], age_years=who[1])
        done = Record(f"simulate {self.protocol}", __version__, dict(self.settings), tuple(entries), references)
        about = stated(self.tracer, self.injected_mbq, self.scan.seconds, streams)
        study = Study(entries, header(name, person), about, (done,))
        row: dict[str, Json] = {"patient_id": name, "study": "1", "view": "volume"}
        return Case(study, (row,), {"truth.json": document}, "pet")


def stated(tracer: Tracer, injected_mbq: float, seconds: float, streams: Streams) -> Acquisition:
    """What the header says of a scan that began ``tracer.wait_min`` after the injection."""
    rng = streams("date")
    start = FIRST_DAY + dt.timedelta(days=int(rng.integers(0, 700)), minutes=int(rng.integers(60, 420)))
    given = start - dt.timedelta(minutes=tracer.wait_min)
    window = PhotonWindow()
    return Acquisition(
        modality="PT",
        manufacturer="PHOTOPEAK",
        model="Virtual brain PET",
        description=f"Brain PET/CT with {tracer.name}, simulated",
        started_at=start,
        duration_s=seconds,
        radiopharmaceuticals=(
            Radiopharmaceutical(tracer.name, tracer.nuclide, injected_mbq, given, nuclide(tracer.nuclide).half_life_s),
        ),
        energy_windows=(EnergyWindow("photopeak", ((window.lower_kev, window.upper_kev),)),),
        decay_correction="START",
        decay_reference=start,
        corrections=CORRECTIONS,
        position="HFS",
    )


def reconstructed(scan: HeadPet, prompts: np.ndarray, mu: Volume, randoms: torch.Tensor) -> Volume:
    """Bq/ml at the start: one pass to estimate scatter from, the others without it, then the filter.

    The first image x shows trues and scatter as one, too much by a factor k, and so does s(x), which is linear in x.
    Trues and scatter are what was counted beside the randoms: s = s(x) / k with k = 1 + Σ s(x) / Σ (y − r). Where
    randoms are all that was counted, as before a bolus arrives, nothing scatters.
    """
    scanner, grid = scan.scanner, scan.grid
    y, m = torch.from_numpy(prompts.astype(np.float32)), torch.from_numpy(mu)
    lines = Weighted(scanner.operator(grid), attenuation_factors(scanner, grid, m))
    first = osem(Physics(lines, randoms.contiguous()), y, 1, SUBSETS)
    scattered = single_scatter(scanner, grid, (first, m), block_mm=SCATTER_BLOCK_MM)
    counted = float((y - randoms).sum(dtype=torch.float64))
    scattered = scattered / (1.0 + float(scattered.sum()) / counted) if counted > 0 else 0.0 * scattered
    image = osem(Physics(lines, randoms + scattered), y, ITERATIONS, SUBSETS, first, done=1)
    return np.asarray(GaussianBlur(grid, FILTER_MM)(image).numpy())


def mu_of(ct: Entry, scan: HeadPet) -> Volume:
    """Attenuation at 511 keV from the CT, whose pixels are half as large as the scanner's."""
    assert isinstance(ct, Image)
    values = 0.5 * (ct.values[:, 0::2] + ct.values[:, 1::2])
    values = (0.5 * (values[..., 0::2] + values[..., 1::2])).astype(np.float32)
    sides = [(scan.width - n) // 2 for n in values.shape[1:]]
    return np.pad(mu_from_ct(values, ANNIHILATION_KEV), ((0, 0), *((s, s) for s in sides)))


def check_activity(injected_mbq: float) -> None:
    """Refuse what is no activity."""
    if not injected_mbq > 0:
        raise PhotopeakError(f"injected_mbq is {injected_mbq:g}. Remedy: give an activity above 0 MBq.")
