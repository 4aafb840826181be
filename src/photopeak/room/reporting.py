"""A report from its draft to what the archive gets: structured report, segmentations, and the page itself."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
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
from photopeak.room.display import Picture, Pictures, planar
from photopeak.room.drafting import draft_sections
from photopeak.room.marks import outline_of, statistics
from photopeak.room.pdf import report_pdf
from photopeak.room.places import image_of_mark, labels_of, renamed, word_of, words_of
from photopeak.room.results import image_of, judgements, latest_reading
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
    index, flags = (None, []) if seen is None else _index_and_flags(seen.documents, pictures)
    before = _prior(t, study)
    answers = str(read.document.get("metastasis", "")), str(read.document.get("arthritis", ""))
    sections = draft_sections(
        renamed(standing, pictures), *answers, index, before, technique_of(picture), flags, _said(seen)
    )
    return {
        "sections": sections,
        "metastasis": answers[0],
        "arthritis": answers[1],
        "lesions": [_lesion(m, image_of_mark(m.image, pictures)) for m in standing],
        "bone_scan_index_percent": index,
        "indices_percent": {} if seen is None else _indices(seen.documents, pictures),
        "read": read.id,
        "bundle": "" if seen is None else seen.bundle,
        "bundle_sha256": "" if seen is None else seen.bundle_sha256,
    }


def planar_of(pictures: list[Picture]) -> Picture | None:
    """The first planar picture: a report's own, where there are several."""
    return next(iter(planar(pictures)), None)


def _index_and_flags(documents: list[Any], pictures: list[Picture]) -> tuple[float | None, list[str]]:
    """The bone scan index and what the network noted; of several images the index of the first, and that it is so."""
    order = [p.name for p in pictures]
    indexed = [d for d in documents if d["reading"].get("bone_scan_index_percent") is not None]
    indexed.sort(key=lambda d: order.index(image_of(d)) if image_of(d) in order else len(order))
    flags = list(dict.fromkeys(f for d in documents for f in d["reading"].get("flags", ())))
    if len(indexed) > 1:
        flags.append(f"the bone scan index is that of the first of the {len(indexed)} images that have one")
    return (float(indexed[0]["reading"]["bone_scan_index_percent"]) if indexed else None), flags


def _indices(documents: list[Any], pictures: list[Picture]) -> dict[str, float]:
    """The bone scan index of each image that has one, by its title: early is compared with early, late with late."""
    found = {image_of(d): d["reading"].get("bone_scan_index_percent") for d in documents}
    return {p.title: float(found[p.name]) for p in reversed(pictures) if found.get(p.name) is not None}


def _said(seen: Any) -> str | None:
    """What the network said, in words; of several images, of each."""
    if seen is None or not judgements(seen.documents):
        return None
    words = {("yes",): "{} present", ("no",): "no sign of {}"}
    each = [
        "; ".join(words.get(tuple(j["answers"]), "not sure about {}").format(j["question"]) for j in judgements([d]))
        for d in seen.documents
        if judgements([d])
    ]
    return each[0] if len(each) == 1 else "; ".join(f"image {i}: {said}" for i, said in enumerate(each, 1))


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
    facts["views"] = labels_of(picture)
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
    if picture is not None and mark.view in labels_of(picture):
        plane = picture.planes[labels_of(picture).index(mark.view)]
        spacing = picture.image.grid.spacing_mm
        measured = statistics(plane, mark.shape, mark.points_px, spacing["x"] * spacing["y"])
    return {
        "finding": mark.finding,
        "site": mark.site,
        "image": "" if picture is None else picture.name,
        "view": mark.view,
        "outline_px": [[x, y] for x, y in outline],
        "area_mm2": measured["area_mm2"],
        "max_counts": measured["maximum"],
        "comment": mark.comment,
        "proposed_by_network": mark.origin == "network",
        "edited": mark.state == "edited",
    }


def content_of(study: Study, report: Report, pictures: list[Picture]) -> core.Report:
    """A report as everything else knows one; its lesions' views by the names that a report gives them."""
    d = report.document
    lesions = tuple(
        core.SignedLesion(
            **{k: v for k, v in x.items() if k not in ("image", "view", "outline_px")},
            view=word_of(x.get("image", ""), x["view"], pictures),
            outline_px=tuple((float(a), float(b)) for a, b in x["outline_px"]),
        )
        for x in d["lesions"]
    )
    return core.Report(
        study.study_uid,
        study.patient.patient_id,
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
    content = content_of(study, report, pictures)
    made = _signed(content, report, before) if report.state == "signed" else content
    return _pdf(made, study, pictures, room.settings.report_font)


def _pdf(content: core.Report, study: Study, pictures: list[Picture], font: Path | None) -> bytes:
    picture = planar_of(pictures)
    p, marked = study.patient, {x.view for x in content.lesions}
    shown = []
    for one in planar(pictures):
        named = {v: words_of(pictures)[one.name, v] for v in labels_of(one)}
        if one is picture or marked & set(named.values()):  # beside the first, what something was marked on
            kept = [v for v in VIEWS if v in named] if one is picture else named
            planes = {named[v]: np.asarray(one.planes[labels_of(one).index(v)], np.float64) for v in kept}
            spacing = one.image.grid.spacing_mm
            shown.append((planes, (spacing["y"], spacing["x"])))
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
    first, *further = shown or [({}, (1.0, 1.0))]
    return report_pdf(content, words, *first, further, font)


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
    signed = _signed(content_of(study, report, pictures), report, before)
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
    pages = _pdf(report, study, pictures, room.settings.report_font)
    return [*made, encapsulated_pdf(pages, next(iter(frames.values())).source, report)]


def _frames(room: Room, study: Study, pictures: list[Picture]) -> dict[str, Frame]:
    """The frame of each view, as the objects refer to it."""
    words = words_of(pictures)
    places = {words[p.name, v]: place for p in planar(pictures) for v, place in p.places.items()}
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
