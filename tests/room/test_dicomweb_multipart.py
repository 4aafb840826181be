"""Bodies of several parts: what was put in comes out, and nothing else than an error in words comes of the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photopeak.room.dicomweb.multipart import MultipartError, Part, decode, encode

BOUNDARY = "a-b"
#: content that comes as near to a delimiter as it can
CONTENT = st.one_of(
    st.binary(max_size=60),
    st.lists(st.sampled_from([b"\r\n", b"--", b"a-", b"b", b"\r", b"-", b"\0", b"--a-", b"--a-bc"])).map(b"".join),
)
NAMES = st.from_regex(r"[A-Za-z-]{1,12}", fullmatch=True)
VALUES = st.from_regex(r"[!-~]([ -~]{0,20}[!-~])?", fullmatch=True)


@given(st.lists(st.tuples(st.dictionaries(NAMES.map(str.lower), VALUES, max_size=3), CONTENT), min_size=1, max_size=4))
def test_what_was_put_in_comes_out(parts: list[tuple[dict[str, str], bytes]]) -> None:
    boundary = next(f"{BOUNDARY}{n}" for n in range(100) if not any(f"--{BOUNDARY}{n}".encode() in c for _, c in parts))
    want = [Part(headers, content) for headers, content in parts]
    assert list(decode(encode(want, boundary), boundary)) == want
    assert list(decode(b"preamble\r\n" + encode(want, boundary) + b"epilogue", boundary)) == want


@given(st.one_of(st.binary(max_size=200), CONTENT, CONTENT.map(lambda c: b"--a-b\r\n" + c)), st.text(max_size=80))
def test_anything_else_is_refused_in_words(body: bytes, boundary: str) -> None:
    for one in (BOUNDARY, boundary):
        said = ""
        try:
            list(decode(body, one))
        except MultipartError as error:
            said = str(error)
        assert not said or "Remedy" in said


@given(st.data())
def test_a_body_that_was_cut_off_is_refused(data: st.DataObject) -> None:
    whole = encode([Part({"content-type": "x/y"}, b"one"), Part({}, b"two")], BOUNDARY)
    end = data.draw(st.integers(0, len(whole) - 5))
    with pytest.raises(MultipartError):
        list(decode(whole[:end], BOUNDARY))


def test_bounds() -> None:
    many = encode([Part({}, b"")] * 6, BOUNDARY)
    assert len(list(decode(many, BOUNDARY, 6))) == 6
    with pytest.raises(MultipartError, match="more than 5 parts"):
        list(decode(many, BOUNDARY, 5))
    with pytest.raises(MultipartError, match="headers do not end"):
        list(decode(encode([Part({"a": "b" * 10_000}, b"")], BOUNDARY), BOUNDARY))
    with pytest.raises(MultipartError, match="no header"):
        list(decode(encode([Part({"a b": "c"}, b"")], BOUNDARY), BOUNDARY))
