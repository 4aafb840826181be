"""Y-90 PET/CT after radioembolisation of liver tumours, with the dose that every voxel received.

Three in a hundred thousand decays give a positron, and of what a scanner counts randoms are the most, those of its
crystals' own lutetium among them :cite:`carlier2015`. So beds last twenty minutes, and images are noisy. The scanner is
that of ``fdg-body`` (``pet_beds``). Spheres stay where they lodge: decays follow from one scan, and the truth has them
and the dose of electrons by their kernel in water over each voxel's mass. Nobody breathes.

Left out: bremsstrahlung, as an image and in the singles beside the randoms stated; pairs of photons in the crystals'
own decays, found negligible :cite:`carlier2015`.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

import numpy as np
from jaxtyping import Float32

from photopeak import __version__
from photopeak.core import (
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
)  # fmt: skip
from photopeak.core.references import references_of
from photopeak.core.study import Json
from photopeak.patients.anatomy import draw_person
from photopeak.patients.fdg_tissue import fdg_body, with_fdg
from photopeak.patients.header import frame_of, header, patient_id
from photopeak.patients.mix import normalised, shares
from photopeak.patients.protocol import Case, Streams
from photopeak.patients.radioembolisation import (
    REGIONS,
    TARGETS,
    Embolised,
    SpheresPlan,
    draw_plan,
    embolised,
    report,
)  # fmt: skip
from photopeak.patients.static import FIRST_DAY
from photopeak.physics.internal_dose import density_of, gray, kernel_kev
from photopeak.physics.materials import ct_from_mu
from photopeak.physics.nuclides import ANNIHILATION_KEV, nuclide
from photopeak.physics.transport import Voxels
from photopeak.recipes.pet_beds import VOXEL_MM, BedField, Beds, scanned, stated

NUCLIDE: Final = "Y-90"
OWN_RANDOMS: Final = 6.0
"""Of the crystals' lutetium, for each true. That randoms are the most is known; how many there are, a judgement."""
MARGIN_MM: Final = (24.0, 70.0)  # of the field, below and above the liver
CT_NOISE_HU, LOWEST_HU = 18.0, -1024.0
Volume = Float32[np.ndarray, "z y x"]


@dataclass(frozen=True)
class Radioembolisation:
    """Y-90 PET/CT after radioembolisation of liver tumours, with true dose :cite:`weber2022,carlier2015`."""

    mix: str = field(
        default="right lobe=0.6,left lobe=0.15,whole liver=0.25", metadata={"help": "Share of each treated part."}
    )
    mbq: float = field(default=2000.0, metadata={"help": "Activity of the microspheres given."})
    hours: float = field(default=20.0, metadata={"help": "From the injection to the scan."})
    seconds: float = field(default=1200.0, metadata={"help": "Time of one bed position."})
    name: ClassVar[str] = "y90"
    default_patients: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if min(self.mbq, self.hours, self.seconds) <= 0:
            raise PhotopeakError(
                f"mbq {self.mbq:g}, hours {self.hours:g} and seconds {self.seconds:g} make no scan. "
                "Remedy: give all three above 0."
            )

    def plans(self, patients: int, seed: int) -> Sequence[SpheresPlan]:
        weights = normalised(shares(self.mix), TARGETS)
        return tuple(draw_plan(seed, i, weights) for i in range(patients))

    def case(self, plan: SpheresPlan, streams: Streams) -> Case:
        person = draw_person(streams("person"), sex=plan.sex, age_years=plan.age_years)
        body = with_fdg(fdg_body(person, streams("anatomy"), VOXEL_MM), streams("organs"), streams("tracer"))
        spheres = embolised(body, plan, streams("spheres"))
        scene = Scene(spheres, self.mbq)
        beds = Beds(scene.field.slices, self.seconds, NUCLIDE, OWN_RANDOMS)
        left = 2.0 ** (-3600.0 * self.hours / nuclide(NUCLIDE).half_life_s)
        activity = scene.field.cut(scene.at_start * np.float32(left))
        mu = scene.field.cut(body.mu_per_cm)
        scan = scanned(activity, mu, beds, streams("counts"))
        name = patient_id(self.name, streams)
        grid = scene.field.grid(frame_of(name))
        noise = streams("ct").normal(0.0, CT_NOISE_HU, mu.shape)
        entries: dict[str, Entry] = {
            "counts": Image(scan.counts, scan.sinogram, "{counts}"),
            "activity": Image(scan.image, grid, "Bq/ml"),
            "ct": Image(
                np.maximum(ct_from_mu(mu, ANNIHILATION_KEV) + noise, LOWEST_HU).astype(np.float32), grid, "[hnsf'U]"
            ),
            "truth/activity": Image(activity, grid, "Bq/ml"),
            "truth/mu": Image(mu, grid, "1/cm"),
            **scene.truth(grid),
        }
        doses = {n: r["dose_gy"] for n, r in scene.regions.items()}
        entries["truth/report"] = Text(report(plan, self.mbq / 1000.0, spheres.names, doses))
        settings: dict[str, Json] = {"mix": self.mix, "mbq": self.mbq, "hours": self.hours, "seconds": self.seconds}
        done = Record("simulate y90", __version__, settings, tuple(entries), references_of(type(self)))
        given = FIRST_DAY + dt.timedelta(days=int(streams("date").integers(0, 690)), minutes=600)
        tracer = Radiopharmaceutical("Y-90 microspheres", NUCLIDE, self.mbq, given, nuclide(NUCLIDE).half_life_s)
        about = stated(
            beds, tracer, given + dt.timedelta(hours=self.hours), "Y-90 PET/CT of the liver, simulated", "Y-90 PET AC"
        )
        row: dict[str, Json] = {"patient_id": name, "study": "1", "view": "pet"}
        told: dict[str, Json] = {
            "patient_id": name, "target": plan.target, "mbq": self.mbq, "hours": self.hours, "shunt": plan.shunt,
            "regions": {n: {k: float(f"{v:.6g}") for k, v in r.items()} for n, r in scene.regions.items()},
        }  # fmt: skip
        return Case(Study(entries, header(name, person), about, (done,)), (row,), {"truth.json": told}, "pet")


class Scene:
    """One patient after the injection: activity then, decays and dose of every voxel of the body, and of regions."""

    def __init__(self, spheres: Embolised, mbq: float) -> None:
        body, edge_cm = spheres.body, spheres.body.voxel_mm / 10.0
        self.spheres = spheres
        self.at_start: Volume = spheres.per_ml * np.float32(mbq * 1e6)
        self.integral = self.at_start * np.float32(nuclide(NUCLIDE).half_life_s / math.log(2.0))
        self.density = density_of(Voxels.of(body.mu_per_cm, ANNIHILATION_KEV, edge_cm))
        kev = kernel_kev(self.integral * np.float32(edge_cm**3), NUCLIDE, edge_cm)
        self.dose: Volume = np.asarray(gray(kev, self.density, edge_cm), np.float32)
        rows = np.flatnonzero((body.label == body.names.index("liver")).any((1, 2)))
        low, high = (body.origin_mm[2] + body.voxel_mm * float(k) for k in (rows[0], rows[-1]))
        self.field = BedField(body, low - MARGIN_MM[0], high + MARGIN_MM[1])
        self.regions = self._regions()

    def truth(self, grid: Grid) -> dict[str, Entry]:
        """Entries on the image's voxels; the table is of whole organs, in the field or not."""
        cut, spheres = self.field.cut, self.spheres
        named = {k: n for k, n in enumerate(REGIONS) if k and (spheres.region == k).any()}
        return {
            "truth/tia": Image(cut(self.integral), grid, "Bq.s/ml"),
            "truth/dose": Image(cut(self.dose), grid, "Gy"),
            "truth/regions": Mask(cut(spheres.region), grid, named),
            "truth/lesions": Mask(cut(spheres.lesion), grid, dict(spheres.names)),
            "truth/organ_dose": tuple(Measurement(r["dose_gy"], "Gy", region=n) for n, r in self.regions.items()),
        }

    def _regions(self) -> dict[str, dict[str, float]]:
        """Volume, mass, decays and mean dose of every region and tumour."""
        ml, found = self.spheres.body.voxel_mm**3 / 1000.0, {}
        masks: Mapping[str, np.ndarray] = {
            **{n: self.spheres.region == k for k, n in enumerate(REGIONS) if k},
            **{n: self.spheres.lesion == k for k, n in self.spheres.names.items()},
        }
        for name, where in masks.items():
            if where.any():
                found[name] = {
                    "volume_ml": ml * float(where.sum()),
                    "mass_g": ml * float(self.density[where].sum(dtype=np.float64)),
                    "tia_mbq_h": ml * float(self.integral[where].sum(dtype=np.float64)) / 3.6e9,
                    "dose_gy": float(self.dose[where].mean(dtype=np.float64)),
                }
        return found
