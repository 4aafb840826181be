"""The question of a search (PS3.18 section 8.3.4): what to match, what to return, and which page of the answer."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from fastapi import HTTPException
from pydicom.datadict import keyword_for_tag, tag_for_keyword

from photopeak.room.node.keys import Key
from photopeak.room.node.matching import universal

MOST: Final = 5_000
"""Answers of one page."""
_OTHERS: Final = frozenset({"limit", "offset", "fuzzymatching", "includefield", "accept"})
_ONE: Final = frozenset({"limit", "offset", "fuzzymatching"})
_LISTED: Final = frozenset({"uid", "words"})
_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)*\Z")
_TIME: Final = re.compile(r"([01]\d|2[0-3])(:?[0-5]\d(:?[0-5]\d(\.\d{1,6})?)?)?\Z")


@dataclass
class Question:
    """What is asked."""

    wanted: dict[str, list[str]] = field(default_factory=dict)
    """Keyword -> its values; none where it is merely to be returned."""
    included: set[str] = field(default_factory=set)
    everything: bool = False
    fuzzy: bool = False
    limit: int = MOST
    offset: int = 0
    ignored: list[str] = field(default_factory=list)
    """Attributes of the standard that are not kept here, so that nothing can be matched by them."""


def nonsense(what: str, why: str) -> HTTPException:
    """400, and which parameter is to blame."""
    return HTTPException(400, f"{what[:80]}: {why}")


def question_of(pairs: Iterable[tuple[str, str]], known: Mapping[str, Key]) -> Question:
    """The question that the parameters of an address put."""
    asked, seen = Question(), set[str]()
    for name, value in pairs:
        if "\0" in name + value:
            raise nonsense(name.replace("\0", ""), "holds a zero character.")
        if name in _OTHERS:
            if name in _ONE and name in seen:
                raise nonsense(name, "is given twice.")
            _set(asked, name, value)
        else:
            _match(asked, keyword_of(name), value, known)
        seen.add(name)
    return asked


def keyword_of(name: str) -> str:
    """The keyword of an attribute that is named by it or by its tag, and of a path its first and last.

    >>> keyword_of("00080020"), keyword_of("StudyDate"), keyword_of("00081110.00081155")
    ('StudyDate', 'StudyDate', 'ReferencedStudySequence.ReferencedSOPInstanceUID')
    """
    words = []
    for part in name.split("."):
        word = keyword_for_tag(int(part, 16)) if re.fullmatch(r"[0-9A-Fa-f]{8}", part) else part
        if not word or tag_for_keyword(word) is None:
            private = re.fullmatch(r"[0-9A-Fa-f]{3}[13579BDFbdf][0-9A-Fa-f]{4}", part)
            if not private:
                raise nonsense(name, "is no attribute of DICOM and no parameter of a search.")
            word = part.upper()
        words.append(word)
    return ".".join(words)


def _set(asked: Question, name: str, value: str) -> None:
    if name in ("limit", "offset"):
        if not re.fullmatch(r"\d{1,9}", value) or (name == "limit" and int(value) == 0):
            raise nonsense(name, f"{value[:20]!r} is no whole number{' above zero' if name == 'limit' else ''}.")
        setattr(asked, name, min(int(value), MOST) if name == "limit" else int(value))
    elif name == "fuzzymatching":
        if value not in ("true", "false"):
            raise nonsense(name, "is true or false.")
        asked.fuzzy = value == "true"
    elif name == "includefield":
        for word in filter(None, value.split(",")):
            if word.lower() == "all":
                asked.everything = True
            else:
                asked.included.add(keyword_of(word))


def _match(asked: Question, keyword: str, value: str, known: Mapping[str, Key]) -> None:
    if keyword not in known:
        asked.ignored.append(keyword)
        return
    kind = known[keyword].kind
    values = re.split(r"[,\\]", value) if kind in _LISTED else [value]
    values = [v.strip() for v in values if v.strip()]
    if not universal(values):
        values = [_checked(keyword, kind, v) for v in values]
    asked.wanted.setdefault(keyword, []).extend(values)


def _checked(keyword: str, kind: str, value: str) -> str:
    """A value that can be matched; 400 with what its form is to be."""
    if kind == "uid" and not _UID.match(value):
        raise nonsense(keyword, f"{value[:80]!r} is no UID.")
    if kind == "number":
        if not re.fullmatch(r"[+-]?\d{1,9}", value):
            raise nonsense(keyword, f"{value[:20]!r} is no whole number.")
        return str(int(value))
    if kind in ("date", "time"):
        first, dash, last = value.partition("-")
        right = _is_date if kind == "date" else _is_time
        if not (first or last) or not all(right(v) for v in (first, last) if v):
            form = "YYYYMMDD" if kind == "date" else "HHMMSS"
            raise nonsense(keyword, f"{value[:40]!r} is neither {form} nor a range {form}-{form}.")
        if dash and first and last and first > last:
            raise nonsense(keyword, f"the range {value} ends before it begins.")
    return value


def _is_date(text: str) -> bool:
    try:
        return len(text) == 8 and text.isdigit() and bool(dt.datetime.strptime(text, "%Y%m%d"))
    except ValueError:
        return False


def _is_time(text: str) -> bool:
    return bool(_TIME.match(text))
