"""What a request may hold: strict types, bounded sizes, text that a database takes."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict

from photopeak.dicom.codes import VIEWS
from photopeak.dicom.reading_codes import FINDINGS

Key = Annotated[int, Path(ge=1, le=2**31 - 1)]
"""The number of a row, in a path."""


def _plain(text: str) -> str:
    if "\0" in text or any(0xD800 <= ord(c) <= 0xDFFF for c in text):
        raise ValueError("holds a character that is none")
    return text


def _known_finding(word: str) -> str:
    if word not in FINDINGS:
        raise ValueError(f"is not one of {', '.join(FINDINGS)}")
    return word


def _known_view(word: str) -> str:
    if word not in VIEWS:
        raise ValueError(f"is not one of {', '.join(VIEWS)}")
    return word


def _finite(value: float) -> float:
    if not math.isfinite(value) or abs(value) > 65_535:
        raise ValueError("is no place on an image")
    return value


Word = Annotated[str, Field(max_length=256), AfterValidator(_plain)]
Words = Annotated[str, Field(max_length=20_000), AfterValidator(_plain)]
Pixel = Annotated[float, AfterValidator(_finite)]
Point = Annotated[tuple[Pixel, Pixel], Strict(False)]
"""x and y: JSON has no tuples, so a list of two is taken."""


class Form(BaseModel):
    """Base of every request's body: nothing is converted, nothing unknown is passed over."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Mark(Form):
    """One lesion as a reader marks it, or a network's lesion with what the reader makes of it."""

    id: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_plain)]
    origin: Literal["drawn", "network"]
    state: Literal["open", "accepted", "edited", "rejected"] = "accepted"
    number: int | None = Field(None, ge=0, le=10_000)
    """The network's number of it."""
    finding: Annotated[str, AfterValidator(_known_finding)]
    site: Annotated[str, Field(max_length=64), AfterValidator(_plain)] = ""
    image: Annotated[str, Field(max_length=64), AfterValidator(_plain)] = ""
    """The name of the image that it lies on; "" in reads from before that was kept: the study's first planar one."""
    view: Annotated[str, AfterValidator(_known_view)]
    shape: Literal["polygon", "rectangle", "ellipse", "brush"]
    points_px: list[Point] = Field(min_length=2, max_length=1000)
    """Corners of the outline; of a rectangle and an ellipse two opposite corners of their box."""
    comment: Annotated[str, Field(max_length=2000), AfterValidator(_plain)] = ""


Answer = Literal["yes", "no", "unsure", ""]


class ReadDocument(Form):
    """What a reader says of a study, schema ``read/1``."""

    metastasis: Answer = ""
    arthritis: Answer = ""
    marks: list[Mark] = Field(default_factory=list, max_length=500)
    comment: Words = ""
