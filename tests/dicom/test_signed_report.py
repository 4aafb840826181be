"""A signed report as SR, SEG and PDF: conformant, faithful, always the same, and refused where it would be wrong."""

import dataclasses
import datetime as dt
from pathlib import Path

import numpy as np
import pydicom
import pytest
from highdicom.sr import srread
from pydicom.dataset import Dataset

from photopeak.core import Grid, Image, Patient, PhotopeakError, Study
from photopeak.core.polygon import filled
from photopeak.core.report import SignedLesion, SignedReport
from photopeak.core.study import Acquisition
from photopeak.dicom import write
from photopeak.dicom.reading_frames import Frame, frames_of
from photopeak.dicom.signed_report import encapsulated_pdf, signed_seg, signed_sr
from photopeak.dicom.validate import errors_of

PDF = b"%PDF-1.4\n1 0 obj\n<< >>\nendobj\n%%EOF"
SQUARE = ((10.0, 20.0), (16.0, 20.0), (16.0, 25.0), (10.0, 25.0))
BESIDE = ((14.0, 22.0), (20.0, 22.0), (20.0, 30.0))
SECTIONS = {
    "indication": "Prostate cancer, PSA 35 ng/ml.",
    "technique": "650 MBq Tc-99m MDP.\nWhole body, anterior and posterior.",
    "findings": "Zwei Foci in den linken Rippen (größer als 2018); 左肋骨.",
    "conclusion": "Bone metastases.",
    "limitations": "",
}


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    counts = np.random.default_rng(1).poisson(20, (2, 64, 32)).astype(np.uint16)
    image = Image(counts, Grid.planar(("anterior", "posterior"), (64, 32), (2.4, 2.4)), "{counts}")
    started = dt.datetime(2026, 3, 1, 9, 30)
    study = Study(
        {"counts": image},
        Patient(patient_id="P1", name="Müller^Jürgen", sex="M"),
        Acquisition(modality="NM", kind="WHOLE BODY", manufacturer="Camera", started_at=started),
    )
    path = tmp_path_factory.mktemp("scan") / "planar.dcm"
    write(study, path)
    return study, path


@pytest.fixture
def source(scan: tuple[Study, Path]) -> Dataset:
    return pydicom.dcmread(scan[1])


@pytest.fixture
def frames(scan: tuple[Study, Path], source: Dataset) -> dict[str, Frame]:
    return frames_of(scan[0], [source])


@pytest.fixture
def report(source: Dataset) -> SignedReport:
    lesions = (
        SignedLesion("metastasis", "left ribs", "posterior", SQUARE, 172.8, 88.0, "new since 2018", True, True),
        SignedLesion("metastasis", "left ribs", "posterior", BESIDE, 138.2, 71.0, "", False, False),
        SignedLesion("arthritis", "", "anterior", SQUARE, 172.8, 51.0, "", True, False),
    )
    return SignedReport(
        str(source.StudyInstanceUID), "P1", 1, SECTIONS, "yes", "unsure", lesions, 1.25,
        signer_name="Dr. 山田 Doe", signer_organization="Ghent\\Nuclear Medicine",
        signed_at=dt.datetime(2026, 3, 2, 12, 0, 5, 250, dt.timezone(dt.timedelta(hours=2))),
        content_sha256="ab" * 32, bundle="bone-scan", bundle_sha256="cd" * 32,
    )  # fmt: skip


def saved(ds: Dataset, path: Path) -> Dataset:
    ds.save_as(path)
    return pydicom.dcmread(path)


def items(ds: Dataset, kind: str) -> list[Dataset]:
    found = []
    for item in ds.get("ContentSequence", []):
        found += [item] if item.ValueType == kind else []
        found += items(item, kind)
    return found


def texts(ds: Dataset) -> dict[str, str]:
    return {i.ConceptNameCodeSequence[0].CodeMeaning: i.TextValue for i in items(ds, "TEXT")}


def test_the_sr_conforms_and_says_what_was_signed(
    report: SignedReport, frames: dict[str, Frame], tmp_path: Path, dciodvfy: str
) -> None:
    back = saved(signed_sr(report, frames), tmp_path / "sr.dcm")
    assert errors_of(dciodvfy, str(tmp_path / "sr.dcm")) == []
    assert (back.CompletionFlag, back.VerificationFlag, back.PreliminaryFlag) == ("COMPLETE", "VERIFIED", "FINAL")
    assert str(back.PatientName) == "Müller^Jürgen"
    assert (back.PatientID, back.StudyInstanceUID, back.InstanceNumber) == ("P1", report.study_uid, 1)
    signature = back.VerifyingObserverSequence[0]
    assert str(signature.VerifyingObserverName) == "Dr. 山田 Doe^"
    assert signature.VerifyingOrganization == "Ghent/Nuclear Medicine"
    assert str(signature.VerificationDateTime) == "20260302100005.000250+0000"
    assert (back.ContentDate, back.ContentTime) == ("20260302", "100005.000250")
    said = texts(back)
    assert said["Procedure Description"] == SECTIONS["technique"]
    assert said["Finding"] == SECTIONS["findings"]
    assert said["Conclusion"] == "Bone metastases."
    assert "Limitations" not in said
    assert said["SHA-256 of the signed content"] == "ab" * 32
    assert (said["Network at hand"], said["SHA-256 of the network"]) == ("bone-scan", "cd" * 32)
    assert said["Comment"] == "new since 2018"
    assert "PredecessorDocumentsSequence" not in back


def test_the_sr_reads_back_with_its_lesions(report: SignedReport, frames: dict[str, Frame], tmp_path: Path) -> None:
    signed_sr(report, frames).save_as(tmp_path / "sr.dcm")
    content = srread(tmp_path / "sr.dcm").content
    contexts = content.get_observer_contexts()
    assert [c.observer_type.meaning for c in contexts] == ["Person", "Device"]
    groups = content.get_planar_roi_measurement_groups()
    assert [g.finding_type.meaning for g in groups] == ["Bony metastasis", "Bony metastasis", "Osteoarthritis"]
    assert [g.finding_sites[0].topographical_modifier for g in groups] == [None] * 3
    first = groups[0]
    assert (first.finding_sites[0].value.meaning, first.finding_sites[0].laterality.meaning) == ("Rib", "Left")
    assert {m.name.meaning: m.value for m in first.get_measurements()} == {"Area": 172.8, "Maximum": 88}
    assert [tuple(p) for p in first.roi.value] == [*SQUARE, SQUARE[0]]
    referenced = first.roi.ContentSequence[0].ReferencedSOPSequence[0]
    assert referenced.ReferencedFrameNumber == 2
    origins = [g.get_qualitative_evaluations()[0].value.meaning for g in groups]
    assert origins == ["Network, edited by the physician", "Physician", "Network, accepted by the physician"]
    (overall,) = content.get_image_measurement_groups()
    assert [e.value.meaning for e in overall.get_qualitative_evaluations()] == ["Yes", "Not sure"]
    assert overall.get_measurements()[0].value == 1.25


def test_a_report_without_network_names_none(
    report: SignedReport, frames: dict[str, Frame], tmp_path: Path, dciodvfy: str
) -> None:
    plain = dataclasses.replace(
        report, lesions=(), metastasis="no", bone_scan_index_percent=None, bundle="", bundle_sha256="",
        signer_organization="",
    )  # fmt: skip
    back = saved(signed_sr(plain, frames), tmp_path / "sr.dcm")
    assert errors_of(dciodvfy, str(tmp_path / "sr.dcm")) == []
    assert "Network" not in str(back)
    assert "Device" not in [i.ConceptCodeSequence[0].CodeMeaning for i in items(back, "CODE")]
    assert back.VerifyingObserverSequence[0].VerifyingOrganization == "not stated"


def test_an_amendment_names_its_predecessor(
    report: SignedReport, frames: dict[str, Frame], tmp_path: Path, dciodvfy: str
) -> None:
    first = signed_sr(report, frames)
    amended = dataclasses.replace(report, number=2, content_sha256="ef" * 32, supersedes_sop_uid=first.SOPInstanceUID)
    second = saved(signed_sr(amended, frames), tmp_path / "sr.dcm")
    assert errors_of(dciodvfy, str(tmp_path / "sr.dcm")) == []
    series = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert series.SeriesInstanceUID == first.SeriesInstanceUID == second.SeriesInstanceUID
    assert second.SOPInstanceUID != first.SOPInstanceUID


def test_the_segments_are_the_outlines(
    report: SignedReport, frames: dict[str, Frame], tmp_path: Path, dciodvfy: str
) -> None:
    back = saved(signed_seg(report, frames, "posterior"), tmp_path / "seg.dcm")
    assert errors_of(dciodvfy, str(tmp_path / "seg.dcm")) == []
    assert [s.SegmentAlgorithmType for s in back.SegmentSequence] == ["SEMIAUTOMATIC", "MANUAL"]
    assert [s.SegmentLabel for s in back.SegmentSequence] == ["1: metastasis, left ribs", "2: metastasis, left ribs"]
    assert (back.pixel_array[0] == filled(SQUARE, (64, 32))).all()
    assert (back.pixel_array[1] == filled(BESIDE, (64, 32))).all()
    assert (back.pixel_array[0] & back.pixel_array[1]).any()  # they may overlap
    assert str(back.ContentCreatorName) == "Dr. 山田 Doe^"
    tracked = [i.UID for i in items(signed_sr(report, frames), "UIDREF")]
    assert {s.TrackingUID for s in back.SegmentSequence} <= set(tracked)
    assert len(signed_seg(report, frames, "anterior").SegmentSequence) == 1


def test_a_lesion_smaller_than_a_pixel_keeps_one(report: SignedReport, frames: dict[str, Frame]) -> None:
    tiny = dataclasses.replace(report.lesions[1], outline_px=((3.6, 4.6), (3.9, 4.6), (3.9, 4.9)))
    pixels = signed_seg(dataclasses.replace(report, lesions=(tiny,)), frames, "posterior").pixel_array
    assert np.argwhere(np.squeeze(pixels)).tolist() == [[4, 3]]
    outside = dataclasses.replace(tiny, outline_px=((40.0, 4.0), (44.0, 4.0), (44.0, 9.0)))
    with pytest.raises(PhotopeakError, match="lesion 1 lies outside the posterior image"):
        signed_seg(dataclasses.replace(report, lesions=(outside,)), frames, "posterior")


@pytest.mark.parametrize("pdf", [PDF, PDF + b"\n"])
def test_the_pdf_conforms_and_reads_back(
    report: SignedReport, source: Dataset, pdf: bytes, tmp_path: Path, dciodvfy: str
) -> None:
    back = saved(encapsulated_pdf(pdf, source, report), tmp_path / "pdf.dcm")
    assert errors_of(dciodvfy, str(tmp_path / "pdf.dcm")) == []
    assert back.SOPClassUID == "1.2.840.10008.5.1.4.1.1.104.1"
    assert back.EncapsulatedDocument[: back.EncapsulatedDocumentLength] == pdf
    assert (back.PatientID, str(back.PatientName), back.StudyInstanceUID) == ("P1", "Müller^Jürgen", report.study_uid)
    assert back.SourceInstanceSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID


def test_the_same_signature_gives_the_same_bytes(
    report: SignedReport, frames: dict[str, Frame], source: Dataset, tmp_path: Path
) -> None:
    def made(what: SignedReport) -> list[Dataset]:
        return [signed_sr(what, frames), signed_seg(what, frames, "posterior"), encapsulated_pdf(PDF, source, what)]

    for n, (one, two, other) in enumerate(
        zip(made(report), made(report), made(dataclasses.replace(report, content_sha256="00" * 32)), strict=True)
    ):
        one.save_as(tmp_path / f"{n}a.dcm")
        two.save_as(tmp_path / f"{n}b.dcm")
        assert (tmp_path / f"{n}a.dcm").read_bytes() == (tmp_path / f"{n}b.dcm").read_bytes()
        assert one.SOPInstanceUID != other.SOPInstanceUID


def test_a_poor_header_does_not_hinder(
    report: SignedReport, scan: tuple[Study, Path], source: Dataset, tmp_path: Path, dciodvfy: str
) -> None:
    for keyword in ("AccessionNumber", "StudyID", "PatientBirthDate", "ReferringPhysicianName"):
        if keyword in source:
            delattr(source, keyword)
    source.SpecificCharacterSet = "ISO_IR 100"
    source.PatientSex = "U"
    source.TimezoneOffsetFromUTC = "-0500"
    source.save_as(tmp_path / "poor.dcm")
    poor = pydicom.dcmread(tmp_path / "poor.dcm")
    frames = frames_of(scan[0], [poor])
    for name, ds in (
        ("sr", signed_sr(report, frames)),
        ("seg", signed_seg(report, frames, "anterior")),
        ("pdf", encapsulated_pdf(PDF, poor, report)),
    ):
        back = saved(ds, tmp_path / f"{name}.dcm")
        assert errors_of(dciodvfy, str(tmp_path / f"{name}.dcm")) == []
        assert str(back.PatientName) == "Müller^Jürgen"
        assert (back.ContentTime, back.TimezoneOffsetFromUTC) == ("050005.000250", "-0500")
    assert poor.SpecificCharacterSet == "ISO_IR 100"  # the source stays as it was


def test_what_cannot_have_been_signed_is_refused(
    report: SignedReport, frames: dict[str, Frame], source: Dataset
) -> None:
    wrong = {
        "sign it first": {"signer_name": " "},
        "no content hash": {"content_sha256": ""},
        "before signing": {"arthritis": ""},
        "no section gossip": {"sections": {"gossip": "x"}},
        "no code stands for": {"lesions": (dataclasses.replace(report.lesions[0], finding="bruise"),)},
        "lie in the left lateral view": {"lesions": (dataclasses.replace(report.lesions[0], view="left lateral"),)},
        "give the file that was read": {"study_uid": "1.2.3"},
        "has no time zone": {"signed_at": dt.datetime(2026, 3, 2)},
    }
    for message, change in wrong.items():
        with pytest.raises(PhotopeakError, match=message):
            signed_sr(dataclasses.replace(report, **change), frames)
    with pytest.raises(PhotopeakError, match="refers to the images"):
        signed_sr(report, {})
    with pytest.raises(PhotopeakError, match="marks nothing in the left lateral view"):
        signed_seg(report, frames, "left lateral")
    with pytest.raises(PhotopeakError, match="no PDF file"):
        encapsulated_pdf(b"<html>", source, report)
    with pytest.raises(PhotopeakError, match="give the file that was read"):
        encapsulated_pdf(PDF, source, dataclasses.replace(report, study_uid="1.2.3"))
