"""Feed one hostile file to the reader and say what became of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from photopeak.core import DicomError
from photopeak.dicom import read


@dataclass(frozen=True)
class Outcome:
    """``kind``: study, refused (by a DicomError that names the file), or escaped (anything else)."""

    kind: str
    tag: str
    seconds: float
    message: str


def outcome_of(data: bytes, path: Path) -> Outcome:
    """Write the bytes to a file and read it."""
    path.write_bytes(data)
    started = time.perf_counter()
    try:
        read(path)
        kind, tag, message = "study", "", ""
    except DicomError as error:
        named = error.path.startswith(str(path)) and error.meaning and error.remedy
        kind, tag, message = ("refused" if named else "escaped"), error.tag, str(error)
    except Exception as error:
        import traceback

        kind, tag = "escaped", ""
        message = f"{type(error).__name__}: {error} | {traceback.format_exc()[-900:]}"
    return Outcome(kind, tag, time.perf_counter() - started, message)
