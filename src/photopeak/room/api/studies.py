"""One study: what it holds, its pictures and their pixels, what came before, and what a person states of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session as Transaction

from photopeak.dicom.assumptions import Assumptions
from photopeak.dicom.reading_codes import FINDINGS, SITES
from photopeak.room.access import Caller, check_visible, needs, room_of, study_of, visible
from photopeak.room.api.forms import Form, Key, Word, Words
from photopeak.room.arriving import digest_of, family
from photopeak.room.audit import Event, record
from photopeak.room.display import Picture, Pictures, described, plane_bytes, volume_bytes
from photopeak.room.projections import projections
from photopeak.room.schema import Instance, NetworkReading, Report, Series, Study, TextReport, Version, now
from photopeak.room.shown import blinded, reveal, rows_for

router = APIRouter(prefix="/api", tags=["studies"])
SIDED = ("ribs", "clavicle", "scapula", "humerus", "forearm", "hand", "pelvis", "femur", "lower leg", "foot")
LOOK_AGAIN_SECONDS = 300
Number = Annotated[int, Query(ge=0, le=10**6)]


@router.get("/vocabulary")
def vocabulary(caller: Caller = needs("view")) -> dict[str, Any]:
    """Findings and sites with their codes."""
    assert caller.key
    sites = []
    for site, concept in SITES.items():
        names = [f"{side} {site}" for side in ("left", "right")] if site in SIDED else [site]
        sites += [{"name": n, "code": concept.value, "scheme": concept.scheme} for n in names]
    findings = [{"name": f, "code": c.value, "scheme": c.scheme, "meaning": c.meaning} for f, c in FINDINGS.items()]
    return {"findings": findings, "sites": sites}


@router.get("/studies/{key}")
def study(key: Key, request: Request, caller: Caller = needs("view")) -> dict[str, Any]:
    """What a study holds, and the patient's other studies."""
    room = room_of(request)
    with room.database.reading() as t:
        row = study_of(t, key, caller)
        others = _others(t, row, caller)
        # An imported report says what a blind reader is asked.
        told = select(TextReport).where(TextReport.study_key == key).order_by(TextReport.id)
        texts = [] if blinded(t, caller.key, [key]) else t.scalars(told).all()
        out = {
            **rows_for(t, [row.id], caller)[0],
            "referrer": row.referrer,
            "assumed": dict(row.assumed),
            "series": _series(t, key),
            "others": [shown | _last_index(t, shown["key"]) for shown in rows_for(t, others, caller)],
            "texts": [{"name": x.name, "text": x.text, "imported": x.imported_at.isoformat() + "Z"} for x in texts],
        }
    with room.database.writing() as t:
        record(t, Event("view", caller.name, out["study_uid"], address=caller.address))
    return out


def _series(t: Transaction, key: int) -> list[dict[str, Any]]:
    out = []
    for s in t.scalars(select(Series).where(Series.study_key == key).order_by(Series.number, Series.id)):
        instances = t.scalars(select(Instance).where(Instance.series_key == s.id).order_by(Instance.number)).all()
        uids = [i.sop_uid for i in instances]
        earlier = t.scalars(select(Version).where(Version.sop_uid.in_(uids))).all()
        kinds = sorted({i.image_type for i in instances})
        out.append(
            {
                "series_uid": s.series_uid,
                "modality": s.modality,
                "description": s.description,
                "instances": len(instances),
                "image_types": kinds,
                "corrections": [{"sop": v.sop_uid, "replaced": v.replaced_at.isoformat() + "Z"} for v in earlier],
            }
        )
    return out


def _others(t: Transaction, row: Study, caller: Caller) -> list[int]:
    same = [p.id for p in family(t, row.patient)]
    query = select(Study.id).where(Study.patient_key.in_(same), Study.id != row.id)
    return list(t.scalars(visible(query, caller).order_by(Study.study_date.desc()).limit(20)))


def _last_index(t: Transaction, key: int) -> dict[str, Any]:
    """The bone scan indices of a study's last signed report: that which it states, and each image's by its title."""
    report = t.scalar(
        select(Report).where(Report.study_key == key, Report.state == "signed").order_by(Report.number.desc())
    )
    said = {} if report is None else report.document
    return {"signed_index": said.get("bone_scan_index_percent"), "signed_indices": said.get("indices_percent", {})}


def pictures_of(request: Request) -> Pictures:
    """The pictures of the running application."""
    pictures: Pictures = request.app.state.pictures
    return pictures


def _checked(key: int, request: Request, caller: Caller) -> tuple[str, list[Picture]]:
    with room_of(request).database.reading() as t:
        study_of(t, key, caller)
    return pictures_of(request).of(key)


def _one(key: int, number: int, request: Request, caller: Caller) -> tuple[str, Picture]:
    name, pictures = _checked(key, request, caller)
    if not 0 <= number < len(pictures) or pictures[number].manner == "refused":
        raise HTTPException(404, "The study has no such picture.")
    return name, pictures[number]


@router.get("/studies/{key}/pictures")
def pictures(key: Key, request: Request, caller: Caller = needs("view")) -> dict[str, Any]:
    """What can be shown of a study."""
    name, found = _checked(key, request, caller)
    return {"state": name, "pictures": [described(p, i) for i, p in enumerate(found)]}


@router.get("/studies/{key}/pictures/{number}/plane")
def plane(key: Key, number: int, request: Request, plane: Number = 0, caller: Caller = needs("view")) -> Response:
    """The pixels of one plane, little-endian."""
    name, picture = _one(key, number, request, caller)
    if plane >= len(picture.planes):
        raise HTTPException(404, "The picture has no such plane.")
    data, kind = plane_bytes(picture, plane)
    return _pixels(request, data, kind, f"{name}-{number}-{plane}")


@router.get("/studies/{key}/pictures/{number}/volume")
def volume(key: Key, number: int, request: Request, caller: Caller = needs("view")) -> Response:
    """The values of all planes of a volume, little-endian float32."""
    name, picture = _one(key, number, request, caller)
    data, kind = volume_bytes(picture)
    return _pixels(request, data, kind, f"{name}-{number}-volume")


@router.get("/studies/{key}/pictures/{number}/projections")
def maximum(
    key: Key,
    number: int,
    request: Request,
    steps: Annotated[int, Query(ge=1, le=72)] = 36,
    caller: Caller = needs("view"),
) -> Response:
    """Maximum intensity projections of a volume, all around the patient, little-endian float32."""
    name, picture = _one(key, number, request, caller)
    if picture.manner != "volume":
        raise HTTPException(404, "Only a volume has projections.")
    made = projections(picture.image, steps)
    etag = f"{name}-{number}-mip-{steps}"
    return _pixels(request, made.astype("<f4").tobytes(), "float32", etag, rows=made.shape[1], columns=made.shape[2])


def _pixels(request: Request, data: bytes, kind: str, etag: str, **more: int) -> Response:
    headers = {"ETag": f'"{etag}"', "Cache-Control": f"private, max-age={LOOK_AGAIN_SECONDS}", "X-Number-Type": kind}
    headers |= {f"X-{k.capitalize()}": str(v) for k, v in more.items()}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type="application/octet-stream", headers=headers)


class Stated(Form):
    """Facts that the files lack, in the words of --assume."""

    facts: dict[Word, Word] = Field(max_length=20)


@router.put("/studies/{key}/assumed")
def assume(key: Key, stated: Stated, request: Request, caller: Caller = needs("read")) -> dict[str, Any]:
    """State facts that the files lack; the study is read again with them."""
    room = room_of(request)
    Assumptions(stated.facts)  # refuses what is no fact
    with room.database.writing() as t:
        row = study_of(t, key, caller)
        row.assumed = dict(stated.facts)
        row.digest = digest_of(t, key)
        row.due_at, row.attempt, row.change = now(), 0, row.change + 1
        record(t, Event("read", caller.name, row.study_uid, address=caller.address, details={"assumed": stated.facts}))
    return {"assumed": stated.facts}


class Text(Form):
    """A report written elsewhere."""

    name: Word
    text: Words


@router.post("/studies/{key}/texts")
def import_text(key: Key, form: Text, request: Request, caller: Caller = needs("store")) -> dict[str, Any]:
    """Keep a text report with a study; the worklist's search looks into it."""
    with room_of(request).database.writing() as t:
        row = study_of(t, key, caller)
        t.add(TextReport(study_key=key, name=form.name, text=form.text, imported_at=now()))
        row.change += 1
        record(t, Event("import", caller.name, row.study_uid, address=caller.address, details={"text": form.name}))
    return {"name": form.name}


@router.get("/studies/{key}/maps/{sha256}")
def lesion_map(key: Key, sha256: str, request: Request, caller: Caller = needs("view")) -> Response:
    """How likely each pixel of a view is a lesion, as eight-bit PNG; named by the network's reading."""
    room = room_of(request)
    with room.database.writing() as t:
        check_visible(t.get(Study, key), caller)
        reveal(t, key, caller)
        readings = t.scalars(select(NetworkReading).where(NetworkReading.study_key == key)).all()
    known = {s for r in readings for d in r.documents for s in d.get("maps", {}).values()}
    if sha256 not in known:
        raise HTTPException(404, "The study has no such map.")
    return Response(
        room.objects.get(sha256), media_type="image/png", headers={"Cache-Control": "private, max-age=86400"}
    )
