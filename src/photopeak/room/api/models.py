"""Bundles: cards, which one reads, another beside it, teaching, and how it does over time."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import Field
from sqlalchemy import select

from photopeak.room.access import Caller, needs, room_of
from photopeak.room.api.forms import Form
from photopeak.room.audit import Event, record
from photopeak.room.models import compared, drift, listed, switch
from photopeak.room.schema import Assignment, Cohort, Study

router = APIRouter(prefix="/api/models", tags=["models"])
BundleName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


@router.get("")
def models(request: Request, caller: Caller = needs("view")) -> dict[str, Any]:
    """Every bundle that reads bone scans, its card, and which one is switched on."""
    assert caller.key
    return listed(room_of(request))


@router.get("/drift")
def over_time(
    request: Request, bundle: Annotated[str, Query(max_length=64)], caller: Caller = needs("view")
) -> list[dict[str, Any]]:
    """A bundle month by month."""
    assert caller.key
    with room_of(request).database.reading() as t:
        return drift(t, bundle)


@router.get("/compared")
def beside(
    request: Request,
    cohort: Annotated[int, Query(ge=1, le=2**31 - 1)],
    bundles: Annotated[list[str], Query(max_length=4)],
    caller: Caller = needs("cohorts"),
) -> dict[str, Any]:
    """Bundles against a cohort's consensus."""
    assert caller.key
    with room_of(request).database.reading() as t:
        if t.get(Cohort, cohort) is None:
            raise HTTPException(404, "There is no such cohort.")
        return compared(t, cohort, bundles)


class Switch(Form):
    """Which bundle reads from now on."""

    bundle: BundleName


@router.put("/active")
def switch_on(form: Switch, request: Request, caller: Caller = needs("cohorts")) -> dict[str, Any]:
    """Switch a bundle on; what was read before stays as it was read."""
    room = room_of(request)
    with room.database.writing() as t:
        was = switch(t, room, form.bundle)
        told = {"was": was, "is": form.bundle}
        record(t, Event("administer", caller.name, "bundle", address=caller.address, details=told))
    return told


class OnCohort(Form):
    """A bundle and a cohort."""

    bundle: BundleName
    cohort: int = Field(ge=1, le=2**31 - 1)
    epochs: int = Field(10, ge=1, le=200)


def _work(request: Request) -> Any:
    parts = getattr(request.app.state, "parts", None)
    if parts is None or parts.work is None:
        raise HTTPException(409, "This process does no work of its own; a worker on the same database does.")
    return parts.work


@router.post("/read")
def read_cohort(form: OnCohort, request: Request, caller: Caller = needs("cohorts")) -> dict[str, Any]:
    """Let a bundle read a cohort, beside the one that is switched on, so that the two can be compared."""
    work = _work(request)
    with room_of(request).database.writing() as t:
        assigned = select(Assignment.study_key).where(Assignment.cohort_key == form.cohort)
        studies = t.execute(select(Study.id, Study.digest).where(Study.id.in_(assigned))).all()
        record(
            t, Event("read", caller.name, f"cohort {form.cohort}", address=caller.address, details=form.model_dump())
        )
    for key, digest in studies:
        work.read(int(key), str(digest), form.bundle)
    return {"studies": len(studies)}


@router.post("/teach")
def teach(form: OnCohort, request: Request, caller: Caller = needs("cohorts")) -> dict[str, Any]:
    """Teach a new bundle on a cohort's consensus; it reads nothing until it is switched on."""
    work = _work(request)
    with room_of(request).database.writing() as t:
        if t.get(Cohort, form.cohort) is None:
            raise HTTPException(404, "There is no such cohort.")
        record(t, Event("administer", caller.name, form.bundle, address=caller.address, details=form.model_dump()))
    work.teach(form.cohort, form.bundle, form.epochs)
    return {"bundle": form.bundle}
