"""What a signed structured report holds: its observers, its text, its answers and its lesions (TID 1500)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydicom.dataset import Dataset

from photopeak.core.report import SECTIONS, SignedLesion, SignedReport
from photopeak.dicom import reading_codes as codes
from photopeak.dicom.derived import person_name, plain_text
from photopeak.dicom.modules import new_uid
from photopeak.dicom.reading_frames import Frame
from photopeak.dicom.sr_writing import (
    Frames,
    algorithm_of,
    coded,
    measured,
    region_of,
    site_of,
    source_image,
    sources_of,
)

if TYPE_CHECKING:
    from highdicom import sr

DEVICE: Final = codes.Concept("121007", "DCM", "Device")
PERSON: Final = codes.Concept("121006", "DCM", "Person")


def content_of(report: SignedReport, frames: Frames) -> Dataset:
    """The content tree: observers, answers, lesions, then the text and the hashes."""
    from highdicom import sr

    content = sr.MeasurementReport(
        observation_context=_observers(report),
        procedure_reported=coded(codes.Concept("371572003", "SCT", "Nuclear medicine procedure")),
        imaging_measurements=[
            _overall(report, frames),
            *(_lesion(n, x, report, frames[x.view]) for n, x in enumerate(report.lesions, 1)),
        ],
        title=coded(codes.Concept("126000", "DCM", "Imaging Measurement Report")),
        referenced_images=None,
    )
    root: Dataset = content[0]
    said = [(codes.SECTIONS[name], report.sections.get(name, "")) for name in SECTIONS]
    made = [(codes.CONTENT_HASH, report.content_sha256), (codes.BUNDLE, report.bundle)]
    for concept, text in (*said, *made, (codes.BUNDLE_HASH, report.bundle_sha256)):
        if plain_text(text).strip():
            root.ContentSequence.append(_text(concept, text))
    return root


def _observers(report: SignedReport) -> sr.ObservationContext:
    """The physician, and the network beside where it proposed something."""
    from highdicom import sr

    person = sr.PersonObserverIdentifyingAttributes(
        name=person_name(report.signer_name), organization_name=plain_text(report.signer_organization) or None
    )
    device = None
    if any(x.proposed_by_network for x in report.lesions):
        device = sr.ObserverContext(
            observer_type=coded(DEVICE),
            observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
                uid=new_uid("device", "photopeak", report.bundle_sha256),
                name="Photopeak",
                model_name=plain_text(report.bundle)[:64] or None,
            ),
        )
    return sr.ObservationContext(
        observer_person_context=sr.ObserverContext(coded(PERSON), person), observer_device_context=device
    )


def _overall(report: SignedReport, frames: Frames) -> sr.MeasurementsAndQualitativeEvaluations:
    """The physician's answers, and the bone scan index."""
    from highdicom import sr

    index = report.bone_scan_index_percent
    answers = [
        sr.QualitativeEvaluation(
            name=coded(codes.Concept(f"answer-{question}", codes.PRIVATE, f"{question.capitalize()} present")),
            value=coded(codes.SIGNED_ANSWERS[answer]),
        )
        for question, answer in report.questions.items()
    ]
    return sr.MeasurementsAndQualitativeEvaluations(
        source_images=[source_image(Frame(ds, None), sr.SourceImageForMeasurementGroup) for ds in sources_of(frames)],
        tracking_identifier=sr.TrackingIdentifier(new_uid("signed patient", *report.key), "patient"),
        measurements=None if index is None else [measured(codes.BONE_SCAN_INDEX, index, "%")],
        qualitative_evaluations=answers,
    )


def _lesion(
    number: int, lesion: SignedLesion, report: SignedReport, frame: Frame
) -> sr.PlanarROIMeasurementsAndQualitativeEvaluations:
    from highdicom import sr

    uid, name = tracking_of(report, number)
    algorithm = None
    if lesion.proposed_by_network:
        algorithm = algorithm_of(f"Photopeak {plain_text(report.bundle)}".strip(), report.bundle_sha256)
    group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        referenced_region=region_of(lesion.outline_px, frame),
        tracking_identifier=sr.TrackingIdentifier(uid, name),
        finding_type=coded(codes.FINDINGS[lesion.finding]),
        algorithm_id=algorithm,
        finding_sites=[site_of(lesion.site)],
        measurements=[
            measured(codes.AREA, lesion.area_mm2, "mm2"),
            measured(codes.MAXIMUM, lesion.max_counts, "{counts}"),
        ],
        qualitative_evaluations=[
            sr.QualitativeEvaluation(name=coded(codes.ORIGIN), value=coded(codes.ORIGINS[lesion.origin]))
        ],
    )
    if plain_text(lesion.comment).strip():
        group[0].ContentSequence.append(_text(codes.COMMENT, lesion.comment))
    return group


def tracking_of(report: SignedReport, number: int) -> tuple[str, str]:
    """UID and name of a lesion, the same in the structured report and in the segmentation."""
    lesion = report.lesions[number - 1]
    return new_uid("signed lesion", *report.key, str(number)), f"{lesion.view} {lesion.finding} {number}"


def _text(concept: codes.Concept, text: str) -> sr.TextContentItem:
    from highdicom import sr

    return sr.TextContentItem(
        name=coded(concept), value=plain_text(text), relationship_type=sr.RelationshipTypeValues.CONTAINS
    )
