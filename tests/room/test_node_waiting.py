"""An association that has nothing to do does nothing, and what comes is answered at once."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from photopeak.room.node import Node
from photopeak.room.node.waiting import LONGEST_SECONDS
from photopeak.room.room import Room
from tests.room.node_peers import make_room, node_of, sending, until

ECHOES = 30


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = make_room(tmp_path)
    yield room
    room.database.close()


@pytest.fixture
def node(room: Room) -> Iterator[Node]:
    with node_of(room) as node:
        yield node


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_threads_of_a_silent_association_sleep(node: Node) -> None:
    with sending(node.port):
        assert node._server is not None
        (association,) = node._server.active_associations
        for thread in (association, association.dul):
            before = awakenings(thread)
            time.sleep(1.0)
            assert awakenings(thread) - before < 5 / LONGEST_SECONDS  # of pynetdicom's own there are a thousand


def awakenings(thread: threading.Thread) -> int:
    lines = Path(f"/proc/self/task/{thread.native_id}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def test_what_comes_is_answered_at_once_and_an_end_is_noticed(node: Node) -> None:
    with sending(node.port) as assoc:
        time.sleep(2 * LONGEST_SECONDS)  # both threads wait by now
        started = time.monotonic()
        assert all(assoc.send_c_echo().Status == 0 for _ in range(ECHOES))
        assert time.monotonic() - started < ECHOES * LONGEST_SECONDS / 2
        assert node._server is not None
    until(lambda: not node._server.active_associations)  # type: ignore[union-attr]
