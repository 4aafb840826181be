"""Retrieval by C-MOVE and C-GET."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pynetdicom import build_context, build_role, evt
from sqlalchemy import select

from photopeak.room.node import Node
from photopeak.room.node.contexts import PATIENT_GET, PATIENT_MOVE, STUDY_GET, STUDY_MOVE
from photopeak.room.node.sending import body
from photopeak.room.room import Room
from photopeak.room.schema import Instance
from tests.dicom.dicom_samples import NM_CLASS, as_bytes
from tests.room.node_peers import (
    EXPLICIT,
    IMPLICIT,
    add_destination,
    archive,
    audited,
    calling,
    dcmtk,
    image,
    make_room,
    node_of,
    put,
    run,
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


def test_a_file_with_an_unusual_head_is_still_split() -> None:
    data = as_bytes(image(), "implicit")
    syntax, start = body(data)
    assert (syntax, body(data[132:])[1]) == (IMPLICIT, start - 132)
    assert body(data[start:]) == ("", 0)
    assert body(b"") == ("", 0)
