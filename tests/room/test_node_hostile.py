"""What is broken, slow or too much ends by itself, and the node goes on."""

from __future__ import annotations

import dataclasses
import random
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from photopeak.core import PhotopeakError
from photopeak.room.node import Node, listening
from photopeak.room.room import Room
from tests.dicom.dicom_samples import as_bytes
from tests.room.node_peers import (
    audited,
    echoes,
    image,
    make_room,
    node_of,
    raw_sender,
    sending,
    until,
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


def fuzz(seed: int) -> bytes:
    rng = random.Random(seed)
    kind = seed % 4
    if kind == 0:
        return rng.randbytes(rng.randrange(1, 400))
    if kind == 1:  # a PDU that promises more than comes
        return struct.pack(">BBL", rng.randrange(1, 8), 0, rng.randrange(2**32)) + rng.randbytes(rng.randrange(99))
    if kind == 2:  # an association request, broken
        body = bytearray(struct.pack(">HH16s16s32s", 1, 0, b"PHOTOPEAK".ljust(16), b"FUZZ".ljust(16), b""))
        body += rng.randbytes(rng.randrange(300))
        return struct.pack(">BBL", 1, 0, len(body)) + body
    return struct.pack(">BBL", rng.randrange(1, 8), 0, 8) + rng.randbytes(8) * rng.randrange(1, 4)


def test_random_and_truncated_bytes_do_not_stop_the_node(node: Node) -> None:
    for seed in range(60):
        with socket.create_connection(("127.0.0.1", node.port), 5) as stranger:
            stranger.sendall(fuzz(seed))
    assert echoes(node.port)


def test_broken_messages_on_an_association_end_it_alone(node: Node) -> None:
    rng = random.Random(5)
    for _ in range(20):
        with sending(node.port) as assoc:
            assert assoc.is_established
            value = bytes([rng.choice((1, 3)), *rng.randbytes(rng.randrange(2, 60))])
            wire = assoc.dul.socket.socket
            wire.sendall(
                struct.pack(">BBLLB", 4, 0, len(value) + 4 + 1, len(value) + 1, rng.choice((1, 3, 200))) + value
            )
            assoc.abort()
            wire.close()  # pynetdicom leaves it open where the node was faster
    assert echoes(node.port)


def test_mutated_objects_are_answered_and_never_end_the_association(room: Room, node: Node) -> None:
    data, rng = as_bytes(image(), "explicit"), random.Random(7)
    with raw_sender(node.port) as send:
        for _ in range(60):
            broken = bytearray(data)
            for _ in range(rng.randrange(1, 6)):
                broken[rng.randrange(400, 1600)] = rng.randrange(256)
            cut = rng.choice((len(broken), rng.randrange(500, len(broken))))
            code = send(bytes(broken[:cut])).Status
            assert code in (0, 0xA900) or 0xC000 <= code <= 0xCFFF
    assert echoes(node.port)


def test_more_associations_than_there_are_places_are_refused(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photopeak.room.node.node.MOST_ASSOCIATIONS", 2)
    with node_of(room) as node, sending(node.port) as first, sending(node.port) as second:
        assert first.is_established
        assert second.is_established
        with sending(node.port) as third:
            assert third.is_rejected
    assert [line.who for line in audited(room, "refuse")] == ["CAMERA"]


def test_a_port_that_is_taken_is_said(room: Room, node: Node) -> None:
    settings = room.settings.model_copy(update={"dicom_port": node.port})
    with pytest.raises(PhotopeakError, match="Remedy: give a free port"):
        Node(dataclasses.replace(room, settings=settings)).start()


def test_slow_callers_are_let_go(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "SECONDS_PER_PDU", 0.5)
    with socket.create_connection(("127.0.0.1", node.port), 5) as slow:
        slow.sendall(struct.pack(">BBL", 1, 0, 500))
        until(lambda: not _takes_a_byte(slow))
    assert echoes(node.port)


def _takes_a_byte(slow: socket.socket) -> bool:
    try:
        slow.sendall(b"\0")
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def test_connections_are_counted_and_given_back(room: Room) -> None:
    with node_of(room) as node:
        server = node._server
        assert server is not None
        silent = [socket.create_connection(("127.0.0.1", node.port), 5) for _ in range(20)]
        until(lambda: server.free._value == listening.MOST_CONNECTIONS - 20)
        assert echoes(node.port)
        for one in silent:
            one.close()
        until(lambda: server.free._value == listening.MOST_CONNECTIONS)
