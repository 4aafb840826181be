"""SR and SEG of a reading: conformant, faithful, and refused where they would be wrong."""

import dataclasses
from pathlib import Path

import numpy as np
import pydicom
import pytest

from photopeak.core import DicomError, Grid, Image, Mask, PhotopeakError, Study
from photopeak.core.reading import Finding, Judgement, Reading
from photopeak.dicom import read, write
from photopeak.dicom.reading_codes import SITES, SKELETON, site
from photopeak.dicom.reading_frames import Frame, frames_of
from photopeak.dicom.seg_reading import read_segments
from photopeak.dicom.seg_writing import write_segmentation
from photopeak.dicom.sr_writing import write_report
from photopeak.dicom.validate import errors_of
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.protocol import Clinic
from photopeak.patients.truth import region_names

SQUARE = ((100.0, 200.0), (110.0, 200.0), (110.0, 210.0), (100.0, 210.0))


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    study = Clinic(BoneScan(mix="M=1"), 1, seed=3)[0]
    path = tmp_path_factory.mktemp("scan") / "planar.dcm"
    write(study.only("counts"), path)
    return study, path


@pytest.fixture
def source(scan: tuple[Study, Path]) -> pydicom.Dataset:
    return pydicom.dcmread(scan[1])


@pytest.fixture
def reading(source: pydicom.Dataset) -> Reading:
    findings = (
        Finding(1, "metastasis", "left ribs", "posterior", 0.93, 412.5, 88, SQUARE),
        Finding(2, "arthritis", "", "anterior", 0.61, 100.0, 51, SQUARE),
    )
    judgements = (Judgement("metastasis", 0.93, ("yes",)), Judgement("arthritis", 0.4, ("yes", "no")))
    return Reading(
        str(source.PatientID), source.StudyInstanceUID, source.SeriesInstanceUID, "bone-scan", "ab" * 32,
        judgements=judgements, findings=findings, bsi_percent=1.25,
    )  # fmt: skip


@pytest.fixture
def frames(scan: tuple[Study, Path], source: pydicom.Dataset) -> dict[str, Frame]:
    return frames_of(scan[0], [source])


def values(report: pydicom.Dataset) -> dict[str, float]:
    """Every number of a report by the meaning of its name."""
    found: dict[str, float] = {}

    def walk(items: pydicom.Sequence) -> None:
        for item in items:
            if item.ValueType == "NUM":
                name = item.ConceptNameCodeSequence[0].CodeMeaning
                found.setdefault(name, float(item.MeasuredValueSequence[0].NumericValue))
            walk(item.get("ContentSequence", []))

    walk(report.ContentSequence)
    return found


def test_a_report_conforms_and_says_what_was_read(
    reading: Reading, source: pydicom.Dataset, frames: dict[str, Frame], tmp_path: Path, dciodvfy: str
) -> None:
    path = write_report(reading, frames, tmp_path / "report.dcm")
    assert errors_of(dciodvfy, str(path)) == []
    report = pydicom.dcmread(path)
    assert (report.StudyInstanceUID, report.PatientID) == (source.StudyInstanceUID, source.PatientID)
    assert report.VerificationFlag == "UNVERIFIED"
    said = values(report)
    assert said["Probability of bone metastasis"] == pytest.approx(93)
    assert said["Bone scan index"] == pytest.approx(1.25)
    assert said["Area"] == pytest.approx(412.5)
    text = str(report)
    assert "Bony metastasis" in text
    assert "Rib" in text
    assert "Not sure" in text


def test_an_outline_lies_on_its_frame(reading: Reading, frames: dict[str, Frame], tmp_path: Path) -> None:
    report = pydicom.dcmread(write_report(reading, frames, tmp_path / "report.dcm"))
    regions = []

    def walk(items: pydicom.Sequence) -> None:
        for item in items:
            if item.ValueType == "SCOORD":
                regions.append(item)
            walk(item.get("ContentSequence", []))

    walk(report.ContentSequence)
    frames = [r.ContentSequence[0].ReferencedSOPSequence[0].ReferencedFrameNumber for r in regions]
    assert frames == [2, 1]  # posterior, anterior
    assert list(regions[0].GraphicData[:4]) == [100, 200, 110, 200]
    assert list(regions[0].GraphicData[-2:]) == [100, 200]  # closed


@pytest.mark.parametrize(("entry", "view"), [("truth/regions", "anterior"), ("truth/lesions", "posterior")])
def test_a_segmentation_conforms_and_is_the_mask(
    scan: tuple[Study, Path],
    reading: Reading,
    source: pydicom.Dataset,
    frames: dict[str, Frame],
    entry: str,
    view: str,
    tmp_path: Path,
    dciodvfy: str,
) -> None:
    mask = scan[0][entry]
    assert isinstance(mask, Mask)
    path = write_segmentation(reading, frames, mask, view, tmp_path / "seg.dcm")
    assert errors_of(dciodvfy, str(path)) == []
    back = pydicom.dcmread(path)
    plane = mask.values[("anterior", "posterior").index(view)]
    frames = back.pixel_array.reshape(-1, *plane.shape).astype(bool)
    names = {s.SegmentNumber: s.SegmentLabel for s in back.SegmentSequence}
    for frame, groups in zip(frames, back.PerFrameFunctionalGroupsSequence, strict=True):
        name = names.pop(groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        numbers = [n for n, one in mask.names.items() if one[:64] == name]
        assert (frame & np.isin(plane, numbers) == frame).all()
        assert frame.any()
    assert not names
    assert (frames.any(0) == (plane > 0)).all()
    reference = back.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert reference.ReferencedFrameNumber == ("anterior", "posterior").index(view) + 1


def test_the_same_reading_has_the_same_uids(reading: Reading, frames: dict[str, Frame], tmp_path: Path) -> None:
    one, two = (pydicom.dcmread(write_report(reading, frames, tmp_path / f)) for f in ("a.dcm", "b.dcm"))
    assert one.SOPInstanceUID == two.SOPInstanceUID
    moved = dataclasses.replace(reading, sources=("elsewhere.dcm",))
    assert pydicom.dcmread(write_report(moved, frames, tmp_path / "d.dcm")).SOPInstanceUID == one.SOPInstanceUID
    other = dataclasses.replace(reading, bsi_percent=1.5)  # the same weights, calibrated anew
    assert pydicom.dcmread(write_report(other, frames, tmp_path / "c.dcm")).SOPInstanceUID != one.SOPInstanceUID


def test_what_would_be_wrong_is_refused(
    scan: tuple[Study, Path], reading: Reading, source: pydicom.Dataset, frames: dict[str, Frame], tmp_path: Path
) -> None:
    with pytest.raises(PhotopeakError, match="give the file that was read"):
        write_report(dataclasses.replace(reading, study_uid="1.2.3"), frames, tmp_path / "x.dcm")
    with pytest.raises(PhotopeakError, match="has no report"):
        write_report(dataclasses.replace(reading, refused="upside down"), frames, tmp_path / "x.dcm")
    with pytest.raises(PhotopeakError, match="lie in the posterior view, whose file is not given"):
        write_report(reading, {"anterior": frames["anterior"]}, tmp_path / "x.dcm")
    mask = scan[0]["truth/lesions"]
    assert isinstance(mask, Mask)
    with pytest.raises(PhotopeakError, match="lateral view is wanted"):
        write_segmentation(reading, frames, mask, "lateral", tmp_path / "x.dcm")
    empty = Mask(np.zeros_like(mask.values), mask.grid, mask.names)
    with pytest.raises(PhotopeakError, match="marks nothing"):
        write_segmentation(reading, frames, empty, "anterior", tmp_path / "x.dcm")
    other = Clinic(BoneScan(mix="M=1"), 1, seed=4)[0]
    with pytest.raises(PhotopeakError, match="holds the counts of the anterior and the posterior view"):
        frames_of(other, [source])
    assert not list(tmp_path.iterdir())


def test_frames_are_found_by_their_pixels_and_not_by_their_order(scan: tuple[Study, Path], tmp_path: Path) -> None:
    counts = scan[0]["counts"]
    assert isinstance(counts, Image)
    grid = Grid.planar(("posterior", "anterior"), counts.grid.shape[1:], (2.4, 2.4))
    turned = Study({"counts": Image(counts.values[::-1], grid, counts.unit)}, scan[0].patient, scan[0].acquisition)
    acquisition = dataclasses.replace(turned.acquisition, detectors=tuple(reversed(turned.acquisition.detectors)))
    write(Study(dict(turned), turned.patient, acquisition), tmp_path / "p.dcm")
    frames = frames_of(scan[0], [pydicom.dcmread(tmp_path / "p.dcm")])
    assert (frames["anterior"].number, frames["posterior"].number) == (2, 1)


def test_notes_stand_in_the_report(reading: Reading, frames: dict[str, Frame], tmp_path: Path, dciodvfy: str) -> None:
    noted = dataclasses.replace(reading, flags=("identity: the header says M, the scan looks like F",))
    path = write_report(noted, frames, tmp_path / "report.dcm")
    assert errors_of(dciodvfy, str(path)) == []
    assert noted.flags[0] in str(pydicom.dcmread(path))


def test_names_in_other_scripts_survive(scan: tuple[Study, Path], reading: Reading, tmp_path: Path) -> None:
    study = scan[0]
    named = Study(
        {"counts": study["counts"]},
        dataclasses.replace(study.patient, name="Yamada^Tarou=山田^太郎"),
        study.acquisition,
    )
    write(named, tmp_path / "p.dcm")
    source = pydicom.dcmread(tmp_path / "p.dcm")
    uids = {"study_uid": str(source.StudyInstanceUID), "series_uid": str(source.SeriesInstanceUID)}
    report = write_report(dataclasses.replace(reading, **uids), frames_of(study, [source]), tmp_path / "r.dcm")
    assert str(pydicom.dcmread(report).PatientName) == "Yamada^Tarou=山田^太郎"
    assert read(tmp_path / "p.dcm")[0].patient.name == "Yamada^Tarou=山田^太郎"


def test_every_region_of_the_clinic_has_a_site() -> None:
    for name in region_names().values():
        assert site(name)[0] in SITES.values()
        assert (site(name)[1] is not None) == name.startswith(("left ", "right "))
    assert site("") == (SKELETON, None)


@pytest.fixture
def segmentation(
    scan: tuple[Study, Path], reading: Reading, frames: dict[str, Frame], tmp_path: Path
) -> pydicom.Dataset:
    """The lesions of the posterior view, as we write them."""
    mask = scan[0]["truth/lesions"]
    assert isinstance(mask, Mask)
    return pydicom.dcmread(write_segmentation(reading, frames, mask, "posterior", tmp_path / "seg.dcm"))


def test_a_segmentation_reads_back_as_it_was_written(
    scan: tuple[Study, Path], source: pydicom.Dataset, segmentation: pydicom.Dataset
) -> None:
    mask = scan[0]["truth/lesions"]
    assert isinstance(mask, Mask)
    segments = read_segments(segmentation, "seg.dcm")
    assert segments
    assert {(s.sop, s.frame) for s in segments} == {(str(source.SOPInstanceUID), 2)}
    for one in segments:
        finding, _, region = one.label.partition(": ")
        assert one.finding == finding == "metastasis"
        assert one.region == (region if site(region)[0] != SKELETON else "")
        numbers = [n for n, name in mask.names.items() if name == one.label]
        assert (one.inside == np.isin(mask.values[1], numbers)).all()


def test_others_segmentations_are_read_by_their_codes(segmentation: pydicom.Dataset) -> None:
    plain = read_segments(segmentation, "seg.dcm")
    first = segmentation.SegmentSequence[0]
    first.SegmentLabel = "lesion one"
    item = pydicom.Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "113197003", "SCT", "Rib"
    modifier = pydicom.Dataset()
    modifier.CodeValue, modifier.CodingSchemeDesignator, modifier.CodeMeaning = "7771000", "SCT", "Left"
    item.AnatomicRegionModifierSequence = [modifier]
    first.AnatomicRegionSequence = [item]
    assert read_segments(segmentation, "seg.dcm")[0].region == "left ribs"
    first.SegmentedPropertyTypeCodeSequence[0].CodeValue = "4147007"  # mass
    assert read_segments(segmentation, "seg.dcm")[0].finding == ""
    # As shares of 200: half and more is inside.
    values = segmentation.pixel_array.reshape(-1, segmentation.Rows, segmentation.Columns) * 120
    segmentation.SegmentationType, segmentation.MaximumFractionalValue = "FRACTIONAL", 200
    segmentation.BitsAllocated, segmentation.BitsStored, segmentation.HighBit = 8, 8, 7
    segmentation.PixelData = values.astype(np.uint8).tobytes()
    for one, other in zip(read_segments(segmentation, "seg.dcm"), plain, strict=True):
        assert (one.inside == other.inside).all()


def test_a_label_map_holds_all_segments_in_one_frame(segmentation: pydicom.Dataset) -> None:
    plain = read_segments(segmentation, "seg.dcm")
    labels = np.zeros((segmentation.Rows, segmentation.Columns), np.uint8)
    for one in plain:
        labels[one.inside] = one.number
    segmentation.SegmentationType, segmentation.NumberOfFrames = "LABELMAP", 1
    segmentation.BitsAllocated, segmentation.BitsStored, segmentation.HighBit = 8, 8, 7
    segmentation.PixelData = labels.tobytes()
    groups = segmentation.PerFrameFunctionalGroupsSequence[:1]
    del groups[0].SegmentIdentificationSequence
    segmentation.PerFrameFunctionalGroupsSequence = groups
    found = read_segments(segmentation, "seg.dcm")
    assert [s.number for s in found] == sorted(s.number for s in plain)


def test_a_segmentation_without_its_image_is_refused(source: pydicom.Dataset, segmentation: pydicom.Dataset) -> None:
    with pytest.raises(DicomError, match="this is no segmentation"):
        read_segments(source, "nm.dcm")
    for groups in segmentation.PerFrameFunctionalGroupsSequence:
        del groups.DerivationImageSequence
    with pytest.raises(DicomError, match="which frame of which image"):
        read_segments(segmentation, "seg.dcm")
    del segmentation.SegmentSequence
    with pytest.raises(DicomError, match="cannot be understood"):
        read_segments(segmentation, "seg.dcm")
