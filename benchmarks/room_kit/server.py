"""The reading room as its users run it: a process of its own that is started, killed and asked."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import psutil

from photopeak.room.accounts import add_user
from photopeak.room.room import Room, open_room
from photopeak.room.settings import Settings

PASSWORD = "a long benchmark password"


class Server:
    """``photopeak room serve`` on ports that stay the same over every start, as a camera knows them."""

    def __init__(self, data: Path, database_url: str = "", quiet_seconds: float = 1.0, **environment: str) -> None:
        self.data, self.database_url, self.quiet_seconds = data, database_url, quiet_seconds
        self.http, self.dicom = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.http}"
        self.log = data.parent / "server.log"
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def room(self) -> Room:
        """The same room, for looking into its catalogue beside the server."""
        return open_room(
            Settings(data=self.data, database_url=self.database_url, quiet_seconds=self.quiet_seconds, dicom=False)
        )

    def start(self, wait_seconds: float = 120.0) -> float:
        """Start, and wait until it answers; the seconds that took."""
        command = [sys.executable, "-m", "photopeak", "room", "serve", "--data", str(self.data)]
        command += ["--port", str(self.http), "--dicom-port", str(self.dicom)]
        command += ["--quiet-seconds", str(self.quiet_seconds)]
        if self.database_url:
            command += ["--database-url", self.database_url]
        started = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment)
        while time.monotonic() - started < wait_seconds:
            if self._process.poll() is not None:
                raise RuntimeError(f"the server ended at once: {self.log.read_text()[-2000:]}")
            try:
                if httpx2.get(f"{self.url}/ready", timeout=5).status_code == 200:
                    return time.monotonic() - started
            except httpx2.HTTPError:
                pass
            time.sleep(0.1)
        raise RuntimeError(f"the server does not answer: {self.log.read_text()[-2000:]}")

    def family(self) -> list[psutil.Process]:
        """The server's process and its children."""
        assert self._process is not None
        here = psutil.Process(self._process.pid)
        return [here, *here.children(recursive=True)]

    def kill(self) -> list[psutil.Process]:
        """``kill -9`` of the server alone; the children that it leaves, which ought to end by themselves."""
        assert self._process is not None
        children = self.family()[1:]
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        return children

    def stop(self) -> None:
        """As Ctrl+C does."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def errors(self) -> list[str]:
        """The lines of the log that tell of something unexpected."""
        words = ("unexpected", "chore failed", "Traceback")
        return [line for line in self.log.read_text(errors="replace").splitlines() if any(w in line for w in words)]


class Reader:
    """A signed-in person's browser, without the browser."""

    def __init__(self, url: str, name: str) -> None:
        self.client = httpx2.Client(base_url=url, timeout=60)
        answer = self.client.post("/api/session", json={"name": name, "password": PASSWORD})
        answer.raise_for_status()
        self.client.headers["x-csrf-token"] = answer.json()["csrf"]

    def ask(self, method: str, path: str, **more: Any) -> Any:
        answer = self.client.request(method, path, **more)
        if answer.status_code != 200:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json() if answer.headers["content-type"] == "application/json" else answer.content


def add_physicians(room: Room, number: int) -> list[str]:
    """So many accounts that may read and sign."""
    names = [f"physician{i}" for i in range(number)]
    with room.database.writing() as t:
        for name in names:
            add_user(t, name, "physician", PASSWORD, f"Dr {name.capitalize()}")
    return names


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])
