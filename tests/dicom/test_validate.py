"""Validation: what a file lacks for which use, with tag and remedy."""

import pytest

from photopeak.dicom.validate import Finding, conformance, errors_of, validate
from tests.dicom.dicom_samples import as_bytes, ct, nm, pt


def findings(ds, tmp_path, assume=None):
    path = tmp_path / "scan.dcm"
    path.write_bytes(as_bytes(ds))
    return {(f.use, f.tag): f for f in validate(path, assume)}


def test_complete_files_have_none(tmp_path):
    assert findings(nm("WHOLE BODY"), tmp_path) == {}
    assert findings(pt(), tmp_path) == {}
    assert ("times", "(0008,0032)") not in findings(ct(), tmp_path)


def test_what_cannot_be_read_is_one_finding(tmp_path):
    ds = nm("STATIC")
    del ds.DetectorInformationSequence
    found = findings(ds, tmp_path)
    assert list(found) == [("reading", "(0054,0022)")]
    assert "--assume view=anterior" in str(found["reading", "(0054,0022)"])
    assert findings(ds, tmp_path, {"view": "anterior,posterior"}) == {}


def no_view(ds):
    for detector in ds.DetectorInformationSequence:
        del detector.ViewCodeSequence, detector.StartAngle


def given_late(ds):
    ds.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartDateTime = "20240531235900"


@pytest.mark.parametrize(
    ("change", "use", "tag"),
    [
        (lambda ds: no_view(ds), "view", "(0054,0220)"),
        (lambda ds: delattr(ds, "RadiopharmaceuticalInformationSequence"), "nuclide", "(0054,0300)"),
        (lambda ds: (delattr(ds, "AcquisitionTime"), delattr(ds, "AcquisitionDate")), "times", "(0008,0032)"),
        (lambda ds: setattr(ds, "PatientBirthDate", "20300101"), "times", "(0010,0030)"),
        (lambda ds: setattr(ds, "CountsAccumulated", 99), "counts", "(0018,0070)"),
        (lambda ds: (delattr(ds, "ActualFrameDuration"), delattr(ds, "ScanVelocity")), "times", "(0018,1242)"),
        (lambda ds: given_late(ds), "times", "(0018,1078)"),
    ],
)  # fmt: skip
def test_planar_findings(change, use, tag, tmp_path):
    ds = nm("WHOLE BODY")
    change(ds)
    found = findings(ds, tmp_path)
    assert (use, tag) in found
    assert found[use, tag].remedy


@pytest.mark.parametrize(
    ("change", "tag"),
    [
        (lambda ds: delattr(ds, "PatientWeight"), "(0010,1030)"),
        (lambda ds: delattr(ds.RadiopharmaceuticalInformationSequence[0], "RadionuclideTotalDose"), "(0018,1074)"),
        (lambda ds: delattr(ds.RadiopharmaceuticalInformationSequence[0], "RadionuclideHalfLife"), "(0018,1075)"),
        (lambda ds: setattr(ds, "DecayCorrection", "NONE"), "(0054,1102)"),
        (lambda ds: setattr(ds, "SeriesTime", "235900"), "(0008,0031)"),
        (lambda ds: setattr(ds, "CorrectedImage", ["DECY"]), "(0028,0051)"),
        (lambda ds: setattr(ds, "Units", "CNTS"), "(0054,1001)"),
    ],
)
def test_suv_findings(change, tag, tmp_path):
    ds = pt()
    change(ds)
    assert ("SUV", tag) in findings(ds, tmp_path)


def test_suv_that_is_there_needs_nothing(tmp_path):
    ds = pt()
    ds.Units = "GML"
    del ds.PatientWeight
    assert not any(use == "SUV" for use, _ in findings(ds, tmp_path))


def test_conformance(tmp_path, dciodvfy, monkeypatch):
    path = tmp_path / "-odd name.dcm"
    ds = nm("STATIC")
    del ds.StudyInstanceUID
    path.write_bytes(as_bytes(ds))
    assert any("StudyInstanceUID" in f.meaning for f in conformance(path))
    monkeypatch.setattr("photopeak.dicom.validate.DCIODVFY_SECONDS", 0.0)
    assert "did not finish" in errors_of(dciodvfy, str(path))[0]
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert conformance(path) is None


def test_a_finding_is_a_sentence():
    assert (
        str(Finding("view", "(0054,0220)", "unknown.", "state it.")) == "view (0054,0220): unknown. Remedy: state it."
    )
    assert str(Finding("DICOM", "", "Error")) == "DICOM: Error"
