"""Myocardial perfusion SPECT/CT with Tc-99m sestamibi: normal, ischaemia, infarct, or both; at stress or at rest.

A study holds one acquisition, and so does a file: ``state`` chooses which, and the same seed gives the same people in
both, on two days. Two heads turn from 45° right anterior to 45° left posterior :cite:`verberne2015`; the CT of the same
examination is written beside.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Final

import numpy as np
from jaxtyping import Float, UInt16

from photopeak import __version__
from photopeak.core import (
    Acquisition,
    Axis,
    Detector,
    EnergyWindow,
    Entry,
    Grid,
    Image,
    Kind,
    Mask,
    Measurement,
    PhotopeakError,
    Radiopharmaceutical,
    Record,
    Study,
    scaling,
)
from photopeak.core.references import references_of
from photopeak.core.study import Json
from photopeak.core.vocabulary import declare
from photopeak.patients.blocks import Half, halved
from photopeak.patients.coronary import (
    CLASSES,
    Defect,
    HeartPlan,
    State,
    arteries_of,
    draw_defects,
    perfusion,
    plan,
    score,
    summed,
)
from photopeak.patients.header import frame_of, header, patient_id
from photopeak.patients.heart import Heart
from photopeak.patients.heart_field import (
    EDGE_MM,
    ENERGY_KEV,
    MARGIN_ROWS,
    MATRIX,
    PIXEL_MM,
    STARTS_DEG,
    TC99M,
    WINDOWS,
    HeartField,
    expected_counts,
    orbit,
)
from photopeak.patients.mix import normalised, shares
from photopeak.patients.protocol import Case, Streams
from photopeak.patients.static import FIRST_DAY
from photopeak.patients.thorax import HEART_SHARE, Patient, healthy_body, with_heart
from photopeak.patients.ventricle import SEGMENTS, segment_of
from photopeak.physics.materials import ct_from_mu
from photopeak.physics.noise import as_uint16, poisson_counts
from photopeak.physics.spect import Orbit

SECONDS: Final[Mapping[State, float]] = {"stress": 20.0, "rest": 25.0}
WAITED_MIN: Final = 60.0
CT_NOISE_HU = 25.0  # a low-dose CT for attenuation
LOWEST_HU = -1024.0
SEEN_BELOW = 0.85  # a voxel with less perfusion belongs to its defect's mask
WALL_G_ML = 1.05

declare("truth/perfusion_stress", Kind("table", "%"), "perfusion of the 17 segments at stress, of normal, as simulated")
declare("truth/perfusion_rest", Kind("table", "%"), "perfusion of the 17 segments at rest, of normal, as simulated")
declare("truth/sss", Kind("measurement", "1"), "summed stress score of the simulated perfusion")
declare("truth/srs", Kind("measurement", "1"), "summed rest score of the simulated perfusion")


@dataclass(frozen=True)
class MyocardialPerfusion:
    """Myocardial perfusion SPECT/CT with Tc-99m sestamibi, at stress or at rest :cite:`verberne2015,wackers1989`."""

    state: State = field(default="stress", metadata={"help": "Which acquisition; the same seed: the same people."})
    mix: str = field(
        default="normal=0.4,ischaemia=0.3,infarct=0.15,both=0.15", metadata={"help": "Share of each class."}
    )
    mbq: float = field(default=600.0, metadata={"help": "Activity given; less for a reduced dose."})
    seconds: float = field(
        default=0.0, metadata={"help": "Time of one projection; 0: 20 s at stress and 25 s at rest."}
    )
    views: int = field(default=32, metadata={"help": "Projections of each of the two heads."})
    ct_low_mm: float = field(
        default=0.0, metadata={"help": "How far too low heart and diaphragm lie in the CT, as after a breath in."}
    )
    name: ClassVar[str] = "mpi"
    default_patients: ClassVar[int] = 4

    def __post_init__(self) -> None:
        if self.mbq <= 0 or self.seconds < 0 or self.views < 1:
            raise PhotopeakError(
                f"mbq {self.mbq:g}, seconds {self.seconds:g} and views {self.views} make no acquisition. "
                "Remedy: give mbq > 0, seconds ≥ 0 and at least one view."
            )

    def plans(self, patients: int, seed: int) -> Sequence[HeartPlan]:
        weights = normalised(shares(self.mix), CLASSES)
        return [plan(i, seed, weights) for i in range(patients)]

    def case(self, plan: HeartPlan, streams: Streams) -> Case:
        body = healthy_body(plan, streams("anatomy"), EDGE_MM)
        defects = draw_defects(plan, streams("defects"))
        patient = with_heart(body, defects, self.state, streams("heart"), streams(f"tracer {self.state}"))
        seen = HeartField.around(patient.body, patient.heart.shell.centre_mm[2])
        activity = seen.cut(patient.body.uptake) * np.float32(self._bq_ml(patient, streams))
        mu = seen.cut(patient.body.mu_per_cm)
        path = orbit(mu, self.views)
        photons = int(streams("photons").integers(2**31))
        mean = expected_counts(activity, mu, path, self._seconds, photons)
        counts = as_uint16(poisson_counts(mean, streams(f"counts {self.state}")))
        scene = _Scene(plan, patient, defects, seen, activity, mu, path)
        return self._case(scene, streams, counts)

    @property
    def _seconds(self) -> float:
        return self.seconds or SECONDS[self.state]

    def _bq_ml(self, patient: Patient, streams: Streams) -> float:
        """Activity of normal wall when the acquisition starts."""
        share = HEART_SHARE[self.state] * float(np.exp(0.15 * np.clip(streams("uptake").standard_normal(), -2.0, 2.0)))
        left: float = 2.0 ** (-WAITED_MIN * 60.0 / TC99M.half_life_s)
        return share * self.mbq * 1e6 * left / patient.heart_ml

    def _case(self, scene: _Scene, streams: Streams, counts: UInt16[np.ndarray, "window view row column"]) -> Case:
        name = patient_id("mpi", streams)
        frame = frame_of(f"{name} {self.state}")
        heads = tuple(f"detector {k}" for k in (1, 2) for _ in range(self.views))
        axes = (
            Axis("energy", len(WINDOWS), tuple(WINDOWS)),
            Axis("angle", 2 * self.views, heads, scene.path.angles_deg, "deg"),
            Axis("y", MATRIX),
            Axis("x", MATRIX),
        )
        volume, body = scene.field.volume(frame), scene.patient.body
        percent = {state: scene.percent(state) for state in SECONDS}
        entries: dict[str, Entry] = {
            "counts": Image(counts, Grid(axes, scaling((PIXEL_MM, PIXEL_MM, 1.0)), frame), "{counts}"),
            "ct": Image(self._ct(scene.ct_mu, streams), scene.field.ct(frame), "[hnsf'U]"),
            "truth/activity": Image(halved(scene.field.shown(scene.activity)), volume, "Bq/ml"),
            "truth/mu": Image(halved(scene.field.shown(scene.mu)), volume, "1/cm"),
            "truth/regions": Mask(scene.field.labels(), volume, dict(enumerate(body.names[1:], 1))),
            "truth/lesions": scene.lesions(self.state, volume),
            **{f"truth/perfusion_{state}": _table(values) for state, values in percent.items()},
            "truth/sss": Measurement(summed(percent["stress"]), "1", region="left ventricle"),
            "truth/srs": Measurement(summed(percent["rest"]), "1", region="left ventricle"),
        }
        who = header(name, scene.patient.body.person)
        settings: dict[str, Json] = {"class": scene.plan.label, "state": self.state, "mbq": self.mbq}
        cites = references_of(MyocardialPerfusion)
        done = Record("simulate mpi", __version__, settings, tuple(entries), cites)
        study = Study(entries, who, self._stated(streams, scene), (done,))
        row: dict[str, Json] = {"patient_id": name, "study": self.state, "view": "tomo"}
        return Case(study, (row,), {"truth.json": {"patient_id": name, **scene.told(percent, self.state)}}, "tomo.dcm")

    def _ct(self, mu: Half, streams: Streams) -> Half:
        """The low-dose CT; breathed in deeply, all of it lies lower than on average during the emission scan."""
        if self.ct_low_mm:
            from scipy.ndimage import shift

            mu = shift(mu, (-self.ct_low_mm / EDGE_MM, 0.0, 0.0), order=1, mode="nearest")
        noise = streams(f"ct {self.state}").normal(0.0, CT_NOISE_HU, mu.shape)
        return np.maximum(ct_from_mu(mu, ENERGY_KEV) + noise, LOWEST_HU).astype(np.float32)

    def _stated(self, streams: Streams, scene: _Scene) -> Acquisition:
        rng = streams("date")
        start = FIRST_DAY + dt.timedelta(days=int(rng.integers(0, 690)), minutes=int(rng.integers(0, 300)))
        start += dt.timedelta(days=int(rng.integers(1, 4)) if self.state == "rest" else 0)
        top = scene.field.low_mm + (MATRIX - 1) * PIXEL_MM
        facts: dict[str, Json] = {
            "ActualFrameDuration": self._seconds * 1000.0,
            "RadialPosition": list(scene.path.radii_mm),
            "ImagePositionPatient": [0.0, 0.0, round(top, 3)],
            "ImageOrientationPatient": [-1.0, 0.0, 0.0, 0.0, 0.0, -1.0],
        }
        given = start - dt.timedelta(minutes=WAITED_MIN)
        return Acquisition(
            modality="NM",
            kind="TOMO",
            manufacturer="SIEMENS",
            model="Symbia",
            description=f"Myocardial perfusion, {self.state}, simulated",
            started_at=start,
            duration_s=self._seconds * self.views,
            radiopharmaceuticals=(
                Radiopharmaceutical("Sestamibi", "Tc-99m", self.mbq, given, TC99M.half_life_s),
            ),
            energy_windows=tuple(EnergyWindow(n, (w,)) for n, w in WINDOWS.items()),
            detectors=tuple(Detector("Siemens LEHR", "PARA", a) for a in STARTS_DEG),
            position="HFS",
            facts=facts,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Scene:
    """One patient before the camera."""

    plan: HeartPlan
    patient: Patient
    defects: tuple[Defect, ...]
    field: HeartField
    activity: Half
    mu: Half
    path: Orbit

    @property
    def ct_mu(self) -> Half:
        return self.mu[2 * MARGIN_ROWS : -2 * MARGIN_ROWS]

    def percent(self, state: State) -> dict[int, float]:
        """Mean perfusion of the wall of every segment, in per cent of normal."""
        c, shell = self.patient.chambers, self.patient.heart.shell
        share = perfusion(self.defects, state, (c.u, c.phi_deg, c.depth), (shell.radius_mm, shell.length_mm))
        number = segment_of(c.u, c.phi_deg).ravel()
        wall = np.bincount(number, c.wall.ravel(), 18)[1:]
        taken: Float[np.ndarray, " 17"] = np.bincount(number, (c.wall * share).ravel(), 18)[1:]
        return {k: round(100.0 * float(t / w), 2) for k, (t, w) in enumerate(zip(taken, wall, strict=True), 1)}

    def lesions(self, state: State, grid: Grid) -> Mask:
        """Voxels of the camera most of whose wall belongs to a defect of this state."""
        c, shell = self.patient.chambers, self.patient.heart.shell
        out = np.zeros(grid.shape, np.uint8)
        names: dict[int, str] = {}
        wall = np.zeros_like(self.patient.body.uptake)
        wall[c.box] = c.wall
        full = halved(self.field.shown(self.field.cut(wall)))
        for k, one in enumerate(self.defects, 1):
            if one.residual[state] >= 1.0:
                continue
            weight = one.weight(c.u, c.phi_deg, shell.radius_mm, shell.length_mm)
            low = one.left(state, weight, c.depth) < SEEN_BELOW
            ill = np.zeros_like(wall)
            ill[c.box] = c.wall * low
            share = halved(self.field.shown(self.field.cut(ill)))
            out[(share > 0.5 * full) & (full > 0.35)] = k
            names[k] = f"{'infarct' if one.residual['rest'] < 1.0 else 'ischaemia'}: {one.artery}"
        return Mask(out, grid, {k: n for k, n in names.items() if (out == k).any()})

    def told(self, percent: Mapping[State, Mapping[int, float]], state: State) -> dict[str, Json]:
        """The truth as a document; the ventricle in the study's frame of reference."""
        heart: Heart = self.patient.heart
        defects: list[Any] = [asdict(d) for d in self.defects]
        sss, srs = (summed(percent[s]) for s in ("stress", "rest"))
        difference = sum(max(0, score(percent["stress"][k]) - score(percent["rest"][k])) for k in percent["stress"])
        return {
            "class": self.plan.label,
            "state": state,
            "territories": list(arteries_of(percent["stress"])),
            "defects": defects,
            "perfusion_percent": {s: {SEGMENTS[k - 1]: v for k, v in values.items()} for s, values in percent.items()},
            "sss": sss,
            "srs": srs,
            "sds": difference,
            "ventricle": asdict(self.field.placed(heart.shell)),
            "cavity_ml": round(heart.cavity_ml, 1),
            "myocardium_g": round(WALL_G_ML * heart.myocardium_ml, 1),
        }


def _table(percent: Mapping[int, float]) -> tuple[Measurement, ...]:
    return tuple(Measurement(v, "%", region=SEGMENTS[k - 1]) for k, v in percent.items())
