"""The worklist: which studies there are, how far each has come, and word when something changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy import Boolean, ColumnElement, Select, bindparam, case, func, or_, select
from sqlalchemy.orm import Session as Transaction
from sqlalchemy.orm import aliased

from photopeak.room.access import Caller, needs, room_of, visible
from photopeak.room.room import Room
from photopeak.room.schema import Assignment, Patient, Read, Study, TextReport
from photopeak.room.shown import rows_for, to_be_read_blind

router = APIRouter(prefix="/api", tags=["worklist"])
STATES = ("new", "read", "reading", "second", "signed")
Sort = Literal["arrived", "date", "patient", "suspicion", "uncertainty", "informative"]
EVENTS_SECONDS = 1.0


@router.get("/worklist")
def worklist(
    request: Request,
    state: Literal["", "new", "read", "reading", "second", "signed"] = "",
    search: Annotated[str, Query(max_length=200)] = "",
    sort: Sort = "arrived",
    descending: bool = True,
    cohort: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=10**6)] = 0,
    caller: Caller = needs("view"),
) -> JSONResponse:
    """A page of studies, how many there are, and how many in each state."""
    with room_of(request).database.reading() as t:
        found = _matching(caller, search, cohort)
        ids = found.with_only_columns(Study.id, Study.state).subquery()
        counts: dict[str, int] = {
            str(s): int(n) for s, n in t.execute(select(ids.c.state, func.count()).group_by(ids.c.state)).all()
        }
        chosen = found.where(Study.state == state) if state else found
        if sort == "patient" and not search:
            chosen = chosen.join(Patient, Study.patient_key == Patient.id)
        # First which, then what: sorting numbers takes a sixth of the time of sorting whole rows.
        keys = t.scalars(chosen.order_by(*_order(t, sort, descending, caller)).limit(limit).offset(offset)).all()
        rows = _rows(t, keys, caller, cohort)
    total = counts.get(state, 0) if state else sum(counts.values())
    # As JSON here, in a thread of its own: FastAPI would go through every value of it once more, in another one.
    return JSONResponse({"total": total, "states": {s: counts.get(s, 0) for s in STATES}, "rows": rows})


def _matching(caller: Caller, search: str, cohort: int) -> Select[Any]:
    """Keys of the studies that the caller may see, of a cohort and with every word of a search somewhere in them."""
    query = visible(select(Study.id), caller)
    if search:
        query = query.join(Patient, Study.patient_key == Patient.id)
    if cohort:
        assigned = select(Assignment.study_key).where(Assignment.cohort_key == cohort)
        if not caller.may("cohorts"):
            assigned = assigned.where(Assignment.reader_key == caller.key)
        query = query.where(Study.id.in_(assigned))
    for word in search.split():
        query = query.where(_says(word.replace("\0", ""), caller))
    return query


def _says(word: str, caller: Caller) -> ColumnElement[bool]:
    """Whether a word stands in what names a study, or in its imported reports, but for those to be read blind."""
    like = f"%{_escaped(word)}%"
    columns = (Patient.name, Patient.patient_id, Study.accession, Study.description, Study.study_date)
    texts = select(TextReport.study_key).where(
        TextReport.text.ilike(like, escape="\\"), TextReport.study_key.not_in(to_be_read_blind(caller.key))
    )
    return or_(*(c.ilike(like, escape="\\") for c in columns), Study.id.in_(texts))


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _order(t: Transaction, sort: Sort, descending: bool, caller: Caller) -> list[Any]:
    """By a column, what has none last.

    What the network says of a study that the caller is to read blind is hidden, and so is its rank: it comes with
    those that have no figure. Only the queue of informative scans keeps its order, which says where the network is
    unsure, not of what.
    """
    by: dict[str, Any] = {
        "arrived": Study.last_at,
        "date": Study.study_date,
        "patient": Patient.name,
        "suspicion": Study.suspicion,
        "uncertainty": Study.uncertainty,
        "informative": Study.uncertainty,
    }
    column = by[sort]
    if sort in ("suspicion", "uncertainty") and t.scalar(to_be_read_blind(caller.key).limit(1)):
        column = case((Study.id.in_(to_be_read_blind(caller.key)), None), else_=column)
    return [(column.desc() if descending else column.asc()).nulls_last(), Study.id.desc()]


_SIBLING: Final = aliased(Study)
_MORE: Final = select(
    Study.id,
    select(Read.state)
    .where(Read.study_key == Study.id, Read.reader_key == bindparam("reader"), Read.cohort_key == bindparam("cohort"))
    .order_by(Read.round.desc())
    .limit(1)
    .scalar_subquery(),
    select(func.count())
    .where(
        _SIBLING.patient_key == Study.patient_key,
        or_(_SIBLING.deidentified, bindparam("names", type_=Boolean)),
    )
    .scalar_subquery(),
).where(Study.id.in_(bindparam("keys", expanding=True)))


def _rows(t: Transaction, keys: Sequence[int], caller: Caller, cohort: int) -> list[dict[str, Any]]:
    told = {"keys": keys, "reader": caller.key, "cohort": cohort, "names": caller.role != "researcher"}
    more = {key: (mine, studies) for key, mine, studies in t.execute(_MORE, told)}
    rows = rows_for(t, keys, caller)
    for row in rows:
        mine, studies = more[row["key"]]
        row |= {"mine": mine or "", "studies_of_patient": studies}
    return rows


def pulse(room: Room) -> str:
    """A word that is another one whenever any study has changed."""
    with room.database.reading() as t:
        n, changes = t.execute(select(func.count(Study.id), func.sum(Study.change))).one()
    return f"{n}-{changes or 0}"


@router.get("/events")
async def events(request: Request, caller: Caller = needs("view")) -> StreamingResponse:
    """Server-sent events: one whenever the worklist has changed."""
    assert caller.key
    return StreamingResponse(_events(request), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _events(request: Request) -> AsyncIterator[str]:
    room, last = room_of(request), ""
    quiet = 0.0
    while not request.app.state.stopping and not await request.is_disconnected():
        word = await asyncio.to_thread(pulse, room)
        quiet += EVENTS_SECONDS
        if word != last or quiet > 20:  # a line now and then, so that proxies keep the connection
            yield f"event: {'worklist' if word != last else 'alive'}\ndata: {word}\n\n"
            last, quiet = word, 0.0
        await asyncio.sleep(EVENTS_SECONDS)
