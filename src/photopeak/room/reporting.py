"""A report from its draft to what the archive gets: structured report, segmentations, and the page itself."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Final

import numpy as np
import structlog
from pydicom.dataset import Dataset
from sqlalchemy import String, cast, select
from sqlalchemy.orm import Session as Transaction

from photopeak.core import PhotopeakError
from photopeak.core import report as core
from photopeak.dicom.parse import parse
from photopeak.dicom.reading_frames import Frame
from photopeak.room.api.forms import Mark
from photopeak.room.arriving import family
from photopeak.room.display import Picture, Pictures
from photopeak.room.drafting import draft_sections
from photopeak.room.marks import outline_of, statistics
from photopeak.room.pdf import report_pdf
from photopeak.room.results import judgements, latest_reading
from photopeak.room.room import Room
from photopeak.room.schema import Instance, Read, Report, Study, User, now

LOG: Final = structlog.get_logger()
MADE_HERE: Final = "PHOTOPEAK"
VIEWS: Final[tuple[str, ...]] = ("anterior", "posterior")


def reports_of(t: Transaction, study: int) -> list[Report]:
    """Every version of a study's report, the first one first."""
    return list(t.scalars(select(Report).where(Report.study_key == study).order_by(Report.number)))


def report_json(report: Report) -> dict[str, Any]:
    """A report as the pages know it."""
    return {
        "key": report.id,
        "number": report.number,
        "state": report.state,
        "version": report.version,
        "document": report.document,
        "signer": report.signer,
        "signed": None if report.signed_at is None else report.signed_at.isoformat() + "Z",
        "content_sha256": report.content_sha256,
        "bundle_sha256": report.bundle_sha256,
        "objects": report.objects,
    }


def draft(t: Transaction, study: Study, author: User, pictures: list[Picture]) -> Report:
    """A draft from the author's newest finished read; a draft that is there is written anew, a signed one amended."""
    read = t.scalar(
        select(Read)
        .where(
            Read.study_key == study.id,
            Read.reader_key == author.id,
            Read.cohort_key == 0,
            Read.state == "finished",
        )
        .order_by(Read.round.desc())
        .limit(1)
    )
    if read is None:
        raise PhotopeakError("a report is drafted from a finished read of yours. Remedy: read the study and finish.")
    document, before = _document(t, study, read, pictures), reports_of(t, study.id)
    if before and before[-1].state == "draft":
        report = before[-1]
    else:
        report = Report(study_key=study.id, number=len(before) + 1, state="draft", created_at=now(), version=0)
        report.signer, report.content_sha256, report.bundle_sha256, report.objects = "", "", "", []
        t.add(report)
    report.author_key, report.document = author.id, document
    report.version += 1
    t.flush()
    return report


def _document(t: Transaction, study: Study, read: Read, pictures: list[Picture]) -> dict[str, Any]:
    """What the read says, in sentences and as a table; the network's share of it only where the reader saw it."""
    picture = planar_of(pictures)
    marks = [Mark.model_validate_json(json.dumps(m)) for m in read.document.get("marks", [])]
    standing = [m for m in marks if m.state in ("accepted", "edited")]
    seen = latest_reading(t, study) if read.revealed_at is not None else None
    index = _index(seen.documents) if seen is not None else None
    flags = [f for d in seen.documents for f in d["reading"].get("flags", ())] if seen is not None else []
    before = _prior(t, study)
    answers = str(read.document.get("metastasis", "")), str(read.document.get("arthritis", ""))
    sections = draft_sections(standing, *answers, index, before, technique_of(picture), flags, _said(seen))
    return {
        "sections": sections,
        "metastasis": answers[0],
        "arthritis": answers[1],
        "lesions": [_lesion(m, picture) for m in standing],
        "bone_scan_index_percent": index,
        "read": read.id,
        "bundle": "" if seen is None else seen.bundle,
        "bundle_sha256": "" if seen is None else seen.bundle_sha256,
    }


def planar_of(pictures: list[Picture]) -> Picture | None:
    """The planar picture that marks lie on."""
    return next((p for p in pictures if p.manner == "planar"), None)


def _index(documents: list[Any]) -> float | None:
    found = [d["reading"].get("bone_scan_index_percent") for d in documents]
    return next((float(f) for f in found if f is not None), None)


def _said(seen: Any) -> str | None:
    """What the network said, in words."""
    if seen is None or not judgements(seen.documents):
        return None
    words = {("yes",): "{} present", ("no",): "no sign of {}"}
    said = [
        words.get(tuple(j["answers"]), "not sure about {}").format(j["question"]) for j in judgements(seen.documents)
    ]
    return "; ".join(said)


def _prior(t: Transaction, study: Study) -> tuple[dt.date, float | None] | None:
    """The date of the patient's last earlier nuclear medicine study, and its index where a signed report states one."""
    row = t.execute(
        select(Study, Report)
        .outerjoin(Report, (Report.study_key == Study.id) & (Report.state == "signed"))
        .where(
            Study.patient_key.in_([p.id for p in family(t, study.patient)]),
            Study.id != study.id,
            Study.study_date < study.study_date,
            Study.modalities.contains("NM"),
        )
        .order_by(Study.study_date.desc(), Report.number.desc())
        .limit(1)
    ).first()
    day = None if row is None else _day(row[0].study_date)
    if row is None or day is None:
        return None
    index = None if row[1] is None else row[1].document.get("bone_scan_index_percent")
    return day, index


def _day(text: str) -> dt.date | None:
    """The day that DICOM writes as 20260402; none of what is no day."""
    try:
        return dt.datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        return None


def technique_of(picture: Picture | None) -> dict[str, object]:
    """What the file states of how the patient was imaged."""
    if picture is None:
        return {}
    a, facts = picture.acquisition, dict[str, object]()
    facts["views"] = picture.image.grid.labels("view") if "view" in picture.image.grid.names else ()
    if a.radiopharmaceuticals:
        r = a.radiopharmaceuticals[0]
        facts["tracer"] = " ".join(filter(None, (r.nuclide, r.name)))
        facts["activity_mbq"] = r.activity_mbq
        if r.administered_at is not None and a.started_at is not None:
            facts["after_injection_min"] = (a.started_at - r.administered_at).total_seconds() / 60
    if a.scan_velocity_mm_s:
        facts["scan_speed_cm_min"] = round(a.scan_velocity_mm_s * 6, 1)
    return facts


def _lesion(mark: Mark, picture: Picture | None) -> dict[str, Any]:
    """A mark as the report's table has it, measured on the counts."""
    outline = outline_of(mark.shape, mark.points_px)
    measured = {"area_mm2": 0.0, "maximum": 0.0}
    if picture is not None and mark.view in picture.image.grid.labels("view"):
        plane = picture.planes[picture.image.grid.labels("view").index(mark.view)]
        spacing = picture.image.grid.spacing_mm
        measured = statistics(plane, mark.shape, mark.points_px, spacing["x"] * spacing["y"])
    return {
        "finding": mark.finding,
        "site": mark.site,
        "view": mark.view,
        "outline_px": [[x, y] for x, y in outline],
        "area_mm2": measured["area_mm2"],
        "max_counts": measured["maximum"],
        "comment": mark.comment,
        "proposed_by_network": mark.origin == "network",
        "edited": mark.state == "edited",
    }


def content_of(study_uid: str, patient_id: str, report: Report) -> core.Report:
    """A report as everything else knows one."""
    d = report.document
    lesions = tuple(
        core.SignedLesion(**{**x, "outline_px": tuple((float(a), float(b)) for a, b in x["outline_px"])})
        for x in d["lesions"]
    )
    return core.Report(
        study_uid,
        patient_id,
        report.number,
        dict(d["sections"]),
        d["metastasis"],
        d["arthritis"],
        lesions,
        d["bone_scan_index_percent"],
    )


def sign(t: Transaction, study: Study, report: Report, signer: User) -> None:
    """Sign a draft: from here on the database refuses to change it."""
    missing = [q for q in ("metastasis", "arthritis") if report.document.get(q) not in ("yes", "no", "unsure")]
    if missing or not report.document["sections"].get("conclusion", "").strip():
        raise PhotopeakError("a report without an answer or a conclusion cannot be signed. Remedy: write it.")
    said = json.dumps([study.study_uid, report.number, report.document], sort_keys=True, ensure_ascii=False)
    report.content_sha256 = hashlib.sha256(said.encode()).hexdigest()
    report.bundle_sha256 = str(report.document.get("bundle_sha256", ""))
    report.signer, report.signed_at, report.state = signer.display or signer.name, now(), "signed"
    study.state, study.change = "signed", study.change + 1
    t.flush()


def pdf_of(room: Room, report: Report, pictures: list[Picture]) -> bytes:
    """The page of a report, signed or not."""
    with room.database.reading() as t:
        study = t.get(Study, report.study_key)
        assert study is not None
        before = _sent_before(t, report)
    content = content_of(study.study_uid, study.patient.patient_id, report)
    return _pdf(_signed(content, report, before) if report.state == "signed" else content, study, pictures)


def _pdf(content: core.Report, study: Study, pictures: list[Picture]) -> bytes:
    picture = planar_of(pictures)
    p, images, spacing = study.patient, {}, (1.0, 1.0)
    if picture is not None:
        labels = picture.image.grid.labels("view")
        images = {v: np.asarray(picture.planes[labels.index(v)], np.float64) for v in VIEWS if v in labels}
        spacing = picture.image.grid.spacing_mm["y"], picture.image.grid.spacing_mm["x"]
    words: Mapping[str, str] = {
        "name": p.name.replace("^", " ").strip(),
        "id": p.patient_id,
        "birth date": p.birth_date,
        "sex": p.sex,
        "study date": study.study_date,
        "accession": study.accession,
        "description": study.description,
        "institution": "" if picture is None else picture.acquisition.institution,
    }
    return report_pdf(content, words, images, spacing)


def _signed(content: core.Report, report: Report, supersedes: str) -> core.SignedReport:
    assert report.signed_at is not None
    plain = {f.name: getattr(content, f.name) for f in dataclasses.fields(core.Report)}
    return core.SignedReport(
        **plain,
        signer_name=report.signer,
        signer_organization="",
        signed_at=report.signed_at.replace(tzinfo=dt.UTC),
        content_sha256=report.content_sha256,
        bundle=str(report.document.get("bundle", "")),
        bundle_sha256=report.bundle_sha256,
        supersedes_sop_uid=supersedes,
    )


def _sent_before(t: Transaction, report: Report) -> str:
    """The structured report that this one takes the place of."""
    if report.number == 1:
        return ""
    before = t.scalar(select(Report).where(Report.study_key == report.study_key, Report.number == report.number - 1))
    return str(before.objects[0]) if before is not None and before.objects else ""


def complete_signed(room: Room) -> int:
    """Make, store and send on the objects of every signed report that has none yet; how many reports.

    A process that is killed between signing and this leaves it to the next one; the same report gives the same objects.
    """
    with room.database.reading() as t:
        bare = cast(Report.objects, String) == "[]"  # asked every second: no report's text is to be loaded for it
        waiting = list(t.scalars(select(Report.id).where(Report.state == "signed", bare).order_by(Report.id)))
    done = 0
    for key in waiting:
        try:
            _complete(room, key)
            done += 1
        except PhotopeakError as error:  # which must not keep the others waiting
            LOG.warning("report not sent", report=key, error=str(error))
    return done


def _complete(room: Room, key: int) -> None:
    from photopeak.room.node.forwarding import queue

    with room.database.reading() as t:
        report = t.get(Report, key)
        assert report is not None
        study = t.get(Study, report.study_key)
        assert study is not None
        before = _sent_before(t, report)
    _, pictures = Pictures(room).of(report.study_key)
    signed = _signed(content_of(study.study_uid, study.patient.patient_id, report), report, before)
    made = list(_objects(room, signed, study, pictures))
    for ds in made:
        room.receive(_bytes(ds), MADE_HERE, "report")
    uids = [str(ds.SOPInstanceUID) for ds in made]
    with room.database.writing() as t:
        row = t.get(Report, key, with_for_update=True)
        assert row is not None
        if not row.objects:
            row.objects = uids
            queue(t, uids, made_here=True)


def _objects(room: Room, report: core.SignedReport, study: Study, pictures: list[Picture]) -> list[Dataset]:
    from photopeak.dicom.signed_report import encapsulated_pdf, signed_seg, signed_sr

    frames = _frames(room, study, pictures)
    made: list[Dataset] = [signed_sr(report, frames)]
    made += [signed_seg(report, frames, v) for v in dict.fromkeys(x.view for x in report.lesions)]
    return [*made, encapsulated_pdf(_pdf(report, study, pictures), next(iter(frames.values())).source, report)]


def _frames(room: Room, study: Study, pictures: list[Picture]) -> dict[str, Frame]:
    """The frame of each view, as the objects refer to it."""
    picture = planar_of(pictures)
    places = picture.places if picture is not None else {}
    with room.database.reading() as t:
        if places:
            uids = [p["sop"] for p in places.values()]
            rows = t.execute(select(Instance.sop_uid, Instance.sha256).where(Instance.sop_uid.in_(uids))).all()
        else:
            found = select(Instance.sop_uid, Instance.sha256).join(Instance.series)
            rows = t.execute(found.where(Instance.series.has(study_key=study.id), Instance.rows > 0).limit(1)).all()
    sources = {str(uid): parse(room.objects.get(str(sha256)), str(uid)) for uid, sha256 in rows}
    if not sources:
        raise PhotopeakError("the study holds no image that a report could refer to.")
    if not places:
        return {"": Frame(next(iter(sources.values())), None)}
    single = {uid: int(ds.get("NumberOfFrames", 1) or 1) == 1 for uid, ds in sources.items()}
    return {v: Frame(sources[p["sop"]], None if single[p["sop"]] else p["frame"]) for v, p in places.items()}


def _bytes(ds: Dataset) -> bytes:
    buffer = BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
