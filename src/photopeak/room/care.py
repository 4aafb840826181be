"""Backup, restore, and what is wrong with an installation."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import DateTime, func, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session as Transaction

from photopeak.core import PhotopeakError
from photopeak.core.writing import whole_folder
from photopeak.room.audit import broken_at
from photopeak.room.audit_head import NAME, Head, head_from, head_of, keep_head, kept_head, stands
from photopeak.room.database import Database, revision_of
from photopeak.room.objects import Objects
from photopeak.room.room import Room
from photopeak.room.schema import Instance, Patient, Table, Version
from photopeak.room.settings import Settings, check, loopback

NEWEST: Final = "0004"
LEAST_FREE_BYTES: Final = 2 * 2**30
BATCH: Final = 500


@dataclass(frozen=True)
class Done:
    """How much was written or brought back."""

    tables: int
    rows: int
    objects: int


def backup(room: Room, target: Path) -> Done:
    """Everything as one folder, which appears whole or not at all: ``tables/NAME.jsonl`` and ``objects``.

    The tables are one state of the catalogue, and objects are never changed, so that every object that the tables name
    is there.
    """
    if target.exists():
        raise PhotopeakError(f"{target} is there already. Remedy: name a new folder.")
    rows = 0
    with whole_folder(target) as work:
        (work / "tables").mkdir()
        with room.database.reading() as t:
            if not room.database.sqlite:
                t.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            last = head_of(t)
            for table in Table.metadata.sorted_tables:
                with (work / "tables" / f"{table.name}.jsonl").open("w", encoding="utf-8") as file:
                    for row in t.execute(select(table).execution_options(yield_per=BATCH)):
                        file.write(json.dumps(dict(row._mapping), default=_as_text, ensure_ascii=False) + "\n")
                        rows += 1
        kept = Objects((work / "objects").absolute().as_uri())
        names = list(room.objects.names())
        for name in names:
            kept.put(room.objects.get(name))
        head = {"revision": revision_of(room.database), "objects": len(names), "rows": rows}
        head["audit_head"] = None if last is None else asdict(last)
        (work / "backup.json").write_text(json.dumps(head) + "\n", encoding="utf-8")
    return Done(len(Table.metadata.sorted_tables), rows, len(names))


def _as_text(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    raise TypeError(type(value))


def restore(source: Path, room: Room) -> Done:
    """A backup into a room that is empty; refused where it is not, or where the backup is of another revision."""
    head = _head(source)
    if head["revision"] != revision_of(room.database):
        raise PhotopeakError(
            f"the backup has revision {head['revision']}, this room {revision_of(room.database)}. "
            "Remedy: restore it with the version of Photopeak that made it, then upgrade."
        )
    with room.database.reading() as t:
        if any(t.scalar(select(func.count()).select_from(table)) for table in Table.metadata.sorted_tables):
            raise PhotopeakError("this room is not empty. Remedy: give an empty --data folder or database.")
    stored = Objects((source / "objects").absolute().as_uri())
    names = list(stored.names())
    for name in names:
        room.objects.put(stored.get(name))  # get refuses what has changed
    rows = 0
    with room.database.writing() as t:
        for table in Table.metadata.sorted_tables:
            batch: list[dict[str, Any]] = []
            with (source / "tables" / f"{table.name}.jsonl").open(encoding="utf-8") as file:
                batch += [_row(table, json.loads(line)) for line in file]
            rows += len(batch)
            # A patient may have been merged into one who comes later: who into whom is said once all are there.
            merged = {r["id"]: r.pop("merged_into_id") for r in batch} if table is Patient.__table__ else {}
            for i in range(0, len(batch), BATCH):
                t.execute(insert(table), batch[i : i + BATCH])
            for key, into in merged.items():
                if into is not None:
                    t.execute(update(Patient).where(Patient.id == key).values(merged_into_id=into))
            if not room.database.sqlite and batch and "id" in table.c:
                t.execute(
                    text(
                        f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), "
                        f"(SELECT MAX(id) FROM {table.name}))"
                    )
                )
        _check_end(t, head, source)
    keep_head(room)
    return Done(len(Table.metadata.sorted_tables), rows, len(names))


def _check_end(t: Transaction, head: dict[str, Any], source: Path) -> None:
    """Refuse a backup whose audit trail does not reach as far as when it was made."""
    last = head.get("audit_head")  # backups from before it was kept say nothing of it
    if last is not None and not stands(t, head_from(last)):
        raise PhotopeakError(
            f"{source}: the audit trail ends before its line {last['line']}, its last one when the backup was made, "
            "or that line was changed. Remedy: take another copy of the backup; this one was not brought in."
        )


def _head(source: Path) -> dict[str, Any]:
    try:
        head: dict[str, Any] = json.loads((source / "backup.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PhotopeakError(f"{source} is no backup: {error}. Remedy: name the folder that backup wrote.") from error
    return head


def _row(table: Any, raw: dict[str, Any]) -> dict[str, Any]:
    times = {c.name for c in table.c if isinstance(c.type, DateTime)}
    return {k: dt.datetime.fromisoformat(v) if k in times and v is not None else v for k, v in raw.items()}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    good: bool
    says: str
    remedy: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at settings, disk, database, objects, audit trail, weights and pages."""
    try:
        check(settings)
        where = "this machine alone" if loopback(settings.host) else "the network, over TLS"
        yield Finding("settings", True, f"served to {where}")
    except PhotopeakError as error:
        yield Finding("settings", False, str(error), "see above")
    yield _disk(settings)
    try:
        database = Database(settings.database)
        revision = revision_of(database)
    except PhotopeakError as error:
        yield Finding("database", False, str(error), "check --database-url")
        return
    if not revision:
        yield Finding("database", False, "holds no tables", "start the room once: photopeak room serve")
        return
    good = revision == NEWEST
    yield Finding("database", good, f"revision {revision}", "" if good else "start the room: it upgrades by itself")
    if good:
        yield from _contents(database, settings)
    database.close()
    yield _pages()
    yield _weights(settings)


def _disk(settings: Settings) -> Finding:
    place = settings.data
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    good = free > LEAST_FREE_BYTES
    return Finding("disk", good, f"{free / 2**30:.1f} GiB free at {place}", "" if good else "make room, or move --data")


def _contents(database: Database, settings: Settings) -> Iterator[Finding]:
    objects = Objects(settings.objects)
    kept, fault = None, ""
    try:
        kept = kept_head(settings.data)
    except PhotopeakError as error:
        fault = str(error)
    try:
        with database.reading() as t:
            names = {*t.scalars(select(Instance.sha256)), *t.scalars(select(Version.sha256))}
            line, last = broken_at(t), head_of(t)
            whole = stands(t, kept)
    except SQLAlchemyError as error:
        yield Finding("database", False, str(error), "check that it runs")
        return
    missing = [n for n in names if not objects.has(n)]
    yield Finding(
        "objects", not missing, f"{len(names)} named, {len(missing)} missing", "photopeak room restore, from a backup"
    )
    words = "unbroken" if line is None else f"changed at line {line}"
    yield Finding("audit trail", line is None, words, "compare it with a backup made before")
    yield Finding("end of the audit trail", False, fault, "see above") if fault else _end(kept, last, whole)


def _end(kept: Head | None, last: Head | None, whole: bool) -> Finding:
    """Whether the trail still reaches as far as it once did."""
    what, now_at = "end of the audit trail", "empty" if last is None else f"line {last.line}, hash {last.sha256}"
    if whole and kept is not None:
        return Finding(what, True, f"{now_at}; line {kept.line} was kept beside the data, and stands")
    if whole:
        return Finding(what, False, f"{now_at}; {NAME} does not lie beside the data", "start the room, which writes it")
    assert kept is not None
    return Finding(
        what,
        False,
        f"{now_at}; line {kept.line} with the hash {kept.sha256} was there and is gone",
        f"compare the trail with a backup; where an older one was brought back knowingly, delete {NAME} there",
    )


def _pages() -> Finding:
    from photopeak.room.app import PAGES

    there = (PAGES / "index.html").is_file()
    return Finding("pages", there, "built" if there else "not built", "./run builds them where Node is at hand")


def _weights(settings: Settings) -> Finding:
    from photopeak.classify.reader import load_model

    try:
        model = load_model(settings.bundle)
        return Finding("weights", True, f"{model.name}, sha256 {model.sha256[:12]}")
    except PhotopeakError as error:
        return Finding("weights", False, str(error), "name a bundle that is installed: --bundle")
