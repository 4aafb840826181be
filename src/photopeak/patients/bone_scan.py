"""The whole-body bone scan with Tc-99m MDP: normal, metastatic, arthritic, or both.

A person is drawn, tracer and disease laid, both views imaged, the photons counted, and the truth written
beside them. Kinetics and counts follow the EANM guideline :cite:`vandenwyngaert2016`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import UInt16

from photopeak import __version__
from photopeak.core import Acquisition as Stated
from photopeak.core import (
    Detector,
    EnergyWindow,
    Entry,
    Grid,
    Image,
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
from photopeak.patients.acquisition import CAMERAS, Acquisition, draw_acquisition, record
from photopeak.patients.anatomy import draw_person, draw_variation, make_body
from photopeak.patients.annotators import reader_files, recorded_labels
from photopeak.patients.body import Body
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.disease import Disease, draw_disease, vary
from photopeak.patients.header import header, patient_id
from photopeak.patients.mix import shares
from photopeak.patients.plans import PatientPlan, mixed_plan, published_plan
from photopeak.patients.protocol import Case, Streams
from photopeak.patients.report import Technique, report
from photopeak.patients.static import FIRST_DAY
from photopeak.patients.total_kernels import total_where
from photopeak.patients.truth import Truth, bone_scan_index, truth_of
from photopeak.patients.visibility import Viewing
from photopeak.physics.noise import as_uint16, poisson_counts
from photopeak.physics.nuclides import nuclide
from photopeak.physics.planar import PHOTOPEAK, expected_counts

VIEWS = ("anterior", "posterior")
Counts = UInt16[np.ndarray, "view row column"]
TC99M = nuclide("Tc-99m")
RETAINED = (0.61, 0.045)
"""Share of the injected activity in the body without the bladder at 3 h: 62 % with it, 40 % of all in bone."""


@dataclass(frozen=True)
class BoneScan:
    """Whole-body bone scan with Tc-99m MDP: normal, metastatic, arthritic, or both :cite:`vandenwyngaert2016`."""

    cohort: Literal["mixed", "published"] = field(
        default="mixed", metadata={"help": "'published': the 384 patients of the dSPIC paper."}
    )
    mix: str = field(
        default="N=0.435,M=0.227,A=0.328,M&A=0.010", metadata={"help": "Share of each class in a mixed cohort."}
    )
    difficulty: Difficulty = field(default=Difficulty(), metadata={"help": "JSON file with knobs of the task."})
    acquisition: Acquisition | None = field(
        default=None, metadata={"help": "JSON file with one camera setting for everybody; drawn when absent."}
    )
    voxel_mm: float = field(default=3.0, metadata={"help": "Voxel of the simulated bodies."})
    name: ClassVar[str] = "bone-scan"

    @property
    def default_patients(self) -> int:
        return 384 if self.cohort == "published" else 12

    def plans(self, patients: int, seed: int) -> Sequence[PatientPlan]:
        if self.cohort == "mixed":
            return mixed_plan(patients, shares(self.mix), seed, self.difficulty)
        if patients != self.default_patients:
            raise PhotopeakError(
                f"the published cohort has {self.default_patients} patients, not {patients}. "
                "Remedy: leave --patients out, or use --cohort mixed."
            )
        return published_plan(seed, self.difficulty)

    def case(self, plan: PatientPlan, streams: Streams) -> Case:
        scan = self.acquisition or draw_acquisition(
            streams("acquisition"), self.difficulty.motion_rate, self.difficulty.defect_rate
        )
        scan = dataclasses.replace(scan, counts_scale=scan.counts_scale * self.difficulty.counts_scale)
        healthy, dominant = draw_body(plan, streams, self.difficulty, self.voxel_mm)
        unit = mbq_per_unit(healthy, scan, draw_retention(streams("kinetics")))
        camera, place = scan.set_up(), scan.place(healthy)
        rows, field = scan.rows_scanned(healthy), scan.field_columns
        imaged = (rows.start, rows.stop), (field.start, field.stop)
        viewing = Viewing(camera, place, unit * camera.counts_per_mbq, *imaged)
        disease = draw_disease(
            healthy, plan, self.difficulty, lambda _: viewing, streams("disease"), dominant, take_over=True
        )
        body = disease.body
        mean = record(expected_counts(body.uptake, body.mu_per_cm, place, camera, unit), scan, rows)
        counts = as_uint16(poisson_counts(mean, streams("counts")))
        return self._case(plan, streams, scan, disease, truth_of(disease, viewing, scan), counts)

    def _case(
        self, plan: PatientPlan, streams: Streams, scan: Acquisition, disease: Disease, truth: Truth, counts: Counts
    ) -> Case:
        who = header(patient_id("bone-scan", streams), disease.body.person)
        technique = Technique(scan.injected_mbq, scan.delay_h)
        grid = Grid.planar(VIEWS, (scan.rows, scan.columns), (scan.pixel, scan.pixel))
        entries: dict[str, Entry] = {
            "counts": Image(counts, grid, "{counts}"),
            "truth/regions": Mask(truth.regions, grid, truth.region_names),
            "truth/lesions": Mask(truth.lesions, grid, truth.lesion_names),
            "truth/visibility": truth.visibility,
            "truth/label_m": Measurement(plan.label_m, "1", region="patient"),
            "truth/label_a": Measurement(plan.label_a, "1", region="patient"),
            "truth/bsi": Measurement(bone_scan_index(truth.document), "%", region="skeleton"),
            "truth/report": Text(report(disease, technique, streams("report"))),
        }
        settings = {"class": plan.label, "camera": scan.camera, "difficulty": json.loads(self.difficulty.to_json())}
        done = Record("simulate bone-scan", __version__, settings, tuple(entries), references_of(BoneScan))
        study = Study(entries, who, stated(scan, streams), (done,))
        label_m, label_a = recorded_labels(plan, self.difficulty.label_noise, streams("labels"))
        row: dict[str, Json] = {"patient_id": who.patient_id, "study": "1", "parent": ""}
        row |= {"label_m": label_m, "label_a": label_a}
        readers = reader_files(truth.document, (scan.rows, scan.columns), self.difficulty, streams("readers"))
        return Case(study, tuple({**row, "view": v} for v in VIEWS), {"truth.json": truth.document, **readers})


def draw_body(plan: PatientPlan, streams: Streams, difficulty: Difficulty, voxel_mm: float) -> tuple[Body, str]:
    """The healthy body of the person that the plan describes, and the dominant side."""
    rng = streams("anatomy")
    person = draw_person(rng, sex=plan.sex, age_years=plan.age_years)
    variation = vary(draw_variation(rng, person), person, difficulty, streams("variants"))
    return make_body(person, variation, voxel_mm), variation.dominant


def draw_retention(rng: np.random.Generator) -> float:
    """Share of the remaining activity that this patient's body holds, the bladder left out."""
    mean, sd = RETAINED
    return float(np.clip(rng.normal(mean, sd), mean - 2.5 * sd, mean + 2.5 * sd))


def mbq_per_unit(body: Body, acquisition: Acquisition, retained: float) -> float:
    """MBq in a voxel of uptake 1 at the start, so that all but the bladder holds ``retained`` of what is left."""
    left = acquisition.injected_mbq * math.exp(-math.log(2) * acquisition.delay_h * 3600.0 / TC99M.half_life_s)
    counted = np.ones(256, np.bool_)
    counted[: len(body.names)] = [name != "bladder" for name in body.names]
    return retained * left / total_where(body.uptake, body.label, counted)


def stated(scan: Acquisition, streams: Streams) -> Stated:
    """What the camera writes into the file's header."""
    manufacturer, model, collimator, _, _ = CAMERAS[scan.camera]
    rng = streams("date")
    start = FIRST_DAY + dt.timedelta(days=int(rng.integers(0, 700)), minutes=int(rng.integers(0, 420)))
    given = start - dt.timedelta(hours=scan.delay_h)
    velocity = scan.speed_cm_min / 6.0
    length = scan.rows * scan.pixel
    return Stated(
        modality="NM",
        kind="WHOLE BODY",
        manufacturer=manufacturer,
        model=model,
        description="Whole-body bone scan, simulated",
        started_at=start,
        duration_s=round(length / velocity, 3),
        scan_velocity_mm_s=round(velocity, 4),
        scan_length_mm=round(length, 2),
        radiopharmaceuticals=(
            Radiopharmaceutical(
                "Medronate", "Tc-99m", scan.injected_mbq, given.replace(microsecond=0), TC99M.half_life_s
            ),
        ),
        energy_windows=(EnergyWindow("photopeak", (PHOTOPEAK.range_kev,)),),
        # DICOM counts the angle from the patient's back.
        detectors=(Detector(collimator, "PARA", 180.0), Detector(collimator, "PARA", 0.0)),
        position="HFS",
    )
