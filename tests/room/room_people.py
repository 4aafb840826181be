"""A room with somebody of every role, browsers of theirs, and every route that its application answers."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient

from photopeak.room.access import COOKIE, Needs
from photopeak.room.accounts import ROLES, add_user, open_session
from photopeak.room.app import create_app
from photopeak.room.room import Room
from tests.room.node_peers import make_room

PASSWORD = "correct horse battery"
CHANGES = ("POST", "PUT", "DELETE", "PATCH")


@dataclass
class Browser:
    """A client with a session's cookie and the token of its page."""

    client: TestClient
    token: str
    csrf: str
    key: int

    def ask(self, method: str, path: str, **more: Any) -> Any:
        headers = {"X-CSRF-Token": self.csrf, **more.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **more)


def browser(app: FastAPI, token: str = "", csrf: str = "", key: int = 0, **more: Any) -> Browser:
    client = TestClient(app, raise_server_exceptions=False, **more)
    if token:
        client.cookies.set(COOKIE, token)
    return Browser(client, token, csrf, key)


class People:
    """A room, its application, and an account of every role that goes by the role's name."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.room: Room = make_room(folder, **settings)
        self.app = create_app(self.room, other_routers())
        with self.room.database.writing() as t:
            self.keys = {role: add_user(t, role, role).id for role in ROLES}

    def sign_in(self, role: str) -> Browser:
        """A new session, as a sign-in opens it."""
        from photopeak.room.schema import User

        with self.room.database.writing() as t:
            user = t.get(User, self.keys[role])
            assert user is not None
            token, session = open_session(t, user)
        return browser(self.app, token, session.csrf, user.id)

    def stranger(self) -> Browser:
        return browser(self.app)


def other_routers() -> tuple[Any, ...]:
    """Parts of the application that lie beside ``api``."""
    if importlib.util.find_spec("photopeak.room.dicomweb") is None:
        return ()
    return (importlib.import_module("photopeak.room.dicomweb").router,)


@dataclass(frozen=True)
class Route:
    """A method of a path, and what it says that its caller needs."""

    method: str
    path: str
    needs: tuple[str, ...]

    @property
    def filled(self) -> str:
        """The path with something for every parameter."""
        words = {"key": "1", "study": "1", "number": "0", "report": "1", "sha256": "0" * 64, "name": "x"}
        out = self.path
        while "{" in out:
            before, _, rest = out.partition("{")
            name, _, after = rest.partition("}")
            out = before + words.get(name.partition(":")[0], "1") + after
        return out


def routes_of(app: FastAPI) -> list[Route]:
    """Every method of every route, whatever router it came with."""
    found = []
    for context in iter_route_contexts(app.routes):
        path, methods = context.path, context.methods
        assert path is not None, context
        assert methods, f"{path} takes no requests: say here how it is guarded"
        needs = tuple(_needs(context.dependant))
        found += [Route(method, path, needs) for method in sorted(methods)]
    return found


def _needs(dependant: Any) -> list[str]:
    own = [dependant.call.what] if isinstance(dependant.call, Needs) else []
    return own + [what for part in dependant.dependencies for what in _needs(part)]
