"""Study to a nuclear medicine object: the NM modules for every kind of image that ``axes`` describes."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from photopeak.core import Detector, EnergyWindow, Grid, Image, PhotopeakError, Study
from photopeak.dicom.codes import VIEW_MODIFIERS, VIEWS
from photopeak.dicom.coding import code_item, put_position, ucum_item
from photopeak.dicom.encoding import put_pixels, quantised
from photopeak.dicom.frames import VECTORS
from photopeak.dicom.layouts import Plan
from photopeak.dicom.layouts import plan as make_plan
from photopeak.dicom.modules import common, digest
from photopeak.dicom.nm import NM_CLASS
from photopeak.dicom.subject import decimal
from photopeak.dicom.times import date_text, time_text
from photopeak.dicom.tracer import tracer_items
from photopeak.dicom.views import UNKNOWN


def nm_dataset(study: Study, name: str) -> Dataset:
    """The NM object of a Study's entry."""
    image = study[name]
    assert isinstance(image, Image)
    kind = study.acquisition.kind
    plan = make_plan(study, image)
    stored, slope = quantised(image.values)
    frames = stored.reshape(-1, *stored.shape[-2:])
    ds = common(study, digest(study, image), NM_CLASS)
    ds.ImageType = ["ORIGINAL", "PRIMARY", kind, "EMISSION"]
    ds.Modality = "NM"
    if image.grid.frame:
        ds.FrameOfReferenceUID = image.grid.frame
        ds.PositionReferenceIndicator = ""
    _put_frames(ds, plan, len(frames))
    _put_windows(ds, study.acquisition.energy_windows, image.grid)
    _put_detectors(ds, plan, study.acquisition.detectors)
    _put_acquisition(ds, study, image)
    _put_quantity(ds, image, slope, frames.dtype)
    spacing = image.grid.spacing_mm
    ds.PixelSpacing = [decimal(spacing["y"]), decimal(spacing["x"])]
    ds.update(plan.module)
    put_pixels(ds, frames)
    return ds


def _put_frames(ds: Dataset, plan: Plan, count: int) -> None:
    ds.NumberOfFrames = str(count)
    ds.FrameIncrementPointer = [_tag(VECTORS[d][0]) for d in plan.vectors]
    for dimension, numbers in plan.vectors.items():
        vector, number = VECTORS[dimension]
        setattr(ds, vector, [int(n) for n in numbers])
        if number and number != "NumberOfTimeSlices":  # PT alone has it
            setattr(ds, number, int(max(numbers)))
    for dimension in ("energy", "detector"):
        if VECTORS[dimension][1] not in ds:
            setattr(ds, VECTORS[dimension][1], 1)


def _tag(keyword: str) -> Any:
    from pydicom.tag import Tag

    return Tag(keyword)


def _put_windows(ds: Dataset, windows: tuple[EnergyWindow, ...], grid: Grid) -> None:
    size = grid.axis("energy").size if "energy" in grid.names else 1
    if size > 1 and len(windows) not in (0, size):
        raise PhotopeakError(
            f"{size} energy windows in the grid and {len(windows)} in the acquisition. Remedy: match them."
        )
    labels = grid.labels("energy") if "energy" in grid.names else ()
    names = tuple(w.name or f"window {n}" for n, w in enumerate(windows, 1))
    if labels and windows and labels != names:
        raise PhotopeakError(f"energy axis {labels} and windows {names} differ. Remedy: give both the same names.")
    ds.NumberOfEnergyWindows = max(size, len(windows))
    ds.EnergyWindowInformationSequence = [_window(w) for w in windows]


def _window(window: EnergyWindow) -> Dataset:
    item = Dataset()
    if window.name:
        item.EnergyWindowName = window.name
    item.EnergyWindowRangeSequence = []
    for lower, upper in window.ranges_kev:
        limits = Dataset()
        limits.EnergyWindowLowerLimit, limits.EnergyWindowUpperLimit = decimal(lower), decimal(upper)
        item.EnergyWindowRangeSequence.append(limits)
    return item


def _put_detectors(ds: Dataset, plan: Plan, detectors: tuple[Detector, ...]) -> None:
    if len(detectors) not in (0, plan.detectors):
        raise PhotopeakError(
            f"{plan.detectors} detectors in the grid and {len(detectors)} in the acquisition. Remedy: match them."
        )
    ds.NumberOfDetectors = plan.detectors
    ds.DetectorInformationSequence = [_detector(d) for d in detectors or (Detector(),) * plan.detectors]
    for number, item in enumerate(ds.DetectorInformationSequence):
        if number < len(plan.views) and plan.views[number] != UNKNOWN:
            item.ViewCodeSequence = [_view(plan.views[number])]
        if len(plan.starts_deg) > 1 or ("StartAngle" in item and plan.starts_deg):
            _put_start(item, plan.starts_deg[number])
    ds.DetectorInformationSequence[0].update(plan.detector)


def _put_start(item: Dataset, start_deg: float) -> None:
    """The start angle that the angle axis gives; one that the detector states must be the same."""
    if "StartAngle" in item and abs(float(item.StartAngle) - start_deg) > 1e-3:
        raise PhotopeakError(
            f"the detector starts at {item.StartAngle}° and the angle axis at {start_deg}°. Remedy: make them agree."
        )
    item.StartAngle = decimal(start_deg)


def _detector(detector: Detector) -> Dataset:
    item = Dataset()
    if detector.collimator:
        item.CollimatorGridName = detector.collimator
    item.CollimatorType = detector.collimator_type
    item.FocalDistance = None
    if detector.start_angle_deg is not None:
        item.StartAngle = decimal(detector.start_angle_deg)
    if detector.radius_mm is not None:
        item.RadialPosition = decimal(detector.radius_mm)
    item.ImageOrientationPatient = None
    item.ImagePositionPatient = None
    return item


def _view(view: str) -> Dataset:
    projection, _, modifier = view.partition(", ")
    if projection not in VIEWS or (modifier and modifier not in VIEW_MODIFIERS):
        raise PhotopeakError(f"no code for the view {view!r}. Remedy: use one of {', '.join(VIEWS)}, or unknown.")
    item = code_item(VIEWS[projection])
    if modifier:
        item.ViewModifierCodeSequence = [code_item(VIEW_MODIFIERS[modifier])]
    return item


def _put_acquisition(ds: Dataset, study: Study, image: Image) -> None:
    a = study.acquisition
    put_position(ds, a.position)
    ds.RadiopharmaceuticalInformationSequence = tracer_items(a.radiopharmaceuticals, "NM")
    if "CountsAccumulated" not in ds:
        total = float(np.sum(image.values, dtype=np.float64)) if image.unit == "{counts}" else -1.0
        ds.CountsAccumulated = str(round(total)) if 0 <= total < 2**31 else None
    if a.duration_s is not None and a.kind in ("STATIC", "WHOLE BODY"):
        ds.ActualFrameDuration = str(round(a.duration_s * 1000))
    elif a.duration_s is not None and a.kind not in ("DYNAMIC", "TOMO", "GATED TOMO"):
        ds.AcquisitionDuration = float(a.duration_s)  # NM has no place of its own for these kinds' duration
    whole_body = a.kind == "WHOLE BODY"  # which must have both, empty where nobody knows
    if a.scan_velocity_mm_s is not None or whole_body:
        ds.ScanVelocity = None if a.scan_velocity_mm_s is None else decimal(a.scan_velocity_mm_s)
    if a.scan_length_mm is not None or whole_body:
        ds.ScanLength = None if a.scan_length_mm is None else str(round(a.scan_length_mm))
    if a.decay_correction:
        ds.DecayCorrection = a.decay_correction
    if a.decay_reference is not None:
        ds.DecayCorrectionDateTime = date_text(a.decay_reference) + time_text(a.decay_reference)


def _put_quantity(ds: Dataset, image: Image, slope: float, dtype: Any) -> None:
    """The unit: counts stored as they are need none; all else has a real-world value map (and Units where it fits)."""
    if "Units" in ds:
        del ds.Units
    if image.unit == "{counts}" and slope == 1.0:
        return
    limits = np.iinfo(dtype)
    item = Dataset()
    item.RealWorldValueFirstValueMapped = int(limits.min)
    item.RealWorldValueLastValueMapped = int(limits.max)
    for keyword in ("RealWorldValueFirstValueMapped", "RealWorldValueLastValueMapped"):
        item[keyword].VR = "US" if limits.min == 0 else "SS"
    item.RealWorldValueIntercept, item.RealWorldValueSlope = 0.0, float(slope)
    item.LUTExplanation = item.LUTLabel = image.unit[:16]
    item.MeasurementUnitsCodeSequence = [ucum_item(image.unit)]
    ds.RealWorldValueMappingSequence = [item]
