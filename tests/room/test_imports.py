"""Files from elsewhere: the study that a name says, and what a LabelMe file that marks nothing of a kind means."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from photopeak.dicom.labelme import Mark, write_labelme
from tests.room.node_peers import image, put
from tests.room.room_people import Browser, People


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    made = People(tmp_path)
    of = {"StudyDate": "20260302", "PatientName": "Doe^Jane"}
    put(made.room, image(1, study=1, PatientID="bone-7-0001", AccessionNumber="ACC1001", **of))
    put(
        made.room,
        image(1, study=2, PatientID="bone-7-0001", AccessionNumber="ACC1002", **{**of, "StudyDate": "20250302"}),
    )
    put(made.room, image(1, study=3, PatientID="4711", IssuerOfPatientID="North", AccessionNumber="12", **of))
    put(made.room, image(1, study=4, PatientID="4711", IssuerOfPatientID="South", AccessionNumber="ACC1004", **of))
    put(made.room, image(1, study=5, PatientID="ANON5", AccessionNumber="ACC1005", PatientIdentityRemoved="YES"))
    yield made
    made.room.database.close()


@pytest.fixture
def physician(people: People) -> Browser:
    return people.sign_in("physician")


def match(who: Browser, name: str, drawn_on: str = "") -> dict[str, Any]:
    answer = who.ask("POST", "/api/imports/match", json={"files": [{"name": name, "drawn_on": drawn_on}]})
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["files"]
    shown = {s["key"] for s in answer.json()["studies"]}
    assert shown >= {*found["candidates"], *({found["study"]} - {None})}
    return dict(found)


@pytest.mark.parametrize(
    ("name", "study", "why"),
    [
        ("ACC1001.txt", 1, "accession number"),
        ("report_ACC1002-final.txt", 2, "accession number"),
        ("2.25.14.json", 4, "UID"),
        ("2.25.3511.dcm.json", 5, "UID"),
        ("bone-7-0001_2025-03-02.json", 2, "patient ID and date"),
        ("20260302 bone-7-0001.json", 1, "patient ID and date"),
        ("ACC1001 bone-7-0001 20260302.txt", 1, "accession number and patient ID and date"),
    ],
)
def test_a_name_that_says_one_study_names_it(physician: Browser, name: str, study: int, why: str) -> None:
    assert match(physician, name) == {"study": study, "why": why, "candidates": []}


@pytest.mark.parametrize(
    ("name", "candidates"),
    [
        ("ACC1001 ACC1002.txt", [1, 2]),
        ("ACC1004 bone-7-0001 20260302.txt", [1, 4]),  # one says this study, the other that one
        ("4711 20260302.txt", [3, 4]),  # two hospitals' number
        ("bone-7-0001.json", [2, 1]),  # the patient alone
        ("ACC10012.txt", []),
        ("12.txt", []),  # too short to mean anything
        ("planar.json", []),
        ("….txt", []),
        ("%.txt", []),
    ],
)
def test_a_name_that_says_several_or_none_is_left_to_somebody(
    physician: Browser, name: str, candidates: list[int]
) -> None:
    found = match(physician, name)
    assert (found["study"], found["candidates"]) == (None, candidates)
    assert found["why"]


def test_the_image_that_labelme_drew_on_counts_as_a_name(physician: Browser) -> None:
    assert match(physician, "reader1.json", "../scans/ACC1002.png")["study"] == 2
    assert match(physician, "reader1.json", "..\\ACC1001\\ACC1002.png")["study"] == 2  # the folder is no name of it
    assert match(physician, "ACC1001.json", "ACC1002.png")["candidates"] == [1, 2]


def test_a_researcher_is_told_of_no_study_that_names_its_patient(people: People) -> None:
    who = people.sign_in("researcher")
    assert match(who, "ACC1001.txt")["study"] is None
    assert match(who, "ACC1005.txt")["study"] == 5


def test_reports_are_added_by_who_adds_files_and_reads_by_who_reads(people: People) -> None:
    text, marks = {"name": "a.txt", "text": "b"}, {"name": "a.json", "base64": "AAAA"}
    told = {
        role: tuple(
            people.sign_in(role).ask("POST", f"/api/studies/1/{path}", json=form).status_code
            for path, form in (("texts", text), ("labelme", marks))
        )
        for role in ("administrator", "physician", "annotator", "researcher")
    }
    assert told == {
        "administrator": (200, 403), "physician": (200, 422), "annotator": (403, 422), "researcher": (403, 403)
    }  # fmt: skip


def marked(*kinds: str) -> str:
    box = ((1.0, 2.0), (9.0, 12.0))
    made = write_labelme([Mark(k, "sacrum", "anterior", "rectangle", box) for k in kinds], (40, 32))
    return base64.b64encode(made).decode()


def bring(who: Browser, unmarked: str | None, *kinds: str, status: int = 200) -> Any:
    form = {"name": "x.json", "base64": marked(*kinds), "unmarked": unmarked}
    answer = who.ask("POST", "/api/studies/1/labelme", json=form)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_what_is_not_marked_means_what_somebody_says(physician: Browser) -> None:
    refused = bring(physician, None, "metastasis", status=422)
    assert "marks no arthritis" in refused["detail"]
    assert "Remedy" in refused["detail"]
    assert physician.ask("GET", "/api/studies/1/read").json()["read"] is None
    assert bring(physician, "no", "metastasis") == {
        "marks": 1, "state": "finished", "metastasis": "yes", "arthritis": "no"
    }  # fmt: skip
    said = bring(physician, "not asked", "arthritis")
    assert (said["state"], said["metastasis"], said["arthritis"]) == ("draft", "", "yes")
    mine = physician.ask("GET", "/api/studies/1/read").json()["read"]
    assert (mine["state"], mine["round"], mine["document"]["metastasis"]) == ("draft", 2, "")
    unanswered = physician.ask("POST", "/api/studies/1/read/finish", json={"version": mine["version"]})
    assert "metastasis" in unanswered.json()["detail"]
    assert "draft of this study" in bring(physician, "not asked", "arthritis", status=409)["detail"]


def test_a_file_that_marks_both_needs_no_word(physician: Browser) -> None:
    assert bring(physician, None, "metastasis", "arthritis")["state"] == "finished"
    assert bring(physician, "not asked", "metastasis", "arthritis")["state"] == "finished"


def test_the_trail_says_what_unmarked_was_taken_for(people: People, physician: Browser) -> None:
    bring(physician, "not asked")
    line = people.sign_in("administrator").ask("GET", "/api/admin/audit").json()["lines"][0]
    assert (line["action"], line["details"]) == ("import", {"file": "x.json", "unmarked": "not asked"})
    assert json.loads(base64.b64decode(marked()))["shapes"] == []
