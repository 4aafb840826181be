"""A cohort as a folder that ``photopeak train`` and ``photopeak evaluate`` take as it is."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session as Transaction

from photopeak import __version__
from photopeak.core import PhotopeakError
from photopeak.core.study import Json
from photopeak.dicom.cohort import write_index
from photopeak.dicom.labelme import Mark as LabelMeMark
from photopeak.dicom.labelme import write_labelme
from photopeak.room.marks import outline_of
from photopeak.room.room import Room
from photopeak.room.schema import Assignment, Cohort, Consensus, NetworkReading, Study
from photopeak.room.several_readers import QUESTIONS, matrix_of, reads_of, review, votes_of

LEAST_POINTS = 3


def labelme_of(document: dict[str, Any], shape: tuple[int, int]) -> bytes:
    """The marks that a read stands by as a LabelMe file."""
    marks = []
    for m in document.get("marks", []):
        if m["state"] not in ("accepted", "edited"):
            continue
        rectangle = m["shape"] == "rectangle"
        points = (
            m["points_px"] if rectangle else outline_of(m["shape"], [(float(x), float(y)) for x, y in m["points_px"]])
        )
        outline = tuple((float(x), float(y)) for x, y in points)
        word = "rectangle" if rectangle else "polygon"
        marks.append(LabelMeMark(m["finding"], m["site"], m["view"], word, outline, m["comment"]))
    return write_labelme(marks, shape)


def export_cohort(room: Room, cohort: int, folder: Path) -> int:
    """Write every study that has a consensus; how many. Labels are the adjudicator's, else the majority's."""
    rows: list[dict[str, Json]] = []
    with room.database.reading() as t:
        head = t.get(Cohort, cohort)
        if head is None:
            raise PhotopeakError("there is no such cohort.")
        studies = t.scalars(
            select(Study)
            .where(Study.id.in_(select(Assignment.study_key).where(Assignment.cohort_key == cohort)))
            .order_by(Study.id)
        ).all()
        for study in studies:
            labels = labels_of(t, cohort, study.id)
            if None not in labels.values():
                rows += _case(room, t, cohort, study, labels, folder)
    write_index(folder, rows, {"name": head.name, "made_by": f"photopeak room {__version__}", "labels": "consensus"})
    return len({str(r["path"]).split("/")[0] for r in rows})


def labels_of(t: Transaction, cohort: int, study: int) -> dict[str, bool | None]:
    """What the adjudicator decided, else the majority, of each question."""
    decided = t.scalar(select(Consensus).where(Consensus.cohort_key == cohort, Consensus.study_key == study))
    documents = [r.document for r, _ in reads_of(t, cohort, study)]
    out: dict[str, bool | None] = {}
    for q in QUESTIONS:
        said = None if decided is None else decided.document.get(q)
        out[q] = said == "yes" if said in ("yes", "no") else votes_of(documents, q)
    return out


def _case(
    room: Room, t: Transaction, cohort: int, study: Study, labels: dict[str, bool | None], folder: Path
) -> list[dict[str, Json]]:
    name = f"{study.id:06d}"
    place = folder / name
    place.mkdir(parents=True)
    files = _files(room, t, study)
    for file, (data, _) in files.items():
        (place / file).write_bytes(data)
    shape = matrix_of(t, study.id)
    for i, (read, _) in enumerate(reads_of(t, cohort, study.id), 1):
        (place / f"reader{i}.json").write_bytes(labelme_of(read.document, shape))
    (place / "consensus.json").write_bytes(labelme_of({"marks": _marks(review(t, cohort, study.id))}, shape))
    base: dict[str, Json] = {"patient_id": study.patient.patient_id, "study": study.study_uid, "parent": ""}
    base |= {"label_m": int(bool(labels["metastasis"])), "label_a": int(bool(labels["arthritis"]))}
    return [{**base, "path": f"{name}/{f}", "view": v} for f, (_, views) in files.items() for v in views]


def _marks(said: dict[str, Any]) -> list[dict[str, Any]]:
    """The lesions that the adjudicator decided on, else those that the majority marked."""
    if said["decided"] is not None:
        decided: list[dict[str, Any]] = said["decided"]["marks"]
        return decided
    return [
        {**lesion, "state": "accepted", "shape": "polygon", "comment": ""}
        for lesion in said["lesions"]
        if lesion["majority"] and len(lesion["points_px"]) >= LEAST_POINTS
    ]


def _files(room: Room, t: Transaction, study: Study) -> dict[str, tuple[bytes, list[str]]]:
    """File name -> its bytes and views: what the network's reading was made of."""
    reading = t.scalar(
        select(NetworkReading).where(NetworkReading.study_key == study.id).order_by(NetworkReading.id.desc()).limit(1)
    )
    views: dict[str, list[str]] = {}
    for document in reading.documents if reading is not None else []:
        for view, where in document["views"].items():
            views.setdefault(where["sop"], []).append(view)
    from photopeak.room.results import images_of

    stored = dict(images_of(room, study.id))
    if not views:
        raise PhotopeakError(
            f"study {study.study_uid} has no whole-body scan that was read, so its views are not known. "
            "Remedy: let the network read it first."
        )
    names = ["planar.dcm"] if len(views) == 1 else [f"{'-'.join(v)}.dcm" for v in views.values()]
    return {name: (stored[uid], views[uid]) for name, uid in zip(names, views, strict=True)}


def zipped(folder: Path) -> bytes:
    """A folder as one file."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return buffer.getvalue()
