"""Forwarding."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from photopeak.room.node import Node
from photopeak.room.node.forwarding import queue, queue_to, send_due
from photopeak.room.room import Room
from photopeak.room.schema import Destination, Outgoing
from tests.dicom.dicom_samples import SYNTAXES
from tests.room.node_peers import (
    EXPLICIT,
    add_destination,
    archive,
    audited,
    image,
    make_room,
    node_of,
    put,
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
