"""Nuclear medicine objects (multi-frame NM), bytes to Study: ``axes`` says what each array looks like."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from pydicom.dataset import Dataset

from photopeak.core import Acquisition, Axis, Grid, Image, Record, Study, scaling
from photopeak.dicom import axes
from photopeak.dicom.acquisition import read_acquisition, settle_duration
from photopeak.dicom.assumptions import Assumptions
from photopeak.dicom.elements import Elements
from photopeak.dicom.frames import DIMENSIONS, arranged, read_frames
from photopeak.dicom.geometry import pixel_spacing, placed, recon_grid
from photopeak.dicom.history import read_history
from photopeak.dicom.pixels import decode
from photopeak.dicom.quantity import check_lossless, read_quantity
from photopeak.dicom.subject import read_patient

NM_CLASS: Final = "1.2.840.10008.5.1.4.1.1.20"
SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"


def read_nm(ds: Dataset, path: str, assume: Assumptions) -> Study:
    """The Study of one NM object."""
    e = Elements(ds, path)
    kind = kind_of_image(e)
    frames = read_frames(e, kind)
    acquisition = read_acquisition(e, assume, kind)
    laid = axes.layout(axes.Source(e, frames, acquisition, assume))
    acquisition = settle_duration(laid.acquisition, e, assume)
    sizes, order = arranged(e, laid.places)
    check_lossless(e, assume)
    stored = decode(ds, path)
    stored = stored if order is None else stored[order]
    stored = stored.reshape(*sizes, *stored.shape[1:])
    quantity = read_quantity(e, assume, default_units="CNTS")
    values, grid = _laid_out(e, stored, laid, kind, assume)
    if kind.startswith("RECON") and not placed(e):
        acquisition = dataclasses.replace(acquisition, facts={**acquisition.facts, "ImageOrientationPatient": None})
    return finished(e, {quantity.entry: Image(quantity.apply(values), grid, quantity.unit)}, acquisition, assume)


def finished(e: Elements, entries: dict[str, Image], acquisition: Acquisition, assume: Assumptions) -> Study:
    """The Study, with its patient, the facts that were assumed and its history."""
    from photopeak import __version__

    patient = read_patient(e, assume)
    history, assumed_before = read_history(e)
    if assume.used:
        parameters = {"assumed": dict(assume.used)}
        history = (*history, Record("dicom.read", __version__, parameters, tuple(entries)))  # type: ignore[arg-type]
    acquisition = dataclasses.replace(acquisition, assumed={**assumed_before, **assume.used})
    return Study(dict(entries), patient, acquisition, history)


def kind_of_image(e: Elements) -> str:
    """Value 3 of the Image Type: what the frames mean."""
    words = e.words("ImageType")
    kind = words[2] if len(words) > 2 else ""
    if kind not in DIMENSIONS:
        known = ", ".join(DIMENSIONS)
        meaning = f"value 3 is {kind[:20]!r}, so the meaning of the frames is not known; known are {known}."
        raise e.refuse("ImageType", meaning)
    return kind


def _laid_out(e: Elements, stored: Any, laid: axes.Layout, kind: str, assume: Assumptions) -> tuple[Any, Grid]:
    """The array without axes of size 1 that need not be, on its grid."""
    keep = [axis.name in laid.always or axis.size > 1 for axis in laid.axes]
    leading = [axis for axis, kept in zip(laid.axes, keep, strict=True) if kept]
    if kind.startswith("RECON"):
        values, affine, frame = recon_grid(e, stored, assume)
    else:
        values, affine, frame = stored, scaling((*pixel_spacing(e, assume)[::-1], 1.0)), e.text("FrameOfReferenceUID")
    rows, columns = values.shape[-2:]
    grid = Grid((*leading, Axis("y", rows), Axis("x", columns)), affine, frame)
    return values.reshape(grid.shape), grid
