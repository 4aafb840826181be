"""PT and CT series, one file a slice: slices to Studies."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any, Final

import numpy as np

from photopeak.core import Acquisition, Axis, Grid, Image, Study
from photopeak.core.study import Json
from photopeak.dicom.acquisition import read_acquisition, settle_duration
from photopeak.dicom.assumptions import Assumptions
from photopeak.dicom.elements import Elements
from photopeak.dicom.nm import finished
from photopeak.dicom.pixels import decode
from photopeak.dicom.quantity import Quantity, check_lossless, read_quantity, rescale
from photopeak.dicom.stacks import Slice, Stack, build, key_of

PT_CLASS: Final = "1.2.840.10008.5.1.4.1.1.128"
CT_CLASS: Final = "1.2.840.10008.5.1.4.1.1.2"

#: facts that may differ from slice to slice; where they do, the fact is a list in the order of the slices
PER_SLICE: Final = ("ActualFrameDuration", "DecayFactor", "FrameReferenceTime", "DoseCalibrationFactor")


def read_volumes(slices: list[Elements], assume: Assumptions) -> list[Study]:
    """One Study for each stack among the slices of a series."""
    stacks: dict[tuple[Any, ...], list[Elements]] = {}
    for e in slices:
        stacks.setdefault(key_of(e), []).append(e)
    return [_study(build(stack, assume), assume.anew()) for stack in stacks.values()]


def _study(stack: Stack, assume: Assumptions) -> Study:
    stack, axis = _with_time(stack)
    first = stack.places[0][0].e
    for s in stack.slices:
        check_lossless(s.e, assume)
    read = _read_ct if first.text("SOPClassUID") == CT_CLASS else read_quantity
    quantities = [read(s.e, assume) for s in stack.slices]
    quantity = _agreed(stack.slices, quantities)
    values = np.stack([q.apply(decode(s.e.data, s.e.path)[0]) for s, q in zip(stack.slices, quantities, strict=True)])
    values = values.reshape(len(stack.places), -1, *values.shape[1:])
    values = values[:, 0] if axis is None else np.ascontiguousarray(np.moveaxis(values, 1, 0))
    spatial = (Axis("z", len(stack.places)), Axis("y", values.shape[-2]), Axis("x", values.shape[-1]))
    grid = Grid((*(() if axis is None else (axis,)), *spatial), stack.affine_mm, first.text("FrameOfReferenceUID"))
    acquisition = settle_duration(_acquisition(stack, assume), first, assume)
    return finished(first, {quantity.entry: Image(values, grid, quantity.unit)}, acquisition, assume)


def _read_ct(e: Elements, _assume: Assumptions) -> Quantity:
    if e.text("RescaleType") not in ("", "HU"):
        raise e.refuse("RescaleType", f"is {e.text('RescaleType')!r}; CT numbers are in HU.")
    if e.number("RescaleIntercept") is None:
        raise e.refuse("RescaleIntercept", "is missing, so the values cannot be brought to CT numbers.")
    return Quantity("ct", "[hnsf'U]", *rescale(e))


def _agreed(slices: list[Slice], quantities: list[Quantity]) -> Quantity:
    """The quantity, if all slices have the same."""
    for s, quantity in zip(slices, quantities, strict=True):
        if quantity.unit != quantities[0].unit:
            meaning = f"is for {quantity.unit} here and for {quantities[0].unit} in another slice of the series."
            raise s.e.refuse("Units", meaning)
    return quantities[0]


def _with_time(stack: Stack) -> tuple[Stack, Axis | None]:
    """Several slices at each place are gates or time frames, told apart by trigger or acquisition time."""
    count = len(stack.places[0])
    if count == 1:
        return stack, None
    gated = "GATED" in stack.places[0][0].e.words("SeriesType")
    keys = [[_moment_ms(s.e, gated) for s in place] for place in stack.places]
    for place, moments in zip(stack.places, keys, strict=True):
        if None in moments or len(set(moments)) != count:
            tag = "TriggerTime" if gated else "FrameReferenceTime"
            meaning = f"does not tell the {count} slices at one position apart."
            raise place[0].e.refuse(tag, meaning, "give one series at a time.")
    ordered = [
        [s for _, s in sorted(zip(m, p, strict=True), key=_first)] for m, p in zip(keys, stack.places, strict=True)
    ]
    starts = sorted(m for m in keys[0] if m is not None)
    if gated:
        return Stack(ordered, stack.affine_mm), Axis("gate", count, (), tuple(starts), "ms")
    seconds = tuple((m - starts[0]) / 1000.0 for m in starts)
    return Stack(ordered, stack.affine_mm), Axis("time", count, (), seconds, "s")


def _first(pair: tuple[float | None, Slice]) -> float:
    return pair[0] or 0.0


def _moment_ms(e: Elements, gated: bool) -> float | None:
    """When a slice was acquired, in ms: after the trigger, or after the start of its year."""
    if gated:
        return e.number("TriggerTime")
    moment = e.moment("Acquisition")
    if moment is None:
        return e.number("FrameReferenceTime")
    return (moment - dt.datetime(moment.year, 1, 1)).total_seconds() * 1000.0


def _acquisition(stack: Stack, assume: Assumptions) -> Acquisition:
    """That of the slice acquired first, with what differs between slices as lists."""
    slices = [s.e for s in stack.slices]
    moments = [(m, i) for i, e in enumerate(slices) if (m := e.moment("Acquisition")) is not None]
    earliest = slices[min(moments)[1]] if moments else slices[0]
    acquisition = read_acquisition(earliest, assume)
    facts: dict[str, Json] = dict(acquisition.facts)
    for keyword in PER_SLICE:
        numbers = [e.number(keyword) for e in slices]
        if None not in numbers and len(set(numbers)) > 1:
            facts[keyword] = [n for n in numbers if n is not None]
    if len({m for m, _ in moments}) > 1 and len(moments) == len(slices):
        facts["AcquisitionDateTime"] = [m.isoformat() for m, _ in moments]
    facts.pop("InstanceNumber", None)
    return dataclasses.replace(acquisition, facts=facts)
