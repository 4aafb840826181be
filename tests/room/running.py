"""Real programs for tests: the room as a process of its own, an Orthanc, a Chromium."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from photopeak.room.accounts import add_user
from photopeak.room.room import open_room
from photopeak.room.schema import Destination
from photopeak.room.settings import Settings

PASSWORD = "correct horse battery"
CHROMIUM_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@dataclass(frozen=True)
class Served:
    """A running room."""

    process: subprocess.Popen[str]
    url: str
    dicom_port: int
    data: Path

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)


def prepared(data: Path, people: dict[str, str], orthanc: tuple[str, int] | None = None) -> None:
    """Accounts by name and role, and an archive that results go to."""
    room = open_room(Settings(data=data))
    with room.database.writing() as t:
        for name, role in people.items():
            add_user(t, name, role, PASSWORD, display=name.capitalize())
        if orthanc is not None:
            t.add(Destination(ae_title=orthanc[0], host="127.0.0.1", port=orthanc[1], tls=False, forward="results"))
    room.database.close()


@contextlib.contextmanager
def served(data: Path, **settings: Any) -> Iterator[Served]:
    """``photopeak room serve`` on free ports."""
    given = {"data": data, "port": 0, "dicom_port": 0, "quiet_seconds": 0.5, **settings}
    environment = {**os.environ, **{f"PHOTOPEAK_ROOM_{k.upper()}": str(v) for k, v in given.items()}}
    command = [sys.executable, "-m", "photopeak", "room", "serve"]
    with (data.parent / "room.log").open("a") as log:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        first, second = process.stdout.readline(), process.stdout.readline()
        assert "http" in first, (data.parent / "room.log").read_text()
        url, port = first.split(": ", 1)[1].strip(), int(second.rsplit(":", 1)[1])
        wait_for(lambda: answers(f"{url}/ready"), 30)
        yield Served(process, url, port, data)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
        assert process.stdout is not None
        process.stdout.close()


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc."""

    dicom_port: int
    url: str
    ae_title: str = "ORTHANC"


@contextlib.contextmanager
def orthanc(folder: Path) -> Iterator[Orthanc]:
    """Debian's Orthanc with its DICOMweb plugin."""
    program = shutil.which("Orthanc")
    if program is None:
        pytest.skip("Orthanc is missing: install Debian's orthanc and orthanc-dicomweb")
    folder.mkdir(parents=True)
    dicom, http = free_port(), free_port()
    settings = {
        "Name": "test",
        "StorageDirectory": str(folder),
        "IndexDirectory": str(folder),
        "DicomAet": "ORTHANC",
        "DicomPort": dicom,
        "HttpPort": http,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "Plugins": ["/usr/share/orthanc/plugins"],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    path = folder / "orthanc.json"
    path.write_text(json.dumps(settings))
    process = subprocess.Popen([program, str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{http}/system"), 30)
        yield Orthanc(dicom, f"http://127.0.0.1:{http}")
    finally:
        process.terminate()
        process.wait(20)


def dcmtk(tool: str) -> str:
    """A tool of DCMTK; pynetdicom brings programs of the same names, which are not meant."""
    path = Path("/usr/bin") / tool
    if not path.exists():
        pytest.skip(f"{tool} is missing: install Debian's dcmtk")
    return str(path)


def chromium() -> str:
    """The path of Chromium."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is missing: install Debian's chromium")
    return path


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as said:
            return bool(said.status == 200)
    except OSError:
        return False


def wait_for(what: Callable[[], Any], seconds: float = 20.0) -> Any:
    """The first true answer; a failure where none comes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := what():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"nothing came within {seconds} s")
