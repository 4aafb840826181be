"""A reading as DICOM Structured Report: TID 1500, coded findings with their sites and outlines.

What a machine reads is not verified: the report is complete but unverified until a physician signs. The same reading of
the same file by the same weights gives the same UIDs, so that sending it twice stores it once.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydicom.dataset import Dataset

from photopeak import __version__
from photopeak.core import PhotopeakError
from photopeak.core.reading import Finding, Judgement, Reading
from photopeak.dicom import reading_codes as codes
from photopeak.dicom.modules import new_uid

if TYPE_CHECKING:
    import highdicom as hd
    from highdicom import sr

FRAMES: Final = {"anterior": 1, "posterior": 2}


def write_report(reading: Reading, source: Dataset, path: Path) -> Path:
    """Write the report of ``reading``, whose images are ``source``; whole or not at all."""
    check_source(reading, source)
    report = report_of(reading, source)
    path.parent.mkdir(parents=True, exist_ok=True)
    work = path.with_name(f".{path.name}.{os.getpid()}")
    report.save_as(work)
    work.replace(path)
    return path


def check_source(reading: Reading, source: Dataset) -> None:
    """Refuse a report about another study than its images."""
    read = {"StudyInstanceUID": reading.study_uid, "SeriesInstanceUID": reading.series_uid}
    for keyword, uid in read.items():
        if source.get(keyword) != uid:
            raise PhotopeakError(
                f"the reading has the {keyword} {uid or 'of nobody'}, the file {source.get(keyword)}. "
                "Remedy: give the file that was read."
            )
    if reading.refused:
        raise PhotopeakError(f"a scan that was not read has no report: {reading.refused}")


def report_of(reading: Reading, source: Dataset) -> sr.ComprehensiveSR:
    """The report as a dataset."""
    from highdicom import sr

    observer = sr.DeviceObserverIdentifyingAttributes(
        uid=new_uid("device", "photopeak", reading.weights_sha256), name="Photopeak", model_name=reading.reader[:64]
    )
    context = sr.ObservationContext(
        observer_device_context=sr.ObserverContext(
            observer_type=_code(codes.Concept("121007", "DCM", "Device")), observer_identifying_attributes=observer
        )
    )
    content = sr.MeasurementReport(
        observation_context=context,
        procedure_reported=_code(codes.Concept("371572003", "SCT", "Nuclear medicine procedure")),
        imaging_measurements=[_overall(reading, source), *(_lesion(f, reading, source) for f in reading.findings)],
        title=_code(codes.Concept("126000", "DCM", "Imaging Measurement Report")),
        referenced_images=None,
    )
    key = (reading.series_uid, reading.weights_sha256, str(source.SOPInstanceUID))
    return sr.ComprehensiveSR(
        evidence=[source],
        content=content[0],
        series_instance_uid=new_uid("sr series", *key),
        series_number=9001,
        sop_instance_uid=new_uid("sr", *key),
        instance_number=1,
        manufacturer="Photopeak",
        manufacturer_model_name="Photopeak",
        software_versions=__version__,
        device_serial_number="none",
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description="Photopeak reading, unverified",
    )


def _overall(reading: Reading, source: Dataset) -> sr.MeasurementsAndQualitativeEvaluations:
    """Probabilities, what cannot be left out, the bone scan index, and flags as the group's comment."""
    from highdicom import sr

    measured = [
        _measured(codes.PROBABILITIES[j.question], 100 * j.probability, "%", reading) for j in reading.judgements
    ]
    if reading.bsi_percent is not None:
        measured.append(_measured(codes.BONE_SCAN_INDEX, reading.bsi_percent, "%", reading))
    return sr.MeasurementsAndQualitativeEvaluations(
        source_images=[_source_image(source)],
        tracking_identifier=_tracking("patient", reading),
        measurements=measured,
        qualitative_evaluations=[_answer(j) for j in reading.judgements],
    )


def _answer(judgement: Judgement) -> sr.QualitativeEvaluation:
    from highdicom import sr

    name = codes.Concept(f"answer-{judgement.question}", codes.PRIVATE, f"{judgement.question.capitalize()} present")
    return sr.QualitativeEvaluation(name=_code(name), value=_code(codes.ANSWERS[judgement.answers]))


def _lesion(finding: Finding, reading: Reading, source: Dataset) -> sr.PlanarROIMeasurementsAndQualitativeEvaluations:
    from highdicom import sr

    frame = frame_of(finding.view, source)
    outline = np.array([*finding.outline_px, finding.outline_px[0]], np.float32)
    region = sr.ImageRegion(
        graphic_type=sr.GraphicTypeValues.POLYLINE,
        graphic_data=outline,
        source_image=_source_image(source, frame, True),
    )
    where, side = codes.site(finding.site)
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        referenced_region=region,
        tracking_identifier=_tracking(f"{finding.view} {finding.kind} {finding.number}", reading),
        finding_type=_code(codes.FINDINGS[finding.kind]),
        finding_sites=[sr.FindingSite(_code(where), laterality=None if side is None else _code(side))],
        measurements=[
            _measured(codes.AREA, finding.area_mm2, "mm2", reading),
            _measured(codes.MAXIMUM, finding.max_counts, "{counts}", reading),
            _measured(codes.PROBABILITY, 100 * finding.probability, "%", reading),
        ],
    )


def frame_of(view: str, source: Dataset) -> int:
    """The frame of a view: anterior then posterior, or the only one."""
    frames = int(source.get("NumberOfFrames", 1))
    return FRAMES[view] if frames > 1 else 1


def _source_image(source: Dataset, frame: int | None = None, region: bool = False) -> Any:
    from highdicom import sr

    kind = sr.SourceImageForRegion if region else sr.SourceImageForMeasurementGroup
    frames = [frame] if frame is not None and int(source.get("NumberOfFrames", 1)) > 1 else None
    return kind(source.SOPClassUID, source.SOPInstanceUID, referenced_frame_numbers=frames)


def _tracking(what: str, reading: Reading) -> sr.TrackingIdentifier:
    from highdicom import sr

    uid = new_uid("tracking", reading.series_uid, reading.weights_sha256, what)
    return sr.TrackingIdentifier(uid=uid, identifier=what)


def _measured(concept: codes.Concept, value: float, unit: str, reading: Reading) -> sr.Measurement:
    from highdicom import sr

    algorithm = sr.AlgorithmIdentification(
        name=f"Photopeak {reading.reader}"[:64], version=__version__, parameters=[f"weights {reading.weights_sha256}"]
    )
    return sr.Measurement(
        name=_code(concept),
        value=round(float(value), 3),
        unit=_code(codes.Concept(unit, "UCUM", UNITS.get(unit, unit))),
        algorithm_id=algorithm,
    )


UNITS: Final = {"%": "percent", "mm2": "square millimeter", "{counts}": "counts"}


def _code(concept: codes.Concept) -> hd.sr.CodedConcept:
    from highdicom.sr import CodedConcept

    return CodedConcept(concept.value, concept.scheme, concept.meaning)
