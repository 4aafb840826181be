"""The bytes of what was received, each under its own hash: written once, never changed, checked when read."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from photopeak.core import PhotopeakError


class Objects:
    """A content-addressed store: ``put`` returns when the bytes are durable.

    ``url`` is a file URL, or any other that fsspec knows (s3://bucket/folder, abfs://…), where durable means that the
    store has confirmed the object.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        self.folder = Path(url2pathname(parts.path)) if parts.scheme == "file" else None
        self._remote: Any = None
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
        else:
            import fsspec

            try:
                self._remote, self._root = fsspec.core.url_to_fs(url)
            except (ImportError, ValueError) as error:
                raise PhotopeakError(
                    f"objects cannot be kept at {url}: {error}. Remedy: install fsspec's package for it, or "
                    "give another URL."
                ) from error

    def put(self, data: bytes) -> str:
        """Keep ``data``; the name it has from now on."""
        sha256 = hashlib.sha256(data).hexdigest()
        if self.folder is not None:
            _write(self.folder / sha256[:2] / sha256, data)
        elif not self._remote.exists(self._place(sha256)):
            self._remote.pipe_file(self._place(sha256), data)
        return sha256

    def get(self, sha256: str) -> bytes:
        """The bytes of that name; refused where they are gone or are no longer the same."""
        try:
            data = self._read(sha256)
        except (OSError, FileNotFoundError) as error:
            raise PhotopeakError(
                f"the object {sha256} is not in {self.url}. Remedy: restore it from a backup (photopeak room restore)."
            ) from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise PhotopeakError(
                f"the object {sha256} in {self.url} has changed on disk. Remedy: restore it from a backup, and check "
                "the disk."
            )
        return data

    def _read(self, sha256: str) -> bytes:
        if self.folder is not None:
            return (self.folder / sha256[:2] / sha256).read_bytes()
        return bytes(self._remote.cat_file(self._place(sha256)))

    def has(self, sha256: str) -> bool:
        if self.folder is not None:
            return (self.folder / sha256[:2] / sha256).is_file()
        return bool(self._remote.exists(self._place(sha256)))

    def names(self) -> Iterator[str]:
        """Every object that is here."""
        if self.folder is not None:
            yield from (p.name for p in sorted(self.folder.glob("??/*")) if len(p.name) == 64)
        else:
            names = (str(p).rsplit("/", 1)[1] for p in self._remote.find(self._root))
            yield from (name for name in names if len(name) == 64)

    def _place(self, sha256: str) -> str:
        return f"{self._root}/{sha256[:2]}/{sha256}"


def _write(path: Path, data: bytes) -> None:
    """The whole file under its name, or nothing; on disk, and its name too, when this returns."""
    if path.is_file() and path.read_bytes() == data:  # one that was damaged is written anew
        return
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        _sync(path.parent.parent)
    number, work = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(work).replace(path)
    except BaseException:
        Path(work).unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
