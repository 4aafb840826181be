"""Therapy with Lu-177, DOTATATE for neuroendocrine tumours or PSMA-617 for prostate cancer: serial SPECT/CT.

The same seed gives the same people at every time after the injection, so a series is made by one call for each time:
``--hours 4``, 24, 96, 168. A camera with medium-energy collimators takes 120 projections of a minute. The truth has
the time-integrated activity and the absorbed dose of every voxel and region: electrons by their dose point kernel,
photons by Monte Carlo through the same body. All scans of a patient lie in one frame of reference, as after their CTs
have been aligned.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from photopeak import __version__
from photopeak.core import (
    Acquisition,
    Entry,
    Image,
    Mask,
    Measurement,
    PhotopeakError,
    Radiopharmaceutical,
    Record,
    Study,
)
from photopeak.core.references import references_of
from photopeak.core.study import Json
from photopeak.patients.blocks import Half, halved, paired
from photopeak.patients.body import Body
from photopeak.patients.bone_spect import contour
from photopeak.patients.header import frame_of, header, patient_id
from photopeak.patients.protocol import Case, Streams
from photopeak.patients.static import FIRST_DAY
from photopeak.patients.streams import stream
from photopeak.patients.therapy_body import CURVES, ENERGY_OF_BODY_KEV, ORGANS, Laid, laid, of_organ
from photopeak.patients.therapy_field import ENERGY_KEV, NUCLIDE, TherapyCamera, TherapyField
from photopeak.patients.therapy_kinetics import Agent, Curve, draw_curves, draw_tumour_curves
from photopeak.patients.thorax import arms_raised
from photopeak.physics.internal_dose import density_of, gray, kernel_kev, transported_kev
from photopeak.physics.materials import ct_from_mu, mu_from_ct
from photopeak.physics.noise import as_uint16, poisson_counts
from photopeak.physics.nuclides import nuclide
from photopeak.physics.transport import Voxels

WOMEN: Final = 0.45  # among patients with neuroendocrine tumours
AGE_YEARS: Final = {"dotatate": (61.0, 11.0), "psma": (71.0, 8.0)}
MBQ, MBQ_SD = 7400.0, 0.02
NAMES: Final = {"dotatate": "Lu-177 DOTATATE", "psma": "Lu-177 PSMA-617"}
TOLD: Final = ("left kidney", "right kidney", "liver", "spleen", "marrow", "bowel")
CT_NOISE_HU, LOWEST_HU = 14.0, -1024.0
PHOTONS: Final = 150_000  # followed for the dose


@dataclass(frozen=True)
class TherapyPlan:
    """Who is treated."""

    sex: str
    age_years: float


@dataclass(frozen=True)
class Lu177Therapy:
    """SPECT/CT some hours after therapy with Lu-177 :cite:`sandstrom2013,delker2016,violet2019`."""

    agent: Agent = field(default="dotatate", metadata={"help": "What carries the nuclide, and so which disease."})
    hours: float = field(
        default=24.0, metadata={"help": "From the injection to the scan; the same seed: the same people."}
    )
    mbq: float = field(default=MBQ, metadata={"help": "Activity given, within 2 %."})
    seconds: float = field(default=60.0, metadata={"help": "Time of one projection."})
    views: int = field(default=60, metadata={"help": "Projections of each of the two heads."})
    matrix: Literal[128, 64] = field(default=128, metadata={"help": "Pixels of 4.8 or 9.6 mm."})
    name: ClassVar[str] = "lu177"
    default_patients: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if not self.hours > 0 or not self.mbq > 0:
            raise PhotopeakError(
                f"hours {self.hours:g} and mbq {self.mbq:g} make no therapy. Remedy: give both above 0."
            )

    def plans(self, patients: int, seed: int) -> Sequence[TherapyPlan]:
        return [_plan(seed, i, self.agent) for i in range(patients)]

    def case(self, plan: TherapyPlan, streams: Streams) -> Case:
        who = self.treated(plan, streams)
        return self.scanned(who, truth_of(who, int(streams("dose").integers(2**31))), streams)

    def treated(self, plan: TherapyPlan, streams: Streams) -> Treated:
        """The person with organs, tumours and curves: what does not depend on when the scan is made."""
        camera = TherapyCamera(self.matrix, self.views, self.seconds)
        body = arms_raised(plan.sex, plan.age_years, streams("anatomy"), camera.pixel_mm / 2.0)
        inside = laid(body, self.agent, streams("organs"))
        given = self.mbq * (1.0 + MBQ_SD * float(np.clip(streams("activity").standard_normal(), -2.0, 2.0)))
        organs = draw_curves(self.agent, streams("kinetics"))
        tumours = draw_tumour_curves(self.agent, len(inside.tumours), streams("tumours"))
        return Treated(
            inside, organs, tuple(tumours), round(given, 1), TherapyField.around(body, camera, _middle(body))
        )

    def scanned(self, who: Treated, told: Truth, streams: Streams) -> Case:
        """What the camera sees of this person at this time, and the truth."""
        camera, seen = who.field.camera, who.field
        activity, mu = who.activity(self.hours), who.mu
        orbit = contour(mu, camera.pixel_mm / 2.0, 2 * self.views)
        purpose = f"{self.hours:g} h"
        mean = camera.expected(activity, mu, orbit, int(streams("photons").integers(2**31)))
        counts = as_uint16(poisson_counts(mean, streams(f"counts {purpose}")))
        name = patient_id(self.name, streams)
        frame = frame_of(name)
        volume, ct = seen.volume(frame), seen.ct(frame)
        noise = streams(f"ct {purpose}").normal(0.0, CT_NOISE_HU, ct.shape)
        hu = np.maximum(ct_from_mu(paired(seen.inside(mu)), ENERGY_KEV) + noise, LOWEST_HU).astype(np.float32)
        entries: dict[str, Entry] = {
            "counts": Image(counts, camera.grid(orbit, frame), "{counts}"),
            "ct": Image(hu, ct, "[hnsf'U]"),
            "truth/activity": Image(halved(seen.inside(activity)), volume, "Bq/ml"),
            "truth/mu": Image(halved(seen.inside(mu)), volume, "1/cm"),
        }
        entries |= told.entries(seen, frame)
        facts = camera.facts(orbit, seen.low_mm)
        study = Study(entries, header(name, seen.body.person), self._stated(streams, who, facts), self._done(entries))
        row: dict[str, Json] = {"patient_id": name, "study": purpose, "view": "tomo"}
        return Case(study, (row,), {"truth.json": {"patient_id": name, **self._told(who, told)}}, "tomo.dcm")

    def _done(self, entries: dict[str, Entry]) -> tuple[Record, ...]:
        settings: dict[str, Json] = {"agent": self.agent, "hours": self.hours}
        return (Record("simulate lu177", __version__, settings, tuple(entries), references_of(Lu177Therapy)),)

    def _told(self, who: Treated, told: Truth) -> dict[str, Json]:
        regions: dict[str, Json] = {
            name: {k: float(f"{v:.6g}") for k, v in r.items()} for name, r in told.regions.items()
        }
        return {"agent": self.agent, "hours": self.hours, "mbq": who.mbq, "regions": regions}

    def _stated(self, streams: Streams, who: Treated, facts: dict[str, Json]) -> Acquisition:
        camera = who.field.camera
        rng = streams("date")
        given = FIRST_DAY + dt.timedelta(days=int(rng.integers(0, 690)), minutes=int(rng.integers(0, 240)))
        tracer = Radiopharmaceutical(NAMES[self.agent], NUCLIDE, who.mbq, given, nuclide(NUCLIDE).half_life_s)
        return Acquisition(
            modality="NM",
            kind="TOMO",
            manufacturer="SIEMENS",
            model="Symbia",
            description=f"Lu-177 therapy SPECT/CT after {self.hours:g} h, simulated",
            started_at=given + dt.timedelta(hours=self.hours),
            duration_s=self.seconds * self.views,
            radiopharmaceuticals=(tracer,),
            energy_windows=camera.energy_windows,
            detectors=camera.detectors,
            position="HFS",
            facts=facts,
        )


@dataclass(frozen=True, eq=False)
class Treated:
    """One person after the injection of ``mbq``."""

    laid: Laid
    organs: dict[str, Curve]
    tumours: tuple[Curve, ...]
    mbq: float
    field: TherapyField

    @property
    def mu(self) -> Half:
        """1/cm at 208 keV on the field."""
        at_body = self.field.cut(self.laid.body.mu_per_cm)
        return np.asarray(mu_from_ct(ct_from_mu(at_body, ENERGY_OF_BODY_KEV), ENERGY_KEV), np.float32)

    def activity(self, hours: float) -> Half:
        """Bq/ml on the field."""
        return self._painted([c.at(hours) for c in self._curves()], [c.at(hours) for c in self.tumours])

    def integral(self) -> Half:
        """(Bq·s)/ml from the injection on."""
        return self._painted([c.integral_s for c in self._curves()], [c.integral_s for c in self.tumours])

    def curve(self, organ: str) -> Curve:
        return self.organs[CURVES.get(organ, organ)]

    def _curves(self) -> list[Curve]:
        return [self.curve(name) for name in ORGANS[1:]]

    def _painted(self, organs: list[float], tumours: list[float]) -> Half:
        inside = self.field.cut(self.laid.inside)
        share = self.field.cut(self.laid.share)
        table = np.array([0.0, *organs], np.float32) * np.float32(self.mbq)
        in_tumour = np.array([0.0, *tumours], np.float32) * np.float32(self.mbq)
        mixed = (1.0 - share) * table[self.field.cut(self.laid.organ)] + share * in_tumour[inside]
        return np.asarray(mixed * self.field.cut(self.laid.patch), np.float32)


@dataclass(frozen=True, eq=False)
class Truth:
    """Time-integrated activity (Bq·s/ml) and dose (Gy) on the field's voxels, and of every region."""

    who: Treated
    integral: Half
    dose: Half
    regions: dict[str, dict[str, float]]

    def entries(self, seen: TherapyField, frame: str) -> dict[str, Entry]:
        volume = seen.volume(frame)
        inside = seen.cut(self.who.laid.inside) * (seen.cut(self.who.laid.share) >= 0.5)
        organ = seen.cut(self.who.laid.organ) * (inside == 0)
        regions = _mostly(seen.inside(organ), [ORGANS.index(n) for n in TOLD])
        tumour = _mostly(seen.inside(inside), [t.number for t in self.who.laid.tumours])
        names = {ORGANS.index(n): n for n in TOLD if (regions == ORGANS.index(n)).any()}
        lesions = {t.number: t.name for t in self.who.laid.tumours if (tumour == t.number).any()}
        rows = [Measurement(r["dose_gy"], "Gy", region=name) for name, r in self.regions.items()]
        return {
            "truth/tia": Image(halved(seen.inside(self.integral)), volume, "Bq.s/ml"),
            "truth/dose": Image(halved(seen.inside(self.dose)), volume, "Gy"),
            "truth/regions": Mask(regions, volume, names),
            "truth/lesions": Mask(tumour, volume, lesions),
            "truth/organ_dose": tuple(rows),
        }


def truth_of(who: Treated, seed: int, photons: int = PHOTONS) -> Truth:
    """Electrons on voxels of half a pixel, photons on those of a pixel."""
    edge_cm = who.field.camera.pixel_mm / 20.0
    integral, mu = who.integral(), who.mu
    voxels = Voxels.of(mu, ENERGY_KEV, edge_cm)
    decays = integral * np.float32(edge_cm**3)
    electrons = kernel_kev(decays, NUCLIDE, edge_cm, photons=False)
    coarse = Voxels.of(halved(mu), ENERGY_KEV, 2.0 * edge_cm)
    decays_coarse = np.asarray(8.0 * halved(decays), np.float64)
    whole, _ = transported_kev(decays_coarse, coarse, NUCLIDE, photons, seed)
    gamma = whole - kernel_kev(decays_coarse, NUCLIDE, 2.0 * edge_cm, photons=False)
    dose = gray(electrons, density_of(voxels), edge_cm)
    dose += _spread(gray(gamma, density_of(coarse), 2.0 * edge_cm))
    dose = dose.astype(np.float32)
    return Truth(who, integral, dose, _regions(who, integral, dose, density_of(voxels)))


def _mostly(label: UInt8[np.ndarray, " _z _y _x"], numbers: Sequence[int]) -> UInt8[np.ndarray, " _z _y _x"]:
    """In each block of eight voxels the structure that holds half of it or more."""
    out = np.zeros([n // 2 for n in label.shape], np.uint8)
    for number in numbers:
        out[halved((label == number).astype(np.float32)) >= 0.5] = number
    return out


def _spread(values: Float[np.ndarray, " _z _y _x"]) -> Float[np.ndarray, " _z _y _x"]:
    """Each voxel's value for the eight that it holds."""
    for axis in range(3):
        values = values.repeat(2, axis)
    return values


def _regions(
    who: Treated, integral: Half, dose: Half, density: Float32[np.ndarray, " _z _y _x"]
) -> dict[str, dict[str, float]]:
    """Volume, mass, time-integrated activity, mean dose and effective half-life of each region in the field."""
    ml = (who.field.camera.pixel_mm / 20.0) ** 3
    found: dict[str, dict[str, float]] = {}

    def told(name: str, where: Bool[np.ndarray, " _z _y _x"], curve: Curve) -> None:
        if where.any():
            found[name] = {
                "volume_ml": ml * float(where.sum()),
                "mass_g": ml * float(density[where].sum()),
                "tia_mbq_h": ml * float(integral[where].sum(dtype=np.float64)) / 3.6e9,
                "dose_gy": float(dose[where].mean(dtype=np.float64)),
                "half_life_h": curve.half_life_h,
            }

    for name in TOLD:
        told(name, who.field.cut(of_organ(who.laid, name)), who.curve(name))
    inside: UInt8[np.ndarray, " _z _y _x"] = who.field.cut(who.laid.inside)
    full = who.field.cut(who.laid.share) >= 0.5
    for tumour, curve in zip(who.laid.tumours, who.tumours, strict=True):
        told(tumour.name, full & (inside == tumour.number), curve)
    return found


def _middle(body: Body) -> float:
    """z of the field's middle: between the top of the liver and the bottom of the kidneys, a little lower for nodes."""
    rows = [np.flatnonzero((body.label == body.names.index(n)).any((1, 2))) for n in ("liver", "left kidney", "L5")]
    top, bottom = rows[0].max(), min(rows[1].min(), rows[2].mean())
    return float(body.origin_mm[2] + body.voxel_mm * 0.5 * (top + bottom))


def _plan(seed: int, index: int, agent: Agent) -> TherapyPlan:
    rng = stream(seed, index, "plan")
    woman = rng.random() < WOMEN and agent == "dotatate"
    return TherapyPlan("F" if woman else "M", float(int(np.clip(rng.normal(*AGE_YEARS[agent]), 25, 88))))
