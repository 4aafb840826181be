"""Requests that nobody means well with: whatever is sent, the room answers in its own words and goes on.

Every route is called here with a few generated requests; ``benchmarks/run hostile`` sends many.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from schemathesis import GenerationMode
from structlog.testing import capture_logs

from photopeak.room.accounts import ROLES
from photopeak.room.app import SECURITY, create_app
from photopeak.room.bodies import SMALL
from photopeak.room.schema import Patient, Study
from tests.room.hostile_requests import Sweep, has_security, hostile_people
from tests.room.node_peers import make_room
from tests.room.room_people import CHANGES, PASSWORD, People, browser, routes_of

pytestmark = pytest.mark.untraced


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    made = hostile_people(tmp_path_factory.mktemp("hostile"))
    yield made
    made.room.database.close()


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_no_generated_request_is_more_than_the_room_can_answer(people: People, mode: GenerationMode) -> None:
    found = Sweep(people, mode, examples=6)
    found.run()
    assert found.called == found.callable
    assert len(found.called) > 45
    far = found.statuses[200 if mode is GenerationMode.POSITIVE else 422]
    assert far > 100, "the requests did not come far enough"


WORDS = ("..%2f..%2fetc%2fpasswd", "%00", "%ed%a0%80", "%e2%80%ae%3Cscript%3E", "9" * 400)


@pytest.mark.parametrize("word", WORDS, ids=("way out", "NUL", "lone surrogate", "script", "long"))
@pytest.mark.usefixtures("pages")
def test_every_route_takes_any_word_in_its_path_its_query_and_its_body(people: People, word: str) -> None:
    routes = routes_of(people.app)
    assert len(routes) > 80
    for route in routes:
        path = re.sub(r"\{[^}]*\}", word, route.path)
        query = "&".join(f"{name}={word}" for name in ("search", "sort", "before", "day", "PatientID", "frame", word))
        more = {"content": unquote_to_bytes(word)} if route.method in CHANGES else {}
        role = next(r for r in ("administrator", "physician") if set(route.needs) <= ROLES[r])
        answer = people.sign_in(role).ask(route.method, f"{path}?{query}", **more)
        assert answer.status_code < 500, (route, answer.text)
        assert "script>" not in answer.text or answer.headers["content-type"] == "application/json", route
        has_security(answer)


def test_every_answer_forbids_what_pages_do_not_need(people: People) -> None:
    stranger, admin = people.stranger(), people.sign_in("administrator")
    answers = {
        401: stranger.ask("GET", "/api/worklist"),
        403: people.sign_in("annotator").ask("GET", "/api/admin/users"),
        404: admin.ask("GET", "/api/studies/99"),
        405: admin.ask("PATCH", "/api/worklist"),
        413: stranger.ask("POST", "/api/session", content=b"x" * (SMALL + 1)),
        422: admin.ask("GET", "/api/worklist", params={"limit": "many"}),
        400: stranger.ask("POST", "/api/session", content=b"x", headers={"Content-Length": "²".encode("latin-1")}),
        200: admin.ask("GET", "/api/worklist"),
    }
    assert {status: a.status_code for status, a in answers.items()} == {status: status for status in answers}
    for answer in answers.values():
        has_security(answer)
        assert answer.headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in answer.headers  # over http it means nothing
        assert isinstance(answer.json(), dict)


def test_what_nobody_foresaw_is_told_to_the_log_alone(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("the inside of the room")

    monkeypatch.setattr("photopeak.room.api.worklist._matching", fail)
    with capture_logs() as told:
        answer = people.sign_in("physician").ask("GET", "/api/worklist")
    assert [(x["event"], x["error"]) for x in told] == [("unexpected", "the inside of the room")]
    assert answer.status_code == 500
    assert "inside" not in answer.text
    has_security(answer)


def test_nothing_inline_runs_on_a_page() -> None:
    rules = dict(part.strip().split(" ", 1) for part in SECURITY["Content-Security-Policy"].split(";"))
    assert rules["script-src"] == rules["style-src"] == rules["default-src"] == "'self'"
    assert rules["object-src"] == rules["base-uri"] == "'none'"
    assert "unsafe" not in SECURITY["Content-Security-Policy"]


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        "x" * 10_000,
        "".join(map(chr, range(1, 32))),
        '"; DROP TABLE patients; --',
        "\u202e",
    ],
)
def test_a_patients_name_is_text_whatever_it_holds(people: People, name: str) -> None:
    with people.room.database.writing() as t:
        study = t.get(Study, 2)
        assert study is not None
        patient = t.get(Patient, study.patient_key)
        assert patient is not None
        patient.name, study.description = name, name
    one = people.sign_in("physician")
    for path in ("/api/worklist", "/api/studies/2"):
        answer = one.ask("GET", path)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        found = answer.json()
        row = found if path.endswith("2") else next(r for r in found["rows"] if r["key"] == 2)
        assert (row["name"], row["description"]) == (name, name)


TEXTS = {
    ("POST", "/api/session"): {"name": "a", "password": "b"},
    ("PUT", "/api/studies/1/assumed"): {"facts": {"radionuclide": "Tc-99m"}},
    ("POST", "/api/studies/1/texts"): {"name": "a", "text": "b"},
    ("PUT", "/api/studies/1/read"): {
        "version": 0,
        "document": {
            "comment": "c",
            "marks": [
                {
                    "id": "1",
                    "origin": "drawn",
                    "finding": "metastasis",
                    "site": "skull",
                    "image": "1.2",
                    "view": "anterior",
                    "shape": "rectangle",
                    "points_px": [[0, 0], [1, 1]],
                    "comment": "c",
                }
            ],
        },
    },
    ("PUT", "/api/studies/1/reports/draft"): {"version": 0, "sections": {"findings": "x"}},
    ("POST", "/api/studies/1/reports/sign"): {"version": 0, "password": "x"},
    ("POST", "/api/objects"): {"name": "a", "base64": "AAAA"},
    ("POST", "/api/studies/1/labelme"): {"name": "a", "base64": "AAAA", "image": "1.2"},
    ("POST", "/api/imports/match"): {"files": [{"name": "a", "drawn_on": "b"}]},
    ("POST", "/api/cohorts"): {"name": "a", "studies": [1], "readers": [1]},
    ("PUT", "/api/cohorts/1/studies/1/consensus"): {"metastasis": "no", "arthritis": "no", "reason": "because"},
    ("PUT", "/api/models/active"): {"bundle": "a"},
    ("POST", "/api/admin/users"): {"name": "a", "display": "b", "role": "physician", "password": PASSWORD},
    ("PUT", "/api/admin/users/3"): {"password": PASSWORD},
    ("PUT", "/api/admin/destinations"): {"ae_title": "A", "host": "h", "port": 104},
    ("POST", "/api/admin/scheduled"): {
        "patient_id": "a",
        "issuer": "b",
        "name": "c",
        "accession": "d",
        "description": "e",
        "station": "f",
        "start_date": "20260101",
        "start_time": "0900",
    },
}


def with_bad_text(value: Any, bad: str) -> Iterator[Any]:
    """The document with one text after the other, and one name after the other, made bad."""
    if isinstance(value, str):
        yield value + bad
    for key in value if isinstance(value, dict) else ():
        yield {k + bad if k == key else k: v for k, v in value.items()}
    for key, part in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()):
        for changed in with_bad_text(part, bad):
            copy = dict(value) if isinstance(value, dict) else list(value)
            copy[key] = changed
            yield copy


@pytest.mark.parametrize("bad", ["\0", "\ud800"], ids=["NUL", "lone surrogate"])
def test_what_is_no_text_is_refused_in_every_field(people: People, bad: str) -> None:
    for (method, path), document in TEXTS.items():
        role = "administrator" if "/admin/" in path else "physician"
        one = people.sign_in(role)
        for changed in with_bad_text(document, bad):
            answer = one.ask(method, path, content=json.dumps(changed), headers={"Content-Type": "application/json"})
            assert answer.status_code == 422, (path, changed, answer.text)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"version":' + b"9" * 5000 + b"}",
        b"\xff\xfe{}",
        b"",
        b"null",
        b'{"version":NaN}',
        b'{"a":1e999}',
    ],
    ids=["deep", "long number", "no UTF-8", "nothing", "null", "NaN", "infinity"],
)
def test_what_is_no_document_is_refused(people: People, body: bytes) -> None:
    answer = people.sign_in("physician").ask(
        "PUT", "/api/studies/1/read", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422)


def chunks(total: int) -> Iterator[bytes]:
    """A body whose length nobody says."""
    for _ in range(total // 65_536 + 1):
        yield b" " * 65_536


@pytest.mark.parametrize("path", ["/api/session", "/api/objects", "/api/admin/users", "/api/outline"])
def test_a_stranger_sends_little(people: People, path: str) -> None:
    stranger = people.stranger()
    for answer in (
        stranger.ask("POST", path, content=b" " * (SMALL + 1)),
        stranger.ask("POST", path, content=chunks(SMALL)),
        stranger.ask("POST", path, content=chunks(SMALL), headers={"Authorization": "Bearer made-up"}),
        stranger.ask("POST", path, content=chunks(SMALL), headers={"Content-Length": "10"}),
    ):
        assert answer.status_code == 413, answer.text
        assert "Sign in" in answer.json()["detail"]


def test_who_is_signed_in_sends_more_but_not_everything(people: People) -> None:
    one, largest = people.sign_in("physician"), people.room.settings.max_upload_mb * 2**20
    kind = {"Content-Type": "application/json"}
    assert one.ask("POST", "/api/outline", content=b" " * largest, headers=kind).status_code == 422
    assert one.ask("POST", "/api/outline", content=chunks(SMALL), headers=kind).status_code == 422
    for body in (b" " * (largest + 1), chunks(largest)):
        answer = one.ask("POST", "/api/outline", content=body, headers=kind)
        assert answer.status_code == 413
        assert str(largest) in answer.json()["detail"]


@pytest.mark.parametrize("length", ["-1", "1e3", "²", "9" * 30, "0x10", " "])
def test_a_length_that_is_no_number(people: People, length: str) -> None:
    header = {"Content-Length": length.encode("latin-1")}
    assert people.stranger().ask("POST", "/api/session", content=b"{}", headers=header).status_code == 400


WAYS = [
    "../index.html",
    "..%2findex.html",
    "%2e%2e%2findex.html",
    "..%5cindex.html",
    "%2fetc%2fpasswd",
    "..%2f..%2f..%2fapp.py",
    "secret%00.js",
    "%00",
    "%ff%fe",
    "%ed%a0%80",
    "x" * 300,
    "..",
    ".",
    "",
    "folder",
    "C:%5cwindows",
]


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pages as they are built, and something beside them that is nobody's business."""
    folder = tmp_path / "dist"
    (folder / "assets" / "folder").mkdir(parents=True)
    (folder / "index.html").write_text("the page")
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "assets" / "app.js").write_text("the script")
    (tmp_path / "secret.txt").write_text("secret")
    monkeypatch.setattr("photopeak.room.app.PAGES", folder)
    return folder


@pytest.mark.parametrize("way", WAYS)
def test_no_way_leads_out_of_the_pages(people: People, pages: Path, way: str) -> None:
    client = people.stranger().client
    for path in (f"/assets/{way}", f"/assets/..%2f{way}", f"/{way}"):
        answer = client.get(path)
        assert answer.status_code == 404 or answer.text == "the page", (path, answer.text)
        has_security(answer)
    assert client.get("/assets/app.js").text == "the script"


def test_a_link_out_of_the_pages_is_not_followed_by_its_name(people: People, pages: Path) -> None:
    client = people.stranger().client
    assert client.get("/secret.txt").text == "the page"
    assert client.get("/..%2fsecret.txt").text == "the page"
    assert client.get("/favicon.svg").text == "<svg/>"
    for path in ("/api/none", "/dicomweb/none", "/assets/none"):
        assert client.get(path).status_code in (401, 404)


def test_who_asks_too_often_waits(tmp_path: Path) -> None:
    room = make_room(tmp_path, requests_per_minute=5)
    app = create_app(room)
    app.state.rate._clock = lambda: 0.0
    near, far = browser(app, client=("192.0.2.1", 1)), browser(app, client=("192.0.2.2", 1))
    asked = [near.client.get("/health", headers={"Authorization": f"Bearer {i}"}) for i in range(7)]
    assert [a.status_code for a in asked] == [200] * 5 + [429] * 2
    assert asked[-1].headers["retry-after"] == "60"
    assert "wait" in asked[-1].json()["detail"]
    has_security(asked[-1])
    assert far.client.get("/health").status_code == 200
    app.state.rate._clock = lambda: 60.0
    assert near.client.get("/health").status_code == 200
    room.database.close()
