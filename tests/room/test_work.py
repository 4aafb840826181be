"""A room that is killed in the middle of a reading: the next process finishes it, and there is one reading."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from photopeak.room.results import commit_reading, find_reading
from photopeak.room.room import Room
from photopeak.room.schema import NetworkReading, Study, now
from photopeak.room.work import ATTEMPTS, enqueue_due
from tests.room.node_peers import count, image, make_room, put, until

# What a process of the room does, with a reading that says that it began and then takes as long as it is told to.
PROCESS = """
import pathlib, sys, time
from photopeak.room import compute
from photopeak.room.room import open_room
from photopeak.room.settings import Settings
from photopeak.room.work import Work

folder, seconds = pathlib.Path(sys.argv[1]), float(sys.argv[2])

def read(self, objects, bundle, assumed):
    with (folder / "began").open("a") as file:
        file.write("x")
    time.sleep(seconds)
    said = {"judgements": [{"question": "metastasis", "probability": 0.75, "answers": ["yes"]}]}
    return compute.Made("f" * 64, ({"reading": said, "views": {}},), ({"anterior/metastasis": b"map"},))

compute.Compute.read = read
work = Work(open_room(Settings(data=folder / "room", dicom_port=0, quiet_seconds=1)))
work.start()
while not (folder / "stop").exists():
    time.sleep(0.05)
work.stop()
"""


@pytest.fixture
def room(tmp_path: Path) -> Room:
    made = make_room(tmp_path)
    put(made, image())
    return made


def due(room: Room, **values: object) -> None:
    with room.database.writing() as t:
        study = t.scalars(select(Study)).one()
        study.due_at = now() - dt.timedelta(seconds=1)
        for name, value in values.items():
            setattr(study, name, value)


def study(room: Room) -> Study:
    with room.database.reading() as t:
        return t.scalars(select(Study)).one()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[object]:
    """Starts processes of the room, and ends those that are left."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(seconds: float) -> subprocess.Popen[bytes]:
        with (tmp_path / "log").open("ab") as log:
            words = [sys.executable, "-c", PROCESS, str(tmp_path), str(seconds)]
            running.append(subprocess.Popen(words, stdout=log, stderr=log))
        return running[-1]

    yield begin
    (tmp_path / "stop").touch()
    for process in running:
        process.wait(30)


def test_a_reading_that_was_cut_off_is_finished_once_by_the_next_process(
    room: Room, tmp_path: Path, start: object
) -> None:
    assert callable(start)
    due(room)

    def began() -> int:
        return len((tmp_path / "began").read_text()) if (tmp_path / "began").exists() else 0

    first = start(60.0)
    until(lambda: began() == 1 or first.poll() is not None, 40)
    assert first.poll() is None, (tmp_path / "log").read_text()
    os.kill(first.pid, signal.SIGKILL)
    first.wait(10)
    assert count(room, NetworkReading) == 0
    waiting = study(room)
    assert waiting.due_at is not None  # still due, only later: it would be taken up even without the workflow's log
    second = start(0.1)
    until(lambda: count(room, NetworkReading) > 0 or second.poll() is not None, 40)
    (tmp_path / "stop").touch()
    assert second.wait(30) == 0, (tmp_path / "log").read_text()
    assert began() == 2
    with room.database.reading() as t:
        reading = t.scalars(select(NetworkReading)).one()
        row = t.scalars(select(Study)).one()
    assert (reading.digest, reading.bundle_sha256) == (row.digest, "f" * 64)
    assert (row.state, row.suspicion, row.uncertainty, row.due_at) == ("read", 0.75, 0.5, None)
    assert room.objects.get(reading.documents[0]["maps"]["anterior/metastasis"]) == b"map"


MADE = {
    "bundle_sha256": "a" * 64,
    "documents": [{"reading": {"judgements": [{"question": "metastasis", "probability": 0.9, "answers": ["yes"]}]}}],
    "seconds": 1.0,
}


def test_a_reading_is_committed_once_and_a_study_asked_for_again_is_due_no_more(room: Room) -> None:
    digest = study(room).digest
    assert commit_reading(room, 1, digest, "bone-scan", MADE)
    assert study(room).due_at is None
    due(room)
    assert not commit_reading(room, 1, digest, "bone-scan", MADE)
    assert study(room).due_at is None
    assert count(room, NetworkReading) == 1
    with room.database.reading() as t:
        assert find_reading(t, 1, digest, "a" * 64) is not None
        assert find_reading(t, 1, digest, "b" * 64) is None


def test_a_reading_of_what_was_there_before_does_not_place_the_study(room: Room) -> None:
    digest = study(room).digest
    put(room, image(2))
    assert commit_reading(room, 1, digest, "bone-scan", MADE)
    now_ = study(room)
    assert now_.digest != digest
    assert (now_.state, now_.suspicion) == ("new", None)
    assert now_.due_at is not None


def test_a_correction_that_was_taken_back_needs_no_new_reading(room: Room) -> None:
    commit_reading(room, 1, study(room).digest, "bone-scan", MADE)
    due(room)
    assert enqueue_due(room) == 1  # which starts no workflow: none could run here
    assert (study(room).due_at, study(room).suspicion) == (None, 0.9)


def test_a_study_that_cannot_be_read_is_given_up_and_says_so(room: Room) -> None:
    due(room, attempt=ATTEMPTS)
    enqueue_due(room)
    assert study(room).due_at is None
    assert f"after {ATTEMPTS} tries" in study(room).warnings[0]
    assert enqueue_due(room) == 0


def test_what_is_not_due_yet_waits(room: Room) -> None:
    with room.database.writing() as t:
        t.scalars(select(Study)).one().due_at = now() + dt.timedelta(hours=1)
    assert enqueue_due(room) == 0
    with room.database.reading() as t:
        assert t.scalar(select(func.count()).select_from(NetworkReading)) == 0
