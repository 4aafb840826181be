"""What an administrator does: accounts, archives, planned examinations, merging patients, the audit trail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session as Transaction

from photopeak.room.access import Caller, needs, room_of
from photopeak.room.accounts import add_user, close_sessions_of, set_password
from photopeak.room.api.forms import Form, Key, Word
from photopeak.room.arriving import family, holds_two, survivor, two_patients
from photopeak.room.audit import Event, as_message, broken_at, lines, record
from photopeak.room.room import Room
from photopeak.room.schema import Audit, Destination, Outgoing, Patient, Scheduled, Study, User, now

router = APIRouter(prefix="/api/admin", tags=["administration"])
Role = Literal["administrator", "physician", "annotator", "researcher"]


@router.get("/users")
def users(request: Request, caller: Caller = needs("administer")) -> list[dict[str, Any]]:
    """Every account."""
    assert caller.key
    with room_of(request).database.reading() as t:
        return [
            {
                "key": u.id,
                "name": u.name,
                "display": u.display,
                "role": u.role,
                "active": u.active,
                "locked": u.locked_until is not None and u.locked_until > now(),
            }
            for u in t.scalars(select(User).order_by(User.name))
        ]


class NewUser(Form):
    """A new account."""

    name: Annotated[Word, Field(min_length=1, max_length=128)]
    display: Word = ""
    role: Role
    password: Word = ""


@router.post("/users")
def new_user(form: NewUser, request: Request, caller: Caller = needs("administer")) -> dict[str, Any]:
    """Add an account."""
    with room_of(request).database.writing() as t:
        user = add_user(t, form.name, form.role, form.password, form.display)
        record(t, Event("administer", caller.name, form.name, address=caller.address, details={"role": form.role}))
        return {"key": user.id}


class ChangeUser(Form):
    """What is to change; what is left out stays."""

    role: Role | None = None
    active: bool | None = None
    password: Word | None = None


@router.put("/users/{key}")
def change_user(key: Key, form: ChangeUser, request: Request, caller: Caller = needs("administer")) -> dict[str, Any]:
    """Change an account; its sessions end."""
    with room_of(request).database.writing() as t:
        user = t.get(User, key)
        if user is None:
            raise HTTPException(404, "There is no such account.")
        if user.id == caller.key and (form.active is False or form.role not in (None, user.role)):
            raise HTTPException(409, "You cannot take your own rights away; another administrator can.")
        user.role = form.role or user.role
        user.active = user.active if form.active is None else form.active
        if form.password is not None:
            set_password(user, form.password)
        close_sessions_of(t, user)
        changed = {"role": user.role, "active": user.active, "password": form.password is not None}
        record(t, Event("administer", caller.name, user.name, address=caller.address, details=changed))
    return changed


@router.get("/destinations")
def destinations(request: Request, caller: Caller = needs("administer")) -> list[dict[str, Any]]:
    """Archives that are sent to, and what waits for each."""
    assert caller.key
    with room_of(request).database.reading() as t:
        return [
            _destination(d, dict(_waiting(t, d.id))) for d in t.scalars(select(Destination).order_by(Destination.id))
        ]


def _waiting(t: Any, key: int) -> Iterator[tuple[str, Any]]:
    rows = t.execute(
        select(Outgoing.state, func.count(), func.max(Outgoing.error))
        .where(Outgoing.destination_key == key)
        .group_by(Outgoing.state)
    ).all()
    for state, n, error in rows:
        yield str(state), n
        if state != "sent" and error:
            yield "error", error


def _destination(d: Destination, queue: dict[str, Any]) -> dict[str, Any]:
    return {
        "key": d.id,
        "ae_title": d.ae_title,
        "host": d.host,
        "port": d.port,
        "tls": d.tls,
        "forward": d.forward,
        "queue": queue,
    }


class NewDestination(Form):
    """An archive."""

    ae_title: Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[ -\[\]-~]+$")]
    host: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9.:_-]+$")]
    port: int = Field(ge=1, le=65535)
    tls: bool = False
    forward: Literal["none", "results", "all"] = "results"


@router.put("/destinations")
def set_destination(form: NewDestination, request: Request, caller: Caller = needs("administer")) -> dict[str, Any]:
    """Add an archive, or change the one of this AE title."""
    with room_of(request).database.writing() as t:
        found = t.scalar(select(Destination).where(Destination.ae_title == form.ae_title))
        if found is None:
            found = Destination(ae_title=form.ae_title)
            t.add(found)
        found.host, found.port, found.tls, found.forward = form.host, form.port, form.tls, form.forward
        t.flush()
        record(t, Event("administer", caller.name, form.ae_title, address=caller.address, details=form.model_dump()))
        return {"key": found.id}


class Planned(Form):
    """An examination that is planned: what the modality worklist tells the camera."""

    patient_id: Word
    issuer: Word = ""
    name: Word
    birth_date: Annotated[str, Field(pattern=r"^(\d{8})?$")] = ""
    sex: Literal["M", "F", "O", ""] = ""
    accession: Annotated[Word, Field(max_length=16)] = ""
    description: Word = ""
    station: Annotated[Word, Field(max_length=16)] = ""
    start_date: Annotated[str, Field(pattern=r"^\d{8}$")]
    start_time: Annotated[str, Field(pattern=r"^\d{4,6}$")]


@router.post("/scheduled")
def plan(form: Planned, request: Request, caller: Caller = needs("administer")) -> dict[str, Any]:
    """Put an examination on the modality worklist."""
    from photopeak.dicom.modules import new_uid

    with room_of(request).database.writing() as t:
        uid = new_uid("scheduled", form.patient_id, form.accession, form.start_date, form.start_time, str(now()))
        t.add(Scheduled(study_uid=uid, modality="NM", **form.model_dump()))
        record(t, Event("administer", caller.name, uid, address=caller.address, details={"scheduled": form.accession}))
    return {"study_uid": uid}


class Merge(Form):
    """Two patients that are one."""

    from_study: int = Field(ge=1, le=2**31 - 1)
    into_study: int = Field(ge=1, le=2**31 - 1)


@router.post("/merge")
def merge(form: Merge, request: Request, caller: Caller = needs("administer")) -> dict[str, Any]:
    """The patient of one study is the patient of another; what was sent stays as it was sent."""
    with room_of(request).database.writing() as t:
        a, b = t.get(Study, form.from_study), t.get(Study, form.into_study)
        if a is None or b is None:
            raise HTTPException(404, "There is no such study.")
        gone, stays = survivor(t, a.patient), survivor(t, b.patient)
        if gone.id == stays.id:
            raise HTTPException(409, "They are one patient already.")
        gone.merged_into_id = stays.id
        t.flush()
        _read_again(t, stays)
        told = {"from": gone.patient_id, "into": stays.patient_id}
        record(t, Event("administer", caller.name, b.study_uid, address=caller.address, details=told))
    return told


def _read_again(t: Transaction, patient: Patient) -> None:
    """A study that held two patients, who are one now, is read after all."""
    people = family(t, patient)
    settled = {two_patients(a.patient_id, b.patient_id) for a in people for b in people}
    for study in t.scalars(select(Study).where(Study.patient_key.in_([p.id for p in people]))):
        study.change += 1
        if settled & set(study.warnings):
            study.warnings = [w for w in study.warnings if w not in settled]
            if study.digest and not holds_two(study):
                study.due_at, study.attempt = now(), 0


@router.get("/audit")
def trail(
    request: Request,
    before: Annotated[int, Query(ge=0, le=2**62)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    caller: Caller = needs("administer"),
) -> dict[str, Any]:
    """The newest lines of the audit trail, and whether its chain is whole."""
    assert caller.key
    with room_of(request).database.reading() as t:
        query = select(Audit).order_by(Audit.id.desc()).limit(limit)
        found = t.scalars(query.where(Audit.id < before) if before else query).all()
        rows = [
            {
                "key": x.id,
                "at": x.at.isoformat() + "Z",
                "who": x.who,
                "address": x.address,
                "action": x.action,
                "outcome": x.outcome,
                "what": x.what,
                "details": x.details,
            }
            for x in found
        ]
        return {"lines": rows, "broken_at": broken_at(t)}


@router.get("/audit/messages")
def messages(request: Request, caller: Caller = needs("administer")) -> StreamingResponse:
    """The whole trail as DICOM audit messages, one a line."""
    assert caller.key
    return StreamingResponse(_messages(room_of(request)), media_type="application/xml-seq")


def _messages(room: Room) -> Iterator[str]:
    with room.database.reading() as t:
        for line in lines(t):
            yield as_message(line) + "\n"
