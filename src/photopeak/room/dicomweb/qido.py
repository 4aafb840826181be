"""QIDO-RS, the search of studies, series and instances (PS3.18 section 10.6)."""

from __future__ import annotations

from functools import cache
from itertools import islice
from typing import Any, Final

from fastapi import APIRouter, HTTPException, Request, Response
from sqlalchemy import Select, case, exists
from sqlalchemy.orm import Session as Transaction
from sqlalchemy.orm import aliased

from photopeak.room.access import Caller, needs, room_of, visible
from photopeak.room.audit import Event, record
from photopeak.room.dicomweb.jsonmodel import Model, attribute, dump
from photopeak.room.dicomweb.negotiation import JSON, Offer, choose
from photopeak.room.dicomweb.resources import UID, base_of
from photopeak.room.dicomweb.searching import Question, question_of
from photopeak.room.node.keys import PERSON, Key, keys, statement
from photopeak.room.node.matching import matches, narrowed, universal
from photopeak.room.schema import Instance, Series, Study

router = APIRouter()
#: level of the catalogue -> its key, and what its answers are called
KEYS: Final = {"STUDY": Study.id, "SERIES": Series.id, "IMAGE": Instance.id}
NAMES: Final = {"STUDY": "study", "SERIES": "series", "IMAGE": "instance"}
FUZZY: Final = "The fuzzymatching parameter is not supported. Only literal matching has been performed."
MORE: Final = "There are additional results that can be requested."
#: Returned when they are asked for: counting through merged patients is dear
ASKED_FOR: Final = frozenset({"IssuerOfPatientID"})
#: Zero in the catalogue where an object has none
WITHOUT_ZERO: Final = frozenset({"Rows", "Columns", "NumberOfFrames"})


@cache
def known(level: str, role: str = "") -> dict[str, Key]:
    """What can be matched and returned at a level; the patient's own counts tell of studies one may not see.

    A patient's row has the words of all of their studies. A researcher gets them, and can match by them, only where
    every one of those studies is de-identified: else a common ID or a merge would give the name away.
    """
    found = {k: v for k, v in keys(level).items() if not k.startswith("NumberOfPatientRelated")}
    if role == "researcher":
        other = aliased(Study)
        named = exists().where(other.patient_key == PERSON.id, ~other.deidentified)
        for keyword in keys("PATIENT").keys() & found.keys():
            key = found[keyword]
            found[keyword] = Key(keyword, key.kind, case((named, ""), else_=key.column))
    return found


@cache
def own(level: str) -> tuple[str, ...]:
    """The attributes of a level itself; a study's are those of its patient too."""
    if level == "STUDY":
        return tuple(known("STUDY"))
    above = known("STUDY" if level == "SERIES" else "SERIES")
    return tuple(k for k in known(level) if k not in above)


@router.get("/studies")
def studies(request: Request, caller: Caller = needs("view")) -> Response:
    """Search for studies."""
    return answer(request, caller, "STUDY", {})


@router.get("/series")
def all_series(request: Request, caller: Caller = needs("view")) -> Response:
    """Search for series of all studies."""
    return answer(request, caller, "SERIES", {})


@router.get("/instances")
def all_instances(request: Request, caller: Caller = needs("view")) -> Response:
    """Search for instances of all studies."""
    return answer(request, caller, "IMAGE", {})


@router.get("/studies/{study}/series")
def series(study: str, request: Request, caller: Caller = needs("view")) -> Response:
    """Search for series of a study."""
    return answer(request, caller, "SERIES", {"StudyInstanceUID": study})


@router.get("/studies/{study}/instances")
def instances(study: str, request: Request, caller: Caller = needs("view")) -> Response:
    """Search for instances of a study."""
    return answer(request, caller, "IMAGE", {"StudyInstanceUID": study})


@router.get("/studies/{study}/series/{series}/instances")
def instances_of(study: str, series: str, request: Request, caller: Caller = needs("view")) -> Response:
    """Search for instances of a series."""
    return answer(request, caller, "IMAGE", {"StudyInstanceUID": study, "SeriesInstanceUID": series})


def answer(request: Request, caller: Caller, level: str, place: dict[str, str]) -> Response:
    """The answer to a search within a place: 200 with a page of it, 204 where nothing matches."""
    offer = choose(request, [Offer(JSON), Offer("application/json")])
    if not all(map(UID.match, place.values())):
        raise HTTPException(400, "The address holds what is no UID.")
    asked = question_of(request.query_params.multi_items(), known(level, caller.role))
    fields = _fields(asked, level, place)
    with room_of(request).database.reading() as t:
        rows = page(t, caller, level, asked, place)
        more = len(rows) > asked.limit
        found = _rows(t, level, [known(level, caller.role)[f].column for f in fields], rows[: asked.limit])
    with room_of(request).database.writing() as t:
        details = {"level": level, "found": len(found), "through": "DICOMweb"}
        record(t, Event("query", caller.name, place.get("StudyInstanceUID", ""), "success", caller.address, details))
    headers = {"Cache-Control": "no-store", "Vary": "Accept"} | _warning(request, asked, more)
    if not found:
        return Response(status_code=204, headers=headers)
    base = base_of(request)
    models = [_model(dict(zip(fields, row, strict=True)), level, base) for row in found]
    return Response(dump(models), media_type=offer.kind, headers=headers)


def page(t: Transaction, caller: Caller, level: str, asked: Question, place: dict[str, str]) -> list[int]:
    """The keys of the catalogue of a page of the answer and of one more, if there is one.

    Without a condition the database counts off the page. With conditions it narrows down, and what is left is held
    against the standard's words, by the values of those attributes alone.
    """
    conditions = [(known(level, caller.role)[k], values) for k, values in asked.wanted.items() if not universal(values)]
    query = _ordered(level, [KEYS[level], *(key.column for key, _ in conditions)])
    query = visible(query, caller)
    for keyword, uid in place.items():
        query = query.where(known(level)[keyword].column == uid)
    for key, values in conditions:
        narrow = narrowed(key.kind, values, key.column)
        query = query if narrow is None else query.where(narrow)
    if not conditions:
        query = query.limit(asked.limit + 1).offset(asked.offset)
        return [row[0] for row in t.execute(query)]
    fitting = (
        row[0]
        for row in t.execute(query)
        if all(matches(key.kind, values, v) for (key, values), v in zip(conditions, row[1:], strict=True))
    )
    return list(islice(fitting, asked.offset, asked.offset + asked.limit + 1))


def _ordered(level: str, columns: list[Any]) -> Select[Any]:
    """The newest study first, and its series and instances by their numbers."""
    order: list[Any] = [Study.study_date.desc(), Study.id.desc()]
    if level != "STUDY":
        order += [Series.number, Series.id]
    if level == "IMAGE":
        order += [Instance.number, Instance.id]
    return statement(level, columns).order_by(None).order_by(*order)


def _rows(t: Transaction, level: str, columns: list[Any], rows: list[int]) -> list[Any]:
    """The columns of these rows, in their order."""
    key, found = KEYS[level], dict[int, Any]()
    for first in range(0, len(rows), 500):  # what a statement may hold is bounded
        query = statement(level, [key, *columns]).where(key.in_(rows[first : first + 500]))
        found |= {row[0]: row[1:] for row in t.execute(query.order_by(None))}
    return [found[row] for row in rows if row in found]


def _fields(asked: Question, level: str, place: dict[str, str]) -> list[str]:
    """Which attributes are returned (tables 10.6.3-3 to 10.6.3-5): where no study is named, those of the study too."""
    if asked.everything:
        return list(known(level))
    wanted = set(own(level)) | set(asked.wanted) | asked.included | {"StudyInstanceUID"}
    wanted |= {"SeriesInstanceUID"} if level != "STUDY" else set()
    if "StudyInstanceUID" not in place:
        wanted |= set(own("STUDY"))
    if level == "IMAGE" and "SeriesInstanceUID" not in place:
        wanted |= set(own("SERIES"))
    wanted -= ASKED_FOR - asked.included - set(asked.wanted)
    return [keyword for keyword in known(level) if keyword in wanted]


def _model(values: dict[str, Any], level: str, base: str) -> Model:
    url = f"{base}/studies/{values['StudyInstanceUID']}"
    url += f"/series/{values['SeriesInstanceUID']}" if level != "STUDY" else ""
    url += f"/instances/{values['SOPInstanceUID']}" if level == "IMAGE" else ""
    model = dict([attribute("SpecificCharacterSet", ["ISO_IR 192"]), attribute("InstanceAvailability", ["ONLINE"])])
    for keyword, value in values.items():
        if keyword in WITHOUT_ZERO and not value:
            continue
        kind = known(level)[keyword].kind
        tag, one = attribute(keyword, str(value or "").split("\\") if kind == "words" else [value])
        model[tag] = one
    tag, one = attribute("RetrieveURL", [url])
    return dict(sorted({**model, tag: one}.items()))


def _warning(request: Request, asked: Question, more: bool) -> dict[str, str]:
    """What the answer does not say by itself (section 8.3.4 and table 8.3.4-1)."""
    words = [FUZZY] if asked.fuzzy else []
    words += [MORE] if more else []
    if asked.ignored:
        words.append(f"These attributes are not kept here and were not matched: {', '.join(asked.ignored[:20])}.")
    return {"Warning": ", ".join(f'299 {base_of(request)} "{w}"' for w in words)} if words else {}
