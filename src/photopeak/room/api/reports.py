"""Reports: drafted, edited, signed, amended; and the page as PDF."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import Field
from sqlalchemy.orm import Session as Transaction

from photopeak.core.report import SECTIONS
from photopeak.room.access import Caller, needs, room_of, study_of
from photopeak.room.accounts import check_password
from photopeak.room.api.forms import Form, Key, Word, Words
from photopeak.room.api.studies import pictures_of
from photopeak.room.audit import Event, record
from photopeak.room.reporting import draft, pdf_of, report_json, reports_of, sign
from photopeak.room.schema import Report, User

router = APIRouter(prefix="/api/studies/{key}/reports", tags=["reports"])


@router.get("")
def reports(key: Key, request: Request, caller: Caller = needs("view")) -> list[dict[str, Any]]:
    """Every version of the report."""
    with room_of(request).database.reading() as t:
        study_of(t, key, caller)
        return [report_json(r) for r in reports_of(t, key)]


@router.post("")
def begin(key: Key, request: Request, caller: Caller = needs("report")) -> list[dict[str, Any]]:
    """Draft a report from the caller's finished read, write the draft anew, or amend a signed report."""
    room = room_of(request)
    with room.database.reading() as t:
        study_of(t, key, caller)
    _, pictures = pictures_of(request).of(key)
    with room.database.writing() as t:
        author = t.get(User, caller.key)
        assert author is not None
        draft(t, study_of(t, key, caller), author, pictures)
        return [report_json(r) for r in reports_of(t, key)]


class Text(Form):
    """The sections as they are now."""

    version: int = Field(ge=0, le=2**31 - 1)
    sections: dict[Word, Words] = Field(max_length=len(SECTIONS))


def _draft(t: Transaction, key: int, version: int) -> Report:
    found = reports_of(t, key)
    if not found or found[-1].state != "draft":
        raise HTTPException(409, "There is no draft. Amend the report to change it.")
    if found[-1].version != version:
        raise HTTPException(409, "Another window saved this report meanwhile. Load it again.")
    return found[-1]


@router.put("/draft")
def edit(key: Key, form: Text, request: Request, caller: Caller = needs("report")) -> dict[str, Any]:
    """Keep the text of a draft."""
    unknown = set(form.sections) - set(SECTIONS)
    if unknown:
        raise HTTPException(422, f"A report has the sections {', '.join(SECTIONS)}.")
    with room_of(request).database.writing() as t:
        study_of(t, key, caller)
        report = _draft(t, key, form.version)
        report.document = {**report.document, "sections": {**report.document["sections"], **form.sections}}
        report.version, report.author_key = report.version + 1, caller.key
        return report_json(report)


class Signature(Form):
    """Which version is signed; the password again, so that an open window alone signs nothing."""

    version: int = Field(ge=0, le=2**31 - 1)
    password: Annotated[Word, Field(max_length=256)] = ""


@router.post("/sign")
def sign_report(key: Key, form: Signature, request: Request, caller: Caller = needs("report")) -> list[dict[str, Any]]:
    """Sign the draft; its objects go to the archives by themselves."""
    room = room_of(request)
    with room.database.writing() as t:
        study = study_of(t, key, caller)
        signer = t.get(User, caller.key)
        assert signer is not None
        why = ""
        if not room.settings.demo and signer.password_hash:
            _, why = check_password(t, room.settings, signer.name, form.password)
        if not why:
            report = _draft(t, key, form.version)
            sign(t, study, report, signer)
        told = {"why": why} if why else {"report": report.number, "sha256": report.content_sha256}
        outcome = "failure" if why else "success"
        record(t, Event("sign", caller.name, study.study_uid, outcome, caller.address, told))
        signed = [report_json(r) for r in reports_of(t, key)]
    if why:
        raise HTTPException(403, why)
    if (parts := getattr(request.app.state, "parts", None)) is not None:
        parts.wake()
    return signed


@router.get("/{report}/pdf")
def page(key: Key, report: Key, request: Request, caller: Caller = needs("view")) -> Response:
    """The report as it is sent; a draft says on every page that it is one."""
    room = room_of(request)
    with room.database.reading() as t:
        study_of(t, key, caller)
        row = t.get(Report, report)
        if row is None or row.study_key != key:
            raise HTTPException(404, "There is no such report.")
    _, pictures = pictures_of(request).of(key)
    data = pdf_of(room, row, pictures)
    # The page shows it in a frame of its own.
    name = f'inline; filename="report-{key}-{row.number}.pdf"'
    return Response(data, media_type="application/pdf", headers={"Content-Disposition": name})
