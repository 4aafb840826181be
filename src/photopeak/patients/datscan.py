"""DaTscan: SPECT/CT of the head with I-123 ioflupane, for parkinsonism.

A person is drawn, a head painted, tracer laid by specific binding ratios, and a two-headed camera goes round it:
185 MBq, some 3½ hours, 120 projections, a photopeak of 159 keV ± 10 % :cite:`darcourt2010,morbelli2020`. The brain
holds 7 % of the injected activity after ten minutes and 3 % after five hours :cite:`ema_datscan`.

Left out: photons of I-123's 529 keV, which pass the septa and add a smooth background to a real camera's photopeak.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal

import numpy as np
from jaxtyping import Float, Float32

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
from photopeak.patients.brain.structures import NAMES, NUMBER, SIDES, without_side
from photopeak.patients.dopamine import CLASSES, DopaminePlan, draw_plan, draw_sbr
from photopeak.patients.head_spect import HeadSpect, ct_and_mr, low_mm, volumes_of
from photopeak.patients.header import frame_of, header, patient_id
from photopeak.patients.mix import normalised, shares
from photopeak.patients.protocol import Case, Streams
from photopeak.patients.static import FIRST_DAY
from photopeak.physics.noise import as_uint16, poisson_counts
from photopeak.physics.nuclides import decay_factor, nuclide

ENERGY_KEV: Final = 158.97
WINDOWS: Final = {"photopeak": (143.1, 174.9), "lower scatter": (127.2, 143.1)}
DELAY_H, RADIUS_MM = (3.5, 0.4), (141.0, 4.0)
IN_BRAIN: Final = ((1.0 / 6.0, 0.07), (5.0, 0.03))
"""(hours, share of the injected activity in the brain)"""
IN_BRAIN_SD: Final = 0.12

#: Concentration of structures without many dopamine transporters, relative to the occipital cortex. A judgement: white
#: matter holds less; thalamus, midbrain and pons have serotonin transporters; glands, mucosa and scalp hold some.
WITHOUT: Final[Mapping[str, float]] = {
    "soft tissue": 0.45, "skin": 0.7, "scalp": 0.55, "skull": 0.25, "diploe": 0.6, "cerebrospinal fluid": 0.08,
    "third ventricle": 0.05, "fourth ventricle": 0.05, "lateral ventricle": 0.05, "midbrain": 1.35, "pons": 1.2,
    "medulla": 1.0, "cerebellar white matter": 0.8, "nasal mucosa": 1.6, "fat": 0.2, "airways": 0.0,
    "frontal cortex": 1.0, "parietal cortex": 1.0, "temporal cortex": 1.05, "occipital cortex": 1.0,
    "posterior cingulate": 1.0, "insular cortex": 1.1, "white matter": 0.78, "thalamus": 1.55, "hippocampus": 1.2,
    "cerebellar cortex": 0.95, "parotid gland": 2.0, "submandibular gland": 2.0, "eye": 0.15, "": 0.0,
}  # fmt: skip
REFERENCE: Final = "occipital cortex"
PALLIDUM_SHARE: Final = 0.15
"""SBR of the globus pallidus, relative to the anterior putamen's: few transporters. A judgement."""


@dataclass(frozen=True)
class DatScan:
    """SPECT/CT with I-123 ioflupane: normal, Parkinson's disease, SWEDD :cite:`darcourt2010,morbelli2020`."""

    mix: str = field(default="normal=0.4,parkinson=0.45,swedd=0.15", metadata={"help": "Share of each class."})
    stage: Literal["mixed", "1", "2", "3", "4"] = field(
        default="mixed", metadata={"help": "Stage of Hoehn and Yahr of those with Parkinson's disease."}
    )
    injected_mbq: float = field(default=185.0, metadata={"help": "Injected activity; less for a reduced dose."})
    seconds: float = field(default=40.0, metadata={"help": "Time of one projection."})
    views: int = field(default=60, metadata={"help": "Projections of each of the two heads."})
    name: ClassVar[str] = "datscan"
    default_patients: ClassVar[int] = 4

    def __post_init__(self) -> None:
        if not self.injected_mbq > 0:
            raise PhotopeakError(f"injected_mbq is {self.injected_mbq:g}. Remedy: give an activity above 0 MBq.")

    def plans(self, patients: int, seed: int) -> Sequence[DopaminePlan]:
        weights = normalised(shares(self.mix), CLASSES)
        return tuple(draw_plan(seed, i, weights, self.stage) for i in range(patients))

    def case(self, plan: DopaminePlan, streams: Streams) -> Case:
        head = make_head(draw_variation(streams("anatomy"), plan.sex, plan.age_years))
        sbr = draw_sbr(plan, streams("binding"))
        rng = streams("acquisition")
        delay_h = float(np.clip(rng.normal(*DELAY_H), 3.0, 6.0))
        radius_mm = round(float(np.clip(rng.normal(*RADIUS_MM), 135.0, 150.0)), 1)
        held = self.injected_mbq * in_brain(delay_h) * math.exp(rng.normal(0.0, IN_BRAIN_SD))
        held *= decay_factor("I-123", delay_h * 3600.0)
        activity, mu = bq_per_ml(head, concentrations(sbr), held), head.mu_per_cm(ENERGY_KEV)
        camera = HeadSpect("I-123", ENERGY_KEV, WINDOWS, self.seconds, self.views, radius_mm)
        scene = halved(activity), halved(mu)
        expected = camera.expected(*scene, int(streams("photons").integers(2**31)))
        counts = Image(
            as_uint16(poisson_counts(expected, streams("counts"))),
            camera.grid(_frame(streams)),
            "{counts}",
        )
        beside = ct_and_mr(head, mu, ENERGY_KEV, streams, _frame(streams))
        entries = {"counts": counts, **beside, **_truth(head, plan, sbr, scene, streams)}
        return _case(entries, plan, self._stated(streams, camera, head, delay_h), streams)

    def _stated(self, streams: Streams, camera: HeadSpect, head: Head, delay_h: float) -> Acquisition:
        rng = streams("date")
        start = FIRST_DAY + dt.timedelta(days=int(rng.integers(0, 700)), minutes=int(rng.integers(180, 420)))
        given = (start - dt.timedelta(hours=delay_h)).replace(microsecond=0)
        tracer = Radiopharmaceutical("Ioflupane", "I-123", self.injected_mbq, given, nuclide("I-123").half_life_s)
        return Acquisition(
            modality="NM",
            kind="TOMO",
            manufacturer="SIEMENS",
            model="Symbia",
            description="DaTscan SPECT/CT, simulated",
            started_at=start,
            duration_s=self.seconds * self.views,
            radiopharmaceuticals=(tracer,),
            energy_windows=camera.energy_windows,
            detectors=camera.detectors,
            position="HFS",
            facts=camera.facts(low_mm(head)),
        )


def in_brain(hours: float) -> float:
    """Share of the injected activity in the brain: exponential between the two that were measured.

    >>> round(in_brain(3.5), 3)
    0.039
    """
    (t0, a), (t1, b) = IN_BRAIN
    return float(a * (b / a) ** ((hours - t0) / (t1 - t0)))


def concentrations(sbr: Mapping[str, float]) -> Float[np.ndarray, " structure"]:
    """Concentration of every structure relative to the reference's, 1 + SBR where transporters are."""
    table = np.array([WITHOUT.get(without_side(name), 1.0) for name in NAMES])
    for name, ratio in sbr.items():
        table[NUMBER[name]] = 1.0 + ratio
    for side in SIDES:
        table[NUMBER[f"{side} globus pallidus"]] = 1.0 + PALLIDUM_SHARE * sbr[f"{side} anterior putamen"]
    return table


def _truth(
    head: Head, plan: DopaminePlan, sbr: Mapping[str, float],
    scene: tuple[Float32[np.ndarray, " _z _y _x"], Float32[np.ndarray, " _z _y _x"]], streams: Streams,
) -> dict[str, Entry]:  # fmt: skip
    return {
        **volumes_of(head, scene, _frame(streams)),
        "truth/sbr": tuple(Measurement(value, "1", region=name) for name, value in sbr.items()),
        "truth/diagnosis": Text(plan.label),
        "truth/report": Text(report(plan)),
    }


def report(plan: DopaminePlan) -> str:
    """What a reader would dictate."""
    tremor = "left" if plan.worse == "right" else "right"
    if plan.label == "normal":
        asked = "Tremor, essential tremor suspected."
        found = "Both striata show normal, symmetric binding in the shape of commas."
        meaning = "No evidence of dopaminergic deficit."
    elif plan.label == "swedd":
        asked = f"Signs of parkinsonism, mostly of the {tremor} side."
        found = "Both striata show normal, symmetric binding in the shape of commas."
        meaning = "Scan without evidence of dopaminergic deficit (SWEDD)."
    else:
        asked = f"Parkinsonism, mostly of the {tremor} side, Hoehn and Yahr {plan.stage}."
        reach = {1: "of the posterior", 2: "of the posterior more than the anterior"}.get(plan.stage, "of the whole")
        found = f"Binding {reach} putamen is reduced on both sides, more so on the {plan.worse}"
        found += ", and of the caudate nucleus as well." if plan.stage > 2 else "; the caudate nuclei are seen best."
        meaning = "Presynaptic dopaminergic deficit, as in Parkinson's disease."
    return f"DaTscan SPECT/CT with I-123 ioflupane.\n{asked}\n{found}\nImpression: {meaning}\n"


def _case(entries: Mapping[str, Entry], plan: DopaminePlan, acquisition: Acquisition, streams: Streams) -> Case:
    name = patient_id("datscan", streams)
    person = draw_person(streams("person"), sex=plan.sex, age_years=plan.age_years)
    settings: dict[str, Json] = {"class": plan.label, "stage": plan.stage, "worse": plan.worse if plan.stage else ""}
    done = Record("simulate datscan", __version__, settings, tuple(entries), references_of(DatScan))
    study = Study(entries, header(name, person), acquisition, (done,))
    sbr = study["truth/sbr"]
    assert isinstance(sbr, tuple)
    document: dict[str, Json] = {"patient_id": name, **settings, "sbr": {m.region: round(m.value, 4) for m in sbr}}
    row: dict[str, Json] = {"patient_id": name, "study": "1", "view": "tomo", "parent": ""}
    return Case(study, ({**row, "label_m": "", "label_a": ""},), {"truth.json": document}, "tomo.dcm")


def _frame(streams: Streams) -> str:
    return frame_of(patient_id("datscan", streams))
