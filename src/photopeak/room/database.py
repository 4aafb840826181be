"""The database's engine, its transactions and its migrations: SQLite in one file, or PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from photopeak.core import PhotopeakError
from photopeak.room.settings import without_password

MIGRATIONS: Final = Path(__file__).parent / "migrations"
BUSY_SECONDS: Final = 60.0
MOST_CONNECTIONS: Final = 60
KEPT_OPEN: Final = {"sqlite": 6, "postgresql": 20}
"""Connections that stay open when nobody uses them. One to SQLite costs little to open and holds up to 2 MiB of pages
and 128 statements of its own; one to PostgreSQL costs a process there."""


class Database:
    """Transactions on the catalogue: ``reading()`` sees one state, ``writing()`` changes it or leaves it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sqlite = url.startswith("sqlite")
        self.engine = _engine(url, self.sqlite)
        self._session = sessionmaker(self.engine, expire_on_commit=False)
        self._turn = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with self._session() as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction: committed, and so durable, when the block ends well."""
        with self._in_turn(), self._session() as session:
            if self.sqlite:
                # A transaction that begins by reading and then writes can fail when another wrote between; one that
                # says so at once waits for its turn.
                session.connection(execution_options={"begin": "IMMEDIATE"})
            yield session
            session.commit()

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """SQLite has one writer at a time, and who waits for it sleeps up to 100 ms between looks: within this
        process the next one is woken at once. Who waited too long goes on, and SQLite says what is wrong."""
        mine = self.sqlite and self._turn.acquire(timeout=BUSY_SECONDS)
        try:
            yield
        finally:
            if mine:
                self._turn.release()

    def close(self) -> None:
        self.engine.dispose()


def _engine(url: str, sqlite: bool) -> Engine:
    try:
        if not sqlite:
            return create_engine(url, pool_pre_ping=True, **_pool("postgresql"))
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, **_pool("sqlite"))
    except (SQLAlchemyError, ImportError, OSError) as error:
        raise PhotopeakError(
            f"the database {without_password(url)} cannot be used: {error}. "
            "Remedy: give an URL such as postgresql+psycopg://user:password@host/name."
        ) from error
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _pool(kind: str) -> dict[str, Any]:
    """The connection that was given back last is taken first, so that as few as are needed fill their memory."""
    kept = KEPT_OPEN[kind]
    return {"pool_size": kept, "max_overflow": MOST_CONNECTIONS - kept, "pool_use_lifo": True}


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    mode = connection.get_execution_options().get("begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the tables to the present form; at once where they are."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    try:
        with database.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    except SQLAlchemyError as error:
        raise PhotopeakError(
            f"the database {without_password(database.url)} cannot be brought up to date: {error}. "
            "Remedy: check that it runs and that its user may create tables."
        ) from error


def revision_of(database: Database) -> str:
    """The revision that the tables have; "" where there are none."""
    try:
        with database.engine.connect() as connection:
            return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")
    except SQLAlchemyError:
        return ""
