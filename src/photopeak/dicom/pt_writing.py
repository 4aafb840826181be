"""Study to a PET series: one file a slice, for static, dynamic and gated volumes."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID

from photopeak.core import Acquisition, Image, PhotopeakError, Study
from photopeak.dicom.coding import put_position
from photopeak.dicom.encoding import put_pixels, quantised
from photopeak.dicom.gated_writing import slot_ms
from photopeak.dicom.layouts import require
from photopeak.dicom.modules import common, digest, new_uid
from photopeak.dicom.quantity import UNIT_TERMS
from photopeak.dicom.series import place, save_slices
from photopeak.dicom.subject import decimal
from photopeak.dicom.times import date_text, time_text
from photopeak.dicom.tracer import tracer_items
from photopeak.dicom.volumes import PT_CLASS

SERIES_TYPES: Final = {"": "STATIC", "time": "DYNAMIC", "gate": "GATED"}


@dataclass(frozen=True)
class _Series:
    """A volume with what its slices share."""

    study: Study
    image: Image
    template: Dataset
    several: str  # "time", "gate" or "" for a single volume

    @property
    def slices(self) -> int:
        return self.image.grid.axis("z").size

    @property
    def frames(self) -> int:
        return self.image.grid.axis(self.several).size if self.several else 1


def write_series(study: Study, name: str, folder: Path, syntax: UID) -> Path:
    """Write the slices into a folder that appears whole or not at all."""
    series = _series(study, name)
    return save_slices((_slice(series, part) for part in range(series.slices * series.frames)), folder, syntax)


def _series(study: Study, name: str) -> _Series:
    image = study[name]
    assert isinstance(image, Image)
    require(image.grid, "PT", ("time?", "gate?", "z", "y", "x"))
    if "time" in image.grid.names and "gate" in image.grid.names:
        raise PhotopeakError("a PT series has time frames or gates, not both. Remedy: write one at a time.")
    several = next((n for n in ("time", "gate") if n in image.grid.names), "")
    return _Series(study, image, _template(study, name, several), several)


def _template(study: Study, name: str, several: str) -> Dataset:
    image = study[name]
    assert isinstance(image, Image)
    a, identity = study.acquisition, digest(study, image)
    if not a.decay_correction:
        raise PhotopeakError("PT needs acquisition.decay_correction. Remedy: set it to START, ADMIN or NONE.")
    if a.started_at is None:
        raise PhotopeakError("PT needs acquisition.started_at. Remedy: set it; the clock is not asked.")
    ds = common(study, identity, PT_CLASS)
    ds.Modality = "PT"
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.FrameOfReferenceUID = image.grid.frame or new_uid("frame", identity)
    ds.PositionReferenceIndicator = ""
    ds.Units, suv_type = _units(name, image.unit)
    if suv_type:
        ds.SUVType = suv_type
    ds.CountsSource = "EMISSION"
    ds.SeriesType = [SERIES_TYPES[several], "IMAGE"]
    ds.DecayCorrection = a.decay_correction
    ds.CorrectedImage = list(a.corrections) or None
    ds.CollimatorType = "NONE"
    ds.NumberOfSlices = image.grid.axis("z").size
    ds.RescaleIntercept = "0"
    ds.RadiopharmaceuticalInformationSequence = tracer_items(a.radiopharmaceuticals, "PT")
    if a.decay_reference is not None:
        ds.DecayCorrectionDateTime = date_text(a.decay_reference) + time_text(a.decay_reference)
    _put_windows(ds, a)
    put_position(ds, a.position)
    place(ds, image)
    if several:
        setattr(ds, {"time": "NumberOfTimeSlices", "gate": "NumberOfTimeSlots"}[several], image.grid.axis(several).size)
    if several == "gate":
        ds.NumberOfRRIntervals, ds.BeatRejectionFlag = 1, ""
        ds.FrameTime = decimal(slot_ms(image.grid) or 0.0)
    return ds


def _units(name: str, unit: str) -> tuple[str, str]:
    for (term, suv_type), ours in UNIT_TERMS.items():
        if ours == (name, unit):
            return term, suv_type if term == "GML" else ""
    raise PhotopeakError(f"PT has no term for {unit}. Remedy: write counts, activity or SUV.")


def _put_windows(ds: Dataset, a: Acquisition) -> None:
    if not a.energy_windows:
        return  # the sequence may be missing, but not empty
    ds.EnergyWindowRangeSequence = []
    for lower, upper in a.energy_windows[0].ranges_kev:
        item = Dataset()
        item.EnergyWindowLowerLimit, item.EnergyWindowUpperLimit = decimal(lower), decimal(upper)
        ds.EnergyWindowRangeSequence.append(item)


def _slice(series: _Series, part: int) -> Dataset:
    """One file: slices of the first frame first."""
    frame, k = divmod(part, series.slices)
    a, grid = series.study.acquisition, series.image.grid
    values = series.image.values[frame, k] if series.several else series.image.values[k]
    stored, slope = quantised(values, signed=True)
    ds = Dataset()
    ds.update(series.template)
    ds.SOPInstanceUID = new_uid("instance", str(series.template.SOPInstanceUID), str(part))
    ds.InstanceNumber = str(part + 1)
    ds.ImageIndex = part + 1
    ds.ImagePositionPatient = [decimal(float(c)) for c in grid.matrix_mm[:3] @ np.array([0.0, 0.0, k, 1.0])]
    ds.RescaleSlope = decimal(slope)
    start = grid.axis(series.several).values[frame] if series.several and grid.axis(series.several).values else 0.0
    at_s = start if series.several == "time" else 0.0
    duration_ms = _per_slice(a, "ActualFrameDuration", part, None if a.duration_s is None else a.duration_s * 1000)
    ds.ActualFrameDuration = str(round(duration_ms))
    ds.FrameReferenceTime = decimal(_per_slice(a, "FrameReferenceTime", part, at_s * 1000))
    if series.several == "gate":
        ds.TriggerTime = decimal(start)
    _put_moment(ds, a, part, at_s)
    if a.decay_correction != "NONE":
        ds.DecayFactor = decimal(_per_slice(a, "DecayFactor", part, _decay_factor(a, at_s, duration_ms)))
    put_pixels(ds, stored)
    return ds


def _put_moment(ds: Dataset, a: Acquisition, part: int, at_s: float) -> None:
    """When the slice was acquired: each has its own time where beds or frames follow each other."""
    assert a.started_at is not None
    stated = a.facts.get("AcquisitionDateTime")
    moment = a.started_at + dt.timedelta(seconds=at_s)
    if isinstance(stated, list) and part < len(stated):
        moment = dt.datetime.fromisoformat(str(stated[part]))
    ds.AcquisitionDate, ds.AcquisitionTime = date_text(moment), time_text(moment)


def _per_slice(a: Acquisition, keyword: str, part: int, default: float | None) -> float:
    """A fact that is one number for all slices or a list with one for each, else the default."""
    stated: Any = a.facts.get(keyword)
    if isinstance(stated, list):
        stated = stated[part] if part < len(stated) else None
    if isinstance(stated, (int, float)):
        return float(stated)
    if default is None:
        raise PhotopeakError(
            f'PT needs {keyword}. Remedy: set facts["{keyword}"] (ActualFrameDuration: or acquisition.duration_s; '
            "DecayFactor: or the half-life and acquisition.decay_reference)."
        )
    return default


def _decay_factor(a: Acquisition, at_s: float, duration_ms: float) -> float | None:
    """What decay correction multiplied a frame by.

    F = exp(λ·(t − t₀)) · λΔ / (1 − exp(−λΔ)), with λ = ln 2 / half-life in 1/s, t the frame's start and Δ
    its duration, both in s, and t₀ the reference time.
    """
    half_life_s = a.radiopharmaceuticals[0].half_life_s if a.radiopharmaceuticals else None
    if half_life_s is None or a.decay_reference is None or a.started_at is None:
        return None
    since_s = (a.started_at - a.decay_reference).total_seconds() + at_s
    if since_s + duration_ms / 1000.0 > 1000.0 * half_life_s:
        return None  # nothing is left, and no number is large enough to bring it back
    decay = math.log(2.0) / half_life_s
    during = decay * duration_ms / 1000.0
    return math.exp(decay * since_s) * (during / -math.expm1(-during) if during > 0 else 1.0)
