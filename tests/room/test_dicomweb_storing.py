"""Storing over HTTP: what is kept, what is refused and why, and bodies that mean no good."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from photopeak.room.dicomweb.multipart import Part, encode
from photopeak.room.room import Room
from photopeak.room.schema import Audit
from tests.room.dicomweb_peers import as_bytes, calling, image

pytestmark = pytest.mark.untraced

KIND = 'multipart/related; type="application/dicom"; boundary=b'
WEB = "/dicomweb"


@pytest.fixture
def called(tmp_path: Any) -> Iterator[tuple[TestClient, Room]]:
    with calling(tmp_path) as (client, room):
        yield client, room


def send(client: TestClient, *contents: bytes, path: str = "/studies", kind: str = "application/dicom") -> Any:
    body = encode([Part({"Content-Type": kind}, c) for c in contents], "b")
    return client.post(WEB + path, content=body, headers={"Content-Type": KIND})


def test_storing(called: tuple[TestClient, Room]) -> None:
    client, room = called
    woken: list[int] = []

    class Parts:
        def wake(self) -> None:
            woken.append(1)

    client.app.state.parts = Parts()  # type: ignore[attr-defined]
    good, other = as_bytes(image(1, study=81)), as_bytes(image(1, study=82))
    answer = send(client, good)
    assert answer.status_code == 200
    assert answer.json()["00081190"]["Value"] == ["http://room/dicomweb/studies/2.25.181"]
    assert len(woken) == 1
    assert client.get(f"{WEB}/studies/2.25.181", headers={"Accept": "*/*"}).status_code == 200
    mixed = send(client, good, other, b"no DICOM", path="/studies/2.25.181")
    assert mixed.status_code == 202
    answer = mixed.json()
    assert answer["00081199"]["Value"][0]["00081155"]["Value"] == ["2.25.38111"]
    (failed,) = answer["00081198"]["Value"]
    assert failed["00081155"]["Value"] == ["2.25.38211"]
    assert failed["00081197"]["Value"] == [0xA900]
    (unnamed,) = answer["0008119A"]["Value"]
    assert unnamed["00081197"]["Value"] == [0xC000]
    assert "Remedy" in unnamed["00000902"]["Value"][0]
    assert send(client, b"no DICOM").status_code == 409
    assert send(client, good, kind="application/json").status_code == 409
    with room.database.reading() as t:
        lines = t.scalars(select(Audit).where(Audit.action == "receive").order_by(Audit.id)).all()
    assert [(x.outcome, x.what) for x in lines[:2]] == [("success", "2.25.181")] * 2
    assert lines[1].details["refused"] == 2


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("multipart/related; type=\"application/dicom\"", b"--b\r\n\r\nx\r\n--b--", 400),
        (KIND, b"", 400),
        (KIND, b"--b--\r\n", 400),
        (KIND, b"--b\r\n\r\nx", 400),
        (KIND, b"--b\r\nA: " + b"x" * 100_000 + b"\r\n\r\nx\r\n--b--", 400),
        (KIND, b"--b\r\nno header\r\n\r\nx\r\n--b--", 400),
        (KIND, b"--b\r\n\r\n\r\n" * 20_001 + b"--b--", 400),
        (KIND.replace("boundary=b", "boundary=" + "b" * 71), b"", 400),
        (KIND.replace("boundary=b", 'boundary="\u00e9"').encode().decode("latin-1"), b"", 400),
        ("multipart/related; type=\"application/dicom+json\"; boundary=b", b"--b--", 415),
        ("application/dicom", b"", 415),
        ("", b"", 415),
        (KIND, b"x" * (2**20 + 1), 413),
    ],
)  # fmt: skip
def test_hostile_bodies(tmp_path: Any, kind: str, body: bytes, status: int) -> None:
    with calling(tmp_path, max_upload_mb=1) as (client, _):
        headers = {"Content-Type": kind.encode("latin-1")}
        answer = client.post(f"{WEB}/studies", content=body, headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == status
        assert len(answer.json()["detail"]) > 10
        pieces = iter([body[:100], body[100:]])  # without a length
        assert client.post(f"{WEB}/studies", content=pieces, headers=headers).status_code == status  # type: ignore[arg-type]
