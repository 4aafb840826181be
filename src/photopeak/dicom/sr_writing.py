"""A reading as DICOM Structured Report: TID 1500, coded findings with their sites and outlines.

What a machine reads is not verified: the report is complete but unverified until a physician signs. The same reading
of the same file gives the same UIDs, so that sending it twice stores it once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydicom.dataset import Dataset

from photopeak import __version__
from photopeak.core import PhotopeakError
from photopeak.core.reading import Finding, Judgement, Reading
from photopeak.core.writing import whole_file
from photopeak.dicom import reading_codes as codes
from photopeak.dicom.modules import new_uid
from photopeak.dicom.reading_frames import Frame

if TYPE_CHECKING:
    import highdicom as hd
    from highdicom import sr

Frames = Mapping[str, Frame]


def write_report(reading: Reading, frames: Frames, path: Path) -> Path:
    """Write the report of ``reading``, whose views are ``frames``; whole or not at all."""
    check_source(reading, frames)
    report = report_of(reading, frames)
    with whole_file(path) as work:
        report.save_as(work)
    return path


def check_source(reading: Reading, frames: Frames) -> None:
    """Refuse a report about another study than its images, or of a scan that was not read."""
    if reading.refused:
        raise PhotopeakError(f"a scan that was not read has no report: {reading.refused}")
    check_frames(reading.study_uid, {f.view for f in reading.findings}, frames)


def check_frames(study_uid: str, views: Set[str], frames: Frames) -> None:
    """Refuse images of another study, and findings in a view without an image."""
    for frame in frames.values():
        if (uid := frame.source.get("StudyInstanceUID")) != study_uid:
            raise PhotopeakError(
                f"the reading has the StudyInstanceUID {study_uid or 'of nobody'}, the file {uid}. "
                "Remedy: give the file that was read."
            )
    if missing := sorted(views - set(frames)):
        raise PhotopeakError(
            f"findings lie in the {', '.join(missing)} view, whose file is not given. Remedy: give that file as well."
        )


def digest_of(reading: Reading) -> str:
    """What the reading says, as one hash: wherever its files lie."""
    said = json.dumps({**reading.to_json(), "sources": []}, sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def sources_of(frames: Frames) -> list[Dataset]:
    """The objects that the frames are of, each once."""
    return list({str(f.source.SOPInstanceUID): f.source for f in frames.values()}.values())


def report_of(reading: Reading, frames: Frames) -> sr.ComprehensiveSR:
    """The report as a dataset."""
    from highdicom import sr

    observer = sr.DeviceObserverIdentifyingAttributes(
        uid=new_uid("device", "photopeak", reading.weights_sha256), name="Photopeak", model_name=reading.reader[:64]
    )
    context = sr.ObservationContext(
        observer_device_context=sr.ObserverContext(
            observer_type=coded(codes.Concept("121007", "DCM", "Device")), observer_identifying_attributes=observer
        )
    )
    content = sr.MeasurementReport(
        observation_context=context,
        procedure_reported=coded(codes.Concept("371572003", "SCT", "Nuclear medicine procedure")),
        imaging_measurements=[
            _overall(reading, frames),
            *(_lesion(f, reading, frames[f.view]) for f in reading.findings),
        ],
        title=coded(codes.Concept("126000", "DCM", "Imaging Measurement Report")),
        referenced_images=None,
    )
    evidence = sources_of(frames)
    key = (digest_of(reading), *(str(ds.SOPInstanceUID) for ds in evidence))
    return sr.ComprehensiveSR(
        evidence=evidence,
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


def _overall(reading: Reading, frames: Frames) -> sr.MeasurementsAndQualitativeEvaluations:
    """Probabilities, what cannot be left out, the bone scan index, and what qualifies the reading."""
    from highdicom import sr

    measured = [
        _measured(codes.PROBABILITIES[j.question], 100 * j.probability, "%", reading) for j in reading.judgements
    ]
    if reading.bsi_percent is not None:
        measured.append(_measured(codes.BONE_SCAN_INDEX, reading.bsi_percent, "%", reading))
    return sr.MeasurementsAndQualitativeEvaluations(
        source_images=[source_image(Frame(ds, None), sr.SourceImageForMeasurementGroup) for ds in sources_of(frames)],
        tracking_identifier=_tracking("patient", reading),
        measurements=measured,
        qualitative_evaluations=[*(_answer(j) for j in reading.judgements), *map(_flag, reading.flags)],
    )


def _flag(text: str) -> sr.QualitativeEvaluation:
    """A note of the reading, in its words: codes' meanings hold 64 characters."""
    from highdicom import sr

    value = codes.Concept("note", codes.PRIVATE, text[:64])
    return sr.QualitativeEvaluation(name=coded(codes.NOTE), value=coded(value))


def _answer(judgement: Judgement) -> sr.QualitativeEvaluation:
    from highdicom import sr

    name = codes.Concept(f"answer-{judgement.question}", codes.PRIVATE, f"{judgement.question.capitalize()} present")
    return sr.QualitativeEvaluation(name=coded(name), value=coded(codes.ANSWERS[judgement.answers]))


def _lesion(finding: Finding, reading: Reading, frame: Frame) -> sr.PlanarROIMeasurementsAndQualitativeEvaluations:
    from highdicom import sr

    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        referenced_region=region_of(finding.outline_px, frame),
        tracking_identifier=_tracking(f"{finding.view} {finding.kind} {finding.number}", reading),
        finding_type=coded(codes.FINDINGS[finding.kind]),
        finding_sites=[site_of(finding.site)],
        measurements=[
            _measured(codes.AREA, finding.area_mm2, "mm2", reading),
            _measured(codes.MAXIMUM, finding.max_counts, "{counts}", reading),
            _measured(codes.PROBABILITY, 100 * finding.probability, "%", reading),
        ],
    )


def region_of(outline_px: Sequence[tuple[float, float]], frame: Frame) -> sr.ImageRegion:
    """An outline, closed as the standard wants it, on its frame."""
    from highdicom import sr

    return sr.ImageRegion(
        graphic_type=sr.GraphicTypeValues.POLYLINE,
        graphic_data=np.array([*outline_px, outline_px[0]], np.float32),
        source_image=source_image(frame, sr.SourceImageForRegion),
    )


def site_of(name: str) -> sr.FindingSite:
    """A named region with its side."""
    from highdicom import sr

    where, side = codes.site(name)
    return sr.FindingSite(coded(where), laterality=None if side is None else coded(side))


def source_image(frame: Frame, kind: Any) -> Any:
    """A reference to a frame, or to a whole object where the frame has no number."""
    numbers = None if frame.number is None else [frame.number]
    return kind(frame.source.SOPClassUID, frame.source.SOPInstanceUID, referenced_frame_numbers=numbers)


def _tracking(what: str, reading: Reading) -> sr.TrackingIdentifier:
    from highdicom import sr

    uid = new_uid("tracking", reading.series_uid, reading.weights_sha256, what)
    return sr.TrackingIdentifier(uid=uid, identifier=what)


def _measured(concept: codes.Concept, value: float, unit: str, reading: Reading) -> sr.Measurement:
    return measured(concept, value, unit, algorithm_of(f"Photopeak {reading.reader}", reading.weights_sha256))


def algorithm_of(name: str, weights_sha256: str) -> sr.AlgorithmIdentification:
    """A network by its name and its weights."""
    from highdicom import sr

    return sr.AlgorithmIdentification(name=name[:64], version=__version__, parameters=[f"weights {weights_sha256}"])


def measured(
    concept: codes.Concept, value: float, unit: str, algorithm: sr.AlgorithmIdentification | None = None
) -> sr.Measurement:
    """A number with its unit, and what computed it where a network did."""
    from highdicom import sr

    return sr.Measurement(
        name=coded(concept),
        value=round(float(value), 3),
        unit=coded(codes.Concept(unit, "UCUM", UNITS.get(unit, unit))),
        algorithm_id=algorithm,
    )


UNITS: Final = {"%": "percent", "mm2": "square millimeter", "{counts}": "counts"}


def coded(concept: codes.Concept) -> hd.sr.CodedConcept:
    """highdicom's form of a concept."""
    from highdicom.sr import CodedConcept

    return CodedConcept(concept.value, concept.scheme, concept.meaning)
