"""What an administrator does: accounts, archives, the audit trail; plans and patients lie beside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import Field
from sqlalchemy import func, select

from photopeak.room.access import Caller, needs, room_of
from photopeak.room.accounts import add_user, close_sessions_of, set_password
from photopeak.room.api.forms import Form, Key, Word
from photopeak.room.audit import Event, as_message, broken_at, lines, record
from photopeak.room.audit_head import kept_head, stands
from photopeak.room.room import Room
from photopeak.room.schema import Audit, Destination, Outgoing, User, now

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


@router.get("/audit")
def trail(
    request: Request,
    before: Annotated[int, Query(ge=0, le=2**62)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    caller: Caller = needs("administer"),
) -> dict[str, Any]:
    """The newest lines of the audit trail, whether its chain is whole, and from which line on it was cut off."""
    assert caller.key
    kept = kept_head(room_of(request).settings.data)
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
        lost = kept.line if kept is not None and not stands(t, kept) else None
        return {"lines": rows, "broken_at": broken_at(t), "lost": lost}


@router.get("/audit/messages")
def messages(request: Request, caller: Caller = needs("administer")) -> StreamingResponse:
    """The whole trail as DICOM audit messages, one a line."""
    assert caller.key
    return StreamingResponse(_messages(room_of(request)), media_type="application/xml-seq")


def _messages(room: Room) -> Iterator[str]:
    with room.database.reading() as t:
        for line in lines(t):
            yield as_message(line) + "\n"
