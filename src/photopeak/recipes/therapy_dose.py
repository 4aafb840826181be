"""S2: absorbed dose after Lu-177, from simulated counts, against what each voxel of the patient received.

Every patient is scanned four times, each scan is reconstructed with corrections for attenuation, scatter and blur,
activity is integrated over time, and dose computed in three ways. The mean of each organ and tumour is divided by the
true mean; regions are the true outlines, so that partial volume and the reconstruction are all that differs. The
fourth way is the organ's own S value with the region's curve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from photopeak.core import Image, Mask, Measurement, Study
from photopeak.core.step import run
from photopeak.patients.protocol import Streams
from photopeak.patients.therapy import Lu177Therapy, truth_of
from photopeak.patients.therapy_field import ENERGY_KEV, TherapyCamera
from photopeak.physics.internal_dose import density_of
from photopeak.physics.planar import sensitivity_cps_per_mbq
from photopeak.quantify.absorbed_dose import METHODS, AbsorbedDose, patient_of, serial
from photopeak.quantify.dose_series import gathered
from photopeak.quantify.region_dose import Uncertain, region_doses
from photopeak.recipes.outcome import Figure, figure
from photopeak.recon.attenuation import with_mu
from photopeak.recon.projections import projections
from photopeak.recon.reconstruct import MuFromCt, Reconstruct
from photopeak.recon.running import finished

COHORT_SEED: Final = 606
HOURS: Final = (4.0, 24.0, 96.0, 168.0)
SMALL_ML: Final = 8.0
S_VALUE: Final = "own S value"


@dataclass(frozen=True)
class Preset:
    """How many patients, projections of each head, pixels, and passes of the reconstruction."""

    patients: int
    views: int
    matrix: int
    iterations: int = 10


PRESETS: Final = {"smoke": Preset(1, 4, 64, 2), "quick": Preset(2, 20, 128), "full": Preset(20, 60, 128)}


def study(preset: Preset, say: Callable[[str], None]) -> dict[str, Figure]:
    """Every figure: measured over true mean dose, over regions of all patients."""
    ratios: dict[str, list[float]] = {}
    for index in range(preset.patients):
        for name, ratio in recovered(preset, index):
            ratios.setdefault(name, []).append(ratio)
        say(f"patient {index + 1} of {preset.patients}")
    return figures(ratios)


def figures(ratios: Mapping[str, Sequence[float]]) -> dict[str, Figure]:
    """Medians, from the least to the greatest of all regions: no interval, for a patient's regions hang together."""
    return {
        name: figure(float(np.median(values)), float(min(values)), float(max(values)), n=len(values))
        for name, values in ratios.items()
    }


def recovered(preset: Preset, index: int) -> Iterator[tuple[str, float]]:
    """What is measured over what is true, of every region and way of one patient."""
    scans = list(series(preset, index))
    true = {m.region: m.value for m in scans[0]["truth/organ_dose"] if isinstance(m, Measurement)}  # type: ignore[union-attr]
    found, ct = gathered([*[s.only("activity") for s in scans], scans[1].only("ct")])
    assert ct is not None
    one = serial(found)
    seen = with_mu(found, ct, one.grid, ENERGY_KEV)
    density = density_of(patient_of(seen, one, 1.0))
    regions = {name: mask.of(name) for mask in masks(scans[0]) for name in mask.names.values()}
    for method in METHODS:
        dose = run(AbsorbedDose(method), seen)["dose"]
        assert isinstance(dose, Image)
        maps = np.asarray(dose.values), np.zeros(dose.values.shape, np.float32), density
        for region in region_doses(one, maps, regions, "bi", Uncertain()):
            group = _group(region.name, region.volume_ml)
            yield f"{group}: {method}", region.mean / true[region.name]
            if method == METHODS[0]:
                yield f"{group}: {S_VALUE}", region.by_s / true[region.name]


def series(preset: Preset, index: int) -> Iterator[Study]:
    """One patient's scans: activity, CT and truth."""
    streams, who, told = Streams(COHORT_SEED, index), None, None
    camera = TherapyCamera(preset.matrix, preset.views, 3600.0 / preset.views)
    for hours in HOURS:
        protocol = Lu177Therapy(
            hours=hours, seconds=camera.seconds, views=camera.views, matrix=preset.matrix  # type: ignore[arg-type]
        )  # fmt: skip
        if who is None or told is None:
            who = protocol.treated(protocol.plans(index + 1, COHORT_SEED)[index], streams)
            told = truth_of(who, int(streams("dose").integers(2**31)))
        yield with_activity(protocol.scanned(who, told, streams).study, camera, preset.iterations)


def with_activity(study_: Study, camera: TherapyCamera, iterations: int) -> Study:
    """The study with its reconstruction in Bq/ml, by the sensitivity that the camera has."""
    step = Reconstruct(
        iterations=iterations, subsets=4, attenuation=True, scatter="tew", cps_per_mbq=sensitivity(camera)
    )
    seen = run(MuFromCt(), study_.only("counts", "ct"))
    made = projections(seen)
    done = finished(step, seen, made, step.image(seen, made))
    truth = {k: v for k, v in study_.items() if k.startswith("truth/") or k == "ct"}
    return done.add({k: v for k, v in truth.items() if k != "truth/activity"})


def sensitivity(camera: TherapyCamera) -> float:
    """Counts a second of 1 MBq in air: what a point source would measure."""
    c = camera.camera
    assert c.collimator is not None
    return sensitivity_cps_per_mbq(c.collimator, c.crystal, c.nuclide, c.energy_kev, c.window_kev)


def masks(study_: Study) -> Iterator[Mask]:
    """True regions and tumours."""
    for name in ("truth/regions", "truth/lesions"):
        entry = study_[name]
        assert isinstance(entry, Mask)
        yield entry


def _group(name: str, volume_ml: float) -> str:
    if name.startswith("tumour"):
        return f"tumours below {SMALL_ML:g} ml" if volume_ml < SMALL_ML else f"tumours from {SMALL_ML:g} ml"
    return "kidneys" if "kidney" in name else name
