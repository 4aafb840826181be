"""One PostgreSQL server for the tests that need one: on a free port, in a folder of its own, gone afterwards."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

_numbers = itertools.count(1)


def _tool(name: str) -> str:
    """Debian keeps the server's tools outside the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}")) if Path("/usr/lib/postgresql").is_dir() else []
    path = str(found[-1]) if found else shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is missing: install Debian's postgresql")
    return path


def _as_server(*words: str, log: Path) -> None:
    """Run a tool as somebody whom PostgreSQL lets run a server, which root is not."""
    before = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    with log.open("a") as out:  # never a pipe: the server would hold it open
        done = subprocess.run([*before, *words], stdout=out, stderr=out, check=False, timeout=60, cwd="/")
    assert done.returncode == 0, log.read_text()


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a running server's first database."""
    initdb, pg_ctl = _tool("initdb"), _tool("pg_ctl")
    # Directly below the system's folder: PostgreSQL's own user cannot enter pytest's, and socket paths must be short.
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as name:
        folder, port = Path(name), _free_port()
        log = folder / "log"
        log.touch()
        if os.getuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        data = str(folder / "data")
        _as_server(initdb, "-D", data, "-U", "room", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C", log=log)
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200"
        _as_server(pg_ctl, "-D", data, "-w", "-o", options, "start", log=log)
        try:
            yield f"postgresql+psycopg://room@127.0.0.1:{port}/postgres"
        finally:
            _as_server(pg_ctl, "-D", data, "-w", "-m", "immediate", "stop", log=log)


@pytest.fixture
def new_database(postgres_url: str) -> Callable[[], str]:
    """Makes empty databases on the server; their URLs."""

    def make() -> str:
        name = f"room{next(_numbers)}"
        engine = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return f"{postgres_url.rpartition('/')[0]}/{name}"

    return make
