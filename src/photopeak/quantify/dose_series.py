"""One dosimetry on disk: reconstructions of several days and a CT in; table, maps and a picture out."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from photopeak.core import Acquisition, Axis, Grid, Image, PhotopeakError, Study
from photopeak.core.step import record_of, run
from photopeak.core.writing import whole_file
from photopeak.physics.internal_dose import density_of
from photopeak.quantify.absorbed_dose import AbsorbedDose, patient_of, serial
from photopeak.quantify.dose_picture import save_picture
from photopeak.quantify.region_dose import RegionDose, Uncertain, region_doses
from photopeak.quantify.time_activity import Fit

COLUMNS: Final = (
    "region", "volume_ml", "mass_g", "decays_mbq_h", "decays_sd_mbq_h", "half_life_h", "mean_gy", "sd_gy", "gy_per_gbq",
    "d50_gy", "d2_gy", "max_gy", "by_s_value_gy", "bed_gy",
)  # fmt: skip


def gathered(found: Sequence[Study], fewest: int = 2) -> tuple[Study, Study | None]:
    """The series of activity images among Studies, with a time axis, and the CT of its frame of reference.

    ``fewest`` is 1 where physical decay is all that is fitted.
    """
    scans = sorted((s for s in found if "ct" not in s), key=lambda s: s.acquisition.started_at or dt.datetime.min)
    if len(scans) < fewest:
        raise PhotopeakError(
            f"{len(scans)} images of activity among what was given. Remedy: give two scans or more, "
            "or one with --fit decay --voxels decay, for what stays where it is, as microspheres do."
        )
    for scan in scans:
        _check(scan, scans[0])
    first = scans[0].acquisition
    assert first.started_at is not None  # ``_check`` has seen to both
    seconds = tuple((s.acquisition.started_at - first.started_at).total_seconds() for s in scans)  # type: ignore[operator]
    images = [_activity(s) for s in scans]
    axis = Axis("time", len(scans), values=seconds, unit="s")
    grid = Grid((axis, *images[0].grid.axes), images[0].grid.affine_mm, images[0].grid.frame)
    series = Image(np.stack([np.asarray(i.values, np.float32) for i in images]), grid, "Bq/ml")
    history = tuple(r for s in scans for r in s.history)
    cts = [s for s in found if "ct" in s]
    mine = [s for s in cts if s["ct"].grid.frame == grid.frame]  # type: ignore[union-attr]
    if cts and not mine:
        raise PhotopeakError(
            "FrameOfReferenceUID (0020,0052): no CT lies in the images' frame. Remedy: give the CT they are aligned to."
        )
    return Study({"activity": series}, scans[0].patient, first, history), mine[0] if mine else None


def _activity(study: Study) -> Image:
    image = study.get("activity")
    if not isinstance(image, Image):
        raise PhotopeakError(
            f"the image of {study.acquisition.started_at} holds {', '.join(study) or 'nothing'}, no activity in Bq/ml. "
            "Remedy: reconstruct it with --cps-per-mbq, the camera's measured sensitivity (photopeak qc sensitivity)."
        )
    return image.to("Bq/ml")


def _check(scan: Study, first: Study) -> None:
    """The same patient, nuclide, injection and voxels as the first scan's."""
    image, a = _activity(scan), scan.acquisition
    if scan.patient.patient_id != first.patient.patient_id:
        raise PhotopeakError(
            f"PatientID (0010,0020): scans of {first.patient.patient_id!r} and {scan.patient.patient_id!r}. "
            "Remedy: give one patient's."
        )
    if a.started_at is None:
        raise PhotopeakError("AcquisitionDate (0008,0022) is missing. Remedy: give scans whose time is stated.")
    given = [[(t.nuclide, t.administered_at) for t in s.acquisition.radiopharmaceuticals] for s in (scan, first)]
    if given[0] != given[1]:
        raise PhotopeakError(
            f"the scan of {a.started_at} names another injection ({given[0]}) than the first ({given[1]}). "
            "Remedy: give the scans after one injection."
        )
    own, other = image.grid, _activity(first).grid
    if (
        own.shape != other.shape
        or own.frame != other.frame
        or not np.allclose(own.affine_mm, other.affine_mm, atol=0.01)
    ):
        raise PhotopeakError(
            f"the scan of {a.started_at} lies in other voxels or another frame of reference than the first. "
            "Remedy: align the series, and reconstruct or resample every scan onto one lattice."
        )


def run_dose(
    step: AbsorbedDose, study: Study, regions: dict[str, Any], how: tuple[Fit, Uncertain], out: Path, ct: Image | None
) -> Iterator[Path]:
    """Dose of a series into a folder; yields every file that was written."""
    from photopeak.dicom.dose_writing import write_dose
    from photopeak.dicom.saving import save

    out.mkdir(parents=True, exist_ok=True)
    done = run(step, study)
    series = serial(study)
    dose, density = done["dose"], density_of(patient_of(study, series, step.density_g_ml))
    assert isinstance(dose, Image)
    spread = np.zeros_like(dose.values) if dose.sd is None else dose.sd
    found = region_doses(series, (dose.values, spread, density), regions, *how)
    given = study.acquisition.radiopharmaceuticals[0].activity_mbq
    table = [row_of(region, given) for region in found]
    with whole_file(out / "dose.json") as part:
        part.write_text(json.dumps(_told(step, study, found, table, how), indent=1) + "\n", encoding="utf-8")
    yield out / "dose.json"
    with whole_file(out / "dose.csv") as part, part.open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        rows.writeheader()
        rows.writerows(table)
    yield out / "dose.csv"
    whole = Study({"dose": dose}, study.patient, _plain(study.acquisition), (*study.history, record_of(step)))
    yield write_dose(whole, out / "dose.dcm", f"{series.nuclide}, {len(series.times_s)} scans, {step.method}")
    yield from save(Study({"tia": done["tia"]}, study.patient, study.acquisition), out)
    yield save_picture(series, dose, found, ct, out / "dose.png")


def _plain(a: Acquisition) -> Acquisition:
    return dataclasses.replace(a, detectors=(), energy_windows=(), kind="")


def row_of(region: RegionDose, given_mbq: float | None) -> dict[str, float | str | None]:
    """A row of the table; per GBq where the file says how much was given."""
    decays, decays_sd = region.decays_mbq_h
    values = (
        region.name, region.volume_ml, region.mass_g, decays, decays_sd, region.curve.half_life_s / 3600.0, region.mean,
        region.sd, 1000.0 * region.mean / given_mbq if given_mbq else None, region.d50, region.d2, region.most,
        region.by_s, region.bed,
    )  # fmt: skip
    return {k: float(f"{v:.5g}") if isinstance(v, float) else v for k, v in zip(COLUMNS, values, strict=True)}


def in_words(folder: Path) -> Iterator[str]:
    """The table that ``run_dose`` wrote, for a person to read."""
    rows = json.loads((folder / "dose.json").read_text(encoding="utf-8"))["regions"]
    width = max(6, *(len(row["region"]) for row in rows))
    head = ("ml", "MBq·h", "T½ h", "mean Gy", "± Gy", "D50", "D2", "max", "BED")
    keys = ("volume_ml", "decays_mbq_h", "half_life_h", "mean_gy", "sd_gy", "d50_gy", "d2_gy", "max_gy", "bed_gy")
    yield f"{'region':{width}}" + "".join(f"{name:>10}" for name in head)
    for row in rows:
        # Four digits, but for large numbers no powers of ten.
        cells = ("" if row[k] is None else f"{row[k]:{'.0f' if row[k] >= 1000 else '.4g'}}" for k in keys)
        yield f"{row['region']:{width}}" + "".join(f"{cell:>10}" for cell in cells)


def _told(
    step: AbsorbedDose, study: Study, found: Sequence[RegionDose], table: Sequence[dict[str, Any]],
    how: tuple[Fit, Uncertain],
) -> dict[str, Any]:  # fmt: skip
    series = serial(study)
    return {
        "patient_id": study.patient.patient_id,
        "nuclide": series.nuclide,
        "given_mbq": study.acquisition.radiopharmaceuticals[0].activity_mbq,
        "hours": [round(float(t) / 3600.0, 3) for t in series.times_s],
        "settings": {**dataclasses.asdict(step), "fit": how[0], "uncertain": dataclasses.asdict(how[1])},
        "mass_from": "ct" if "mu" in study else f"{step.density_g_ml:g} g/ml everywhere",
        "regions": [
            {**row, "activity_mbq": [float(f"{v:.5g}") for v in r.activity_mbq]}
            for r, row in zip(found, table, strict=True)
        ],
    }
