"""References live in docstrings, as ``:cite:`key```, and are read by machine.

The keys stand in ``photopeak/references.bib``; a plugin brings its own file through the entry-point
group ``photopeak.references`` (a callable that returns BibTeX text).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from importlib.resources import files

from photopeak.core.errors import PhotopeakError

_CITE = re.compile(r":cite:`([^`]+)`")
_KEY = re.compile(r"@\w+\s*\{\s*([^,\s]+)\s*,")


def references_of(obj: object) -> tuple[str, ...]:
    """The keys that a docstring cites, in order, each once.

    >>> def f(): "The MIRD sum :cite:`bolch2009`."
    >>> references_of(f)
    ('bolch2009',)
    """
    keys = [k.strip() for group in _CITE.findall(getattr(obj, "__doc__", None) or "") for k in group.split(",")]
    return tuple(dict.fromkeys(keys))


@cache
def bibliography() -> dict[str, str]:
    """Every known reference, key -> BibTeX entry."""
    texts = [files("photopeak").joinpath("references.bib").read_text(encoding="utf-8")]
    texts += [entry.load()() for entry in entry_points(group="photopeak.references")]
    return {key: body for text in texts for key, body in _split(text)}


def cite(keys: Iterable[str]) -> str:
    """BibTeX for these keys, each once, in order."""
    known = bibliography()
    entries = []
    for key in dict.fromkeys(keys):
        if key not in known:
            raise PhotopeakError(f"no reference {key!r}. Remedy: add it to references.bib.")
        entries.append(known[key])
    return "\n\n".join(entries)


def _split(text: str) -> list[tuple[str, str]]:
    starts = [m.start() for m in re.finditer(r"^@", text, re.MULTILINE)]
    bodies = [text[a:b].strip() for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
    return [(m.group(1), body) for body in bodies if (m := _KEY.match(body))]
