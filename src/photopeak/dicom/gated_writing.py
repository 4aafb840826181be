"""Gated studies, out: R-R intervals and time slots."""

from __future__ import annotations

import dataclasses

from pydicom.dataset import Dataset

from photopeak.core import Grid, Image, PhotopeakError, Study
from photopeak.dicom.frames import Numbers
from photopeak.dicom.gated import INTERVAL_FACTS
from photopeak.dicom.layouts import Plan, counters, placed, require
from photopeak.dicom.subject import decimal
from photopeak.dicom.tomo_writing import angular, place


def planar(study: Study, image: Image) -> Plan:
    """(energy?, view, rr?, gate)."""
    require(image.grid, "GATED", ("energy?", "view", "rr?", "gate", "y", "x"))
    n = counters(image.grid, "energy", "view", "rr", "gate")
    vectors = {"energy": n["energy"], "detector": n["view"], "rr": n["rr"], "gate": n["gate"]}
    module = slots(image.grid, study)
    return Plan(vectors, image.grid.axis("view").size, image.grid.labels("view"), module=module)


def tomographic(study: Study, image: Image) -> Plan:
    """(energy?, rr?, gate, rotation?, angle)."""
    require(image.grid, "GATED TOMO", ("energy?", "rr?", "gate", "rotation?", "angle", "y", "x"))
    n = counters(image.grid, "energy", "rr", "gate", "rotation", "angle")
    turned, starts, module = angular(study, image, n)
    module.update(slots(image.grid, study))
    vectors: dict[str, Numbers] = {  # in the order that the standard gives the pointer
        "energy": n["energy"],
        "detector": turned["detector"],
        "rotation": turned["rotation"],
        "rr": n["rr"],
        "gate": n["gate"],
        "angle": turned["angle"],
    }
    return Plan(vectors, len(starts), starts_deg=starts, module=module, detector=place(study))


def volume(study: Study, image: Image) -> Plan:
    """(energy?, rr?, gate, z)."""
    require(image.grid, "RECON GATED TOMO", ("energy?", "rr?", "gate", "z", "y", "x"))
    n = counters(image.grid, "energy", "rr", "gate", "z")
    energy = {"energy": n["energy"]} if "energy" in image.grid.names else {}
    module, detector = placed(image.grid, study)
    module.update(slots(image.grid, study))
    vectors = {**energy, "rr": n["rr"], "gate": n["gate"], "slice": n["z"]}
    return dataclasses.replace(Plan(vectors), module=module, detector=detector)


def slots(grid: Grid, study: Study) -> Dataset:
    """The multi-gated module: one item for each R-R interval."""
    intervals = grid.axis("rr").size if "rr" in grid.names else 1
    length = slot_ms(grid)
    gated = Dataset()
    gated.DataInformationSequence = [_interval(study, k, length) for k in range(intervals)]
    module = Dataset()
    module.GatedInformationSequence = [gated]
    return module


def slot_ms(grid: Grid) -> float | None:
    """Length of a slot, from where the slots start; equal ones only, since DICOM states one length."""
    starts = grid.axis("gate").values
    if len(starts) < 2:
        return None
    length = starts[1] - starts[0]
    even = all(abs(start - k * length) <= 1e-6 * max(length, 1.0) for k, start in enumerate(starts))
    if length <= 0 or not even or grid.axis("gate").unit != "ms":
        raise PhotopeakError(
            "gates do not start at equal steps from 0 ms. Remedy: give the gate axis such values, or none."
        )
    return length


def _interval(study: Study, number: int, length: float | None) -> Dataset:
    item = Dataset()
    if length is not None:
        item.FrameTime = decimal(length)
    for keyword in INTERVAL_FACTS:
        values = study.acquisition.facts.get(keyword)
        value = values[number] if isinstance(values, list) and number < len(values) else None
        if isinstance(value, (int, float)):
            setattr(item, keyword, str(round(value)))
    return item
