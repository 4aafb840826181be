"""Queries of the catalogue and of the modality worklist."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import build_context
from sqlalchemy import select

from photopeak.room.node import Node
from photopeak.room.node.contexts import PATIENT_FIND, STUDY_FIND, WORKLIST
from photopeak.room.node.matching import matches
from photopeak.room.room import Room
from photopeak.room.schema import Patient, Scheduled
from tests.room.node_peers import audited, calling, dcmtk, image, make_room, node_of, put, run


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    room = make_room(tmp_path_factory.mktemp("finding"))
    put(room, image(1, study=1))
    put(room, image(2, study=1, series=2, SeriesDescription="Spot views"))
    put(room, image(1, study=2, PatientID="P2", PatientName="Doe^Jane^^", StudyDate="20230101", StudyTime="103015"))
    put(room, image(1, study=3, PatientID="P3", PatientName="Doe^Jane", StudyDate="20220630", AccessionNumber="A_3"))
    put(
        room,
        image(
            1,
            study=4,
            PatientID="P4",
            PatientName="Yamada^Tarou=山田^太郎",
            SpecificCharacterSet="ISO_IR 192",
            StudyDate="20210101",
        ),
    )
    with room.database.writing() as t:
        by_id = {p.patient_id: p for p in t.scalars(select(Patient))}
        by_id["P3"].merged_into_id = by_id["P2"].id
        for number, station in ((1, "CAMERA"), (2, ""), (3, "OTHER")):
            row = Scheduled(study_uid=f"2.25.{number}", patient_id="P1", name="Müller^Jürgen", station=station)
            row.start_date, row.start_time, row.description = "20260305", f"{8 + number:02}0000", "Bone scan"
            t.add(row)
    yield room
    room.database.close()


@pytest.fixture(scope="module")
def node(room: Room) -> Iterator[Node]:
    with node_of(room) as node:
        yield node


def ask(node: Node, model: str = STUDY_FIND, **keys: Any) -> tuple[list[Dataset], list[int]]:
    """(the answers, all statuses) of a query."""
    question = Dataset()
    question.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in keys.items():
        setattr(question, keyword, value)
    with calling(node.port, [build_context(model)]) as assoc:
        replies = list(assoc.send_c_find(question, model))
    return [ds for _, ds in replies if ds is not None], [int(s.Status) for s, _ in replies]


def studies(node: Node, **keys: Any) -> list[str]:
    """The last digits of the study UIDs that answer."""
    answers, statuses = ask(node, QueryRetrieveLevel="STUDY", **{"StudyInstanceUID": "", **keys})
    assert statuses[-1] == 0
    return [str(a.StudyInstanceUID)[-1] for a in answers]


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({}, "1234"),
        ({"StudyInstanceUID": "2.25.12"}, "2"),
        ({"StudyInstanceUID": ["2.25.11", "2.25.14", "2.25.99"]}, "14"),
        ({"PatientID": "P1"}, "1"),
        ({"PatientID": "p1"}, ""),
        ({"PatientID": "P?"}, "1234"),
        ({"PatientID": "*"}, "1234"),
        ({"PatientID": "P3"}, ""),
        ({"PatientID": "P2"}, "23"),
        ({"PatientName": "doe^jane"}, "23"),
        ({"PatientName": "DOE*"}, "23"),
        ({"PatientName": "MÜLLER^J*"}, "1"),
        ({"PatientName": "m?ller*"}, "1"),
        ({"PatientName": "山田*"}, "4"),
        ({"PatientName": "do"}, ""),
        ({"StudyDate": "20230101"}, "2"),
        ({"StudyDate": "20220101-20231231"}, "23"),
        ({"StudyDate": "-20220701"}, "34"),
        ({"StudyDate": "20230101-"}, "12"),
        ({"StudyTime": "1030"}, "2"),
        ({"StudyTime": "100000-110000"}, "2"),
        ({"AccessionNumber": "A_3"}, "3"),
        ({"AccessionNumber": "A_?"}, "3"),
        ({"ModalitiesInStudy": "NM"}, "1234"),
        ({"ModalitiesInStudy": ["CT", "PT"]}, ""),
        ({"StudyDescription": "Whole*bone"}, "1234"),
        ({"PatientSex": "M"}, ""),
    ],
)
def test_matching_at_the_study_level(node: Node, keys: dict[str, Any], found: str) -> None:
    assert "".join(studies(node, **keys)) == found


def test_merged_patients_answer_as_the_survivor(node: Node) -> None:
    answers, _ = ask(node, PATIENT_FIND, QueryRetrieveLevel="PATIENT", PatientID="", NumberOfPatientRelatedStudies=None)
    assert {(a.PatientID, int(a.NumberOfPatientRelatedStudies)) for a in answers} == {("P1", 1), ("P2", 2), ("P4", 1)}
    (answer,), _ = ask(node, QueryRetrieveLevel="STUDY", StudyInstanceUID="2.25.13", PatientID="", PatientName="")
    assert (answer.PatientID, str(answer.PatientName)) == ("P2", "Doe^Jane^^")


def test_series_and_images(node: Node) -> None:
    answers, _ = ask(
        node,
        QueryRetrieveLevel="SERIES",
        StudyInstanceUID="2.25.11",
        SeriesDescription="",
        NumberOfSeriesRelatedInstances=None,
        NumberOfStudyRelatedSeries=None,
    )
    assert [int(a.NumberOfSeriesRelatedInstances) for a in answers] == [1, 1]
    assert {int(a.NumberOfStudyRelatedSeries) for a in answers} == {2}
    assert {a.RetrieveAETitle for a in answers} == {"PHOTOPEAK"}
    (answer,), _ = ask(
        node, QueryRetrieveLevel="IMAGE", SeriesInstanceUID="2.25.212", Rows=None, InstanceNumber="2", SOPClassUID=""
    )
    assert (answer.SOPInstanceUID, answer.Rows, answer.InstanceNumber) == ("2.25.3122", 40, 2)


def test_a_key_that_is_not_known_is_left_out_and_said(node: Node) -> None:
    answers, statuses = ask(node, QueryRetrieveLevel="STUDY", StudyInstanceUID="2.25.11", PatientComments="")
    assert statuses == [0xFF01, 0]
    assert "PatientComments" not in answers[0]
    answers, statuses = ask(node, QueryRetrieveLevel="STUDY", StudyInstanceUID="2.25.11", InstanceAvailability="")
    assert (statuses, answers[0].InstanceAvailability) == ([0xFF00, 0], "ONLINE")


@pytest.mark.parametrize("level", ["", "PATIENT", "ELSEWHERE"])
def test_a_level_that_the_model_does_not_have_is_refused(node: Node, level: str) -> None:
    answers, statuses = ask(node, QueryRetrieveLevel=level, StudyInstanceUID="")
    assert (answers, statuses) == ([], [0xA900])


def test_a_broken_identifier_is_refused(node: Node) -> None:
    from io import BytesIO

    from pynetdicom.dimse_primitives import C_FIND

    request = C_FIND()
    request.MessageID, request.Priority, request.AffectedSOPClassUID = 1, 2, STUDY_FIND
    request.Identifier = BytesIO(b"\x08\x00\x52\x00\xff\xff\xff\x7fSTUDY")
    with calling(node.port, [build_context(STUDY_FIND, "1.2.840.10008.1.2")]) as assoc:
        assoc._reactor_checkpoint.clear()
        assoc.dimse.send_msg(request, 1)
        _, answer = assoc.dimse.get_msg(block=True)
        assoc._reactor_checkpoint.set()
    assert answer.Status == 0xC000


def test_the_worklist_serves_a_station_its_own_and_what_is_nobodys(node: Node) -> None:
    step = Dataset()
    step.ScheduledStationAETitle, step.Modality, step.ScheduledProcedureStepStartDate = "CAMERA", "NM", "20260305"
    step.ScheduledProcedureStepStartTime = "000000-120000"
    answers, statuses = ask(
        node, WORKLIST, PatientName="müller*", StudyInstanceUID="", ScheduledProcedureStepSequence=[step]
    )
    assert statuses == [0xFF00, 0xFF00, 0]
    steps = [a.ScheduledProcedureStepSequence[0] for a in answers]
    assert [(s.ScheduledStationAETitle, s.ScheduledProcedureStepStartTime) for s in steps] == [
        ("CAMERA", "090000"),
        ("CAMERA", "100000"),
    ]
    step.ScheduledProcedureStepStartDate = "20260306-"
    assert ask(node, WORKLIST, PatientName="", ScheduledProcedureStepSequence=[step]) == ([], [0])
    answers, _ = ask(node, WORKLIST, PatientName="", ScheduledProcedureStepSequence=[])
    assert [a.ScheduledProcedureStepSequence[0].Modality for a in answers] == ["NM"] * 3


def test_dcmtk_finds_and_the_audit_says_who_asked(room: Room, node: Node) -> None:
    words = ("-aet", "VIEWER", "-aec", "PHOTOPEAK", "127.0.0.1", str(node.port))
    study = ("-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName=doe*", "-k", "StudyInstanceUID")
    done = run(dcmtk("findscu"), *study, *words)
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).count("[2.25.1") == 2
    plan = ("-W", "-k", "PatientName", "-k", "ScheduledProcedureStepSequence[0].Modality=NM")
    done = run(dcmtk("findscu"), *plan, *words)
    assert (done.stdout + done.stderr).count("[Müller^Jürgen") == 3
    lines = [line for line in audited(room, "query", 2) if line.who == "VIEWER"]
    assert [line.details for line in lines] == [{"level": "STUDY", "found": 2}, {"level": "WORKLIST", "found": 3}]


@pytest.mark.parametrize(
    ("kind", "wanted", "value", "well"),
    [
        ("date", "20200101", "2020.01.01", True),
        ("date", "20200101-20200301", "", False),
        ("time", "10", "105959.9", True),
        ("time", "1000-1030", "103059", True),
        ("time", "1000-1030", "1031", False),
        ("number", "3", 3, True),
        ("uid", "1.2", "1.20", False),
        ("text", "a.c", "abc", False),
        ("text", "***b", "ab", True),
        ("name", "*tarou*", "Yamada^Tarou=山田^太郎", True),
    ],
)
def test_kinds_of_matching(kind: str, wanted: str, value: object, well: bool) -> None:
    assert matches(kind, [wanted], value) is well


def test_wildcards_take_no_time() -> None:
    assert not matches("text", ["*a" * 25 + "b"], "a" * 64)
