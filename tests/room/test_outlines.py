"""Segmentations and reports that came with a study become marks, where their codes and their places are known."""

from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest

from photopeak.core import Mask
from photopeak.core.reading import Finding, Reading
from photopeak.dicom.reading_frames import frames_of
from photopeak.dicom.seg_writing import segmentation_of
from photopeak.dicom.sr_writing import report_of
from photopeak.evaluate.outlines import filled
from tests.room.one_patient import planar_file, receive_patient, simulated
from tests.room.room_people import People


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    made = People(tmp_path_factory.mktemp("segmentations"))
    assert receive_patient(made.room) == 1
    return made


@pytest.fixture(scope="module")
def seg() -> pydicom.Dataset:
    """The true lesions of the posterior view, as a network's."""
    study, source = simulated(), pydicom.dcmread(io.BytesIO(planar_file()))
    reading = Reading(str(source.PatientID), source.StudyInstanceUID, source.SeriesInstanceUID, "bone-scan", "ab" * 32)
    mask = study["truth/lesions"]
    assert isinstance(mask, Mask)
    return segmentation_of(reading, frames_of(study.only("counts"), [source]), mask, "posterior")


def receive(people: People, dataset: pydicom.Dataset) -> str:
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    people.room.receive(buffer.getvalue(), "PACS")
    return str(dataset.SOPInstanceUID)


def test_a_networks_outlines_are_taken_as_marks_and_that_is_said(people: People, seg: pydicom.Dataset) -> None:
    sop, physician = receive(people, seg), people.sign_in("physician")
    assert [s["sop"] for s in physician.ask("GET", "/api/studies/1/outlines").json()] == [sop]
    draft = {"version": 0, "document": {}, "active_seconds": 1.0}
    assert physician.ask("PUT", "/api/studies/1/read", json=draft).json()["read"]["blind"]
    taken = physician.ask("GET", f"/api/studies/1/outlines/{sop}").json()
    assert not physician.ask("GET", "/api/studies/1/read").json()["read"]["blind"]
    assert taken["left_out"] == []
    mask = simulated()["truth/lesions"]
    assert isinstance(mask, Mask)
    inside = np.zeros(mask.values.shape[1:], bool)
    for mark in taken["marks"]:
        assert (mark["view"], mark["finding"]) == ("posterior", "metastasis")
        inside |= filled(tuple(map(tuple, mark["points_px"])), inside.shape)
    true = mask.values[1] > 0
    assert (inside & true).sum() > 0.95 * true.sum()
    assert (inside & ~true).sum() < 0.1 * true.sum()
    form = {"version": 1, "document": {"marks": taken["marks"]}, "active_seconds": 1.0}
    assert physician.ask("PUT", "/api/studies/1/read", json=form).status_code == 200


def test_what_cannot_become_a_mark_is_said(people: People, seg: pydicom.Dataset) -> None:
    other = pydicom.dcmread(io.BytesIO(_bytes(seg)))
    other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = "2.25.4711"
    for segment in other.SegmentSequence:
        segment.SegmentedPropertyTypeCodeSequence[0].CodeValue = "4147007"
    sop = receive(people, other)
    taken = people.sign_in("physician").ask("GET", f"/api/studies/1/outlines/{sop}").json()
    assert taken["marks"] == []
    assert all("none of our findings" in why for why in taken["left_out"])
    assert people.sign_in("physician").ask("GET", "/api/studies/1/outlines/1.2.3").status_code == 404


def test_a_report_s_outlines_become_marks_and_a_point_does_not(people: People) -> None:
    study, source = simulated(), pydicom.dcmread(io.BytesIO(planar_file()))
    square = ((10.0, 20.0), (16.0, 20.0), (16.0, 25.0), (10.0, 25.0))
    found = (Finding(1, "arthritis", "left ribs", "anterior", 0.93, 412.5, 88, square),) * 2
    reading = Reading(
        str(source.PatientID), source.StudyInstanceUID, source.SeriesInstanceUID, "elsewhere", "cd" * 32, findings=found
    )
    report = report_of(reading, frames_of(study.only("counts"), [source]))
    second = [i for i in report.ContentSequence[-1].ContentSequence if i.ValueType == "CONTAINER"][-1]
    for item in second.ContentSequence:
        if item.ValueType == "SCOORD":
            item.GraphicType, item.GraphicData = "POINT", [12.0, 22.0]
    sop, physician = receive(people, report), people.sign_in("physician")
    offered = {o["sop"]: o["title"] for o in physician.ask("GET", "/api/studies/1/outlines").json()}
    assert offered[sop] == "Photopeak reading, unverified"
    taken = physician.ask("GET", f"/api/studies/1/outlines/{sop}").json()
    (mark,) = taken["marks"]
    assert (mark["finding"], mark["site"], mark["view"]) == ("arthritis", "left ribs", "anterior")
    assert [tuple(p) for p in mark["points_px"]] == list(square)
    assert taken["left_out"] == ["anterior arthritis 1: it marks a place and no area"]


def test_a_blind_reader_gets_none(people: People, seg: pydicom.Dataset) -> None:
    sop, annotator = receive(people, seg), people.sign_in("annotator")
    form = {"name": "blind", "blind": True, "studies": [1], "readers": [people.keys["annotator"]]}
    assert people.sign_in("administrator").ask("POST", "/api/cohorts", json=form).status_code == 200
    assert annotator.ask("GET", "/api/studies/1/outlines").json() == []
    assert annotator.ask("GET", f"/api/studies/1/outlines/{sop}").status_code == 403


def _bytes(dataset: pydicom.Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()
