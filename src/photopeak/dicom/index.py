"""An index of a tree of DICOM files: one SQLite table, a row a file.

Files whose size and time have not changed are not read again; rows are committed as they come, so that a run
that is killed goes on where it was. Broken files are rows with their error, so that nobody looks for them in vain.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from photopeak.core.errors import DicomError, PhotopeakError
from photopeak.dicom.files import datasets, files_under
from photopeak.dicom.headers import NAMES, Header, header_of, read_header

VERSION: Final = 1
BATCH_ROWS: Final = 2000
BATCH_SECONDS: Final = 1.0
DIRECTORY_CLASS: Final = "1.2.840.10008.1.3.10"

_INTEGERS: Final = frozenset({"rows", "columns"})
_COLUMNS: Final = ("path", "size", "mtime_ns", "error_tag", "error", *NAMES)
_CREATE: Final = (
    "CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, archive TEXT NOT NULL DEFAULT '', size INTEGER,"
    " mtime_ns INTEGER, error_tag TEXT, error TEXT, duplicate INTEGER NOT NULL DEFAULT 0, "
    + ", ".join(f'"{n}" {"INTEGER" if n in _INTEGERS else "TEXT"}' for n in NAMES)
    + ") WITHOUT ROWID"
)
_INSERT: Final = (
    "INSERT OR REPLACE INTO files (path, archive, size, mtime_ns, error_tag, error, "
    + ", ".join(f'"{n}"' for n in NAMES)
    + f") VALUES ({', '.join('?' * (6 + len(NAMES)))})"
)

Row = tuple[str | int | None, ...]


@dataclass
class Summary:
    """What a run did."""

    read: int = 0
    unchanged: int = 0
    broken: int = 0
    not_dicom: int = 0
    removed: int = 0
    duplicates: int = 0
    seconds: float = field(default=0.0)


def index(tree: Path, out: Path, progress: Callable[[int], object] | None = None) -> Summary:
    """Bring the index ``out`` up to date with the tree; ``progress`` is told of every file looked at."""
    if not tree.is_dir():
        raise PhotopeakError(f"{tree} is no folder. Remedy: give the folder to index.")
    started = time.perf_counter()
    summary = Summary()
    with closing(open_index(out)) as database:
        known = _Known(database)
        _collect(tree, out, database, known, summary, progress)
        summary.removed = known.forget()
        _flag_duplicates(database)
        summary.duplicates = database.execute("SELECT COUNT(*) FROM files WHERE duplicate").fetchone()[0]
        summary.broken = database.execute("SELECT COUNT(*) FROM files WHERE error IS NOT NULL").fetchone()[0]
        database.commit()
    summary.seconds = time.perf_counter() - started
    return summary


def open_index(path: Path) -> sqlite3.Connection:
    """The database, made where it is not there; a file that is something else is refused."""
    try:
        database = sqlite3.connect(path)
        version = database.execute("PRAGMA user_version").fetchone()[0]
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and (version != VERSION or "files" not in tables):
            raise PhotopeakError(f"{path} is no index of this version. Remedy: name another file, or delete it.")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(_CREATE)
        database.execute("CREATE INDEX IF NOT EXISTS by_instance ON files (sop_instance_uid)")
        database.execute("CREATE INDEX IF NOT EXISTS by_archive ON files (archive)")
        database.execute("CREATE INDEX IF NOT EXISTS by_study ON files (study_uid, series_uid)")
        database.execute(f"PRAGMA user_version = {VERSION}")
        database.commit()
        return database
    except sqlite3.Error as error:
        raise PhotopeakError(f"{path} cannot be used as an index ({error}). Remedy: name another file.") from error


class _Known:
    """What the index holds, and which of it is still in the tree."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute("CREATE TEMP TABLE seen (path TEXT PRIMARY KEY) WITHOUT ROWID")
        self._seen: list[tuple[str]] = []

    def unchanged(self, path: str, status: os.stat_result) -> bool:
        self._seen.append((path,))
        if len(self._seen) >= BATCH_ROWS:
            self._flush()
        column = "archive" if path.lower().endswith(".zip") else "path"
        row = self._database.execute(f"SELECT size, mtime_ns FROM files WHERE {column} = ? LIMIT 1", (path,)).fetchone()
        return bool(row == (status.st_size, status.st_mtime_ns))

    def forget(self) -> int:
        """Remove rows of files that are gone."""
        self._flush()
        gone = "(CASE archive WHEN '' THEN path ELSE archive END) NOT IN (SELECT path FROM seen)"
        return self._database.execute(f"DELETE FROM files WHERE {gone}").rowcount

    def _flush(self) -> None:
        self._database.executemany("INSERT OR IGNORE INTO seen VALUES (?)", self._seen)
        self._seen.clear()


def _collect(
    tree: Path,
    out: Path,
    database: sqlite3.Connection,
    known: _Known,
    summary: Summary,
    progress: Callable[[int], object] | None,
) -> None:
    own = tuple(out.name + end for end in ("", "-wal", "-shm", "-journal"))
    tree = tree.resolve()
    prefix = len(tree.as_posix().rstrip("/")) + 1
    batch: list[Row] = []
    last = time.perf_counter()
    for path in files_under(tree):
        if path.name in own and path.parent.resolve() == out.parent.resolve():
            continue
        status = path.stat()
        name = _portable(path.as_posix()[prefix:])
        if known.unchanged(name, status):
            summary.unchanged += 1
        else:
            rows = list(_rows(path, name, status))
            summary.read += len(rows)
            summary.not_dicom += not rows
            batch += rows
        if len(batch) >= BATCH_ROWS or time.perf_counter() - last > BATCH_SECONDS:
            _commit(database, batch)
            last = time.perf_counter()
        if progress is not None:
            progress(1)
    _commit(database, batch)


def _commit(database: sqlite3.Connection, batch: list[Row]) -> None:
    database.executemany(_INSERT, batch)
    database.commit()
    batch.clear()


def _rows(path: Path, name: str, status: os.stat_result) -> Iterator[Row]:
    """The row of a file, or those of a zip's members; none where it is no DICOM file."""
    size, time_ns = status.st_size, status.st_mtime_ns
    try:
        if path.suffix.lower() == ".zip":
            for member, dataset in datasets(path):
                inner = _portable(member.partition("!")[2])
                yield f"{name}!{inner}", name, size, time_ns, None, None, *_values(header_of(dataset))
            return
        header = read_header(path)
        if header is not None and header.get("sop_class_uid") != DIRECTORY_CLASS:
            yield name, "", size, time_ns, None, None, *_values(header)
    except DicomError as error:
        if path.suffix.lower() == ".zip" and "no DICOM file" in error.meaning:
            return
        archive = name if path.suffix.lower() == ".zip" else ""
        yield name, archive, size, time_ns, error.tag, error.meaning, *([None] * len(NAMES))


def _values(header: Header) -> list[str | int | None]:
    return [header.get(n) for n in NAMES]


def _portable(name: str) -> str:
    """A file name that is not text is written with escapes: SQLite holds text alone."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _flag_duplicates(database: sqlite3.Connection) -> None:
    """Files with one SOP instance UID are all kept, and all flagged."""
    database.execute(
        "UPDATE files SET duplicate = NOT duplicate WHERE duplicate != (sop_instance_uid IS NOT NULL AND"
        " sop_instance_uid IN (SELECT sop_instance_uid FROM files GROUP BY sop_instance_uid HAVING COUNT(*) > 1))"
    )
