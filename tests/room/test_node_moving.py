"""Retrieval by C-MOVE and C-GET, storage commitment, forwarding, TLS."""

from __future__ import annotations

import datetime as dt
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pynetdicom import AE, build_context, build_role, evt
from sqlalchemy import select

from photopeak.room.node import Node
from photopeak.room.node.commitment import deliver_commitments
from photopeak.room.node.contexts import COMMITMENT, PATIENT_GET, PATIENT_MOVE, STUDY_GET, STUDY_MOVE
from photopeak.room.node.forwarding import queue, queue_to, send_due
from photopeak.room.node.sending import body
from photopeak.room.room import Room
from photopeak.room.schema import Commitment, Destination, Instance, Outgoing
from tests.dicom.dicom_samples import NM_CLASS, SYNTAXES, as_bytes
from tests.room.node_peers import (
    EXPLICIT,
    IMPLICIT,
    add_destination,
    archive,
    audited,
    calling,
    count,
    dcmtk,
    echoes,
    image,
    make_room,
    node_of,
    put,
    run,
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


def filled(room: Room) -> None:
    for study, series, number in ((1, 1, 1), (1, 1, 2), (1, 2, 3), (2, 1, 4)):
        put(room, image(number, study=study, series=series))


def identifier(level: str, **keys: Any) -> Dataset:
    ds = Dataset()
    ds.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        ds.add(DataElement(keyword, dictionary_VR(keyword), value, validation_mode=IGNORE))
    return ds


LEVELS = [
    ("PATIENT", {"PatientID": "P1"}, 4),
    ("STUDY", {"StudyInstanceUID": "2.25.11"}, 3),
    ("STUDY", {"StudyInstanceUID": ["2.25.11", "2.25.12"]}, 4),
    ("SERIES", {"StudyInstanceUID": "2.25.11", "SeriesInstanceUID": "2.25.211"}, 2),
    ("IMAGE", {"SOPInstanceUID": "2.25.3123"}, 1),
    ("IMAGE", {"SOPInstanceUID": "2.25.99"}, 0),
]


def final(replies: Any) -> Dataset:
    return list(replies)[-1][0]


@pytest.mark.parametrize(("level", "keys", "number"), LEVELS)
def test_move_at_every_level(room: Room, node: Node, level: str, keys: dict[str, Any], number: int) -> None:
    filled(room)
    with archive() as (port, came):
        add_destination(room, port)
        with calling(node.port, [build_context(PATIENT_MOVE)]) as assoc:
            last = final(assoc.send_c_move(identifier(level, **keys), "ARCHIVE", PATIENT_MOVE))
    assert (last.Status, last.NumberOfCompletedSuboperations, len(came)) == (0, number, number)
    assert last.NumberOfFailedSuboperations == last.NumberOfWarningSuboperations == 0
    for _, stream, request in came:
        assert request.MoveOriginatorApplicationEntityTitle == "CAMERA"
        with room.database.reading() as t:
            asked = select(Instance).where(Instance.sop_uid == request.AffectedSOPInstanceUID)
            data = room.objects.get(t.scalars(asked).one().sha256)
        assert data[body(data)[1] :] == stream
    (line,) = audited(room, "send")
    assert line.details.get("completed", 0) == number


@pytest.mark.parametrize(("level", "keys", "number"), LEVELS)
def test_get_at_every_level(room: Room, node: Node, level: str, keys: dict[str, Any], number: int) -> None:
    filled(room)
    came = []

    def store(event: evt.Event) -> int:
        came.append(event.encoded_dataset(include_meta=False))
        return 0

    contexts, roles = (
        [build_context(PATIENT_GET), build_context(NM_CLASS, EXPLICIT)],
        [build_role(NM_CLASS, False, True)],
    )
    handlers = [(evt.EVT_C_STORE, store)]
    with calling(node.port, contexts, ext_neg=roles, evt_handlers=handlers) as assoc:
        last = final(assoc.send_c_get(identifier(level, **keys), PATIENT_GET))
    assert (last.Status, last.NumberOfCompletedSuboperations, len(came)) == (0, number, number)


@pytest.mark.parametrize("asked", [{"StudyInstanceUID": ""}, {"StudyInstanceUID": "*"}, {}, {"PatientID": "P1"}])
def test_a_retrieval_must_name_what_it_retrieves(room: Room, node: Node, asked: dict[str, Any]) -> None:
    filled(room)
    with archive() as (port, came):
        add_destination(room, port)
        with calling(node.port, [build_context(STUDY_MOVE), build_context(STUDY_GET)]) as assoc:
            assert final(assoc.send_c_move(identifier("STUDY", **asked), "ARCHIVE", STUDY_MOVE)).Status == 0xA900
            assert final(assoc.send_c_get(identifier("STUDY", **asked), STUDY_GET)).Status == 0xA900
    assert came == []


def test_move_to_an_unknown_destination(room: Room, node: Node) -> None:
    filled(room)
    with calling(node.port, [build_context(STUDY_MOVE)]) as assoc:
        last = final(assoc.send_c_move(identifier("STUDY", StudyInstanceUID="2.25.11"), "NOBODY", STUDY_MOVE))
    assert last.Status == 0xA801
    assert [line.outcome for line in audited(room, "send")] == ["failure"]


def test_what_the_destination_refuses_or_cannot_decode_is_counted(room: Room, node: Node) -> None:
    put(room, image(1), "jpeg-ls")
    put(room, image(2), "deflated")
    with calling(node.port, [build_context(STUDY_MOVE)]) as assoc, archive([IMPLICIT]) as (port, came):
        add_destination(room, port)
        last = final(assoc.send_c_move(identifier("STUDY", StudyInstanceUID="2.25.11"), "ARCHIVE", STUDY_MOVE))
        counts = last.NumberOfCompletedSuboperations, last.NumberOfFailedSuboperations
        assert (last.Status, counts) == (0xB000, (1, 1))
        ((syntax, _, _),) = came
        assert syntax == IMPLICIT
    with archive(status=0xA700, title="FULL") as (port, _):
        add_destination(room, port, "FULL")
        with calling(node.port, [build_context(STUDY_MOVE)]) as assoc:
            last = final(assoc.send_c_move(identifier("STUDY", StudyInstanceUID="2.25.11"), "FULL", STUDY_MOVE))
        assert (last.Status, last.NumberOfFailedSuboperations) == (0xA702, 2)


def test_dcmtk_moves_to_itself(room: Room, node: Node, tmp_path: Path) -> None:
    filled(room)
    tool = dcmtk("movescu")
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    add_destination(room, port, "MOVER")
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=2.25.11")
    words = ("-S", "-aet", "MOVER", "-aec", "PHOTOPEAK", "+P", str(port), "-od", str(tmp_path), *keys)
    done = run(tool, *words, "127.0.0.1", str(node.port))
    assert done.returncode == 0, done.stderr
    assert len([p for p in tmp_path.iterdir() if p.is_file()]) == 3


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


def waiting(room: Room) -> list[tuple[str, int, str]]:
    with room.database.reading() as t:
        return [(o.state, o.attempts, o.error) for o in t.scalars(select(Outgoing).order_by(Outgoing.id))]


def make_due(room: Room) -> None:
    with room.database.writing() as t:
        for row in t.scalars(select(Outgoing)):
            row.next_at = dt.datetime(2020, 1, 1)


def test_forwarding_sends_what_each_wants_in_its_own_syntax(room: Room) -> None:
    put(room, image(1), "jpeg-ls")
    put(room, image(2), "explicit")
    put(room, image(3), "explicit", sender="EVERYTHING")
    uids = ["2.25.3111", "2.25.3112", "2.25.3113", "2.25.99"]
    with (
        archive(list(SYNTAXES.values()), title="EVERYTHING") as (everything, all_came),
        archive(title="RESULTS") as (results, results_came),
    ):
        add_destination(room, everything, "EVERYTHING", "all")
        add_destination(room, results, "RESULTS", "results")
        nothing = add_destination(room, 1, "NOTHING", "none")
        with room.database.writing() as t:
            assert queue(t, uids, made_here=False) == 2
            assert queue(t, uids, made_here=False) == 0
            assert queue(t, ["2.25.3112"], made_here=True) == 1
            assert t.get(Destination, nothing) is not None
        assert send_due(room) == 3
        assert send_due(room) == 0
    assert sorted(syntax for syntax, _, _ in all_came) == sorted([SYNTAXES["jpeg-ls"], EXPLICIT])
    assert len(results_came) == 1
    assert {state for state, _, _ in waiting(room)} == {"sent"}
    assert len(audited(room, "send", 2)) == 2


def test_forwarding_tries_again_until_it_is_taken(room: Room) -> None:
    put(room, image(1))
    number = add_destination(room, 1)
    with room.database.writing() as t:
        to = t.get(Destination, number)
        assert to is not None
        assert queue_to(t, to, ["2.25.3111"]) == 1
    assert send_due(room) == 0
    ((state, attempts, error),) = waiting(room)
    assert (state, attempts) == ("waiting", 1)
    assert "does not answer" in error
    assert "Remedy" in error
    assert send_due(room) == 0  # not yet due
    assert waiting(room)[0][1] == 1
    for status, words in ((0xA900, "0xA900"), (0xC000, "0xC000")):
        with archive(status=status) as (port, _):
            to_port(room, port)
            assert send_due(room) == 0
        assert words in waiting(room)[0][2]
    with archive([SYNTAXES["big"]]) as (port, _):
        to_port(room, port)
        assert send_due(room) == 0
        assert "accepts no context" in waiting(room)[0][2]
    with archive(status=0xB007) as (port, came):
        to_port(room, port)
        assert send_due(room) == 1
        assert len(came) == 1
    assert waiting(room) == [("sent", 5, "")]


def to_port(room: Room, port: int) -> None:
    with room.database.writing() as t:
        t.scalars(select(Destination)).one().port = port
    make_due(room)


def test_forwarding_waits_longer_each_time(room: Room) -> None:
    put(room, image(1))
    number = add_destination(room, 1)
    with room.database.writing() as t:
        to = t.get(Destination, number)
        assert to is not None
        queue_to(t, to, ["2.25.3111"])
    waits = []
    for _ in range(3):
        make_due(room)
        before = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        send_due(room)
        with room.database.reading() as t:
            waits.append((t.scalars(select(Outgoing.next_at)).one() - before).total_seconds())
    assert [round(w) for w in waits] == [2, 4, 8]


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


def test_a_file_with_an_unusual_head_is_still_split() -> None:
    data = as_bytes(image(), "implicit")
    syntax, start = body(data)
    assert (syntax, body(data[132:])[1]) == (IMPLICIT, start - 132)
    assert body(data[start:]) == ("", 0)
    assert body(b"") == ("", 0)
