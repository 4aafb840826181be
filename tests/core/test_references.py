"""References: every key that our docstrings cite is in the bibliography."""

import re
from pathlib import Path

import pytest

from photopeak.core.errors import PhotopeakError
from photopeak.core.references import bibliography, cite, references_of

EXAMPLES = {"references.py", "step.py"}  # of core: their docstrings show what a citation looks like
SOURCES = [p for p in (Path(__file__).parents[2] / "src").rglob("*.py") if p.name not in EXAMPLES]
CITED = {
    key.strip()
    for path in SOURCES
    for group in re.findall(r":cite:`([^`]+)`", path.read_text(encoding="utf-8"))
    for key in group.split(",")
    if re.fullmatch(r"\s*\w+\s*", key)  # a pattern that looks for citations is none
}


def test_keys_come_in_order_and_once() -> None:
    def f() -> None:
        "One :cite:`b2001, a2000`, again :cite:`b2001`."

    assert references_of(f) == ("b2001", "a2000")


@pytest.mark.parametrize("key", sorted(CITED))
def test_every_cited_key_is_in_the_bibliography(key: str) -> None:
    assert key in bibliography()


def test_every_entry_of_the_bibliography_is_whole() -> None:
    for key, entry in bibliography().items():
        assert entry.count("{") == entry.count("}"), key
        for needed in ("title", "year"):
            assert re.search(rf"\b{needed}\s*=", entry), f"{key} has no {needed}"


def test_cite_prints_each_once_and_refuses_the_unknown() -> None:
    key = next(iter(bibliography()))
    assert cite([key, key]) == bibliography()[key]
    with pytest.raises(PhotopeakError, match="no reference 'nobody1900'"):
        cite(["nobody1900"])
