"""The whole room in one process: pages and DICOMweb, the DICOM node, the work behind them."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
from typing import Final

import structlog
import uvicorn
from sqlalchemy import func, select

from photopeak.core import PhotopeakError
from photopeak.room.app import create_app
from photopeak.room.audit import Event, record
from photopeak.room.audit_head import keep_head, kept_head, stands
from photopeak.room.dicomweb import router as dicomweb
from photopeak.room.memory import give_back, leave_alone
from photopeak.room.room import Room, open_room
from photopeak.room.schema import User
from photopeak.room.settings import Settings, check

LOG: Final = structlog.get_logger()


def serve(settings: Settings) -> None:
    """Run until told to stop."""
    check(settings)
    set_up_log(settings)
    give_back()
    room = open_room(settings)
    if settings.demo:
        from photopeak.room.demo import prepare

        prepare(room)
    _check_accounts(room)
    listener = _listener(settings)
    address = f"{'https' if settings.tls_certificate else 'http'}://{settings.host}:{listener.getsockname()[1]}"
    parts = Parts(room)
    server = uvicorn.Server(_configuration(room, parts))
    try:
        parts.start()
        with room.database.writing() as t:
            record(t, Event("start", details={"address": address}))
        _look_at_trail(room)
        leave_alone()
        print(f"Photopeak reading room: {address}", flush=True)
        if parts.dicom_port:
            print(f"DICOM node: {settings.ae_title} at {settings.dicom_host}:{parts.dicom_port}", flush=True)
        server.run(sockets=[listener])
    finally:
        parts.stop()
        with room.database.writing() as t:
            record(t, Event("stop"))
        _look_at_trail(room)
        room.database.close()


def _look_at_trail(room: Room) -> None:
    """Keep how far the audit trail has come; where its end is gone that is told, and the room works on."""
    try:
        with room.database.reading() as t:
            words = "" if stands(t, kept_head(room.settings.data)) else "lines at its end are gone"
        keep_head(room)
    except PhotopeakError as error:
        words = str(error)
    if words:
        LOG.error("audit trail", error=words, remedy="photopeak room doctor")


class Parts:
    """What runs beside the pages."""

    def __init__(self, room: Room) -> None:
        from photopeak.room.node import Node
        from photopeak.room.node.commitment import deliver_commitments
        from photopeak.room.node.forwarding import send_due
        from photopeak.room.reporting import complete_signed
        from photopeak.room.work import Work

        self._room = room
        chores = (complete_signed, send_due, deliver_commitments, keep_head)
        self.work = Work(room, chores) if room.settings.work else None
        # An arrival wakes nobody: its study is due when nothing came for a while, and the work looks each second.
        self._node = Node(room) if room.settings.dicom else None
        self.dicom_port = 0
        self._demo: threading.Thread | None = None

    def wake(self) -> None:
        if self.work is not None:
            self.work.wake()

    def start(self) -> None:
        if self.work is not None:
            self.work.start()
        if self._node is not None:
            self._node.start()
            self.dicom_port = self._node.port
        if self._room.settings.demo:
            from photopeak.room.demo import send_patients

            self._demo = threading.Thread(target=send_patients, args=(self._room, self.dicom_port), daemon=True)
            self._demo.start()

    def stop(self) -> None:
        if self._node is not None:
            self._node.stop()
        if self.work is not None:
            self.work.stop()


def _configuration(room: Room, parts: Parts) -> uvicorn.Config:
    settings = room.settings
    app = create_app(room, (dicomweb,))
    app.state.parts = parts
    return uvicorn.Config(
        app,
        log_level="warning",
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        proxy_headers=settings.behind_proxy,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=64 * 1024,
    )


def _listener(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # The protocol is named because asyncio asks for TCP_NODELAY only where it is (base_events._set_nodelay). Without it
    # the body of an answer waits until the other side has acknowledged its head, which takes Linux 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise PhotopeakError(
            f"{settings.host}:{settings.port} cannot be listened on ({error.strerror}). "
            "Remedy: stop what listens there, or give another --port."
        ) from error
    return listener


def _check_accounts(room: Room) -> None:
    """A room that nobody can enter says so at once."""
    with room.database.reading() as t:
        people = t.scalar(select(func.count()).select_from(User).where(User.active)) or 0
    if not people and not room.settings.oidc_issuer:
        raise PhotopeakError(
            "nobody has an account here yet. Remedy: photopeak room user add NAME --role administrator, "
            "or --demo on this machine alone."
        )


def set_up_log(settings: Settings) -> None:
    """One line an event, in words or as JSON."""
    renderer = structlog.processors.JSONRenderer() if settings.log == "json" else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.getLogger("pynetdicom").setLevel(logging.ERROR)


def stop_soon() -> None:
    """Ask this process to stop as Ctrl+C does."""
    signal.raise_signal(signal.SIGINT)
