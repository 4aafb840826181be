"""An association that waits until something happens, in place of one that looks a thousand times a second.

pynetdicom gives each association two threads. One speaks the upper layer (PS3.8): it looks whether the peer sent
something or the other has something to send, and sleeps a millisecond where not. The other serves requests and looks
as often, also while a camera is connected and sends nothing. Here the one waits for the socket or for a bell that
rings when there is something to send, the other for a message or for word of the upper layer; both look again after
``LONGEST_SECONDS`` in any case, for the timers and for a process that stops.
"""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any, Final

from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider

LONGEST_SECONDS: Final = 0.1
CLOSING: Final = frozenset({"Sta1", "Sta13"})
"""States of PS3.8 table 9-10 in which there is no connection, or it is about to close."""


class Announced(queue.Queue[Any]):
    """A queue that says so when something was put into it."""

    def __init__(self, announce: Callable[[], object]) -> None:
        super().__init__()
        self._announce = announce

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block, timeout)
        self._announce()


@contextlib.contextmanager
def waiting(assoc: Association) -> Iterator[None]:
    """Have both threads of an association wait, while the block lasts; it begins before they do, and ends after."""
    ring, bell = socket.socketpair()
    with ring, bell:
        for end in (ring, bell):
            end.setblocking(False)
        dul, messages = assoc.dul, assoc.dimse.msg_queue
        dul.to_provider_queue = Announced(lambda: _ring(ring))
        # No message, but the thread that waits for one goes on and finds what the upper layer has for it.
        dul.to_user_queue = Announced(lambda: messages.put((None, None)))
        dul._is_transport_event = _patient(dul, bell)  # type: ignore[method-assign]
        yield


def _ring(bell: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it has not been heard yet, or nobody is there any more
        bell.send(b"\0")


def _patient(dul: DULServiceProvider, bell: socket.socket) -> Callable[[], bool]:
    look = dul._is_transport_event

    def is_transport_event() -> bool:
        connection = dul.socket.socket if dul.socket is not None else None
        if connection is not None and dul.event_queue.empty() and dul.state_machine.current_state not in CLOSING:
            _wait(connection, bell)
        return look()

    return is_transport_event


def _wait(connection: socket.socket, bell: socket.socket) -> None:
    """Until the peer sent something, or the bell rings."""
    if isinstance(connection, ssl.SSLSocket) and connection.pending():  # received and decrypted, but not yet read
        return
    with contextlib.suppress(OSError, ValueError):  # it was closed meanwhile, which who looks next will find
        select.select([connection, bell], [], [], LONGEST_SECONDS)
    with contextlib.suppress(OSError):  # it did not ring
        bell.recv(4096)
