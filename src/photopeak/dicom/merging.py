"""One file a view, put together: single-view files of one acquisition become one Study.

They belong together by study, patient, kind, matrix, pixel size and windows, and must have different known
views; the order of files says nothing. Where a study holds several such acquisitions, series and then
starting time tell them apart; what stays ambiguous stays apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from photopeak.core import Axis, Grid, Image, PhotopeakError, Study
from photopeak.dicom.views import UNKNOWN

ORDER = ("anterior", "posterior")


def paired(studies: list[Study]) -> list[Study]:
    """The Studies with every anterior and posterior file of one acquisition merged."""
    return [merge_views([studies[i] for i in together]) for together in pairs_of(studies)]


def alone(study: Study) -> bool:
    """Whether a Study is one view of an acquisition whose other view may lie in another file."""
    return _acquisition_key(study) is not None


def pairs_of(studies: list[Study]) -> list[list[int]]:
    """Which Studies belong together: the numbers of an anterior and a posterior one, or of one alone."""
    groups: dict[Any, list[int]] = {}
    for i, study in enumerate(studies):
        groups.setdefault(_acquisition_key(study) or i, []).append(i)
    partner: dict[int, list[int]] = {}
    for members in (m for m in groups.values() if len(m) > 1):
        for pair in _pairs(studies, members, (_series, _start)):
            partner[pair[0]] = pair
            partner[pair[1]] = []
    return [together for i in range(len(studies)) if (together := partner.get(i, [i]))]


def _acquisition_key(study: Study) -> Any:
    """What files of one acquisition share; None for what is never merged."""
    a, image = study.acquisition, study.get("counts")
    if a.kind not in ("WHOLE BODY", "STATIC") or not isinstance(image, Image) or not a.study_uid:
        return None  # TOMO and the like have several frames a view, and reconstructions none
    views = image.grid.labels("view")
    if len(views) != 1 or views[0] not in ORDER:
        return None
    shared = tuple((axis.name, axis.size, axis.labels) for axis in image.grid.axes if axis.name != "view")
    return (
        a.study_uid,
        a.kind,
        study.patient.patient_id,
        study.patient.issuer,
        shared,
        image.grid.affine_mm,
        a.energy_windows,
    )


def _series(study: Study) -> Any:
    return study.acquisition.series_uid


def _start(study: Study) -> Any:
    return study.acquisition.started_at


def _pairs(studies: list[Study], members: list[int], keys: tuple[Callable[[Study], Any], ...]) -> list[list[int]]:
    """Pairs of an anterior and a posterior among these, split by the next key while there are more."""
    views = [_view(studies[i]) for i in members]
    if sorted(views) == sorted(ORDER):
        return [sorted(members, key=lambda i: ORDER.index(_view(studies[i])))]
    if not keys or len(set(views)) < 2:
        return []
    split: dict[Any, list[int]] = {}
    for i in members:
        split.setdefault(keys[0](studies[i]), []).append(i)
    return [pair for part in split.values() for pair in _pairs(studies, part, keys[1:])]


def _view(study: Study) -> str:
    image = study["counts"]
    assert isinstance(image, Image)
    return image.grid.labels("view")[0]


def merge_views(studies: Sequence[Study]) -> Study:
    """One Study of several of the same acquisition, each with views of its own."""
    if len(studies) == 1:
        return studies[0]
    images = [s["counts"] for s in studies]
    shared = [i.grid.without("view") for i in images if isinstance(i, Image) and "view" in i.grid.names]
    if len(shared) != len(images) or any(
        (g.axes, g.affine_mm) != (shared[0].axes, shared[0].affine_mm) for g in shared
    ):
        raise PhotopeakError("the views differ in matrix or pixel size. Remedy: keep them in studies of their own.")
    pictures = [i for i in images if isinstance(i, Image)]
    views = tuple(v for i in pictures for v in i.grid.labels("view"))
    if len(set(views)) != len(views) or UNKNOWN in views:
        raise PhotopeakError(
            f"views {', '.join(views)} cannot be told apart. Remedy: give files of different, known views."
        )
    at = pictures[0].grid.names.index("view")
    axes = tuple(Axis("view", len(views), views) if a.name == "view" else a for a in pictures[0].grid.axes)
    values = np.concatenate([i.values for i in pictures], axis=at)
    grid = Grid(axes, pictures[0].grid.affine_mm, pictures[0].grid.frame)
    return Study({"counts": Image(values, grid, "{counts}")}, studies[0].patient, _joined(studies), _histories(studies))


def _joined(studies: Sequence[Study]) -> Any:
    """The first acquisition with the detectors of all."""
    import dataclasses

    first = studies[0].acquisition
    detectors = tuple(d for s in studies for d in s.acquisition.detectors)
    complete = all(s.acquisition.detectors for s in studies)
    assumed = {k: v for s in studies for k, v in s.acquisition.assumed.items()}
    return dataclasses.replace(first, detectors=detectors if complete else (), assumed=assumed)


def _histories(studies: Sequence[Study]) -> Any:
    """Every record once, in order."""
    return tuple(
        record for i, s in enumerate(studies) for record in s.history if i == 0 or record not in studies[0].history
    )
