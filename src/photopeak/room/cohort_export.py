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
from photopeak.room.results import image_of, images_of
from photopeak.room.room import Room
from photopeak.room.schema import Assignment, Cohort, Consensus, NetworkReading, Study
from photopeak.room.several_readers import QUESTIONS, reads_of, review, votes_of

LEAST_POINTS = 3


def on_image(document: dict[str, Any], image: str, first: str) -> dict[str, Any]:
    """A read with the marks on one image alone; those that name none lie on the study's ``first`` one."""
    return {**document, "marks": [m for m in document.get("marks", []) if (m.get("image") or first) == image]}


def labelme_of(document: dict[str, Any], shape: tuple[int, int]) -> bytes:
    """The marks that a read stands by as a LabelMe file, which knows one image and its views."""
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
    """A folder for each image of the study; the labels are of the patient, and the same for all of them."""
    base: dict[str, Json] = {"patient_id": study.patient.patient_id, "study": study.study_uid, "parent": ""}
    base |= {"label_m": int(bool(labels["metastasis"])), "label_a": int(bool(labels["arthritis"]))}
    images, rows = _images(room, t, study), list[dict[str, Json]]()
    reads = [read.document for read, _ in reads_of(t, cohort, study.id)]
    agreed = {"marks": _marks(review(t, cohort, study.id))}
    first = next(iter(images))
    for number, (image, (shape, files)) in enumerate(images.items(), 1):
        name = f"{study.id:06d}" if number == 1 else f"{study.id:06d}-{number}"
        place = folder / name
        place.mkdir(parents=True)
        for file, (data, _) in files.items():
            (place / file).write_bytes(data)
        for i, document in enumerate(reads, 1):
            (place / f"reader{i}.json").write_bytes(labelme_of(on_image(document, image, first), shape))
        (place / "consensus.json").write_bytes(labelme_of(on_image(agreed, image, first), shape))
        rows += [{**base, "path": f"{name}/{f}", "view": v} for f, (_, views) in files.items() for v in views]
    return rows


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


Files = dict[str, tuple[bytes, list[str]]]
"""File name -> its bytes and views."""


def _images(room: Room, t: Transaction, study: Study) -> dict[str, tuple[tuple[int, int], Files]]:
    """Image -> its (rows, columns) and files: every one that the network read."""
    reading = t.scalar(
        select(NetworkReading).where(NetworkReading.study_key == study.id).order_by(NetworkReading.id.desc()).limit(1)
    )
    stored = dict(images_of(room, study.id))
    found: dict[str, tuple[tuple[int, int], Files]] = {}
    for document in reading.documents if reading is not None else []:
        if document["reading"].get("refused"):  # a spot view beside the whole-body scan
            continue
        views: dict[str, list[str]] = {}
        for view, where in document["views"].items():
            views.setdefault(where["sop"], []).append(view)
        if views:
            names = ["planar.dcm"] if len(views) == 1 else [f"{'-'.join(v)}.dcm" for v in views.values()]
            files = {n: (stored[u], views[u]) for n, u in zip(names, views, strict=True)}
            one = next(iter(document["views"].values()))
            found[image_of(document)] = (one["rows"], one["columns"]), files
    if not found:
        raise PhotopeakError(
            f"study {study.study_uid} has no whole-body scan that was read, so its views are not known. "
            "Remedy: let the network read it first."
        )
    return found


def zipped(folder: Path) -> bytes:
    """A folder as one file."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return buffer.getvalue()
