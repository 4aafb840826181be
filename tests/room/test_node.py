"""What the node takes, what it refuses, and that nothing it hears can stop it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pynetdicom.dsutils import create_file_meta, encode_file_meta
from sqlalchemy.exc import OperationalError

from photopeak.room.node import Node
from photopeak.room.node.contexts import supported
from photopeak.room.node.storing import LONGEST_COMMENT, file_head, status
from photopeak.room.objects import Objects
from photopeak.room.room import Room
from photopeak.room.schema import Instance, Version
from tests.dicom.dicom_samples import CT_CLASS, NM_CLASS, SYNTAXES, as_bytes
from tests.room.node_peers import (
    audited,
    count,
    dataset_of,
    dcmtk,
    image,
    make_room,
    node_of,
    raw_sender,
    run,
    sending,
    together,
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


def test_associations_share_what_is_supported_and_leave_it_as_it_is(room: Room, node: Node) -> None:
    server = node._server
    assert server is not None
    assert copy.deepcopy(server.contexts) is server.contexts  # or every caller pays for a copy
    with sending(node.port) as assoc:
        assert assoc.send_c_store(image()).Status == 0
    assert server.contexts == supported()
    roles = [(c.abstract_syntax, c.scu_role, c.scp_role, c.result) for c in server.contexts]
    assert roles == [(c.abstract_syntax, c.scu_role, c.scp_role, c.result) for c in supported()]


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


def test_a_comment_is_plain_and_short() -> None:
    assert status(0xC000, "Größe\\" + "x" * 90).ErrorComment == "Gr  e " + "x" * 58


@pytest.mark.parametrize("instance", ["1.2.3", "1.2.34", f"2.25.{2**128 - 1}"])
def test_the_head_of_a_file_is_the_one_that_pynetdicom_writes(instance: str) -> None:
    for syntax in SYNTAXES.values():
        theirs = encode_file_meta(
            create_file_meta(sop_class_uid=NM_CLASS, sop_instance_uid=instance, transfer_syntax=syntax)
        )
        assert file_head(NM_CLASS, instance, syntax) == bytes(128) + b"DICM" + theirs
