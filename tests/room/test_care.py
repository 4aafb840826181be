"""Backup and restore, what the doctor finds, and the command line that does it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select, text

from photopeak.core import PhotopeakError
from photopeak.room.accounts import add_user
from photopeak.room.audit import Event, broken_at, record
from photopeak.room.audit_head import NAME, keep_head
from photopeak.room.care import backup, examine, restore
from photopeak.room.commands import room as command
from photopeak.room.room import Room, open_room
from photopeak.room.schema import Audit, Instance, Patient, Read, Report, Study, Table, TextReport, now
from photopeak.room.settings import Settings
from tests.room.node_peers import image, make_room, put
from tests.room.postgres import new_database, postgres_url  # noqa: F401

STRANGE = "line\nfeed \u2028 \x85 \x1c \r end ü"


@pytest.fixture
def room(tmp_path: Path) -> Room:
    """A room with something in every corner."""
    made = make_room(tmp_path / "first")
    put(made, image(1))
    put(made, image(1, SeriesDescription="corrected"))
    put(made, image(1, study=2, PatientID="P2"))
    with made.database.writing() as t:
        first = t.get(Patient, 1)
        assert first is not None
        first.merged_into_id = 2  # into one who comes later
        user = add_user(t, "ames", "physician", "correct horse battery")
        t.add(TextReport(study_key=1, name="x", text=STRANGE, imported_at=now()))
        report = Report(study_key=1, number=1, state="signed", author_key=user.id, created_at=now(), signed_at=now())
        report.document = {"said": STRANGE}
        read = Read(study_key=1, reader_key=user.id, state="finished", started_at=now(), finished_at=now())
        t.add_all([report, read])
        record(t, Event("start", "room", details={"x": 1.5}))
        record(t, Event("view", "ames", "2.25.11"))
    return made


def everything(room: Room) -> dict[str, list[Any]]:
    with room.database.reading() as t:
        return {
            table.name: [tuple(r) for r in t.execute(select(table).order_by(*table.primary_key.columns))]
            for table in Table.metadata.sorted_tables
        }


@pytest.mark.parametrize("into", ["sqlite", "postgresql"])
def test_a_backup_brings_everything_back(room: Room, tmp_path: Path, into: str, request: pytest.FixtureRequest) -> None:
    url = ""
    if into == "postgresql":
        make: Callable[[], str] = request.getfixturevalue("new_database")
        url = make()
    done = backup(room, tmp_path / "backup")
    assert done.objects == 3  # what was corrected is kept too
    other = open_room(Settings(data=tmp_path / "second", database_url=url))
    assert restore(tmp_path / "backup", other) == done
    assert everything(other) == everything(room)
    assert sorted(other.objects.names()) == sorted(room.objects.names())
    put(other, image(1, study=3, PatientID="P3"))  # numbers go on where they were
    with other.database.writing() as t:
        record(t, Event("view", "ames"))
        assert broken_at(t) is None
        assert t.scalars(select(Study.id).order_by(Study.id)).all() == [1, 2, 3]
    other.database.close()


def test_a_backup_overwrites_nothing(room: Room, tmp_path: Path) -> None:
    backup(room, tmp_path / "backup")
    with pytest.raises(PhotopeakError, match="there already"):
        backup(room, tmp_path / "backup")
    with pytest.raises(PhotopeakError, match="not empty"):
        restore(tmp_path / "backup", room)


def test_a_backup_of_what_is_damaged_does_not_appear(room: Room, tmp_path: Path) -> None:
    _damage(room)
    with pytest.raises(PhotopeakError, match="has changed"):
        backup(room, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def _damage(room: Room) -> str:
    name = next(iter(room.objects.names()))
    assert room.objects.folder is not None
    (room.objects.folder / name[:2] / name).write_bytes(b"damaged")
    return name


def test_a_backup_that_is_damaged_or_another_revisions_is_refused(room: Room, tmp_path: Path) -> None:
    target = tmp_path / "backup"
    backup(room, target)
    other = make_room(tmp_path / "second")
    kept = next(p for p in (target / "objects").rglob("*") if p.is_file())
    good = kept.read_bytes()
    kept.write_bytes(b"damaged")
    with pytest.raises(PhotopeakError, match="has changed"):
        restore(target, other)
    kept.write_bytes(good)
    head = json.loads((target / "backup.json").read_text())
    (target / "backup.json").write_text(json.dumps({**head, "revision": "0001"}))
    with pytest.raises(PhotopeakError, match="revision 0001"):
        restore(target, other)
    (target / "backup.json").unlink()
    with pytest.raises(PhotopeakError, match="is no backup"):
        restore(target, other)
    assert all(not rows for rows in everything(other).values())


def findings(settings: Settings) -> dict[str, bool]:
    return {f.what: f.good for f in examine(settings)}


def test_the_doctor_finds_what_is_wrong(room: Room) -> None:
    good = findings(room.settings)
    assert all(good[w] for w in ("settings", "disk", "database", "objects", "audit trail", "weights"))
    with room.database.reading() as t:
        named = t.scalars(select(Instance.sha256)).first()
    assert named is not None
    assert room.objects.folder is not None
    (room.objects.folder / named[:2] / named).unlink()
    with room.database.engine.begin() as connection:
        connection.execute(text("DROP TRIGGER audit_update"))
        connection.execute(text("UPDATE audit SET who = 'nobody' WHERE id = 1"))
    bad = findings(room.settings.model_copy(update={"bundle": "no-such-bundle", "host": "0.0.0.0"}))
    assert not any(bad[w] for w in ("settings", "objects", "audit trail", "weights"))
    assert bad["database"]


def test_the_doctor_knows_an_old_room_and_an_empty_one(room: Room, tmp_path: Path) -> None:
    with room.database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert not findings(room.settings)["database"]
    assert findings(Settings(data=tmp_path / "nothing"))["database"] is False
    assert findings(Settings(data=tmp_path / "x", database_url="nonsense://x"))["database"] is False


def run(*words: str | Path, answer: str = "") -> Result:
    return CliRunner().invoke(command, [str(w) for w in words], input=answer, catch_exceptions=True)


def told(result: Result, words: Sequence[str] = ()) -> str:
    assert result.exit_code == 0, (result.output, result.exception)
    assert all(w in result.output for w in words), result.output
    return result.output


def test_the_command_line_backs_up_and_brings_back(room: Room, tmp_path: Path) -> None:
    told(run("backup", tmp_path / "b", "--data", room.settings.data), ["3 objects"])
    told(run("restore", tmp_path / "b", "--data", tmp_path / "second"), ["3 objects"])
    again = run("restore", tmp_path / "b", "--data", tmp_path / "second")
    assert isinstance(again.exception, PhotopeakError)
    told(run("audit", "--data", tmp_path / "second"), ["ames", "2.25.11"])


def test_the_command_line_adds_accounts(tmp_path: Path) -> None:
    secret = "correct horse battery"
    where = ("--data", tmp_path)
    told(run("user", "add", "ames", "--role", "physician", *where, answer=f"{secret}\n{secret}\n"), ["added ames"])
    assert secret not in told(run("user", "list", *where), ["ames", "physician"])
    for words in (("ames", "--role", "physician"), ("baum", "--role", "king")):
        refused = run("user", "add", *words, "--password", secret, *where)
        assert isinstance(refused.exception, PhotopeakError)
    with make_audit(tmp_path).database.reading() as t:
        assert [(x.action, x.who, x.what) for x in t.scalars(select(Audit))] == [
            ("administer", "command line", "ames"),
        ]


def make_audit(folder: Path) -> Room:
    return open_room(Settings(data=folder))


def test_the_command_line_shows_the_trail_and_where_it_was_broken(room: Room) -> None:
    where = ("--data", room.settings.data)
    assert len(told(run("audit", *where)).splitlines()) == 2
    assert told(run("audit", "--messages", *where)).count("<AuditMessage") == 2
    with room.database.engine.begin() as connection:
        connection.execute(text("DROP TRIGGER audit_update"))
        connection.execute(text("UPDATE audit SET who = 'nobody' WHERE id = 2"))
    broken = run("audit", *where)
    assert "line 2" in str(broken.exception)
    sick = run("doctor", *where)
    assert "WRONG audit trail" in sick.output
    assert isinstance(sick.exception, PhotopeakError)


def test_the_command_line_tells_of_lines_that_are_gone_from_the_end(room: Room) -> None:
    where = ("--data", room.settings.data)
    assert "WRONG end of the audit trail" in run("doctor", *where).output  # the room was never started
    keep_head(room)
    well = run("doctor", *where).output
    assert "ok    end of the audit trail: line 2" in well
    noted = well.partition("end of the audit trail: line 2, hash ")[2][:64]
    told(run("audit", "--holds", noted, *where))
    with room.database.engine.begin() as connection:
        connection.execute(text("DROP TRIGGER audit_delete"))
        connection.execute(text("DELETE FROM audit WHERE id = 2"))
    assert "line 2" in str(run("audit", *where).exception)
    assert "WRONG end of the audit trail: line 1" in run("doctor", *where).output
    (room.settings.data / NAME).write_text("[]")
    spoilt = run("doctor", *where).output
    assert "does not say how far the audit trail had come" in spoilt
    assert "objects: 3 named" in spoilt  # the rest was looked at all the same
    (room.settings.data / NAME).unlink()
    told(run("audit", *where))
    assert noted in str(run("audit", "--holds", noted, *where).exception)


def test_a_backup_whose_trail_was_cut_off_is_refused(room: Room, tmp_path: Path) -> None:
    backup(room, tmp_path / "backup")
    trail = tmp_path / "backup" / "tables" / "audit.jsonl"
    trail.write_text(trail.read_text().splitlines(keepends=True)[0])
    other = make_room(tmp_path / "second")
    with pytest.raises(PhotopeakError, match="ends before its line 2"):
        restore(tmp_path / "backup", other)
    assert all(not rows for rows in everything(other).values())


def test_a_setting_that_is_none_says_which(tmp_path: Path) -> None:
    refused = run("serve", "--data", tmp_path, "--quiet-seconds", "-1")
    assert "quiet_seconds" in str(refused.exception)
    told(run("settings"), ["PHOTOPEAK_ROOM_QUIET_SECONDS"])
