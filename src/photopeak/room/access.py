"""Who is asking, and whether they may: every route names what it needs.

A browser shows its session by a cookie, and with every change a token that no other page can know (CSRF). A program
shows the session's token as ``Authorization: Bearer``.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, HTTPException, Request
from sqlalchemy import Select, update
from sqlalchemy.orm import Session as Transaction

from photopeak.room.accounts import ROLES, find_session
from photopeak.room.room import Room
from photopeak.room.schema import Session, Study, now

COOKIE: Final = "photopeak_session"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
SEEN_SECONDS: Final = 60.0
"""How often at most a session's last use is written."""


@dataclass(frozen=True)
class Caller:
    """Who is asking."""

    key: int
    name: str
    display: str
    role: str
    csrf: str
    address: str

    def may(self, what: str) -> bool:
        return what in ROLES[self.role]


def room_of(request: Request) -> Room:
    """The room that serves a request."""
    room: Room = request.app.state.room
    return room


def caller_of(request: Request) -> Caller:
    """Who is asking; 401 where nobody is signed in, 403 where a change comes without the session's token."""
    room = room_of(request)
    token = token_of(request)
    with room.database.reading() as t:
        session = find_session(t, room.settings, token) if token else None
    if session is None:
        raise HTTPException(401, "Sign in first.")
    request.app.state.rate.knows(token)
    if (now() - session.seen_at).total_seconds() > SEEN_SECONDS:
        with room.database.writing() as t:  # this one value: what ended or changed meanwhile stays so
            t.execute(update(Session).where(Session.token_sha256 == session.token_sha256).values(seen_at=now()))
    if not bearer_of(request) and request.method not in SAFE:
        sent = request.headers.get("x-csrf-token", "")
        if not secrets.compare_digest(sent.encode(), session.csrf.encode()):
            raise HTTPException(403, "The page's token is missing or old. Load the page again.")
    user = session.user
    return Caller(user.id, user.name, user.display, user.role, session.csrf, address_of(request))


def bearer_of(request: Request) -> str:
    """The token that a program shows; "" where it shows none."""
    header = request.headers.get("authorization", "")
    return header[7:] if header.lower().startswith("bearer ") else ""


def token_of(request: Request) -> str:
    """The session's token as it was sent, which need not be one; "" where none was."""
    return bearer_of(request) or request.cookies.get(COOKIE, "")


def address_of(request: Request) -> str:
    """The network address that a request came from."""
    return request.client.host if request.client is not None else ""


class Needs:
    """A route's rule: what its caller must be allowed to do."""

    def __init__(self, what: str) -> None:
        assert any(what in allowed for allowed in ROLES.values()), what
        self.what = what

    async def __call__(self, caller: Annotated[Caller, Depends(caller_of)]) -> Caller:  # needs no thread
        if not caller.may(self.what):
            raise HTTPException(403, f"Your role, {caller.role}, may not do this.")
        return caller


def needs(what: str) -> Any:
    """``caller: Caller = needs("view")`` in a route's parameters."""
    return Depends(Needs(what))


def visible(query: Select[Any], caller: Caller) -> Select[Any]:
    """A query over studies, confined to what the caller may see."""
    return query.where(Study.deidentified) if caller.role == "researcher" else query


def check_visible(study: Study | None, caller: Caller) -> Study:
    """A study that the caller may see; what they may not see does not exist for them."""
    if study is None or (caller.role == "researcher" and not study.deidentified):
        raise HTTPException(404, "There is no such study.")
    return study


def study_of(t: Transaction, key: int, caller: Caller) -> Study:
    """A study by its number."""
    return check_visible(t.get(Study, key) if 0 < key < 2**62 else None, caller)


class Rate:
    """How many requests each session, and each address without one, made this minute; those beyond are turned away.

    A token counts by itself only once it was found to be a session's: who makes tokens up stays an address.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._clock = per_minute, clock
        self._lock = threading.Lock()
        self._minute, self._counts, self._known = 0, dict[str, int](), set[str]()

    def allows(self, token: str, address: str) -> bool:
        """Count a request."""
        minute = int(self._clock() // 60)
        with self._lock:
            if minute != self._minute:
                self._minute, self._counts, self._known = minute, {}, set()
            who = token if token in self._known else address
            self._counts[who] = self._counts.get(who, 0) + 1
            return self._counts[who] <= self._limit

    def knows(self, token: str) -> None:
        """That a token is a session's."""
        with self._lock:
            self._known.add(token)
