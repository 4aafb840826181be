"""From several readings one: the majority about a case, and about each lesion; what is left goes to an adjudicator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from photopeak.evaluate.outlines import Outline, Points, Shape, check_threshold, contour, filled, ious

Mark = tuple[str, int]
"""Whose outline, and its position among theirs."""


@dataclass(frozen=True)
class Cluster:
    """Outlines of different readers that mean the same lesion.

    ``marked``: reader -> position of their outline. ``majority``: whether more than half of all readers of the view
    marked it. ``points``: the consensus outline, x and y in pixels.
    """

    finding: str
    site: str
    marked: Mapping[str, int]
    majority: bool
    points: Points


def majority(votes: Sequence[bool]) -> bool | None:
    """What more than half of the readers say of an image or a patient, as two of three do :cite:`lin2021dspic`.

    None where they are tied, or nobody has voted: an adjudicator decides.

    >>> majority([True, True, False]), majority([True, False])
    (True, None)
    """
    yes = sum(bool(vote) for vote in votes)
    no = len(votes) - yes
    return None if yes == no else yes > no


def lesion_consensus(readers: Mapping[str, Sequence[Outline]], shape: Shape, threshold: float) -> tuple[Cluster, ...]:
    """The lesions that the readers of a view of ``shape`` (rows, columns) marked, each with who did.

    ``readers`` holds everybody who read the view; who found nothing has no outlines there, and counts against a
    majority. Outlines of different readers belong together when they name the same finding and site and their
    intersection over union is at least ``threshold``. The closest pairs join first, and with them the clusters they
    are in, unless a reader would then have two outlines in one.

    Those with a majority come first, then by size of agreement; within that in the readers' order.
    """
    check_threshold(threshold)
    clusters = [_cluster(readers, members, shape) for members in _groups(readers, shape, threshold)]
    return tuple(sorted(clusters, key=lambda c: -len(c.marked)))


def disagreements(clusters: Iterable[Cluster]) -> tuple[Cluster, ...]:
    """Those without a majority: what the adjudicator sees."""
    return tuple(c for c in clusters if not c.majority)


def consensus_outline(outlines: Sequence[Outline], shape: Shape) -> Points:
    """The outline of the pixels that at least half of these include; of several pieces, the largest.

    Where no pixel is in half of them, those in the most count. A single outline is its own consensus, and so it is
    where nothing is inside: an outline between the centres of pixels, or beside the image.
    """
    if len(outlines) == 1:
        return outlines[0].points
    votes = np.sum([filled(o.points, shape) for o in outlines], axis=0)
    most = int(votes.max())
    agreed: Bool[np.ndarray, "row column"] = (votes > 0) & (2 * votes >= min(len(outlines), 2 * most))
    return contour(agreed) or outlines[0].points


def _groups(readers: Mapping[str, Sequence[Outline]], shape: Shape, threshold: float) -> list[list[Mark]]:
    marks = [(name, i) for name, outlines in readers.items() for i in range(len(outlines))]
    outlines = [readers[name][i] for name, i in marks]
    iou = ious(outlines, outlines, shape)
    first, second = np.nonzero(np.triu(iou >= threshold, 1))
    closest = np.argsort(-iou[first, second], kind="stable")
    group = {i: [i] for i in range(len(marks))}
    for i, j in zip(first[closest].tolist(), second[closest].tolist(), strict=True):
        together = sorted({*group[i], *group[j]})
        a, b = outlines[i], outlines[j]
        if (a.finding, a.site) == (b.finding, b.site) and len({marks[k][0] for k in together}) == len(together):
            group.update(dict.fromkeys(together, together))
    return [[marks[k] for k in members] for i, members in group.items() if i == members[0]]


def _cluster(readers: Mapping[str, Sequence[Outline]], members: Sequence[Mark], shape: Shape) -> Cluster:
    outlines = [readers[name][i] for name, i in members]
    first = outlines[0]
    points = consensus_outline(outlines, shape)
    return Cluster(first.finding, first.site, dict(members), 2 * len(members) > len(readers), points)
