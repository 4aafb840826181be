"""What was injected: the Radiopharmaceutical Information Sequence, in and out.

The total dose is in MBq in NM and in Bq in PT. A number no person could have received under the unit
that holds (above 100 GBq, below 1 kBq) betrays the other unit; it is not converted but left unstated.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from pydicom.dataset import Dataset

from photopeak.core import Radiopharmaceutical
from photopeak.dicom.assumptions import Assumptions
from photopeak.dicom.codes import NUCLIDES, find, nuclide_of
from photopeak.dicom.coding import code_item
from photopeak.dicom.elements import Elements
from photopeak.dicom.subject import decimal
from photopeak.dicom.times import date_text, time_text

SEQUENCE: Final = "RadiopharmaceuticalInformationSequence"
_PLAUSIBLE_MBQ: Final = (1e-3, 1e5)


def read_tracers(e: Elements, assume: Assumptions, acquired: dt.datetime | None) -> tuple[Radiopharmaceutical, ...]:
    """Every radiopharmaceutical the file names, with the user's facts for the only one."""
    per_mbq = 1e6 if e.text("Modality") == "PT" else 1.0
    tracers = [_read(item, per_mbq, acquired) for item in e.items(SEQUENCE)]
    tracers = [t for t in tracers if t != Radiopharmaceutical()]
    if len(tracers) > 1:
        return tuple(tracers)
    only = _settled(tracers[0] if tracers else Radiopharmaceutical(), e, assume)
    return (only,) if only != Radiopharmaceutical() else ()


def _read(item: Elements, per_mbq: float, acquired: dt.datetime | None) -> Radiopharmaceutical:
    dose = item.positive("RadionuclideTotalDose")
    activity = None if dose is None else dose / per_mbq
    if activity is not None and not _PLAUSIBLE_MBQ[0] <= activity <= _PLAUSIBLE_MBQ[1]:
        activity = None
    name = item.text("Radiopharmaceutical") or item.code("RadiopharmaceuticalCodeSequence")[2]
    return Radiopharmaceutical(
        name=name,
        nuclide=_nuclide(item),
        activity_mbq=activity,
        administered_at=_administered(item, acquired),
        half_life_s=item.positive("RadionuclideHalfLife"),
        route=item.text("RadiopharmaceuticalRoute"),
    )


def _nuclide(item: Elements) -> str:
    value, _, meaning = item.code("RadionuclideCodeSequence")
    return find(NUCLIDES, value, "") or nuclide_of(meaning) or nuclide_of(value)


def _administered(item: Elements, acquired: dt.datetime | None) -> dt.datetime | None:
    """When it was given. A time without a date is the last such time before the acquisition."""
    moment = item.datetime("RadiopharmaceuticalStartDateTime")
    if moment is not None:
        return moment
    time = item.time("RadiopharmaceuticalStartTime")
    if time is None or acquired is None:
        return None
    same_day = dt.datetime.combine(acquired.date(), time)
    return same_day if same_day <= acquired else same_day - dt.timedelta(days=1)


def _settled(tracer: Radiopharmaceutical, e: Elements, assume: Assumptions) -> Radiopharmaceutical:
    def settle(key: str, stated: object, keyword: str) -> object:
        return assume.settle(key, stated, e, keyword)

    fields = {
        "nuclide": settle("nuclide", tracer.nuclide, "RadionuclideCodeSequence"),
        "activity_mbq": settle("activity_mbq", tracer.activity_mbq, "RadionuclideTotalDose"),
        "administered_at": settle("administered_at", tracer.administered_at, "RadiopharmaceuticalStartDateTime"),
        "half_life_s": settle("half_life_s", tracer.half_life_s, "RadionuclideHalfLife"),
    }
    return Radiopharmaceutical(name=tracer.name, route=tracer.route, **fields)  # type: ignore[arg-type]


def tracer_items(tracers: tuple[Radiopharmaceutical, ...], modality: str) -> list[Dataset]:
    """The sequence's items."""
    return [_item(t, 1e6 if modality == "PT" else 1.0) for t in tracers]


def _item(tracer: Radiopharmaceutical, per_mbq: float) -> Dataset:
    item = Dataset()
    if tracer.name:
        item.Radiopharmaceutical = tracer.name
    if tracer.route:
        item.RadiopharmaceuticalRoute = tracer.route
    if tracer.administered_at is not None:
        item.RadiopharmaceuticalStartTime = time_text(tracer.administered_at)
        item.RadiopharmaceuticalStartDateTime = date_text(tracer.administered_at) + time_text(tracer.administered_at)
    if tracer.activity_mbq is not None:
        item.RadionuclideTotalDose = decimal(tracer.activity_mbq * per_mbq)
    if tracer.half_life_s is not None:
        item.RadionuclideHalfLife = decimal(tracer.half_life_s)
    item.RadionuclideCodeSequence = _nuclide_items(tracer.nuclide)
    return item


def _nuclide_items(nuclide: str) -> list[Dataset]:
    if not nuclide:
        return []
    if nuclide in NUCLIDES:
        return [code_item(NUCLIDES[nuclide])]
    item = Dataset()  # a nuclide that PS3.16 does not list goes under a code of ours, named in full
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = nuclide, "99PHOTOPEAK", nuclide
    return [item]
