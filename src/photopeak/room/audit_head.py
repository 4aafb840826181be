"""How far the audit trail had come, kept outside the database: a trail whose last lines were taken out is found.

The chain of hashes shows what was changed within the trail, but what is cut off at its end leaves a whole, shorter
chain. So the number and the hash of the last line are written beside the data (``audit-head.json``), while the room
works each second, and into every backup. Whatever was kept must still stand in the trail. Who can write the database
and this file too can cut both: against them, a head that was noted elsewhere is looked up in the trail.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session as Transaction

from photopeak.core import PhotopeakError
from photopeak.core.writing import whole_file
from photopeak.room.room import Room
from photopeak.room.schema import Audit

NAME: Final = "audit-head.json"


@dataclass(frozen=True)
class Head:
    """The last line of the trail at some time."""

    line: int
    sha256: str


def head_of(t: Transaction) -> Head | None:
    """The last line now; none of an empty trail."""
    row = t.execute(select(Audit.id, Audit.sha256).order_by(Audit.id.desc()).limit(1)).first()
    return None if row is None else Head(int(row[0]), str(row[1]))


def keep_head(room: Room) -> int:
    """Write down how far the trail has come; 1 where that is farther than what was kept.

    What was kept and does not stand in the trail any more is left as it is: it is the evidence.
    """
    kept = kept_head(room.settings.data)
    with room.database.reading() as t:
        head, whole = head_of(t), stands(t, kept)
    if head is None or not whole or (kept is not None and head.line <= kept.line):
        return 0
    with whole_file(room.settings.data / NAME) as path, path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(asdict(head)) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return 1


def kept_head(data: Path) -> Head | None:
    """The head that is kept beside the data; none where none was."""
    path = data / NAME
    if not path.exists():
        return None
    try:
        return head_from(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PhotopeakError(
            f"{path} does not say how far the audit trail had come: {error}. "
            "Remedy: compare the trail with a backup made before, then delete the file; the room writes it anew."
        ) from error


def head_from(said: dict[str, Any]) -> Head:
    """A head as JSON has it."""
    return Head(int(said["line"]), str(said["sha256"]))


def stands(t: Transaction, head: Head | None) -> bool:
    """Whether the trail still holds what was once its last line."""
    return head is None or t.scalar(select(Audit.sha256).where(Audit.id == head.line)) == head.sha256


def known(t: Transaction, sha256: str) -> bool:
    """Whether the trail holds a line with this hash, which somebody noted when it was the last one."""
    return t.scalar(select(Audit.id).where(Audit.sha256 == sha256.strip().lower())) is not None
