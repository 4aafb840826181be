"""How large a request may be: what its header says, and what is really received."""

from __future__ import annotations

from typing import Final

from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from photopeak.room.access import token_of
from photopeak.room.accounts import find_session
from photopeak.room.room import Room

SMALL: Final = 2**20
"""Bytes that anyone may send; more is taken from somebody who is signed in, since it is kept in memory."""


class Bounded:
    """Turns larger requests away, also those whose header lies or says nothing."""

    def __init__(self, app: ASGIApp, room: Room) -> None:
        self._app, self._room = app, room
        self._largest = room.settings.max_upload_mb * 2**20

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, got, limit = Request(scope), 0, SMALL
        length = request.headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit() and len(length) < 20):
            await JSONResponse({"detail": "The request's length is no number."}, 400)(scope, receive, send)
            return
        if int(length) > limit:
            limit = await self._limit(request)
        if int(length) > limit:
            await JSONResponse({"detail": _words(limit)}, 413)(scope, receive, send)
            return

        async def counted() -> Message:
            nonlocal got, limit
            message = await receive()
            got += len(message.get("body", b""))
            if got > limit:
                limit = await self._limit(request)
            if got > limit:
                raise HTTPException(413, _words(limit))
            return message

        await self._app(scope, counted, send)

    async def _limit(self, request: Request) -> int:
        return self._largest if await run_in_threadpool(self._signed_in, token_of(request)) else SMALL

    def _signed_in(self, token: str) -> bool:
        if not token:
            return False
        with self._room.database.reading() as t:
            return find_session(t, self._room.settings, token) is not None


def _words(limit: int) -> str:
    more = " Sign in to send more." if limit == SMALL else ""
    return f"A request holds at most {limit} bytes here.{more}"
