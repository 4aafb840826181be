"""Found boxes against true ones: intersection over union, matching, average precision, free-response sensitivity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

Boxes = Float[np.ndarray, "_ 4"]
"""Top, left, bottom, right."""


@dataclass(frozen=True, eq=False)
class Response:
    """What was found in one image: scores, which of them hit, and how many there were to hit."""

    scores: Float[np.ndarray, " found"]
    right: Bool[np.ndarray, " found"]
    true: int


def overlaps(a: Boxes, b: Boxes) -> Float[np.ndarray, "_ _"]:
    """Intersection over union of each box with each.

    >>> overlaps(np.array([[0.0, 0, 2, 2]]), np.array([[0.0, 1, 2, 3], [4, 4, 5, 5]])).round(3).tolist()
    [[0.333, 0.0]]
    """
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=2)
    each = [np.prod(x[:, 2:] - x[:, :2], axis=1) for x in (a, b)]
    return np.asarray(both / np.maximum(each[0][:, None] + each[1][None] - both, 1e-9))


def respond(found: Boxes, scores: Float[np.ndarray, " found"], true: Boxes, at_least: float) -> Response:
    """Each found box, the most probable first, takes the free true box it overlaps most, if by ``at_least`` that much.

    A second box on the same lesion is false.
    """
    order = np.argsort(-scores, kind="stable")
    share, free = overlaps(found, true), np.ones(len(true), bool)
    right = np.zeros(len(found), bool)
    for i in order.tolist():
        fits = np.where(free, share[i], 0.0)
        if len(true) and fits.max() >= at_least:
            right[i] = True
            free[int(fits.argmax())] = False
    return Response(scores, right, len(true))


def average_precision(these: Sequence[Response]) -> float:
    """The area under precision against sensitivity, each precision being the highest at that sensitivity or above.

    NaN where there is nothing to find :cite:`everingham2010`.
    """
    true = sum(r.true for r in these)
    if not true:
        return float("nan")
    right = _ordered(these)
    hits = np.cumsum(right)
    precision = np.maximum.accumulate((hits / np.arange(1, len(right) + 1))[::-1])[::-1]
    return float(precision[right].sum() / true)


def sensitivity_at(these: Sequence[Response], false_an_image: float) -> float:
    """The share of true boxes that are hit while there are at most so many false ones an image on average."""
    true = sum(r.true for r in these)
    if not true:
        return float("nan")
    right = _ordered(these)
    allowed = np.cumsum(~right) <= false_an_image * len(these)
    return float((right & allowed).sum() / true)


def _ordered(these: Sequence[Response]) -> Bool[np.ndarray, " all"]:
    """Right or not, of all found boxes, the most probable first."""
    scores, right = (np.concatenate([getattr(r, n) for r in these]) for n in ("scores", "right"))
    return np.asarray(right[np.argsort(-scores, kind="stable")], bool)
