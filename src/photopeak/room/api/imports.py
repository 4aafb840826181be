"""Files from elsewhere for many studies: which study each one belongs to. They are taken in study by study."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field
from sqlalchemy import select

from photopeak.room.access import Caller, needs, room_of, visible
from photopeak.room.api.forms import Form, Word
from photopeak.room.filing import filed
from photopeak.room.schema import Study
from photopeak.room.shown import rows_for

router = APIRouter(prefix="/api/imports", tags=["files"])


class Named(Form):
    """What a file is called, and what it says that it was drawn on."""

    name: Annotated[Word, Field(min_length=1)]
    drawn_on: Word = ""


class Names(Form):
    """Files that somebody wants to import."""

    files: list[Named] = Field(min_length=1, max_length=200)


@router.post("/match")
def match(form: Names, request: Request, caller: Caller = needs("view")) -> dict[str, Any]:
    """The study of each file where its name says one plainly, else those that it may mean."""
    with room_of(request).database.reading() as t:
        found = [filed(t, caller, [f.name, *([f.drawn_on] if f.drawn_on else [])]) for f in form.files]
        keys = {k for f in found for k in (*f.candidates, *([f.study] if f.study else []))}
        rows = t.scalars(visible(select(Study.id), caller).where(Study.id.in_(keys)).order_by(Study.id)).all()
        return {
            "files": [{"study": f.study, "why": f.why, "candidates": list(f.candidates)} for f in found],
            "studies": rows_for(t, rows, caller),
        }
