"""How it was imaged: equipment, times, windows, detectors, tracer and corrections, in."""

from __future__ import annotations

import dataclasses
import datetime as dt

from photopeak.core import Acquisition, Detector, EnergyWindow
from photopeak.core.study import Json
from photopeak.dicom.assumptions import Assumptions
from photopeak.dicom.coding import read_position
from photopeak.dicom.elements import Elements
from photopeak.dicom.facts import moment_of, private_key, read_facts
from photopeak.dicom.tracer import read_tracers


def read_acquisition(e: Elements, assume: Assumptions, kind: str = "") -> Acquisition:
    """Everything but what depends on the frames."""
    started = assume.settle("started_at", e.moment("Acquisition"), e, "AcquisitionDate")
    frame_ms, whole_s = e.positive("ActualFrameDuration"), e.positive("AcquisitionDuration")
    facts = read_facts(e)
    correction = assume.settle("decay_correction", e.text("DecayCorrection"), e, "DecayCorrection")
    tracers = read_tracers(e, assume, started or e.moment("Series"))
    administered = tracers[0].administered_at if tracers else None
    reference = decay_reference(e, facts, correction, (started, administered))
    return Acquisition(
        modality=e.text("Modality"),
        kind=kind,
        manufacturer=e.text("Manufacturer"),
        model=e.text("ManufacturerModelName"),
        institution=e.text("InstitutionName"),
        description=e.text("StudyDescription"),
        study_uid=e.text("StudyInstanceUID"),
        series_uid=e.text("SeriesInstanceUID"),
        started_at=started,
        duration_s=whole_s if frame_ms is None else frame_ms / 1000.0,
        scan_velocity_mm_s=e.positive("ScanVelocity"),
        scan_length_mm=e.positive("ScanLength"),
        radiopharmaceuticals=tracers,
        energy_windows=read_windows(e),
        detectors=_detectors(e),
        position=read_position(e),
        decay_correction=correction,
        decay_reference=assume.settle("decay_reference", reference, e, "DecayCorrectionDateTime"),
        corrections=e.words("CorrectedImage"),
        facts=facts,
    )


def settle_duration(a: Acquisition, e: Elements, assume: Assumptions) -> Acquisition:
    """The duration, once the kind of image has had its say on it."""
    return dataclasses.replace(a, duration_s=assume.settle("duration_s", a.duration_s, e, "ActualFrameDuration"))


def read_windows(e: Elements) -> tuple[EnergyWindow, ...]:
    """Energy windows of NM (each may have several ranges), or the one window of PT."""
    items = e.items("EnergyWindowInformationSequence")
    if not items and (ranges := _ranges(e)):
        return (EnergyWindow("", ranges),)
    return tuple(EnergyWindow(item.text("EnergyWindowName"), _ranges(item)) for item in items)


def _ranges(e: Elements) -> tuple[tuple[float, float], ...]:
    ranges = []
    for item in e.items("EnergyWindowRangeSequence"):
        lower, upper = item.number("EnergyWindowLowerLimit"), item.number("EnergyWindowUpperLimit")
        if lower is None or upper is None:
            continue
        if lower > upper:
            raise item.refuse("EnergyWindowLowerLimit", f"is {lower:g} keV, above the upper limit {upper:g} keV.")
        ranges.append((lower, upper))
    return tuple(ranges)


def _detectors(e: Elements) -> tuple[Detector, ...]:
    """The camera's heads; none where nothing is said of any."""
    heads = tuple(_detector(item) for item in e.items("DetectorInformationSequence"))
    return heads if any(head != Detector() for head in heads) else ()


def _detector(item: Elements) -> Detector:
    radii = item.numbers("RadialPosition")
    return Detector(
        collimator=item.text("CollimatorGridName"),
        collimator_type=item.text("CollimatorType"),
        start_angle_deg=item.number("StartAngle"),
        radius_mm=(radii[0] or None) if radii else None,
    )


def decay_reference(
    e: Elements, facts: dict[str, Json], correction: str, moments: tuple[dt.datetime | None, dt.datetime | None]
) -> dt.datetime | None:
    """The moment to which values are decay-corrected; None where the file does not settle it.

    START means the start of the series. The Series Time serves, unless it is later than the acquisition (a
    series processed anew carries the processing time): then GE's private scan time does, or nothing
    :cite:`kinahan2010`.
    """
    started, administered = moments
    if stated := e.datetime("DecayCorrectionDateTime"):
        return stated
    if correction == "ADMIN":
        return administered
    if correction != "START":
        return None
    series = e.moment("Series")
    if series is not None and (started is None or series <= started):
        return series
    scan: dt.datetime | None = moment_of(facts, private_key(0x0009, "GEMS_PETD_01", 0x0D))
    return scan
