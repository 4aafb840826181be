"""SPECT/CT after a bone scan: the same people, one field of view of the trunk, in three dimensions.

A two-headed camera goes round the body along its contour. The body is imaged on voxels of half the camera's
pixel; scatter of all orders comes from Monte Carlo (``physics.transport``) and fills the photopeak and a window
below it; photons are counted, and the CT of the same examination is written beside. Acquisition follows the
EANM guideline :cite:`vandenwyngaert2016`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt8, UInt16

from photopeak import __version__
from photopeak.core import Acquisition as Stated
from photopeak.core import Axis, Detector, EnergyWindow, Entry, Grid, Image, Mask, Measurement, Record, Study, scaling
from photopeak.core.references import references_of
from photopeak.core.study import Json
from photopeak.patients import bone_scan
from photopeak.patients.acquisition import draw_acquisition
from photopeak.patients.blocks import Cut, Half, cut, halved, most_active, paired
from photopeak.patients.body import Body
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.disease import Disease, draw_disease
from photopeak.patients.header import frame_of, header, patient_id
from photopeak.patients.mix import shares
from photopeak.patients.plans import PatientPlan, mixed_plan
from photopeak.patients.protocol import Case, Streams
from photopeak.patients.visibility import Viewing
from photopeak.physics.materials import ct_from_mu
from photopeak.physics.noise import as_uint16, poisson_counts
from photopeak.physics.nuclides import decay_during
from photopeak.physics.spect import Orbit, SpectCamera
from photopeak.physics.spect_scatter import simulated_scatter

PIXEL_MM, MATRIX = 4.8, 128
FIELD_ROWS: Final = 80  # 384 mm of crystal along the patient
MARGIN_ROWS: Final = 8  # beyond it, from where photons still blur and scatter in
COLUMNS: Final = 2 * MATRIX
ENERGY_KEV = 140.511
WINDOWS: Final = {"photopeak": (126.45, 154.55), "lower scatter": (108.0, 126.45)}
GAP_MM = 25.0  # from the skin to the collimator
PHOTONS_A_VIEW: Final = 12_500  # followed for scatter
CT_NOISE_HU = 14.0  # a low-dose CT, in voxels of 2.4 × 2.4 × 4.8 mm
LOWEST_HU = -1024.0
HOT = 0.42  # of a lesion's greatest added uptake: where its mask ends, as in the planar truth


@dataclass(frozen=True)
class BoneSpect:
    """SPECT/CT of the trunk after a bone scan, with a scatter window :cite:`vandenwyngaert2016`."""

    mix: str = field(default="N=0.3,M=0.4,A=0.3", metadata={"help": "Share of each class."})
    region: Literal["lesions", "thorax", "pelvis"] = field(
        default="lesions", metadata={"help": "Where the field lies; 'lesions': where most of them are."}
    )
    seconds: float = field(default=15.0, metadata={"help": "Time of one projection."})
    views: int = field(default=60, metadata={"help": "Projections of each of the two heads."})
    difficulty: Difficulty = field(default=Difficulty(), metadata={"help": "JSON file with knobs of the task."})
    name: ClassVar[str] = "bone-spect"
    default_patients: ClassVar[int] = 4

    def plans(self, patients: int, seed: int) -> Sequence[PatientPlan]:
        return mixed_plan(patients, shares(self.mix), seed, self.difficulty)

    def case(self, plan: PatientPlan, streams: Streams) -> Case:
        scan = draw_acquisition(streams("acquisition"))
        edge = PIXEL_MM / 2.0
        healthy, dominant = bone_scan.draw_body(plan, streams, self.difficulty, edge)
        unit = bone_scan.mbq_per_unit(healthy, scan, bone_scan.draw_retention(streams("kinetics")))
        planar, place = scan.set_up(), scan.place(healthy)
        everywhere = (0, scan.rows), (scan.field_columns.start, scan.field_columns.stop)
        viewing = Viewing(planar, place, unit * planar.counts_per_mbq, *everywhere)
        disease = draw_disease(healthy, plan, self.difficulty, lambda _: viewing, streams("disease"), dominant)
        field_ = _Field.around(disease, self._centre_mm(disease))
        activity = field_.cut(disease.body.uptake) * np.float32(unit * 1e6 / (edge**3 / 1000.0))
        mu = field_.cut(disease.body.mu_per_cm)
        orbit = contour(mu, edge, 2 * self.views)
        seed = int(streams("photons").integers(2**31))
        expected = self._expected(activity, mu, orbit, seed)
        counts = as_uint16(poisson_counts(expected, streams("counts")))
        return self._case(plan, streams, disease, (field_, activity, mu, orbit), counts)

    def _centre_mm(self, disease: Disease) -> float:
        """z of the field's middle: between the fixed one for a region, and where most lesions fit in."""
        spine = {r: _mean_z(disease.body, n) for r, n in (("thorax", "T7"), ("pelvis", "L5"))}
        if self.region != "lesions":
            return spine[self.region]
        places = np.array([f.lesion.centre_mm[2] for f in disease.findings])
        half = 0.5 * FIELD_ROWS * PIXEL_MM - 20.0
        tried = np.linspace(spine["pelvis"] - 60.0, spine["thorax"] + 60.0, 25)
        seen = [int((np.abs(places - z) < half).sum()) for z in tried]
        return float(tried[int(np.argmax(seen))]) if len(places) else spine["pelvis"]

    def _expected(
        self, activity: Half, mu: Half, orbit: Orbit, seed: int
    ) -> Float32[np.ndarray, "window view row column"]:
        """Mean counts of every window on the camera's matrix; rows beyond the crystal stay empty."""
        camera = SpectCamera(energy_kev=ENERGY_KEV, frame_s=self.seconds)
        edge = PIXEL_MM / 2.0
        fine = Grid.volume(activity.shape, scaling((edge,) * 3))
        direct = camera.physics(fine, orbit, torch.from_numpy(mu)).operator(torch.from_numpy(activity)).numpy()
        primary = direct.reshape(len(direct), -1, 2, MATRIX, 2).sum((2, 4))
        a, m = (torch.from_numpy(halved(x)) for x in (activity, mu))
        grid = Grid.volume((a.shape[0], a.shape[1], a.shape[2]), scaling((PIXEL_MM,) * 3))
        out = (
            simulated_scatter(camera, grid, orbit, m, a, list(WINDOWS.values()), PHOTONS_A_VIEW * len(direct), seed)
            .numpy()
            .copy()
        )
        out[0] += primary
        whole = np.zeros((len(WINDOWS), len(direct), MATRIX, MATRIX), np.float32)
        first = (MATRIX - FIELD_ROWS) // 2
        whole[:, :, first : first + FIELD_ROWS] = out[:, :, MARGIN_ROWS:-MARGIN_ROWS]
        return whole * self._left()[:, None, None].astype(np.float32)

    def _left(self) -> Float[np.ndarray, " view"]:
        """What decay leaves during each projection; the heads count at the same time."""
        start = self.seconds * np.tile(np.arange(self.views), 2)
        return decay_during(bone_scan.TC99M.half_life_s, start, self.seconds)

    def _case(
        self, plan: PatientPlan, streams: Streams, disease: Disease,
        scene: tuple[_Field, Half, Half, Orbit], counts: UInt16[np.ndarray, "window view row column"],
    ) -> Case:  # fmt: skip
        field_, activity, mu, orbit = scene
        name = patient_id(self.name, streams)
        who = header(name, disease.body.person)
        frame = frame_of(name)
        heads = ("detector 1",) * self.views + ("detector 2",) * self.views
        axes = (
            Axis("energy", len(WINDOWS), tuple(WINDOWS)),
            Axis("angle", 2 * self.views, heads, orbit.angles_deg, "deg"),
            Axis("y", MATRIX),
            Axis("x", MATRIX),
        )
        volume, ct = field_.volume(frame), field_.ct(frame)
        noise = streams("ct").normal(0.0, CT_NOISE_HU, ct.shape)
        hu = np.maximum(ct_from_mu(paired(field_.inside(mu)), ENERGY_KEV) + noise, LOWEST_HU).astype(np.float32)
        entries: dict[str, Entry] = {
            "counts": Image(counts, Grid(axes, scaling((PIXEL_MM, PIXEL_MM, 1.0)), frame), "{counts}"),
            "ct": Image(hu, ct, "[hnsf'U]"),
            "truth/activity": Image(halved(field_.inside(activity)), volume, "Bq/ml"),
            "truth/mu": Image(halved(field_.inside(mu)), volume, "1/cm"),
            "truth/regions": Mask(field_.labels(disease.body), volume, dict(enumerate(disease.body.names[1:], 1))),
            "truth/lesions": Mask(*field_.lesions(disease, volume)),
            "truth/label_m": Measurement(plan.label_m, "1", region="patient"),
            "truth/label_a": Measurement(plan.label_a, "1", region="patient"),
        }
        settings: dict[str, Json] = {"class": plan.label, "difficulty": json.loads(self.difficulty.to_json())}
        done = Record("simulate bone-spect", __version__, settings, tuple(entries), references_of(BoneSpect))
        study = Study(entries, who, self._stated(streams, orbit, field_), (done,))
        row: dict[str, Json] = {"patient_id": who.patient_id, "study": "1", "view": "tomo", "parent": ""}
        document: dict[str, Json] = {"patient_id": who.patient_id, "class": plan.label, "lesions": field_.told(disease)}
        labels: dict[str, Json] = {"label_m": plan.label_m, "label_a": plan.label_a}
        return Case(study, ({**row, **labels},), {"truth.json": document}, "tomo.dcm")

    def _stated(self, streams: Streams, orbit: Orbit, field_: _Field) -> Stated:
        scan = draw_acquisition(streams("acquisition"))
        planar = bone_scan.stated(dataclasses.replace(scan, camera="siemens"), streams)
        top = field_.low_mm + (MATRIX - 1) * PIXEL_MM
        facts: dict[str, Json] = {
            "ActualFrameDuration": self.seconds * 1000.0,
            "RadialPosition": [round(r, 1) for r in orbit.radii_mm[: self.views]],
            "ImagePositionPatient": [0.0, 0.0, round(top, 3)],
            "ImageOrientationPatient": [-1.0, 0.0, 0.0, 0.0, 0.0, -1.0],
        }
        return dataclasses.replace(
            planar,
            kind="TOMO",
            description="Bone SPECT/CT, simulated",
            duration_s=self.seconds * self.views,
            scan_velocity_mm_s=None,
            scan_length_mm=None,
            energy_windows=tuple(EnergyWindow(n, (w,)) for n, w in WINDOWS.items()),
            detectors=(Detector("Siemens LEHR", "PARA", 0.0), Detector("Siemens LEHR", "PARA", 180.0)),
            facts=facts,
        )


@dataclass(frozen=True)
class _Field:
    """The part of a body that is imaged, on voxels of half a pixel: where it begins, in voxels of the body.

    The study's frame keeps the body's z; x and y start at the axis of rotation, which is the body's middle.
    """

    body: Body
    start: tuple[int, int, int]

    @staticmethod
    def around(disease: Disease, centre_mm: float) -> _Field:
        body, edge = disease.body, PIXEL_MM / 2.0
        rows = 2 * (FIELD_ROWS + 2 * MARGIN_ROWS)
        solid = np.flatnonzero(body.mu_per_cm.any((0, 2)))
        middle = (round(-body.origin_mm[0] / edge), int(solid[0] + solid[-1]) // 2)
        z = round((centre_mm - body.origin_mm[2]) / edge) - rows // 2
        return _Field(body, (z, middle[1] - COLUMNS // 2, middle[0] - COLUMNS // 2))

    def cut(self, values: Cut) -> Cut:
        """The body's values on the field with its margins; nothing where the body's grid ends."""
        return cut(values, self.start, (2 * (FIELD_ROWS + 2 * MARGIN_ROWS), COLUMNS, COLUMNS))

    def inside(self, values: Cut) -> Cut:
        """Without the margins, but filled up with nothing to the camera's whole matrix."""
        empty = MATRIX - FIELD_ROWS
        shown = np.zeros((2 * MATRIX, *values.shape[1:]), values.dtype)
        shown[empty:-empty] = values[2 * MARGIN_ROWS : -2 * MARGIN_ROWS]
        return shown

    @property
    def low_mm(self) -> float:
        """z of the lowest voxel of the camera's whole matrix."""
        first = self.start[0] + 2 * MARGIN_ROWS - (MATRIX - FIELD_ROWS)
        return self.body.origin_mm[2] + (first + 0.5) * PIXEL_MM / 2.0

    def volume(self, frame: str) -> Grid:
        across = -0.5 * (MATRIX - 1) * PIXEL_MM
        return Grid.volume((MATRIX,) * 3, scaling((PIXEL_MM,) * 3, (across, across, self.low_mm)), frame)

    def ct(self, frame: str) -> Grid:
        edge = PIXEL_MM / 2.0
        across = -0.5 * (COLUMNS - 1) * edge
        return Grid.volume(
            (MATRIX, COLUMNS, COLUMNS), scaling((edge, edge, PIXEL_MM), (across, across, self.low_mm)), frame
        )

    def told(self, disease: Disease) -> list[Any]:
        """The lesions, with their centres in the study's frame of reference."""
        edge, middle = PIXEL_MM / 2.0, 0.5 * (COLUMNS - 1)
        found = []
        for one in (f.lesion for f in disease.findings):
            x, y = ((one.centre_mm[k] - self.body.origin_mm[k]) / edge - self.start[2 - k] - middle for k in (0, 1))
            centre = [round(x * edge, 3), round(y * edge, 3), one.centre_mm[2]]
            found.append({"id": one.id, "kind": one.kind, "site": one.site, "side": one.side, "centre_mm": centre})
        return found

    def labels(self, body: Body) -> UInt8[np.ndarray, "z y x"]:
        """In each voxel of the camera the structure that holds the most uptake there."""
        part = cut(body.label, self.start, (2 * (FIELD_ROWS + 2 * MARGIN_ROWS), COLUMNS, COLUMNS))
        return most_active(self.inside(part), self.inside(self.cut(body.uptake)))

    def lesions(self, disease: Disease, grid: Grid) -> tuple[UInt8[np.ndarray, "z y x"], Grid, dict[int, str]]:
        """Voxels at least half of which belong to a lesion."""
        out = np.zeros(grid.shape, np.uint8)
        names: dict[int, str] = {}
        for one in disease.findings:
            whole = np.zeros(disease.body.uptake.shape, np.float32)
            whole[one.deposit.box] = one.deposit.uptake > HOT * max(float(one.deposit.uptake.max()), 1e-9)
            share = halved(self.inside(self.cut(whole)))
            if (share >= 0.5).any() and one.lesion.id < 256:
                out[share >= 0.5] = one.lesion.id
                names[one.lesion.id] = f"{one.lesion.kind}: {one.lesion.site}"
        return out, grid, {k: name for k, name in names.items() if (out == k).any()}


def contour(mu: Half, edge_mm: float, views: int) -> Orbit:
    """Angles from the back on, evenly over a turn, and at each one the radius that clears the body on both sides."""
    solid: Bool[np.ndarray, "y x"] = np.any(mu > 0.05, axis=0)
    y, x = ((np.array(k) - 0.5 * (n - 1)) * edge_mm for k, n in zip(solid.nonzero(), solid.shape, strict=True))
    angles = tuple(360.0 * k / views for k in range(views))
    t = np.deg2rad(np.array(angles))
    reach = np.array([np.abs(x * s + y * c).max() for s, c in zip(np.sin(t), np.cos(t), strict=True)])
    return Orbit(angles, tuple(float(round(r + GAP_MM, 1)) for r in reach))


def _mean_z(body: Body, structure: str) -> float:
    rows = np.flatnonzero(np.any(body.label == body.names.index(structure), axis=(1, 2)))
    return body.origin_mm[2] + body.voxel_mm * float(rows.mean())
