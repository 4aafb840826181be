"""What happens by itself: studies that are complete are read, results are sent on, commitments answered.

What is to be done is derived from the catalogue, never from memory: a study is due when nothing came for a while and
no reading of its present state exists. Each reading is a durable workflow: its steps are recorded as they end, and a
process that is killed goes on where it was. A reading is committed at most once, whoever computed it and how often.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable
from typing import Any, Final

import structlog
from dbos import DBOS, DBOSConfig, SetWorkflowID
from sqlalchemy import select

from photopeak.core import PhotopeakError
from photopeak.room.compute import Compute, OnCluster
from photopeak.room.models import TEACHING, set_fact, teach
from photopeak.room.results import active_bundle, commit_reading, compute_reading, latest_reading, place
from photopeak.room.room import Room
from photopeak.room.schema import Study, now

LOG: Final = structlog.get_logger()
QUEUE: Final = "reading"
VERSION: Final = "room-1"
"""Of the workflows: one that was begun under another version is not gone on with, but begun anew."""
STALE_SECONDS: Final = 600.0
"""After so long without a result a study is taken up again: its worker may be gone for good."""
LOST_SECONDS: Final = 15.0
"""A reading that was begun so long ago and that nothing here works on is lost: its progress could not be written."""
ATTEMPTS: Final = 5

_working: set[str] = set()
"""The readings that this process works on."""
_current: list[tuple[Room, Compute]] = []
"""What the workflows work on; they are functions of the process, since a later process goes on with them by name."""


@DBOS.workflow(name="read_study", max_recovery_attempts=ATTEMPTS)
def read_study(study_key: int, digest: str, bundle: str) -> bool:
    """Read a study and commit the result."""
    name = DBOS.workflow_id or ""
    _working.add(name)
    try:
        return commit_step(study_key, digest, bundle, compute_step(study_key, bundle))
    finally:
        _working.discard(name)


# Tried again after 2, 6 and 18 seconds: a full disk or a database that starts again should not cost a whole attempt.
@DBOS.step(name="compute", retries_allowed=True, max_attempts=4, interval_seconds=2.0, backoff_rate=3.0)
def compute_step(study_key: int, bundle: str) -> dict[str, Any]:
    """The reading as JSON."""
    room, compute = _current[-1]
    return compute_reading(room, compute, study_key, bundle)


@DBOS.step(name="commit", retries_allowed=True, max_attempts=5, interval_seconds=2.0, backoff_rate=3.0)
def commit_step(study_key: int, digest: str, bundle: str, made: dict[str, Any]) -> bool:
    """Write it into the catalogue."""
    room, _ = _current[-1]
    done = commit_reading(room, study_key, digest, bundle, made)
    LOG.info("read", study=study_key, bundle=bundle, seconds=round(made["seconds"], 2), written=done)
    return done


@DBOS.workflow(name="teach", max_recovery_attempts=1)
def teach_bundle(cohort: int, name: str, epochs: int) -> str:
    """Teach a bundle; how it went stands where everybody sees it."""
    return teach_step(cohort, name, epochs)


@DBOS.step(name="teach step")
def teach_step(cohort: int, name: str, epochs: int) -> str:
    """Teaching, with what came of it written down whether it ended well or not."""
    room, _ = _current[-1]
    try:
        words = teach(room, cohort, name, epochs)
    except PhotopeakError as error:
        words = f"{name}: {error}"
    with room.database.writing() as t:
        set_fact(t, TEACHING, words)
    return words


class Work:
    """The worker of one process: durable workflows and the loop that finds what is due."""

    def __init__(self, room: Room, chores: tuple[Callable[[Room], int], ...] = ()) -> None:
        self._room, self._chores = room, chores
        self._stop, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._loop, name="work", daemon=True)
        self._compute = OnCluster(room.settings.cluster) if room.settings.cluster else Compute()

    def start(self) -> None:
        """Go on with what a killed process left, and look for more."""
        _current.append((self._room, self._compute))
        # SQLAlchemy's event that ends an expired workflow's log is theirs; only warnings are worth a line here.
        logging.getLogger("dbos").setLevel(logging.WARNING)
        DBOS(config=_config(self._room))
        DBOS.launch()
        DBOS.register_queue(QUEUE, worker_concurrency=self._compute.at_once, polling_interval_sec=0.5)
        DBOS.register_queue(TEACHING, worker_concurrency=1, polling_interval_sec=2.0)
        self._thread.start()

    def wake(self) -> None:
        """Something came: look at once."""
        self._wake.set()

    def read(self, study_key: int, digest: str, bundle: str) -> None:
        """Read one study with a bundle of one's choice, once the others are read."""
        with SetWorkflowID(f"read-{study_key}-{digest[:16]}-{bundle}-asked"):
            DBOS.enqueue_workflow(QUEUE, read_study, study_key, digest, bundle)

    def teach(self, cohort: int, name: str, epochs: int) -> None:
        """Begin to teach a bundle."""
        with self._room.database.writing() as t:
            set_fact(t, TEACHING, f"{name}: being taught on cohort {cohort} …")
        with SetWorkflowID(f"teach-{name}"):
            DBOS.enqueue_workflow(TEACHING, teach_bundle, cohort, name, epochs)

    def stop(self) -> None:
        self._stop.set()
        self._wake.set()
        self._thread.join(30)
        DBOS.destroy(workflow_completion_timeout_sec=10)
        self._compute.close()
        _current.pop()

    def _loop(self) -> None:
        while not self._stop.is_set():
            for chore in (enqueue_due, take_up_lost, *self._chores):
                try:
                    chore(self._room)
                except Exception as error:  # a chore that fails is tried again, and must not end the others
                    LOG.warning("chore failed", chore=chore.__name__, error=str(error))
            self._wake.wait(1.0)
            self._wake.clear()


def _config(room: Room) -> DBOSConfig:
    url = room.settings.database
    if url.startswith("sqlite"):
        system = f"sqlite:///{room.settings.data.absolute() / 'work.sqlite'}"
    else:
        system = "postgresql" + url[url.index("://") :]
    return {
        "name": "photopeak-room",
        "system_database_url": system,
        "application_version": VERSION,
        "executor_id": room.settings.worker_name,
        "log_level": "WARNING",
    }


def enqueue_due(room: Room) -> int:
    """Begin a reading for every study that is complete and not read; how many."""
    at = now()
    with room.database.reading() as t:
        keys = t.scalars(select(Study.id).where(Study.due_at.is_not(None), Study.due_at <= at).limit(200)).all()
        if not keys:
            return 0
        bundle = active_bundle(t, room)
    for key in keys:
        with room.database.writing() as t:
            study = t.get(Study, key, with_for_update=True)
            if study is None or study.due_at is None or study.due_at > at:
                continue
            done = latest_reading(t, study)
            if done is not None and done.bundle == bundle:  # a correction was taken back: it was read like this before
                place(t, study, done.documents)
                continue
            study.attempt += 1
            if study.attempt > ATTEMPTS:
                study.due_at = None
                study.warnings = [*study.warnings, f"could not be read after {ATTEMPTS} tries; see the log"]
                study.change += 1
                continue
            # Until the result is committed, which takes this away, the study stays due, only later.
            study.due_at = at + dt.timedelta(seconds=STALE_SECONDS)
            # Enqueued before that is written: a process that is killed in between enqueues the same name again, which
            # changes nothing, while the other way round the study would wait as if it were being read.
            with SetWorkflowID(f"read-{key}-{study.digest[:16]}-{bundle}-{study.attempt}"):
                DBOS.enqueue_workflow(QUEUE, read_study, key, study.digest, bundle)
    return len(keys)


def take_up_lost(room: Room) -> int:
    """Go on with readings that ended because not even their failure could be written, as on a full disk; how many."""
    long_ago = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=LOST_SECONDS)
    begun = DBOS.list_workflows(
        status="PENDING",
        queue_name=QUEUE,
        executor_id=room.settings.worker_name,
        dequeued_before=long_ago.isoformat(),
        load_input=False,
        load_output=False,
    )
    lost = [w.workflow_id for w in begun if w.workflow_id not in _working]
    for name in lost:
        DBOS.resume_workflow(name, queue_name=QUEUE)
    return len(lost)
