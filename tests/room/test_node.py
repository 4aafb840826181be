"""What the node takes, what it refuses, and that nothing it hears can stop it."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import build_context
from sqlalchemy.exc import OperationalError

from photopeak.room.node import Node, listening
from photopeak.room.node.storing import LONGEST_COMMENT, status
from photopeak.room.objects import Objects
from photopeak.room.room import Room
from photopeak.room.schema import Instance, Version
from tests.dicom.dicom_samples import CT_CLASS, NM_CLASS, SYNTAXES, as_bytes
from tests.room.node_peers import (
    EXPLICIT,
    audited,
    calling,
    count,
    dcmtk,
    echoes,
    image,
    make_room,
    node_of,
    run,
    sending,
    together,
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


def test_dcmtk_is_answered_and_stores(room: Room, node: Node, tmp_path: Path) -> None:
    echo, store = dcmtk("echoscu"), dcmtk("storescu")
    assert run(echo, "-aec", "PHOTOPEAK", "127.0.0.1", str(node.port)).returncode == 0
    file = tmp_path / "nm.dcm"
    file.write_bytes(as_bytes(image(), "explicit"))
    done = run(store, "-aet", "CAMERA", "-aec", "PHOTOPEAK", "127.0.0.1", str(node.port), str(file))
    assert done.returncode == 0, done.stderr
    with room.database.reading() as t:
        (instance,) = t.query(Instance).all()
        assert (instance.sender, instance.sop_class) == ("CAMERA", NM_CLASS)


@pytest.mark.parametrize("syntax", sorted(SYNTAXES))
def test_every_transfer_syntax_is_kept_as_it_came(room: Room, node: Node, syntax: str) -> None:
    data = as_bytes(image(), syntax)
    with raw_sender(node.port, SYNTAXES[syntax]) as send:
        assert send(data).Status == 0
    with room.database.reading() as t:
        (instance,) = t.query(Instance).all()
        assert instance.syntax == SYNTAXES[syntax]
    kept = room.objects.get(instance.sha256)
    assert kept.endswith(dataset_of(data))


def dataset_of(data: bytes) -> bytes:
    from photopeak.room.node.sending import body

    return data[body(data)[1] :]


class raw_sender:
    """Sends the dataset of a file's bytes as they are."""

    def __init__(self, port: int, syntax: str = EXPLICIT, sop_class: str = NM_CLASS) -> None:
        self.association = calling(port, [build_context(sop_class, syntax)])
        self.sop_class = sop_class

    def __enter__(self) -> Any:
        self.assoc = self.association.__enter__()
        assert self.assoc.is_established
        return self.send

    def __exit__(self, *exc: Any) -> None:
        self.association.__exit__(*exc)

    def send(self, data: bytes, uid: str = "2.25.3111") -> Any:
        from io import BytesIO

        from pydicom.uid import UID
        from pynetdicom.dimse_primitives import C_STORE

        from photopeak.room.node.sending import _answered

        request = C_STORE()
        request.MessageID, request.Priority = 1, 2
        request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = UID(self.sop_class), UID(uid)
        request.DataSet = BytesIO(dataset_of(data))
        return _answered(self.assoc, request, 1)


def test_a_duplicate_is_stored_once_and_a_correction_beside_it(room: Room, node: Node) -> None:
    with sending(node.port) as assoc:
        for words in ("first", "first", "second"):
            assert assoc.send_c_store(image(SeriesDescription=words)).Status == 0
    assert (count(room, Instance), count(room, Version)) == (1, 1)
    (line,) = audited(room, "receive")
    assert {k: line.details[k] for k in ("new", "duplicate", "correction")} == {
        "new": 1,
        "duplicate": 1,
        "correction": 1,
    }
    assert (line.who, line.what, line.address) == ("CAMERA", "2.25.11", "127.0.0.1")


def test_whoever_waits_for_arrivals_hears_of_them_and_cannot_spoil_them(room: Room) -> None:
    heard = []

    def hear(arrival: Any) -> None:
        heard.append(arrival.outcome)
        raise ValueError("not now")

    with node_of(room, on_arrival=hear) as node, sending(node.port) as assoc:
        assert assoc.send_c_store(image()).Status == 0
    assert heard == ["new"]


def test_what_is_no_object_is_refused_with_a_comment(room: Room, node: Node) -> None:
    with raw_sender(node.port) as send:
        for data in (b"\0" * 50, b"not DICOM" * 99, as_bytes(image(StudyInstanceUID=""), "explicit")):
            answer = send(bytes(128) + b"DICM" + data if b"DICM" not in data else data)
            assert 0xC000 <= answer.Status <= 0xCFFF
            assert 0 < len(answer.ErrorComment) <= LONGEST_COMMENT
        assert send(as_bytes(image(), "explicit")).Status == 0
    (line,) = audited(room, "receive")
    assert line.details["refused"] == 3


def test_another_class_or_instance_than_the_request_says_is_refused(room: Room, node: Node) -> None:
    data = as_bytes(image(), "explicit")
    with raw_sender(node.port, sop_class=CT_CLASS) as send:
        assert send(data).Status == 0xA900
    with raw_sender(node.port) as send:
        assert send(data, uid="2.25.99").Status == 0xA900
    assert count(room, Instance) == 0


@pytest.mark.parametrize("fault", ["disk", "database"])
def test_what_cannot_be_kept_is_refused_and_nothing_is_catalogued(
    room: Room, node: Node, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device") if fault == "disk" else OperationalError("", {}, Exception("gone"))

    with monkeypatch.context() as patch, sending(node.port) as assoc:
        if fault == "disk":
            patch.setattr(Objects, "put", fail)
        else:
            patch.setattr("photopeak.room.arriving._register", fail)
        assert assoc.send_c_store(image()).Status == 0xA700
    assert count(room, Instance) == 0
    with sending(node.port) as assoc:
        assert assoc.send_c_store(image()).Status == 0


def test_an_object_beyond_the_limit_is_refused_and_takes_no_memory(tmp_path: Path) -> None:
    room = make_room(tmp_path, max_upload_mb=1)
    with node_of(room) as node, sending(node.port) as assoc:
        large = image()
        large.add_new(0x00091010, "OB", bytes(3 * 2**20))
        answer = assoc.send_c_store(large)
        assert (answer.Status, answer.ErrorComment) == (0xA700, "larger than 1 MB")
        assert assoc.send_c_store(image()).Status == 0
    assert count(room, Instance) == 1


def test_only_peers_that_are_named_may_call_and_only_by_our_name(tmp_path: Path) -> None:
    room = make_room(tmp_path, dicom_peers="CAMERA, ARCHIVE")
    with node_of(room) as node:
        for title, called, well in (
            ("CAMERA", "PHOTOPEAK", True),
            ("STRANGER", "PHOTOPEAK", False),
            ("ARCHIVE", "OTHER", False),
        ):
            with sending(node.port, title=title, called=called) as assoc:
                assert assoc.is_established is well
                assert assoc.is_rejected is not well
    assert [(line.who, line.outcome) for line in audited(room, "refuse", 2)] == [
        ("STRANGER", "failure"),
        ("ARCHIVE", "failure"),
    ]


def test_eight_senders_at_once(room: Room, node: Node) -> None:
    def work(sender: int) -> None:
        with sending(node.port, title=f"CAMERA{sender}") as assoc:
            for number in range(5):
                assert assoc.send_c_store(image(number, study=sender + 1)).Status == 0

    together(work, 8)
    assert count(room, Instance) == 40
    assert len(audited(room, "receive", 8)) == 8


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


def test_a_comment_is_plain_and_short() -> None:
    assert status(0xC000, "Größe\\" + "x" * 90).ErrorComment == "Gr  e " + "x" * 58
