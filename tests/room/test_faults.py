"""What a kill or a full disk leaves is gone on with; benchmarks/room_faults.py does the same to a real server."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest
from dbos import DBOS
from sqlalchemy import select

from photopeak.room import work
from photopeak.room.schema import Study, now
from tests.room.node_peers import image, make_room, put

KILLED = """
import os, signal
from photopeak.room.compute import Compute
if __name__ == "__main__":
    pool = Compute()._running()
    print(pool.submit(os.getpid).result(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_process_that_reads_ends_with_a_server_that_was_killed(tmp_path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    out = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, text=True, check=False, timeout=60).stdout
    end = time.monotonic() + 20
    while psutil.pid_exists(int(out)) and psutil.Process(int(out)).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end, "it outlived its server"
        time.sleep(0.1)


def test_a_reading_that_cannot_be_enqueued_stays_due(tmp_path, monkeypatch) -> None:
    room = make_room(tmp_path)
    put(room, image())
    with room.database.writing() as t:
        t.scalars(select(Study)).one().due_at = now() - dt.timedelta(seconds=1)

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(DBOS, "enqueue_workflow", full)
    for _ in range(2):
        with pytest.raises(OSError, match="no space"):
            work.enqueue_due(room)
    with room.database.reading() as t:
        study = t.scalars(select(Study)).one()
        assert (study.attempt, study.due_at is not None and study.due_at < now()) == (0, True)
    room.database.close()


def test_readings_that_nobody_works_on_are_taken_up_again(tmp_path, monkeypatch) -> None:
    room = make_room(tmp_path)
    resumed: list[str] = []
    begun = [SimpleNamespace(workflow_id="here"), SimpleNamespace(workflow_id="lost")]
    monkeypatch.setattr(work, "_working", {"here"})
    monkeypatch.setattr(DBOS, "list_workflows", lambda **_: begun)
    monkeypatch.setattr(DBOS, "resume_workflow", lambda name, queue_name: resumed.append(name))
    assert work.take_up_lost(room) == 1
    assert resumed == ["lost"]
    room.database.close()
