"""From which side a planar camera saw the patient.

Evidence, best first: the view code of the detector, then its start angle. Without either the view is
``unknown``; the order of frames says nothing, and neither does the picture. A planar file without any
detector sequence is refused until the user states its view (``view=unknown`` will do). Pixels stay as they
are stored: a posterior view that its camera mirrored is not turned back.

The start angle (0054,0200) counts from the patient's back towards the patient's left side (PS3.3,
C.8.4.11), whatever the posture: 0 posterior, 90 left lateral, 180 anterior, 270 right lateral.
"""

from __future__ import annotations

from typing import Final

from photopeak.dicom.assumptions import Assumptions
from photopeak.dicom.codes import VIEW_MODIFIERS, VIEWS, find
from photopeak.dicom.elements import Elements

UNKNOWN: Final = "unknown"
TOLERANCE_DEG: Final = 10.0

#: view -> start angle in degrees
ANGLES: Final = {
    "posterior": 0.0,
    "left posterior oblique": 45.0,
    "left lateral": 90.0,
    "left anterior oblique": 135.0,
    "anterior": 180.0,
    "right anterior oblique": 225.0,
    "right lateral": 270.0,
    "right posterior oblique": 315.0,
}


def read_views(e: Elements, detectors: int, assume: Assumptions) -> tuple[str, ...]:
    """The view of each detector, in the order of their numbers."""
    items = e.items("DetectorInformationSequence")
    found = [view_of(item) for item in items[:detectors]]
    found += [UNKNOWN] * (detectors - len(found))
    if "view" in assume:
        return _with_assumed(e, tuple(found), assume)
    if not items:
        meaning = "is missing, so nothing says from which side the patient was seen."
        remedy = "state it with --assume view=anterior (or posterior, …; view=unknown reads it as it is)."
        raise e.refuse("DetectorInformationSequence", meaning, remedy)
    return tuple(found)


def view_of(detector: Elements) -> str:
    """The view of one detector, from its code or its start angle."""
    value, _, meaning = detector.code("ViewCodeSequence")
    if view := find(VIEWS, value, meaning):
        value, _, meaning = detector.items("ViewCodeSequence")[0].code("ViewModifierCodeSequence")
        return f"{view}, {modifier}" if (modifier := find(VIEW_MODIFIERS, value, meaning)) else view
    angle = detector.number("StartAngle")
    return UNKNOWN if angle is None else view_at(angle)


def view_at(angle_deg: float) -> str:
    """The view from a start angle; one that is not near an eighth of the circle has no name.

    >>> view_at(180.0), view_at(-3.0), view_at(20.0)
    ('anterior', 'posterior', 'unknown')
    """
    for view, centre in ANGLES.items():
        if abs((angle_deg - centre + 180.0) % 360.0 - 180.0) <= TOLERANCE_DEG:
            return view
    return UNKNOWN


def _with_assumed(e: Elements, found: tuple[str, ...], assume: Assumptions) -> tuple[str, ...]:
    """The user's views where the file has none; for several detectors one word each."""
    stated = assume.settle("view", None, e, "ViewCodeSequence")
    del assume.used["view"]
    if len(stated) != len(found):
        meaning = f"the file has {len(found)} detectors, and --assume view names {len(stated)} views."
        raise e.refuse("ViewCodeSequence", meaning, "name one view for each detector, with commas.")
    merged = []
    for number, (known, said) in enumerate(zip(found, stated, strict=True), 1):
        if known not in (UNKNOWN, said) and said != UNKNOWN:
            meaning = f"detector {number} is {known}, and --assume view={assume.stated['view']} contradicts it."
            raise e.refuse("ViewCodeSequence", meaning, "leave out --assume view, or correct the file.")
        merged.append(said if known == UNKNOWN else known)
    if tuple(merged) != found or all(s == UNKNOWN for s in stated):
        assume.used["view"] = assume.stated["view"]
    return tuple(merged)
