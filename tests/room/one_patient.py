"""One simulated patient's whole-body scan, simulated and read by the network once for all tests of a process."""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from photopeak.core import Study
from photopeak.dicom import write
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.protocol import Clinic
from photopeak.room.compute import Compute, Made, Stored, read_objects
from photopeak.room.results import commit_reading, compute_reading
from photopeak.room.room import Room
from photopeak.room.schema import Study as StudyRow

BUNDLE = "bone-scan"


@functools.cache
def _case() -> Any:
    return Clinic(BoneScan(mix="M=1"), 1, 7).case(0)


def simulated() -> Study:
    return _case().study


def labelme(reader: int = 1) -> bytes:
    """What a simulated reader marked."""
    return json.dumps(_case().documents[f"reader{reader}.json"]).encode()


@functools.cache
def planar_file() -> bytes:
    """The scan as the camera writes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "planar.dcm"
        write(simulated().only("counts"), path)
        return path.read_bytes()


@functools.cache
def _made(objects: tuple[Stored, ...]) -> Made:
    return read_objects(objects, BUNDLE, {})


class Here(Compute):
    """Reads in this process, every object once."""

    def read(self, objects: Sequence[Stored], bundle: str, assumed: Mapping[str, str]) -> Made:
        return _made(tuple(objects))


def read_by_network(room: Room, key: int, bundle: str = BUNDLE, sha256: str = "") -> dict[str, Any]:
    """Let the network's reading take its place; ``sha256`` passes it off as another bundle's."""
    with room.database.reading() as t:
        study = t.get(StudyRow, key)
        assert study is not None
    made = compute_reading(room, Here(), key, bundle)
    made["bundle_sha256"] = sha256 or made["bundle_sha256"]
    commit_reading(room, key, study.digest, bundle, made)
    return made


def receive_patient(room: Room) -> int:
    """The patient's scan in the archive and read by the network; the study's number."""
    key = room.receive(planar_file(), "CAMERA").study_key
    read_by_network(room, key)
    return key
