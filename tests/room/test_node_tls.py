"""TLS of the node, in both directions."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from photopeak.room.node import Node
from photopeak.room.node.forwarding import queue_to, send_due
from photopeak.room.room import Room
from photopeak.room.schema import Destination, Instance
from tests.room.node_peers import (
    add_destination,
    archive,
    count,
    echoes,
    image,
    make_room,
    node_of,
    sending,
)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = make_room(tmp_path)
    yield room
    room.database.close()


@pytest.fixture
def node(room: Room) -> Iterator[Node]:
    with node_of(room) as node:
        yield node


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate that signs itself, for 127.0.0.1, and its key."""
    import shutil
    import subprocess

    tool = shutil.which("openssl")
    if tool is None:
        pytest.skip("openssl is missing")
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    words = [tool, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    words += ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(words, check=True, capture_output=True)
    return cert, key


def client(authority: Path, own: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority))
    if own:
        context.load_cert_chain(*own)
    return context


def test_tls_lets_in_who_shows_a_certificate_and_nobody_else(tmp_path: Path) -> None:
    ours, theirs, foreign = (certificate(tmp_path, name) for name in ("ours", "theirs", "foreign"))
    authority = tmp_path / "authority.pem"
    authority.write_bytes(theirs[0].read_bytes() + ours[0].read_bytes())
    room = make_room(tmp_path, dicom_tls_certificate=ours[0], dicom_tls_key=ours[1], dicom_tls_authority=authority)
    with node_of(room) as node:
        with sending(node.port, tls_args=(client(ours[0], theirs), "127.0.0.1")) as assoc:
            assert assoc.send_c_store(image()).Status == 0
        for context in (client(ours[0]), client(ours[0], foreign), None):
            tls = (context, "127.0.0.1") if context else None
            with sending(node.port, tls_args=tls) as assoc:
                assert not assoc.is_established
        with sending(node.port, tls_args=(client(ours[0], theirs), "127.0.0.1")) as assoc:
            assert assoc.is_established
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(*theirs)
        with archive(ssl_context=server) as (port, came):
            number = add_destination(room, port, tls=True)
            with room.database.writing() as t:
                to = t.get(Destination, number)
                assert to is not None
                queue_to(t, to, ["2.25.3111"])
            assert send_due(room) == 1
            assert len(came) == 1
    assert count(room, Instance) == 1


def test_a_node_without_tls_does_not_speak_it(tmp_path: Path, node: Node) -> None:
    ours = certificate(tmp_path, "ours")
    with sending(node.port, tls_args=(client(ours[0]), "127.0.0.1")) as assoc:
        assert not assoc.is_established
    assert echoes(node.port)
