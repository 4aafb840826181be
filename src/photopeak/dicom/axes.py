"""What the axes of every kind of image are: the convention that all of Photopeak relies on.

========================  ================================================================
STATIC, WHOLE BODY        (energy?, view, y, x)
DYNAMIC                   (energy?, view, time, y, x)
GATED                     (energy?, view, rr?, gate, y, x)
TOMO                      (energy?, rotation?, angle, y, x)
GATED TOMO                (energy?, rr?, gate, rotation?, angle, y, x)
RECON TOMO                (energy?, z, y, x)
RECON GATED TOMO          (energy?, rr?, gate, z, y, x)
PT, CT                    (time? or gate?, z, y, x)
========================  ================================================================

An axis with ``?`` is there only where it has more than one index; every other always is.

- ``energy``: labels are the windows' names (``acquisition.energy_windows`` has their ranges).
- ``view``: labels are the views, as ``views`` finds them, in the order of the detectors' numbers.
- ``time``: values are the starts of the frames in seconds after the acquisition's; labels name the phases
  where there are several. ``facts["ActualFrameDuration"]`` has each frame's duration in milliseconds.
- ``rr``: R-R intervals; ``gate``: values are the starts of the time slots in ms where they are stated.
- ``angle``: values are the detector's angles in degrees as DICOM counts them (0 at the patient's back,
  growing towards the patient's left); detectors and rotations follow each other in acquisition order, and
  labels name the detector. Rotations that repeat the same angles have an axis ``rotation`` of their own.
- ``z, y, x``: a right-handed affine to patient millimetres. Where a reconstructed NM file states no
  orientation, the affine holds the spacing alone and ``facts["ImageOrientationPatient"]`` is None.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from photopeak.core import Acquisition, Axis
from photopeak.dicom.assumptions import Assumptions
from photopeak.dicom.elements import Elements
from photopeak.dicom.frames import Frames, Numbers, ranked
from photopeak.dicom.views import read_views

Places = dict[str, tuple[Numbers, int]]


@dataclass(frozen=True)
class Source:
    """What a layout is made from."""

    e: Elements
    frames: Frames
    acquisition: Acquisition
    assume: Assumptions


@dataclass(frozen=True)
class Layout:
    """The axes before y and x, where every frame lies along them, and what was learnt on the way."""

    axes: tuple[Axis, ...]
    places: Places
    acquisition: Acquisition
    always: frozenset[str]


def energy_axis(s: Source) -> tuple[Axis, tuple[Numbers, int]]:
    """Energy windows, by name where they have one."""
    place, size = ranked(s.frames.numbers["energy"])
    numbers = sorted(set(s.frames.numbers["energy"].tolist()))
    windows = s.acquisition.energy_windows
    names = [windows[n - 1].name if n <= len(windows) else "" for n in numbers]
    labels = tuple(name or f"window {n}" for name, n in zip(names, numbers, strict=True))
    return Axis("energy", size, labels), (place, size)


def view_axis(s: Source) -> tuple[Axis, tuple[Numbers, int]]:
    """Views, one a detector."""
    place, size = ranked(s.frames.numbers["detector"])
    numbers = sorted(set(s.frames.numbers["detector"].tolist()))
    if numbers[-1] > 64:
        raise s.e.refuse("DetectorVector", f"names detector {numbers[-1]}; no camera has so many.")
    views = read_views(s.e, numbers[-1], s.assume) if len(numbers) == numbers[-1] else None
    if views is None:
        raise s.e.refuse("DetectorVector", f"names detectors {numbers}, with gaps: frames are missing.")
    return Axis("view", size, views), (place, size)


def planar(s: Source) -> Layout:
    """STATIC and WHOLE BODY."""
    (energy, energies), (view, detectors) = energy_axis(s), view_axis(s)
    return Layout((energy, view), {"energy": energies, "view": detectors}, s.acquisition, frozenset({"view"}))


def volume(s: Source) -> Layout:
    """RECON TOMO: slices in the order of their numbers; where they lie is for ``geometry`` to say."""
    energy, energies = energy_axis(s)
    place, size = ranked(s.frames.numbers["slice"])
    return Layout((energy, Axis("z", size)), {"energy": energies, "z": (place, size)}, s.acquisition, frozenset({"z"}))


def _makers() -> dict[str, Callable[[Source], Layout]]:
    from photopeak.dicom import dynamic, gated, tomo

    return {
        "STATIC": planar,
        "WHOLE BODY": planar,
        "DYNAMIC": dynamic.layout,
        "GATED": gated.planar,
        "TOMO": tomo.layout,
        "GATED TOMO": gated.tomographic,
        "RECON TOMO": volume,
        "RECON GATED TOMO": gated.volume,
    }


def layout(s: Source) -> Layout:
    """The layout of a kind of image."""
    return _makers()[s.acquisition.kind](s)
