"""The demonstration: people to sign in as, and virtual patients that the camera sends one after the other.

Nothing of it is special: the people are accounts, and the patients arrive over the network as any camera's would.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog
from sqlalchemy import func, select

from photopeak.core import Study
from photopeak.dicom.labelme import read_labelme
from photopeak.patients.protocol import Streams
from photopeak.patients.streams import stream
from photopeak.room.accounts import add_user
from photopeak.room.arriving import header_of
from photopeak.room.room import Room
from photopeak.room.schema import Cohort, User
from photopeak.room.schema import Study as StudyRow
from photopeak.room.several_readers import finished_read, import_marks, matrix_of, start_cohort

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
COHORT: Final = 6
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
        readers: dict[str, Mapping[str, Any]] = {}
        for number, (data, documents) in enumerate(patients()):
            if documents and len(readers) < COHORT:
                readers[header_of(data, "demo")[0].study_uid] = documents
            if number < there:
                continue
            _send(room, port, data)
            time.sleep(PAUSE_SECONDS)
        _begin_cohort(room, readers)
    except Exception as error:  # a demonstration that stops must not stop the room
        LOG.warning("demo stopped", error=str(error))


def patients() -> Iterator[tuple[bytes, Mapping[str, Any]]]:
    """One NM file after the other, with what its simulated readers marked.

    For every third patient the scan of a year before comes first, which nobody marked.
    """
    from photopeak.patients.bone_scan import BoneScan
    from photopeak.patients.protocol import Clinic

    clinic = Clinic(BoneScan(mix=MIX), PATIENTS, SEED)
    healthy = BoneScan(mix="N=1").plans(PATIENTS, SEED)
    for i in range(PATIENTS):
        case = clinic.case(i)
        study = case.study
        if i % WITH_PRIOR == 0:
            now_plan = clinic.protocol.plans(PATIENTS, SEED)[i]
            plan = dataclasses.replace(healthy[i], sex=now_plan.sex, age_years=now_plan.age_years)
            before = clinic.protocol.case(plan, Earlier(SEED, i)).study
            yield _file(_dated(before, study, 365)), {}
        yield _file(study), case.documents


def _begin_cohort(room: Room, readers: Mapping[str, Mapping[str, Any]]) -> None:
    """A cohort for three, of whom two have read: their marks are those of the simulated readers."""
    with room.database.writing() as t:
        people = t.scalars(select(User.id).where(User.name.in_(("ames", "baum", "cruz"))).order_by(User.id)).all()
        found = t.execute(select(StudyRow.id, StudyRow.study_uid).where(StudyRow.study_uid.in_(readers))).all()
        if len(people) < 3 or not found or t.scalar(select(Cohort.id).limit(1)) is not None:
            return
        cohort = start_cohort(t, "Three readers", True, people[0], [k for k, _ in found], people)
        for key, uid in found:
            shape = matrix_of(t, key)
            for reader, name in zip(people[1:], ("reader1.json", "reader2.json"), strict=True):
                marks = import_marks(read_labelme(json.dumps(readers[uid][name]).encode(), name, shape))
                kinds = {m["finding"] for m in marks}
                answers = {q: "yes" if q in kinds else "no" for q in ("metastasis", "arthritis")}
                finished_read(t, key, reader, cohort.id, {**answers, "marks": marks, "comment": "simulated reader"})


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
