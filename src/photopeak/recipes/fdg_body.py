"""FDG PET/CT from the skull base to the middle of the thigh: normal examinations, and lung cancer of every stage.

A person is drawn and lies down with the arms up; FDG lies in the tissues as an hour after it was given, and tumours,
nodes and metastases are put in. The scanner takes bed after bed and delivers its image in Bq/ml (``pet_beds`` says what
of a scanner is simulated and what stands for something else); the CT of the same examination is written beside.
Activity and time by the guideline :cite:`boellaard2015`: 3 MBq/kg, 60 minutes, two minutes a bed.

Patients breathe (``patients.breathing``): the image is the mean over the cycle, and the CT was taken at one moment.

Left out: other motion, truncation, and the 3 % of F-18's decays that give no positron: scanners correct for them.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Final, Literal

import numpy as np

from photopeak import __version__
from photopeak.core import (
    Acquisition,
    Entry,
    Image,
    Kind,
    Mask,
    Measurement,
    PhotopeakError,
    Radiopharmaceutical,
    Record,
    Study,
    Text,
)
from photopeak.core.references import references_of
from photopeak.core.study import Json
from photopeak.core.vocabulary import declare
from photopeak.patients.anatomy import draw_person
from photopeak.patients.blocks import Half
from photopeak.patients.body import Body
from photopeak.patients.breathing import Breath, CtBreath, Moved, draw_breath
from photopeak.patients.fdg_lesions import LesionTruth, Tumour, lesion_mask, truth_of, with_cancer
from photopeak.patients.fdg_report import report
from photopeak.patients.fdg_tissue import fdg_body, with_fdg
from photopeak.patients.header import frame_of, header, patient_id
from photopeak.patients.lung_cancer import CLASSES, CancerPlan, plan
from photopeak.patients.mix import normalised, shares
from photopeak.patients.protocol import Case, Streams
from photopeak.patients.static import FIRST_DAY
from photopeak.physics.materials import ct_from_mu, mu_per_cm
from photopeak.physics.nuclides import ANNIHILATION_KEV
from photopeak.recipes.pet_beds import F18, VOXEL_MM, BedField, Beds, Scan, scanned, stated

TOP, BOTTOM = ((0.0, -13.0, 1668.0), "head"), ((0.0, 0.0, 690.0), "pelvis")
CHEST: Final = ((0.0, 0.0, 1245.0), (0.0, 0.0, 1470.0))
REACHES: Final = {"body": "skull base to mid thigh", "chest": "chest"}
CT_NOISE_HU, LOWEST_HU = 18.0, -1024.0
WAITED_MIN: Final = (62.0, 5.0)

declare("truth/suv_max", Kind("table", "g/ml{SUVbw}"), "greatest SUV of each lesion, as it lay in the tissue")
declare("truth/suv_peak", Kind("table", "g/ml{SUVbw}"), "highest mean SUV of 1 ml in each lesion, in the tissue")
declare("truth/mtv", Kind("table", "ml"), "metabolic volume of each lesion: at least 41 % of its greatest SUV")
declare("truth/tlg", Kind("table", "g"), "total lesion glycolysis: SUV times volume, over the metabolic volume")
declare("truth/tnm", Kind("text"), "T, N and M, and the stage they make")


@dataclass(frozen=True)
class FdgBody:
    """FDG PET/CT, skull base to mid thigh: normal, or lung cancer of any stage :cite:`boellaard2015,goldstraw2016`."""

    mix: str = field(
        default="normal=0.2,local=0.25,nodal=0.25,metastatic=0.3", metadata={"help": "Share of each class."}
    )
    mbq_per_kg: float = field(default=3.0, metadata={"help": "Activity given, for each kg; less for a reduced dose."})
    seconds: float = field(default=120.0, metadata={"help": "Time of one bed position."})
    reach: Literal["body", "chest"] = field(
        default="body", metadata={"help": "What is scanned: skull base to mid thigh, or the chest alone."}
    )
    breath_mm: float = field(
        default=10.0, metadata={"help": "How far the dome of the liver goes in quiet breathing; 0: nobody breathes."}
    )
    ct: CtBreath = field(
        default="mixed",
        metadata={"help": "When the CT was taken: breathing freely, after a breath in, or some of each."},
    )
    name: ClassVar[str] = "fdg-body"
    default_patients: ClassVar[int] = 4

    def __post_init__(self) -> None:
        if self.mbq_per_kg <= 0 or self.seconds <= 0:
            raise PhotopeakError(
                f"mbq_per_kg {self.mbq_per_kg:g} and seconds {self.seconds:g} make no acquisition. "
                "Remedy: give both above 0."
            )
        if not 0.0 <= self.breath_mm <= 40.0:
            raise PhotopeakError(f"breath_mm is {self.breath_mm:g}. Remedy: give 0 to 40 mm; 10 is usual.")

    def plans(self, patients: int, seed: int) -> Sequence[CancerPlan]:
        weights = normalised(shares(self.mix), CLASSES)
        return [plan(i, seed, weights) for i in range(patients)]

    def case(self, plan: CancerPlan, streams: Streams) -> Case:
        scene = self.scene(plan, streams)
        beds = Beds(scene.field.slices, self.seconds)
        cut, moved = scene.field.cut, Moved(scene.body, scene.breath)
        activity = cut(moved.on_average(scene.body.uptake)) * np.float32(scene.bq_ml_per_suv)
        # Attenuation of the mean body stands for the mean of attenuations.
        mu, mu_of_ct = (cut(of(scene.body.mu_per_cm)) for of in (moved.on_average, moved.in_ct))
        scan = scanned(activity, mu, beds, streams("counts"), mu_of_ct)
        return _case(self, scene, scan, mu_of_ct, beds, streams)

    def scene(self, plan: CancerPlan, streams: Streams) -> Scene:
        """The patient on the table, before the scanner."""
        person = draw_person(streams("person"), sex=plan.sex, age_years=plan.age_years)
        made = with_fdg(fdg_body(person, streams("anatomy"), VOXEL_MM), streams("organs"), streams("tracer"))
        body, tumours = with_cancer(made, plan, streams("tumours"), mu_per_cm("muscle", ANNIHILATION_KEV))
        rng = streams("dose")
        waited = float(np.clip(rng.normal(*WAITED_MIN), 50.0, 80.0))
        mbq = round(self.mbq_per_kg * round(person.weight_kg, 1) * float(rng.uniform(0.95, 1.05)), 1)
        breath = draw_breath(self.breath_mm, self.ct, streams("breath"))
        return Scene(plan, body, tuple(tumours), mbq, round(waited * 60.0), self.reach, breath)


@dataclass(frozen=True, eq=False)
class Scene:
    """One patient before the scanner: SUV and μ in the body where it is on average, what was given, seconds ago."""

    plan: CancerPlan
    body: Body
    tumours: tuple[Tumour, ...]
    mbq: float
    waited_s: int
    reach: str
    breath: Breath

    @cached_property
    def bq_ml_per_suv(self) -> float:
        """Concentration of SUV 1 when the scan starts: what is left of the activity over the body's mass."""
        left = self.mbq * 1e6 * 2.0 ** (-self.waited_s / F18.half_life_s)
        return float(left / (1000.0 * round(self.body.person.weight_kg, 1)))

    @cached_property
    def field(self) -> BedField:
        place = self.body.placement.place
        low, high = (CHEST[0], "chest"), (CHEST[1], "chest")
        if self.reach == "body":
            low, high = BOTTOM, TOP
        return BedField(self.body, float(place([low[0]], low[1])[0, 2]), float(place([high[0]], high[1])[0, 2]))

    @cached_property
    def lesions(self) -> list[tuple[Tumour, LesionTruth]]:
        """Those of which most lies in the field, each with its truth."""
        found = []
        for one in self.tumours:
            rows = one.start[0] + np.flatnonzero((one.share >= 0.5 * one.share.max()).any((1, 2)))
            low = self.field.start[0]
            if (np.isin(rows, range(low, low + self.field.slices))).mean() > 0.5:
                found.append((one, truth_of(self.body.uptake, one, VOXEL_MM)))
        return found


def _case(protocol: FdgBody, scene: Scene, scan: Scan, mu_of_ct: Half, beds: Beds, streams: Streams) -> Case:
    name = patient_id("fdg-body", streams)
    grid = scene.field.grid(frame_of(name))
    noise = streams("ct").normal(0.0, CT_NOISE_HU, mu_of_ct.shape)
    hu = np.maximum(ct_from_mu(mu_of_ct, ANNIHILATION_KEV) + noise, LOWEST_HU).astype(np.float32)
    activity = scene.field.cut(scene.body.uptake) * np.float32(scene.bq_ml_per_suv)
    mask = scene.field.cut(lesion_mask(scene.body.uptake.shape, [one for one, _ in scene.lesions]))
    entries: dict[str, Entry] = {
        "counts": Image(scan.counts, scan.sinogram, "{counts}"),
        "activity": Image(scan.image, grid, "Bq/ml"),
        "ct": Image(hu, grid, "[hnsf'U]"),
        "truth/activity": Image(activity, grid, "Bq/ml"),
        "truth/mu": Image(scene.field.cut(scene.body.mu_per_cm), grid, "1/cm"),
        "truth/regions": Mask(scene.field.cut(scene.body.label), grid, dict(enumerate(scene.body.names[1:], 1))),
        "truth/lesions": Mask(mask, grid, {t.number: t.name for t, _ in scene.lesions if (mask == t.number).any()}),
        **_tables(scene),
        "truth/tnm": Text(f"{scene.plan.tnm}, stage {scene.plan.stage}" if scene.plan.t else "no tumour"),
        "truth/report": Text(report(scene.plan, scene.lesions, scene.mbq, scene.waited_s)),
    }
    settings: dict[str, Json] = {
        "class": scene.plan.label, "mbq_per_kg": protocol.mbq_per_kg, "seconds": protocol.seconds,
        "reach": protocol.reach, "breath_mm": protocol.breath_mm, "ct": protocol.ct,
    }  # fmt: skip
    done = Record("simulate fdg-body", __version__, settings, tuple(entries), references_of(FdgBody))
    study = Study(entries, header(name, scene.body.person), _stated(scene, beds, streams), (done,))
    row: dict[str, Json] = {"patient_id": name, "study": "1", "view": "pet", "parent": "", "label_m": "", "label_a": ""}
    return Case(study, (row,), {"truth.json": {"patient_id": name, **_told(scene)}}, "pet")


def _tables(scene: Scene) -> dict[str, Entry]:
    kinds = (("suv_max", "g/ml{SUVbw}"), ("suv_peak", "g/ml{SUVbw}"), ("mtv_ml", "ml"), ("tlg_g", "g"))
    return {
        f"truth/{which.removesuffix('_ml').removesuffix('_g')}": tuple(
            Measurement(round(getattr(truth, which), 4), unit, region=f"{one.number} {one.name}")
            for one, truth in scene.lesions
        )
        for which, unit in kinds
    }


def _told(scene: Scene) -> dict[str, Json]:
    """The truth as a document; centres are in the study's frame of reference."""
    lesions: list[Any] = [
        {
            "id": one.number,
            "kind": one.kind,
            "site": one.site,
            "diameter_mm": one.diameter_mm,
            "centre_mm": list(one.centre_mm),
            **{k: round(v, 3) for k, v in dataclasses.asdict(truth).items()},
        }
        for one, truth in scene.lesions
    ]
    plan = scene.plan
    return {
        "class": plan.label,
        "t": plan.t,
        "n": plan.n if plan.t else "",
        "m": plan.m if plan.t else "",
        "stage": plan.stage,
        "side": plan.side,
        "lesions": lesions,
        "lesions_outside": len(scene.tumours) - len(lesions),
        "mbq": scene.mbq,
        "waited_s": scene.waited_s,
        "bq_ml_per_suv": round(scene.bq_ml_per_suv, 4),
        "breath_mm": scene.breath.amplitude_mm,
        "ct_below_mm": scene.breath.ct_below_mm,
    }


def _stated(scene: Scene, beds: Beds, streams: Streams) -> Acquisition:
    rng = streams("date")
    start = FIRST_DAY + dt.timedelta(days=int(rng.integers(0, 700)), minutes=int(rng.integers(60, 420)))
    given = start - dt.timedelta(seconds=scene.waited_s)
    tracer = Radiopharmaceutical("Fluorodeoxyglucose F^18^", "F-18", scene.mbq, given, F18.half_life_s)
    return stated(beds, tracer, start, f"FDG PET/CT, {REACHES[scene.reach]}, simulated", "FDG PET AC")
