"""The reading room's web application: pages, API, DICOMweb, health and metrics, and the guards before all of them."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import structlog
from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, PlainTextResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException as StarletteError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from photopeak import __version__
from photopeak.core import PhotopeakError
from photopeak.room.access import Rate, address_of, bearer_of, caller_of, token_of
from photopeak.room.answers import refusal
from photopeak.room.api import (
    admin,
    cohorts,
    files,
    imports,
    models,
    outlines,
    patients,
    planning,
    reads,
    reports,
    session,
    studies,
    worklist,
)
from photopeak.room.bodies import Bounded
from photopeak.room.display import Pictures
from photopeak.room.explaining import Explaining
from photopeak.room.room import Room
from photopeak.room.schema import Study

LOG: Final = structlog.get_logger()
PAGES: Final = Path(__file__).parent / "pages" / "dist"
SECURITY: Final = {
    # No script but the page's own files, none inline; images may be drawn from memory.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'self'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
#: routes that answer without a session: how it is going, who one is, and the pages that ask for a password
PUBLIC: Final = ("/health", "/ready", "/api/session", "/api/oidc/begin", "/api/oidc/return")


def create_app(room: Room, routers: tuple[APIRouter, ...] = (), on_stop: Callable[[], None] | None = None) -> FastAPI:
    """The application of a room; ``routers`` are further parts of it."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        yield
        app.state.stopping = True
        app.state.explaining.close()
        if on_stop is not None:
            on_stop()

    app = FastAPI(
        title="Photopeak reading room", version=__version__, lifespan=life, docs_url=None, redoc_url=None,
        openapi_url=None,
    )  # fmt: skip
    app.state.room, app.state.pictures, app.state.stopping = room, Pictures(room), False
    app.state.metrics, app.state.explaining = Metrics(), Explaining()
    app.state.rate = Rate(room.settings.requests_per_minute)
    app.add_middleware(Bounded, room=room)
    app.add_middleware(Guard)  # outside the other, so that its answers get the headers too
    app.exception_handler(PhotopeakError)(_refused)
    app.exception_handler(OperationalError)(_database_gone)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(StarletteError)(_plain_error)
    parts = (
        session, worklist, studies, reads, reports, files, imports, outlines, cohorts, models, admin, planning,
        patients,
    )  # fmt: skip
    if room.settings.oidc_issuer:
        from photopeak.room.api import oidc  # a room without an issuer needs none of it

        app.state.issuer = oidc.Issuer(room)
        app.include_router(oidc.router)
    for one in (session.public, *(p.router for p in parts), *routers, watching):
        app.include_router(one)
    app.include_router(pages)
    return app


class Metrics:
    """What Prometheus asks for."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("room_requests", "Answers by status.", ["status"], registry=self.registry)
        self.seconds = Histogram("room_request_seconds", "Time to answer.", registry=self.registry)
        self.received = Counter("room_received", "DICOM objects by outcome.", ["outcome"], registry=self.registry)
        self.studies = Gauge("room_studies", "Studies by state.", ["state"], registry=self.registry)


class Guard:
    """Rates, times and the headers that keep a page to itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, started, begun = Request(scope), time.perf_counter(), False
        state = request.app.state

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                _dress(message, request)
                state.metrics.requests.labels(str(message["status"])).inc()
                state.metrics.seconds.observe(time.perf_counter() - started)
            await send(message)

        if not state.rate.allows(token_of(request), address_of(request)):
            words = _said(request, 429, "Too many requests; wait a minute.", {"Retry-After": "60"})
            await words(scope, receive, guarded)
            return
        try:
            await self._app(scope, receive, guarded)
        except Exception as error:  # the last line: whatever it is, the page gets words and the log the rest
            LOG.exception("unexpected", path=request.url.path, error=str(error))
            if begun:  # too late for words: the connection ends, or half an answer would pass for one
                raise
            await _said(request, 500, "Something went wrong here; the log says what.")(scope, receive, guarded)


def _dress(message: Message, request: Request) -> None:
    """Give the head of an answer the headers that it is to have."""
    headers = MutableHeaders(scope=message)
    headers.update(SECURITY)
    if request.app.state.room.settings.secure:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    if request.url.path.startswith("/api") and "cache-control" not in headers:
        headers["Cache-Control"] = "no-store"


def _said(request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Words to whoever asked, on a page that looks like the others where a person did."""
    styles = [f"/assets/{name}" for name in sorted(_files(PAGES / "assets")) if name.endswith(".css")]
    return refusal(request, status, detail, styles, headers)


async def _refused(request: Request, error: Exception) -> Response:
    return _said(request, 422, str(error))


async def _database_gone(request: Request, error: Exception) -> Response:
    LOG.error("database", error=str(error))
    return _said(request, 503, "The database does not answer; try again.", {"Retry-After": "5"})


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return _said(request, 422, f"{where}: {first['msg']}")


async def _plain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteError)
    return _said(request, error.status_code, str(error.detail), error.headers)


watching = APIRouter(tags=["watching"])


@watching.get("/health")
def health() -> dict[str, str]:
    """That the process answers."""
    return {"status": "ok", "version": __version__}


@watching.get("/ready")
def ready(request: Request) -> dict[str, str]:
    """That the database answers too; 503 where not."""
    with request.app.state.room.database.reading() as t:
        t.execute(text("SELECT 1"))
    return {"status": "ready"}


@watching.get("/metrics")
def metrics(request: Request) -> PlainTextResponse:
    """Figures for Prometheus: for who shows the token, for an administrator's session, or for this machine where no
    proxy stands before it."""
    given, token = bearer_of(request), request.app.state.room.settings.metrics_token
    known = bool(token) and secrets.compare_digest(given.encode(), token.encode())
    # Behind a proxy on this machine that does not say whom it speaks for, everybody has this machine's address.
    behind = request.app.state.room.settings.behind_proxy
    near = not behind and address_of(request) in ("127.0.0.1", "::1", "testclient")
    if not known and not near and not caller_of(request).may("administer"):
        raise HTTPException(403, "Only an administrator sees the metrics from elsewhere.")
    figures: Metrics = request.app.state.metrics
    with request.app.state.room.database.reading() as t:
        for state, n in t.execute(select(Study.state, func.count()).group_by(Study.state)).all():
            figures.studies.labels(state).set(n)
    return PlainTextResponse(generate_latest(figures.registry).decode(), media_type="text/plain; version=0.0.4")


pages = APIRouter(include_in_schema=False)


@pages.get("/assets/{name}")
def asset(name: str) -> Response:
    """A file of the pages."""
    folder = PAGES / "assets"
    if name not in _files(folder):
        raise HTTPException(404, "There is no such file.")
    return FileResponse(folder / name, headers={"Cache-Control": "public, max-age=31536000, immutable"})


def _files(folder: Path) -> set[str]:
    """Names of the files that are there: a name is looked up and never made into a path, whatever it holds."""
    return {p.name for p in folder.iterdir() if p.is_file()} if folder.is_dir() else set()


@pages.get("/{path:path}")
def page(path: str) -> Response:
    """The pages: one document that shows what the address says."""
    if path.startswith(("api/", "dicomweb/", "assets/")):
        raise HTTPException(404, "There is no such address.")
    if path in ("favicon.svg",) and (PAGES / path).is_file():
        return FileResponse(PAGES / path)
    document = PAGES / "index.html"
    if not document.is_file():
        raise HTTPException(503, "The pages have not been built. Remedy: ./run builds them (npm run build).")
    return FileResponse(document, headers={"Cache-Control": "no-cache"})


def openapi_of(app: FastAPI) -> dict[str, Any]:
    """The description of the API, for the tests that go through all of it."""
    return app.openapi()
