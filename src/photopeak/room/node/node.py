"""The node itself: it listens, and hands each request to who answers it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from pynetdicom import evt
from pynetdicom.association import Association

from photopeak.core import PhotopeakError
from photopeak.room.arriving import Arrival
from photopeak.room.node import tls
from photopeak.room.node.commitment import action
from photopeak.room.node.contexts import supported
from photopeak.room.node.finding import find
from photopeak.room.node.listening import LARGEST_PDU, SECONDS_TO_BEGIN, Entity, Server
from photopeak.room.node.retrieving import get, move
from photopeak.room.node.sending import SECONDS_TO_ANSWER, SECONDS_TO_CONNECT
from photopeak.room.node.storing import Tally, record_association, store, write_audit
from photopeak.room.room import Room

log = logging.getLogger(__name__)

MOST_ASSOCIATIONS: Final = 64
MEBIBYTE: Final = 2**20


class Node:
    """The room's DICOM application entity; ``on_arrival`` is called after each object that was stored."""

    def __init__(self, room: Room, on_arrival: Callable[[Arrival], None] | None = None) -> None:
        self.room = room
        self.on_arrival = on_arrival
        self.tally = Tally()
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port it listens on; the one of the settings until it does."""
        return int(self._server.server_address[1]) if self._server else self.room.settings.dicom_port

    def start(self) -> None:
        """Listen, in threads of its own."""
        settings, ae = self.room.settings, self._entity()
        context = tls.listening(settings)
        try:
            server: Any = ae.make_server(
                (settings.dicom_host, settings.dicom_port),
                contexts=supported(),
                evt_handlers=self._handlers(),
                ssl_context=context,
                server_class=Server,
            )
        except OSError as error:
            raise PhotopeakError(
                f"the DICOM node cannot listen on {settings.dicom_host}:{settings.dicom_port}: {error}. "
                "Remedy: give a free port with --dicom-port, and an address of this machine."
            ) from error
        server.largest = settings.max_upload_mb * MEBIBYTE
        server.ended = self._ended
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="dicom-node", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take no more calls, end the associations there are, and wait for what is being stored."""
        if self._server is None or self._thread is None:
            return
        server, self._server = self._server, None
        server.stop_accepting()
        self._thread.join()
        server.end_all()
        server.server_close()

    def _entity(self) -> Entity:
        settings = self.room.settings
        ae = Entity(settings.ae_title)
        ae.require_called_aet = True
        ae.require_calling_aet = [p.strip() for p in settings.dicom_peers.split(",") if p.strip()]
        ae.maximum_associations, ae.maximum_pdu_size = MOST_ASSOCIATIONS, LARGEST_PDU
        ae.acse_timeout, ae.connection_timeout = SECONDS_TO_BEGIN, SECONDS_TO_CONNECT
        ae.dimse_timeout = ae.network_timeout = SECONDS_TO_ANSWER
        return ae

    def _handlers(self) -> list[Any]:
        return [
            (evt.EVT_C_STORE, store, [self.room, self.tally, self.on_arrival]),
            (evt.EVT_C_FIND, find, [self.room]),
            (evt.EVT_C_MOVE, move, [self.room]),
            (evt.EVT_C_GET, get, [self.room]),
            (evt.EVT_N_ACTION, action, [self.room]),
            (evt.EVT_REJECTED, self._rejected),
        ]

    def _ended(self, assoc: Association) -> None:
        record_association(self.room, assoc, self.tally)

    def _rejected(self, event: evt.Event) -> None:
        request: Any = event.assoc.requestor.primitive
        write_audit(self.room, event.assoc, "refuse", "", {"called": str(request.called_ae_title)}, well=False)
