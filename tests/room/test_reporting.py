"""A report: drafted from a finished read, edited, signed for good, amended, and sent as objects exactly once."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from sqlalchemy import select

from photopeak.core import Image
from photopeak.room.display import Picture
from photopeak.room.reporting import _indices, complete_signed
from photopeak.room.schema import Destination, Instance, Outgoing, Report, Study
from tests.room.node_peers import add_destination, audited, count, image, put
from tests.room.one_patient import receive_patient, simulated
from tests.room.room_people import PASSWORD, Browser, People
from tests.room.test_several_readers import FOCUS, mark


class Desk:
    """A room with the patient, and a physician with a password who has read the study."""

    def __init__(self, folder: Path) -> None:
        from photopeak.room.accounts import set_password
        from photopeak.room.schema import User

        self.people = People(folder)
        self.room = self.people.room
        self.study = receive_patient(self.room)
        with self.room.database.writing() as t:
            user = t.get(User, self.people.keys["physician"])
            assert user is not None
            set_password(user, PASSWORD)
        self.who: Browser = self.people.sign_in("physician")
        self.reports = f"/api/studies/{self.study}/reports"

    def read(self, *marks: dict[str, Any], **answers: str) -> None:
        path = f"/api/studies/{self.study}/read"
        last = self.who.ask("GET", path).json()["read"]
        if last is not None:
            self.who.ask("POST", f"{path}/again")
        document = {"metastasis": "yes", "arthritis": "no", "marks": list(marks), **answers}
        assert self.who.ask("PUT", path, json={"version": 0, "document": document}).status_code == 200
        assert self.who.ask("POST", f"{path}/finish", json={"version": 1}).status_code == 200

    def draft(self) -> Any:
        answer = self.who.ask("POST", self.reports)
        assert answer.status_code == 200, answer.text
        return answer.json()[-1]

    def sign(self, version: int, password: str = PASSWORD) -> Any:
        return self.who.ask("POST", f"{self.reports}/sign", json={"version": version, "password": password})

    def signed(self) -> Any:
        self.read(mark(FOCUS))
        return self.sign(self.draft()["version"]).json()[-1]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_draft_says_what_was_read_and_no_more(desk: Desk) -> None:
    assert desk.who.ask("POST", desk.reports).status_code == 422
    desk.read(mark(FOCUS), mark([[10.0, 10.0], [20.0, 20.0]], state="rejected"))
    document = desk.draft()["document"]
    assert (document["metastasis"], document["bundle"], document["bone_scan_index_percent"]) == ("yes", "", None)
    assert "network" not in document["sections"]["conclusion"]  # which this reader has not seen
    lesion = document["lesions"][0]
    counts = simulated()["counts"].values[1, 400:430, 100:120]
    assert len(document["lesions"]) == 1
    assert (lesion["site"], lesion["max_counts"]) == ("sacrum", float(counts.max()))
    assert lesion["area_mm2"] == pytest.approx(600 * 2.21**2, rel=1e-6)


def test_a_draft_of_who_saw_the_network_says_so(desk: Desk) -> None:
    desk.who.ask("PUT", f"/api/studies/{desk.study}/read", json={"version": 0, "document": {}})
    desk.who.ask("GET", f"/api/studies/{desk.study}/network")
    form = {"version": 1, "document": {"metastasis": "no", "arthritis": "no"}}
    desk.who.ask("PUT", f"/api/studies/{desk.study}/read", json=form)
    desk.who.ask("POST", f"/api/studies/{desk.study}/read/finish", json={"version": 2})
    document = desk.draft()["document"]
    assert document["bundle"] == "bone-scan"
    assert document["bone_scan_index_percent"] == 0.0
    assert list(document["indices_percent"].values()) == [0.0]  # of the one image, by its title
    assert "network's reading" in document["sections"]["conclusion"]


@pytest.mark.parametrize("same", [True, False])
def test_a_draft_is_compared_with_what_was_signed_before_under_a_merged_id(desk: Desk, same: bool) -> None:
    put(desk.room, image(PatientID="old number", StudyDate="19990102"))
    with desk.room.database.writing() as t:
        old, here = t.get(Study, 2), t.get(Study, desk.study)
        assert old is not None
        assert here is not None
        if same:
            old.patient.merged_into_id = here.patient_key
        report = Report(study_key=2, number=1, state="signed", author_key=desk.who.key, created_at=old.first_at)
        report.document = {"bone_scan_index_percent": 1.5}
        t.add(report)
    desk.read()
    assert ("1999-01-02" in desk.draft()["document"]["sections"]["comparison"]) == same


def test_each_image_of_an_earlier_study_keeps_its_index(desk: Desk) -> None:
    put(desk.room, image(StudyDate="19990102", PatientID="1"))
    with desk.room.database.writing() as t:
        old, here = t.get(Study, 2), t.get(Study, desk.study)
        assert old is not None
        assert here is not None
        old.patient_key = here.patient_key
        report = Report(study_key=2, number=1, state="signed", author_key=desk.who.key, created_at=old.first_at)
        report.document = {"bone_scan_index_percent": 1.5, "indices_percent": {"Early": 1.5, "Late": 2.5}}
        t.add(report)
    [other] = desk.who.ask("GET", f"/api/studies/{desk.study}").json()["others"]
    assert (other["signed_index"], other["signed_indices"]) == (1.5, {"Early": 1.5, "Late": 2.5})


def test_indices_go_by_the_titles_of_images() -> None:
    def read(image: str, index: float | None) -> dict[str, Any]:
        place = {"sop": image, "frame": 1, "rows": 1, "columns": 1, "spacing_mm": [1.0, 1.0]}
        return {"reading": {"bone_scan_index_percent": index, "sources": [image]}, "views": {"anterior": place}}

    shown = [_picture("2.25.1", "Early"), _picture("2.25.2", "Late"), _picture("2.25.3", "Spot")]
    documents = [read("2.25.2", 2.5), read("2.25.1", 1.5), read("2.25.3", None)]
    assert _indices(documents, shown) == {"Early": 1.5, "Late": 2.5}
    twins = [_picture("2.25.1", "Whole body"), _picture("2.25.2", "Whole body")]
    assert _indices(documents, twins) == {"Whole body": 1.5}  # the first one's


def _picture(name: str, title: str) -> Picture:
    counts = simulated()["counts"]
    assert isinstance(counts, Image)
    return Picture(title, "NM", "planar", counts, {}, name=name)


def test_a_draft_is_edited_version_by_version(desk: Desk) -> None:
    desk.read()
    first = desk.draft()

    def edit(version: int, **sections: str) -> Any:
        return desk.who.ask("PUT", f"{desk.reports}/draft", json={"version": version, "sections": sections})

    second = edit(first["version"], indication="pain").json()
    assert second["version"] == first["version"] + 1
    assert second["document"]["sections"]["indication"] == "pain"
    assert second["document"]["sections"]["findings"] == first["document"]["sections"]["findings"]
    assert edit(first["version"], indication="late").status_code == 409
    assert edit(second["version"], nonsense="x").status_code == 422


def test_signing_needs_the_password_the_version_and_a_conclusion(desk: Desk) -> None:
    desk.read()
    version = desk.draft()["version"]
    assert desk.sign(version, "wrong password").status_code == 403
    assert desk.sign(version + 1).status_code == 409
    empty = {"version": version, "sections": {"conclusion": "  "}}
    version = desk.who.ask("PUT", f"{desk.reports}/draft", json=empty).json()["version"]
    assert desk.sign(version).status_code == 422
    lines = audited(desk.room, "sign")
    assert [x.outcome for x in lines] == ["failure"]
    assert count(desk.room, Report) == 1
    assert desk.people.sign_in("annotator").ask("POST", desk.reports).status_code == 403


def test_a_signed_report_is_amended_and_never_edited(desk: Desk) -> None:
    first = desk.signed()
    assert (first["state"], first["number"], first["signer"]) == ("signed", 1, "physician")
    assert len(first["content_sha256"]) == 64
    edit = {"version": first["version"], "sections": {"conclusion": "other"}}
    assert desk.who.ask("PUT", f"{desk.reports}/draft", json=edit).status_code == 409
    assert desk.sign(first["version"]).status_code == 409
    with desk.room.database.reading() as t:
        row = t.get(Study, desk.study)
        assert row is not None
        assert row.state == "signed"
    second = desk.draft()
    assert (second["number"], second["state"]) == (2, "draft")
    amended = desk.sign(second["version"]).json()
    assert amended[0] == first
    assert amended[1]["content_sha256"] != first["content_sha256"]


def _made(desk: Desk) -> dict[str, list[Any]]:
    """Modality -> what the room made, as datasets."""
    found: dict[str, list[Any]] = {}
    with desk.room.database.reading() as t:
        rows = t.execute(select(Instance.sha256).where(Instance.sender == "PHOTOPEAK").order_by(Instance.id)).all()
    for (sha256,) in rows:
        ds = pydicom.dcmread(BytesIO(desk.room.objects.get(sha256)))
        found.setdefault(str(ds.Modality), []).append(ds)
    return found


def test_a_signed_report_becomes_objects_exactly_once(desk: Desk) -> None:
    add_destination(desk.room, 104, "RESULTS", "results")
    add_destination(desk.room, 104, "NOTHING", "none")
    assert complete_signed(desk.room) == 0
    desk.signed()
    assert complete_signed(desk.room) == 1
    assert complete_signed(desk.room) == 0
    made = _made(desk)
    assert {k: len(v) for k, v in made.items()} == {"SR": 1, "SEG": 1, "DOC": 1}
    source = simulated()
    for ds in (x for many in made.values() for x in many):
        assert ds.PatientID == "bone-scan-7-00000"
        assert str(ds.SOPInstanceUID)
    assert source is not None
    assert made["DOC"][0].EncapsulatedDocument.startswith(b"%PDF")
    uids = {str(x.SOPInstanceUID) for many in made.values() for x in many}
    with desk.room.database.reading() as t:
        assert set(t.scalars(select(Report.objects)).one()) == uids
        queued = t.execute(select(Destination.ae_title, Outgoing.sop_uid).join(Outgoing)).all()
        row = t.get(Study, desk.study)
        assert row is not None
        assert (row.due_at, row.modalities) == (None, "DOC\\NM\\SEG\\SR")  # what was made here is not read
    assert {(a, u) for a, u in queued} == {("RESULTS", u) for u in uids}
    assert len(queued) == 3


def test_a_process_that_was_killed_in_the_middle_makes_nothing_twice(desk: Desk) -> None:
    add_destination(desk.room, 104, "RESULTS", "results")
    desk.signed()
    complete_signed(desk.room)
    before = {k: [str(x.SOPInstanceUID) for x in v] for k, v in _made(desk).items()}
    with desk.room.database.writing() as t:  # as if it ended before this was written
        t.scalars(select(Report)).one().objects = []
    assert complete_signed(desk.room) == 1
    assert {k: [str(x.SOPInstanceUID) for x in v] for k, v in _made(desk).items()} == before
    assert count(desk.room, Outgoing) == 3


def test_an_amendment_names_what_it_takes_the_place_of(desk: Desk) -> None:
    desk.signed()
    complete_signed(desk.room)
    desk.read(metastasis="no")
    desk.sign(desk.draft()["version"])
    assert complete_signed(desk.room) == 1
    made = _made(desk)
    assert {k: len(v) for k, v in made.items()} == {"SR": 2, "SEG": 1, "DOC": 2}
    first, second = made["SR"]
    assert str(first.SOPInstanceUID) in second.to_json()
    assert first.SOPInstanceUID != second.SOPInstanceUID


def test_a_report_that_cannot_be_made_keeps_no_other_waiting(desk: Desk) -> None:
    with desk.room.database.writing() as t:
        here = t.get(Study, desk.study)
        assert here is not None
        empty = Study(study_uid="2.25.77", patient_key=here.patient_key, first_at=here.first_at, last_at=here.last_at)
        t.add(empty)
        t.flush()
        report = Report(study_key=empty.id, number=1, state="signed", author_key=desk.who.key, created_at=here.first_at)
        report.signed_at = here.first_at
        report.document = {
            "sections": {}, "metastasis": "no", "arthritis": "no", "lesions": [], "bone_scan_index_percent": None,
        }  # fmt: skip
        t.add(report)
    desk.signed()
    assert complete_signed(desk.room) == 1
    assert len(_made(desk)["SR"]) == 1


def test_the_page_is_shown_as_pdf(desk: Desk) -> None:
    desk.read(mark(FOCUS))
    key = desk.draft()["key"]
    draft = desk.who.ask("GET", f"{desk.reports}/{key}/pdf")
    assert draft.headers["content-type"] == "application/pdf"
    assert draft.content.startswith(b"%PDF")
    desk.sign(1)
    assert desk.who.ask("GET", f"{desk.reports}/{key}/pdf").content != draft.content
    assert desk.who.ask("GET", f"{desk.reports}/99/pdf").status_code == 404
