"""The demonstration: people to sign in as, and virtual patients that the camera sends one after the other.

Nothing of it is special: the people are accounts, and the patients arrive over the network as any camera's would.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import structlog
from sqlalchemy import func, select

from photopeak.core import Study
from photopeak.patients.protocol import Streams
from photopeak.patients.streams import stream
from photopeak.room.accounts import add_user
from photopeak.room.room import Room
from photopeak.room.schema import Study as StudyRow
from photopeak.room.schema import User

LOG: Final = structlog.get_logger()
PEOPLE: Final = (
    ("ames", "Dr Ada Ames", "physician"),
    ("baum", "Dr Ben Baum", "physician"),
    ("cruz", "Dr Cleo Cruz", "physician"),
    ("dahl", "Dina Dahl", "annotator"),
    ("eno", "Emil Eno", "researcher"),
    ("frey", "Fay Frey", "administrator"),
)
PATIENTS: Final = 24
SEED: Final = 2026
PAUSE_SECONDS: Final = 2.0
MIX: Final = "N=0.3,M=0.4,A=0.25,M&A=0.05"
WITH_PRIOR: Final = 3
"""Every third patient was here a year before."""


def prepare(room: Room) -> None:
    """The people, unless somebody is there."""
    with room.database.writing() as t:
        if not t.scalar(select(func.count()).select_from(User)):
            for name, display, role in PEOPLE:
                add_user(t, name, role, display=display)


def send_patients(room: Room, port: int) -> None:
    """Simulate patients and send each, until there are enough."""
    try:
        with room.database.reading() as t:
            there = t.scalar(select(func.count()).select_from(StudyRow)) or 0
        for number, data in enumerate(patients()):
            if number < there:
                continue
            _send(room, port, data)
            time.sleep(PAUSE_SECONDS)
    except Exception as error:  # a demonstration that stops must not stop the room
        LOG.warning("demo stopped", error=str(error))


def patients() -> Iterator[bytes]:
    """One NM file after the other: for every third patient the scan of a year before comes first."""
    from photopeak.patients.bone_scan import BoneScan
    from photopeak.patients.protocol import Clinic

    clinic = Clinic(BoneScan(mix=MIX), PATIENTS, SEED)
    healthy = BoneScan(mix="N=1").plans(PATIENTS, SEED)
    for i in range(PATIENTS):
        study = clinic.case(i).study
        if i % WITH_PRIOR == 0:
            now_plan = clinic.protocol.plans(PATIENTS, SEED)[i]
            plan = dataclasses.replace(healthy[i], sex=now_plan.sex, age_years=now_plan.age_years)
            before = clinic.protocol.case(plan, Earlier(SEED, i)).study
            yield _file(_dated(before, study, 365))
        yield _file(study)


class Earlier(Streams):
    """The random streams of the same person on another day: the body stays, the counts and the date do not."""

    def __call__(self, purpose: str) -> np.random.Generator:
        return stream(self.seed if purpose in ("anatomy", "variants") else self.seed + 1, self.patient, purpose)


def _dated(study: Study, after: Study, days: int) -> Study:
    """``study`` so many days before another one."""
    start = after.acquisition.started_at
    assert start is not None
    at = start - dt.timedelta(days=days)
    given = tuple(
        dataclasses.replace(r, administered_at=at - dt.timedelta(hours=3))
        for r in study.acquisition.radiopharmaceuticals
    )
    when = dataclasses.replace(study.acquisition, started_at=at, radiopharmaceuticals=given)
    return Study(dict(study), study.patient, when, study.history)


def _file(study: Study) -> bytes:
    from photopeak.dicom import write

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "planar.dcm"
        write(study.only("counts"), path)
        return path.read_bytes()


def _send(room: Room, port: int, data: bytes) -> None:
    """C-STORE to the room's own node; where it does not run, straight in."""
    if not port:
        room.receive(data, "CAMERA")
        return
    import pydicom
    from pynetdicom import AE

    ds = pydicom.dcmread(io.BytesIO(data))
    entity = AE(ae_title="CAMERA")
    entity.add_requested_context(ds.SOPClassUID, ds.file_meta.TransferSyntaxUID)
    association = entity.associate(room.settings.dicom_host, port, ae_title=room.settings.ae_title)
    if association.is_established:
        association.send_c_store(ds)
        association.release()
