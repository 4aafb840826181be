"""Which of the forms that the room can give a caller wants: the Accept header of PS3.18 section 8.7.

A range without a transfer syntax asks for explicit VR little endian (section 8.7.3.5.2), ``*`` for whatever there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from fastapi import HTTPException, Request

from photopeak.dicom.parse import EXPLICIT_LITTLE

MULTIPART: Final = "multipart/related"
DICOM: Final = "application/dicom"
JSON: Final = "application/dicom+json"
OCTETS: Final = "application/octet-stream"
_PIECES: Final = {mark: re.compile(rf'(?:"(?:[^"\\]|\\.)*"|[^{mark}"]|")+') for mark in ",;"}


class Offer(NamedTuple):
    """A form that the room can give: its media type, that of the parts of a multipart, and a transfer syntax."""

    kind: str
    inner: str = ""
    syntax: str = ""

    def __str__(self) -> str:
        words = [self.kind, f'type="{self.inner}"' if self.inner else ""]
        return "; ".join(filter(None, [*words, f"transfer-syntax={self.syntax}" if self.syntax else ""]))


@dataclass(frozen=True)
class Range:
    """One range of an Accept header."""

    kind: str
    parameters: Mapping[str, str]
    q: float

    def fit(self, offer: Offer) -> tuple[int, int, int] | None:
        """How exactly the range names an offer; none where it does not."""
        kind = _covers(self.kind, offer.kind)
        inner = _covers(self.parameters.get("type", "*/*").lower(), offer.inner) if offer.inner else 0
        wanted = self.parameters.get("transfer-syntax", EXPLICIT_LITTLE if offer.syntax else "*")
        if kind is None or inner is None or (offer.syntax and wanted not in ("*", offer.syntax)):
            return None
        return kind, inner, int(wanted != "*")


def _covers(pattern: str, kind: str) -> int | None:
    """How exactly a pattern of a media type names one; none where it does not.

    >>> _covers("image/*", "image/png"), _covers("*/*", "image/png"), _covers("text/html", "image/png")
    (1, 0, None)
    """
    if pattern in ("*/*", "*"):
        return 0
    if pattern.endswith("/*"):
        return 1 if kind.startswith(pattern[:-1]) else None
    return 2 if pattern == kind else None


def split_parameters(text: str) -> tuple[str, dict[str, str]]:
    """A media type in small letters, and its parameters without their quotes.

    >>> split_parameters('multipart/related; type="application/dicom"; boundary="a;b"')
    ('multipart/related', {'type': 'application/dicom', 'boundary': 'a;b'})
    """
    kind, *rest = [piece.strip() for piece in _PIECES[";"].findall(text)] or [""]
    parameters: dict[str, str] = {}
    for piece in rest:
        name, _, value = piece.partition("=")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        parameters.setdefault(name.strip().lower(), value)
    return kind.lower(), parameters


def ranges_of(header: str) -> list[Range]:
    """The ranges of an Accept header; without one, anything will do."""
    found = []
    for text in _PIECES[","].findall(header or "*/*"):
        if not text.strip():
            continue
        kind, parameters = split_parameters(text)
        q = parameters.pop("q", "1")
        if not re.fullmatch(r"0(\.\d{0,3})?|1(\.0{0,3})?", q):
            raise HTTPException(400, f"Accept: the weight q={q[:20]} is no number from 0 to 1.")
        found.append(Range(kind, parameters, float(q)))
    return found


def accepted(request: Request) -> list[Range]:
    """What the caller accepts: the query parameter ``accept`` comes before the header (section 8.3.3.1)."""
    query = request.query_params.get("accept", "")
    return ranges_of(query.replace("dicom json", "dicom+json") or ",".join(request.headers.getlist("accept")))


def ranked(ranges: Iterable[Range], offers: Iterable[Offer]) -> list[Offer]:
    """The offers that are wanted, the most wanted first; among equals the room's own order holds."""
    weighed: list[tuple[float, int, Offer]] = []
    ranges = list(ranges)
    for offer in offers:
        fits = [(fit, one.q) for one in ranges if (fit := one.fit(offer)) is not None]
        if fits and (q := max(fits)[1]) > 0:
            weighed.append((-q, len(weighed), offer))
    return [offer for _, _, offer in sorted(weighed)]


def choose(request: Request, offers: list[Offer]) -> Offer:
    """The most wanted offer; 406 where none is wanted."""
    found = ranked(accepted(request), offers)
    if not found:
        raise not_acceptable(offers)
    return found[0]


def not_acceptable(offers: Iterable[Offer], why: str = "") -> HTTPException:
    """406, and what may be asked for."""
    forms = " or ".join(dict.fromkeys(map(str, offers)))
    return HTTPException(406, f"{why or 'None of the accepted forms can be given.'} Remedy: accept {forms}.")
