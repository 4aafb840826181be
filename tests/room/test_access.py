"""Who may do what: every route of the application, for nobody, for every role, and for sessions that are none."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import APIRouter

from photopeak.room import accounts
from photopeak.room.access import COOKIE, Rate, needs
from photopeak.room.accounts import ROLES
from photopeak.room.app import PUBLIC, create_app
from photopeak.room.schema import Assignment, Cohort, Session, Study, User, now
from tests.room.node_peers import image, make_room, put
from tests.room.room_people import CHANGES, Browser, People, Route, browser, other_routers, routes_of

#: the pages themselves hold nothing of a patient; the metrics have a rule of their own, tested below
OPEN = ("/assets/{name}", "/{path:path}", "/metrics")
#: what a request about a study must hold to come as far as the study
REGION = {"picture": 0, "plane": 0, "shape": "rectangle", "points_px": [[0, 0], [5, 5]]}
BODIES = {"/api/studies/{key}/statistics": REGION}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    made = People(tmp_path_factory.mktemp("access"))
    made.app.state.stopping = True  # the stream of events ends at once
    put(made.room, image(1, study=1))
    put(made.room, image(1, study=2, PatientIdentityRemoved="YES", PatientID="ANON", PatientName="ANON"))
    yield made
    made.room.database.close()


def guarded(people: People) -> list[Route]:
    return [r for r in routes_of(people.app) if r.path not in OPEN and not (r.path in PUBLIC and not r.needs)]


def test_every_route_names_what_it_needs(people: People) -> None:
    routes = guarded(people)
    assert len(routes) > 45
    assert [r for r in routes if len(set(r.needs)) != 1] == []


def test_a_route_without_a_rule_is_noticed(tmp_path: Path) -> None:
    router = APIRouter(prefix="/api")

    @router.get("/open")
    def forgotten() -> None: ...

    @router.get("/shut")
    def remembered(caller: object = needs("view")) -> None: ...

    room = make_room(tmp_path)
    found = {r.path: r.needs for r in routes_of(create_app(room, (router,)))}
    assert found["/api/open"] == ()
    assert found["/api/shut"] == ("view",)
    room.database.close()


def test_nobody_gets_further_than_the_door(people: People) -> None:
    stranger = people.stranger()
    for route in guarded(people):
        assert stranger.ask(route.method, route.filled, json={}).status_code == 401, route


@pytest.mark.parametrize("role", list(ROLES))
def test_a_role_does_what_it_may_and_nothing_else(people: People, role: str) -> None:
    for route in guarded(people):
        one = people.sign_in(role)  # some routes end a session
        status = one.ask(route.method, route.filled, json={}).status_code
        assert status != 401, route
        assert (status == 403) == (route.needs[0] not in ROLES[role]), (route, status)


def test_a_change_needs_the_token_of_the_page(people: People) -> None:
    one, other = people.sign_in("administrator"), people.sign_in("physician")
    for route in guarded(people):
        if route.method not in CHANGES:
            continue
        for words in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": other.csrf}, {"X-CSRF-Token": one.csrf[:-1]}):
            answer = one.client.request(route.method, route.filled, json={}, headers=words)
            assert answer.status_code == 403, (route, words)
            assert "Load the page again" in answer.json()["detail"], route
    assert signed_in(one)


def test_a_program_shows_its_token_and_needs_no_other(people: People) -> None:
    one, program = people.sign_in("physician"), people.stranger()
    header = {"Authorization": f"Bearer {one.token}"}
    assert program.client.post("/api/outline", json={}, headers=header).status_code == 422
    assert program.client.delete("/api/session", headers=header).status_code == 200
    assert program.client.get("/api/worklist", headers=header).status_code == 401
    assert not signed_in(one)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_another_sites_form_signs_nobody_in(people: People, kind: str) -> None:
    """Signing in has no token yet, so it takes only what a form of another site cannot send."""
    answer = people.stranger().ask(
        "POST",
        "/api/session",
        content=b'{"name": "physician", "password": "correct horse battery"}',
        headers={"Content-Type": kind},
    )
    assert answer.status_code == 422
    assert "set-cookie" not in answer.headers


def signed_in(one: Browser) -> bool:
    answer = one.ask("GET", "/api/worklist")
    assert answer.status_code in (200, 401)
    return bool(answer.status_code == 200)


def test_a_session_ends_by_its_age_by_rest_and_by_signing_out(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = people.room.settings
    old, idle, gone = (people.sign_in("physician") for _ in range(3))
    with people.room.database.writing() as t:
        row = t.get(Session, accounts._name(old.token))
        assert row is not None
        row.created_at -= dt.timedelta(hours=settings.session_hours, seconds=1)
        row = t.get(Session, accounts._name(idle.token))
        assert row is not None
        row.seen_at -= dt.timedelta(minutes=settings.idle_minutes, seconds=1)
    assert gone.ask("DELETE", "/api/session").status_code == 200
    gone.client.cookies.set(COOKIE, gone.token)  # who kept the cookie has nothing
    assert not any(map(signed_in, (old, idle, gone)))


def test_a_session_in_use_goes_on(people: People) -> None:
    one = people.sign_in("physician")
    with people.room.database.writing() as t:
        row = t.get(Session, accounts._name(one.token))
        assert row is not None
        row.seen_at = before = now() - dt.timedelta(minutes=people.room.settings.idle_minutes - 1)
    assert signed_in(one)
    with people.room.database.reading() as t:
        row = t.get(Session, accounts._name(one.token))
        assert row is not None
        assert row.seen_at > before


def test_a_made_up_cookie_is_none(people: People) -> None:
    one = people.sign_in("physician")
    for token in (one.token[:-1], one.token + "x", accounts._name(one.token), "x", "é" * 5, "' OR 1=1 --"):
        stranger = people.stranger()
        answer = stranger.client.get("/api/worklist", headers={"Cookie": f"{COOKIE}={token}".encode()})
        assert answer.status_code == 401, token


def test_closing_an_account_ends_its_sessions(people: People) -> None:
    admin = people.sign_in("administrator")
    form = {"name": "leaver", "role": "annotator", "password": "a long enough one"}
    key = admin.ask("POST", "/api/admin/users", json=form).json()["key"]
    entry = {"name": "leaver", "password": form["password"]}
    leaver = browser(people.app, base_url="http://testserver")
    assert leaver.ask("POST", "/api/session", json=entry).status_code == 200
    assert signed_in(leaver)
    assert admin.ask("PUT", f"/api/admin/users/{key}", json={"active": False}).status_code == 200
    assert not signed_in(leaver)
    assert leaver.ask("POST", "/api/session", json=entry).status_code == 401


def test_an_account_closed_in_the_database_alone_is_closed(people: People) -> None:
    one = people.sign_in("annotator")
    try:
        set_active(people, "annotator", False)
        assert not signed_in(one)
    finally:
        set_active(people, "annotator", True)


def set_active(people: People, role: str, active: bool) -> None:
    with people.room.database.writing() as t:
        user = t.get(User, people.keys[role])
        assert user is not None
        user.active = active


def studies(people: People) -> tuple[Study, Study]:
    """The one that names its patient, the one that does not."""
    with people.room.database.reading() as t:
        named = t.get(Study, 1)
        plain = t.get(Study, 2)
    assert named is not None
    assert plain is not None
    assert (named.deidentified, plain.deidentified) == (False, True)
    return named, plain


def test_a_researcher_sees_no_study_that_names_its_patient(people: People) -> None:
    named, plain = studies(people)
    one = people.sign_in("researcher")
    worklist = one.ask("GET", "/api/worklist").json()
    assert [row["study_uid"] for row in worklist["rows"]] == [plain.study_uid]
    assert (worklist["total"], sum(worklist["states"].values())) == (1, 1)
    assert one.ask("GET", "/api/worklist", params={"search": named.patient.patient_id}).json()["total"] == 0
    assert one.ask("GET", f"/api/studies/{plain.id}").status_code == 200
    seen = 0
    for route in guarded(people):
        if "/studies/{" not in route.path or route.needs[0] not in ROLES["researcher"]:
            continue
        name = named.study_uid if route.path.startswith("/dicomweb") else str(named.id)
        answer = one.ask(
            route.method, route.filled.replace("/studies/1", f"/studies/{name}"), json=BODIES.get(route.path, {})
        )
        found_nothing = route.path.startswith("/dicomweb") and answer.status_code in (200, 204)  # a search says so
        assert answer.content in (b"", b"[]") if found_nothing else answer.status_code == 404, (route, answer.text)
        seen += 1
    assert seen >= 9


def test_a_researcher_in_a_cohort_sees_no_name_either(people: People) -> None:
    named, plain = studies(people)
    with people.room.database.writing() as t:
        cohort = Cohort(name="mixed", blind=True, created_at=now(), creator_key=people.keys["physician"])
        t.add(cohort)
        t.flush()
        for study in (named, plain):
            t.add(Assignment(cohort_key=cohort.id, study_key=study.id, reader_key=people.keys["researcher"]))
    answer = people.sign_in("researcher").ask("GET", f"/api/cohorts/{cohort.id}").json()
    assert [row["key"] for row in answer["rows"]] == [plain.id]


def test_only_who_may_read_is_given_studies(people: People) -> None:
    one = people.sign_in("physician")
    for role, status in (("researcher", 422), ("administrator", 422), ("annotator", 200)):
        form = {"name": f"for {role}", "studies": [2], "readers": [people.keys[role]]}
        assert one.ask("POST", "/api/cohorts", json=form).status_code == status, role


def test_the_metrics_are_for_this_machine_and_administrators(people: People) -> None:
    def away(role: str) -> int:
        here = people.sign_in(role) if role else people.stranger()
        far = browser(people.app, here.token, here.csrf, client=("203.0.113.5", 4000))
        return int(far.ask("GET", "/metrics").status_code)

    assert people.stranger().ask("GET", "/metrics").status_code == 200
    assert [away(role) for role in ("", "physician", "administrator")] == [401, 403, 200]


def test_behind_a_proxy_this_machines_address_opens_no_metrics(tmp_path: Path) -> None:
    """A proxy that sends no X-Forwarded-For gives everybody its own address."""
    people = People(tmp_path, behind_proxy=True)

    def through(role: str) -> int:
        here = people.sign_in(role) if role else people.stranger()
        near = browser(people.app, client=("127.0.0.1", 4000))
        headers = {"Authorization": f"Bearer {here.token}"} if role else {}
        return int(near.ask("GET", "/metrics", headers=headers).status_code)

    assert [through(role) for role in ("", "physician", "administrator")] == [401, 403, 200]
    people.room.database.close()


def test_using_a_session_brings_back_nothing_that_ended(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sign-out between finding the session and writing down its use must win."""
    from photopeak.room import access

    one = people.sign_in("physician")
    found = access.find_session

    def find_then_end(*words: object) -> object:
        session = found(*words)  # type: ignore[arg-type]
        with people.room.database.writing() as t:
            accounts.close_session(t, one.token)
        return session

    monkeypatch.setattr(access, "find_session", find_then_end)
    monkeypatch.setattr(access, "SEEN_SECONDS", -1.0)
    one.ask("GET", "/api/worklist")
    monkeypatch.undo()
    assert not signed_in(one)


def test_made_up_tokens_count_as_the_address_they_come_from() -> None:
    clock = [0.0]
    rate = Rate(3, lambda: clock[0])
    assert [rate.allows(f"made up {i}", "203.0.113.5") for i in range(5)] == [True] * 3 + [False] * 2
    rate.knows("a session's")
    assert rate.allows("a session's", "203.0.113.5")
    clock[0] = 61.0
    assert rate.allows("made up", "203.0.113.5")


def test_further_routers_are_gone_through_where_they_are(people: People) -> None:
    paths = {r.path for r in routes_of(people.app)}
    assert bool(other_routers()) == any(p.startswith("/dicomweb") for p in paths)


def test_prometheus_shows_its_token(tmp_path: Path) -> None:
    token = "0123456789abcdef" * 2
    made = People(tmp_path, behind_proxy=True, metrics_token=token)
    app = create_app(made.room)
    far = browser(app, client=("203.0.113.7", 40000))

    def status(given: str, path: str = "/metrics") -> int:
        return int(far.ask("GET", path, headers={"Authorization": f"Bearer {given}"}).status_code)

    assert status(token) == 200
    assert "room_requests" in far.ask("GET", "/metrics", headers={"Authorization": f"Bearer {token}"}).text
    assert [status(wrong) for wrong in ("", token[:-1], token + "0", token.upper())] == [401] * 4
    assert status(token, "/api/worklist") == 401  # it opens nothing else
    made.room.database.close()
