"""A room behind a real server on loopback, and clients of it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import uvicorn
from dicomweb_client.api import DICOMwebClient
from fastapi.testclient import TestClient

from photopeak.room import accounts
from photopeak.room.app import create_app
from photopeak.room.dicomweb import router
from photopeak.room.room import Room
from tests.dicom.dicom_samples import as_bytes
from tests.room.node_peers import image, make_room

__all__ = ["Served", "as_bytes", "bearer", "calling", "image", "make_room", "serving"]


def bearer(room: Room, role: str = "physician") -> dict[str, str]:
    """The header of a person with this role who is signed in."""
    with room.database.writing() as t:
        user = accounts.add_user(t, f"{role}-{time.monotonic_ns()}", role)
        token, _ = accounts.open_session(t, user)
    return {"Authorization": f"Bearer {token}"}


class Served:
    """A server, and how it is called."""

    def __init__(self, room: Room, port: int) -> None:
        self.room, self.url = room, f"http://127.0.0.1:{port}/dicomweb"
        self.headers = bearer(room)

    def client(self, role: str = "") -> DICOMwebClient:
        return DICOMwebClient(self.url, headers=bearer(self.room, role) if role else self.headers)

    def get(self, path: str, accept: str = "*/*", **headers: str) -> requests.Response:
        return requests.get(self.url + path, headers=self.headers | {"Accept": accept} | headers, timeout=10)

    def post(self, path: str, data: bytes, kind: str, **headers: str) -> requests.Response:
        headers = self.headers | {"Content-Type": kind} | headers
        return requests.post(self.url + path, data=data, headers=headers, timeout=10)


@contextlib.contextmanager
def serving(room: Room) -> Iterator[Served]:
    """The application on a free port."""
    config = uvicorn.Config(create_app(room, (router,)), host="127.0.0.1", port=0, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield Served(room, server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(10)


@contextlib.contextmanager
def calling(folder: Path, role: str = "physician", **settings: Any) -> Iterator[tuple[TestClient, Room]]:
    """The application without a network."""
    room = make_room(folder, **settings)
    with TestClient(create_app(room, (router,)), headers=bearer(room, role), base_url="http://room") as client:
        yield client, room
    room.database.close()
