"""The room as its parts see it: settings, catalogue, objects."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset

from photopeak.room.arriving import Arrival, Header, receive
from photopeak.room.database import Database, upgrade
from photopeak.room.objects import Objects
from photopeak.room.settings import Settings


@dataclass(frozen=True, eq=False)
class Room:
    """What every part of the reading room works on."""

    settings: Settings
    database: Database
    objects: Objects

    def receive(
        self, data: bytes, sender: str, source: str = "object", parsed: tuple[Header, Dataset] | None = None
    ) -> Arrival:
        """Store one DICOM object durably; who has its header already, as ``header_of`` gives it, says so."""
        return receive(self.database, self.objects, data, sender, self.settings.quiet_seconds, source, parsed)


def open_room(settings: Settings) -> Room:
    """The room of these settings, its tables up to date."""
    database = Database(settings.database)
    upgrade(database)
    return Room(settings, database, Objects(settings.objects))
