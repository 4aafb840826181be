"""Which Steps are installed. Known from entry points alone, so that the command line lists them at once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from photopeak.core.errors import PhotopeakError

GROUP = "photopeak.steps"


@cache
def registered() -> Mapping[str, EntryPoint]:
    """Every Step that is installed, ours and plugins', by name, without importing any."""
    found: dict[str, EntryPoint] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name):
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise PhotopeakError(
                f"two Steps are called {entry.name!r}: {other.value} and {entry.value}. "
                "Remedy: uninstall one of the two packages, or ask its author for another name."
            )
    return MappingProxyType(found)
