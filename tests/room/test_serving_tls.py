"""The pages over TLS, as the room serves them; and what it says before it serves anything."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import uvicorn

from photopeak.core import PhotopeakError
from photopeak.room.access import COOKIE
from photopeak.room.accounts import add_user
from photopeak.room.serving import Parts, _check_accounts, _configuration, _listener
from photopeak.room.settings import Settings, check
from tests.room.node_peers import make_room, until
from tests.room.room_people import PASSWORD


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of this machine's own making, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing: install Debian's openssl")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(words, check=True, capture_output=True)
    return certificate, key


@pytest.fixture
def address(tmp_path: Path, pair: tuple[Path, Path]) -> Iterator[str]:
    """Where the room answers."""
    room = make_room(tmp_path, tls_certificate=pair[0], tls_key=pair[1], port=0, dicom=False, work=False)
    check(room.settings)
    with room.database.writing() as t:
        add_user(t, "ada", "physician", PASSWORD)
    _check_accounts(room)
    listener = _listener(room.settings)
    server = uvicorn.Server(_configuration(room, Parts(room)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    until(lambda: server.started)
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()
    room.database.close()


def test_the_room_speaks_tls_and_nothing_else(address: str, pair: tuple[Path, Path]) -> None:
    with httpx2.Client(base_url=f"https://{address}", verify=ssl.create_default_context(cafile=pair[0])) as client:
        answer = client.get("/health")
        assert answer.json()["status"] == "ok"
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert "server" not in answer.headers
        entered = client.post("/api/session", json={"name": "ada", "password": PASSWORD})
        cookie = entered.headers["set-cookie"]
        assert cookie.startswith(COOKIE)
        assert {"Secure", "HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))
        assert client.get("/api/session").json()["user"]["name"] == "ada"
        left = client.delete("/api/session", headers={"X-CSRF-Token": entered.json()["csrf"]})
        assert "Max-Age=0" in left.headers["set-cookie"]
        assert client.get("/api/session").json()["user"] is None
    with pytest.raises(httpx2.HTTPError):
        httpx2.get(f"http://{address}/health")


def test_old_protocols_are_refused(address: str) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    host, port = address.split(":")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection((host, int(port))) as plain, pytest.raises(ssl.SSLError):
        old.wrap_socket(plain)


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PhotopeakError, match=f"127.0.0.1:{port} cannot be listened on"):
            _listener(Settings(port=port, data=tmp_path))


def test_the_body_of_an_answer_does_not_wait_until_its_head_was_acknowledged(tmp_path: Path) -> None:
    """As asyncio has it, a connection sends at once only where the listener names TCP."""

    async def sends_at_once(listener: socket.socket) -> bool:
        found = asyncio.get_running_loop().create_future()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(connected, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            writer.close()
            return bool(await found)

    assert asyncio.run(sends_at_once(_listener(Settings(port=0, data=tmp_path))))


def test_a_room_without_accounts_says_how_to_make_one(tmp_path: Path) -> None:
    room = make_room(tmp_path)
    with pytest.raises(PhotopeakError, match="photopeak room user add"):
        _check_accounts(room)
    room.database.close()
