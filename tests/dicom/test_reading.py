"""What ``read`` takes, passes over and refuses; and what a Study of it holds."""

import datetime as dt
import zipfile
from pathlib import Path

import numpy as np
import pytest
from dicom.dicom_cases import CT, PT, code, heads, item, nm_file, save, slice_file

from photopeak.core import Detector, DicomError
from photopeak.dicom import read

SR = "1.2.840.10008.5.1.4.1.1.88.33"


def other_object(path: Path, sop_class: str = SR, **elements: object) -> Path:
    return save(item(SOPClassUID=sop_class, SOPInstanceUID="1.2.9", Modality="SR", PatientID="P1", **elements), path)


def test_a_folder_of_everything(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    nm_file(tmp_path / "n.dcm", DetectorInformationSequence=heads("anterior"))
    for k in range(2):
        slice_file(tmp_path / f"p{k}.dcm", PT, 3.0 * k, np.ones((2, 2), np.int16))
        slice_file(tmp_path / f"c{k}.dcm", CT, 3.0 * k, np.ones((2, 2), np.int16), SeriesInstanceUID="1.2.3.8")
    other_object(tmp_path / "report.dcm")
    (tmp_path / "notes.txt").write_text("not DICOM")
    assert sorted(name for study in read(tmp_path) for name in study) == ["activity", "counts", "ct"]
    assert "passed over Comprehensive SR Storage" in caplog.text


def test_a_zip(tmp_path: Path) -> None:
    path = nm_file(tmp_path / "n.dcm", DetectorInformationSequence=heads("anterior"))
    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, "deep/inside/n.dcm")
    assert read(tmp_path / "z.zip")[0].patient.patient_id == "P1"


def test_objects_that_are_no_images_are_refused_by_name(tmp_path: Path) -> None:
    other_object(tmp_path / "a.dcm")
    with pytest.raises(DicomError, match=r"Comprehensive SR Storage.*NM, PT and CT") as caught:
        read(tmp_path / "a.dcm")
    assert caught.value.tag == "(0008,0016)"
    other_object(tmp_path / "b.dcm")
    other_object(tmp_path / "c.dcm", "1.2.840.10008.5.1.4.1.1.130")
    with pytest.raises(DicomError, match=r"2 × Comprehensive SR Storage, Enhanced PET Image Storage"):
        read(tmp_path)


def test_an_object_without_class(tmp_path: Path) -> None:
    path = other_object(tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes().replace(b"\x08\x00\x16\x00", b"\x08\x00\x17\x00"))
    with pytest.raises(DicomError, match="without SOP class"):
        read(path)


def test_a_secondary_capture_that_says_nm_is_read(tmp_path: Path) -> None:
    path = nm_file(tmp_path / "a.dcm", "WHOLE BODY", SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    assert read(path)[0].acquisition.kind == "WHOLE BODY"


def test_unknown_assumptions_are_refused_before_any_file_is_opened(tmp_path: Path) -> None:
    from photopeak.core import PhotopeakError

    with pytest.raises(PhotopeakError, match="knows no 'colour'"):
        read(tmp_path / "missing.dcm", {"colour": "red"})


def test_the_acquisition_is_read_whole(tmp_path: Path) -> None:
    lying = code("102538003", PatientOrientationModifierCodeSequence=[code("F-10340", "SRT")])
    path = nm_file(
        tmp_path / "a.dcm",
        "WHOLE BODY",
        ManufacturerModelName="Twin",
        InstitutionName="Clinic",
        StudyDescription="Bone",
        AcquisitionDateTime="20240506103000.25",
        ActualFrameDuration=985000,
        ScanVelocity="2.0",
        ScanLength=1970,
        CorrectedImage=["UNIF", "LIN"],
        BodyPartExamined="WHOLE BODY",
        CountsAccumulated=276,
        ContentDate="20240506",
        DetectorInformationSequence=[
            item(CollimatorGridName="LEHR", CollimatorType="PARA", StartAngle="180", RadialPosition="120")
        ],
        PatientOrientationCodeSequence=[lying],
        PatientGantryRelationshipCodeSequence=[code("F-10480", "SRT")],
    )
    a = read(path)[0].acquisition
    assert (a.modality, a.kind, a.manufacturer, a.model) == ("NM", "WHOLE BODY", "ACME", "Twin")
    assert (a.institution, a.description, a.study_uid, a.series_uid) == ("Clinic", "Bone", "1.2.3", "1.2.3.1")
    assert a.started_at == dt.datetime(2024, 5, 6, 10, 30, 0, 250000)
    assert (a.duration_s, a.scan_velocity_mm_s, a.scan_length_mm) == (985.0, 2.0, 1970.0)
    assert a.corrections == ("UNIF", "LIN")
    assert a.detectors == (Detector("LEHR", "PARA", 180.0, 120.0),)
    assert a.position == "FFS"
    assert a.facts["BodyPartExamined"] == "WHOLE BODY"
    assert a.facts["CountsAccumulated"] == 276.0


def test_a_modifier_beside_the_orientation_is_understood(tmp_path: Path) -> None:
    path = nm_file(
        tmp_path / "a.dcm",
        DetectorInformationSequence=heads("anterior"),
        PatientOrientationCodeSequence=[code("102538003")],
        PatientOrientationModifierCodeSequence=[code("1240000")],
        PatientGantryRelationshipCodeSequence=[code("102540008")],
    )
    assert read(path)[0].acquisition.position == "HFP"
    with_word = nm_file(tmp_path / "b.dcm", DetectorInformationSequence=heads("anterior"), PatientPosition="HFDR")
    assert read(with_word)[0].acquisition.position == "HFDR"


def test_old_dates_and_hostile_facts(tmp_path: Path) -> None:
    path = nm_file(
        tmp_path / "a.dcm", DetectorInformationSequence=heads("anterior"), ContentDate="20240506", StudyTime="10"
    )
    path.write_bytes(path.read_bytes().replace(b"20240506", b"2024.5.6").replace(b"\x02\x0010", b"\x02\x00xx"))
    facts = read(path)[0].acquisition.facts
    assert "ContentDate" not in facts
    assert "StudyTime" not in facts


@pytest.mark.parametrize(
    ("old", "new", "tag"),
    [
        (b"2.4\\2.0 ", b"2.4\\tall", "(0028,0030)"),
        (b"2.4\\2.0 ", b"2.4     ", "(0028,0030)"),
        (b"2.4\\2.0 ", b"1e999\\1 ", "(0028,0030)"),
        (b"\x28\x00\x08\x00IS\x02\x001 ", b"\x28\x00\x08\x00IS\x02\x00.5", "(0028,0008)"),
    ],
)
def test_values_that_are_none_are_refused_with_the_tag(tmp_path: Path, old: bytes, new: bytes, tag: str) -> None:
    path = nm_file(tmp_path / "a.dcm", DetectorInformationSequence=heads("anterior"))
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    with pytest.raises(DicomError) as caught:
        read(path)
    assert caught.value.tag == tag


def test_a_history_that_was_tampered_with_is_refused(tmp_path: Path) -> None:
    from dicom.dicom_cases import whole_body

    from photopeak.dicom import write

    path = write(whole_body(assumed={"view": "anterior"}), tmp_path / "a.dcm")
    data = path.read_bytes()
    path.write_bytes(data.replace(b'{"view":"anterior"}', b'["view","anterior"]'))
    with pytest.raises(DicomError, match="history Photopeak wrote is damaged"):
        read(path)
    path.write_bytes(data.replace(b'{"view":"anterior"}', b'{"view":"anterior"!'))
    with pytest.raises(DicomError, match="history Photopeak wrote is damaged"):
        read(path)
