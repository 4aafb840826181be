"""Signing in and out."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from sqlalchemy import select

from photopeak import __version__
from photopeak.room.access import COOKIE, Caller, address_of, caller_of, needs, room_of, token_of
from photopeak.room.accounts import ROLES, check_password, close_session, open_session
from photopeak.room.api.forms import Form, Word
from photopeak.room.audit import Event, record
from photopeak.room.room import Room
from photopeak.room.schema import User

public = APIRouter(prefix="/api", tags=["session"])
router = APIRouter(prefix="/api", tags=["session"])


class SignIn(Form):
    """A name and its password; the demo takes the name alone."""

    name: Word
    password: Word = ""


@public.get("/session")
def who(request: Request) -> dict[str, Any]:
    """Who is signed in, or what signing in takes."""
    room = room_of(request)
    about: dict[str, Any] = {
        "version": __version__,
        "demo": room.settings.demo,
        "oidc": bool(room.settings.oidc_issuer),
        "notice": "Research software, not a medical device; trained on simulated patients unless you retrained it.",
    }
    try:
        caller = caller_of(request)
    except HTTPException:
        with room.database.reading() as t:
            people = t.scalars(select(User).where(User.active).order_by(User.id)).all() if room.settings.demo else []
        shown = [{"name": u.name, "display": u.display, "role": u.role} for u in people]
        return {**about, "user": None, "people": shown}
    return {**about, "user": _shown(caller), "csrf": caller.csrf}


@public.post("/session")
def sign_in(form: SignIn, request: Request, response: Response) -> dict[str, Any]:
    """Sign in; the answer sets the session's cookie."""
    room = room_of(request)
    address = address_of(request)
    with room.database.writing() as t:
        if room.settings.demo:
            user, why = t.scalar(select(User).where(User.name == form.name, User.active)), "nobody has this name."
        else:
            user, why = check_password(t, room.settings, form.name, form.password)
        if user is not None:
            token, session = open_session(t, user)
            record(t, Event("sign in", user.name, address=address))
        else:
            record(t, Event("sign in", form.name, outcome="failure", address=address, details={"why": why}))
    if user is None:
        raise HTTPException(401, why)
    set_cookie(response, room, token)
    caller = Caller(user.id, user.name, user.display, user.role, session.csrf, address)
    return {"user": _shown(caller), "csrf": session.csrf}


@router.delete("/session")
def sign_out(request: Request, response: Response, caller: Caller = needs("view")) -> dict[str, Any]:
    """End this session."""
    room = room_of(request)
    with room.database.writing() as t:
        close_session(t, token_of(request))
        record(t, Event("sign out", caller.name, address=caller.address))
    response.delete_cookie(COOKIE)
    return {"user": None}


def set_cookie(response: Response, room: Room, token: str) -> None:
    """The session's cookie: no script reads it, no other site sends it, and over TLS it never leaves TLS."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(room.settings.session_hours * 3600),
        httponly=True,
        secure=room.settings.secure,
        samesite="strict",
    )


def _shown(caller: Caller) -> dict[str, Any]:
    may = sorted(ROLES[caller.role])
    return {"key": caller.key, "name": caller.name, "display": caller.display, "role": caller.role, "may": may}
