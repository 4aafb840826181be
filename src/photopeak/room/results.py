"""A network's reading takes its place in the catalogue: once for each state of a study and each bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session as Transaction

from photopeak.core import PhotopeakError
from photopeak.room.compute import Compute, Made, Stored, image_name
from photopeak.room.room import Room
from photopeak.room.schema import Fact, Instance, NetworkReading, Read, Series, Study, now

ACTIVE = "bundle"
"""The fact that names the bundle that is switched on."""


def active_bundle(t: Transaction, room: Room) -> str:
    """The bundle that reads what arrives."""
    fact = t.get(Fact, ACTIVE)
    return fact.value if fact is not None and fact.value else room.settings.bundle


def images_of(room: Room, study_key: int) -> list[Stored]:
    """The nuclear medicine objects of a study, in the order in which they are shown."""
    with room.database.reading() as t:
        rows = t.execute(
            select(Instance.sop_uid, Instance.sha256)
            .join(Series)
            .where(Series.study_key == study_key, Series.modality == "NM")
            .order_by(Series.number, Series.series_uid, Instance.number, Instance.sop_uid)
        ).all()
    return [(uid, room.objects.get(sha256)) for uid, sha256 in rows]


def compute_reading(room: Room, compute: Compute, study_key: int, bundle: str) -> dict[str, Any]:
    """Read a study and keep its maps; what is committed afterwards, as JSON."""
    started = now()
    with room.database.reading() as t:
        study = t.get(Study, study_key)
        if study is None:
            raise PhotopeakError(f"there is no study {study_key}.")
        assumed = {str(k): str(v) for k, v in study.assumed.items()}
    made = compute.read(images_of(room, study_key), bundle, assumed)
    documents = _with_maps(room, made)
    seconds = (now() - started).total_seconds()
    return {"bundle_sha256": made.bundle_sha256, "documents": documents, "seconds": seconds}


def _with_maps(room: Room, made: Made) -> list[dict[str, Any]]:
    out = []
    for document, maps in zip(made.documents, made.maps, strict=True):
        out.append({**document, "maps": {name: room.objects.put(data) for name, data in maps.items()}})
    return out


def commit_reading(room: Room, study_key: int, digest: str, bundle: str, made: dict[str, Any]) -> bool:
    """Write a reading and the study's place in the worklist in one transaction; False where it was there already."""
    try:
        with room.database.writing() as t:
            found = find_reading(t, study_key, digest, made["bundle_sha256"])
            study = t.get(Study, study_key, with_for_update=True)
            assert study is not None
            if found is not None:
                if study.digest == digest and study.due_at is not None:  # asked for again: it is not due any more
                    place(t, study, found.documents)
                return False
            row = NetworkReading(study_key=study_key, digest=digest, bundle=bundle, made_at=now())
            row.bundle_sha256, row.documents, row.seconds = made["bundle_sha256"], made["documents"], made["seconds"]
            t.add(row)
            t.flush()
            if study.digest == digest:
                place(t, study, made["documents"])
            return True
    except IntegrityError:
        return False  # another process was quicker


def find_reading(t: Transaction, study_key: int, digest: str, bundle_sha256: str) -> NetworkReading | None:
    """What a bundle said of a state of a study."""
    return t.scalar(
        select(NetworkReading).where(
            NetworkReading.study_key == study_key,
            NetworkReading.digest == digest,
            NetworkReading.bundle_sha256 == bundle_sha256,
        )
    )


def image_of(document: Mapping[str, Any]) -> str:
    """The name of the image that a reading is about; "" of one that was read from nothing."""
    views, sources = document.get("views", {}), document["reading"].get("sources", ())
    return image_name(views, sources[0] if sources else "")


def latest_reading(t: Transaction, study: Study) -> NetworkReading | None:
    """The newest reading of a study as it is now."""
    return t.scalar(
        select(NetworkReading)
        .where(NetworkReading.study_key == study.id, NetworkReading.digest == study.digest)
        .order_by(NetworkReading.id.desc())
        .limit(1)
    )


def place(t: Transaction, study: Study, documents: Sequence[dict[str, Any]]) -> None:
    """A study's suspicion and uncertainty from what the network says, and that it is read."""
    study.due_at = None
    study.suspicion, study.uncertainty = suspicion_of(documents), uncertainty_of(documents)
    people = t.scalar(select(func.count()).select_from(Read).where(Read.study_key == study.id))
    if study.state == "new" and not people:
        study.state = "read"
    study.change += 1


def judgements(documents: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every answered question of a study's readings."""
    return [j for d in documents for j in d["reading"].get("judgements", ())]


def suspicion_of(documents: Sequence[dict[str, Any]]) -> float | None:
    """The probability of metastasis; none where nothing was read."""
    said = [float(j["probability"]) for j in judgements(documents) if j["question"] == "metastasis"]
    return max(said) if said else None


def uncertainty_of(documents: Sequence[dict[str, Any]]) -> float | None:
    """How near the nearest question is to even odds: 1 − |2p − 1|, and 1 more where both answers are possible.

    >>> uncertainty_of([{"reading": {"judgements": [{"probability": 0.5, "answers": ["yes", "no"]}]}}])
    2.0
    """
    said = [1.0 - abs(2.0 * float(j["probability"]) - 1.0) + (len(j["answers"]) != 1) for j in judgements(documents)]
    return max(said) if said else None
