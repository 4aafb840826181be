"""What an administrator does; on PostgreSQL too, which takes less than SQLite does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from sqlalchemy import select

from photopeak.room.schema import Destination, Outgoing, Scheduled, Study, User, now
from tests.room.node_peers import image, put
from tests.room.postgres import new_database, postgres_url  # noqa: F401
from tests.room.room_people import PASSWORD, Browser, People


@pytest.fixture(params=["sqlite", "postgresql"])
def people(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    settings = {}
    if request.param == "postgresql":
        make: Callable[[], str] = request.getfixturevalue("new_database")
        settings["database_url"] = make()
    made = People(tmp_path, **settings)
    yield made
    made.room.database.close()


@pytest.fixture
def admin(people: People) -> Browser:
    return people.sign_in("administrator")


def ask(who: Browser, method: str, path: str, form: Any = None, status: int = 200) -> Any:
    answer = who.ask(method, f"/api/admin/{path}", **({} if form is None else {"json": form}))
    assert answer.status_code == status, answer.text
    return answer.json()


def test_accounts_are_added_changed_and_closed(people: People, admin: Browser) -> None:
    key = ask(admin, "POST", "users", {"name": "ames", "role": "annotator", "password": PASSWORD})["key"]
    ask(admin, "POST", "users", {"name": "ames", "role": "annotator"}, 422)
    ask(admin, "POST", "users", {"name": "baum", "role": "annotator", "password": "short"}, 422)
    ask(admin, "POST", "users", {"name": "baum", "role": "king"}, 422)
    shown = {u["name"]: u for u in ask(admin, "GET", "users")}
    assert (shown["ames"]["role"], shown["ames"]["active"], shown["ames"]["locked"]) == ("annotator", True, False)
    assert not any("password" in word for u in shown.values() for word in u)
    annotator = people.sign_in("annotator")
    changed = ask(admin, "PUT", f"users/{annotator.key}", {"role": "physician"})
    assert changed == {"role": "physician", "active": True, "password": False}
    assert annotator.ask("GET", "/api/worklist").status_code == 401  # its sessions ended
    ask(admin, "PUT", f"users/{key}", {"active": False, "password": PASSWORD + "2"})
    with people.room.database.reading() as t:
        user = t.get(User, key)
        assert user is not None
        assert not user.active
    ask(admin, "PUT", f"users/{admin.key}", {"active": False}, 409)
    ask(admin, "PUT", f"users/{admin.key}", {"role": "annotator"}, 409)
    ask(admin, "PUT", "users/999", {"active": False}, 404)


def test_archives_are_set_and_show_what_waits(people: People, admin: Browser) -> None:
    form = {"ae_title": "PACS", "host": "pacs.example.org", "port": 104}
    key = ask(admin, "PUT", "destinations", form)["key"]
    assert ask(admin, "PUT", "destinations", {**form, "port": 105, "forward": "all"})["key"] == key
    with people.room.database.writing() as t:
        assert [(d.port, d.forward) for d in t.scalars(select(Destination))] == [(105, "all")]
        for state, error in (("waiting", "refused"), ("waiting", ""), ("sent", "old trouble")):
            sop = f"2.25.{len(state + error)}"
            row = Outgoing(destination_key=key, sop_uid=sop, sha256="0" * 64, state=state, next_at=now(), error=error)
            t.add(row)
    (shown,) = ask(admin, "GET", "destinations")
    assert shown["queue"] == {"waiting": 2, "sent": 1, "error": "refused"}
    for wrong in ({"ae_title": "x" * 17}, {"host": "a b"}, {"port": 0}, {"forward": "some"}):
        ask(admin, "PUT", "destinations", {**form, **wrong}, 422)


def test_an_examination_is_planned(people: People, admin: Browser) -> None:
    form = {"patient_id": "P1", "name": "Müller^Jürgen", "start_date": "20260301", "start_time": "0830"}
    uid = ask(admin, "POST", "scheduled", {**form, "accession": "A7"})["study_uid"]
    assert ask(admin, "POST", "scheduled", form)["study_uid"] != uid
    with people.room.database.reading() as t:
        row = t.scalars(select(Scheduled).where(Scheduled.study_uid == uid)).one()
        assert (row.name, row.accession, row.modality, row.start_time) == ("Müller^Jürgen", "A7", "NM", "0830")
    for wrong in ({"start_date": "soon"}, {"sex": "X"}, {"accession": "x" * 17}, {"patient_id": ""}, {"name": ""}):
        ask(admin, "POST", "scheduled", {**form, **wrong}, 422)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"start_date": "20260231"}, "2026-02-31 is no day of the calendar"),
        ({"start_date": "20261301"}, "no day of the calendar"),
        ({"birth_date": "19000229"}, "1900-02-29 is no day"),
        ({"start_time": "2460"}, "no time of the day"),
        ({"start_time": "08301"}, "pattern"),
        ({"birth_date": "20260302"}, "born after the examination"),
    ],
)
def test_a_day_that_is_none_is_refused(people: People, admin: Browser, wrong: dict[str, str], words: str) -> None:
    form = {"patient_id": "P1", "name": "Doe^Jane", "start_date": "20260301", "start_time": "0830", **wrong}
    assert words in ask(admin, "POST", "scheduled", form, 422)["detail"]
    assert ask(admin, "GET", "scheduled")["examinations"] == []


def test_plans_are_listed_by_day_and_cancelled_into_the_trail(people: People, admin: Browser) -> None:
    form = {"patient_id": "P1", "name": "Doe^Jane", "start_date": "20260301", "start_time": "0830"}
    late = ask(admin, "POST", "scheduled", {**form, "start_time": "1100"})["key"]
    ask(admin, "POST", "scheduled", form)
    ask(admin, "POST", "scheduled", {**form, "start_date": "20240229", "accession": "A7"})
    shown = ask(admin, "GET", "scheduled?day=20260301")
    assert [x["start_time"] for x in shown["examinations"]] == ["0830", "1100"]
    assert shown["days"] == [{"day": "20240229", "examinations": 1}, {"day": "20260301", "examinations": 2}]
    assert len(ask(admin, "GET", "scheduled")["examinations"]) == 3
    ask(admin, "GET", "scheduled?day=20260231", status=422)
    uid = shown["examinations"][1]["study_uid"]
    assert ask(admin, "DELETE", f"scheduled/{late}") == {"cancelled": uid}
    ask(admin, "DELETE", f"scheduled/{late}", status=404)
    assert len(ask(admin, "GET", "scheduled?day=20260301")["examinations"]) == 1
    line = ask(admin, "GET", "audit")["lines"][0]
    assert (line["who"], line["what"]) == ("administrator", uid)
    assert (line["details"]["cancelled"]["patient_id"], line["details"]["cancelled"]["start_time"]) == ("P1", "1100")


@pytest.mark.parametrize("by", ["study UID", "accession"])
def test_what_has_arrived_is_said_and_not_cancelled(people: People, admin: Browser, by: str) -> None:
    form = {"patient_id": "P1", "name": "Doe^Jane", "accession": "ACC7", "start_date": "20260301", "start_time": "0830"}
    uid = ask(admin, "POST", "scheduled", form)["study_uid"]
    ask(admin, "POST", "scheduled", {**form, "patient_id": "P2"})
    taken = {"StudyInstanceUID": uid} if by == "study UID" else {"AccessionNumber": "ACC7"}
    put(people.room, image(1, PatientID="P1", **taken))
    shown = ask(admin, "GET", "scheduled")["examinations"]
    assert [x["arrived"] for x in shown] == [1, None]
    said = ask(admin, "DELETE", f"scheduled/{shown[0]['key']}", status=409)
    assert "not cancelled but done" in said["detail"]
    assert len(ask(admin, "GET", "scheduled")["examinations"]) == 2


def test_who_asked_for_the_plan_last_is_known(people: People, admin: Browser) -> None:
    from photopeak.room.audit import Event, record

    with people.room.database.writing() as t:
        for who, level, found in (("CAMERA1", "WORKLIST", 3), ("PACS", "STUDY", 9), ("CAMERA1", "WORKLIST", 2)):
            record(t, Event("query", who, details={"level": level, "found": found}))
    (asked,) = ask(admin, "GET", "scheduled")["asked"]
    assert (asked["who"], asked["told"]) == ("CAMERA1", 2)


def test_two_patients_become_one(people: People, admin: Browser) -> None:
    put(people.room, image(1, PatientID="P1", ImageType=["ORIGINAL", "PRIMARY", "WHOLE BODY", *["Z" * 16] * 30]))
    put(people.room, image(2, PatientID="P2"))
    put(people.room, image(1, study=2, PatientID="P2"))
    told = ask(admin, "POST", "merge", {"from_study": 1, "into_study": 2})
    assert (told["from"], told["into"]) == ("P1", "P2")
    with people.room.database.reading() as t:
        row = t.get(Study, 1)
        assert row is not None
        assert row.warnings == []
        assert row.due_at is not None
    ask(admin, "POST", "merge", {"from_study": 2, "into_study": 1}, 409)
    ask(admin, "POST", "merge", {"from_study": 1, "into_study": 9}, 404)


def pairs(admin: Browser) -> list[tuple[str, str, str]]:
    found = ask(admin, "GET", "patients")["candidates"]
    return [(c["why"], *sorted((c["one"]["patient_id"], c["other"]["patient_id"]))) for c in found]


def test_who_may_be_one_person_is_proposed_and_nobody_else(people: People, admin: Browser) -> None:
    jane = {"PatientName": "Doe^Jane", "PatientBirthDate": "19600102"}
    put(people.room, image(1, study=1, PatientID="4711", IssuerOfPatientID="North", **jane))
    put(people.room, image(1, study=2, PatientID="4711", IssuerOfPatientID="South", PatientName="Roe^Mary"))
    put(people.room, image(1, study=3, PatientID="N9", **{**jane, "PatientName": "DOE^JANE^^"}))
    put(
        people.room, image(1, study=4, PatientID="N8", PatientName="Doe^Jane", PatientBirthDate="")
    )  # whose date of birth nobody knows
    put(people.room, image(1, study=5, PatientID="", PatientName="Nobody", PatientBirthDate=""))
    put(people.room, image(1, study=6, PatientID="", PatientName="Nobody", PatientBirthDate=""))
    assert pairs(admin) == [("same ID, another issuer", "4711", "4711"), ("same name and date of birth", "4711", "N9")]
    found = ask(admin, "GET", "patients?search=doe n9")["found"]
    assert [(p["patient_id"], p["studies"]) for p in found] == [("N9", 1)]
    assert ask(admin, "GET", "patients?search=%25")["found"] == []


def test_a_merge_is_shown_before_it_is_made_and_can_be_taken_back(people: People, admin: Browser) -> None:
    sent = {"PatientName": "Doe^Jane", "PatientBirthDate": "19600102"}
    put(people.room, image(1, study=1, PatientID="4711", IssuerOfPatientID="North", StudyDate="20250101", **sent))
    put(people.room, image(2, study=1, PatientID="4711", IssuerOfPatientID="South", **sent))
    put(people.room, image(1, study=2, PatientID="4711", IssuerOfPatientID="South", PatientSex="M", **sent))
    ((one, into),) = [(c["one"]["key"], c["other"]["key"]) for c in ask(admin, "GET", "patients")["candidates"]]
    shown = ask(admin, "GET", f"merge?one={one}&into={into}")
    assert "issued by North and by South" in shown["doubts"][0]
    assert ([s["key"] for s in shown["moves"]], [s["key"] for s in shown["stays"]]) == ([1], [2])
    before = held(people)
    assert "two patients" in before[1][0][0]
    told = ask(admin, "POST", "merge", {"from_patient": one, "into_patient": into})
    assert (told["from_issuer"], told["into_issuer"], len(told["studies"])) == ("North", "South", 1)
    assert held(people)[1] == ([], True)
    assert [o["key"] for o in admin.ask("GET", "/api/studies/1").json()["others"]] == [2]
    ask(admin, "GET", f"merge?one={one}&into={into}", status=409)
    (merged,) = ask(admin, "GET", "patients")["merged"]
    assert (merged["hindrance"], merged["who"]) == ("", "administrator")
    assert ask(admin, "DELETE", f"merge/{one}")["parted"]
    assert held(people) == before
    assert admin.ask("GET", "/api/studies/1").json()["others"] == []
    ask(admin, "DELETE", f"merge/{one}", status=422)
    assert [line["what"] for line in ask(admin, "GET", "audit")["lines"] if "patient " in line["what"]] == [
        f"patient {one}"
    ] * 2
    ask(admin, "POST", "merge", {"from_patient": one, "into_patient": into})  # and forth again
    assert held(people)[1] == ([], True)


def test_the_last_merge_is_taken_back_first(people: People, admin: Browser) -> None:
    for number in (1, 2, 3):
        put(people.room, image(1, study=number, PatientID=f"P{number}"))
    put(people.room, image(2, study=1, PatientID="P3"))
    ask(admin, "POST", "merge", {"from_patient": 1, "into_patient": 2})
    assert "P1 and P3" in held(people)[1][0][0]
    ask(admin, "POST", "merge", {"from_patient": 2, "into_patient": 3})
    assert held(people)[1][0] == []
    said = ask(admin, "DELETE", "merge/1", status=422)
    assert "take that back first" in said["detail"]
    ask(admin, "DELETE", "merge/2")
    assert "P1 and P3" in held(people)[1][0][0]
    ask(admin, "DELETE", "merge/1")
    assert ask(admin, "GET", "patients")["merged"] == []


def held(people: People) -> dict[int, tuple[list[str], bool]]:
    """Of every study what it warns of, and whether it is to be read."""
    with people.room.database.reading() as t:
        return {s.id: (list(s.warnings), s.due_at is not None) for s in t.scalars(select(Study))}


def test_a_merge_names_two_patients_one_way_or_the_other(people: People, admin: Browser) -> None:
    put(people.room, image(1, study=1, PatientID="P1"))
    put(people.room, image(1, study=2, PatientID="P2"))
    for form, status in (
        ({"from_patient": 1}, 422),
        ({"from_patient": 1, "into_patient": 2, "into_study": 2}, 422),
        ({"from_patient": 1, "into_patient": 9}, 404),
        ({"from_patient": 1, "into_patient": 1}, 409),
        ({"from_patient": 1, "into_study": 2}, 200),
    ):
        ask(admin, "POST", "merge", form, status)
    ask(admin, "DELETE", "merge/9", status=404)


def test_the_trail_tells_what_was_done(people: People, admin: Browser) -> None:
    for name in ("one", "two", "three"):
        ask(admin, "POST", "users", {"name": name, "role": "annotator"})
    trail = ask(admin, "GET", "audit?limit=2")
    assert [line["what"] for line in trail["lines"]] == ["three", "two"]
    assert trail["broken_at"] is None
    before = ask(admin, "GET", f"audit?limit=2&before={trail['lines'][-1]['key']}")
    assert [line["what"] for line in before["lines"]] == ["one"]
    messages = admin.ask("GET", "/api/admin/audit/messages").text.splitlines()
    assert [ElementTree.fromstring(m).tag for m in messages] == ["AuditMessage"] * 3


def test_nobody_else_does_this(people: People) -> None:
    for role in ("physician", "annotator", "researcher"):
        who = people.sign_in(role)
        for path in ("users", "destinations", "audit", "audit/messages", "scheduled", "patients", "merge?one=1&into=2"):
            assert who.ask("GET", f"/api/admin/{path}").status_code == 403
        assert who.ask("POST", "/api/admin/merge", json={"from_study": 1, "into_study": 2}).status_code == 403
