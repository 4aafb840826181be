"""The standard's words and the room's own: matching, negotiation, refusals, roles and names that are no names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from sqlalchemy import select

from photopeak.room.access import Needs
from photopeak.room.dicomweb import pictures, qido, stow, wado
from photopeak.room.room import Room
from photopeak.room.schema import Audit, Patient
from tests.room.dicomweb_peers import as_bytes, bearer, calling, image

KIND = 'multipart/related; type="application/dicom"; boundary=b'
WEB = "/dicomweb"
ONE = f"{WEB}/studies/2.25.11/series/2.25.211/instances/2.25.3111"
ROUTERS = (pictures.router, qido.router, stow.router, wado.router)
ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
ODD_NAMES = ["X" * 10_000, "<script>alert(1)</script>^\"'&", "a\x07\x01b^c\u202ed"]


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, Room]]:
    with calling(tmp_path_factory.mktemp("rules")) as (client, room):
        put(room, image(1, study=1))
        put(room, image(2, study=1, series=2, SeriesDescription="Spot views", SeriesNumber="2"))
        put(room, image(1, study=2, PatientID="P2", PatientName="Doe^Jane", StudyDate="20230101", StudyTime="103015"))
        put(room, image(1, study=3, PatientID="P3", PatientName="Doe^J", StudyDate="20220630", Modality="CT"))
        put(room, image(1, study=4, PatientID="P4", PatientIdentityRemoved="YES", AccessionNumber="A_4"))
        with room.database.writing() as t:
            by_id = {p.patient_id: p for p in t.scalars(select(Patient))}
            by_id["P3"].merged_into_id = by_id["P2"].id
        yield client, room


def put(room: Room, ds: Any, syntax: str = "explicit") -> None:
    room.receive(as_bytes(ds, syntax), "CAMERA")


def found(client: TestClient, query: str, level: str = "studies") -> list[str]:
    answer = client.get(f"{WEB}/{level}?{query}")
    assert answer.status_code in (200, 204), answer.text
    unique = {"studies": "0020000D", "series": "0020000E", "instances": "00080018"}[level.rsplit("/", 1)[-1]]
    return sorted(row[unique]["Value"][0] for row in answer.json()) if answer.content else []


@pytest.mark.parametrize(
    ("query", "studies"),
    [
        ("", "1234"),
        ("PatientName=DOE*", "23"),
        ("00100010=m?ller^j%C3%BCrgen", "14"),
        ("PatientName=doe^jane", "23"),  # study 3's patient was merged into hers
        ("PatientID=P2", "23"),
        ("PatientID=P3", ""),
        ("PatientID=P*&StudyDate=20220101-20231231", "23"),
        ("StudyDate=-20221231", "3"),
        ("StudyDate=20240531&StudyTime=0900", "14"),
        ("StudyTime=10-1031", "2"),
        ("StudyInstanceUID=2.25.12,2.25.14", "24"),
        ("0020000D=2.25.12%5C2.25.14", "24"),
        ("ModalitiesInStudy=CT", "3"),
        ("ModalitiesInStudy=CT&ModalitiesInStudy=NM&StudyDate=2022*", None),
        ("AccessionNumber=A_4", "4"),
        ("AccessionNumber=A%3F4", "4"),
        ("NumberOfStudyRelatedInstances=2", "1"),
        ("StudyDescription=", "1234"),
        ("PatientName=*", "1234"),
        ("limit=2", "23"),
        ("limit=2&offset=1", None),
        ("limit=2&offset=3&PatientName=*", None),
        ("offset=99", ""),
        ("StudyID=7", "1234"),
    ],
)
def test_matching(called: tuple[TestClient, Room], query: str, studies: str | None) -> None:
    client, _ = called
    if studies is not None and not query.startswith("limit"):
        assert found(client, query) == [f"2.25.1{n}" for n in studies]
    elif "2022*" in query:
        assert client.get(f"{WEB}/studies?{query}").status_code == 400
    else:
        assert len(found(client, query)) <= 2


def test_pages_follow_each_other_and_are_told(called: tuple[TestClient, Room]) -> None:
    client, _ = called
    for condition in ("", "&PatientName=*e*"):
        answer = client.get(f"{WEB}/studies?limit=9{condition}")
        whole = [r["0020000D"]["Value"][0] for r in answer.json()]
        pages = []
        for offset in range(len(whole)):
            answer = client.get(f"{WEB}/studies?limit=1&offset={offset}{condition}")
            pages += [r["0020000D"]["Value"][0] for r in answer.json()]
            assert ("additional results" in answer.headers.get("warning", "")) == (offset < len(whole) - 1)
        assert pages == whole


def test_fields(called: tuple[TestClient, Room]) -> None:
    client, _ = called
    (row,) = client.get(f"{WEB}/studies?StudyInstanceUID=2.25.13").json()
    assert row["00100020"]["Value"] == ["P2"]
    assert row["00080061"] == {"vr": "CS", "Value": ["CT"]}
    assert row["00201206"] == {"vr": "IS", "Value": [1]}
    assert row["00201208"] == {"vr": "IS", "Value": [1]}
    assert "00100021" not in row
    assert "00100021" in client.get(f"{WEB}/studies?includefield=00100021").json()[0]
    assert "00100021" in client.get(f"{WEB}/studies?includefield=all").json()[0]
    rows = client.get(f"{WEB}/instances?SeriesDescription=Spot*").json()
    assert [r["00100010"]["Value"][0]["Alphabetic"] for r in rows] == ["Müller^Jürgen"]
    assert rows[0]["00280008"]["Value"] == [2]
    (row,) = client.get(f"{WEB}/studies/2.25.11/series?SeriesNumber=2").json()
    assert "00100010" not in row
    assert row["00201209"]["Value"] == [1]
    assert found(client, "", "studies/2.25.11/series/2.25.212/instances") == ["2.25.3122"]
    assert found(client, "Modality=NM", "series") == ["2.25.211", "2.25.212", "2.25.221", "2.25.241"]
    warned = client.get(f"{WEB}/studies?fuzzymatching=true&StudyID=1").headers["warning"]
    assert "literal matching" in warned
    assert "StudyID" in warned
    assert len(Dataset.from_json(rows[0])) == len(rows[0])


@pytest.mark.parametrize(
    "query",
    ["limit=x", "limit=0", "limit=-1", "limit=1&limit=2", "offset=x", "fuzzymatching=maybe", "Nonsense=1", "0008002=1",
     "StudyDate=2020-01-01", "StudyDate=20201301", "StudyDate=20210101-20200101", "StudyTime=99", "StudyInstanceUID=x",
     "StudyInstanceUID=1.*", "includefield=Nonsense", "PatientName=%00", "NumberOfStudyRelatedSeries=x", "=", "%00=1"],
)  # fmt: skip
def test_nonsense_is_refused_in_words(called: tuple[TestClient, Room], query: str) -> None:
    answer = called[0].get(f"{WEB}/studies?{query}")
    assert answer.status_code == 400
    assert len(answer.json()["detail"]) > 10


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        (ONE, "", 200),
        (ONE, "multipart/related", 200),
        (ONE, 'multipart/related; type="application/dicom+xml"', 406),
        (ONE, 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.80', 406),
        (ONE, 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2', 200),
        (ONE, "text/html, */*;q=0.1", 200),
        (ONE, "*/*;q=0", 406),
        (ONE, "*/*;q=2", 400),
        (ONE + "/metadata", "application/dicom+xml", 406),
        (ONE + "/metadata", "application/json", 200),
        (ONE + "/metadata?accept=application/dicom+json", "text/html", 200),
        (ONE + "/frames/1,2", "application/octet-stream", 406),
        (ONE + "/frames/1", "multipart/related; type=application/octet-stream; transfer-syntax=*", 200),
        (ONE + "/frames/1", 'multipart/related; type="*/*"', 200),
        (ONE + "/frames/0", "", 404),
        (ONE + "/frames/3", "", 404),
        (ONE + "/frames/1,,2", "", 400),
        (ONE + "/frames/x", "", 400),
        (ONE + "/rendered", "image/gif", 406),
        (ONE + "/rendered?window=1", "", 400),
        (ONE + "/rendered?window=1,0", "", 400),
        (ONE + "/rendered?window=nan,5,linear", "", 400),
        (ONE + "/rendered?window=10,20,sigmoid", "", 200),
        (ONE + "/rendered?viewport=0,1", "", 400),
        (ONE + "/rendered?viewport=99999,1", "", 400),
        (ONE + "/rendered?viewport=64,64,8,8,16,16", "", 200),
        (ONE + "/rendered?viewport=64,64,99,8,16,16", "", 400),
        (ONE + "/rendered?quality=x", "", 400),
        (ONE + "/frames/1,2/rendered", "image/png", 406),
        (ONE + "/frames/1,2/rendered", "multipart/related; type=image/png", 200),
        (ONE + "/frames/2/thumbnail", "image/png", 200),
        (ONE + "/bulkdata/00100010", "", 404),
        (ONE + "/bulkdata/7FE00011", "", 404),
        (ONE + "/bulkdata/00540016/9/00181234", "", 404),
        (ONE + "/bulkdata/x/y", "", 404),
        (WEB + "/studies/2.25.11/series/2.25.212/thumbnail", "", 200),
        (WEB + "/studies/2.25.11/metadata", "", 200),
        (WEB + "/studies/2.25.11/series/2.25.221", "", 404),
        (WEB + "/studies/2.25.99", "", 404),
        (WEB + "/studies/%00", "", 404),
        (WEB + "/studies/x/series", "", 400),
        (WEB + "/studies", "text/html", 406),
    ],
)
def test_forms(called: tuple[TestClient, Room], path: str, accept: str, status: int) -> None:
    answer = called[0].get(path, headers={"Accept": accept} if accept else {"Accept": "*/*"})
    assert answer.status_code == status, answer.text
    assert status == 200 or answer.json()["detail"]


def test_an_answer_that_is_had_already_is_not_sent_again(called: tuple[TestClient, Room]) -> None:
    client, _ = called
    stored = client.get(ONE, headers={"Accept": "application/dicom; transfer-syntax=*"})
    assert stored.headers["etag"] == f'"{hashlib.sha256(as_bytes(image(1, study=1))).hexdigest()}"'
    assert stored.headers["cache-control"].startswith("private")
    for path in (ONE, ONE + "/metadata", ONE + "/frames/1", ONE + "/rendered", WEB + "/studies/2.25.11"):
        first = client.get(path)
        again = client.get(path, headers={"If-None-Match": f'"x", W/{first.headers["etag"]}'})
        assert (again.status_code, again.content) == (304, b"")
    other = client.get(ONE + "/frames/2", headers={"If-None-Match": client.get(ONE + "/frames/1").headers["etag"]})
    assert other.status_code == 200


def test_a_researcher_sees_deidentified_studies_alone(called: tuple[TestClient, Room]) -> None:
    client, room = called
    headers = bearer(room, "researcher")
    places = {"study": "2.25.11", "series": "2.25.211", "sop": "2.25.3111", "numbers": "1", "path": "7FE00010"}
    visible = {"study": "2.25.14", "series": "2.25.241", "sop": "2.25.3411", "numbers": "1", "path": "7FE00010"}
    tried = 0
    for route in ROUTES:
        path = WEB + route.path.replace(":path", "")
        if "GET" not in route.methods:
            assert client.post(path.format(**places), headers=headers).status_code == 403
            continue
        hidden, shown = (client.get(path.format(**p), headers=headers) for p in (places, visible))
        assert shown.status_code == 200, path
        for other in ("2.25.11", "2.25.12", "Müller" if "Müller" not in shown.text else "Jane"):
            assert f'"{other}"' not in hidden.text
        if "{study}" in path:
            assert hidden.status_code in (204, 404), path
        else:
            assert [r["0020000D"]["Value"] for r in hidden.json()] == [["2.25.14"]]
        assert client.get(path.format(**places), headers={"Authorization": "Bearer x"}).status_code == 401
        tried += 1
    assert tried >= 20


def test_a_common_patient_does_not_name_a_deidentified_study(tmp_path: Any) -> None:
    with calling(tmp_path, "researcher") as (client, room):
        put(room, image(1, study=1, PatientID="", PatientName="Doe^Jane"))
        put(room, image(1, study=2, PatientID="", PatientName="", PatientIdentityRemoved="YES"))
        put(room, image(1, study=3, PatientID="R3", PatientName="R3", PatientIdentityRemoved="YES"))
        rows = {r["0020000D"]["Value"][0]: r for r in client.get(f"{WEB}/studies").json()}
        assert rows["2.25.12"]["00100010"] == {"vr": "PN"}
        assert rows["2.25.13"]["00100010"]["Value"] == [{"Alphabetic": "R3"}]
        assert found(client, "PatientName=Doe*") == []
        assert found(client, "PatientID=R3", "instances") == ["2.25.3311"]


def test_every_route_says_what_it_needs() -> None:
    for route in ROUTES:
        needs = [d.call.what for d in route.dependant.dependencies if isinstance(d.call, Needs)]
        assert needs == ["store" if "POST" in route.methods else "view"], route.path


@pytest.mark.parametrize("number", range(len(ODD_NAMES)))
def test_a_name_stays_text(called: tuple[TestClient, Room], number: int) -> None:
    client, room = called
    name, study = ODD_NAMES[number], 60 + number
    ds = image(1, study=study, PatientID=f"odd{number}", SpecificCharacterSet="ISO_IR 192")
    ds["PatientName"] = DataElement(0x00100010, "PN", name, validation_mode=IGNORE)
    put(room, ds)
    (row,) = client.get(f"{WEB}/studies?PatientID=odd{number}").json()
    assert row["00100010"]["Value"] == [{"Alphabetic": name}]
    (model,) = client.get(f"{WEB}/studies/2.25.1{study}/metadata").json()
    assert model["00100010"]["Value"] == [{"Alphabetic": name}]
    raw = client.get(f"{WEB}/studies?PatientID=odd{number}")
    assert raw.headers["content-type"] == "application/dicom+json"
    assert raw.headers["x-content-type-options"] == "nosniff"


def test_looks_are_written_down_once(called: tuple[TestClient, Room]) -> None:
    client, room = called
    for number in (1, 2):
        client.get(f"{ONE}/frames/{number}")
    with room.database.reading() as t:
        views = t.scalars(select(Audit).where(Audit.action == "view", Audit.what == "2.25.11")).all()
        queries = t.scalars(select(Audit).where(Audit.action == "query")).all()
    assert len(views) == len({v.who for v in views})
    assert queries
    assert json.dumps(queries[0].details)
