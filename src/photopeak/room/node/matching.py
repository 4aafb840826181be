"""Attribute matching of queries (PS3.4 section C.2.2.2): universal, single value, list, wildcard, range.

The database narrows down by a condition that lets no match through its fingers (``narrowed``); what is then read is
held against the standard's words here (``matches``), alike on SQLite and PostgreSQL.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, func, or_

MOST_LISTED: Final = 5_000
"""UIDs of one list that are put to the database; a longer list is compared here."""


def universal(wanted: Sequence[str]) -> bool:
    """Whether a key is only asked to be returned."""
    return not wanted or all(set(w) <= {"*"} for w in wanted)


def matches(kind: str, wanted: Sequence[str], value: Any) -> bool:
    """Whether a value of the catalogue is what a key of this kind asks for.

    >>> matches("name", ["doe^j*"], "DOE^JOHN"), matches("text", ["ab?"], "AB1"), matches("date", ["2020-"], "20210101")
    (True, False, True)
    """
    if universal(wanted):
        return True
    text = "" if value is None else str(value)
    if kind == "station" and not text:
        return True  # an examination without a station is everybody's
    return any(_one(kind, w, text) for w in wanted)


def _one(kind: str, wanted: str, value: str) -> bool:
    if kind in ("date", "time"):
        return _in_range(kind, wanted, value)
    if kind == "name":
        groups = {value, *value.split("=")}  # alphabetic, ideographic and phonetic: each by itself, or all
        return any(like(_folded(wanted), _folded(g)) for g in groups)
    if kind == "words":
        return any(like(wanted, word) for word in value.split("\\"))
    if kind in ("text", "station"):
        return like(wanted, value.strip())
    return wanted == value


def _folded(name: str) -> str:
    """A name without the empty components at its end, and without case."""
    return "=".join(group.rstrip("^ ") for group in name.split("=")).casefold()


def like(wanted: str, value: str) -> bool:
    """Whether a value has the form of a pattern of ``*`` and ``?``, in a time that no pattern makes long.

    (A regular expression of many stars takes for ever on a value that nearly fits.)

    >>> like("a*c", "abcc"), like("a?", "a"), like("*", "")
    (True, False, True)
    """
    at = here = 0
    star, after = -1, 0
    while at < len(value):
        if here < len(wanted) and wanted[here] == "*":
            star, after, here = here, at, here + 1
        elif here < len(wanted) and wanted[here] in ("?", value[at]):
            at, here = at + 1, here + 1
        elif star >= 0:
            after += 1
            at, here = after, star + 1
        else:
            return False
    return set(wanted[here:]) <= {"*"}


def _in_range(kind: str, wanted: str, value: str) -> bool:
    """Whether a date or time lies in ``from-to``, where either end may be open; a single one is its own range."""
    first, dash, last = wanted.partition("-")
    first, last, value = _plain(first), _plain(last if dash else first), _plain(value)
    if not value:
        return False
    if kind == "time":  # 1030 begins at 10:30:00 and ends with 10:30:59.999999
        first, value = first.ljust(12, "0"), value.ljust(12, "0")
        last = last.ljust(12, "9") if last else ""
    return first <= value and (not last or value <= last)


def _plain(text: str) -> str:
    """Digits alone: 2020.01.31 and 10:30 are the forms of ACR-NEMA."""
    return re.sub(r"[^0-9]", "", text)


def narrowed(kind: str, wanted: Sequence[str], column: Any) -> ColumnElement[bool] | None:
    """A condition that every match fulfils; none where there is nothing to narrow by."""
    if universal(wanted):
        return None
    if kind == "uid":
        return column.in_(wanted) if len(wanted) <= MOST_LISTED else None
    if kind == "date" and len(wanted) == 1:
        return _date_narrowed(wanted[0], column)
    if kind == "text":
        return or_(*(column.like(_like(w), escape="/") for w in wanted))
    if kind == "name":
        return or_(*(func.lower(column).like(f"%{_like(_ascii(w))}%", escape="/") for w in wanted))
    return None


def _date_narrowed(wanted: str, column: Any) -> ColumnElement[bool]:
    first, dash, last = wanted.partition("-")
    inside = column >= (_plain(first) or "0")
    if last or not dash:
        inside &= column <= (_plain(last) or _plain(first))
    return or_(inside, column.like("%.%"))  # the old form is compared here, without its dots


def _like(wanted: str) -> str:
    escaped = re.sub(r"([/%_])", r"/\1", wanted)
    return re.sub(r"\*+", "%", escaped).replace("?", "_")


def _ascii(name: str) -> str:
    """A name's pattern as SQLite can compare it: its lower() knows ASCII alone, so every other letter may be any."""
    return re.sub(r"[^\x00-\x7f]+", "*", _folded(name).replace("?", "*"))
