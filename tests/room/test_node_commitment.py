"""Storage commitment."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_context, evt
from sqlalchemy import select

from photopeak.room.node import Node
from photopeak.room.node.commitment import deliver_commitments
from photopeak.room.node.contexts import COMMITMENT
from photopeak.room.room import Room
from photopeak.room.schema import Commitment, Destination, Instance
from tests.dicom.dicom_samples import NM_CLASS
from tests.room.node_peers import (
    add_destination,
    calling,
    count,
    image,
    make_room,
    node_of,
    put,
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


def committing(*uids: str) -> Dataset:
    ds = Dataset()
    ds.TransactionUID = "2.25.777"
    ds.ReferencedSOPSequence = []
    for uid in uids:
        one = Dataset()
        one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID = NM_CLASS, uid
        ds.ReferencedSOPSequence.append(one)
    return ds


def ask_to_commit(port: int, *uids: str, wait: float = 0.0, heard: list[Any] | None = None) -> int:
    handlers = [(evt.EVT_N_EVENT_REPORT, listener(heard if heard is not None else []))]
    with calling(port, [build_context(COMMITMENT)], evt_handlers=handlers) as assoc:
        status, _ = assoc.send_n_action(committing(*uids), 1, COMMITMENT, "1.2.840.10008.1.20.1.1")
        end = time.monotonic() + wait
        while time.monotonic() < end and not heard:
            time.sleep(0.02)
        time.sleep(0.05 if wait else 0)
        return int(status.Status)


def listener(heard: list[Any]) -> Any:
    def report(event: evt.Event) -> tuple[int, None]:
        heard.append((event.event_type, event.event_information))
        return 0, None

    return report


class committed_archive:
    """A peer that listens for reports."""

    def __init__(self, title: str = "CAMERA") -> None:
        self.heard: list[Any] = []
        ae = AE(title)
        ae.add_supported_context(COMMITMENT, scu_role=True, scp_role=True)
        ae.require_called_aet = True
        self.server: Any = ae.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, listener(self.heard))]
        )

    def __enter__(self) -> committed_archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()


def test_a_commitment_is_true(room: Room, node: Node) -> None:
    put(room, image(1))
    put(room, image(2, PatientComments="another"))
    with committed_archive() as peer:
        add_destination(room, peer.server.server_address[1], "CAMERA")
        assert ask_to_commit(node.port, "2.25.3111") == 0
        assert deliver_commitments(room) == 1
        assert deliver_commitments(room) == 0
        event_type, information = peer.heard.pop()
        assert (event_type, information.TransactionUID, len(information.ReferencedSOPSequence)) == (1, "2.25.777", 1)
        assert "FailedSOPSequence" not in information
        with room.database.reading() as t:
            sha256 = t.scalars(select(Instance.sha256).where(Instance.sop_uid == "2.25.3112")).one()
        assert room.objects.folder is not None
        (room.objects.folder / sha256[:2] / sha256).write_bytes(b"rotten")
        assert ask_to_commit(node.port, "2.25.3111", "2.25.3112", "2.25.99") == 0
        assert deliver_commitments(room) == 1
        event_type, information = peer.heard.pop()
        failed = {str(f.ReferencedSOPInstanceUID): f.FailureReason for f in information.FailedSOPSequence}
        assert (event_type, failed) == (2, {"2.25.3112": 0x0112, "2.25.99": 0x0112})
        assert [str(r.ReferencedSOPInstanceUID) for r in information.ReferencedSOPSequence] == ["2.25.3111"]


def test_a_commitment_waits_for_its_peer(room: Room, node: Node) -> None:
    put(room, image(1))
    peer = committed_archive()
    port = peer.server.server_address[1]
    peer.server.shutdown()
    add_destination(room, port, "CAMERA")
    assert ask_to_commit(node.port, "2.25.3111") == 0
    assert deliver_commitments(room) == 0
    with room.database.writing() as t:
        row = t.scalars(select(Commitment)).one()
        assert (row.state, row.attempts) == ("waiting", 1)
        assert row.next_at > dt.datetime.now(dt.UTC).replace(tzinfo=None)
        row.next_at = row.next_at - dt.timedelta(hours=1)
    with committed_archive() as peer:
        with room.database.writing() as t:
            t.scalars(select(Destination)).one().port = peer.server.server_address[1]
        assert deliver_commitments(room) == 1
        assert len(peer.heard) == 1


def test_a_stranger_hears_on_its_own_association(room: Room, node: Node) -> None:
    put(room, image(1))
    heard: list[Any] = []
    assert ask_to_commit(node.port, "2.25.3111", "2.25.5", wait=3, heard=heard) == 0
    assert [(kind, i.TransactionUID) for kind, i in heard] == [(2, "2.25.777")]
    until(lambda: commitment_state(room) == "delivered")


def commitment_state(room: Room) -> str:
    with room.database.reading() as t:
        return t.scalars(select(Commitment)).one().state


def test_a_commitment_without_references_is_refused(room: Room, node: Node) -> None:
    assert ask_to_commit(node.port) == 0x0115
    assert count(room, Commitment) == 0
