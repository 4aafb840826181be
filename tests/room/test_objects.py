"""The store of bytes: named by their hash, checked when read, whole or not there."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path

import pytest

from photopeak.core import PhotopeakError
from photopeak.room.objects import Objects

DATA = b"the bytes of an object"
NAME = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(params=["file", "memory"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    return Objects((tmp_path / "obj ects").as_uri() if request.param == "file" else f"memory://{uuid.uuid4()}")


def damage(objects: Objects, data: bytes) -> None:
    """What a bad disk does."""
    if objects.folder is not None:
        (objects.folder / NAME[:2] / NAME).write_bytes(data)
    else:
        objects._remote.pipe_file(objects._place(NAME), data)


def test_bytes_are_kept_once_under_their_hash(objects: Objects) -> None:
    assert not objects.has(NAME)
    assert list(objects.names()) == []
    assert objects.put(DATA) == objects.put(DATA) == NAME
    assert objects.has(NAME)
    assert objects.get(NAME) == DATA
    other = objects.put(b"")
    assert sorted(objects.names()) == sorted([NAME, other])


def test_what_is_gone_is_said(objects: Objects) -> None:
    with pytest.raises(PhotopeakError, match="is not in"):
        objects.get("0" * 64)


def test_what_has_changed_is_refused(objects: Objects) -> None:
    objects.put(DATA)
    damage(objects, b"The bytes of an object")
    with pytest.raises(PhotopeakError, match="has changed"):
        objects.get(NAME)


@pytest.mark.parametrize("data", [b"", b"The bytes of an object", DATA + b"\0"])
def test_what_was_damaged_is_healed_when_it_comes_again(tmp_path: Path, data: bytes) -> None:
    objects = Objects(tmp_path.as_uri())
    objects.put(DATA)
    damage(objects, data)
    assert objects.put(DATA) == NAME
    assert objects.get(NAME) == DATA


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_full_disk_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    objects = Objects((tmp_path / "objects").as_uri())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(*((os, "fsync", full) if where == "fsync" else (Path, "replace", full)))
        with pytest.raises(OSError, match="No space left"):
            objects.put(DATA)
    assert not objects.has(NAME)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    assert objects.put(DATA) == NAME
    assert objects.get(NAME) == DATA


def test_a_store_that_nobody_knows_says_what_helps() -> None:
    with pytest.raises(PhotopeakError, match="Remedy"):
        Objects("nosuchstore://bucket/folder")
