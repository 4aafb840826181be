"""Dynamic brain PET of virtual patients: FDG for an hour, and FET for forty minutes in glioma.

The scan begins with the injection. Every structure's curve comes from its rates and the patient's input
(``patients.brain_kinetics``); every frame is counted and reconstructed as a static brain PET is (``recipes.brain_pet``)
and the series is decay corrected to the injection. Beside it lie the input, for ``photopeak patlak`` and ``logan``, and
the true rates. In ``counts`` the prompts of all frames are added up.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal

import numpy as np
from jaxtyping import Float

from photopeak import __version__
from photopeak.core import Axis, Entry, Grid, Image, Kind, Mask, Measurement, PhotopeakError, Record, Study, Text
from photopeak.core.references import references_of
from photopeak.core.study import Json
from photopeak.core.vocabulary import declare
from photopeak.patients import dementia, glioma
from photopeak.patients.anatomy import draw_person
from photopeak.patients.brain import NAMES, NUMBER, Head, draw_variation, make_head
from photopeak.patients.brain.structures import BRAIN
from photopeak.patients.brain_kinetics import FDG_RATES, FET_RATES, Dynamics, draw_rates, dynamics
from photopeak.patients.brain_tracers import FDG, FET, Tracer, mean_of, table_of
from photopeak.patients.dementia import BrainPlan
from photopeak.patients.glioma import GliomaPlan
from photopeak.patients.head_pet import HeadPet
from photopeak.patients.header import frame_of, header, patient_id
from photopeak.patients.mix import normalised, shares
from photopeak.patients.protocol import Case, Streams
from photopeak.physics.kinetics import frame_times
from photopeak.physics.noise import poisson_counts
from photopeak.physics.nuclides import ANNIHILATION_KEV, decay_factor
from photopeak.recipes.brain_pet import VOXEL_HELP, Voxel, check_activity, mu_of, reconstructed, stated

FDG_FRAMES: Final = "6x10,4x30,3x60,2x120,10x300"
FET_FRAMES: Final = "6x10,4x30,3x60,2x120,6x300"
_FRAMES: Final = {"help": "Frames that follow each other from the injection on: number x seconds."}
TUMOUR: Final = ("tumour", "necrosis")

declare("truth/ki", Kind("image", "1/min"), "net influx of each voxel, (1 - V_b) K_i, as simulated")
declare("truth/net_influx", Kind("table", "1/min"), "net influx of each region, (1 - V_b) K_i, as simulated")
declare("truth/vt", Kind("image", "1"), "volume of distribution of each voxel, (1 - V_b) V_T + V_b, as simulated")
declare("truth/tbr", Kind("table", "1"), "concentration of a tumour over that of healthy brain, as simulated")


@dataclass(frozen=True)
class BrainFdgDynamic:
    """FDG PET/CT of the brain from the injection on, with the true net influx :cite:`huang1980,patlak1983`."""

    mix: str = field(default="normal=0.35,mci=0.2,ad=0.3,dlb=0.15", metadata={"help": "Share of each class."})
    stage: Literal["mixed", "mild", "moderate", "severe"] = field(
        default="mixed", metadata={"help": "Severity of those with dementia."}
    )
    injected_mbq: float = field(default=FDG.injected_mbq, metadata={"help": "Activity given; less: a reduced dose."})
    frames: str = field(default=FDG_FRAMES, metadata=_FRAMES)
    k4_per_min: float = field(
        default=0.0, metadata={"help": "Dephosphorylation; 0.0068 was measured in grey matter. Patlak then reads low."}
    )
    voxel_mm: Voxel = field(default="2.4", metadata=VOXEL_HELP)
    name: ClassVar[str] = "brain-fdg-dynamic"
    default_patients: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_activity(self.injected_mbq)
        frame_times(self.frames)
        if not 0.0 <= self.k4_per_min < 1.0:
            raise PhotopeakError(f"k4_per_min is {self.k4_per_min:g}. Remedy: give a rate from 0 to 1 per minute.")

    def plans(self, patients: int, seed: int) -> Sequence[BrainPlan]:
        weights = normalised(shares(self.mix), dementia.CLASSES)
        return tuple(dementia.draw_plan(seed, i, weights, self.stage) for i in range(patients))

    def case(self, plan: BrainPlan, streams: Streams) -> Case:
        exam = Series(self.name, FDG, self.injected_mbq, self.frames, float(self.voxel_mm))
        head = make_head(draw_variation(streams("anatomy"), plan.sex, plan.age_years, plan.atrophy), exam.scan.edge_mm)
        table = table_of(FDG, dementia.draw_uptake(plan, FDG.grey, 1.0, streams("uptake")))
        rates = draw_rates(FDG_RATES, streams("rates"), self.k4_per_min)
        inside = exam.inside(head, table, rates, streams)
        ki = inside.net_influx()
        truth: dict[str, Entry] = {
            "truth/ki": exam.map_of(head, ki, "1/min", frame_of(patient_id(self.name, streams))),
            "truth/net_influx": tuple(Measurement(float(ki[k]), "1/min", region=NAMES[k]) for k in BRAIN),
            "truth/diagnosis": Text(plan.label),
            "truth/report": Text(dementia.described(plan, "PET/CT with F-18 FDG, dynamic,", "metabolism")),
        }
        told: dict[str, Json] = {
            "class": plan.label, "stage": plan.stage, "severity": plan.severity, "worse": plan.worse,
            "net_influx": {NAMES[k]: round(float(ki[k]), 6) for k in BRAIN},
        }  # fmt: skip
        done = Made(truth, told, dataclasses.asdict(self), references_of(type(self)))
        return exam.case(head, inside, (plan.sex, plan.age_years), done, streams)


@dataclass(frozen=True)
class BrainFet:
    """FET PET/CT of gliomas from the injection on, with tumour-to-brain ratio and curves :cite:`law2019,albert2016`."""

    mix: str = field(default="high-grade=0.5,low-grade=0.5", metadata={"help": "Share of each class."})
    injected_mbq: float = field(default=FET.injected_mbq, metadata={"help": "Activity given; less: a reduced dose."})
    frames: str = field(default=FET_FRAMES, metadata=_FRAMES)
    voxel_mm: Voxel = field(default="2.4", metadata=VOXEL_HELP)
    name: ClassVar[str] = "brain-fet"
    default_patients: ClassVar[int] = 2

    def __post_init__(self) -> None:
        check_activity(self.injected_mbq)
        frame_times(self.frames)

    def plans(self, patients: int, seed: int) -> Sequence[GliomaPlan]:
        weights = normalised(shares(self.mix), glioma.CLASSES)
        return tuple(glioma.draw_plan(seed, i, weights) for i in range(patients))

    def case(self, plan: GliomaPlan, streams: Streams) -> Case:
        exam = Series(self.name, FET, self.injected_mbq, self.frames, float(self.voxel_mm))
        variation = draw_variation(streams("anatomy"), plan.sex, plan.age_years, plan.atrophy)
        head = make_head(variation, exam.scan.edge_mm, glioma.draw_tumour(plan, streams("tumour")))
        volumes = head.volumes_ml()
        table = glioma.draw_table(plan, volumes, streams("uptake"))
        rates = {k: v for k, v in FET_RATES.items() if k not in glioma.CLASSES or k == plan.label}
        inside = exam.inside(head, table, draw_rates(rates, streams("rates")), streams)
        late = inside.frames(np.array([FET.wait_min]), np.array([FET.minutes]))[0]
        ratio = float(late[NUMBER["tumour"]] / mean_of(glioma.healthy(plan), late, volumes))
        frame = frame_of(patient_id(self.name, streams))
        truth: dict[str, Entry] = {
            "truth/vt": exam.map_of(head, inside.volume(), "1", frame),
            "truth/tbr": (Measurement(ratio, "1", region="tumour"),),
            "truth/lesions": exam.lesions(head, frame),
            "truth/diagnosis": Text(plan.label),
            "truth/report": Text(glioma.report(plan)),
        }
        told: dict[str, Json] = {
            "class": plan.label, "site": plan.site, "side": plan.side, "diameter_mm": plan.diameter_mm,
            "volume_ml": round(sum(volumes[n] for n in TUMOUR), 2), "tbr": {"tumour": round(ratio, 4)},
        }  # fmt: skip
        done = Made(truth, told, dataclasses.asdict(self), references_of(type(self)))
        return exam.case(head, inside, (plan.sex, plan.age_years), done, streams)


@dataclass(frozen=True)
class Made:
    """What a protocol knows beside the scan: truth, what goes into its document, its settings, its references."""

    truth: Mapping[str, Entry]
    told: Mapping[str, Json]
    settings: Mapping[str, Json]
    references: tuple[str, ...]


@dataclass(frozen=True)
class Series:
    """A dynamic scan that begins with the injection; ``tracer.wait_min`` and ``minutes`` are its usual window."""

    protocol: str
    tracer: Tracer
    injected_mbq: float
    frames: str
    voxel_mm: float

    @property
    def scan(self) -> HeadPet:
        """The whole series as one, for what frames share."""
        return HeadPet(self.tracer.nuclide, sum(frame_times(self.frames)[1]), self.voxel_mm)

    def inside(
        self, head: Head, table: Float[np.ndarray, " structure"], rates: Mapping[str, object], streams: Streams
    ) -> Dynamics:
        """Rates and input of this person, from what the tracer's table says of its window."""
        starts, lasts = frame_times(self.frames)
        share = self.tracer.brain_share * math.exp(streams("dose").normal(0.0, self.tracer.share_sd))
        return dynamics(head, table, self.tracer, rates, self.injected_mbq * share, float(starts[-1] + lasts[-1]))  # type: ignore[arg-type]

    def map_of(self, head: Head, table: Float[np.ndarray, " structure"], unit: str, frame: str) -> Image:
        """A number of every structure as an image on the scanner's voxels."""
        return Image(self.scan.cut(head.picture(table)), self.scan.volume(head, frame), unit)

    def lesions(self, head: Head, frame: str) -> Mask:
        """The tumour, dead core included, on the voxels on which the head was painted."""
        inside = np.isin(head.label, [NUMBER[n] for n in TUMOUR]).astype(np.uint8)
        return Mask(*self.scan.painted(head, inside, frame), {1: "tumour"})

    def case(self, head: Head, inside: Dynamics, who: tuple[str, float], made: Made, streams: Streams) -> Case:
        """Frames counted and reconstructed one after the other, and all that lies beside them."""
        name = patient_id(self.protocol, streams)
        frame, scan = frame_of(name), self.scan
        starts, lasts = frame_times(self.frames)
        mu = head.mu_per_cm(ANNIHILATION_KEV)
        beside = scan.beside(head, mu, streams, frame)
        curves = inside.frames(starts, lasts)
        values, counts = self._frames(head, curves, (scan.cut(mu), mu_of(beside["ct"], scan)), streams)
        volume = scan.volume(head, frame)
        time = Axis("time", len(starts), values=tuple(float(60.0 * s) for s in starts), unit="s")
        window = inside.frames(np.array([self.tracer.wait_min]), np.array([self.tracer.minutes]))[0]
        scene = scan.cut(head.picture(window)), scan.cut(mu)
        entries: dict[str, Entry] = {
            "counts": Image(counts, scan.scanner.sinogram(), "{counts}"),
            "activity": Image(values, Grid((time, *volume.axes), volume.affine_mm, volume.frame), "Bq/ml"),
            **beside,
            **scan.truth(head, scene, frame),
            **made.truth,
        }
        told: dict[str, Json] = {"patient_id": name, **made.told, **self._told(head, inside, curves)}
        acquisition = stated(dataclasses.replace(self.tracer, wait_min=0.0), self.injected_mbq, scan.seconds, streams)
        facts: dict[str, Json] = {
            "ActualFrameDuration": [6e4 * float(d) for d in lasts for _ in range(volume.shape[0])]
        }
        person = draw_person(streams("person"), sex=who[0], age_years=who[1])
        done = Record(f"simulate {self.protocol}", __version__, dict(made.settings), tuple(entries), made.references)
        study = Study(entries, header(name, person), dataclasses.replace(acquisition, facts=facts), (done,))
        row: dict[str, Json] = {"patient_id": name, "study": "1", "view": "volume"}
        return Case(study, (row,), {"truth.json": told, "input.csv": _csv(inside)}, "pet")

    def _frames(
        self,
        head: Head,
        curves: Float[np.ndarray, "frame structure"],
        mu: tuple[Float[np.ndarray, "z y x"], Float[np.ndarray, "z y x"]],
        streams: Streams,
    ) -> tuple[Float[np.ndarray, "frame z y x"], np.ndarray]:
        """Bq/ml of every frame, decay corrected to the injection, and prompts; ``mu`` as it is and as the CT has it."""
        images, total, rng = [], np.zeros(self.scan.scanner.sinogram().shape, np.uint32), streams("counts")
        for table, start, lasting in zip(curves, *frame_times(self.frames), strict=True):
            scan = HeadPet(self.tracer.nuclide, float(lasting), self.voxel_mm)
            left = decay_factor(self.tracer.nuclide, 60.0 * float(start))
            # A curve is decay corrected, and so decays within its frame as one concentration does.
            expected = scan.expected(scan.cut(head.picture(table * left)), mu[0])
            prompts = poisson_counts(sum(expected).numpy(), rng)  # type: ignore[union-attr]
            images.append(reconstructed(scan, prompts, mu[1], expected[2]) / np.float32(left))
            total += prompts.astype(np.uint32)
        return np.stack(images), total

    def _told(self, head: Head, inside: Dynamics, curves: Float[np.ndarray, "frame structure"]) -> dict[str, Json]:
        """Rates and curves of brain and tumour."""
        starts, lasts = frame_times(self.frames)
        volumes = head.volumes_ml()
        shown = [k for k in (*BRAIN, *(NUMBER[n] for n in TUMOUR)) if volumes[NAMES[k]] > 0.0]
        rates: dict[str, Json] = {
            NAMES[k]: {name: round(v, 6) for name, v in dataclasses.asdict(model).items()}
            for k in shown
            if (model := inside.rates[k]) is not None
        }
        return {
            "starts_min": [round(float(s), 4) for s in starts],
            "durations_min": [round(float(d), 4) for d in lasts],
            "rates": rates,
            "curves_bq_ml": {NAMES[k]: [round(float(v), 1) for v in curves[:, k]] for k in shown},
        }


def _csv(inside: Dynamics) -> str:
    """The input in plasma, as ``photopeak patlak --input-csv`` takes it."""
    rows = (f"{t:.2f},{c:.1f}" for t, c in zip(inside.time_min, inside.plasma, strict=True))
    return "\n".join(["time_min,bq_per_ml", *rows]) + "\n"
