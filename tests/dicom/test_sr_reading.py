"""Outlines of structured reports: ours come back as they were, others' shapes become corners, the rest is refused."""

import math
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from photopeak.core import DicomError, Grid, Image, Patient, Study
from photopeak.core.reading import Finding, Reading
from photopeak.core.study import Acquisition
from photopeak.dicom import write
from photopeak.dicom.reading_frames import frames_of
from photopeak.dicom.sr_reading import CORNERS, by_a_device, read_outlines
from photopeak.dicom.sr_writing import report_of

SQUARE = ((10.0, 20.0), (16.5, 20.0), (16.5, 25.0), (10.0, 25.0))


@pytest.fixture(scope="module")
def study() -> Study:
    counts = np.random.default_rng(1).poisson(20, (2, 64, 32)).astype(np.uint16)
    image = Image(counts, Grid.planar(("anterior", "posterior"), (64, 32), (2.4, 2.4)), "{counts}")
    return Study({"counts": image}, Patient(patient_id="P1"), Acquisition(modality="NM", kind="WHOLE BODY"))


@pytest.fixture(scope="module")
def source(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path = tmp_path_factory.mktemp("scan") / "planar.dcm"
    write(study, path)
    return pydicom.dcmread(path)


@pytest.fixture
def report(study: Study, source: Dataset, tmp_path: Path) -> Dataset:
    findings = (
        Finding(1, "metastasis", "left ribs", "posterior", 0.93, 412.5, 88, SQUARE),
        Finding(2, "arthritis", "", "anterior", 0.61, 100.0, 51, SQUARE[:3]),
    )
    uids = (source.StudyInstanceUID, source.SeriesInstanceUID)
    reading = Reading("P1", *uids, "bone-scan", "ab" * 32, findings=findings)
    report_of(reading, frames_of(study, [source])).save_as(tmp_path / "report.dcm")
    return pydicom.dcmread(tmp_path / "report.dcm")


def coordinates(report: Dataset) -> Dataset:
    """The first ones of the report."""
    waiting = list(report.ContentSequence)
    while waiting:
        item = waiting.pop(0)
        if item.ValueType == "SCOORD":
            return item
        waiting += item.get("ContentSequence", [])
    raise AssertionError("no coordinates")


def test_outlines_come_back_with_finding_site_view_and_corners(report: Dataset, source: Dataset) -> None:
    first, second = read_outlines(report, "report")
    assert (first.finding, first.region, first.frame, first.points_px) == ("metastasis", "left ribs", 2, SQUARE)
    assert (second.finding, second.region, second.frame, second.points_px) == ("arthritis", "", 1, SQUARE[:3])
    assert first.sop == source.SOPInstanceUID
    assert first.label == "posterior metastasis 1"
    assert by_a_device(report)


def test_a_circle_and_an_ellipse_have_their_area(report: Dataset) -> None:
    item = coordinates(report)
    item.GraphicType, item.GraphicData = "CIRCLE", [15.0, 20.0, 15.0, 26.0]
    area = CORNERS / 2 * math.sin(2 * math.pi / CORNERS)  # of a regular polygon in the unit circle
    assert inside(read_outlines(report, "report")[0].points_px) == pytest.approx(36 * area, rel=1e-4)
    item.GraphicType, item.GraphicData = "ELLIPSE", [10.0, 20.0, 20.0, 20.0, 15.0, 17.0, 15.0, 23.0]
    corners = read_outlines(report, "report")[0].points_px
    assert inside(corners) == pytest.approx(15 * area, rel=1e-4)
    assert np.mean(corners, axis=0) == pytest.approx([15.0, 20.0])


def inside(corners: tuple[tuple[float, float], ...]) -> float:
    """The area of a polygon."""
    x, y = np.array(corners).T
    return 0.5 * abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1)))


def test_points_hold_no_area(report: Dataset) -> None:
    item = coordinates(report)
    item.GraphicType, item.GraphicData = "MULTIPOINT", [15.0, 20.0, 15.0, 26.0, 3.0, 4.0]
    assert read_outlines(report, "report")[0].points_px == ((15.0, 20.0),)


def test_an_unknown_code_stays_without_a_name_of_ours(report: Dataset) -> None:
    for item in report.ContentSequence[-1].ContentSequence[-1].ContentSequence:
        if item.ValueType == "CODE" and item.ConceptNameCodeSequence[0].CodeMeaning == "Finding":
            item.ConceptCodeSequence[0].CodeValue = "4711"
    assert [o.finding for o in read_outlines(report, "report")] == ["metastasis", ""]


def test_what_lies_nowhere_is_refused(report: Dataset) -> None:
    item = coordinates(report)
    kept = item.ContentSequence
    del item.ContentSequence
    with pytest.raises(DicomError, match="on which image"):
        read_outlines(report, "report")
    item.ContentSequence = kept
    item.GraphicData = [1.0, math.nan, 2.0, 2.0, 3.0, 1.0]
    with pytest.raises(DicomError, match="no finite number"):
        read_outlines(report, "report")
    item.GraphicData = [1.0, 2.0, 3.0]
    with pytest.raises(DicomError, match="cannot be understood"):
        read_outlines(report, "report")
    report.SOPClassUID = "1.2.840.10008.5.1.4.1.1.20"
    with pytest.raises(DicomError, match="no report with coordinates"):
        read_outlines(report, "report")


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=6, max_size=40).filter(lambda v: len(v) % 2 == 0))
def test_any_corners_come_back(values: list[float]) -> None:
    item = Dataset()
    item.ValueType, item.GraphicType, item.GraphicData = "SCOORD", "POLYLINE", values
    image = Dataset()
    image.ValueType, reference = "IMAGE", Dataset()
    reference.ReferencedSOPInstanceUID = "2.25.1"
    image.ReferencedSOPSequence = [reference]
    item.ContentSequence = [image]
    finding, name = Dataset(), Dataset()
    name.CodingSchemeDesignator, name.CodeValue = "DCM", "121071"
    finding.ValueType, finding.ConceptNameCodeSequence = "CODE", [name]
    group, report = Dataset(), Dataset()
    group.ValueType, group.ContentSequence = "CONTAINER", [finding, item]
    report.SOPClassUID, report.ContentSequence = "1.2.840.10008.5.1.4.1.1.88.33", [group]
    (outline,) = read_outlines(report, "report")
    given_corners = [(x, y) for x, y in zip(values[::2], values[1::2], strict=True)]
    if given_corners[0] == given_corners[-1]:
        given_corners.pop()
    assert list(outline.points_px) == given_corners
    assert not by_a_device(report)
