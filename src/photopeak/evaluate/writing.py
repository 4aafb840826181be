"""Outputs appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file beside ``path`` to write to; it takes that name when all went well, and is gone otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The ending stays, because some writers choose their format by it.
    work = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield work
        work.replace(path)
    finally:
        work.unlink(missing_ok=True)
