"""Where a planar Study's views lie in the objects they were read from: found by their pixels, never by frame order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from photopeak.core import Image, PhotopeakError, Study
from photopeak.dicom.assumptions import Assumptions
from photopeak.dicom.elements import Elements
from photopeak.dicom.pixels import decode
from photopeak.dicom.quantity import read_quantity


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of an object: its number from 1 on, or None where the object has one frame alone."""

    source: Dataset
    number: int | None


def frames_of(study: Study, sources: Sequence[Dataset]) -> dict[str, Frame]:
    """The frame of each view of ``study``; refused where the objects do not hold its counts."""
    image = study["counts"]
    assert isinstance(image, Image)
    planes = dict(zip(image.grid.labels("view"), np.asarray(image.values), strict=True))
    found: dict[str, Frame] = {}
    for ds in sources:
        quantity = read_quantity(Elements(ds, ""), Assumptions(None), default_units="CNTS")
        stored = quantity.apply(decode(ds, ""))
        for k, frame in enumerate(stored):
            for view, plane in planes.items():
                if view not in found and np.array_equal(frame, plane):
                    found[view] = Frame(ds, k + 1 if len(stored) > 1 else None)
    if missing := [view for view in planes if view not in found]:
        raise PhotopeakError(
            f"no frame of the source holds the counts of the {' and the '.join(missing)} view. "
            "Remedy: give the file that was read."
        )
    return found
