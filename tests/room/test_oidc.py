"""Signing in through an issuer: the whole way there and back, and everything on the way that must not work."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from sqlalchemy import select

from photopeak.room.access import COOKIE
from photopeak.room.accounts import add_user
from photopeak.room.api.oidc import ASKING, FLOW_COOKIE, FLOW_SECONDS, Issuer, _role
from photopeak.room.app import create_app
from photopeak.room.room import Room
from photopeak.room.schema import User
from tests.room.node_peers import audited, make_room, until
from tests.room.room_people import PASSWORD, Browser, browser

CLIENT, SECRET = "the room", "s%cret:of the room"


class LocalIssuer:
    """An issuer with one key: it hands a code to whoever asks, and a token for a code and its verifier."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "1", "use": "sig"})
        self.signing: Any = self.key
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "1"}
        self.url = ""
        self.asked: dict[str, tuple[dict[str, str], dict[str, Any]]] = {}
        self.app = FastAPI()
        self.app.get("/.well-known/openid-configuration")(self.describe)
        self.app.get("/keys")(self.keys)
        self.app.post("/token")(self.token)

    def describe(self) -> dict[str, Any]:
        ways = {"authorization": "authorize", "token": "token"}
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/keys",
            **{f"{k}_endpoint": f"{self.url}/{v}" for k, v in ways.items()},
        }

    def keys(self) -> dict[str, Any]:
        return {"keys": [self.key.as_dict(private=False)]}

    def consent(self, location: str, **claims: Any) -> dict[str, str]:
        """What the issuer sends the browser back with; ``claims`` change the token that will follow."""
        asked = {k: v[0] for k, v in parse_qs(urlsplit(location).query).items()}
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT)
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(8)
        self.asked[code] = asked, claims
        return {"code": code, "state": asked["state"]}

    async def token(self, request: Request) -> dict[str, Any]:
        form = {k: str(v) for k, v in (await request.form()).items()}
        if form["code"] not in self.asked:
            raise HTTPException(400, "invalid_grant")
        asked, changed = self.asked.pop(form["code"])
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        name = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        given = {"challenge": challenge.decode(), "back": form["redirect_uri"], "name": name}
        wanted = {"challenge": asked["code_challenge"], "back": asked["redirect_uri"]}
        if given != {**wanted, "name": "the%20room:s%25cret%3Aof%20the%20room"}:
            raise HTTPException(400, "invalid_client")
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "sub": "u-1", "iat": now, "exp": now + 60, "nonce": asked["nonce"]}
        claims |= {"preferred_username": "ada", "name": "Dr Ada", "photopeak_role": "physician", **changed}
        claims = {k: v for k, v in claims.items() if v is not None}
        return {"id_token": jwt.encode(self.header, claims, self.signing), "token_type": "Bearer", "access_token": "x"}


@contextlib.contextmanager
def running(app: FastAPI) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture(scope="module")
def running_issuer() -> Iterator[LocalIssuer]:
    made = LocalIssuer()
    with running(made.app) as made.url:
        yield made


@pytest.fixture
def issuer(running_issuer: LocalIssuer) -> LocalIssuer:
    running_issuer.signing, running_issuer.header = running_issuer.key, {"alg": "RS256", "kid": "1"}
    return running_issuer


@pytest.fixture
def room(tmp_path: Path, issuer: LocalIssuer) -> Iterator[Room]:
    words = {"oidc_issuer": issuer.url, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET}
    made = make_room(tmp_path, public_url="http://testserver/", **words)
    yield made
    made.database.close()


@pytest.fixture
def one(room: Room) -> Browser:
    return browser(create_app(room))


def begin(one: Browser) -> str:
    answer = one.client.get("/api/oidc/begin", follow_redirects=False)
    assert answer.status_code == 302, answer.text
    return str(answer.headers["location"])


def come_back(one: Browser, words: dict[str, str]) -> Any:
    return one.client.get("/api/oidc/return", params=words, follow_redirects=False)


def sign_in(one: Browser, issuer: LocalIssuer, **claims: Any) -> Any:
    return come_back(one, issuer.consent(begin(one), **claims))


def user_of(one: Browser) -> Any:
    return one.client.get("/api/session").json()["user"]


def refused(one: Browser, room: Room, answer: Any, says: str) -> None:
    """Refused with words, without a session, and written down."""
    assert answer.status_code == 403, answer.text
    assert says in answer.json()["detail"]
    assert COOKIE not in one.client.cookies
    assert user_of(one) is None
    last = audited(room, "sign in")[-1]
    assert last.outcome == "failure"
    assert says in last.details["why"]


def test_the_whole_way(one: Browser, room: Room, issuer: LocalIssuer) -> None:
    location = begin(one)
    asked = parse_qs(urlsplit(location).query)
    assert asked["redirect_uri"] == ["http://testserver/api/oidc/return"]
    assert asked["code_challenge_method"] == ["S256"]
    answer = come_back(one, issuer.consent(location))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert FLOW_COOKIE not in one.client.cookies
    user = user_of(one)
    assert (user["name"], user["display"], user["role"]) == ("ada", "Dr Ada", "physician")
    assert [(x.who, x.outcome, x.details["role"]) for x in audited(room, "sign in")] == [
        ("ada", "success", "physician")
    ]
    with room.database.reading() as t:
        kept = t.scalars(select(User)).one()
    assert (kept.subject, kept.password_hash) == (f"{issuer.url} u-1", "")


def test_the_cookies_are_not_for_scripts_and_not_for_other_sites(one: Browser, issuer: LocalIssuer) -> None:
    answer = one.client.get("/api/oidc/begin", follow_redirects=False)
    way = answer.headers["set-cookie"].lower()
    assert "httponly" in way
    assert "samesite=lax" in way
    session = come_back(one, issuer.consent(answer.headers["location"])).headers.get_list("set-cookie")
    assert any(c.startswith(COOKIE) and "HttpOnly" in c and "SameSite=strict" in c for c in session)


def test_coming_again_it_is_the_same_account_with_the_role_of_now(
    one: Browser, room: Room, issuer: LocalIssuer
) -> None:
    sign_in(one, issuer)
    other = browser(one.client.app)  # type: ignore[arg-type]
    sign_in(other, issuer, photopeak_role=["staff", "annotator"], preferred_username="renamed")
    assert user_of(one) is None  # the session with the old role has ended
    assert (user_of(other)["name"], user_of(other)["role"]) == ("ada", "annotator")
    assert audited(room, "administer")[-1].details == {"was": "physician", "is": "annotator"}


def test_a_name_that_is_taken_is_not_taken_over(one: Browser, room: Room, issuer: LocalIssuer) -> None:
    with room.database.writing() as t:
        add_user(t, "ada", "administrator", PASSWORD)
    sign_in(one, issuer)
    assert (user_of(one)["name"], user_of(one)["role"]) == ("ada 2", "physician")
    third = browser(one.client.app)  # type: ignore[arg-type]
    sign_in(third, issuer, sub="u-2")
    assert user_of(third)["name"] == "ada 3"


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another client"},
        {"aud": None},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"iss": "https://elsewhere.example"},
        {"exp": 1_000_000},
        {"exp": None},
        {"sub": None},
        {"sub": 5},
    ],
)
def test_a_token_that_is_not_for_this_is_refused(
    one: Browser, room: Room, issuer: LocalIssuer, claims: dict[str, Any]
) -> None:
    refused(one, room, sign_in(one, issuer, **claims), "The issuer's token")


def test_a_token_signed_by_another_key_is_refused(one: Browser, room: Room, issuer: LocalIssuer) -> None:
    issuer.signing = RSAKey.generate_key(2048, {"kid": "1"})
    refused(one, room, sign_in(one, issuer), "bad_signature")


def test_a_token_signed_by_a_shared_word_is_refused(one: Browser, room: Room, issuer: LocalIssuer) -> None:
    issuer.signing, issuer.header = OctKey.import_key(SECRET.encode()), {"alg": "HS256", "kid": "1"}
    refused(one, room, sign_in(one, issuer), "The issuer's token is not accepted")


@pytest.mark.parametrize("role", [None, "", "root", ["staff"], 7, {"administrator": True}])
def test_no_role_no_entry(one: Browser, room: Room, issuer: LocalIssuer, role: Any) -> None:
    refused(one, room, sign_in(one, issuer, photopeak_role=role), "ask for photopeak_role at the issuer")
    with room.database.reading() as t:
        assert t.scalars(select(User)).all() == []


def test_a_role_is_a_word_or_one_of_several() -> None:
    assert [_role(x) for x in ("physician", ["x", "annotator"], [], [[]])] == ["physician", "annotator", "", ""]


def test_a_closed_account_stays_closed(one: Browser, room: Room, issuer: LocalIssuer) -> None:
    sign_in(one, issuer)
    with room.database.writing() as t:
        t.scalars(select(User)).one().active = False
    one.client.cookies.clear()
    refused(one, room, sign_in(one, issuer), "closed")


def test_a_way_back_works_once(one: Browser, room: Room, issuer: LocalIssuer) -> None:
    words = issuer.consent(begin(one))
    way = one.client.cookies[FLOW_COOKIE]
    assert come_back(one, words).status_code == 303
    one.client.cookies.clear()
    one.client.cookies.set(FLOW_COOKIE, way)
    again = {**words, "code": issuer.consent(f"?{'&'.join(ASKED)}&state={words['state']}")["code"]}
    refused(one, room, come_back(one, again), "used already")


ASKED = ("response_type=code", "client_id=the+room", "scope=openid")


def test_a_way_back_is_for_the_browser_that_set_out(one: Browser, room: Room, issuer: LocalIssuer) -> None:
    """Otherwise somebody could be signed in as another without noticing."""
    mine = issuer.consent(begin(one))
    victim = browser(one.client.app)  # type: ignore[arg-type]
    refused(victim, room, come_back(victim, mine), "has not begun")
    begin(victim)
    refused(victim, room, come_back(victim, mine), "another sign-in")
    victim.client.cookies.clear()
    victim.client.cookies.set(FLOW_COOKIE, one.client.cookies[FLOW_COOKIE][:-2] + "xx")
    refused(victim, room, come_back(victim, mine), "has not begun")


def test_a_way_back_ends(one: Browser, room: Room, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    words = issuer.consent(begin(one))
    late = time.time() + FLOW_SECONDS + 2
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: late)
    answer = come_back(one, words)
    monkeypatch.undo()
    refused(one, room, answer, "took too long")


def test_a_code_that_the_issuer_does_not_know(one: Browser, room: Room, issuer: LocalIssuer) -> None:
    words = issuer.consent(begin(one))
    refused(one, room, come_back(one, {**words, "code": "made up"}), "does not answer as it should")


def test_what_the_issuer_refuses_is_told(one: Browser, room: Room) -> None:
    refused(one, room, come_back(one, {"error": "access_denied"}), "access_denied")


def test_a_person_who_is_refused_reads_a_page_with_the_remedy(one: Browser, room: Room) -> None:
    asks = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    words = {"error": "<script>alert(1)</script>"}
    answer = one.client.get("/api/oidc/return", params=words, headers=asks, follow_redirects=False)
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-store"
    assert "The issuer refused: &#x27;&lt;script&gt;" in answer.text
    assert "What helps: tell whoever runs the hospital&#x27;s sign-in" in answer.text
    assert 'href="/"' in answer.text
    assert "<script" not in answer.text
    elsewhere = one.client.get("/api/worklist", headers=asks)  # as a bookmark would, after the session's end
    assert elsewhere.status_code == 401
    assert "You are not signed in" in elsewhere.text


def test_an_issuer_that_is_gone_or_another(tmp_path: Path, issuer: LocalIssuer) -> None:
    for i, url in enumerate(("http://127.0.0.1:9", f"{issuer.url}/")):
        words = {"oidc_issuer": url, "oidc_client_id": CLIENT, "public_url": "http://testserver"}
        room = make_room(tmp_path / str(i), **words)
        answer = browser(create_app(room)).client.get("/api/oidc/begin", follow_redirects=False)
        assert answer.status_code == 502
        assert url in answer.json()["detail"]
        room.database.close()


def test_an_issuer_that_hangs_does_not_hold_the_room(one: Browser, issuer: LocalIssuer) -> None:
    asking = one.client.app.state.issuer._asking  # type: ignore[attr-defined]
    for _ in range(ASKING):
        assert asking.acquire(blocking=False)  # as many wait already
    answer = one.client.get("/api/oidc/begin", follow_redirects=False)
    assert answer.status_code == 502
    assert "slow" in answer.json()["detail"]
    for _ in range(ASKING):
        asking.release()
    assert sign_in(one, issuer).status_code == 303


def test_two_processes_on_one_database_take_each_others_browsers(one: Browser, room: Room, issuer: LocalIssuer) -> None:
    words = issuer.consent(begin(one))
    elsewhere = browser(create_app(room))
    elsewhere.client.cookies.set(FLOW_COOKIE, one.client.cookies[FLOW_COOKIE])
    assert come_back(elsewhere, words).status_code == 303


def test_states_are_forgotten_when_their_cookie_is_worthless(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = Issuer(room)
    issuer.take("a")
    later = time.monotonic() + 2 * FLOW_SECONDS + 1
    monkeypatch.setattr("photopeak.room.api.oidc.time.monotonic", lambda: later)
    issuer.take("b")
    assert list(issuer._used) == ["b"]


def test_without_an_issuer_there_is_no_such_way(tmp_path: Path) -> None:
    room = make_room(tmp_path)
    assert browser(create_app(room)).client.get("/api/oidc/begin").status_code == 404
    room.database.close()
