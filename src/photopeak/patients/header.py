"""Who a file's header says a virtual patient is: an ID of the cohort, never a name that could be somebody's."""

from __future__ import annotations

import hashlib

from photopeak.core import Patient
from photopeak.patients.body import Person
from photopeak.patients.protocol import Streams


def patient_id(protocol: str, streams: Streams) -> str:
    """Protocol, seed and number of a patient, as in ``bone-scan-7-00003``."""
    return f"{protocol}-{streams.seed}-{streams.patient:05d}"


def header(name: str, person: Person) -> Patient:
    """The header of the person with this ID."""
    return Patient(
        name,
        "PHOTOPEAK",
        f"Virtual^{name.rsplit('-', 1)[1]}",
        person.sex,
        age_years=float(int(person.age_years)),
        height_m=round(person.height_m, 2),
        weight_kg=round(person.weight_kg, 1),
    )


def frame_of(examination: str) -> str:
    """The frame of reference UID of an examination's own."""
    return f"2.25.{int(hashlib.sha256(examination.encode()).hexdigest()[:24], 16)}"
