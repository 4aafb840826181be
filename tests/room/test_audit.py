"""The audit trail: nobody changes it unseen, and other systems can read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from structlog.testing import capture_logs

from photopeak.core import PhotopeakError
from photopeak.room.audit import EVENTS, FIRST, Event, as_message, broken_at, lines, record
from photopeak.room.audit_head import NAME, head_of, keep_head, kept_head, known, stands
from photopeak.room.room import Room
from photopeak.room.schema import Audit
from photopeak.room.serving import _look_at_trail
from tests.room.node_peers import make_room, together

#: PS3.16 CID 400, Audit Event ID
CID_400 = {
    "110100": "Application Activity",
    "110101": "Audit Log Used",
    "110102": "Begin Transferring DICOM Instances",
    "110103": "DICOM Instances Accessed",
    "110104": "DICOM Instances Transferred",
    "110105": "DICOM Study Deleted",
    "110106": "Export",
    "110107": "Import",
    "110108": "Network Entry",
    "110109": "Order Record",
    "110110": "Patient Record",
    "110111": "Procedure Record",
    "110112": "Query",
    "110113": "Security Alert",
    "110114": "User Authentication",
}
HOSTILE = [
    "".join(map(chr, range(1, 32))),
    '"><script>alert(1)</script>&amp;]]>',
    "x" * 10_000,
    "\x7f\x85\u2028\ufffe\uffff",
    "\U0001f9b4 骨",
]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = make_room(tmp_path)
    with made.database.writing() as t:
        for i in range(5):
            record(t, Event("view", f"reader {i}", f"2.25.{i}", details={"n": i, "word": "é"}))
    yield made
    made.database.close()


def broken(room: Room) -> int | None:
    with room.database.reading() as t:
        return broken_at(t)


def forge(room: Room, *statements: str) -> None:
    """As somebody would who owns the database."""
    with room.database.writing() as t:
        for name in ("audit_update", "audit_delete"):
            t.execute(text(f"DROP TRIGGER {name}"))
        for statement in statements:
            t.execute(text(statement))


def test_what_was_written_follows_from_what_was_before(room: Room) -> None:
    with room.database.reading() as t:
        found = list(lines(t))
    assert [x.previous for x in found] == [FIRST, *(x.sha256 for x in found[:-1])]
    assert broken(room) is None


@pytest.mark.parametrize("statement", ["UPDATE audit SET who = 'x' WHERE id = 3", "DELETE FROM audit WHERE id = 3"])
def test_the_database_itself_refuses_to_change_it(room: Room, statement: str) -> None:
    with pytest.raises(SQLAlchemyError, match="the audit trail is frozen"), room.database.writing() as t:
        t.execute(text(statement))
    assert broken(room) is None


@pytest.mark.parametrize(
    "column", ["at", "who", "address", "action", "outcome", "what", "details", "previous", "sha256"]
)
def test_a_changed_line_is_found(room: Room, column: str) -> None:
    value = {"at": "2001-01-01 00:00:00.000000", "details": '{"n": 7}'}.get(column, "sign")
    forge(room, f"UPDATE audit SET {column} = '{value}' WHERE id = 3")
    assert broken(room) == 3


def test_a_line_that_was_taken_out_is_found(room: Room) -> None:
    forge(room, "DELETE FROM audit WHERE id = 3")
    assert broken(room) == 4


def test_the_first_line_cannot_be_taken_out_either(room: Room) -> None:
    forge(room, "DELETE FROM audit WHERE id = 1")
    assert broken(room) == 2


def whole(room: Room) -> bool:
    with room.database.reading() as t:
        return stands(t, kept_head(room.settings.data))


def test_an_end_that_was_cut_off_is_found(room: Room) -> None:
    assert keep_head(room) == 1
    assert keep_head(room) == 0  # nothing came since
    with room.database.reading() as t:
        last = head_of(t)
    assert last is not None
    assert (last.line, whole(room)) == (5, True)
    forge(room, "DELETE FROM audit WHERE id > 3")
    assert broken(room) is None  # the chain alone does not show it
    assert not whole(room)
    with room.database.writing() as t:
        assert not known(t, last.sha256)
        for i in range(9):  # nor does it help to write other lines in their place
            record(t, Event("view", f"reader {i}", "2.25.9"))
    assert broken(room) is None
    assert keep_head(room) == 0
    assert kept_head(room.settings.data) == last
    assert not whole(room)


def test_a_start_tells_of_an_end_that_is_gone_and_goes_on(room: Room) -> None:
    with capture_logs() as told:
        _look_at_trail(room)
    assert told == []
    forge(room, "DELETE FROM audit WHERE id > 3")
    for spoil in ("", "[]"):
        if spoil:
            (room.settings.data / NAME).write_text(spoil)
        with capture_logs() as told:
            _look_at_trail(room)
        assert [(x["event"], x["log_level"]) for x in told] == [("audit trail", "error")]


def test_a_head_goes_on_with_the_trail(room: Room) -> None:
    assert whole(room)  # nothing was kept yet
    keep_head(room)
    with room.database.writing() as t:
        record(t, Event("view", "ada"))
    assert keep_head(room) == 1
    kept = kept_head(room.settings.data)
    assert kept is not None
    assert kept.line == 6
    (room.settings.data / NAME).write_text("{}")
    with pytest.raises(PhotopeakError, match="does not say how far"):
        kept_head(room.settings.data)


def test_a_line_that_was_put_in_is_found(room: Room) -> None:
    forge(
        room,
        "UPDATE audit SET id = id + 100 WHERE id > 3",
        "INSERT INTO audit SELECT 4, at, who, address, action, outcome, what, details, previous, 'x' FROM audit "
        "WHERE id = 3",
    )
    assert broken(room) == 4


def test_two_lines_that_changed_places_are_found(room: Room) -> None:
    forge(
        room,
        "UPDATE audit SET id = 99 WHERE id = 2",
        "UPDATE audit SET id = 2 WHERE id = 3",
        "UPDATE audit SET id = 3 WHERE id = 99",
    )
    assert broken(room) == 2


def test_many_at_once_make_one_chain(room: Room) -> None:
    def write(index: int) -> None:
        with room.database.writing() as t:
            record(t, Event("view", f"thread {index}"))

    together(write, 8)
    assert broken(room) is None
    with room.database.reading() as t:
        assert len(list(lines(t))) == 13


def test_what_did_not_happen_is_not_written_down(room: Room) -> None:
    def fail_after_writing() -> None:
        with room.database.writing() as t:
            record(t, Event("sign", "ada"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_writing()
    with room.database.reading() as t:
        assert "sign" not in {x.action for x in lines(t)}


def message(room: Room, event: Event) -> Xml.Element:
    """The audit message of an event that went through the database."""
    with room.database.writing() as t:
        record(t, event)
    with room.database.reading() as t:
        written = as_message(list(lines(t))[-1])
    assert "\n" not in written  # one message a line
    return Xml.fromstring(written.encode("utf-8"))


@pytest.mark.parametrize("words", HOSTILE)
def test_a_message_is_well_formed_whatever_it_tells(room: Room, words: str) -> None:
    found = message(room, Event("receive", words, words, "failure", words, {"why": words}))
    user = found.find("ActiveParticipant")
    thing = found.find("ParticipantObjectIdentification")
    assert user is not None
    assert thing is not None
    kept = "".join("\ufffd" if c < " " or c in "\ufffe\uffff" else c for c in words)
    assert thing.get("ParticipantObjectID") == kept
    assert user.get("UserID") == kept[:256]
    assert broken(room) is None


def test_a_lone_surrogate_is_no_reason_to_fail() -> None:
    line = Audit(action="query", who="\ud800", what="\udfff", address="", outcome="success")
    from photopeak.room.schema import now

    line.at = now()
    assert Xml.fromstring(as_message(line).encode("utf-8")).tag == "AuditMessage"


@pytest.mark.parametrize("action", list(EVENTS))
def test_every_event_has_its_code(room: Room, action: str) -> None:
    event = message(room, Event(action, "ada")).find("EventIdentification")
    assert event is not None
    name = event.find("EventID")
    assert name is not None
    assert name.get("codeSystemName") == "DCM"
    assert CID_400[name.get("csd-code", "")] == name.get("originalText")
    assert event.get("EventActionCode") in set("CRUDE")
    if name.get("csd-code") in ("110100", "110113", "110114"):  # A.5.3.1, A.5.3.11, A.5.3.12: execute
        assert event.get("EventActionCode") == "E"
    assert event.get("EventDateTime", "").endswith("+00:00")


@pytest.mark.parametrize(
    ("action", "code"), [("start", "110120"), ("stop", "110121"), ("sign in", "110122"), ("sign out", "110123")]
)
def test_what_the_standard_tells_apart_has_a_type(room: Room, action: str, code: str) -> None:
    event = message(room, Event(action, "ada")).find("EventIdentification")
    assert event is not None
    assert code in [t.get("csd-code") for t in event.findall("EventTypeCode")]


def test_an_outcome_is_told(room: Room) -> None:
    told = {}
    for outcome in ("success", "failure"):
        event = message(room, Event("sign in", "ada", outcome=outcome)).find("EventIdentification")
        assert event is not None
        told[outcome] = event.get("EventOutcomeIndicator")
    assert told == {"success": "0", "failure": "8"}
