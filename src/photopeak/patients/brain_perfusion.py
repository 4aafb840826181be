"""Brain perfusion SPECT/CT with Tc-99m HMPAO or ECD: normal ageing, MCI, Alzheimer's disease, Lewy bodies.

The same patterns as of glucose (``dementia``), a little weaker, for blood flow falls less than metabolism, by a power
of 0.75, a judgement. 740 MBq, an hour's wait, two heads close to the head :cite:`kapucu2009`.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal

import numpy as np
from jaxtyping import Float

from photopeak import __version__
from photopeak.core import (
    Acquisition,
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
from photopeak.patients.anatomy import draw_person
from photopeak.patients.blocks import halved
from photopeak.patients.brain import Head, draw_variation, make_head
from photopeak.patients.brain.head import bq_per_ml
from photopeak.patients.brain_tracers import CEREBELLUM, ECD, HMPAO, Tracer, relative_to, table_of
from photopeak.patients.dementia import CLASSES, BrainPlan, described, draw_plan, draw_uptake
from photopeak.patients.head_spect import HeadSpect, ct_and_mr, low_mm, volumes_of
from photopeak.patients.header import frame_of, header, patient_id
from photopeak.patients.mix import normalised, shares
from photopeak.patients.protocol import Case, Streams
from photopeak.patients.static import FIRST_DAY
from photopeak.physics.noise import as_uint16, poisson_counts
from photopeak.physics.nuclides import decay_factor, nuclide

ENERGY_KEV: Final = 140.511
WINDOWS: Final = {"photopeak": (126.5, 154.6), "lower scatter": (112.4, 126.5)}
RADIUS_MM: Final = (141.0, 4.0)
FLOW: Final = 0.75
TRACERS: Final[Mapping[str, Tracer]] = {"hmpao": HMPAO, "ecd": ECD}


@dataclass(frozen=True)
class BrainPerfusion:
    """Brain perfusion SPECT/CT with Tc-99m: normal, MCI, Alzheimer's disease, Lewy bodies :cite:`kapucu2009`."""

    mix: str = field(default="normal=0.35,mci=0.2,ad=0.3,dlb=0.15", metadata={"help": "Share of each class."})
    stage: Literal["mixed", "mild", "moderate", "severe"] = field(
        default="mixed", metadata={"help": "Severity of those with dementia."}
    )
    tracer: Literal["hmpao", "ecd"] = field(default="hmpao", metadata={"help": "Tc-99m exametazime, or bicisate."})
    injected_mbq: float = field(default=740.0, metadata={"help": "Activity given; less for a reduced dose."})
    seconds: float = field(default=30.0, metadata={"help": "Time of one projection."})
    views: int = field(default=60, metadata={"help": "Projections of each of the two heads."})
    name: ClassVar[str] = "brain-perfusion"
    default_patients: ClassVar[int] = 4

    def __post_init__(self) -> None:
        if not self.injected_mbq > 0:
            raise PhotopeakError(f"injected_mbq is {self.injected_mbq:g}. Remedy: give an activity above 0 MBq.")

    def plans(self, patients: int, seed: int) -> Sequence[BrainPlan]:
        weights = normalised(shares(self.mix), CLASSES)
        return tuple(draw_plan(seed, i, weights, self.stage) for i in range(patients))

    def case(self, plan: BrainPlan, streams: Streams) -> Case:
        tracer = TRACERS[self.tracer]
        head = make_head(draw_variation(streams("anatomy"), plan.sex, plan.age_years, plan.atrophy))
        table = table_of(tracer, draw_uptake(plan, tracer.grey, FLOW, streams("uptake")))
        rng = streams("acquisition")
        radius_mm = round(float(np.clip(rng.normal(*RADIUS_MM), 135.0, 150.0)), 1)
        held = self.injected_mbq * tracer.brain_share * math.exp(rng.normal(0.0, tracer.share_sd))
        held *= decay_factor(tracer.nuclide, 60.0 * tracer.wait_min)
        activity, mu = bq_per_ml(head, table, held), head.mu_per_cm(ENERGY_KEV)
        camera = HeadSpect(tracer.nuclide, ENERGY_KEV, WINDOWS, self.seconds, self.views, radius_mm)
        scene = halved(activity), halved(mu)
        expected = camera.expected(*scene, int(streams("photons").integers(2**31)))
        frame = frame_of(patient_id(self.name, streams))
        counts = as_uint16(poisson_counts(expected, streams("counts")))
        entries: dict[str, Entry] = {
            "counts": Image(counts, camera.grid(frame), "{counts}"),
            **ct_and_mr(head, mu, ENERGY_KEV, streams, frame),
            **volumes_of(head, scene, frame),
            **self._truth(head, table, plan),
        }
        return self._case(entries, plan, self._stated(streams, camera, head), streams)

    def _truth(self, head: Head, table: Float[np.ndarray, " structure"], plan: BrainPlan) -> dict[str, Entry]:
        suvr = relative_to(CEREBELLUM, table, head.volumes_ml())
        words = described(plan, f"perfusion SPECT/CT with Tc-99m {TRACERS[self.tracer].name.lower()}", "perfusion")
        return {
            "truth/suvr": tuple(Measurement(value, "1", region=name) for name, value in suvr.items()),
            "truth/diagnosis": Text(plan.label),
            "truth/report": Text(words),
        }

    def _stated(self, streams: Streams, camera: HeadSpect, head: Head) -> Acquisition:
        rng, tracer = streams("date"), TRACERS[self.tracer]
        start = FIRST_DAY + dt.timedelta(days=int(rng.integers(0, 700)), minutes=int(rng.integers(60, 420)))
        given = start - dt.timedelta(minutes=tracer.wait_min)
        return Acquisition(
            modality="NM",
            kind="TOMO",
            manufacturer="SIEMENS",
            model="Symbia",
            description="Brain perfusion SPECT/CT, simulated",
            started_at=start,
            duration_s=self.seconds * self.views,
            radiopharmaceuticals=(
                Radiopharmaceutical(tracer.name, "Tc-99m", self.injected_mbq, given, nuclide("Tc-99m").half_life_s),
            ),
            energy_windows=camera.energy_windows,
            detectors=camera.detectors,
            position="HFS",
            facts=camera.facts(low_mm(head)),
        )

    def _case(self, entries: Mapping[str, Entry], plan: BrainPlan, acquisition: Acquisition, streams: Streams) -> Case:
        name = patient_id(self.name, streams)
        person = draw_person(streams("person"), sex=plan.sex, age_years=plan.age_years)
        settings: dict[str, Json] = {
            "class": plan.label, "stage": plan.stage, "severity": plan.severity, "worse": plan.worse,
            "tracer": self.tracer,
        }  # fmt: skip
        done = Record(f"simulate {self.name}", __version__, settings, tuple(entries), references_of(type(self)))
        study = Study(entries, header(name, person), acquisition, (done,))
        suvr = study["truth/suvr"]
        assert isinstance(suvr, tuple)
        document: dict[str, Json] = {
            "patient_id": name, **settings, "suvr": {m.region: round(m.value, 4) for m in suvr},
        }  # fmt: skip
        row: dict[str, Json] = {"patient_id": name, "study": "1", "view": "tomo"}
        return Case(study, (row,), {"truth.json": document}, "tomo.dcm")
