"""The mix of a cohort: which share of its patients each class has."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from photopeak.core import PhotopeakError


def shares(text: str) -> dict[str, float]:
    """The classes' shares from words such as "N=0.4,M=0.2".

    >>> shares("N=1,M=1")
    {'N': 1.0, 'M': 1.0}
    """
    try:
        pairs = [part.split("=") for part in text.split(",")]
        return {name.strip(): float(value) for name, value in pairs}
    except ValueError:
        raise PhotopeakError(
            f"the mix {text!r} cannot be read. Remedy: write each class with its share, as in N=0.4,M=0.2."
        ) from None


def normalised(mix: Mapping[str, float], classes: Sequence[str]) -> dict[str, float]:
    """A share for every class, 1 together.

    >>> normalised({"A": 3, "M": 1}, ("N", "M", "A"))
    {'N': 0.0, 'M': 0.25, 'A': 0.75}
    """
    total = sum(mix.values())
    if set(mix) - set(classes) or not math.isfinite(total) or total <= 0 or min(mix.values()) < 0:
        raise PhotopeakError(
            f"mix {dict(mix)} is no mix. Remedy: give shares of at least 0, not all 0, of {', '.join(classes)}."
        )
    return {c: mix.get(c, 0.0) / total for c in classes}
