"""The node's ear: connections that are slow, broken or hostile cost a thread for a while, and nothing else.

pynetdicom reads whole PDUs with no limit of time or size, makes the TLS handshake in the thread that accepts, and lets
a message grow until memory ends. Each of these is bounded here.
"""

from __future__ import annotations

import contextlib
import io
import logging
import queue
import socket
import threading
import time
from collections.abc import Callable
from socketserver import BaseServer
from typing import Any, Final

from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_primitives import N_ACTION, DimsePrimitiveType
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from photopeak.room.node.waiting import LONGEST_SECONDS, waiting

log = logging.getLogger(__name__)

# What pynetdicom would log of every message holds patients' names.
_config.LOG_HANDLER_LEVEL = "none"
_config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False

LARGEST_PDU: Final = 256 * 1024
"""Bytes that a peer may put in one PDU; fewer PDUs make a faster transfer."""
SECONDS_PER_PDU: Final = 30.0
SECONDS_TO_BEGIN: Final = 10.0
"""For a TLS handshake, and then for the association request."""
LARGEST_COMMAND: Final = 64 * 1024
MOST_CONNECTIONS: Final = 128
"""Connections at one time, those that have not yet asked for an association among them."""


class Beyond(io.BytesIO):
    """In place of a dataset that grew too large: what still comes of it is dropped, so that it can be answered."""

    def write(self, data: Any) -> int:
        return len(data)


class Messages(DIMSEServiceProvider):
    """Messages of an association, bounded; what cannot be a message ends the association (PS3.8 section 9.3.8)."""

    def __init__(self, assoc: Association, largest: int) -> None:
        super().__init__(assoc)
        self.largest = largest
        self.after_action: Callable[[], None] | None = None

    def receive_primitive(self, primitive: P_DATA) -> None:
        try:
            super().receive_primitive(primitive)
            if self.message is not None and self.message.encoded_command_set.tell() > LARGEST_COMMAND:
                raise ValueError("the command set is too long")
        except Exception as error:  # whatever a peer's bytes set off in the decoder, the peer is to blame
            log.info("a message of %s cannot be understood: %s", self.assoc.requestor.ae_title, error)
            self.message = None
            self.dul.event_queue.put("Evt19")
            return
        if self.message is not None and self.message.data_set and self.message.data_set.tell() > self.largest:
            self.message.data_set = Beyond()

    def get_msg(self, block: bool = False) -> Any:
        """The next message; (None, None) where there is none, or other word came. Who does not want to wait for it
        comes again at once, and so waits here."""
        try:
            return self.msg_queue.get(timeout=self.dimse_timeout if block else LONGEST_SECONDS)
        except queue.Empty:
            return None, None

    def send_msg(self, primitive: DimsePrimitiveType, context_id: int) -> None:
        super().send_msg(primitive, context_id)
        if isinstance(primitive, N_ACTION) and self.after_action is not None:
            self.after_action()


class Handler(RequestHandler):
    """One connection; its thread stays until the association has ended, and then says so."""

    server: Server

    def handle(self) -> None:
        assoc = self._create_association()
        assoc.dimse = Messages(assoc, self.server.largest)
        for thread in (assoc, assoc.dul):
            thread.run = _contained(thread.run)  # type: ignore[method-assign]
        assert assoc.dul.socket is not None
        bound(assoc.dul.socket)
        assoc.bind(evt.EVT_FSM_TRANSITION, _left)
        with waiting(assoc):
            assoc.start()
            assoc.join()
        self.server.ended(assoc)


class Server(ThreadedAssociationServer):
    """Accepts connections; everything that waits for a peer happens in the connection's own thread."""

    daemon_threads = False
    request_queue_size = MOST_CONNECTIONS
    largest: int = 0
    ended: Callable[[Association], None]

    def __init__(self, *args: Any, **options: Any) -> None:
        self.free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        options["request_handler"] = Handler
        super().__init__(*args, **options)

    def stop_accepting(self) -> None:
        """End ``serve_forever``; pynetdicom's shutdown would also wait for every association, which may wait for us."""
        BaseServer.shutdown(self)

    def end_all(self) -> None:
        """End every association, and the connections that have none yet."""
        for assoc in self.active_associations:
            if assoc.is_established:
                assoc.abort()
            elif assoc.dul.socket is not None:
                assoc.dul.socket.close()

    def get_request(self) -> tuple[socket.socket, Any]:
        assert self.socket is not None
        request, address = self.socket.accept()
        request.settimeout(SECONDS_TO_BEGIN)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return request, address

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 (socketserver's)
        return self.free.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            if self.ssl_context:
                request = self.ssl_context.wrap_socket(request, server_side=True)
            self.finish_request(request, client_address)
        except Exception as error:
            log.info("a connection of %s came to nothing: %s", client_address[0], error)
        finally:
            self.shutdown_request(request)
            self.free.release()


class Entity(AE):
    """An application entity whose own calls are bounded too."""

    def _create_socket(self, assoc: Association, address: Any, tls_args: Any) -> AssociationSocket:
        connection = super()._create_socket(assoc, address, tls_args)
        bound(connection)
        return connection


def bound(connection: AssociationSocket) -> None:
    """Give a connection a limit of time and size for every PDU, and let it be closed whatever state it is in."""
    connection.recv = _receiver(connection)  # type: ignore[method-assign, assignment]
    connection._shutdown_socket = _closer(connection)  # type: ignore[method-assign]


def _left(event: evt.Event) -> None:
    """Wake an association whose peer left before it asked for one; it would wait its whole time for the request."""
    if event.next_state == "Sta1" and event.assoc.requestor.primitive is None:
        event.assoc.dul.to_user_queue.put(None)


def _closer(connection: AssociationSocket) -> Callable[[], None]:
    def close() -> None:
        if connection.socket is not None:
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)
            connection.socket.close()

    return close


def _receiver(connection: AssociationSocket) -> Callable[[int], bytearray]:
    def receive(count: int) -> bytearray:
        """As many bytes, or fewer where the peer closed before."""
        if count > 2 * LARGEST_PDU:
            raise OSError(f"a PDU of {count} bytes is too large")
        data, end, got = bytearray(count), time.monotonic() + SECONDS_PER_PDU, 0
        view = memoryview(data)
        while got < count:
            wire, left = connection.socket, end - time.monotonic()
            if wire is None or left <= 0:
                raise TimeoutError("the peer is too slow")
            wire.settimeout(left)
            more = wire.recv_into(view[got:])
            if not more:
                break
            got += more
        view.release()
        if connection.socket is not None:
            connection.socket.settimeout(SECONDS_PER_PDU)  # what is sent has its limit too
        return data[:got] if got < count else data

    return receive


def _contained(run: Callable[[], None]) -> Callable[[], None]:
    def contained() -> None:
        try:
            run()
        except Exception as error:  # a state machine that a peer's bytes broke ends with its association
            log.info("an association ended: %s", error)

    return contained
