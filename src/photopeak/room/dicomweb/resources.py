"""What an address names: the instances of a study, of a series, or one; and what an answer says of itself."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

import structlog
from fastapi import HTTPException, Request, Response
from sqlalchemy import Select, select

from photopeak.core import DicomError
from photopeak.dicom.checked import CONVERSION_ERRORS
from photopeak.room.access import Caller, room_of, visible
from photopeak.room.audit import Event, record
from photopeak.room.room import Room
from photopeak.room.schema import Instance, Series, Study

LOG: Final = structlog.get_logger()
UID: Final = re.compile(r"[0-9.]{1,64}\Z")
SEEN_SECONDS: Final = 300.0
"""Within this time, more looks of one person at one study are one line of the audit trail."""
CACHE: Final = "private, no-cache"
"""Kept by the caller alone, and asked for anew each time: rights and corrections take effect at once."""


@dataclass(frozen=True)
class Item:
    """An instance as the catalogue knows it."""

    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class: str
    modality: str
    sha256: str
    syntax: str
    frames: int

    @property
    def path(self) -> str:
        return f"/studies/{self.study_uid}/series/{self.series_uid}/instances/{self.sop_uid}"


_COLUMNS: Final = (
    Study.study_uid,
    Series.series_uid,
    Instance.sop_uid,
    Instance.sop_class,
    Series.modality,
    Instance.sha256,
    Instance.syntax,
    Instance.frames,
)


def items_of(request: Request, caller: Caller, study: str, series: str = "", sop: str = "") -> list[Item]:
    """The instances that an address names; 404 where there is none that the caller may see."""
    named = [uid for uid in (study, series, sop) if uid]
    everything: Any = select(*_COLUMNS).select_from(Instance)
    everything = everything.join(Series, Series.id == Instance.series_key).join(Study, Study.id == Series.study_key)
    query: Select[Any] = visible(everything, caller).where(Study.study_uid == study)
    query = query.where(Series.series_uid == series) if series else query
    query = query.where(Instance.sop_uid == sop) if sop else query
    rows: list[Any] = []
    if all(map(UID.match, named)):
        with room_of(request).database.reading() as t:
            rows = list(t.execute(query.order_by(Series.number, Series.id, Instance.number, Instance.id)))
    if not rows:
        what = "instance" if sop else "series" if series else "study"
        raise HTTPException(404, f"There is no such {what}.")
    note(room_of(request), caller, study)
    return [Item(*row) for row in rows]


_SEEN: WeakKeyDictionary[Room, dict[tuple[int, str], float]] = WeakKeyDictionary()
_LOCK: Final = threading.Lock()


def note(room: Room, caller: Caller, study: str) -> None:
    """One line of the audit trail for a person's look at a study, however many requests it is made of."""
    at, who = time.monotonic(), (caller.key, study)
    with _LOCK:
        seen = _SEEN.setdefault(room, {})
        if at - seen.get(who, -SEEN_SECONDS) < SEEN_SECONDS:
            return
        if len(seen) > 10_000:
            seen.clear()
        seen[who] = at
    with room.database.writing() as t:
        record(t, Event("view", caller.name, study, address=caller.address, details={"through": "DICOMweb"}))


def base_of(request: Request) -> str:
    """The address of the service, as its callers write it."""
    public = room_of(request).settings.public_url or str(request.base_url)
    return f"{public.rstrip('/')}/dicomweb"


def digest_of(items: Iterable[Item], form: str = "") -> str:
    """The strong name of an answer: the hash of the object itself, or of all of them, and the form where another."""
    hashes = [item.sha256 for item in items]
    name = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
    return name + (f"-{hashlib.sha256(form.encode()).hexdigest()[:16]}" if form else "")


def headers_of(digest: str) -> dict[str, str]:
    """What an answer says of how long it may be kept."""
    return {"ETag": f'"{digest}"', "Cache-Control": CACHE, "Vary": "Accept, Authorization, Cookie"}


def unchanged(request: Request, headers: Mapping[str, str]) -> Response | None:
    """304 where the caller has this very answer already (RFC 9110 section 13.1.2)."""
    asked = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return Response(status_code=304, headers=dict(headers)) if {headers["ETag"], "*"} & set(asked) else None


@contextmanager
def told() -> Iterator[None]:
    """What is wrong with a stored object is said in words: 409."""
    try:
        yield
    except DicomError as error:
        raise HTTPException(409, str(error)) from error
    except CONVERSION_ERRORS as error:
        LOG.exception("a stored object cannot be understood")
        raise HTTPException(409, f"The object cannot be understood ({type(error).__name__}).") from error
