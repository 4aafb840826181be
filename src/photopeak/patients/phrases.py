"""Sentences of a bone-scan report in several wordings, and the small grammar they need."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files

import numpy as np

_NUMBER = {2: "two", 3: "three", 4: "four", 5: "five"}


@lru_cache(maxsize=1)
def wordings() -> dict[str, list[str]]:
    """Key -> sentences that say the same, with {places} and such to fill in."""
    text = (files("photopeak.patients") / "data" / "phrases.json").read_text(encoding="utf-8")
    return dict(json.loads(text)["wordings"])


def pick(rng: np.random.Generator, key: str, **fill: str) -> str:
    """One of the wordings of ``key``, filled in."""
    choices = wordings()[key]
    return sentence(choices[int(rng.integers(len(choices)))].format(**fill))


def sentence(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def together(names: Sequence[str]) -> str:
    """A list as prose; a name that occurs more than once is counted.

    >>> together(["L3 vertebra", "left 5th rib", "L3 vertebra"])
    'L3 vertebra (two foci) and left 5th rib'
    """
    counted = [f"{n} ({_NUMBER.get(c, str(c))} foci)" if c > 1 else n for n, c in Counter(names).items()]
    return counted[0] if len(counted) == 1 else f"{', '.join(counted[:-1])} and {counted[-1]}" if counted else ""


def bilateral(names: Sequence[str]) -> list[str]:
    """The same place on the left and on the right, said once.

    >>> bilateral(["left ankle", "right hip joint", "right ankle"])
    ['ankle on both sides', 'right hip joint']
    """
    left = list(names)
    out = []
    while left:
        name = left.pop(0)
        side, _, place = name.partition(" ")
        other = f"{ {'left': 'right', 'right': 'left'}.get(side, '') } {place}"
        if other in left:
            left.remove(other)
            name = f"{place} on both sides"
        out.append(name)
    return out


def ordinal(n: int) -> str:
    """A number as an order.

    >>> [ordinal(n) for n in (1, 2, 3, 4, 11, 12)]
    ['1st', '2nd', '3rd', '4th', '11th', '12th']
    """
    ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"
