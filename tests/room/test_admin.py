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
    for wrong in ({"start_date": "soon"}, {"sex": "X"}, {"accession": "x" * 17}):
        ask(admin, "POST", "scheduled", {**form, **wrong}, 422)


def test_two_patients_become_one(people: People, admin: Browser) -> None:
    put(people.room, image(1, PatientID="P1", ImageType=["ORIGINAL", "PRIMARY", "WHOLE BODY", *["Z" * 16] * 30]))
    put(people.room, image(2, PatientID="P2"))
    put(people.room, image(1, study=2, PatientID="P2"))
    assert ask(admin, "POST", "merge", {"from_study": 1, "into_study": 2}) == {"from": "P1", "into": "P2"}
    with people.room.database.reading() as t:
        row = t.get(Study, 1)
        assert row is not None
        assert row.warnings == []
        assert row.due_at is not None
    ask(admin, "POST", "merge", {"from_study": 2, "into_study": 1}, 409)
    ask(admin, "POST", "merge", {"from_study": 1, "into_study": 9}, 404)


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
        for path in ("users", "destinations", "audit", "audit/messages"):
            assert who.ask("GET", f"/api/admin/{path}").status_code == 403
        assert who.ask("POST", "/api/admin/merge", json={"from_study": 1, "into_study": 2}).status_code == 403
