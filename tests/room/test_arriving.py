"""Objects arrive: once, corrected, put in order, and never so that two people become one."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from pydicom.multival import MultiValue
from sqlalchemy import select

from photopeak.core import DicomError
from photopeak.room.arriving import Arrival, digest_of, family
from photopeak.room.room import Room
from photopeak.room.schema import Instance, Patient, Study, Version, now
from tests.dicom.dicom_samples import as_bytes
from tests.room.node_peers import count, image, make_room, together
from tests.room.postgres import new_database, postgres_url  # noqa: F401
from tests.room.room_people import People


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return make_room(tmp_path)


def arrive(room: Room, ds: Any, sender: str = "CAMERA") -> Arrival:
    return room.receive(as_bytes(ds, "explicit"), sender)


def study(room: Room, key: int = 1) -> Study:
    with room.database.reading() as t:
        found = t.get(Study, key)
        assert found is not None
        return found


def change(room: Room, key: int = 1, **values: Any) -> None:
    with room.database.writing() as t:
        row = t.get(Study, key)
        for name, value in values.items():
            setattr(row, name, value)


def test_what_comes_twice_is_kept_once(room: Room) -> None:
    assert arrive(room, image()).outcome == "new"
    before = study(room)
    change(room, due_at=None)
    assert arrive(room, image(), "OTHER").outcome == "duplicate"
    after = study(room)
    assert (after.digest, after.change, after.instances, after.due_at) == (before.digest, before.change, 1, None)
    assert count(room, Instance) == 1
    assert count(room, Version) == 0


def test_a_correction_takes_the_place_and_what_was_there_stays(room: Room) -> None:
    first = arrive(room, image())
    digest = study(room).digest
    second = arrive(room, image(SeriesDescription="corrected"), "PACS")
    assert second.outcome == "correction"
    with room.database.reading() as t:
        assert t.scalars(select(Instance.sha256)).all() == [second.sha256]
        kept = t.scalars(select(Version)).one()
        assert (kept.sha256, kept.sender) == (first.sha256, "CAMERA")
    assert room.objects.get(first.sha256) != room.objects.get(second.sha256)
    assert study(room).digest != digest
    assert study(room).instances == 1


def test_a_correction_that_goes_to_another_study_leaves_the_first_in_order(room: Room) -> None:
    arrive(room, image(1))
    alone = study(room).digest
    with room.database.reading() as t:
        assert alone == digest_of(t, 1)
    arrive(room, image(2))
    moved = image(2, StudyInstanceUID="2.25.999", SeriesInstanceUID="2.25.9991")
    assert arrive(room, moved).outcome == "correction"
    assert (study(room).instances, study(room).digest) == (1, alone)
    assert study(room, 2).instances == 1
    with room.database.reading() as t:
        assert study(room, 2).digest == digest_of(t, 2)
    arrive(room, image(2, StudyInstanceUID="2.25.999", SeriesInstanceUID="2.25.9992", SeriesDescription="again"))
    assert study(room, 2).instances == count(room, Instance) - 1 == 1


def test_every_new_image_puts_the_reading_off(room: Room) -> None:
    before = now()
    arrive(room, image(1))
    first = study(room).due_at
    assert first is not None
    assert dt.timedelta(seconds=1) <= first - before < dt.timedelta(seconds=10)
    change(room, due_at=None, attempt=4)
    arrive(room, image(2))
    second = study(room).due_at
    assert second is not None
    assert second >= first
    assert study(room).attempt == 0


def test_what_holds_no_image_to_read_is_due_never(room: Room) -> None:
    arrive(room, image(SOPClassUID="1.2.840.10008.5.1.4.1.1.7", Modality="OT"))
    assert (study(room).due_at, study(room).digest, study(room).modalities) == (None, "", "OT")


def test_the_same_id_of_two_issuers_is_two_people(room: Room) -> None:
    arrive(room, image(study=1, IssuerOfPatientID="North", PatientName="Adam"))
    arrive(room, image(study=2, IssuerOfPatientID="South", PatientName="Berg"))
    arrive(room, image(study=3, IssuerOfPatientID="North", PatientName="Adam^Anna"))
    with room.database.reading() as t:
        assert t.scalars(select(Patient.name).order_by(Patient.id)).all() == ["Adam^Anna", "Berg"]
    assert study(room, 1).patient_key == study(room, 3).patient_key != study(room, 2).patient_key


def test_studies_without_a_patient_id_are_not_one_persons(room: Room) -> None:
    arrive(room, image(study=1, PatientID="", PatientName="Adam"))
    arrive(room, image(study=2, PatientID="", PatientName="Berg"))
    arrive(room, image(2, study=1, PatientID="", PatientName=""))
    assert [study(room, k).patient.name for k in (1, 2)] == ["Adam", "Berg"]
    assert study(room, 1).warnings == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_objects_that_arrive_at_once_are_all_counted(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("new_database")() if kind == "postgresql" else ""
    room = make_room(tmp_path, database_url=url)
    files = [as_bytes(image(n, series=n % 3), "explicit") for n in range(1, 13)]
    together(lambda i: room.receive(files[i], "CAMERA") and None, len(files))
    assert count(room, Patient) == count(room, Study) == 1
    assert study(room).instances == count(room, Instance) == len(files)
    with room.database.reading() as t:
        assert study(room).digest == digest_of(t, 1)
    room.database.close()


def test_two_patients_in_one_study_are_not_read_until_somebody_says_they_are_one(tmp_path: Path) -> None:
    people = People(tmp_path)
    room = people.room
    arrive(room, image(1, PatientID="P1"))
    arrive(room, image(2, PatientID="P12"))
    assert study(room).due_at is None
    assert "P1 and P12" in study(room).warnings[0]
    arrive(room, image(3, PatientID="P1"))
    assert study(room).due_at is None
    # Another study with the same trouble, and one of each patient alone.
    arrive(room, image(1, study=2, PatientID="P12"))
    arrive(room, image(1, study=3, PatientID="P3"))
    arrive(room, image(2, study=3, PatientID="P1"))
    admin = people.sign_in("administrator")

    def merge(a: int, b: int) -> int:
        return int(admin.ask("POST", "/api/admin/merge", json={"from_study": a, "into_study": b}).status_code)

    assert merge(1, 2) == 200
    assert study(room).warnings == []
    assert study(room).due_at is not None
    assert len(study(room, 3).warnings) == 1  # which is about P3, whose name merely begins alike
    assert study(room, 3).due_at is None
    assert merge(2, 1) == 409
    assert merge(1, 99) == 404
    assert merge(3, 1) == 200
    assert study(room, 3).due_at is not None
    with room.database.reading() as t:
        first = t.get(Patient, 1)
        assert first is not None
        assert sorted(p.patient_id for p in family(t, first)) == ["P1", "P12", "P3"]
    arrive(room, image(4, PatientID="P12"))  # what is sent under the old ID is the same person's
    assert study(room).warnings == []
    others = admin.ask("GET", "/api/studies/1").json()["others"]
    assert sorted(o["key"] for o in others) == [2, 3]


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "SOPClassUID"])
@pytest.mark.filterwarnings("ignore")  # pydicom's, when it writes such a file
@pytest.mark.parametrize("uid", ["", "1.2.x", "../../etc/passwd", "1" * 65, "1.2\n"])
def test_what_has_no_uid_is_refused_and_leaves_nothing(room: Room, keyword: str, uid: str) -> None:
    ds = image()
    ds.add_new(keyword, "LO", uid)  # a text: pydicom writes what no UID may hold
    with pytest.raises(DicomError, match="Remedy"):
        arrive(room, ds)
    assert count(room, Study) == count(room, Instance) == 0
    assert list(room.objects.names()) == []


@pytest.mark.parametrize("data", [b"", b"DICM", b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM" + b"\xff" * 64])
def test_garbage_is_refused(room: Room, data: bytes) -> None:
    with pytest.raises(DicomError):
        room.receive(data, "CAMERA")
    assert count(room, Study) == 0


def test_a_series_of_another_study_is_refused(room: Room) -> None:
    arrive(room, image(1, study=1))
    with pytest.raises(DicomError, match="belongs to another study"):
        arrive(room, image(2, study=2, SeriesInstanceUID=image(1, study=1).SeriesInstanceUID))
    assert count(room, Instance) == 1
    assert count(room, Study) == 1


@pytest.mark.parametrize(
    "values",
    [
        {"PatientName": "x" * 30_000, "PatientID": "y" * 500, "StudyDescription": "<script>" * 999},
        {"PatientName": "a\0b", "PatientID": "'; DROP TABLE studies; --", "AccessionNumber": "n" * 99},
        {"ImageType": ["ORIGINAL", "PRIMARY", "WHOLE BODY", "EMISSION", *["z" * 16] * 40]},
        {"PatientID": MultiValue(str, ["P1", "P2"]), "StudyDate": "2024", "Modality": "N" * 40, "SeriesNumber": "-7"},
    ],
    ids=["long", "nul", "image type", "several"],
)
@pytest.mark.filterwarnings("ignore")  # pydicom's, when it writes such a file
def test_hostile_texts_fit_the_catalogue(room: Room, values: dict[str, Any]) -> None:
    ds = image()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    arrive(room, ds, "S" * 200)
    with room.database.reading() as t:
        for row in (*t.scalars(select(Patient)), *t.scalars(select(Study)), *t.scalars(select(Instance))):
            for column in row.__table__.c:
                value = getattr(row, column.name)
                if isinstance(value, str):
                    assert "\0" not in value
                    assert len(value) <= (getattr(column.type, "length", None) or 20_000), column
