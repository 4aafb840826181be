"""multipart/related bodies (RFC 2046 section 5.1, as PS3.18 section 8.6.1.2 uses them), read with bounds."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from photopeak.core import PhotopeakError

MOST_PARTS: Final = 20_000
MOST_HEADER_BYTES: Final = 8_192
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]\Z")
_LINE_END: Final = re.compile(rb"[ \t]*\r\n")
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")

Body = bytes | mmap.mmap


class MultipartError(PhotopeakError):
    """A body that is no multipart, or more than one may send."""


class Part(NamedTuple):
    """A part: its headers by their names in small letters, and its content."""

    headers: Mapping[str, str]
    content: bytes


def head(headers: Mapping[str, str], boundary: str, first: bool) -> bytes:
    """What stands before a part's content."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{'' if first else chr(13) + chr(10)}--{boundary}\r\n{lines}\r\n".encode("latin-1")


def tail(boundary: str) -> bytes:
    """What stands after the last part."""
    return f"\r\n--{boundary}--\r\n".encode("ascii")


def encode(parts: Iterable[Part], boundary: str) -> bytes:
    """A whole body; the boundary must not occur in any part.

    >>> encode([Part({"Content-Type": "text/plain"}, b"one")], "x")
    b'--x\\r\\nContent-Type: text/plain\\r\\n\\r\\none\\r\\n--x--\\r\\n'
    """
    pieces: list[bytes] = []
    for number, part in enumerate(parts):
        pieces += [head(part.headers, boundary, number == 0), part.content]
    return b"".join([*pieces, tail(boundary)])


def decode(body: Body, boundary: str, most_parts: int = MOST_PARTS) -> Iterator[Part]:
    """The parts of a body, one after the other; ``MultipartError`` at the first thing that is wrong.

    What stands before the first delimiter and after the last is nothing (RFC 2046 section 5.1.1).
    """
    if not _BOUNDARY.match(boundary):
        raise MultipartError(
            "the Content-Type names no boundary of 1 to 70 allowed characters. "
            'Remedy: send multipart/related; type="application/dicom"; boundary=….'
        )
    mark = b"--" + boundary.encode("ascii")
    at, last = _first(body, mark)
    count = 0
    while not last:
        count += 1
        if count > most_parts:
            raise MultipartError(f"more than {most_parts} parts. Remedy: send them in several requests.")
        headers, start = _headers(body, at)
        end, at, last = _delimiter(body, b"\r\n" + mark, start)
        yield Part(headers, bytes(body[start:end]))
    if not count:
        raise MultipartError("the body has no part. Remedy: send at least one object.")


def _first(body: Body, mark: bytes) -> tuple[int, bool]:
    """(where the first part begins, whether there is none)."""
    if body[: len(mark)] == mark:
        after = _after(body, len(mark))
        if after is not None:
            return after
    _, at, last = _delimiter(body, b"\r\n" + mark, 0)
    return at, last


def _delimiter(body: Body, mark: bytes, at: int) -> tuple[int, int, bool]:
    """(where the next delimiter begins, where what follows it begins, whether it is the last one)."""
    while (found := body.find(mark, at)) >= 0:
        after = _after(body, found + len(mark))
        if after is not None:
            return found, *after
        at = found + 2  # the boundary of another, which merely begins like this one
    raise MultipartError("the body ends without its last boundary: it was cut off. Remedy: send it again.")


def _after(body: Body, at: int) -> tuple[int, bool] | None:
    if body[at : at + 2] == b"--":
        return at + 2, True
    end = _LINE_END.match(body[at : at + 128])
    return None if end is None else (at + end.end(), False)


def _headers(body: Body, at: int) -> tuple[dict[str, str], int]:
    """(the headers of a part, where its content begins)."""
    if body[at : at + 2] == b"\r\n":
        return {}, at + 2
    end = body.find(b"\r\n\r\n", at, at + MOST_HEADER_BYTES)
    if end < 0:
        raise MultipartError(f"a part's headers do not end within {MOST_HEADER_BYTES} bytes. Remedy: shorten them.")
    headers: dict[str, str] = {}
    for line in bytes(body[at:end]).decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon or not _NAME.match(name):
            raise MultipartError(f"{line[:40]!r} is no header of a part. Remedy: write Name: value.")
        headers[name.lower()] = value.strip()
    return headers, end + 4
