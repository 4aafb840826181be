"""A report as a physician signs it, and the DICOM objects that it becomes: SR, SEG and PDF.

A network's reading is unverified; these objects are final and verified, name who signed, and say of every lesion who
proposed it. Their UIDs come from what was signed, so that making them twice gives the same objects. All versions of a
study's report lie in one series: an amendment names its predecessor there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ComprehensiveSRStorage, EncapsulatedPDFStorage, ExplicitVRLittleEndian

from photopeak import __version__
from photopeak.core import PhotopeakError
from photopeak.core.polygon import filled
from photopeak.core.report import SECTIONS, Report, SignedLesion, SignedReport
from photopeak.dicom import reading_codes as codes
from photopeak.dicom.derived import header_of, long_string, moment_text, person_name, stamp
from photopeak.dicom.modules import new_uid
from photopeak.dicom.reading_frames import Frame
from photopeak.dicom.seg_writing import ABNORMAL, network, nothing_marked, segmentation_on
from photopeak.dicom.signed_content import content_of, tracking_of
from photopeak.dicom.sr_writing import Frames, check_frames, coded, sources_of

if TYPE_CHECKING:
    import highdicom as hd
    from highdicom import sr

NOBODY: Final = "not stated"


def signed_sr(report: SignedReport, frames: Frames) -> sr.ComprehensiveSR:
    """The report as a structured report, verified and final."""
    from highdicom import sr

    check(report, frames)
    source = sources_of(frames)[0]
    document = sr.ComprehensiveSR(
        evidence=[header_of(ds) for ds in sources_of(frames)],
        content=content_of(report, frames),
        series_instance_uid=series_uid(report),
        series_number=9003,
        sop_instance_uid=new_uid("signed sr", *report.key),
        instance_number=report.number,
        manufacturer="Photopeak",
        manufacturer_model_name="Photopeak",
        software_versions=__version__,
        device_serial_number="none",
        is_complete=True,
        is_final=True,
        is_verified=True,
        verifying_observer_name=person_name(report.signer_name),
        verifying_organization=long_string(report.signer_organization) or NOBODY,
        previous_versions=[_predecessor(report)] if report.supersedes_sop_uid else None,
        series_description="Photopeak signed report",
    )
    document.VerifyingObserverSequence[0].VerificationDateTime = moment_text(report.signed_at)
    stamp(document, report.signed_at, source)
    return document


def series_uid(report: Report) -> str:
    """The series of all versions of a study's structured report."""
    return new_uid("signed sr series", report.study_uid)


def check(report: SignedReport, frames: Frames) -> None:
    """Refuse what cannot have been signed: no signer, no hash, an open question, another study's images."""
    if not person_name(report.signer_name).strip("^ ") or not report.content_sha256:
        raise PhotopeakError("the report has no signer or no content hash. Remedy: sign it first.")
    moment_text(report.signed_at)
    if unknown := sorted(set(report.sections) - set(SECTIONS)):
        raise PhotopeakError(f"a report has no section {', '.join(unknown)}. Remedy: use {', '.join(SECTIONS)}.")
    for question, answer in report.questions.items():
        if answer not in codes.SIGNED_ANSWERS:
            raise PhotopeakError(
                f"the question of {question} is answered {answer!r}. "
                f"Remedy: answer {', '.join(codes.SIGNED_ANSWERS)} before signing."
            )
    if strange := sorted({x.finding for x in report.lesions} - set(codes.FINDINGS)):
        raise PhotopeakError(
            f"no code stands for the finding {', '.join(strange)}. Remedy: use {', '.join(codes.FINDINGS)}."
        )
    if not frames:
        raise PhotopeakError("a report refers to the images it is about. Remedy: give the files that were read.")
    check_frames(report.study_uid, {x.view for x in report.lesions}, frames)


def _predecessor(report: SignedReport) -> Dataset:
    """The superseded report, as far as a reference needs it."""
    ds = Dataset()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = report.study_uid, series_uid(report)
    ds.SOPClassUID, ds.SOPInstanceUID = ComprehensiveSRStorage, report.supersedes_sop_uid
    return ds


def signed_seg(report: SignedReport, frames: Frames, view: str) -> hd.seg.Segmentation:
    """The lesions of one view as segments, in the order of the report; they may overlap."""
    check(report, frames)
    numbered = [(n, x) for n, x in enumerate(report.lesions, 1) if x.view == view]
    if not numbered:
        raise nothing_marked(view)
    frame = frames[view]
    out = segmentation_on(
        frame,
        np.stack([_inside(lesion, n, frame) for n, lesion in numbered]),
        [_segment(k, n, lesion, report) for k, (n, lesion) in enumerate(numbered, 1)],
        key=("signed", *report.key, view),
        description=f"Photopeak signed lesions, {view}",
    )
    out.ContentCreatorName = person_name(report.signer_name)
    stamp(out, report.signed_at, frame.source)
    return out


def _inside(lesion: SignedLesion, number: int, frame: Frame) -> np.ndarray:
    """The pixels of a lesion; of one that is smaller than a pixel, the pixel that its middle lies in."""
    shape = (int(frame.source.Rows), int(frame.source.Columns))
    inside = filled(lesion.outline_px, shape)
    if not inside.any():
        x, y = np.mean(lesion.outline_px, axis=0)
        if not (0 <= x < shape[1] and 0 <= y < shape[0]):
            raise PhotopeakError(
                f"lesion {number} lies outside the {lesion.view} image. Remedy: draw it on the image, or remove it."
            )
        inside[int(y), int(x)] = True
    return inside


def _segment(number: int, lesion_number: int, lesion: SignedLesion, report: SignedReport) -> hd.seg.SegmentDescription:
    import highdicom as hd

    kinds = hd.seg.SegmentAlgorithmTypeValues
    uid, name = tracking_of(report, lesion_number)
    proposed = lesion.proposed_by_network
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=f"{lesion_number}: {lesion.finding}, {lesion.site or 'no named region'}"[:64],
        segmented_property_category=coded(ABNORMAL),
        segmented_property_type=coded(codes.FINDINGS[lesion.finding]),
        algorithm_type=kinds.SEMIAUTOMATIC if proposed else kinds.MANUAL,
        algorithm_identification=network(f"Photopeak {report.bundle}".strip()) if proposed else None,
        tracking_uid=uid,
        tracking_id=name,
        anatomic_regions=[coded(codes.site(lesion.site)[0])],
    )


def encapsulated_pdf(pdf: bytes, source: Dataset, report: SignedReport) -> Dataset:
    """The report's page as an object of its own, which every archive shows."""
    from highdicom.base import SOPClass

    check(report, {x.view: Frame(source, None) for x in report.lesions} or {"": Frame(source, None)})
    if not pdf.startswith(b"%PDF-"):
        raise PhotopeakError("what is to be encapsulated is no PDF file. Remedy: give the bytes of one.")
    header = header_of(source)
    out = SOPClass(
        study_instance_uid=report.study_uid,
        series_instance_uid=new_uid("signed pdf series", report.study_uid),
        series_number=9004,
        sop_instance_uid=new_uid("signed pdf", *report.key),
        sop_class_uid=EncapsulatedPDFStorage,
        instance_number=report.number,
        modality="DOC",
        manufacturer="Photopeak",
        manufacturer_model_name="Photopeak",
        software_versions=__version__,
        device_serial_number="none",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        series_description="Photopeak signed report",
    )
    out.copy_patient_and_study_information(header)
    stamp(out, report.signed_at, source)
    out.AcquisitionDateTime = ""  # of the document's pages there is none
    out.ConversionType = "WSD"
    out.BurnedInAnnotation = "YES"
    out.DocumentTitle = "Bone scan report"
    out.VerificationFlag = "VERIFIED"
    title = coded(codes.Concept("18748-4", "LN", "Diagnostic imaging study"))
    out.ConceptNameCodeSequence = [title]
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    out.SourceInstanceSequence = [reference]
    out.MIMETypeOfEncapsulatedDocument = "application/pdf"
    out.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    out.EncapsulatedDocumentLength = len(pdf)
    return out
