"""Rooms with a node, the objects that are sent to it, and the machines that call it."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import FileDataset
from pydicom.uid import UID
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from sqlalchemy import select

from photopeak.room.node import Node
from photopeak.room.node.listening import Entity
from photopeak.room.node.sending import _answered, body
from photopeak.room.room import Room, open_room
from photopeak.room.schema import Audit, Destination
from photopeak.room.settings import Settings
from tests.dicom.dicom_samples import NM_CLASS, SYNTAXES, as_bytes, nm

EXPLICIT, IMPLICIT = SYNTAXES["explicit"], SYNTAXES["implicit"]


def make_room(folder: Path, **settings: Any) -> Room:
    """A room in a folder, whose node takes any free port."""
    return open_room(Settings(data=folder / "room", dicom_port=0, quiet_seconds=1, **settings))


@contextlib.contextmanager
def node_of(room: Room, **options: Any) -> Iterator[Node]:
    node = Node(room, **options)
    node.start()
    try:
        yield node
    finally:
        node.stop()


def image(number: int = 1, study: int = 1, series: int = 1, **values: Any) -> FileDataset:
    """A small NM image: the same numbers give the same UIDs."""
    ds = nm(shape=(40, 32))
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"2.25.1{study}", f"2.25.2{study}{series}"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"2.25.3{study}{series}{number}"
    ds.InstanceNumber = str(number)
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def put(room: Room, ds: FileDataset, syntax: str = "explicit", sender: str = "CAMERA") -> None:
    """An object in the catalogue, without the network."""
    room.receive(as_bytes(ds, syntax), sender)


@contextlib.contextmanager
def calling(
    port: int, contexts: list[Any], title: str = "CAMERA", called: str = "PHOTOPEAK", **options: Any
) -> Iterator[Association]:
    """An association, which need not have been accepted."""
    ae = Entity(title)  # which closes its sockets, whatever becomes of them
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 10
    ae.connection_timeout = 5
    assoc = ae.associate("127.0.0.1", port, contexts=contexts, ae_title=called, **options)
    try:
        yield assoc
    finally:
        if assoc.is_established:
            assoc.release()


def sending(port: int, **options: Any) -> contextlib.AbstractContextManager[Association]:
    """An association for NM images in explicit VR little endian."""
    return calling(port, [build_context(NM_CLASS, EXPLICIT), build_context("1.2.840.10008.1.1")], **options)


def echoes(port: int) -> bool:
    with calling(port, [build_context("1.2.840.10008.1.1")]) as assoc:
        return assoc.is_established and assoc.send_c_echo().Status == 0


@contextlib.contextmanager
def archive(
    syntaxes: list[str] | None = None, status: int = 0, title: str = "ARCHIVE", **options: Any
) -> Iterator[tuple[int, list[tuple[str, bytes, Any]]]]:
    """Another archive: (its port, the (transfer syntax, dataset, request) of what came)."""
    came: list[tuple[str, bytes, Any]] = []
    ae = AE(title)
    ae.add_supported_context(NM_CLASS, syntaxes or [EXPLICIT, IMPLICIT])

    def store(event: evt.Event) -> int:
        came.append((str(event.context.transfer_syntax), event.encoded_dataset(include_meta=False), event.request))
        return status

    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)], **options)
    assert server is not None
    try:
        yield server.server_address[1], came
    finally:
        server.shutdown()


def add_destination(room: Room, port: int, title: str = "ARCHIVE", forward: str = "none", tls: bool = False) -> int:
    with room.database.writing() as t:
        row = Destination(ae_title=title, host="127.0.0.1", port=port, forward=forward, tls=tls)
        t.add(row)
        t.flush()
        return row.id


def audited(room: Room, action: str, number: int = 1) -> list[Audit]:
    """The audit's lines of an action; an association's are written after it has ended, so wait for them."""
    until(lambda: len(_audited(room, action)) >= number)
    return _audited(room, action)


def _audited(room: Room, action: str) -> list[Audit]:
    with room.database.reading() as t:
        return list(t.scalars(select(Audit).where(Audit.action == action).order_by(Audit.id)))


def until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)


def count(room: Room, table: Any) -> int:
    with room.database.reading() as t:
        return len(t.scalars(select(table)).all())


def dcmtk(tool: str) -> str:
    """A tool of DCMTK; the environment's own folder is passed over, where pynetdicom puts tools of the same names."""
    path = shutil.which(tool, path="/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    if path is None:
        pytest.skip(f"{tool} is missing: install Debian's dcmtk")
    return path


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)


def together(work: Callable[[int], None], number: int) -> None:
    """Run a function in threads, and let their failures be seen."""
    failures: list[BaseException] = []

    def one(index: int) -> None:
        try:
            work(index)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


def dataset_of(data: bytes) -> bytes:
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
        request = C_STORE()
        request.MessageID, request.Priority = 1, 2
        request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = UID(self.sop_class), UID(uid)
        request.DataSet = BytesIO(dataset_of(data))
        return _answered(self.assoc, request, 1)
